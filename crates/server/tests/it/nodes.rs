//! Several nodes over one database. On a file there is one process, and nothing of this to see.

use std::time::Duration;

use keyway_domain::credential::Credential;
use keyway_domain::id::CredentialId;
use keyway_store::{Tx, credentials};
use serde_json::{Value, json};

use crate::harness::{Answer, Keyway, bearer, until};

const SCHEME: &str = "enterprise";

/// Two nodes; `None` where the tests run on files.
async fn two() -> Option<(Keyway, Keyway)> {
    let one = Keyway::start(SCHEME).await;
    if !one.database.is_on_server() {
        return None;
    }
    let other = one.beside(SCHEME).await;
    Some((one, other))
}

async fn key(keyway: &Keyway, account: &str) -> Answer {
    let body = json!({ "kind": "key", "environment": "live", "name": "K", "grant": "everything" });
    keyway.create(account, body).await.expect(201)
}

async fn asked(keyway: &Keyway, key: &str) -> u16 {
    bearer(keyway.api, "GET", "/mfi/invoices", key).await.status
}

#[tokio::test]
async fn what_one_node_gives_and_takes_is_true_on_the_other_when_the_call_returns() {
    let Some((one, other)) = two().await else { return };
    let account = one.account().await;
    for _ in 0..20 {
        let made = key(&one, &account).await;
        assert_eq!(asked(&other, &made.shown("key")).await, 200, "created at the other node");
        let answer = other.act(&account, &made.id(), "revoke", json!({})).await.expect(200).json();
        assert_eq!(answer["effective"], "everywhere");
        assert_eq!(answer["nodes"], 2);
        assert_eq!(asked(&one, &made.shown("key")).await, 401, "revoked at the other node");
    }
    let made = key(&one, &account).await;
    let path = format!("/v1/accounts/{account}/credentials/{}/revoke?wait=commit", made.id());
    let answer = one.post(&path, json!({})).await.expect(202).json();
    assert_eq!(answer["effective"], "pending");
    assert!(answer["effective_by"].is_string() || answer["effective_by"].is_number(), "{answer}");
    one.post(&path.replace("commit", "sometime"), json!({})).await.expect(400);
    let suspended = format!("/v1/accounts/{account}/suspend");
    let live = key(&other, &account).await;
    one.post(&suspended, json!({})).await.expect(200);
    assert_eq!(asked(&other, &live.shown("key")).await, 403, "a suspension is one, too");
}

#[tokio::test]
async fn a_row_that_was_edited_is_refused_by_each_node_that_reads_it_and_nothing_else_is() {
    let Some((one, other)) = two().await else { return };
    let account = one.account().await;
    let (edited, gone, whole) =
        (key(&one, &account).await, key(&one, &account).await, key(&one, &account).await);
    let editor = one.database.editor();
    editor.must(&format!(
        "UPDATE credentials SET grants = '*' || grants WHERE id = '{}'",
        edited.id()
    ));
    for table in ["due", "secrets"] {
        editor.must(&format!("DELETE FROM {table} WHERE credential_id = '{}'", gone.id()));
    }
    editor.must(&format!("DELETE FROM credentials WHERE id = '{}'", gone.id()));
    for (seq, id) in [(1, edited.id()), (2, gone.id())] {
        editor.must(&format!(
            "INSERT INTO change_log (seq, nonce, prev, subject, at)
             SELECT seq + 1, {seq}, nonce, '{id}', 0 FROM change_head;
             UPDATE change_head SET seq = seq + 1, nonce = {seq}"
        ));
    }
    for node in [&one, &other] {
        for refused in [&edited, &gone] {
            until(async || asked(node, &refused.shown("key")).await == 401).await;
        }
        assert_eq!(asked(node, &whole.shown("key")).await, 200, "the others are untouched");
    }
}

#[tokio::test]
async fn what_a_restored_database_has_forgotten_is_put_back_before_anybody_is_let_in() {
    const TABLES: [&str; 9] = [
        "change_head",
        "change_log",
        "credentials",
        "secrets",
        "events",
        "audit_ends",
        "outbox",
        "due",
        "node_lease",
    ];
    let Some((one, other)) = two().await else { return };
    let account = one.account().await;
    let (revoked, kept) = (key(&one, &account).await, key(&one, &account).await);
    let editor = one.database.editor();
    for table in TABLES {
        editor.must(&format!("CREATE TABLE kept_{table} AS SELECT * FROM {table}"));
    }
    one.act(&account, &revoked.id(), "revoke", json!({})).await.expect(200);
    let later = key(&one, &account).await;
    // The state of before, as a standby that was behind would have it.
    let forget: String = TABLES.iter().rev().map(|table| format!("DELETE FROM {table};")).collect();
    let restore: String = TABLES
        .iter()
        .map(|table| format!("INSERT INTO {table} SELECT * FROM kept_{table};"))
        .collect();
    editor.must(&format!("BEGIN; {forget} {restore} COMMIT"));
    let revoked_there = "SELECT COUNT(*) FROM credentials WHERE status = 'revoked'";
    until(async || editor.number(revoked_there) == 1).await;
    for node in [&one, &other] {
        until(async || node.histories() > 0).await;
        until(async || asked(node, &kept.shown("key")).await == 200).await;
        assert_eq!(asked(node, &revoked.shown("key")).await, 401, "it stays revoked");
        assert_eq!(asked(node, &later.shown("key")).await, 200, "and what was made later is there");
    }
    let events = one.events(&account).await;
    assert!(events.contains(&"api_key.history_restored".to_owned()), "{events:?}");
}

#[tokio::test]
async fn a_node_says_who_there_is_and_one_that_leaves_is_waited_for_no_more() {
    let Some((one, other)) = two().await else { return };
    let account = one.account().await;
    let nodes = one.get("/v1/nodes").await.expect(200).json();
    assert_eq!(nodes["nodes"].as_array().map(Vec::len), Some(2), "{nodes}");
    assert_eq!(nodes["this"]["may_answer"], true);
    let leaving = other.app.coherence.get().expect("it is a node").clone();
    tokio::task::spawn_blocking(move || leaving.stop()).await.expect("it stops");
    let made = key(&one, &account).await;
    let refused = bearer(other.api, "GET", "/mfi/invoices", &made.shown("key")).await;
    assert_eq!(refused.status, 503, "without a lease it answers neither yes nor no");
    let began = std::time::Instant::now();
    let answer = one.act(&account, &made.id(), "revoke", json!({})).await.expect(200).json();
    assert_eq!((&answer["effective"], &answer["nodes"]), (&json!("everywhere"), &json!(1)));
    // It gave its lease back: nothing had to lapse.
    assert!(began.elapsed() < Duration::from_secs(1), "{answer}");
    let nodes: Value = one.get("/v1/nodes").await.expect(200).json();
    assert_eq!(nodes["nodes"].as_array().map(Vec::len), Some(1), "{nodes}");
}

#[tokio::test]
async fn a_secret_that_a_credential_forgot_unseen_is_accepted_no_more() {
    let keyway = Keyway::start(SCHEME).await;
    let account = keyway.account().await;
    let (made, other) = (key(&keyway, &account).await, key(&keyway, &account).await);
    let id = CredentialId::parse(&made.id()).expect("an id");
    let rules = keyway.app.platform.rules.clone();
    let read = move |tx: &mut Tx<'_>| credentials::find_any(tx, &rules, id);
    let before = keyway.app.db.read(read).await.expect("a row").expect("it is there");
    // As a node sees it that was away for so many rotations that this one is remembered no more.
    let now = Credential { secrets: Vec::new(), ..before.clone() };
    keyway.app.platform.engine.index.end_forgotten(&before, &now, keyway.app.now());
    assert_eq!(asked(&keyway, &made.shown("key")).await, 401);
    assert_eq!(asked(&keyway, &other.shown("key")).await, 200);
}
