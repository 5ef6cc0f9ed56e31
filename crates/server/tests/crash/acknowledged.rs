//! The server is killed in the middle of its work, again and again: nothing it acknowledged is lost.
//!
//! Clients make, rotate and revoke credentials and write down what was acknowledged. Between two
//! acknowledgements the process gets SIGKILL; what is started next must know all of it. More
//! rounds: `KEYWAY_CRASHES=100`; on a fuller database: `KEYWAY_CRASH_PRELOADED=100000`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyway_secret::{Entropy as _, SeededEntropy};
use serde_json::{Value, json};

use crate::process::{
    Failure, Http, Server, new_account, operator_token, temporary_folder, wanted,
};

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
    let server = Server::start(&setting.folder, SCHEME, &[])?;
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

#[test]
fn nothing_acknowledged_is_lost_when_the_process_is_killed() -> Result<(), Failure> {
    let folder = temporary_folder("crash")?;
    let mut server = Server::start(&folder, SCHEME, &[])?;
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
