//! The database in trouble: nothing half-done, a clear message, and verification goes on.

use keyway_server::{telling, worker};
use keyway_testbed::Editor;
use serde_json::{Value, json};

use crate::browser::{Browser, account_of};
use crate::harness::{DAY, Keyway, MINUTE, bearer};
use crate::receiver::Receiver;

#[tokio::test]
async fn while_another_program_holds_the_database_changes_are_refused_and_verification_goes_on() {
    let keyway = Keyway::start_in_a_file("enterprise").await;
    let account = keyway.account().await;
    let body = json!({
        "kind": "key", "environment": "live", "name": "Server", "grant": "everything",
    });
    let key = keyway.create(&account, body.clone()).await.expect(201).shown("key");
    let holder = database(&keyway);
    holder.must("BEGIN IMMEDIATE");
    let refused = keyway.create(&account, body.clone()).await.expect(503);
    let problem = refused.json();
    assert_eq!(problem["code"], "store_unavailable");
    assert!(problem["detail"].as_str().is_some_and(|said| said.contains("locked")), "{problem}");
    bearer(keyway.api, "GET", "/mfi/invoices", &key).await.expect(200);
    holder.must("ROLLBACK");
    keyway.create(&account, body).await.expect(201);
    let list = keyway.get(&format!("/v1/accounts/{account}/credentials")).await.expect(200).json();
    assert_eq!(list["data"].as_array().map(Vec::len), Some(2), "the refused one was not made");
}

#[tokio::test]
async fn a_row_that_was_edited_is_refused_at_the_next_change_and_after_a_restart() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    let body = json!({
        "kind": "key", "environment": "live", "name": "Server", "grant": ["invoices:read"],
    });
    let made = keyway.create(&account, body.clone()).await.expect(201);
    let other = keyway.create(&account, body).await.expect(201);
    let editor = database(&keyway);
    let edit = format!("UPDATE credentials SET grants = '*' WHERE id = '{}'", made.id());
    assert_eq!(editor.must(&edit), 1);
    // The running server has its own picture: nothing widened.
    bearer(keyway.api, "GET", "/mfi/payouts", &made.shown("key")).await.expect(403);
    keyway.act(&account, &made.id(), "duplicate", json!({})).await.expect(503);
    let again = keyway.restart("enterprise").await;
    bearer(again.api, "GET", "/mfi/invoices", &made.shown("key")).await.expect(401);
    bearer(again.api, "GET", "/mfi/invoices", &other.shown("key")).await.expect(200);
    let metrics = crate::harness::send(again.internal, "GET", "/metrics", &[], "").await.text;
    assert!(metrics.contains("keyway_rows_refused 1\n"), "{metrics}");
}

fn database(keyway: &Keyway) -> Editor {
    keyway.database.editor()
}

fn one(database: &Editor, sql: &str) -> i64 {
    database.number(sql)
}

async fn key(keyway: &Keyway, account: &str) -> String {
    let body =
        json!({ "kind": "key", "environment": "live", "name": "Server", "grant": "everything" });
    keyway.create(account, body).await.expect(201).id()
}

async fn hear(keyway: &Keyway, account: &str) -> Receiver {
    let receiver = Receiver::start().await;
    let body =
        json!({ "environment": "live", "url": receiver.url(), "events": ["api_key.created"] });
    keyway.post(&format!("/v1/accounts/{account}/webhooks"), body).await.expect(201);
    receiver
}

#[tokio::test]
async fn an_event_of_a_newer_version_is_shown_and_holds_nobody_up() {
    const OWNER: &str = "ada@example.com";
    let keyway = Keyway::start("enterprise").await;
    let mut ada = Browser::sign_up(&keyway, OWNER).await;
    let (newer, other) = (account_of(&keyway, OWNER).await, keyway.account().await);
    let heard = [hear(&keyway, &newer).await, hear(&keyway, &other).await];
    keyway.work().await;
    let made = key(&keyway, &newer).await;
    key(&keyway, &other).await;
    let editor = database(&keyway);
    let old = &editor.rows(&format!("SELECT actor FROM events WHERE subject = '{made}'"))[0][0];
    let edit = |actor: &str, step_up: &str| {
        let set = format!("actor = '{actor}', step_up = {step_up}");
        editor.must(&format!("UPDATE events SET {set} WHERE subject = '{made}'"))
    };
    assert_eq!(edit(r#"{"type":"robot","model":7}"#, r#"'"retina"'"#), 1);
    // Everybody else is told, and it is not read again each second.
    keyway.send_webhooks().await;
    assert_eq!(heard.each_ref().map(|heard| heard.got().len()), [0, 1]);
    assert_eq!(one(&editor, "SELECT COUNT(*) FROM outbox WHERE held = 1"), 1);
    assert_eq!(one(&editor, "SELECT COUNT(*) FROM outbox"), 1);
    // Lists show that it is there, and what can be read of it.
    for path in ["/v1/events".to_owned(), format!("/v1/accounts/{newer}/events")] {
        let page = keyway.get(&path).await.expect(200).json();
        let all: Vec<&Value> = page["data"].as_array().expect("a list").iter().collect();
        let shown = all.iter().find(|event| event["subject"] == made.as_str()).expect("it");
        assert_eq!(shown["type"], "api_key.created");
        assert_eq!(shown["actor"], json!({ "type": "unknown" }));
        assert_eq!(shown["step_up"], "unknown");
        assert_eq!(shown["after"]["name"], "Server", "{shown}");
    }
    let page = ada.get("/audit").await.expect(200).text;
    assert!(page.contains("Somebody unknown to this version"), "{page}");
    ada.get(&format!("/live/keys/{made}")).await.expect(200);
    // As if the version that knows it ran.
    assert_eq!(edit(old, "NULL"), 1);
    keyway.send_webhooks().await;
    assert_eq!(heard[0].got().len(), 0, "it is tried by the hour");
    worker::tidy(&keyway.app).await.expect("tidied");
    keyway.send_webhooks().await;
    assert_eq!(heard.each_ref().map(|heard| heard.got().len()), [1, 0], "the other was told");
    assert_eq!(one(&editor, "SELECT COUNT(*) FROM outbox"), 0);
}

#[tokio::test]
async fn an_event_of_an_unknown_kind_waits_a_month_and_stays_in_the_log() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    let made = key(&keyway, &account).await;
    let editor = database(&keyway);
    let edit = format!("UPDATE events SET kind = 'robot.built' WHERE subject = '{made}'");
    assert_eq!(editor.must(&edit), 1);
    for days in [0, 29] {
        keyway.clock.advance_ms(days * DAY);
        telling::tell(&keyway.app).await.expect("events are told");
        assert_eq!(one(&editor, "SELECT COUNT(*) FROM outbox WHERE held = 1"), 1);
        worker::tidy(&keyway.app).await.expect("tidied");
        assert_eq!(one(&editor, "SELECT COUNT(*) FROM outbox WHERE held = 0"), 1, "it is tried");
    }
    telling::tell(&keyway.app).await.expect("events are told");
    keyway.clock.advance_ms(2 * DAY);
    worker::tidy(&keyway.app).await.expect("tidied");
    assert_eq!(one(&editor, "SELECT COUNT(*) FROM outbox"), 0, "so the log can forget it");
    assert!(keyway.events(&account).await.contains(&"robot.built".to_owned()));
}

#[tokio::test]
async fn what_was_refused_is_written_down_when_the_database_is_there_again() {
    let keyway = Keyway::start_in_a_file("enterprise").await;
    let (damaged, whole) = (keyway.account().await, keyway.account().await);
    let act = json!({ "on_behalf_of": { "member": "v@example.com", "role": "viewer" } });
    for account in [&damaged, &whole] {
        let id = key(&keyway, account).await;
        keyway.act(account, &id, "revoke", act.clone()).await.expect(403);
        keyway.act(account, &id, "revoke", act.clone()).await.expect(403);
    }
    let editor = database(&keyway);
    editor.must("BEGIN IMMEDIATE");
    worker::count_repeats(&keyway.app).await.expect_err("it is held");
    editor.must("ROLLBACK");
    // One account's log is damaged: the other's refusals are written down, and counted.
    let edit = format!("UPDATE audit_ends SET chain = x'00' WHERE account_id = '{damaged}'");
    assert_eq!(editor.must(&edit), 1);
    for told in 1..=2 {
        keyway.work().await;
        let events = keyway.events(&whole).await;
        assert_eq!(events.iter().filter(|kind| *kind == "act.refused").count(), told);
        keyway.clock.advance_ms(11 * MINUTE);
    }
}
