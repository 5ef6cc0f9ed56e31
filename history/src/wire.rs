//! HTTP/1.1 over kept-alive connections, just enough for Keyway's answers.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::Failure;

/// An answer.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// The body as text, for people.
    pub(crate) fn text(&self) -> String {
        format!("{} {}", self.status, String::from_utf8_lossy(&self.body))
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Result<serde_json::Value, Failure> {
        Ok(serde_json::from_slice(&self.body)?)
    }
}

struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Wire {
    async fn open(address: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(4 * 1024) })
    }

    /// Whether the other side still holds it, as far as this one has heard.
    fn is_open(&self) -> bool {
        let mut byte = [0];
        matches!(self.stream.try_read(&mut byte), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
    }

    async fn more(&mut self) -> Result<(), Failure> {
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err("the server closed the connection".into()),
            _ => Ok(()),
        }
    }

    async fn ask(&mut self, request: &[u8]) -> Result<Reply, Failure> {
        self.buffer.clear();
        self.stream.write_all(request).await?;
        loop {
            self.more().await?;
            let ends = self.buffer.windows(4).position(|four| four == b"\r\n\r\n");
            let Some(end) = ends else { continue };
            let head = std::str::from_utf8(&self.buffer[..end])?.to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.ok_or("an answer without content-length")?.parse()?;
            let status = head.get(9..12).unwrap_or_default().parse()?;
            let whole = end + 4 + length;
            while self.buffer.len() < whole {
                self.more().await?;
            }
            return Ok(Reply { status, body: self.buffer[end + 4..whole].to_vec() });
        }
    }
}

/// Connections to one listener; one request at a time on each.
pub(crate) struct Line {
    address: SocketAddr,
    idle: Mutex<Vec<Wire>>,
}

impl Line {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, idle: Mutex::default() }
    }

    /// Asks once. A connection on which anything went wrong is not used again.
    pub(crate) async fn ask(&self, request: &[u8], within: Duration) -> Result<Reply, Failure> {
        let asking = async {
            let mut wire = match self.idle_wire() {
                Some(wire) => wire,
                None => Wire::open(self.address).await?,
            };
            let reply = wire.ask(request).await?;
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(wire);
            Ok(reply)
        };
        match tokio::time::timeout(within, asking).await {
            Ok(reply) => reply,
            Err(_) => Err(format!("no answer within {} ms", within.as_millis()).into()),
        }
    }

    fn idle_wire(&self) -> Option<Wire> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(wire) = idle.pop() {
            if wire.is_open() {
                return Some(wire);
            }
        }
        None
    }
}

/// The bytes of a request with a JSON body, or of a GET when there is none.
pub(crate) fn request(path: &str, headers: &[(&str, &str)], body: Option<&str>) -> Vec<u8> {
    let method = if body.is_some() { "POST" } else { "GET" };
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: keyway\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if let Some(body) = body {
        text.push_str(&format!(
            "content-type: application/json\r\ncontent-length: {}\r\n",
            body.len()
        ));
    }
    text.push_str("\r\n");
    text.push_str(body.unwrap_or_default());
    text.into_bytes()
}
