//! The server is killed in the middle of its work, again and again: nothing it acknowledged is lost.
//!
//! Clients make, rotate and revoke credentials and write down what was acknowledged. Between two
//! acknowledgements the process gets SIGKILL; what is started next must know all of it. More
//! rounds: `KEYWAY_CRASHES=100`; on a fuller database: `KEYWAY_CRASH_PRELOADED=100000`.

use std::error::Error;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyway_secret::{Entropy as _, SeededEntropy};
use serde_json::{Value, json};

type Failure = Box<dyn Error + Send + Sync>;

/// Crashes in the suite.
const CRASHES: usize = 10;
/// Credentials that are there before the first crash.
const PRELOADED: usize = 100;
const CLIENTS: usize = 6;
/// The server is killed after so many acknowledgements, and up to as many more.
const ACKNOWLEDGED: u64 = 60;
/// Credentials of an account that is only there to fill the database.
const PER_ACCOUNT: usize = 5_000;
/// Rotating keeps the previous secret for 15 minutes: longer than a round.
const SCHEME: &str = "xtopay";

/// A server process; it dies with this value.
struct Server {
    child: Child,
    management: SocketAddr,
    internal: SocketAddr,
    ready: Duration,
    _output: BufReader<ChildStdout>,
}

impl Server {
    fn start(folder: &Path) -> Result<Self, Failure> {
        let started = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_keyway"))
            .args(["serve", "--json", "--log", "error", "--scheme", SCHEME, "--data"])
            .arg(folder)
            .args(["--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0"])
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

    fn kill(&mut self) -> Result<(), Failure> {
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
struct Http {
    stream: BufReader<TcpStream>,
    token: String,
}

impl Http {
    fn open(address: SocketAddr, token: &str) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), token: token.to_owned() })
    }

    /// Sends a request; the status and the JSON of a complete answer.
    fn ask(&mut self, method: &str, path: &str, body: &Value) -> Result<(u16, Value), Failure> {
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

/// What a client knows of a credential it made.
struct Known {
    account: String,
    id: String,
    /// `client id:client secret`, as Basic authentication has it; the newest.
    pair: String,
    rotated: bool,
    revoked: bool,
    /// The act that was under way when the server died: it happened, or it did not.
    open: Option<&'static str>,
    /// Events that were acknowledged and not yet looked for.
    told: Vec<&'static str>,
}

fn pair(secret: &Value) -> Result<String, Failure> {
    let text = |name: &str| secret[name].as_str().ok_or("no secret in the answer");
    Ok(format!("{}:{}", text("client_id")?, text("client_secret")?))
}

/// Makes a credential; an error if the server died before it answered.
fn create(http: &mut Http, account: &str) -> Result<Known, Failure> {
    let body = json!({ "kind": "client", "environment": "live", "name": "Crash",
        "grant": { "payments": "write" } });
    let path = format!("/v1/accounts/{account}/credentials");
    let (status, made) = http.ask("POST", &path, &body)?;
    assert_eq!(status, 201, "{made}");
    Ok(Known {
        account: account.to_owned(),
        id: made["id"].as_str().ok_or("no id")?.to_owned(),
        pair: pair(&made["secret"])?,
        rotated: false,
        revoked: false,
        open: None,
        told: vec!["api_key.created"],
    })
}

/// Rotates or revokes a credential, and writes down what was acknowledged.
fn change(http: &mut Http, known: &mut Known, act: &'static str) -> Result<(), Failure> {
    let path = format!("/v1/accounts/{}/credentials/{}/{act}", known.account, known.id);
    known.open = Some(act);
    let (status, answer) = http.ask("POST", &path, &json!({}))?;
    assert_eq!(status, 200, "{act}: {answer}");
    known.open = None;
    if act == "rotate" {
        known.pair = pair(&answer["secret"])?;
        known.rotated = true;
        known.told.push("api_key.rotated");
    } else {
        known.revoked = true;
        known.told.push("api_key.revoked");
    }
    Ok(())
}

/// Works until the server dies; what it did in this round.
fn client(
    mut http: Http,
    account: &str,
    seed: u64,
    acknowledged: &Sender<()>,
) -> Result<Vec<Known>, Failure> {
    let mut dice = SeededEntropy::new(seed);
    let mut mine: Vec<Known> = Vec::new();
    loop {
        let roll = usize::try_from(dice.u128() % 1_000_000)?;
        let wanted = if mine.is_empty() { 0 } else { roll % 4 };
        let place = roll / 4 % mine.len().max(1);
        let done = match wanted {
            2 if !mine[place].rotated && !mine[place].revoked => {
                change(&mut http, &mut mine[place], "rotate")
            }
            3 if !mine[place].revoked => change(&mut http, &mut mine[place], "revoke"),
            _ => create(&mut http, account).map(|made| mine.push(made)),
        };
        // The round ends when the answer to something does not come.
        if done.is_err() {
            return Ok(mine);
        }
        // Nobody counts any more once the kill was decided.
        let _ = acknowledged.send(());
    }
}

/// What verification says of credentials: nothing for allowed, or the reason.
fn verdicts(http: &mut Http, known: &[Known]) -> Result<Vec<Option<String>>, Failure> {
    let mut all = Vec::with_capacity(known.len());
    for some in known.chunks(1_000) {
        let questions: Vec<Value> = some
            .iter()
            .map(|known| format!("Basic {}", STANDARD.encode(&known.pair)))
            .map(|value| {
                json!({ "method": "GET", "path": "/v1/payments",
                "headers": [["authorization", value]] })
            })
            .collect();
        let body = json!({ "questions": questions });
        let (status, said) = http.ask("POST", "/v1/verify/batch", &body)?;
        assert_eq!(status, 200, "{said}");
        let answers = said["answers"].as_array().ok_or("no answers")?;
        all.extend(answers.iter().map(|answer| {
            let reason = answer["reason"].as_str().unwrap_or("no reason");
            (answer["allowed"] != true).then(|| reason.to_owned())
        }));
    }
    Ok(all)
}

/// Compares what the server knows with what it acknowledged; complaints.
fn compare(server: &Server, token: &str, all: &mut [Known]) -> Result<Vec<String>, Failure> {
    let mut losses = Vec::new();
    let mut internal = Http::open(server.internal, token)?;
    for (known, verdict) in all.iter().zip(verdicts(&mut internal, all)?) {
        let right = match (known.revoked, verdict.as_deref()) {
            (true, verdict) => verdict == Some("revoked"),
            (false, None) => true,
            (false, verdict) => known.open == Some("revoke") && verdict == Some("revoked"),
        };
        if !right {
            losses.push(format!("{}: revoked {}, said {verdict:?}", known.id, known.revoked));
        }
    }
    let mut management = Http::open(server.management, token)?;
    for known in all.iter_mut().filter(|known| !known.told.is_empty()) {
        let path = format!("/v1/accounts/{}/events?subject={}", known.account, known.id);
        let (_, page) = management.ask("GET", &path, &Value::Null)?;
        let events = page["data"].as_array().ok_or("no events")?;
        let is_there = |kind: &str| events.iter().any(|event| event["type"] == kind);
        let missing = known.told.drain(..).filter(|kind| !is_there(kind));
        losses.extend(missing.map(|kind| format!("{}: no event {kind}", known.id)));
    }
    Ok(losses)
}

fn integrity(folder: &Path) -> Result<String, Failure> {
    let database = rusqlite::Connection::open(folder.join("keyway.db"))?;
    Ok(database.query_row("PRAGMA integrity_check", [], |row| row.get(0))?)
}

/// One round: load, kill, restart, compare. What was done is added to `all`.
fn crash(
    server: Server,
    setting: &Setting,
    round: u64,
    all: &mut Vec<Known>,
) -> Result<(Server, Vec<String>), Failure> {
    let mut server = server;
    let mut dice = SeededEntropy::new(round);
    let until = ACKNOWLEDGED + u64::try_from(dice.u128() % u128::from(ACKNOWLEDGED))?;
    let (acknowledged, counted) = channel();
    let mut clients = Vec::new();
    for (place, account) in setting.accounts.iter().enumerate() {
        let http = Http::open(server.management, &setting.token)?;
        let (account, acknowledged) = (account.clone(), acknowledged.clone());
        let seed = round * 1_000 + place as u64;
        clients.push(thread::spawn(move || client(http, &account, seed, &acknowledged)));
    }
    drop(acknowledged);
    for _ in 0..until {
        counted.recv().map_err(|_| "the clients stopped before the crash")?;
    }
    server.kill()?;
    for client in clients {
        all.extend(client.join().map_err(|_| "a client panicked")??);
    }
    let server = Server::start(&setting.folder)?;
    let mut losses = compare(&server, &setting.token, all)?;
    let found = integrity(&setting.folder)?;
    losses.extend((found != "ok").then_some(found));
    // What was under way is settled now, but nobody knows which way.
    all.retain(|known| known.open.is_none());
    Ok((server, losses))
}

/// What all rounds share.
struct Setting {
    folder: PathBuf,
    token: String,
    accounts: Vec<String>,
}

fn new_account(http: &mut Http) -> Result<String, Failure> {
    let (status, made) = http.ask("POST", "/v1/accounts", &json!({ "name": "Crash" }))?;
    assert_eq!(status, 201, "{made}");
    Ok(made["id"].as_str().ok_or("no id")?.to_owned())
}

/// Fills the database through the API; what it made is compared at the end.
fn preload(server: &Server, token: &str, count: usize) -> Result<Vec<Known>, Failure> {
    let mut threads = Vec::new();
    let each = count.div_ceil(32).max(1);
    for first in (0..count).step_by(each) {
        let mut http = Http::open(server.management, token)?;
        threads.push(thread::spawn(move || {
            let mut made = Vec::new();
            let mut account = String::new();
            for place in 0..each.min(count - first) {
                if place % PER_ACCOUNT == 0 {
                    account = new_account(&mut http)?;
                }
                let mut known = create(&mut http, &account)?;
                known.told.clear();
                made.push(known);
            }
            Ok::<_, Failure>(made)
        }));
    }
    let mut all = Vec::with_capacity(count);
    for thread in threads {
        all.extend(thread.join().map_err(|_| "a thread panicked")??);
    }
    Ok(all)
}

#[expect(clippy::disallowed_methods, reason = "how long a test takes is for whoever runs it")]
fn wanted(variable: &str, otherwise: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

fn operator_token(folder: &Path) -> Result<String, Failure> {
    let output = Command::new(env!("CARGO_BIN_EXE_keyway"))
        .args(["tokens", "create", "--json", "--log", "error", "--name", "Crash", "--data"])
        .arg(folder)
        .output()?;
    let made: Value = serde_json::from_slice(&output.stdout)?;
    Ok(made["secret"]["token"].as_str().ok_or("no token")?.to_owned())
}

fn temporary_folder() -> Result<PathBuf, Failure> {
    let folder = std::env::temp_dir().join(format!("keyway-crash-{}", std::process::id()));
    std::fs::DirBuilder::new().recursive(true).create(&folder)?;
    Ok(folder)
}

#[test]
fn nothing_acknowledged_is_lost_when_the_process_is_killed() -> Result<(), Failure> {
    let folder = temporary_folder()?;
    let mut server = Server::start(&folder)?;
    let token = operator_token(&folder)?;
    let mut http = Http::open(server.management, &token)?;
    let accounts = (0..CLIENTS).map(|_| new_account(&mut http)).collect::<Result<_, _>>()?;
    drop(http);
    let mut filling = preload(&server, &token, wanted("KEYWAY_CRASH_PRELOADED", PRELOADED))?;
    let setting = Setting { folder, token, accounts };
    let rounds = wanted("KEYWAY_CRASHES", CRASHES);
    let (mut all, mut times, mut losses) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        let (restarted, lost) = crash(server, &setting, round as u64, &mut all)?;
        server = restarted;
        times.push(server.ready);
        losses.extend(lost);
    }
    losses.extend(compare(&server, &setting.token, &mut filling)?);
    times.sort();
    let (middle, longest) = (times.get(times.len() / 2), times.last());
    writeln!(
        std::io::stderr(),
        "{rounds} crashes, {} credentials of clients, {} preloaded: {} losses; ready again after \
         {middle:?} (median), {longest:?} (longest)",
        all.len(),
        filling.len(),
        losses.len(),
    )?;
    drop(server);
    std::fs::remove_dir_all(&setting.folder)?;
    assert!(losses.is_empty(), "lost: {losses:#?}");
    Ok(())
}
