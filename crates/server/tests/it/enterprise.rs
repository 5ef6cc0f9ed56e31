//! The requirements of the scheme `enterprise` (E01 to E12).

use serde_json::{Value, json};

use crate::harness::{Answer, DAY, HOUR, Keyway, bearer, send};

async fn key(keyway: &Keyway, account: &str, environment: &str, grant: Value) -> Answer {
    let body = json!({
        "kind": "key", "environment": environment, "name": "Production Server", "grant": grant,
    });
    keyway.create(account, body).await.expect(201)
}

/// The message of a refusal.
fn message(answer: &Answer) -> String {
    answer.json()["message"].as_str().expect("a message").to_owned()
}

#[tokio::test]
async fn e01_live_keys_work_in_production_only_and_test_keys_in_the_sandbox_only() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    let live = key(&keyway, &account, "live", json!("everything")).await.shown("key");
    let test = key(&keyway, &account, "test", json!("everything")).await.shown("key");
    assert!(live.starts_with("sk_live_") && test.starts_with("sk_test_"));
    bearer(keyway.live_api, "GET", "/mfi/invoices", &live).await.expect(200);
    bearer(keyway.test_api, "GET", "/mfi/invoices", &test).await.expect(200);
    let refused = bearer(keyway.live_api, "GET", "/mfi/invoices", &test).await.expect(401);
    assert_eq!(message(&refused), "Wrong environment: this key belongs to the Test environment.");
    bearer(keyway.test_api, "GET", "/mfi/invoices", &live).await.expect(401);
}

#[tokio::test]
async fn e03_the_key_is_shown_once() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    let body = json!({
        "kind": "key", "environment": "live", "name": "Once", "grant": "everything",
    });
    let path = format!("/v1/accounts/{account}/credentials");
    let token = format!("Bearer {}", keyway.token);
    let headers = [("authorization", token.as_str()), ("idempotency-key", "create-1")];
    let made = send(keyway.public, "POST", &path, &headers, &body.to_string()).await.expect(201);
    let secret = made.shown("key");
    assert_eq!(made.header("cache-control"), Some("no-store"));
    // The repeated call makes nothing new and shows nothing again.
    let again = send(keyway.public, "POST", &path, &headers, &body.to_string()).await.expect(201);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.id(), made.id());
    assert_eq!(again.json()["secret"], Value::Null);
    assert!(!again.text.contains(&secret));
    let shown = keyway.get(&format!("{path}/{}", made.id())).await.expect(200);
    assert!(!shown.text.contains(&secret));
    // The same key for another request is a mistake of the caller's.
    let other = body.to_string().replace("Once", "Twice");
    let refused = send(keyway.public, "POST", &path, &headers, &other).await.expect(422);
    assert_eq!(refused.json()["code"], "idempotency_key_mismatch");
}

#[tokio::test]
async fn e04_the_key_is_a_bearer_credential() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    let key = key(&keyway, &account, "live", json!("everything")).await.shown("key");
    bearer(keyway.api, "GET", "/mfi/invoices", &key).await.expect(200);
    for scheme in ["bearer", "BEARER"] {
        let value = format!("{scheme} {key}");
        send(keyway.api, "GET", "/mfi/invoices", &[("authorization", &value)], "")
            .await
            .expect(200);
    }
    for value in [key.clone(), format!("Token {key}"), format!("Basic {key}")] {
        send(keyway.api, "GET", "/mfi/invoices", &[("authorization", &value)], "")
            .await
            .expect(401);
    }
}

/// Resource of a scope, path of its collection.
const PATHS: [(&str, &str); 6] = [
    ("invoices", "/mfi/invoices"),
    ("payment-links", "/mfi/payment-links"),
    ("clients", "/mfi/clients"),
    ("payouts", "/mfi/payouts"),
    ("disbursements", "/mfi/disbursements"),
    ("webhooks", "/mfi/webhook-endpoints"),
];

#[tokio::test]
async fn e05_twelve_scopes_each_guard_their_endpoints_and_read_and_write_are_independent() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    for (resource, _) in PATHS {
        for action in ["read", "write"] {
            let scope = format!("{resource}:{action}");
            let key = key(&keyway, &account, "live", json!([scope])).await.shown("key");
            for (other, path) in PATHS {
                let read = bearer(keyway.api, "GET", path, &key).await;
                let may_read = other == resource && action == "read";
                assert_eq!(read.status, if may_read { 200 } else { 403 }, "{scope} GET {path}");
                let write = bearer(keyway.api, "POST", path, &key).await;
                let may_write = other == resource && action == "write";
                // An empty body is the API's own 400: the guard let it through.
                assert_eq!(write.status, if may_write { 400 } else { 403 }, "{scope} POST {path}");
                if !may_write {
                    let missing = format!("Insufficient scopes: this key lacks {other}:write.");
                    assert_eq!(message(&write), missing);
                }
            }
        }
    }
}

#[tokio::test]
async fn e06_full_access_is_one_choice_for_all_scopes() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    let made = key(&keyway, &account, "live", json!("everything")).await;
    let key = made.shown("key");
    assert_eq!(made.json()["grant"], json!({ "*": ["read", "write"] }));
    for (_, path) in PATHS {
        bearer(keyway.api, "GET", path, &key).await.expect(200);
        bearer(keyway.api, "POST", path, &key).await.expect(400);
    }
}

#[tokio::test]
async fn e08_a_revoked_key_gets_401_from_the_answer_on() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    let made = key(&keyway, &account, "live", json!("everything")).await;
    let key = made.shown("key");
    bearer(keyway.api, "GET", "/mfi/invoices", &key).await.expect(200);
    keyway.act(&account, &made.id(), "revoke", json!({})).await.expect(200);
    let refused = bearer(keyway.api, "GET", "/mfi/invoices", &key).await.expect(401);
    assert_eq!(message(&refused), "Revoked key: create a new key.");
    let list = keyway.get(&format!("/v1/accounts/{account}/credentials?revoked=true")).await.json();
    assert_eq!(list["data"][0]["status"], "revoked");
}

#[tokio::test]
async fn e09_a_new_key_with_the_same_scopes_is_seen_used_before_the_old_one_is_revoked() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    let old = key(&keyway, &account, "live", json!(["invoices:read", "payouts:read"])).await;
    let new = keyway.act(&account, &old.id(), "duplicate", json!({})).await.expect(201);
    assert_eq!(new.json()["grant"], old.json()["grant"]);
    assert_ne!(new.shown("key"), old.shown("key"));
    assert_eq!(keyway.show(&account, &new.id()).await["last_used_at"], Value::Null);
    bearer(keyway.api, "GET", "/mfi/payouts", &new.shown("key")).await.expect(200);
    keyway.flush().await;
    let seen = keyway.show(&account, &new.id()).await;
    assert_eq!(seen["last_used_at"], "2026-11-21T12:00:00Z");
    assert_eq!(seen["secrets"][0]["last_used_from"], "127.0.0.1");
    keyway.act(&account, &old.id(), "revoke", json!({})).await.expect(200);
    bearer(keyway.api, "GET", "/mfi/invoices", &old.shown("key")).await.expect(401);
    bearer(keyway.api, "GET", "/mfi/invoices", &new.shown("key")).await.expect(200);
}

#[tokio::test]
async fn e10_a_key_stops_at_midnight_utc_at_the_start_of_its_date() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    let body = json!({
        "kind": "key", "environment": "live", "name": "Until", "grant": "everything",
        "expires_at": "2026-11-23",
    });
    let made = keyway.create(&account, body).await.expect(201);
    assert_eq!(made.json()["expires_at"], "2026-11-23T00:00:00Z");
    let key = made.shown("key");
    keyway.clock.advance_ms(DAY + 12 * HOUR - 1);
    bearer(keyway.api, "GET", "/mfi/invoices", &key).await.expect(200);
    keyway.clock.advance_ms(1);
    let refused = bearer(keyway.api, "GET", "/mfi/invoices", &key).await.expect(401);
    assert_eq!(message(&refused), "Expired key: create a new key.");
    let path = format!("/v1/accounts/{account}/credentials/{}", made.id());
    assert_eq!(keyway.show(&account, &made.id()).await["status"], "expired");
    // It comes back only by a confirmed act, and for a member that means the password.
    let member = |step_up: Value| {
        json!({
            "expires_at": "2026-12-01",
            "on_behalf_of": { "member": "ana", "role": "owner", "step_up": step_up },
        })
    };
    keyway.manage("PATCH", &path, &member(Value::Null)).await.expect(403);
    bearer(keyway.api, "GET", "/mfi/invoices", &key).await.expect(401);
    keyway.manage("PATCH", &path, &member(json!("password"))).await.expect(200);
    bearer(keyway.api, "GET", "/mfi/invoices", &key).await.expect(200);
}

#[tokio::test]
async fn e11_a_401_says_which_it_was() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    let good = key(&keyway, &account, "live", json!("everything")).await.shown("key");
    let missing = send(keyway.live_api, "GET", "/mfi/invoices", &[], "").await.expect(401);
    assert_eq!(message(&missing), "Missing header: send Authorization: Bearer <key>.");
    assert_eq!(missing.header("www-authenticate"), Some("Bearer realm=\"Enterprise\""));
    assert_eq!(missing.json()["statusCode"], 401);
    assert_eq!(missing.json()["error"], "Unauthorized");
    // Mistyped and unknown are told apart, in the same way to everyone.
    let mut typo = good.clone();
    typo.replace_range(12..13, if &good[12..13] == "x" { "y" } else { "x" });
    let malformed = bearer(keyway.live_api, "GET", "/mfi/invoices", &typo).await.expect(401);
    assert!(message(&malformed).starts_with("Invalid key: its check characters are wrong"));
    let challenge = malformed.header("www-authenticate").expect("a challenge");
    assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
    let template =
        keyway_secret::Template::secret("sk_{environment}_{random:32}", ["test", "live"]);
    let stranger = template
        .expect("a template")
        .generate(keyway_secret::Environment::Live, &mut keyway_secret::SeededEntropy::new(3));
    let unknown = bearer(keyway.live_api, "GET", "/mfi/invoices", stranger.reveal()).await;
    assert_eq!(message(&unknown.expect(401)), "Invalid key: check it for typing errors.");
}

#[tokio::test]
async fn e12_a_403_says_which_it_was() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    let other = keyway.account().await;
    let narrow = key(&keyway, &account, "live", json!(["payouts:read"])).await.shown("key");
    let refused = bearer(keyway.api, "GET", "/mfi/invoices", &narrow).await.expect(403);
    assert_eq!(message(&refused), "Insufficient scopes: this key lacks invoices:read.");
    let challenge = refused.header("www-authenticate").expect("a challenge");
    assert!(challenge.contains("insufficient_scope"), "{challenge}");
    let wide = key(&keyway, &account, "live", json!("everything")).await.shown("key");
    let own = format!("/mfi/accounts/{account}/invoices");
    bearer(keyway.api, "GET", &own, &wide).await.expect(200);
    let foreign = format!("/mfi/accounts/{other}/invoices");
    let refused = bearer(keyway.api, "GET", &foreign, &wide).await.expect(403);
    assert_eq!(message(&refused), "Resource not accessible: it belongs to another account.");
    // An API that knows the owner by another way names it in its question.
    let question = |account: &str| {
        json!({
            "resource": "invoices", "action": "read", "account": account,
            "headers": [["Authorization", format!("Bearer {wide}")]],
        })
    };
    let asked = keyway.verify(question(&account)).await.expect(200).json();
    assert_eq!(asked["allowed"], true);
    let asked = keyway.verify(question(&other)).await.expect(200).json();
    assert_eq!(asked["reason"], "resource_not_accessible");
    assert_eq!(asked["answer"]["status"], 403);
}

#[tokio::test]
async fn an_address_list_holds_for_v4_and_v6() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    let body = json!({
        "kind": "key", "environment": "live", "name": "Office", "grant": "everything",
        "addresses": ["203.0.113.0/24", "2001:db8::/32"],
    });
    let made = keyway.create(&account, body).await.expect(201);
    let key = made.shown("key");
    let asked = async |address: Option<&str>| {
        let question = json!({
            "method": "GET", "path": "/mfi/invoices", "client_address": address,
            "headers": [["authorization", format!("Bearer {key}")]],
        });
        let answer = keyway.verify(question).await.expect(200).json();
        answer["reason"].as_str().unwrap_or("allowed").to_owned()
    };
    assert_eq!(asked(Some("203.0.113.77")).await, "allowed");
    assert_eq!(asked(Some("::ffff:203.0.113.77")).await, "allowed");
    assert_eq!(asked(Some("2001:db8:1::9")).await, "allowed");
    assert_eq!(asked(Some("203.0.114.1")).await, "address_not_allowed");
    assert_eq!(asked(Some("2001:db9::1")).await, "address_not_allowed");
    assert_eq!(asked(None).await, "address_not_allowed");
    bearer(keyway.api, "GET", "/mfi/invoices", &key).await.expect(403);
}
