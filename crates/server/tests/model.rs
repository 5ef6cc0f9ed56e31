//! Random lives of credentials against a simple model, through the real commands, store and index.
//!
//! Each life is a credential of its own in one running Keyway. After every act each string that the
//! credential ever had is presented, and its event log is told again and compared with its row.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyway_coherence::Terms;
use keyway_domain::Environment;
use keyway_domain::actor::Actor;
use keyway_domain::credential::{Credential, RateLimit, Status};
use keyway_domain::event::Event;
use keyway_domain::grant::Grant;
use keyway_domain::id::{AccountId, CredentialId};
use keyway_domain::lifecycle::{Edit, Refusal};
use keyway_domain::scheme::Scheme;
use keyway_domain::time::{DAY_MS, Time};
use keyway_domain::verdict::Reason;
use keyway_secret::{RootKey, SecretText, SeededEntropy, hmac_sha256_hex, imported_sha256};
use keyway_server::app::{App, Opening, Site};
use keyway_server::clock::{Clock as _, ManualClock};
use keyway_server::commands::credentials::{self as acts, Change, NewCredential};
use keyway_server::commands::imports::{self, Algorithm, KnownHash};
use keyway_server::commands::{Error, Moment, accounts};
use keyway_server::schemes;
use keyway_server::verify::{Asked, HeaderPairs};
use keyway_server::worker;
use keyway_store::{Db, DbError, Options, credentials, events};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use tokio::runtime::{Builder, Runtime};

/// Lives that are lived; the same ones every time.
const LIVES: u32 = 10_000;
/// Lives of one account, well below what an account may have.
const LIVES_PER_ACCOUNT: u32 = 1_000;
const HOUR_MS: i64 = 3_600_000;
const OVERLAP_MS_MAX: i64 = 7 * DAY_MS;
const EXTENDED_MS_MAX: i64 = 30 * DAY_MS;

/// A running Keyway with a clock that the test moves.
struct House {
    runtime: Runtime,
    app: Arc<App>,
    clock: Arc<ManualClock>,
    folder: std::path::PathBuf,
}

impl Drop for House {
    fn drop(&mut self) {
        // A folder that stays behind is no reason to fail a test that passed.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl House {
    fn open(name: &str, scheme: &str) -> Self {
        let folder =
            std::env::temp_dir().join(format!("keyway-model-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let clock = Arc::new(ManualClock::new(Time::parse("2026-03-01T00:00:00Z").unwrap()));
        let opening = Opening {
            scheme: Scheme::parse(scheme).unwrap_or_else(|error| panic!("{error}")),
            root: RootKey::generate(&mut SeededEntropy::new(1)),
            clock: clock.clone(),
            terms: Terms::default(),
            node_name: String::new(),
            site: Site::default(),
            starting: Arc::default(),
        };
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        let options = Options { durable: false, ..Options::default() };
        let db = Db::open(&folder.join("keyway.db"), &options).unwrap();
        let app = runtime.block_on(App::open(db, opening)).unwrap();
        Self { runtime, app, clock, folder }
    }

    fn now(&self) -> Time {
        self.clock.now()
    }

    fn moment(&self) -> Moment {
        Moment {
            now: self.now(),
            actor: Actor::Operator { token: "model".to_owned() },
            step_up: None,
            request_id: "model".to_owned(),
            address: None,
            client: None,
            reason: None,
            second: None,
            keys: Arc::clone(&self.app.keys),
            realm: Arc::clone(&self.app.platform),
            order: self.app.order.clone(),
        }
    }

    fn account(&self) -> AccountId {
        let moment = self.moment();
        let made =
            self.app.db.write(self.now(), move |tx| accounts::create(tx, &moment, "Model", None));
        self.runtime.block_on(made).unwrap().id
    }

    fn create(&self, account: AccountId, new: NewCredential) -> (Credential, acts::Shown) {
        let moment = self.moment();
        let made = self
            .app
            .db
            .write(self.now(), move |tx| acts::create(tx, &moment, account, new.clone()));
        self.runtime.block_on(made).unwrap()
    }

    /// What a request with these headers is told.
    fn verdict(&self, headers: &[(&str, &str)], asked: &Asked<'_>) -> Result<(), Reason> {
        self.app.platform.engine.verify(&HeaderPairs(headers), asked).verdict
    }

    fn bearer(&self, key: &str) -> Result<(), Reason> {
        let asked = Asked {
            method: "GET",
            target: "/mfi/invoices",
            environment: Some(Environment::Test),
            ..Asked::default()
        };
        self.verdict(&[("authorization", &format!("Bearer {key}"))], &asked)
    }
}

/// The scheme with bearer keys, given every act there is and no limit that a test could meet.
fn lively_scheme() -> String {
    let acts = r#"rotate = { by = [], overlap = { from = "0s", to = "7d", default = "1d" } }
regenerate = { by = [] }
rollback = { by = [] }
finish = { by = [] }
extend = { by = [], up_to = "30d" }
delete = { by = [] }
"#;
    let text = schemes::read("enterprise").unwrap();
    let with_acts = text.replacen("[kinds.acts]\n", &format!("[kinds.acts]\n{acts}"), 1);
    assert_ne!(text, with_acts);
    with_acts
        .replace("\"optional-date\"", "\"optional\"")
        .replace("requests = 600,", "requests = 1000000,")
}

fn everything(kind: &str) -> NewCredential {
    NewCredential {
        kind: kind.to_owned(),
        environment: Environment::Test,
        name: "Model".to_owned(),
        grant: Some(Grant::Everything),
        ..NewCredential::default()
    }
}

/// Something that is done to a credential, or to the clock.
#[derive(Debug, Clone)]
enum Act {
    Wait(i64),
    Rotate(i64),
    Regenerate,
    Finish,
    /// More time, so long from now.
    Extend(i64),
    RollBack,
    /// Stops so long from now, or never.
    Expire(Option<i64>),
    Rename,
    Edit,
    Revoke,
    Delete,
    /// Rotates and rolls back, so many times.
    Waver(u8),
    /// The act and a revocation, both under way at once; whether the revocation is asked for first.
    Race(Box<Self>, bool),
    /// Forgets what ended long ago.
    Tidy,
}

fn any_span() -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => 1..HOUR_MS,
        4 => HOUR_MS..OVERLAP_MS_MAX,
        1 => OVERLAP_MS_MAX..100 * DAY_MS,
    ]
}

fn any_plain_act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => any_span().prop_map(Act::Wait),
        5 => (1..=OVERLAP_MS_MAX).prop_map(Act::Rotate),
        1 => Just(Act::Rotate(0)),
        1 => Just(Act::Regenerate),
        2 => Just(Act::Finish),
        2 => any_span().prop_map(Act::Extend),
        4 => Just(Act::RollBack),
        1 => any_span().prop_map(|ahead| Act::Expire(Some(ahead))),
        1 => Just(Act::Expire(None)),
        1 => prop_oneof![Just(Act::Rename), Just(Act::Edit)],
        1 => Just(Act::Delete),
    ]
}

fn any_life() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        100 => any_plain_act(),
        6 => Just(Act::Revoke),
        6 => (any_plain_act(), any::<bool>()).prop_map(|(act, first)| Act::Race(Box::new(act), first)),
        1 => (1..30_u8).prop_map(Act::Waver),
        1 => Just(Act::Tidy),
    ];
    proptest::collection::vec(act, 1..16)
}

/// What the model knows of one secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Current,
    Retiring(Time),
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Live,
    Revoked,
    Deleted,
}

/// The model: every string the credential ever had and where it is in its life.
struct Model {
    strings: Vec<(String, Phase)>,
    rotated_at: Time,
    expires_at: Option<Time>,
    life: Life,
}

/// Why an act is refused, as far as the model tells.
#[derive(Debug, PartialEq, Eq)]
enum No {
    Gone,
    Revoked,
    Expired,
    Running,
    NothingRetiring,
    NotLater,
    TooLate,
}

impl Model {
    fn expired(&self, now: Time) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    fn accepts(&self, phase: Phase, now: Time) -> bool {
        let own = match phase {
            Phase::Current => true,
            Phase::Retiring(until) => now < until,
            Phase::Ended => false,
        };
        own && self.life == Life::Live && !self.expired(now)
    }

    fn place(&self, wanted: impl Fn(Phase) -> bool) -> Option<usize> {
        self.strings.iter().position(|(_, phase)| wanted(*phase))
    }

    fn retiring(&self, now: Time) -> Option<(usize, Time)> {
        let place = self.place(|phase| matches!(phase, Phase::Retiring(until) if now < until))?;
        match self.strings[place].1 {
            Phase::Retiring(until) => Some((place, until)),
            _ => None,
        }
    }

    fn end_all(&mut self) {
        self.strings.iter_mut().for_each(|(_, phase)| *phase = Phase::Ended);
    }

    /// Overlaps that ran out have ended, whatever the clock does later.
    fn settle(&mut self, now: Time) {
        for (_, phase) in &mut self.strings {
            if matches!(*phase, Phase::Retiring(until) if until <= now) {
                *phase = Phase::Ended;
            }
        }
    }

    fn open(&mut self, now: Time, may_be_expired: bool) -> Result<(), No> {
        match self.life {
            Life::Deleted => Err(No::Gone),
            Life::Revoked => Err(No::Revoked),
            Life::Live if !may_be_expired && self.expired(now) => Err(No::Expired),
            Life::Live => {
                self.settle(now);
                Ok(())
            }
        }
    }

    /// What an act leads to; a new secret's string is added by the caller.
    fn act(&mut self, act: &Act, now: Time) -> Result<(), No> {
        match act {
            Act::Rotate(overlap) => self.rotate(*overlap, now),
            Act::Regenerate => self.rotate(0, now),
            Act::Finish => {
                self.open(now, true)?;
                let (place, _) = self.retiring(now).ok_or(No::NothingRetiring)?;
                self.strings[place].1 = Phase::Ended;
                Ok(())
            }
            Act::Extend(by) => self.extend(now.plus_ms(*by), now),
            Act::RollBack => {
                self.open(now, false)?;
                let (old, _) = self.retiring(now).ok_or(No::NothingRetiring)?;
                let new = self.place(|phase| phase == Phase::Current).ok_or(No::NothingRetiring)?;
                self.strings[new].1 = Phase::Ended;
                self.strings[old].1 = Phase::Current;
                Ok(())
            }
            Act::Expire(ahead) => {
                self.open(now, true)?;
                self.expires_at = ahead.map(|ahead| now.plus_ms(ahead));
                Ok(())
            }
            Act::Rename | Act::Edit => self.open(now, true),
            Act::Revoke if self.life == Life::Revoked => Ok(()),
            Act::Revoke => {
                self.open(now, true)?;
                self.life = Life::Revoked;
                self.end_all();
                Ok(())
            }
            Act::Delete if self.life == Life::Deleted => Err(No::Gone),
            Act::Delete => {
                self.life = Life::Deleted;
                self.end_all();
                Ok(())
            }
            Act::Wait(_) | Act::Waver(_) | Act::Race(..) | Act::Tidy => Ok(()),
        }
    }

    fn rotate(&mut self, overlap: i64, now: Time) -> Result<(), No> {
        self.open(now, false)?;
        if self.retiring(now).is_some() && overlap > 0 {
            return Err(No::Running);
        }
        let old = if overlap > 0 { Phase::Retiring(now.plus_ms(overlap)) } else { Phase::Ended };
        for (_, phase) in self.strings.iter_mut().filter(|(_, phase)| *phase != Phase::Ended) {
            *phase = old;
        }
        self.rotated_at = now;
        Ok(())
    }

    fn extend(&mut self, until: Time, now: Time) -> Result<(), No> {
        self.open(now, true)?;
        let (place, before) = self.retiring(now).ok_or(No::NothingRetiring)?;
        if until <= before {
            return Err(No::NotLater);
        }
        // After a rollback the current secret is an old one, but then nothing is retiring.
        if until > self.rotated_at.plus_ms(EXTENDED_MS_MAX) {
            return Err(No::TooLate);
        }
        self.strings[place].1 = Phase::Retiring(until);
        Ok(())
    }
}

/// One credential in the house, and its model.
struct Living<'h> {
    house: &'h House,
    account: AccountId,
    id: CredentialId,
    model: Model,
}

impl<'h> Living<'h> {
    fn begin(house: &'h House, account: AccountId) -> Self {
        house.clock.advance_ms(1);
        let (credential, shown) = house.create(account, everything("key"));
        let model = Model {
            strings: vec![(shown.secret.reveal().to_owned(), Phase::Current)],
            rotated_at: house.now(),
            expires_at: None,
            life: Life::Live,
        };
        Self { house, account, id: credential.id, model }
    }

    /// Does an act through its command; the new string, if it made one.
    async fn command(&self, act: &Act) -> Result<Option<String>, Error> {
        let (account, id, now) = (self.account, self.id, self.house.now());
        let moment = self.house.moment();
        let act = act.clone();
        let done = self.house.app.db.write(now, move |tx| {
            let change = match &act {
                Act::Rotate(overlap) => {
                    let (_, shown) = acts::rotate(tx, &moment, account, id, Some(*overlap))?;
                    return Ok(Some(shown.secret.reveal().to_owned()));
                }
                Act::Regenerate => {
                    let (_, shown) = acts::regenerate(tx, &moment, account, id)?;
                    return Ok(Some(shown.secret.reveal().to_owned()));
                }
                Act::Finish => Change::Finish,
                Act::Extend(by) => Change::Extend(now.plus_ms(*by)),
                Act::RollBack => Change::RollBack,
                Act::Expire(ahead) => Change::Expire(ahead.map(|ahead| now.plus_ms(ahead))),
                Act::Rename => Change::Rename("Renamed".to_owned()),
                Act::Edit => Change::Edit(Edit::default()),
                Act::Revoke => Change::Revoke,
                Act::Delete => Change::Delete,
                Act::Wait(_) | Act::Waver(_) | Act::Race(..) | Act::Tidy => return Ok(None),
            };
            acts::change(tx, &moment, account, id, change).map(|_| None)
        });
        done.await
    }

    fn step(&mut self, act: &Act) -> Result<(), TestCaseError> {
        // A life is told in order whatever the log does within one millisecond; that has its own test.
        self.house.clock.advance_ms(1);
        match act {
            Act::Wait(ms) => self.house.clock.advance_ms(*ms),
            Act::Tidy => {
                // What was counted is written first, or nothing would be forgotten.
                self.house.runtime.block_on(worker::flush(&self.house.app)).unwrap();
                let before = self.house.now().plus_ms(-90 * DAY_MS);
                let forget = || self.house.app.platform.engine.index.forget_ended(before);
                // Once more, so that what was freed may be taken.
                _ = (forget(), forget());
            }
            Act::Waver(times) => {
                for _ in 0..*times {
                    self.step(&Act::Rotate(HOUR_MS))?;
                    self.step(&Act::RollBack)?;
                }
            }
            Act::Race(other, revoked_first) => self.race(other, *revoked_first)?,
            _ => self.one(act)?,
        }
        self.all_is_well()
    }

    fn one(&mut self, act: &Act) -> Result<(), TestCaseError> {
        let expected = self.model.act(act, self.house.now());
        let done = self.house.runtime.block_on(self.command(act));
        match done {
            Ok(made) => {
                prop_assert_eq!(expected, Ok(()), "{:?} was done", act);
                self.model.strings.extend(made.map(|made| (made, Phase::Current)));
            }
            Err(error) => prop_assert_eq!(expected, Err(word(&error)), "{:?}: {}", act, error),
        }
        Ok(())
    }

    /// Whoever comes first: once the revocation is answered, nothing is accepted.
    fn race(&mut self, other: &Act, revoked_first: bool) -> Result<(), TestCaseError> {
        let (other, revoked) = self.house.runtime.block_on(async {
            if revoked_first {
                let (revoked, other) =
                    tokio::join!(self.command(&Act::Revoke), self.command(other));
                (other, revoked)
            } else {
                tokio::join!(self.command(other), self.command(&Act::Revoke))
            }
        });
        let was_deleted = self.model.life == Life::Deleted;
        if let Ok(Some(made)) = &other {
            self.model.strings.push((made.clone(), Phase::Ended));
        }
        match revoked {
            Ok(_) => self.model.life = Life::Revoked,
            Err(error) => prop_assert_eq!(word(&error), No::Gone),
        }
        let (_, row) = self.read();
        if matches!(row.status, Status::Deleted { .. }) {
            self.model.life = Life::Deleted;
        }
        prop_assert!(row.status != Status::Live, "the race left it alive");
        prop_assert!(!was_deleted || self.model.life == Life::Deleted, "it came back");
        self.model.end_all();
        Ok(())
    }

    /// Presents every string there ever was.
    fn all_is_well(&self) -> Result<(), TestCaseError> {
        let now = self.house.now();
        let mut accepted = 0;
        for (number, (key, phase)) in (1..).zip(&self.model.strings) {
            let verdict = self.house.bearer(key);
            let expected = self.model.accepts(*phase, now);
            let told = format!("secret {number} is {phase:?} at {now}, verified: {verdict:?}");
            prop_assert_eq!(verdict.is_ok(), expected, "{}", told);
            match verdict {
                Ok(()) => accepted += 1,
                Err(Reason::Expired) => prop_assert!(self.model.expired(now), "{}", told),
                Err(Reason::Revoked | Reason::Unknown) => {}
                Err(_) => prop_assert!(false, "{}", told),
            }
        }
        prop_assert!(accepted <= 2, "{} secrets are accepted", accepted);
        Ok(())
    }

    /// The events of the credential, oldest first, and its row.
    fn read(&self) -> (Vec<Event>, Credential) {
        let (account, id) = (self.account, self.id);
        let rules = self.house.app.platform.rules.clone();
        let found = self.house.app.db.read(move |tx| {
            let filter = events::Filter { subject: Some(id.to_string()), ..Default::default() };
            let mut events = events::page(tx, &filter, 1_000)?;
            events.reverse();
            let row = credentials::find(tx, &rules, account, id)?;
            Ok::<_, DbError>((events, row.expect("the row stays for the audit")))
        });
        self.house.runtime.block_on(found).unwrap()
    }

    /// The log and the row tell the same story, and the story is the model's.
    fn one_story(&self) -> Result<(), TestCaseError> {
        let (events, row) = self.read();
        let told = Told::by(&events);
        let now = self.house.now();
        let status = match row.status {
            Status::Live => Life::Live,
            Status::Revoked { .. } => Life::Revoked,
            Status::Deleted { .. } => Life::Deleted,
        };
        prop_assert_eq!(told.life, status);
        prop_assert_eq!(self.model.life, status);
        prop_assert_eq!(told.expires_at, row.expires_at);
        if status == Life::Live {
            prop_assert_eq!(told.current, row.current().map(|secret| u64::from(secret.number)));
            let retiring =
                row.retiring(now).map(|(secret, until)| (u64::from(secret.number), until));
            prop_assert_eq!(told.previous.filter(|(_, until)| now < *until), retiring);
        } else {
            prop_assert_eq!(row.current(), None);
        }
        Ok(())
    }
}

/// What an event log says happened, and nothing but it.
struct Told {
    life: Life,
    current: Option<u64>,
    previous: Option<(u64, Time)>,
    expires_at: Option<Time>,
}

impl Told {
    fn by(events: &[Event]) -> Self {
        let mut told = Self { life: Life::Live, current: None, previous: None, expires_at: None };
        for event in events {
            let number = |value: &serde_json::Value| value["secret"].as_u64();
            let time = |value: &serde_json::Value| value.as_str().and_then(Time::parse);
            match event.kind.as_str() {
                "api_key.created" => told.current = Some(1),
                "api_key.rotated" | "api_key.regenerated" => {
                    let until = time(&event.after["previous_accepted_until"]);
                    told.previous = number(&event.before).zip(until);
                    told.current = number(&event.after);
                }
                "api_key.rotation_finished" => told.previous = None,
                "api_key.overlap_extended" => {
                    told.previous = number(&event.after).zip(time(&event.after["accepted_until"]));
                }
                "api_key.rolled_back" => {
                    told.current = number(&event.after);
                    told.previous = None;
                }
                "api_key.updated" if event.after.get("expires_at").is_some() => {
                    told.expires_at = time(&event.after["expires_at"]);
                }
                // What follows from use and from the clock changes nothing either.
                "api_key.updated" | "api_key.ended_secret_used" => {}
                // Both sides of a race happen in one millisecond, which the log tells in any order.
                "api_key.revoked" if told.life == Life::Deleted => {}
                "api_key.revoked" => told.life = Life::Revoked,
                "api_key.deleted" => told.life = Life::Deleted,
                other => panic!("an event of the kind {other}"),
            }
        }
        told
    }
}

fn word(error: &Error) -> No {
    match error {
        Error::NotFound(_) | Error::Refused(Refusal::Deleted) => No::Gone,
        Error::Refused(Refusal::Revoked) => No::Revoked,
        Error::Refused(Refusal::Expired(_)) => No::Expired,
        Error::Refused(Refusal::OverlapRunning(_)) => No::Running,
        Error::Refused(Refusal::NoOverlap) => No::NothingRetiring,
        Error::Refused(Refusal::NotLater(_)) => No::NotLater,
        Error::Refused(Refusal::TooLate(_)) => No::TooLate,
        other => panic!("an error that no act leads to: {other}"),
    }
}

fn live(house: &House, account: AccountId, life: &[Act]) -> Result<(), TestCaseError> {
    let mut living = Living::begin(house, account);
    for act in life {
        living.step(act)?;
    }
    living.one_story()?;
    // Every life ends, so that the index stays small and the last word is always a refusal.
    living.step(&Act::Revoke)?;
    living.one_story()
}

#[test]
fn no_ended_secret_is_ever_accepted_and_the_log_tells_what_the_rows_say() {
    let house = House::open("lives", &lively_scheme());
    let config = Config { cases: LIVES, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let lived = std::cell::Cell::new(0_u32);
    let account = std::cell::Cell::new(house.account());
    let result = TestRunner::new_with_rng(config, rng).run(&any_life(), |life| {
        lived.set(lived.get() + 1);
        if lived.get().is_multiple_of(LIVES_PER_ACCOUNT) {
            account.set(house.account());
        }
        live(&house, account.get(), &life)
    });
    if let Err(error) = result {
        panic!("after {} lives: {error}", lived.get());
    }
}

#[test]
fn what_happens_within_one_millisecond_is_told_in_its_order() {
    let house = House::open("instant", &lively_scheme());
    let mut living = Living::begin(&house, house.account());
    for _ in 0..10 {
        if let Err(error) = living.one(&Act::Rotate(0)) {
            panic!("{error}");
        }
    }
    let (events, row) = living.read();
    let current = row.current().map(|secret| u64::from(secret.number));
    assert_eq!(Told::by(&events).current, current);
}

#[test]
fn a_rotation_with_no_overlap_ends_the_old_secret_however_many_rotations_were_rolled_back() {
    for rolled_back in 0..30 {
        let house = House::open("wavering", &lively_scheme());
        let mut living = Living::begin(&house, house.account());
        let acts =
            [Act::Waver(rolled_back), Act::Rotate(OVERLAP_MS_MAX), Act::Rotate(0), Act::Revoke];
        for act in acts {
            if let Err(error) = living.step(&act) {
                panic!("after {rolled_back} rotations rolled back, {act:?}: {error}");
            }
        }
    }
}

#[test]
fn the_hash_of_an_imported_key_is_not_itself_a_key() {
    let house = House::open("imported", &lively_scheme());
    let account = house.account();
    // The old system's key, and what its database kept.
    let key = format!("old{}", "k".repeat(30));
    let text = imported_sha256(key.as_bytes());
    let hash = text[text.len() - 64..].to_owned();
    let kept = format!("sha256:{hash}");
    let known = KnownHash { algorithm: Algorithm::Sha256, hash, hint: "old".to_owned() };
    let moment = house.moment();
    let imported = house.app.db.write(house.now(), move |tx| {
        imports::import(tx, &moment, account, everything("key"), &known)
    });
    house.runtime.block_on(imported).unwrap();
    house.app.platform.engine.set_imported();
    assert_eq!(house.bearer(&key), Ok(()));
    assert!(house.bearer(&kept).is_err(), "who has the old database has every key");
}

#[test]
fn one_credentials_requests_never_use_up_anothers_limit() {
    let house = House::open("limits", &lively_scheme());
    let account = house.account();
    let limited = || NewCredential {
        rate: Some(RateLimit { requests: 100, window_ms: 60_000 }),
        ..everything("key")
    };
    let (old, shown) = house.create(account, limited());
    let old_key = shown.secret.reveal().to_owned();
    let mut living = Living::begin(&house, account);
    (living.id, living.model.strings) = (old.id, vec![(old_key.clone(), Phase::Current)]);
    for act in [Act::Rotate(HOUR_MS), Act::RollBack, Act::Wait(91 * DAY_MS), Act::Tidy] {
        if let Err(error) = living.step(&act) {
            panic!("{error}");
        }
        // What was counted is written first; until then no secret is forgotten.
        house.runtime.block_on(worker::flush(&house.app)).unwrap();
    }
    house.clock.advance_ms(HOUR_MS);
    // The new one's place in the index is the one that the forgotten secret left.
    let (_, shown) = house.create(house.account(), limited());
    let new_key = shown.secret.reveal();
    let passed = (0..200).filter(|_| house.bearer(new_key).is_ok()).count();
    assert_eq!(passed, 100);
    assert_eq!(house.bearer(&old_key), Ok(()), "refused for what another account sent");
}

/// A signing pair in a house of its own, and requests signed with it.
struct Signer {
    house: House,
    id: String,
    secret: SecretText,
}

impl Signer {
    fn new(name: &str) -> Self {
        let house = House::open(name, &schemes::read("rapyd").unwrap());
        let (_, shown) = house.create(house.account(), everything("signing"));
        Self { house, id: shown.public_id.unwrap(), secret: shown.secret }
    }

    fn sign(&self, path: &str, salt: &str, timestamp: &str) -> String {
        let parts = ["get", path, salt, timestamp, &self.id, self.secret.reveal()];
        STANDARD.encode(hmac_sha256_hex(&self.secret, &parts.map(str::as_bytes)))
    }

    fn send(
        &self,
        target: &str,
        salt: &str,
        timestamp: &str,
        signature: &str,
    ) -> Result<(), Reason> {
        let headers = [
            ("access_key", self.id.as_str()),
            ("salt", salt),
            ("timestamp", timestamp),
            ("signature", signature),
        ];
        self.house.verdict(&headers, &Asked { method: "GET", target, ..Asked::default() })
    }

    fn seconds(&self) -> String {
        (self.house.now().0 / 1000).to_string()
    }
}

#[test]
fn a_signed_request_passes_once_wherever_its_parts_are_cut() {
    let signer = Signer::new("cut");
    let (path, salt, seconds) = ("/v1/payments?limit=10", "salt0000", signer.seconds());
    let signature = signer.sign(path, salt, &seconds);
    assert_eq!(signer.send(path, salt, &seconds, &signature), Ok(()));
    assert_eq!(signer.send(path, salt, &seconds, &signature), Err(Reason::Replayed));
    // The same message in other pieces: digits move from the salt into the timestamp …
    for cut in (4..8).rev() {
        let longer = format!("{}{seconds}", &salt[cut..]);
        let again = signer.send(path, &salt[..cut], &longer, &signature);
        assert!(again.is_err(), "passed again with the salt {}", &salt[..cut]);
    }
    // … or the end of the path into the salt.
    for cut in 1..4 {
        let (path, moved) = path.split_at(path.len() - cut);
        let again = signer.send(path, &format!("{moved}{salt}"), &seconds, &signature);
        assert!(again.is_err(), "passed again for {path}");
    }
}

#[test]
fn a_signature_fits_only_the_whole_target_that_was_signed() {
    let signer = Signer::new("target");
    let (path, seconds) = ("/v1/data/countries", signer.seconds());
    // A gateway's own prefix before the signed path is what `path_from` is for.
    let fits = signer.sign(path, "one", &seconds);
    assert_eq!(signer.send(&format!("/gateway{path}"), "one", &seconds, &fits), Ok(()));
    let others = ["/v2/payouts?next=", "/anything?", "/anything/v12/x?"];
    for (number, other) in (1..).zip(others) {
        let salt = format!("salt{number}x");
        let signature = signer.sign(path, &salt, &seconds);
        let target = format!("{other}{path}");
        let verdict = signer.send(&target, &salt, &seconds, &signature);
        assert_eq!(
            verdict,
            Err(Reason::BadSignature),
            "a signature for {path} passed for {target}"
        );
    }
}
