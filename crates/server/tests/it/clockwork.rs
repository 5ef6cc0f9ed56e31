//! What comes by the clock: once, at its instant, also when nobody was there at that instant.

use keyway_domain::time::Time;
use serde_json::{Value, json};

use crate::harness::{DAY, HOUR, Keyway, MINUTE, START};

async fn told(keyway: &Keyway, account: &str, kind: &str) -> Vec<Value> {
    let page = keyway.get(&format!("/v1/accounts/{account}/events?limit=200")).await.json();
    let all = page["data"].as_array().expect("a list").iter();
    all.filter(|event| event["type"] == kind).cloned().collect()
}

async fn key(keyway: &Keyway, account: &str, expires: Option<&str>) -> String {
    let body = json!({ "kind": "key", "environment": "live", "name": "K", "grant": "everything",
        "expires_at": expires });
    keyway.create(account, body).await.expect(201).id()
}

fn set(keyway: &Keyway, at: &str) {
    let now = keyway.app.now();
    keyway.clock.advance_ms(Time::parse(at).expect("an instant").0 - now.0);
}

#[tokio::test]
async fn e13_an_expiry_is_announced_and_told_each_once() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    key(&keyway, &account, Some("2027-01-15")).await;
    let mut counts = Vec::new();
    for at in [
        "2026-12-15T23:59:59Z", // a reminder is due 30 days before, at midnight
        "2026-12-16T00:00:00Z",
        "2027-01-07T23:59:59Z",
        "2027-01-08T00:00:00Z", // seven days before
        "2027-01-13T23:59:59Z",
        "2027-01-14T00:00:00Z", // one day before
        "2027-01-14T23:59:59Z",
        "2027-01-15T00:00:00Z",
        "2027-03-01T00:00:00Z",
    ] {
        set(&keyway, at);
        keyway.work().await;
        keyway.work().await;
        let count = async |kind| told(&keyway, &account, kind).await.len();
        counts.push((
            count("api_key.expiry_reminded").await,
            count("api_key.expiring").await,
            count("api_key.expired").await,
        ));
    }
    assert_eq!(
        counts,
        [
            (0, 0, 0),
            (1, 0, 0),
            (1, 0, 0),
            (1, 1, 0),
            (1, 1, 0),
            (2, 1, 0),
            (2, 1, 0),
            (2, 1, 1),
            (2, 1, 1)
        ]
    );
    let expiring = &told(&keyway, &account, "api_key.expiring").await[0];
    assert_eq!(expiring["after"]["days"], 7);
    assert_eq!(expiring["actor"]["type"], "system");
}

#[tokio::test]
async fn what_was_due_while_nothing_ran_is_told_at_the_start() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    key(&keyway, &account, Some("2026-12-10")).await;
    let token = keyway.token.clone();
    // Down from before the announcement until after the end.
    let folder = keyway.folder.clone();
    let mut keyway = keyway;
    keyway.folder = std::path::PathBuf::new();
    drop(keyway);
    let mut keyway = Keyway::start_in("enterprise", folder, "2026-12-20T08:00:00Z").await;
    keyway.token = token;
    keyway.work().await;
    assert_eq!(told(&keyway, &account, "api_key.expired").await.len(), 1);
    let expiring = told(&keyway, &account, "api_key.expiring").await;
    assert!(expiring.is_empty(), "that it will end is no news when it has: {expiring:?}");
    keyway.work().await;
    assert_eq!(told(&keyway, &account, "api_key.expired").await.len(), 1);
}

#[tokio::test]
async fn an_expiry_that_moves_is_announced_for_its_new_date_only() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    let id = key(&keyway, &account, Some("2026-12-10")).await;
    let path = format!("/v1/accounts/{account}/credentials/{id}");
    keyway.manage("PATCH", &path, &json!({ "expires_at": "2027-02-10" })).await.expect(200);
    set(&keyway, "2026-12-11T00:00:00Z");
    keyway.work().await;
    assert!(told(&keyway, &account, "api_key.expiring").await.is_empty());
    assert!(told(&keyway, &account, "api_key.expired").await.is_empty());
    // And back to a date that is near: announced at once, and once for it.
    keyway.manage("PATCH", &path, &json!({ "expires_at": "2026-12-15" })).await.expect(200);
    keyway.work().await;
    keyway.manage("PATCH", &path, &json!({ "name": "Renamed" })).await.expect(200);
    keyway.work().await;
    assert_eq!(told(&keyway, &account, "api_key.expiring").await.len(), 1);
    keyway.act(&account, &id, "revoke", json!({})).await.expect(200);
    set(&keyway, "2027-03-01T00:00:00Z");
    keyway.work().await;
    assert!(told(&keyway, &account, "api_key.expired").await.is_empty(), "it was revoked first");
}

#[tokio::test]
async fn t12_and_x14_an_old_secret_is_called_out_once_and_its_successor_in_its_turn() {
    for (scheme, kind, days) in [("xtopay", "client", 90), ("xendit", "secret", 180)] {
        let keyway = Keyway::start(scheme).await;
        let account = keyway.account().await;
        let body =
            json!({ "kind": kind, "environment": "live", "name": "S", "grant": "everything" });
        let id = keyway.create(&account, body).await.expect(201).id();
        keyway.clock.advance_ms(days * DAY - 1);
        keyway.work().await;
        assert!(told(&keyway, &account, "api_key.old").await.is_empty(), "{scheme}");
        keyway.clock.advance_ms(1);
        keyway.work().await;
        keyway.clock.advance_ms(30 * DAY);
        keyway.work().await;
        let old = told(&keyway, &account, "api_key.old").await;
        assert_eq!(old.len(), 1, "{scheme}");
        assert_eq!(old[0]["after"]["days"], days, "{scheme}");
        if scheme == "xtopay" {
            keyway.act(&account, &id, "rotate", json!({})).await.expect(200);
            keyway.clock.advance_ms(days * DAY);
            keyway.work().await;
            assert_eq!(told(&keyway, &account, "api_key.old").await.len(), 2);
        }
    }
}

#[tokio::test]
async fn an_overlap_that_ends_by_itself_is_told_at_its_end() {
    let keyway = Keyway::start("xtopay").await;
    let account = keyway.account().await;
    let body =
        json!({ "kind": "client", "environment": "live", "name": "C", "grant": "everything" });
    let id = keyway.create(&account, body).await.expect(201).id();
    keyway.act(&account, &id, "rotate", json!({})).await.expect(200);
    keyway.clock.advance_ms(15 * MINUTE - 1);
    keyway.work().await;
    assert!(told(&keyway, &account, "api_key.overlap_ended").await.is_empty());
    keyway.clock.advance_ms(1);
    keyway.work().await;
    keyway.work().await;
    assert_eq!(told(&keyway, &account, "api_key.overlap_ended").await.len(), 1);
    // One that was finished by hand is not told again by the clock.
    keyway.act(&account, &id, "rotate", json!({})).await.expect(200);
    keyway.act(&account, &id, "finish", json!({})).await.expect(200);
    keyway.clock.advance_ms(HOUR);
    keyway.work().await;
    assert_eq!(told(&keyway, &account, "api_key.overlap_ended").await.len(), 1);
}

#[tokio::test]
async fn an_idle_credential_is_called_out_from_its_last_use_on() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    let body = json!({ "kind": "key", "environment": "live", "name": "K", "grant": "everything" });
    let made = keyway.create(&account, body).await.expect(201);
    let uses = async || {
        let authorization = format!("Bearer {}", made.shown("key"));
        let question = json!({ "method": "GET", "path": "/mfi/invoices",
            "headers": [["authorization", authorization]] });
        assert_eq!(keyway.verify(question).await.json()["allowed"], true);
        keyway.flush().await;
    };
    keyway.clock.advance_ms(60 * DAY);
    uses().await;
    keyway.clock.advance_ms(60 * DAY);
    keyway.work().await;
    assert!(told(&keyway, &account, "api_key.idle").await.is_empty(), "used 60 days ago");
    keyway.clock.advance_ms(30 * DAY);
    keyway.work().await;
    keyway.clock.advance_ms(200 * DAY);
    keyway.work().await;
    assert_eq!(told(&keyway, &account, "api_key.idle").await.len(), 1, "once while it lasts");
    uses().await;
    keyway_server::worker::tidy(&keyway.app).await.expect("tidied");
    keyway.clock.advance_ms(91 * DAY);
    keyway.work().await;
    assert_eq!(told(&keyway, &account, "api_key.idle").await.len(), 2, "and again after a use");
}

#[tokio::test]
async fn a_rotation_of_an_unused_credential_leaves_one_notice_that_it_is_idle() {
    let keyway = Keyway::start("xtopay").await;
    let account = keyway.account().await;
    let body = json!({ "kind": "client", "environment": "live", "name": "K",
        "grant": { "payments": "write" } });
    let id = keyway.create(&account, body).await.expect(201).id();
    for _ in 0..2 {
        keyway.clock.advance_ms(50 * DAY);
        keyway.act(&account, &id, "rotate", json!({})).await.expect(200);
        keyway.work().await;
    }
    assert!(told(&keyway, &account, "api_key.idle").await.is_empty(), "its secret is new");
    keyway.clock.advance_ms(91 * DAY);
    keyway.work().await;
    let idle = told(&keyway, &account, "api_key.idle").await;
    assert_eq!(idle.len(), 1, "{idle:?}");
    assert_eq!(idle[0]["after"]["last_used_at"], Value::Null, "nothing ever used it");
}

#[tokio::test]
async fn what_a_newer_version_planned_stops_nothing() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    let id = key(&keyway, &account, Some("2026-12-10")).await;
    let database = keyway.database.editor();
    let columns = "credential_id, what, of, at";
    database.must(&format!("INSERT INTO due ({columns}) VALUES ('{id}', 'reviewed', 1, 1)"));
    set(&keyway, "2026-12-10T00:00:01Z");
    keyway.work().await;
    assert_eq!(told(&keyway, &account, "api_key.expired").await.len(), 1);
    let waits = "SELECT COUNT(*) FROM due WHERE what = 'reviewed' AND told_at IS NULL";
    assert_eq!(database.number(waits), 1, "it is the newer version's");
}

#[tokio::test]
async fn several_notices_of_one_expiry_that_are_due_at_once_are_one() {
    for (back, wanted) in [("2026-12-05T00:00:00Z", 1), ("2026-12-09T12:00:00Z", 1)] {
        let keyway = Keyway::start("enterprise").await;
        let account = keyway.account().await;
        key(&keyway, &account, Some("2026-12-10")).await;
        // Nothing ran from the first of November on.
        let sql = "INSERT INTO due (credential_id, what, of, at)
            SELECT credential_id, 'reminder_30', of, at - 23 * 86400000 FROM due
            WHERE what = 'expiring'";
        keyway.database.editor().must(sql);
        set(&keyway, back);
        keyway.work().await;
        let people = told(&keyway, &account, "api_key.expiry_reminded").await.len();
        let programs = told(&keyway, &account, "api_key.expiring").await.len();
        assert_eq!((people + programs, programs), (wanted, 1), "at {back}");
    }
}

#[tokio::test]
async fn several_workers_and_a_clock_that_jumps_tell_each_thing_once() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    for _ in 0..20 {
        key(&keyway, &account, Some("2026-12-10")).await;
    }
    set(&keyway, "2026-12-04T00:00:00Z");
    let work = || keyway_server::timekeeper::keep(&keyway.app);
    let (one, two, three) = tokio::join!(work(), work(), work());
    one.and(two).and(three).expect("all of it is told");
    // A day forward, and back again.
    keyway.clock.advance_ms(DAY);
    keyway.work().await;
    keyway.clock.advance_ms(-DAY);
    keyway.work().await;
    keyway.clock.advance_ms(DAY);
    keyway.work().await;
    let expiring = told(&keyway, &account, "api_key.expiring").await;
    let mut about: Vec<_> = expiring.iter().map(|event| event["subject"].to_string()).collect();
    about.sort();
    about.dedup();
    assert_eq!((expiring.len(), about.len()), (20, 20));
    assert!(keyway.app.now() > Time::parse(START).expect("an instant"));
}
