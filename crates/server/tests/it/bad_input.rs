//! What bad input gets: a clear refusal, never a 500, never an echo of a secret.

use serde_json::{Value, json};

use crate::harness::{Answer, Keyway, bearer, send, send_raw};

async fn key(keyway: &Keyway) -> (String, Answer) {
    let account = keyway.account().await;
    let body = json!({
        "kind": "key", "environment": "live", "name": "Server", "grant": "everything",
    });
    let made = keyway.create(&account, body).await.expect(201);
    (account, made)
}

#[tokio::test]
async fn every_malformed_credential_has_its_own_clear_refusal() {
    let keyway = Keyway::start("enterprise").await;
    let (_, made) = key(&keyway).await;
    let key = made.shown("key");
    let test_like = key.replace("sk_live_", "sk_test_");
    let nul = format!("Bearer {}\0{}", &key[..20], &key[20..]);
    let cases = [
        (format!("Bearer {}", &key[..30]), "wrong length"),
        (format!("Bearer {key}x"), "wrong length"),
        (format!("Bearer {}", key.to_uppercase()), "does not start"),
        (format!("Bearer pk_live_{}", &key[8..]), "does not start"),
        (format!("Bearer {test_like}"), "check characters"),
        (format!("Bearer {}é", &key[..38]), "outside ASCII"),
        (format!("Bearer {key},Bearer {key}"), "more than a credential"),
        (format!("Bearer {key} {key}"), "more than a credential"),
        ("Bearer".to_owned(), "carries no credential"),
        ("Bearer ".to_owned(), "carries no credential"),
        (format!("Basic {key}"), "bearer credential"),
        (format!("Digest {key}"), "neither Basic nor Bearer"),
        (format!("Bearer {}", "a".repeat(9000)), "too long"),
        (format!("Bearer sk_live_{}!", &key[8..39]), "no credential has"),
        (nul, "NUL"),
    ];
    for (value, expected) in cases {
        let question = json!({
            "method": "GET", "path": "/mfi/invoices", "headers": [["Authorization", value]],
        });
        let answer = keyway.verify(question).await.expect(200).json();
        assert_eq!(answer["reason"], "malformed", "{expected}");
        let body = answer["answer"]["body"].as_str().expect("a body");
        assert!(body.contains(expected), "{expected}: {body}");
        assert!(!body.contains(&key[8..30]), "an echo: {body}");
    }
}

#[tokio::test]
async fn doubled_and_oversized_headers_are_refused_on_the_wire() {
    let keyway = Keyway::start("enterprise").await;
    let (_, made) = key(&keyway).await;
    let authorization = format!("Bearer {}", made.shown("key"));
    let twice = [("authorization", authorization.as_str()), ("Authorization", &authorization)];
    let refused = send(keyway.api, "GET", "/mfi/invoices", &twice, "").await.expect(401);
    assert!(refused.text.contains("more than one Authorization header"));
    let huge = "x".repeat(1 << 20);
    let answer = send(keyway.public, "GET", "/v1/accounts", &[("x-filler", &huge)], "").await;
    assert_eq!(answer.status, 431);
    bearer(keyway.api, "GET", "/mfi/invoices", &made.shown("key")).await.expect(200);
}

#[tokio::test]
async fn odd_paths_never_widen_what_a_key_reaches() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    let body = json!({
        "kind": "key", "environment": "live", "name": "Narrow", "grant": ["invoices:read"],
    });
    let key = keyway.create(&account, body).await.expect(201).shown("key");
    for path in [
        "/mfi/invoices/../payouts",
        "/mfi//payouts",
        "/mfi/./payouts",
        "/mfi/invoices/%2e%2e/payouts",
        "/mfi/invoices%2f..%2fpayouts",
        "/mfi\\payouts",
        "/mfi/invoices/%252e%252e/payouts",
        "//mfi/invoices",
        "/mfi/payouts;x",
        "/MFI/payouts",
        "/mfi/payouts/",
    ] {
        let question = json!({
            "method": "GET", "path": path, "headers": [["authorization", format!("Bearer {key}")]],
        });
        let answer = keyway.verify(question).await.expect(200).json();
        assert_eq!(answer["allowed"], false, "{path}: {answer}");
    }
}

#[tokio::test]
async fn bodies_are_bounded_and_every_complaint_names_its_field() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    let path = format!("/v1/accounts/{account}/credentials");
    let good = json!({
        "kind": "key", "environment": "live", "name": "Server", "grant": ["invoices:read"],
    });
    let with = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        body
    };
    let deep = serde_json::from_str::<Value>(&("[".repeat(40) + &"]".repeat(40))).expect("JSON");
    let cases = [
        (with("color", json!("red")), 422, "color"),
        (with("kind", json!("gold")), 422, "kind"),
        (with("kind", json!(7)), 422, "kind"),
        (with("environment", json!("staging")), 422, "environment"),
        (with("name", json!("")), 422, "name"),
        (with("name", json!("   ")), 422, "name"),
        (with("name", json!("x".repeat(101))), 422, "name"),
        (with("name", json!("a\u{202e}b")), 422, "name"),
        (with("name", json!("a\nb")), 422, "name"),
        (with("grant", json!(["invoices:fly"])), 422, "grant"),
        (with("grant", json!(["gold:read"])), 422, "grant"),
        (with("grant", json!(["invoices:read", "invoices:read"])), 422, "grant"),
        (with("grant", json!("all")), 422, "grant"),
        (with("grant", Value::Null), 422, "grant"),
        (with("expires_at", json!("2026-11-20")), 422, "expires_at"),
        (with("expires_at", json!("2026-11-21")), 422, "expires_at"),
        (with("expires_at", json!("9999-12-31")), 422, "expires_at"),
        (with("expires_at", json!("2027-02-31")), 422, "expires_at"),
        (with("expires_at", json!("2027-01-01T10:00:00Z")), 422, "expires_at"),
        (with("expires_at", json!("tomorrow")), 422, "expires_at"),
        (with("addresses", json!(["300.1.1.1"])), 422, "addresses[0]"),
        (with("addresses", json!(["10.0.0.1", "10.0.0.1/32"])), 422, "addresses[1]"),
        (
            with("rate_limit", json!({ "requests": 0, "window_seconds": 1 })),
            422,
            "rate_limit.requests",
        ),
        (with("rate_limit", json!({ "requests": 1 })), 422, "rate_limit.window_seconds"),
        (with("rate_limit", deep), 400, ""),
    ];
    for (body, status, field) in cases {
        let refused = keyway.post(&path, body.clone()).await;
        assert_eq!(refused.status, status, "{body}: {}", refused.text);
        let problem = refused.json();
        assert_eq!(problem["field"].as_str().unwrap_or(""), field, "{body}: {problem}");
        assert_eq!(refused.header("content-type"), Some("application/problem+json"));
    }
    let doubled = r#"{"kind":"key","environment":"live","name":"x","grant":{"invoices":"read","invoices":"write"}}"#;
    let authorization = format!("Bearer {}", keyway.token);
    let headers = [("authorization", authorization.as_str())];
    let refused = send(keyway.public, "POST", &path, &headers, doubled).await.expect(422);
    assert_eq!(refused.json()["field"], "grant");
    for not_json in ["{", "[]x", "nul", "{\"kind\":1e999}"] {
        let refused = send(keyway.public, "POST", &path, &headers, not_json).await;
        assert!((400..=422).contains(&refused.status), "{not_json}: {}", refused.text);
    }
    let long = with("name", json!("x".repeat(70_000))).to_string();
    let refused = send(keyway.public, "POST", &path, &headers, &long).await.expect(413);
    assert_eq!(refused.json()["code"], "body_too_large");
    let endless = "x".repeat(10 << 20);
    send(keyway.public, "POST", &path, &headers, &endless).await.expect(413);
    let list = keyway.get(&path).await.expect(200).json();
    assert_eq!(list["data"], json!([]), "nothing half-done");
}

#[tokio::test]
async fn right_to_left_and_emoji_names_are_kept_as_they_are() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    for name in
        ["متجر القهوة", "קפה", "Café ☕🔑", "<script>alert(1)</script>", "a,b;\"c\"", "=1+1"]
    {
        let body = json!({
            "kind": "key", "environment": "test", "name": name, "grant": ["invoices:read"],
        });
        let made = keyway.create(&account, body).await.expect(201);
        assert_eq!(keyway.show(&account, &made.id()).await["name"], name);
    }
}

#[tokio::test]
async fn an_account_has_a_limit_of_credentials() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    let path = format!("/v1/accounts/{account}/credentials/import");
    for batch in 0..100 {
        let keys: Vec<Value> = (0..100)
            .map(|number| {
                json!({
                    "kind": "key", "environment": "live", "name": "Old", "algorithm": "sha256",
                    "hash": format!("{:064x}", batch * 100 + number), "grant": "everything",
                })
            })
            .collect();
        keyway.post(&path, json!({ "keys": keys })).await.expect(201);
    }
    let one_more = json!({
        "kind": "key", "environment": "live", "name": "Last", "grant": "everything",
    });
    let refused = keyway.create(&account, one_more).await.expect(409);
    assert_eq!(refused.json()["code"], "too_many_credentials");
}

#[tokio::test]
async fn wrong_methods_and_paths_are_told_so() {
    let keyway = Keyway::start("enterprise").await;
    let refused = keyway.manage("DELETE", "/v1/accounts", &Value::Null).await.expect(405);
    let allowed = refused.header("allow").expect("the methods there are");
    assert!(allowed.contains("GET") && allowed.contains("POST"));
    keyway.get("/v1/nothing").await.expect(404);
    keyway.get("/v1/accounts/acct_wrong").await.expect(404);
    let garbage =
        send_raw(keyway.public, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n").await;
    assert!(matches!(garbage.status, 0 | 400), "{garbage:?}");
}

#[tokio::test]
async fn questions_that_are_none_are_refused_without_repeating_them() {
    let keyway = Keyway::start("enterprise").await;
    let (_, made) = key(&keyway).await;
    let key = made.shown("key");
    for body in [
        json!({ "headers": { "authorization": key } }),
        json!({ "credential": key }),
        json!({ "environment": key }),
        json!({ "client_address": key }),
        json!({ "resource": "invoices" }),
        json!({ "body": "%%%" }),
    ] {
        let refused = keyway.verify(body).await;
        assert!((400..=422).contains(&refused.status), "{}", refused.text);
        assert!(!refused.text.contains(&key));
    }
}

#[tokio::test]
async fn a_list_is_no_object_however_well_its_entries_fit_the_fields() {
    let keyway = Keyway::start("enterprise").await;
    let refused = keyway.post("/v1/accounts", json!(["Toko", null])).await.expect(422).json();
    assert_eq!(refused["code"], "invalid_field");
    let (account, made) = key(&keyway).await;
    let member = json!({ "on_behalf_of": ["ana@toko.test", "owner", "password"] });
    let refused = keyway.act(&account, &made.id(), "revoke", member).await.expect(422).json();
    assert_eq!(refused["field"], "on_behalf_of");
    let limit = json!({ "rate_limit": [100, 60] });
    let path = format!("/v1/accounts/{account}/credentials/{}", made.id());
    keyway.manage("PATCH", &path, &limit).await.expect(422);
    keyway.verify(json!([null, null])).await.expect(400);
    let many = json!({ "questions": [[null, null]] }).to_string();
    send(keyway.internal, "POST", "/v1/verify/batch", &[], &many).await.expect(400);
    assert_eq!(keyway.show(&account, &made.id()).await["status"], "active");
}
