//! Events on their way to receivers that fail half of the time, while the server is killed: each
//! arrives, under one id and rightly signed, and nothing arrives that did not happen.
//!
//! More: `KEYWAY_TELLING_CRASHES=50 KEYWAY_TELLING_EVENTS=1000`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use keyway_secret::{Entropy as _, SecretText, SeededEntropy, sign_webhook};
use serde_json::{Value, json};

use crate::process::{
    Failure, Http, Server, new_account, operator_token, temporary_folder, wanted,
};

/// Crashes in the suite.
const CRASHES: usize = 6;
/// Events in the suite.
const EVENTS: usize = 150;
const RECEIVERS: usize = 3;
const WORKERS: &str = "3";
const SCHEME: &str = "enterprise";
/// All must have arrived so long after the last crash; a busy machine has room in it.
const ARRIVED_WITHIN: Duration = Duration::from_mins(2);

/// A message that came.
struct Got {
    id: String,
    timestamp: i64,
    signature: String,
    body: String,
}

/// A receiver on a thread of its own. While it flaps it refuses, hangs up and dawdles.
struct Receiver {
    address: SocketAddr,
    got: Arc<Mutex<Vec<Got>>>,
    flaps: Arc<AtomicBool>,
}

impl Receiver {
    fn start(seed: u64) -> Result<Self, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let got = Arc::new(Mutex::new(Vec::new()));
        let flaps = Arc::new(AtomicBool::new(true));
        let turn = AtomicU64::new(seed);
        let (kept, flapping) = (Arc::clone(&got), Arc::clone(&flaps));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let flaps = flapping.load(Ordering::SeqCst);
                let dice = SeededEntropy::new(turn.fetch_add(1, Ordering::SeqCst)).u128() % 4;
                // What breaks here is the sender's to notice.
                let _ = answer(stream, &kept, if flaps { dice } else { 3 });
            }
        });
        Ok(Self { address, got, flaps })
    }
}

fn answer(stream: TcpStream, kept: &Mutex<Vec<Got>>, dice: u128) -> Result<(), Failure> {
    if dice == 0 {
        return Ok(()); // hangs up
    }
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut reader = BufReader::new(stream);
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim_end().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    let header = |name: &str| headers.get(name).cloned().unwrap_or_default();
    let mut body = vec![0; header("content-length").parse()?];
    reader.read_exact(&mut body)?;
    let status = if dice == 1 { "500 No" } else { "204 Yes" };
    // One that says no has not got it.
    if dice != 1 {
        kept.lock().map_err(|_| "a panic")?.push(Got {
            id: header("webhook-id"),
            timestamp: header("webhook-timestamp").parse()?,
            signature: header("webhook-signature"),
            body: String::from_utf8(body)?,
        });
    }
    reader.get_mut().write_all(format!("HTTP/1.1 {status}\r\n\r\n").as_bytes())?;
    Ok(())
}

struct Setting {
    token: String,
    account: String,
    receivers: Vec<Receiver>,
    /// Of each receiver: its endpoint, and its secret.
    endpoints: Vec<(String, SecretText)>,
}

impl Setting {
    fn path(&self, rest: &str) -> String {
        format!("/v1/accounts/{}/{rest}", self.account)
    }
}

fn start(folder: &Path) -> Result<Server, Failure> {
    let more = ["--workers", WORKERS, "--webhook-allow", "127.0.0.1", "--webhook-http"];
    Server::start(folder, SCHEME, &more)
}

fn set_up(server: &Server, token: String) -> Result<Setting, Failure> {
    let mut http = Http::open(server.management, &token)?;
    let account = new_account(&mut http)?;
    let receivers: Vec<Receiver> =
        (0..RECEIVERS as u64).map(|n| Receiver::start(n * 1_000)).collect::<Result<_, _>>()?;
    let mut endpoints = Vec::new();
    for receiver in &receivers {
        let body = json!({ "environment": "live", "url": format!("http://{}/", receiver.address),
            "events": ["api_key.*"] });
        let path = format!("/v1/accounts/{account}/webhooks");
        let (status, made) = http.ask("POST", &path, &body)?;
        assert_eq!(status, 201, "{made}");
        let text = |value: &Value| value.as_str().map(str::to_owned).ok_or("no text");
        let secret = SecretText::new(text(&made["secret"]["signing_secret"])?);
        endpoints.push((text(&made["id"])?, secret));
    }
    Ok(Setting { token, account, receivers, endpoints })
}

/// Makes and revokes credentials until so many acts are done or the server dies; how many were.
/// Every other credential is revoked, and then renamed, which is refused: nobody may hear of it.
fn act(server: &Server, setting: &Setting, acts: usize) -> usize {
    let Ok(mut http) = Http::open(server.management, &setting.token) else { return 0 };
    let mut done = 0;
    let mut one = |number: usize| -> Result<(), Failure> {
        let body = json!({ "kind": "key", "environment": "live", "name": format!("K{number}"),
            "grant": "everything" });
        let (status, made) = http.ask("POST", &setting.path("credentials"), &body)?;
        if status == 201 && number.is_multiple_of(2) {
            let id = made["id"].as_str().ok_or("no id")?;
            http.ask("POST", &setting.path(&format!("credentials/{id}/revoke")), &json!({}))?;
            // It is revoked already: renaming it is refused, and leaves nothing behind.
            let path = setting.path(&format!("credentials/{id}"));
            http.ask("PATCH", &path, &json!({ "name": "Never" }))?;
        }
        Ok(())
    };
    for number in 1..=acts {
        if one(number).is_err() {
            break;
        }
        done += 1;
    }
    done
}

/// Every event of the account that its endpoints hear, by id.
fn happened(server: &Server, setting: &Setting) -> Result<BTreeMap<String, Value>, Failure> {
    let mut http = Http::open(server.management, &setting.token)?;
    let (mut all, mut cursor) = (BTreeMap::new(), String::new());
    loop {
        let path = setting.path(&format!("events?limit=200&type=api_key.{cursor}"));
        let (_, page) = http.ask("GET", &path, &Value::Null)?;
        for event in page["data"].as_array().ok_or("no events")? {
            let id = event["id"].as_str().ok_or("no id")?.to_owned();
            all.insert(id, event.clone());
        }
        let Some(next) = page["next_cursor"].as_str() else { return Ok(all) };
        cursor = format!("&cursor={next}");
    }
}

/// Sends what still waits for its turn at once: a receiver that is well again need not wait hours.
fn hurry(server: &Server, setting: &Setting) -> Result<(), Failure> {
    let mut http = Http::open(server.management, &setting.token)?;
    for (endpoint, _) in &setting.endpoints {
        for state in ["waiting", "failed"] {
            let body = json!({ "since": "2020-01-01T00:00:00Z", "state": state });
            let path = setting.path(&format!("webhooks/{endpoint}/replay"));
            let (status, said) = http.ask("POST", &path, &body)?;
            assert_eq!(status, 200, "{said}");
        }
    }
    Ok(())
}

/// Complaints about what the receivers got, compared with what happened.
fn compare(setting: &Setting, events: &BTreeMap<String, Value>) -> Result<Vec<String>, Failure> {
    let mut complaints = Vec::new();
    for (receiver, (_, secret)) in setting.receivers.iter().zip(&setting.endpoints) {
        let got = receiver.got.lock().map_err(|_| "a panic")?;
        let mut bodies: BTreeMap<&str, &str> = BTreeMap::new();
        for one in got.iter() {
            let signed = sign_webhook(secret, &one.id, one.timestamp, one.body.as_bytes());
            if signed.as_deref() != Some(&one.signature) {
                complaints.push(format!("{}: wrongly signed", one.id));
            }
            if !events.contains_key(&one.id) {
                complaints.push(format!("{}: it did not happen", one.id));
            }
            if *bodies.entry(&one.id).or_insert(&one.body) != one.body {
                complaints.push(format!("{}: two messages under one id", one.id));
            }
        }
        let missing = events.keys().filter(|id| !bodies.contains_key(id.as_str()));
        complaints.extend(missing.map(|id| format!("{id}: it never arrived")));
    }
    Ok(complaints)
}

fn arrived(setting: &Setting, events: &BTreeMap<String, Value>) -> Result<bool, Failure> {
    for receiver in &setting.receivers {
        let got = receiver.got.lock().map_err(|_| "a panic")?;
        let ids: BTreeSet<&str> = got.iter().map(|one| one.id.as_str()).collect();
        if events.keys().any(|id| !ids.contains(id.as_str())) {
            return Ok(false);
        }
    }
    Ok(true)
}

#[test]
fn every_event_arrives_under_one_id_when_the_process_is_killed() -> Result<(), Failure> {
    let folder = temporary_folder("telling")?;
    let mut server = start(&folder)?;
    let setting = set_up(&server, operator_token(&folder)?)?;
    let crashes = wanted("KEYWAY_TELLING_CRASHES", CRASHES);
    let events = wanted("KEYWAY_TELLING_EVENTS", EVENTS);
    for round in 0..crashes {
        // Two acts make three events.
        act(&server, &setting, events * 2 / 3 / crashes + 1);
        // Somewhere between the first message and the last.
        let mut dice = SeededEntropy::new(round as u64);
        let enough = Instant::now() + Duration::from_millis(u64::try_from(dice.u128() % 400)?);
        while Instant::now() < enough {
            thread::yield_now();
        }
        server.kill()?;
        server = start(&folder)?;
    }
    setting.receivers.iter().for_each(|receiver| receiver.flaps.store(false, Ordering::SeqCst));
    act(&server, &setting, 5);
    let all = happened(&server, &setting)?;
    assert!(all.len() >= events, "only {} events", all.len());
    let until = Instant::now() + ARRIVED_WITHIN;
    while !arrived(&setting, &all)? && Instant::now() < until {
        hurry(&server, &setting)?;
        thread::yield_now();
        // A second look would ask the server a thousand times.
        let pause = Instant::now() + Duration::from_millis(500);
        while Instant::now() < pause {
            thread::yield_now();
        }
    }
    let complaints = compare(&setting, &all)?;
    let messages: usize =
        setting.receivers.iter().filter_map(|r| r.got.lock().ok().map(|got| got.len())).sum();
    writeln!(
        std::io::stderr(),
        "{crashes} crashes, {} events to {RECEIVERS} receivers, {messages} messages: {} complaints",
        all.len(),
        complaints.len(),
    )?;
    drop(server);
    std::fs::remove_dir_all(&folder)?;
    assert!(complaints.is_empty(), "{complaints:#?}");
    Ok(())
}
