//! The audit log: whoever edits it by SQL is found, and where.

use serde_json::{Value, json};

use crate::harness::{Keyway, MINUTE};

async fn verify(keyway: &Keyway, account: &str) -> Value {
    keyway.get(&format!("/v1/accounts/{account}/audit/verify")).await.expect(200).json()
}

/// An account with some history, and the ids of its events, oldest first.
async fn lived(keyway: &Keyway) -> (String, Vec<String>) {
    let account = keyway.account().await;
    for number in 0..6 {
        let body = json!({
            "kind": "key", "environment": "live", "name": format!("Key {number}"),
            "grant": "everything",
        });
        let id = keyway.create(&account, body).await.expect(201).id();
        keyway.act(&account, &id, "revoke", json!({})).await.expect(200);
        keyway.clock.advance_ms(MINUTE);
    }
    let page = keyway.get(&format!("/v1/accounts/{account}/events?limit=200")).await.json();
    let events = page["data"].as_array().expect("a list").iter().rev();
    let ids = events.map(|event| event["id"].as_str().expect("an id").to_owned()).collect();
    (account, ids)
}

const KEEP: &str = "CREATE TABLE kept AS SELECT * FROM events;
    CREATE TABLE kept_ends AS SELECT * FROM audit_ends; DELETE FROM outbox";
const PUT_BACK: &str = "DELETE FROM events; INSERT INTO events SELECT * FROM kept;
    DROP TABLE kept; DELETE FROM audit_ends; INSERT INTO audit_ends SELECT * FROM kept_ends;
    DROP TABLE kept_ends";

/// What somebody does to the log by SQL, what is found, and at which entry.
type Edit = (&'static str, String, &'static str, i64);

fn edits_of_an_entry(ids: &[String]) -> Vec<Edit> {
    let (fifth, seventh) = (&ids[4], &ids[6]);
    vec![
        ("what", format!("UPDATE events SET after = '{{}}' WHERE id = '{fifth}'"), "changed", 5),
        (
            "who",
            format!("UPDATE events SET actor = '{{\"type\":\"system\"}}' WHERE id = '{fifth}'"),
            "changed",
            5,
        ),
        ("when", format!("UPDATE events SET at = at + 1 WHERE id = '{fifth}'"), "changed", 5),
        (
            "where from",
            format!("UPDATE events SET address = '192.0.2.1' WHERE id = '{fifth}'"),
            "changed",
            5,
        ),
        ("the link", format!("UPDATE events SET chain = x'00' WHERE id = '{fifth}'"), "changed", 5),
        ("one is gone", format!("DELETE FROM events WHERE id = '{fifth}'"), "missing", 5),
        (
            "two change places",
            format!(
                "UPDATE events SET seq = -1 WHERE id = '{fifth}';
                 UPDATE events SET seq = 5 WHERE id = '{seventh}';
                 UPDATE events SET seq = 7 WHERE id = '{fifth}'"
            ),
            "changed",
            5,
        ),
    ]
}

fn edits_of_the_chain(account: &str, ids: &[String]) -> Vec<Edit> {
    let (fifth, last) = (&ids[4], i64::try_from(ids.len()).expect("a few"));
    let new = fifth.replace("evt_0", "evt_7");
    vec![
        (
            "the newest is gone",
            format!("DELETE FROM events WHERE id = '{}'", ids[ids.len() - 1]),
            "missing",
            last,
        ),
        (
            "one is added at the end",
            format!(
                "INSERT INTO events SELECT '{new}', at, account_id, kind, subject, actor, step_up,
                     request_id, before, after, address, client, {}, chain
                 FROM events WHERE id = '{fifth}'",
                ids.len() + 1
            ),
            "changed",
            last + 1,
        ),
        (
            "one is added beside the chain",
            format!(
                "INSERT INTO events SELECT '{new}', at, account_id, kind, subject, actor, step_up,
                     request_id, before, after, address, client, NULL, NULL
                 FROM events WHERE id = '{fifth}'"
            ),
            "added",
            0,
        ),
        (
            "the end is cut off with its mark",
            format!(
                "DELETE FROM events WHERE account_id = '{account}' AND seq > 9;
                 UPDATE audit_ends SET seq = 9, chain =
                     (SELECT chain FROM events WHERE account_id = '{account}' AND seq = 9)
                 WHERE account_id = '{account}'"
            ),
            "ends",
            9,
        ),
        (
            "one is added before the first",
            format!(
                "INSERT INTO events SELECT '{new}', at, account_id, kind, subject, actor, step_up,
                     request_id, before, after, address, client, -7, chain
                 FROM events WHERE id = '{fifth}'"
            ),
            "added",
            -7,
        ),
        (
            "its mark is not readable",
            format!("UPDATE audit_ends SET chain = x'00' WHERE account_id = '{account}'"),
            "ends",
            0,
        ),
        (
            "all of it is gone",
            format!(
                "DELETE FROM events WHERE account_id = '{account}';
                 DELETE FROM audit_ends WHERE account_id = '{account}'"
            ),
            "ends",
            0,
        ),
    ]
}

#[tokio::test]
async fn an_edit_of_the_log_is_found_and_named() {
    let keyway = Keyway::start("enterprise").await;
    let (account, ids) = lived(&keyway).await;
    let whole = verify(&keyway, &account).await;
    assert_eq!((&whole["whole"], &whole["entries"]), (&json!(true), &json!(ids.len())));
    let database = keyway.database.editor();
    let fifth = &ids[4];
    let edits = edits_of_an_entry(&ids).into_iter().chain(edits_of_the_chain(&account, &ids));
    for (what, sql, fault, entry) in edits {
        database.must(KEEP);
        database.must(&sql);
        let found = verify(&keyway, &account).await;
        assert_eq!(
            (&found["whole"], &found["fault"], &found["entry"]),
            (&json!(false), &json!(fault), &json!(entry)),
            "{what}: {found}"
        );
        if fault == "changed" && entry == 5 && what != "two change places" {
            assert_eq!(found["event"], fifth.as_str(), "{what}");
        }
        let all = keyway.get("/v1/audit/verify").await.expect(200).json();
        assert_eq!(all["broken"].as_array().map(Vec::len), Some(1), "{what}");
        database.must(PUT_BACK);
        assert_eq!(verify(&keyway, &account).await["whole"], true, "{what}: put back");
    }
}

#[tokio::test]
async fn a_broken_log_goes_on_and_stays_broken_where_it_was() {
    let keyway = Keyway::start("enterprise").await;
    let (account, ids) = lived(&keyway).await;
    let database = keyway.database.editor();
    let sql = format!("UPDATE events SET after = '{{}}' WHERE id = '{}'", ids[3]);
    database.must(&sql);
    let body =
        json!({ "kind": "key", "environment": "live", "name": "Later", "grant": "everything" });
    keyway.create(&account, body).await.expect(201);
    let found = verify(&keyway, &account).await;
    assert_eq!((&found["fault"], &found["entry"]), (&json!("changed"), &json!(4)));
    // Another account's log is its own.
    let other = keyway.account().await;
    assert_eq!(verify(&keyway, &other).await["whole"], true);
}

/// What somebody may do so that Keyway itself makes the log look whole again.
#[tokio::test]
async fn nothing_that_goes_on_makes_a_broken_log_whole() {
    let unchained = "UPDATE events SET seq = NULL, chain = NULL WHERE account_id = 'ACCT';
        DELETE FROM audit_ends WHERE account_id = 'ACCT';
        DELETE FROM events WHERE id IN (SELECT MAX(id) FROM events WHERE account_id = 'ACCT')";
    let wiped = "DELETE FROM outbox; DELETE FROM events WHERE account_id = 'ACCT';
        DELETE FROM audit_ends WHERE account_id = 'ACCT'";
    let later = "INSERT INTO events SELECT replace(id, 'evt_0', 'evt_7'), at, account_id, kind,
            subject, actor, step_up, request_id, before, after, address, client, seq + 1, chain
        FROM events WHERE account_id = 'ACCT' ORDER BY seq DESC LIMIT 1";
    let unreadable = "UPDATE audit_ends SET chain = x'00' WHERE account_id = 'ACCT'";
    for sql in [unchained, wiped, later, unreadable] {
        let mut keyway = Keyway::start("enterprise").await;
        let (account, _) = lived(&keyway).await;
        let edit = |sql: &str| {
            let database = keyway.database.editor();
            database.must(&sql.replace("ACCT", &account));
        };
        edit(sql);
        keyway = keyway.restart("enterprise").await;
        assert_eq!(verify(&keyway, &account).await["whole"], false, "after a start: {sql}");
        let body =
            json!({ "kind": "key", "environment": "live", "name": "Later", "grant": "everything" });
        let id = keyway.create(&account, body).await.expect(201).id();
        keyway.act(&account, &id, "revoke", json!({})).await.expect(200);
        assert_eq!(verify(&keyway, &account).await["whole"], false, "after events: {sql}");
        let all = keyway.get("/v1/audit/verify").await.expect(200).json();
        assert_eq!(all["broken"][0]["account"], account.as_str(), "{all}");
    }
}

#[tokio::test]
async fn the_operators_log_does_not_go_unnoticed() {
    let keyway = Keyway::start("enterprise").await;
    let database = keyway.database.editor();
    assert_eq!(keyway.get("/v1/audit/verify").await.expect(200).json()["whole"], true);
    let whose = "account_id = 'acct_00000000000000000000000000'";
    let sql = format!(
        "DELETE FROM outbox; DELETE FROM events WHERE {whose};
        DELETE FROM audit_ends WHERE {whose}"
    );
    database.must(&sql);
    let all = keyway.get("/v1/audit/verify").await.expect(200).json();
    assert_eq!(all["broken"][0]["fault"], "ends", "{all}");
}

#[tokio::test]
async fn a_refused_act_is_told_once_and_then_counted() {
    let keyway = Keyway::start("airwallex").await;
    let account = keyway.account().await;
    let body = json!({ "kind": "restricted", "environment": "live", "name": "R",
        "grant": { "balances": "view" } });
    let id = keyway.create(&account, body).await.expect(201).id();
    let act = json!({ "on_behalf_of": { "member": "v@example.com", "role": "viewer" } });
    for _ in 0..25 {
        keyway.act(&account, &id, "revoke", act.clone()).await.expect(403);
    }
    keyway.work().await;
    let refused = async || {
        let page = keyway.get(&format!("/v1/accounts/{account}/events")).await.json();
        let all = page["data"].as_array().expect("a list").clone();
        all.into_iter().filter(|event| event["type"] == "act.refused").collect::<Vec<_>>()
    };
    assert_eq!(refused().await.len(), 1);
    keyway.clock.advance_ms(11 * MINUTE);
    keyway.work().await;
    let told = refused().await;
    assert_eq!(told.len(), 2, "the rest is one entry");
    assert_eq!(told[0]["after"]["more"], 24, "with its count");
    assert_eq!(told[0]["actor"]["role"], "viewer");
    keyway.clock.advance_ms(11 * MINUTE);
    keyway.work().await;
    assert_eq!(refused().await.len(), 2, "and nothing after that");
}
