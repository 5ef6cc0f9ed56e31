//! What is true of the management API whatever the scheme.

use keyway_server::worker;
use serde_json::{Value, json};

use crate::harness::{Answer, DAY, Keyway, bearer, send};

async fn key(keyway: &Keyway, account: &str, name: &str) -> Answer {
    let body = json!({
        "kind": "key", "environment": "live", "name": name, "grant": "everything",
    });
    keyway.create(account, body).await.expect(201)
}

#[tokio::test]
async fn pages_follow_each_other_without_a_gap_or_a_repeat() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    let mut made = Vec::new();
    for number in 0..7 {
        keyway.clock.advance_ms(1);
        made.push(key(&keyway, &account, &format!("Key {number}")).await.id());
    }
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/v1/accounts/{account}/credentials?limit=3{cursor}");
        let page = keyway.get(&path).await.expect(200).json();
        let ids = page["data"].as_array().expect("a list").iter();
        seen.extend(ids.map(|one| one["id"].as_str().expect("an id").to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    made.reverse();
    assert_eq!(seen, made, "newest first");
    for bad in ["limit=0", "limit=201", "limit=x", "cursor=abc", "limit=1&limit=2", "color=red"] {
        keyway.get(&format!("/v1/accounts?{bad}")).await.expect(400);
    }
}

#[tokio::test]
async fn another_accounts_credential_is_the_same_404_as_a_missing_one() {
    let keyway = Keyway::start("enterprise").await;
    let (ours, theirs) = (keyway.account().await, keyway.account().await);
    let foreign = key(&keyway, &theirs, "Theirs").await.id();
    let nowhere = "cred_01m7y7en000000000000000000";
    for act in ["revoke", "duplicate", "rotate"] {
        let one = keyway.act(&ours, &foreign, act, json!({})).await.expect(404).json();
        let other = keyway.act(&ours, nowhere, act, json!({})).await.expect(404).json();
        assert_eq!((&one["code"], &one["detail"]), (&other["code"], &other["detail"]));
    }
    keyway.get(&format!("/v1/accounts/{ours}/credentials/{foreign}")).await.expect(404);
    keyway.get(&format!("/v1/accounts/{ours}/credentials/{foreign}/usage")).await.expect(404);
    let events = keyway.get(&format!("/v1/accounts/{ours}/events?subject={foreign}")).await;
    assert_eq!(events.expect(200).json()["data"], json!([]));
    // The operator's own account is no merchant.
    let own = "acct_00000000000000000000000000";
    keyway.get(&format!("/v1/accounts/{own}")).await.expect(404);
    keyway.get(&format!("/v1/accounts/{own}/credentials")).await.expect(404);
}

#[tokio::test]
async fn a_suspended_account_is_refused_from_the_answer_on_and_let_in_again() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    let key = key(&keyway, &account, "Server").await.shown("key");
    bearer(keyway.api, "GET", "/mfi/invoices", &key).await.expect(200);
    keyway.post(&format!("/v1/accounts/{account}/suspend"), json!({})).await.expect(200);
    bearer(keyway.api, "GET", "/mfi/invoices", &key).await.expect(403);
    keyway.post(&format!("/v1/accounts/{account}/resume"), json!({})).await.expect(200);
    bearer(keyway.api, "GET", "/mfi/invoices", &key).await.expect(200);
}

#[tokio::test]
async fn an_external_id_finds_its_account_and_stands_for_it_in_questions() {
    let keyway = Keyway::start("enterprise").await;
    let body = json!({ "name": "Toko", "external_id": "merchant/77" });
    let account = keyway.post("/v1/accounts", body.clone()).await.expect(201).id();
    assert_eq!(
        keyway.post("/v1/accounts", body).await.expect(409).json()["code"],
        "external_id_taken"
    );
    let found = keyway.get("/v1/accounts?external_id=merchant%2F77").await.expect(200).json();
    assert_eq!(found["data"][0]["id"], account);
    let key = key(&keyway, &account, "Server").await.shown("key");
    let question = |owner: &str| {
        json!({
            "method": "GET", "path": "/mfi/invoices", "account": owner,
            "headers": [["authorization", format!("Bearer {key}")]],
        })
    };
    let answer = keyway.verify(question("merchant/77")).await.expect(200).json();
    assert_eq!(answer["identity"]["external_id"], "merchant/77");
    let answer = keyway.verify(question("merchant-78")).await.expect(200).json();
    assert_eq!(answer["reason"], "resource_not_accessible");
}

#[tokio::test]
async fn events_say_who_did_what_with_which_proof_before_and_after() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    let made = key(&keyway, &account, "Server").await;
    let body = json!({
        "name": "POS", "expires_at": "2027-01-01",
        "on_behalf_of": { "member": "ana@toko.test", "role": "owner", "step_up": "password" },
    });
    let path = format!("/v1/accounts/{account}/credentials/{}", made.id());
    let answer = keyway.manage("PATCH", &path, &body).await.expect(200);
    let events = keyway.get(&format!("/v1/accounts/{account}/events")).await.expect(200).json();
    let event = events["data"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|event| event["after"]["name"] == "POS")
        .expect("the renaming is there");
    assert_eq!(event["type"], "api_key.updated");
    assert_eq!(event["subject"], made.id());
    assert_eq!(event["before"], json!({ "name": "Server" }));
    assert_eq!(event["actor"]["member"], "ana@toko.test");
    assert_eq!(event["actor"]["type"], "member");
    assert_eq!(event["step_up"], "password");
    assert_eq!(event["request_id"], answer.header("request-id").expect("an id"));
}

#[tokio::test]
async fn an_update_of_several_things_happens_whole_or_not_at_all() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    let made = key(&keyway, &account, "Server").await;
    let path = format!("/v1/accounts/{account}/credentials/{}", made.id());
    let body = json!({ "name": "Renamed", "expires_at": "2026-11-20" });
    assert_eq!(
        keyway.manage("PATCH", &path, &body).await.expect(422).json()["field"],
        "expires_at"
    );
    assert_eq!(keyway.show(&account, &made.id()).await["name"], "Server");
}

#[tokio::test]
async fn usage_is_counted_per_secret_hour_and_outcome() {
    let keyway = Keyway::start("xtopay").await;
    let account = keyway.account().await;
    let body = json!({
        "kind": "client", "environment": "live", "name": "Billing",
        "grant": { "payments": "read" },
    });
    let made = keyway.create(&account, body).await.expect(201);
    let rotated = keyway.act(&account, &made.id(), "rotate", json!({})).await.expect(200);
    let ask = async |secret: &str, path: &str| {
        let id = made.shown("client_id");
        crate::harness::basic(keyway.api, "GET", path, (&id, secret), "").await.status
    };
    let (old, new) = (made.shown("client_secret"), rotated.shown("client_secret"));
    assert_eq!(ask(&old, "/v1/payments").await, 200);
    assert_eq!(ask(&new, "/v1/payments").await, 200);
    assert_eq!(ask(&new, "/v1/payments").await, 200);
    assert_eq!(ask(&new, "/v1/balance").await, 403);
    keyway.flush().await;
    keyway.flush().await;
    let path = format!("/v1/accounts/{account}/credentials/{}/usage", made.id());
    let usage = keyway.get(&path).await.expect(200).json();
    let hour = "2026-11-21T12:00:00Z";
    assert_eq!(
        usage["data"],
        json!([
            { "hour": hour, "secret": 1, "outcome": "allowed", "requests": 1 },
            { "hour": hour, "secret": 2, "outcome": "allowed", "requests": 2 },
            { "hour": hour, "secret": 2, "outcome": "insufficient_scope", "requests": 1 },
        ])
    );
}

#[tokio::test]
async fn what_a_secret_was_asked_for_is_never_told_of_who_has_its_place_later() {
    let keyway = Keyway::start("enterprise").await;
    let (account, other) = (keyway.account().await, keyway.account().await);
    let first = key(&keyway, &account, "First").await;
    keyway.act(&account, &first.id(), "revoke", json!({})).await.expect(200);
    keyway.clock.advance_ms(91 * DAY);
    bearer(keyway.api, "GET", "/mfi/invoices", &first.shown("key")).await.expect(401);
    // Nothing was written down since, and the hours go by in which its place becomes another's.
    for _ in 0..2 {
        worker::tidy(&keyway.app).await.expect("it is tidied");
    }
    let second = key(&keyway, &other, "Second").await;
    keyway.flush().await;
    let usage = async |account: &str, made: &Answer| {
        let path = format!("/v1/accounts/{account}/credentials/{}/usage", made.id());
        keyway.get(&path).await.expect(200).json()["data"].clone()
    };
    assert_eq!(usage(&other, &second).await, json!([]));
    let told = usage(&account, &first).await;
    assert_eq!((&told[0]["outcome"], &told[0]["requests"]), (&json!("revoked"), &json!(1)));
}

#[tokio::test]
async fn imported_keys_work_by_their_hash_and_the_batch_is_all_or_nothing() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    // SHA-256 and SHA-512 of the words below, made with sha256sum and sha512sum.
    let foreign = "old-platform-key-number-one";
    let sha256 = sha256_hex(foreign);
    let key = json!({
        "kind": "key", "environment": "live", "name": "Old server", "algorithm": "sha256",
        "hash": sha256, "hint": "old-…-one", "grant": ["invoices:read"],
    });
    let path = format!("/v1/accounts/{account}/credentials/import");
    let mut bad = key.clone();
    bad["hash"] = json!("abc");
    let refused = keyway.post(&path, json!({ "keys": [key, bad] })).await.expect(422);
    assert_eq!(refused.json()["field"], "keys[1].hash");
    bearer(keyway.api, "GET", "/mfi/invoices", foreign).await.expect(401);
    keyway.post(&path, json!({ "keys": [key] })).await.expect(201);
    bearer(keyway.api, "GET", "/mfi/invoices", foreign).await.expect(200);
    bearer(keyway.api, "GET", "/mfi/payouts", foreign).await.expect(403);
    let again = keyway.post(&path, json!({ "keys": [key] })).await.expect(409);
    assert_eq!(again.json()["code"], "already_imported");
    let mut bcrypt = key.clone();
    bcrypt["algorithm"] = json!("bcrypt");
    keyway.post(&path, json!({ "keys": [bcrypt] })).await.expect(422);
}

fn sha256_hex(text: &str) -> String {
    keyway_secret::imported_sha256(text.as_bytes()).trim_start_matches("\0sha256:").to_owned()
}

#[tokio::test]
async fn a_batch_of_questions_is_answered_in_order() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    let key = key(&keyway, &account, "Server").await.shown("key");
    let good = json!({
        "resource": "invoices", "action": "read",
        "headers": [["authorization", format!("Bearer {key}")]],
    });
    let body = json!({ "questions": [good, {}, good] }).to_string();
    let answers = send(keyway.internal, "POST", "/v1/verify/batch", &[], &body).await.expect(200);
    let allowed: Vec<Value> = answers.json()["answers"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|answer| answer["allowed"].clone())
        .collect();
    assert_eq!(allowed, [json!(true), json!(false), json!(true)]);
}

#[tokio::test]
async fn everything_is_there_again_after_a_restart() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    let (kept, gone) = (key(&keyway, &account, "Kept").await, key(&keyway, &account, "Gone").await);
    keyway.act(&account, &gone.id(), "revoke", json!({})).await.expect(200);
    let again = keyway.restart("enterprise").await;
    bearer(again.api, "GET", "/mfi/invoices", &kept.shown("key")).await.expect(200);
    let refused = bearer(again.api, "GET", "/mfi/invoices", &gone.shown("key")).await.expect(401);
    assert_eq!(refused.json()["message"], "Revoked key: create a new key.");
}

#[tokio::test]
async fn health_readiness_and_metrics_are_on_the_internal_listener() {
    let keyway = Keyway::start("enterprise").await;
    send(keyway.internal, "GET", "/healthz", &[], "").await.expect(200);
    send(keyway.internal, "GET", "/readyz", &[], "").await.expect(200);
    keyway.verify(json!({})).await.expect(200);
    let metrics = send(keyway.internal, "GET", "/metrics", &[], "").await.expect(200);
    assert!(metrics.text.contains("keyway_verifications_total{outcome=\"missing\"} 1\n"));
    send(keyway.public, "GET", "/metrics", &[], "").await.expect(404);
    send(keyway.public, "POST", "/v1/verify", &[], "{}").await.expect(404);
}
