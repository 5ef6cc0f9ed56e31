//! What the store promises of what people's pages read: usage, events, and an account's own things.

use std::collections::{BTreeMap, HashMap};

use keyway_domain::actor::{Actor, Role, StepUp};
use keyway_domain::credential::{Credential, SecretState, Status};
use keyway_domain::event::Event;
use keyway_domain::id::{AccountId, CredentialId, EventId, MemberId, MessageId};
use keyway_domain::limits::PLACES_PER_SECRET_MAX;
use keyway_domain::time::{DAY_MS, Time};
use keyway_store::audit::{self, Fault};
use keyway_store::events::Filter;
use keyway_store::usage::{Batch, Day, Place, Report, Seen};
use keyway_store::{
    Db, DbError, SCHEMA_VERSION, account_settings, credentials, events, messages, replacements,
    usage,
};
use tokio::runtime::Builder;

use crate::house::{House, NOW, add_account, audit_key, credential, folder, options};

const OURS: AccountId = AccountId(1);
const THEIRS: AccountId = AccountId(2);
/// The start of a day.
const DAY: i64 = 20_000 * DAY_MS;
const HOUR: i64 = DAY_MS / 24;

fn later(ms: i64) -> Time {
    NOW.plus_ms(ms)
}

fn two_accounts(name: &str) -> House {
    let house = House::new(name);
    house.done(|tx| add_account(tx, 1).and_then(|()| add_account(tx, 2)));
    house
}

fn others(number: u8) -> Credential {
    Credential { account: THEIRS, ..credential(number, "restricted") }
}

// Usage.

/// Requests by credential, secret, hour and outcome.
type Count = ((u128, u32, i64, &'static str), u64);

/// A batch of one process that counts on from the one before it.
fn batch(number: i64, counts: &[Count]) -> Batch {
    let counts = counts.iter().map(|((id, secret, hour, outcome), requests)| {
        ((CredentialId(*id), *secret, *hour, *outcome), *requests)
    });
    Batch { node: "node".to_owned(), number, counts: counts.collect(), ..Batch::default() }
}

fn day(day: i64, allowed: i64, refused: i64) -> Day {
    Day { day: Time(day), allowed, refused }
}

#[test]
fn requests_are_summed_by_the_day_over_secrets_and_reasons() {
    let house = two_accounts("days");
    house.keep(&credential(1, "restricted")).unwrap();
    house.keep(&credential(2, "restricted")).unwrap();
    house.keep(&others(3)).unwrap();
    let first = batch(
        1,
        &[
            ((1, 1, DAY - HOUR, "allowed"), 1),
            ((1, 1, DAY, "allowed"), 2),
            ((1, 2, DAY, "allowed"), 4),
            ((1, 2, DAY + 23 * HOUR, "allowed"), 8),
            ((1, 1, DAY, "expired"), 16),
            ((1, 1, DAY + HOUR, "revoked"), 32),
            ((2, 1, DAY + DAY_MS, "expired"), 64),
            ((3, 1, DAY, "allowed"), 128),
        ],
    );
    let second = batch(2, &[((1, 1, DAY + HOUR, "allowed"), 100), ((1, 1, DAY, "expired"), 1)]);
    for (batch, new) in [(first.clone(), true), (first, false), (second, true)] {
        assert_eq!(house.done(move |tx| usage::add(tx, &batch)), new);
    }
    let days = |since| house.read(move |tx| usage::days(tx, OURS, Time(since))).unwrap();
    let one = vec![day(DAY - DAY_MS, 1, 0), day(DAY, 114, 49)];
    let two = vec![day(DAY + DAY_MS, 0, 64)];
    let (first, second) = (CredentialId(1), CredentialId(2));
    assert_eq!(days(0), HashMap::from([(first, one.clone()), (second, two.clone())]));
    assert_eq!(days(DAY), HashMap::from([(first, one[1..].to_vec()), (second, two.clone())]));
    assert_eq!(days(DAY + 1), HashMap::from([(second, two)]));
    let days_of = |since| house.done(move |tx| usage::days_of(tx, CredentialId(1), Time(since)));
    assert_eq!((days_of(0), days_of(DAY)), (one.clone(), one[1..].to_vec()));
}

/// Adds uses of secrets, each of them in a batch of its own.
fn add_uses(house: &House, uses: &[(u128, u32, Seen)]) {
    for (number, (id, secret, seen)) in (1..).zip(uses) {
        let seen = BTreeMap::from([((CredentialId(*id), *secret), seen.clone())]);
        let batch = Batch { seen, ..batch(number, &[]) };
        assert!(house.done(move |tx| usage::add(tx, &batch)));
    }
}

fn seen(minute: i64, address: Option<&str>, client: Option<&str>) -> Seen {
    let (address, client) = (address.map(str::to_owned), client.map(str::to_owned));
    Seen { at: Time(60_000 * minute), address, client }
}

#[test]
fn a_place_says_from_when_to_when_and_how_many_minutes() {
    let house = House::new("places");
    let (here, there) = (Some("192.0.2.1"), Some("192.0.2.2"));
    add_uses(
        &house,
        &[
            (1, 1, seen(5, here, Some("curl"))),
            (1, 1, seen(6, here, Some("curl"))),
            // The same minute, from another process.
            (1, 1, seen(6, here, Some("curl"))),
            // One that comes late.
            (1, 1, seen(3, here, Some("curl"))),
            (1, 1, seen(7, here, None)),
            (1, 1, seen(8, there, Some("curl"))),
            (1, 2, seen(9, here, Some("curl"))),
            (1, 1, seen(10, None, Some("curl"))),
            (2, 1, seen(11, here, Some("curl"))),
        ],
    );
    let place =
        |secret, address: Option<&str>, client: &str, first: i64, last: i64, minutes| Place {
            secret,
            address: address.unwrap().to_owned(),
            client: client.to_owned(),
            first_at: Time(60_000 * first),
            last_at: Time(60_000 * last),
            minutes,
        };
    let expected = [
        place(2, here, "curl", 9, 9, 1),
        place(1, there, "curl", 8, 8, 1),
        place(1, here, "", 7, 7, 1),
        place(1, here, "curl", 3, 6, 2),
    ];
    assert_eq!(house.done(|tx| usage::places(tx, CredentialId(1))), expected);
}

#[test]
fn the_places_longest_unseen_are_forgotten() {
    let house = House::new("many-places");
    let max = i64::from(PLACES_PER_SECRET_MAX);
    let address = |number: i64| format!("192.0.2.{number}");
    let mut uses: Vec<_> =
        (1..=max).map(|number| (1, 1, seen(number, Some(&address(number)), None))).collect();
    // Another secret's place does not count here, and the first one is seen again.
    uses.push((1, 2, seen(1, Some("192.0.2.1"), None)));
    uses.push((1, 1, seen(max + 1, Some(&address(1)), None)));
    uses.push((1, 1, seen(max + 2, Some("198.51.100.1"), None)));
    // One that comes late is older than all that are kept.
    uses.push((1, 1, seen(1, Some("198.51.100.2"), None)));
    add_uses(&house, &uses);
    let places = house.done(|tx| usage::places(tx, CredentialId(1)));
    let (first, second): (Vec<_>, Vec<_>) = places.iter().partition(|place| place.secret == 1);
    assert_eq!((first.len(), second.len()), (usize::try_from(max).unwrap(), 1));
    let kept: Vec<&str> = first.iter().map(|place| place.address.as_str()).collect();
    assert_eq!(kept[..2], ["198.51.100.1", "192.0.2.1"]);
    assert!(!kept.contains(&"192.0.2.2") && !kept.contains(&"198.51.100.2"), "{kept:?}");
    assert!(kept.contains(&"192.0.2.3"), "no more than needed: {kept:?}");
}

#[test]
fn the_last_use_of_each_credential_is_that_of_its_newest_secret() {
    let house = two_accounts("last");
    house.keep(&credential(1, "restricted")).unwrap();
    house.keep(&credential(2, "restricted")).unwrap();
    house.keep(&others(3)).unwrap();
    add_uses(
        &house,
        &[
            (1, 2, seen(9, Some("192.0.2.1"), None)),
            (1, 3, seen(5, None, None)),
            (2, 1, seen(7, None, Some("curl"))),
            (2, 2, seen(7, None, None)),
            (3, 1, seen(8, None, None)),
        ],
    );
    let last = house.done(|tx| usage::last_seen(tx, OURS));
    let expected = HashMap::from([
        (CredentialId(1), (2, seen(9, Some("192.0.2.1"), None))),
        (CredentialId(2), (2, seen(7, None, None))),
    ]);
    assert_eq!(last, expected);
}

#[test]
fn usage_from_before_there_were_days_is_summed_when_the_database_is_brought_up_to_date() {
    let folder = folder("migrate");
    let path = folder.join("keyway.db");
    let old = rusqlite::Connection::open(&path).unwrap();
    old.execute_batch(include_str!("../../migrations/0001_start.sql")).unwrap();
    let id = CredentialId(1);
    old.execute_batch(&format!(
        "CREATE TABLE keyway_schema (version INTEGER PRIMARY KEY, applied INTEGER NOT NULL) STRICT;
         INSERT INTO keyway_schema VALUES (1, 1);
         INSERT INTO accounts VALUES ('{OURS}', NULL, 'Old', 0, 1);
         INSERT INTO events VALUES ('{}', 1, '{OURS}', 'api_key.created', 'cred_1',
             '{{\"type\":\"system\"}}', NULL, 'req', '{{}}', '{{}}');
         INSERT INTO usage_hours VALUES
             ('{id}', 1, {before}, 'allowed', 1), ('{id}', 1, {DAY}, 'allowed', 2),
             ('{id}', 2, {hour}, 'allowed', 4), ('{id}', 1, {DAY}, 'expired', 8),
             ('{id}', 2, {hour}, 'revoked', 16), ('{other}', 1, {DAY}, 'expired', 32);",
        EventId(1),
        before = DAY - HOUR,
        hour = DAY + 23 * HOUR,
        other = CredentialId(2),
    ))
    .unwrap();
    drop(old);
    let db = Db::open(&path, &options()).unwrap();
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    let read = db.read(move |tx| {
        let days =
            [usage::days_of(tx, id, Time(0))?, usage::days_of(tx, CredentialId(2), Time(0))?];
        Ok::<_, DbError>((days, events::page(tx, &Filter::default(), 9)?))
    });
    let (days, events) = runtime.block_on(read).unwrap();
    let expected = [vec![day(DAY - DAY_MS, 1, 0), day(DAY, 6, 24)], vec![day(DAY, 0, 32)]];
    assert_eq!(days, expected);
    assert_eq!((&events[0].address, &events[0].client), (&None, &None), "an old event is read");
    drop(db);
    // Opened again it is as it was: nothing is summed twice.
    let db = Db::open(&path, &options()).unwrap();
    let again = db.read(move |tx| usage::days_of(tx, id, Time(0)));
    assert_eq!(runtime.block_on(again).unwrap(), expected[0]);
    let versions = "SELECT MAX(version) FROM keyway_schema";
    let editor = rusqlite::Connection::open(&path).unwrap();
    let version: i64 = editor.query_row(versions, [], |row| row.get(0)).unwrap();
    assert_eq!(version, SCHEMA_VERSION);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn the_tables_of_usage_have_one_row_for_each_day_and_place() {
    let house = House::new("usage-keys");
    add_uses(&house, &[(1, 1, seen(1, Some("192.0.2.1"), None))]);
    let counted = batch(2, &[((1, 1, DAY, "allowed"), 1)]);
    assert!(house.done(move |tx| usage::add(tx, &counted)));
    for attack in [
        "INSERT INTO usage_days SELECT * FROM usage_days",
        "INSERT INTO usage_places SELECT * FROM usage_places",
        "UPDATE usage_days SET allowed = NULL",
        "UPDATE usage_days SET refused = 'many'",
        "UPDATE usage_places SET client = NULL",
        "UPDATE usage_places SET minutes = 'many'",
    ] {
        house.refuses(attack);
    }
}

#[test]
fn reports_are_summed_by_address_and_beyond_fifty_the_longest_unseen_are_no_longer_listed() {
    let house = two_accounts("reports");
    house.keep(&credential(1, "restricted")).unwrap();
    let id = CredentialId(1);
    let mut number = 0;
    let mut add = |address: &str, requests: u64, minute: i64| {
        number += 1;
        let reports = [((id, address.to_owned()), (requests, Time(60_000 * minute)))];
        let batch = Batch { reports: reports.into(), ..batch(number, &[]) };
        assert!(house.done(move |tx| usage::add(tx, &batch)));
    };
    add("192.0.2.1", 2, 1);
    add("192.0.2.1", 3, 5);
    add("192.0.2.1", 1, 4);
    let one = Report {
        address: "192.0.2.1".to_owned(),
        requests: 6,
        first_at: Time(60_000),
        last_at: Time(300_000),
    };
    let reports = || house.done(move |tx| usage::reports(tx, id));
    assert_eq!(reports(), std::slice::from_ref(&one));
    (0..51).for_each(|place| add(&format!("198.51.100.{place}"), 1, 10 + place));
    let listed = reports();
    assert_eq!(listed.len(), 51, "fifty, and the others together");
    let others = listed.iter().find(|report| report.address.is_empty()).unwrap();
    // The first one and one of the fifty-one.
    let both = Report { address: String::new(), requests: 7, last_at: Time(600_000), ..one };
    assert_eq!(*others, both);
    for attack in [
        "INSERT INTO address_reports SELECT * FROM address_reports",
        "UPDATE address_reports SET requests = NULL",
        "UPDATE address_reports SET address = NULL",
        "UPDATE credentials SET address_mode = 'maybe'",
        "UPDATE credentials SET address_mode = NULL",
    ] {
        house.refuses(attack);
    }
    house.done(move |tx| usage::forget_reports(tx, id));
    assert_eq!(reports(), []);
}

// Credentials of an account.

#[test]
fn an_accounts_credentials_are_read_as_one_by_one_without_the_deleted() {
    let house = two_accounts("of-account");
    // Those of both accounts in turn, so that the secrets of one lie between the other's.
    let revoked = Credential { status: Status::Revoked { at: NOW }, ..credential(5, "restricted") };
    let deleted = Credential { status: Status::Deleted { at: NOW }, ..credential(7, "restricted") };
    let mut alone = credential(9, "restricted");
    alone.secrets.retain(|secret| secret.state == SecretState::Current);
    let ours = [credential(1, "admin"), credential(3, "restricted"), revoked, alone];
    for kept in ours.iter().chain([&deleted, &others(2), &others(4), &others(8), &others(10)]) {
        house.keep(kept).unwrap();
    }
    let read = |account| {
        let rules = house.rules.clone();
        house.done(move |tx| {
            let (mut read, mut refused) = (Vec::new(), Vec::new());
            credentials::each_of_account(tx, &rules, account, |found| match found {
                Ok(credential) => read.push(credential),
                Err((id, error)) => refused.push((id, error.to_string())),
            })?;
            Ok((read, refused))
        })
    };
    assert_eq!(read(OURS), (ours.to_vec(), vec![]));
    assert_eq!(read(THEIRS).0, [2, 4, 8, 10].map(others));
    assert_eq!(read(AccountId(3)), (vec![], vec![]));
    house.editor().must(&format!(
        "UPDATE secrets SET public_id = 'x' WHERE number = 2 AND credential_id = '{}'",
        CredentialId(3)
    ));
    let (left, refused) = read(OURS);
    assert_eq!(
        left,
        [0, 2, 3].map(|place| ours[place].clone()),
        "the others are read all the same"
    );
    let [(id, error)] = refused.as_slice() else { panic!("{refused:?}") };
    assert_eq!(*id, CredentialId(3).to_string());
    assert!(error.contains("changed outside Keyway"), "{error}");
}

// Events.

fn event(number: u128, account: AccountId, kind: &str) -> Event {
    let (member, id) = ("anna@example.com".to_owned(), Some(MemberId(1)));
    Event {
        id: EventId(number),
        at: later(i64::try_from(number).unwrap()),
        account,
        kind: kind.to_owned(),
        subject: "cred_1".to_owned(),
        actor: Actor::Member { member, id, role: Role::Owner, token: None }.into(),
        step_up: Some(StepUp::Otp.into()),
        request_id: Some(format!("req{number}")),
        address: Some("192.0.2.1".to_owned()),
        client: Some("Firefox".to_owned()),
        before: serde_json::json!({ "a": 1 }),
        after: serde_json::json!({ "a": 2 }),
    }
}

#[test]
fn an_event_comes_back_as_it_was_kept() {
    let house = two_accounts("event");
    let bare = Event { address: None, client: None, step_up: None, ..event(2, OURS, "a.b") };
    let kept = [event(1, OURS, "a.b"), bare];
    let both = kept.clone();
    house.done(move |tx| both.iter().try_for_each(|event| events::append(tx, &audit_key(), event)));
    let page = house.done(|tx| events::page(tx, &Filter::default(), 9));
    let [second, first] = page.as_slice() else { panic!("{page:?}") };
    for (found, kept) in [(first, &kept[0]), (second, &kept[1])] {
        assert_eq!(format!("{found:?}"), format!("{kept:?}"));
    }
}

#[test]
fn a_page_of_events_has_those_of_which_all_that_is_asked_holds() {
    let house = two_accounts("events");
    house.done(|tx| {
        let operator = Actor::Operator { token: "cred_50%".to_owned() };
        let all = [
            event(1, OURS, "api_key.created"),
            event(2, OURS, "api_keyring.made"),
            event(3, OURS, "apixkey.made"),
            Event { subject: "mem_1".to_owned(), ..event(4, OURS, "member.joined") },
            Event { actor: operator.into(), address: None, ..event(5, OURS, "api_key.revoked") },
            event(6, THEIRS, "api_key.created"),
            Event { address: Some("198.51.100.7".to_owned()), ..event(7, OURS, "session.started") },
            Event { request_id: None, address: None, ..event(8, OURS, "a\\b.c") },
        ];
        all.iter().try_for_each(|event| events::append(tx, &audit_key(), event))
    });
    let page = |limit, filter: Filter| {
        let page = house.read(move |tx| events::page(tx, &filter, limit)).unwrap();
        page.into_iter().map(|event| event.id.0).collect::<Vec<_>>()
    };
    let all = |filter: Filter| page(99, filter);
    let ours = || Filter { account: Some(OURS), ..Filter::default() };
    assert_eq!(all(Filter::default()), [8, 7, 6, 5, 4, 3, 2, 1]);
    assert_eq!(page(2, Filter { before: Some(EventId(7)), ..ours() }), [5, 4]);
    assert_eq!(all(Filter { account: Some(THEIRS), ..Filter::default() }), [6]);
    let subject = || Some("cred_1".to_owned());
    assert_eq!(all(Filter { subject: subject(), ..Filter::default() }), [8, 7, 6, 5, 3, 2, 1]);
    assert_eq!(all(Filter { subject: subject(), ..ours() }), [8, 7, 5, 3, 2, 1], "no stranger's");
    let kind = |prefix: &str| all(Filter { kind_prefix: Some(prefix.to_owned()), ..ours() });
    assert_eq!((kind("api_key."), kind("api_key"), kind("%")), (vec![5, 1], vec![5, 2, 1], vec![]));
    assert_eq!(kind("a\\b"), [8], "a pattern's own signs are letters here");
    assert_eq!(all(Filter { since: Some(later(5)), ..ours() }), [8, 7, 5]);
    let text = |text: &str| all(Filter { text: Some(text.to_owned()), ..ours() });
    assert_eq!(text("ANNA@example"), [8, 7, 4, 3, 2, 1], "the actor");
    assert_eq!(text("mem_1"), [4], "the subject; not the _ of any letter");
    assert_eq!(text("198.51.100"), [7], "the address");
    assert_eq!(text("req3"), [3], "the request");
    assert_eq!(text("50%"), [5]);
    assert_eq!(text("firefox"), Vec::<u128>::new(), "nothing else");
    let narrow = Filter {
        kind_prefix: Some("api_key".to_owned()),
        since: Some(later(2)),
        text: Some("anna".to_owned()),
        before: Some(EventId(5)),
        subject: subject(),
        ..ours()
    };
    assert_eq!(all(narrow), [2]);
}

#[test]
fn what_is_forgotten_of_a_log_is_looked_at_first() {
    let house = two_accounts("forgotten");
    house.done(|tx| {
        let all = (1..=9).map(|number| event(number, OURS, "api_key.created"));
        all.clone().try_for_each(|event| events::append(tx, &audit_key(), &event))?;
        all.take(8).try_for_each(|event| events::take_untold(tx, event.id).map(drop))
    });
    let prune = |before| house.done(move |tx| audit::prune(tx, &audit_key(), OURS, before, 500));
    let verified = || house.read(|tx| audit::verify(tx, &audit_key(), OURS)).unwrap();
    assert_eq!(prune(later(3)), 2);
    assert_eq!(verified().map(|whole| (whole.entries, whole.seq)), Ok((7, 9)), "a part is whole");
    let sql = format!("UPDATE events SET at = 0 WHERE account_id = '{OURS}' AND seq IN (5, 6)");
    house.editor().must(&sql);
    assert_eq!(prune(later(4)), 1, "as far as it is as it was written");
    assert_eq!(prune(Time::NEVER), 1, "and no further, whatever it says of its time");
    let broken = verified().unwrap_err();
    assert_eq!((broken.fault, broken.seq), (Fault::Changed, 5));
}

// An account's own things, and the post.

#[test]
fn a_replacement_is_found_from_either_side_and_there_is_one() {
    let house = two_accounts("replacements");
    for number in 1..=3 {
        house.keep(&credential(number, "restricted")).unwrap();
    }
    let add = |old, new| {
        house.write(move |tx| replacements::add(tx, CredentialId(old), CredentialId(new), NOW))
    };
    add(1, 2).unwrap();
    assert!(add(1, 3).unwrap_err().is_duplicate(), "a second one for the same");
    assert!(add(3, 2).unwrap_err().is_duplicate(), "one for two");
    add(2, 3).unwrap();
    let sides = |id| {
        let id = CredentialId(id);
        house.done(move |tx| Ok((replacements::by(tx, id)?, replacements::of(tx, id)?)))
    };
    assert_eq!(sides(1), (Some(CredentialId(2)), None));
    assert_eq!(sides(2), (Some(CredentialId(3)), Some(CredentialId(1))));
    assert_eq!(sides(3), (None, Some(CredentialId(2))));
}

#[test]
fn settings_are_an_accounts_own() {
    let house = two_accounts("account-settings");
    house.done(|tx| {
        account_settings::save(tx, OURS, "alerts", "old")?;
        account_settings::save(tx, OURS, "alerts", "new")?;
        account_settings::save(tx, OURS, "zone", "UTC")?;
        account_settings::save(tx, THEIRS, "alerts", "theirs")
    });
    let find = |account, name: &'static str| {
        house.done(move |tx| account_settings::find(tx, account, name))
    };
    assert_eq!(find(OURS, "alerts").as_deref(), Some("new"));
    assert_eq!(find(THEIRS, "zone"), None);
    let all = house.done(|tx| account_settings::all(tx, OURS));
    let expected = [("alerts", "new"), ("zone", "UTC")];
    assert_eq!(all, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
}

#[test]
fn a_message_waits_until_it_is_sent() {
    let house = two_accounts("messages");
    house.done(|tx| {
        messages::insert(tx, MessageId(1), None, b"second", (later(2), later(2)))?;
        messages::insert(tx, MessageId(2), Some(OURS), b"first", (later(1), later(1)))?;
        messages::insert(tx, MessageId(3), None, b"third", (later(3), later(9)))
    });
    let claim = |now, until| {
        let claimed = house.done(move |tx| messages::claim(tx, (now, until), 9));
        claimed.into_iter().map(|waiting| waiting.id.0).collect::<Vec<_>>()
    };
    assert_eq!(claim(later(1), later(4)), [2], "what is not due waits");
    assert_eq!(claim(later(3), later(6)), [1], "what is claimed is nobody else's");
    assert_eq!(claim(later(5), later(7)), [2], "until the claim lapses");
    house.done(|tx| messages::not_sent(tx, MessageId(1), "busy", Some(later(8)), later(6)));
    house.done(|tx| messages::sent(tx, MessageId(2), later(6)));
    assert_eq!(claim(later(7), later(8)), Vec::<u128>::new());
    assert_eq!(claim(later(9), later(20)), [1, 3]);
    let state_of = |now, tried_ms| {
        let state = house.done(move |tx| messages::state(tx, now, tried_ms));
        (state.waiting, state.given_up, state.refused, state.trouble)
    };
    let state = |now| state_of(now, 5);
    assert_eq!(state(later(9)), (2, 0, 0, Some("busy".to_owned())));
    house.done(|tx| messages::not_sent(tx, MessageId(1), "never", None, later(10)));
    assert_eq!(state(later(10)), (1, 1, 0, Some("never".to_owned())));
    assert_eq!(state_of(later(10), DAY_MS).2, 1, "what was not tried for long was refused");
    house.done(|tx| messages::sent(tx, MessageId(2), later(30)));
    assert_eq!(state(later(31)).3, Some("never".to_owned()), "it was sent before");
    assert_eq!(house.done(|tx| messages::prune(tx, later(9))), 1, "sent is sent when it was");
    assert_eq!(house.done(|tx| messages::prune(tx, Time::NEVER)), 1, "what was given up goes too");
    house.done(messages::release_all);
    assert_eq!(claim(later(9), later(20)), [3], "what was not sent is never forgotten");
}
