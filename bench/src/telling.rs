//! What telling costs: walking a long audit log, and verification while the database or the mail
//! server does not answer.

use std::net::TcpListener;
use std::path::Path;
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Instant;

use keyway_domain::actor::{Actor, Role};
use keyway_domain::event::Event;
use keyway_domain::id::{AccountId, EventId, MemberId};
use keyway_domain::member::{Email, Member};
use keyway_secret::SeededEntropy;
use keyway_server::clock::{Clock as _, SystemClock};
use keyway_store::{Db, DbError, Options, events, members};
use serde_json::{Value, json};

use crate::fill::{Maker, Temporary, data_folder};
use crate::load::Load;
use crate::over_http::Source;
use crate::report::{Report, Row};
use crate::server::Server;
use crate::stats::{count, float, median, say_nanoseconds, say_rate};
use crate::writes::{Called, SCHEME};
use crate::{Failure, Plan};

/// Events in one transaction.
const BULK: usize = 10_000;
/// Keys that are made while the mail server hangs; each is a letter.
const KEYS: usize = 200;
const CREDENTIALS: usize = 1_000;
const CONNECTIONS: usize = 32;

pub(crate) fn measure(plan: &Plan, report: &mut Report) -> Result<(), Failure> {
    long_log(plan, report)?;
    troubles(plan, report)
}

/// An event as a change of a credential leaves it.
fn event(account: AccountId, place: usize, entropy: &mut SeededEntropy) -> Event {
    let at = SystemClock.now();
    Event {
        id: EventId::new(at, entropy),
        at,
        account,
        kind: "api_key.updated".to_owned(),
        subject: format!("cred_{place:026}"),
        actor: Actor::System.into(),
        step_up: None,
        request_id: Some(format!("req_{place:026}")),
        address: Some("203.0.113.7".to_owned()),
        client: Some("example-browser/141.0 (Linux x86_64)".to_owned()),
        before: json!({ "name": format!("Server key {place}") }),
        after: json!({ "name": format!("Server key {place} of the shop"), "version": 2 }),
    }
}

/// `keyway audit verify` of one account with very many entries.
fn long_log(plan: &Plan, report: &mut Report) -> Result<(), Failure> {
    let entries = if plan.quick { 100_000 } else { 1_000_000 };
    let folder = Temporary::new("audit")?;
    let mut maker = Maker::new(SCHEME)?;
    data_folder(&folder.0, &mut maker, 1, 0)?;
    let account = maker.account_of(0).0.id;
    let db = Db::open(
        &folder.0.join("keyway.db"),
        &Options { readers: 1, durable: false, ..Options::default() },
    )?;
    let runtime = crate::runtime()?;
    let mut entropy = SeededEntropy::new(11);
    for first in (0..entries).step_by(BULK) {
        let bulk: Vec<Event> =
            (first..first + BULK).map(|place| event(account, place, &mut entropy)).collect();
        let keys = maker.keys.audit.clone();
        runtime.block_on(db.write(SystemClock.now(), move |tx| {
            for event in &bulk {
                events::append(tx, &keys, event)?;
                events::take_untold(tx, event.id)?;
            }
            Ok::<_, DbError>(())
        }))?;
    }
    drop(db);
    let server = Server::start(plan, &folder.0, SCHEME)?;
    let data = folder.0.to_str().ok_or("an odd path")?;
    let account = account.to_string();
    let mut rounds = Vec::new();
    for _ in 0..plan.rounds().min(3) {
        let started = Instant::now();
        let said =
            Server::command(plan, &["audit", "verify", "--account", &account, "--data", data])?;
        rounds.push(started.elapsed().as_secs_f64());
        // The clock adds its own: the credential is old.
        if said["whole"] != true || said["entries"].as_u64() < u64::try_from(entries).ok() {
            return Err(format!("the log is not whole: {said}").into());
        }
    }
    drop(server);
    let seconds = median(rounds);
    report.add(Row {
        section: "telling",
        what: format!("keyway audit verify, {entries} entries of one account"),
        figure: say_nanoseconds(seconds * 1e9),
        note: format!("{} entries", say_rate(count(entries) / seconds)),
        ..Row::default()
    });
    Ok(())
}

/// The p99 of verification with nothing wrong, while nobody can write to the database, and while
/// the mail server takes calls and says nothing; by turns.
fn troubles(plan: &Plan, report: &mut Report) -> Result<(), Failure> {
    let runtime = crate::runtime()?;
    let (folder, hanging_folder) = (Temporary::new("quiet")?, Temporary::new("hanging")?);
    let (mut source, quiet, _) = served(plan, &folder.0, &[])?;
    // Nobody accepts: the system takes the connections, and nothing is ever said on them.
    let silent = TcpListener::bind("127.0.0.1:0")?;
    let mail = format!("smtp://{}?tls=none", silent.local_addr()?);
    let arguments = ["--smtp", mail.as_str(), "--mail-from", "keys@example.com"];
    let (mut hanging_source, hanging, account) = served(plan, &hanging_folder.0, &arguments)?;
    let called = Called::new(plan, &hanging, &runtime, &hanging_folder.0)?;
    let account = account.to_string();
    let keys: Vec<_> = (0..KEYS).map(|_| called.create(&account)).collect();
    called.all(&keys, 1, 201)?;

    let (requests, hanging_requests) = (source.requests(1), hanging_source.requests(1));
    let round = |server: &Server, requests: &[Vec<u8>]| {
        let load = Load {
            address: server.internal,
            requests,
            // Six seconds or so: what was counted is flushed every five.
            count: if plan.quick { 100_000 } else { 500_000 },
            connections: CONNECTIONS,
            status: 200,
            holds: "\"allowed\":true",
        };
        load.run(&runtime)?.checked()
    };
    let mut p99: [Vec<f64>; 3] = Default::default();
    let mut rates: [Vec<f64>; 3] = Default::default();
    for _ in 0..plan.rounds().min(5) {
        let alone = round(&quiet, &requests)?;
        let held = Held::of(&folder.0)?;
        let stopped = round(&quiet, &requests)?;
        drop(held);
        let beside = round(&hanging, &hanging_requests)?;
        for (place, outcome) in [alone, stopped, beside].iter().enumerate() {
            p99[place].push(float(outcome.p(99)));
            rates[place].push(outcome.rate());
        }
    }
    let status = called.all(&[called.get("/v1/status")], 1, 200)?.bodies.remove(0);
    let status: Value = serde_json::from_slice(&status)?;
    let waiting = status["mail"]["waiting"].as_u64().unwrap_or(0);
    if waiting == 0 {
        return Err(format!("no letter waits: {status}").into());
    }
    let base = median(p99[0].clone());
    let names =
        ["verify, nothing wrong", "verify, no write to the database", "verify, hanging mail"];
    for ((what, p99), rates) in names.into_iter().zip(p99).zip(rates) {
        let p99 = median(p99);
        report.add(Row {
            section: "telling",
            what: what.to_owned(),
            figure: say_rate(median(rates)),
            p99: say_nanoseconds(p99),
            ratio: format!("{:.2}× the p99 with nothing wrong", p99 / base),
            ..Row::default()
        });
    }
    Ok(())
}

/// A server with a thousand credentials, and its first account, which has an owner.
fn served(
    plan: &Plan,
    folder: &Path,
    more: &[&str],
) -> Result<(Source, Server, AccountId), Failure> {
    let mut maker = Maker::new(SCHEME)?;
    let strings = data_folder(folder, &mut maker, CREDENTIALS, CREDENTIALS)?;
    let db = Db::open(
        &folder.join("keyway.db"),
        &Options { readers: 1, durable: false, ..Options::default() },
    )?;
    let now = SystemClock.now();
    let account = maker.account_of(0).0.id;
    let owner = Member {
        id: MemberId::new(now, &mut SeededEntropy::new(13)),
        account,
        email: Email::parse("owner@example.com").ok_or("an address")?,
        name: "Owner".to_owned(),
        role: Role::Owner,
        password: String::new(),
        totp: None,
        created_at: now,
        last_active_at: None,
        removed_at: None,
    };
    let seals = maker.keys.rows.clone();
    let add = db.write(now, move |tx| members::insert(tx, &seals, &owner));
    crate::runtime()?.block_on(add)?;
    drop(db);
    let server = Server::start_with(plan, folder, SCHEME, "0", more)?;
    Ok((Source::new(maker, strings, "/v1/payments"), server, account))
}

/// A database to which nobody can write for as long as this is there.
struct Held {
    release: Option<mpsc::Sender<()>>,
    holder: Option<JoinHandle<Result<(), DbError>>>,
}

impl Held {
    fn of(folder: &Path) -> Result<Self, Failure> {
        let db = Db::open(
            &folder.join("keyway.db"),
            &Options { readers: 1, durable: false, ..Options::default() },
        )?;
        let (release, released) = mpsc::channel();
        let released = Mutex::new(released);
        let (tell, is_held) = mpsc::channel();
        let runtime = crate::runtime()?;
        let holder = std::thread::spawn(move || {
            runtime.block_on(db.write(SystemClock.now(), move |_| {
                let _ = tell.send(());
                let released = released.lock().unwrap_or_else(PoisonError::into_inner);
                // An error means that the other end is gone, which releases it too.
                let _ = released.recv();
                Ok(())
            }))
        });
        is_held.recv()?;
        Ok(Self { release: Some(release), holder: Some(holder) })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.release.take());
        let _ = self.holder.take().map(JoinHandle::join);
    }
}
