//! The database in trouble: nothing half-done, a clear message, and verification goes on.

use serde_json::json;

use crate::harness::{Keyway, bearer};

#[tokio::test]
async fn while_another_program_holds_the_database_changes_are_refused_and_verification_goes_on() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    let body = json!({
        "kind": "key", "environment": "live", "name": "Server", "grant": "everything",
    });
    let key = keyway.create(&account, body.clone()).await.expect(201).shown("key");
    let holder = rusqlite::Connection::open(keyway.folder.join("keyway.db")).expect("it opens");
    holder.execute_batch("BEGIN IMMEDIATE").expect("it is free");
    let refused = keyway.create(&account, body.clone()).await.expect(503);
    let problem = refused.json();
    assert_eq!(problem["code"], "store_unavailable");
    assert!(problem["detail"].as_str().is_some_and(|said| said.contains("locked")), "{problem}");
    bearer(keyway.api, "GET", "/mfi/invoices", &key).await.expect(200);
    holder.execute_batch("ROLLBACK").expect("it was held");
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
    let editor = rusqlite::Connection::open(keyway.folder.join("keyway.db")).expect("it opens");
    let edit = "UPDATE credentials SET grants = '*' WHERE id = ?1";
    assert_eq!(editor.execute(edit, [made.id()]).expect("it is edited"), 1);
    // The running server has its own picture: nothing widened.
    bearer(keyway.api, "GET", "/mfi/payouts", &made.shown("key")).await.expect(403);
    keyway.act(&account, &made.id(), "duplicate", json!({})).await.expect(503);
    let copy = keyway.folder.with_extension("edited");
    std::fs::create_dir(&copy).expect("a folder");
    editor.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").expect("it is written out");
    std::fs::copy(keyway.folder.join("keyway.db"), copy.join("keyway.db")).expect("a copy");
    drop(keyway);
    let again = Keyway::start_in("enterprise", copy, crate::harness::START).await;
    bearer(again.api, "GET", "/mfi/invoices", &made.shown("key")).await.expect(401);
    bearer(again.api, "GET", "/mfi/invoices", &other.shown("key")).await.expect(200);
    let metrics = crate::harness::send(again.internal, "GET", "/metrics", &[], "").await.text;
    assert!(metrics.contains("keyway_rows_refused 1\n"), "{metrics}");
}
