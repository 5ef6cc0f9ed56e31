//! A server in a process of its own, to be killed, and a connection to it.

use std::error::Error;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// A server process; it dies with this value.
pub(crate) struct Server {
    child: Child,
    pub(crate) management: SocketAddr,
    pub(crate) internal: SocketAddr,
    pub(crate) ready: Duration,
    _output: BufReader<ChildStdout>,
}

impl Server {
    pub(crate) fn start(folder: &Path, scheme: &str, more: &[&str]) -> Result<Self, Failure> {
        let started = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_keyway"))
            .args(["serve", "--json", "--log", "error", "--scheme", scheme, "--data"])
            .arg(folder)
            .args(["--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0"])
            .args(more)
            .stdout(Stdio::piped())
            .spawn()?;
        let mut output = BufReader::new(child.stdout.take().ok_or("no output")?);
        let mut line = String::new();
        output.read_line(&mut line)?;
        let ready = started.elapsed();
        let said: Value = serde_json::from_str(&line)?;
        let address = |name: &str| -> Result<SocketAddr, Failure> {
            let url = said[name].as_str().ok_or("no address")?;
            let place = url.trim_start_matches("http://").split('/').next().unwrap_or_default();
            Ok(place.parse()?)
        };
        let (management, internal) = (address("management_url")?, address("verify_url")?);
        Ok(Self { child, management, internal, ready, _output: output })
    }

    pub(crate) fn kill(&mut self) -> Result<(), Failure> {
        // On Unix this is SIGKILL: no handler runs, nothing is flushed.
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that was killed already is as good.
        let _ = self.kill();
    }
}

/// A keep-alive connection.
pub(crate) struct Http {
    stream: BufReader<TcpStream>,
    token: String,
}

impl Http {
    pub(crate) fn open(address: SocketAddr, token: &str) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), token: token.to_owned() })
    }

    /// Sends a request; the status and the JSON of a complete answer.
    pub(crate) fn ask(
        &mut self,
        method: &str,
        path: &str,
        body: &Value,
    ) -> Result<(u16, Value), Failure> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: keyway\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes())?;
        let mut status = None;
        let mut length = 0;
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                return Err("the connection ended".into());
            }
            let line = line.trim_end();
            if status.is_none() {
                status = Some(line.split(' ').nth(1).unwrap_or_default().parse()?);
            } else if let Some(text) = line.strip_prefix("content-length: ") {
                length = text.parse()?;
            } else if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok((status.unwrap_or(0), serde_json::from_slice(&body)?))
    }
}

pub(crate) fn new_account(http: &mut Http) -> Result<String, Failure> {
    let (status, made) = http.ask("POST", "/v1/accounts", &json!({ "name": "Crash" }))?;
    assert_eq!(status, 201, "{made}");
    Ok(made["id"].as_str().ok_or("no id")?.to_owned())
}

#[expect(clippy::disallowed_methods, reason = "how long a test takes is for whoever runs it")]
pub(crate) fn wanted(variable: &str, otherwise: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

pub(crate) fn operator_token(folder: &Path) -> Result<String, Failure> {
    let output = Command::new(env!("CARGO_BIN_EXE_keyway"))
        .args(["tokens", "create", "--json", "--log", "error", "--name", "Crash", "--data"])
        .arg(folder)
        .output()?;
    let made: Value = serde_json::from_slice(&output.stdout)?;
    Ok(made["secret"]["token"].as_str().ok_or("no token")?.to_owned())
}

pub(crate) fn temporary_folder(name: &str) -> Result<PathBuf, Failure> {
    let folder = std::env::temp_dir().join(format!("keyway-{name}-{}", std::process::id()));
    std::fs::DirBuilder::new().recursive(true).create(&folder)?;
    Ok(folder)
}
