//! Operator tokens: limited, rotated, revoked; and every route of the table asks for one.

use keyway_server::http::routes::routes;
use serde_json::{Value, json};

use crate::harness::{Answer, HOUR, Keyway, bearer, send};

/// A path of the table with its placeholders filled by ids that exist nowhere.
fn filled(path: &str) -> String {
    path.replace("{account}", "acct_00000000000000000000000001")
        .replace("{credential}", "cred_00000000000000000000000001")
        .replace("{request}", "req_none")
}

async fn make(keyway: &Keyway, body: Value) -> Answer {
    keyway.post("/v1/operator-tokens", body).await.expect(201)
}

#[tokio::test]
async fn every_route_refuses_a_stranger() {
    let keyway = Keyway::start("xendit").await;
    for route in routes() {
        let (method, path) = (route.method.as_str(), filled(route.path));
        let nobody = send(keyway.public, method, &path, &[], "").await;
        assert_eq!(nobody.status, 401, "{method} {path}");
        assert_eq!(nobody.json()["code"], "token_missing");
        assert!(nobody.header("www-authenticate").is_some(), "{method} {path}");
        // A merchant's key is no operator token.
        let account = keyway.account().await;
        let body = json!({
            "kind": "secret", "environment": "live", "name": "Server", "grant": "everything",
        });
        let key = keyway.create(&account, body).await.expect(201).shown("key");
        bearer(keyway.public, method, &path, &key).await.expect(401);
    }
}

#[tokio::test]
async fn every_route_refuses_a_token_that_has_everything_but_what_it_needs() {
    let keyway = Keyway::start("xendit").await;
    let scheme = keyway_server::schemes::operator();
    let resources: Vec<&str> = scheme.resource_names().iter().map(String::as_str).collect();
    for resource in &resources {
        for action in ["read", "write"] {
            let grant: Vec<String> = resources
                .iter()
                .flat_map(|name| [format!("{name}:read"), format!("{name}:write")])
                .filter(|scope| *scope != format!("{resource}:{action}"))
                .collect();
            let token = make(&keyway, json!({ "name": "narrow", "grant": grant })).await;
            let token = token.shown("token");
            for route in routes() {
                let needs_it = route.resource == *resource && route.action().as_str() == action;
                let path = filled(route.path);
                let answer = bearer(keyway.public, route.method.as_str(), &path, &token).await;
                let lacks = answer.json()["code"] == "token_scope";
                assert_eq!(lacks, needs_it, "{} {path}: {}", route.method, answer.text);
                assert!(answer.status < 500, "{} {path}", route.method);
            }
        }
    }
}

#[tokio::test]
async fn a_token_is_rotated_with_an_overlap_and_revoked_at_once() {
    let keyway = Keyway::start("xendit").await;
    let made = make(&keyway, json!({ "name": "Backend" })).await;
    let old = made.shown("token");
    let path = format!("/v1/operator-tokens/{}", made.id());
    let rotated = keyway.post(&format!("{path}/rotate"), json!({ "overlap": "1h" })).await;
    let new = rotated.expect(200).shown("token");
    for token in [&old, &new] {
        bearer(keyway.public, "GET", "/v1/accounts", token).await.expect(200);
    }
    keyway.clock.advance_ms(HOUR);
    bearer(keyway.public, "GET", "/v1/accounts", &old).await.expect(401);
    bearer(keyway.public, "GET", "/v1/accounts", &new).await.expect(200);
    keyway.post(&format!("{path}/revoke"), json!({})).await.expect(200);
    let refused = bearer(keyway.public, "GET", "/v1/accounts", &new).await.expect(401);
    assert_eq!(refused.json()["code"], "token_revoked");
}

#[tokio::test]
async fn a_token_makes_and_takes_over_none_wider_than_itself() {
    let keyway = Keyway::start("xendit").await;
    let wide = make(&keyway, json!({ "name": "wide" })).await;
    let grant = json!(["tokens:read", "tokens:write", "accounts:read"]);
    let narrow = make(&keyway, json!({ "name": "narrow", "grant": grant })).await;
    let authorization = format!("Bearer {}", narrow.shown("token"));
    let headers = [("authorization", authorization.as_str())];
    let call = async |method: &str, path: &str, body: Value| {
        send(keyway.public, method, path, &headers, &body.to_string()).await
    };
    let make = "/v1/operator-tokens";
    for grant in [json!("everything"), json!(["credentials:read"])] {
        call("POST", make, json!({ "name": "x", "grant": grant })).await.expect(422);
    }
    let same = call("POST", make, json!({ "name": "same" })).await.expect(201);
    assert_eq!(same.json()["grant"]["accounts"], json!(["read"]));
    let own = format!("{make}/{}", narrow.id());
    call("PATCH", &own, json!({ "grant": "everything" })).await.expect(422);
    let other = format!("{make}/{}/rotate", wide.id());
    call("POST", &other, json!({})).await.expect(422);
    let other = format!("{make}/{}", wide.id());
    call("PATCH", &other, json!({ "expires_at": null })).await.expect(422);
}

#[tokio::test]
async fn a_token_has_an_address_list_a_limit_and_an_expiry() {
    let keyway = Keyway::start("xendit").await;
    let far = make(&keyway, json!({ "name": "far", "addresses": ["203.0.113.0/24"] })).await;
    let refused = bearer(keyway.public, "GET", "/v1/accounts", &far.shown("token")).await;
    assert_eq!(refused.expect(403).json()["code"], "token_address");
    let slow = json!({ "name": "slow", "rate_limit": { "requests": 2, "window_seconds": 60 } });
    let slow = make(&keyway, slow).await.shown("token");
    for status in [200, 200, 429] {
        bearer(keyway.public, "GET", "/v1/accounts", &slow).await.expect(status);
    }
    let brief = json!({ "name": "brief", "expires_at": "2026-11-21T13:00:00Z" });
    let brief = make(&keyway, brief).await.shown("token");
    bearer(keyway.public, "GET", "/v1/accounts", &brief).await.expect(200);
    keyway.clock.advance_ms(HOUR);
    let refused = bearer(keyway.public, "GET", "/v1/accounts", &brief).await.expect(401);
    assert_eq!(refused.json()["code"], "token_expired");
}

#[tokio::test]
async fn beyond_this_machine_verification_asks_for_a_token_that_may() {
    let keyway = Keyway::start("xendit").await;
    let ask = async |token: Option<&str>| {
        let authorization = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<_> =
            authorization.iter().map(|value| ("authorization", value.as_str())).collect();
        send(keyway.guarded_internal, "POST", "/v1/verify", &headers, "{}").await.status
    };
    assert_eq!(ask(None).await, 401);
    let narrow = make(&keyway, json!({ "name": "a", "grant": ["accounts:read"] })).await;
    assert_eq!(ask(Some(&narrow.shown("token"))).await, 403);
    let gateway = make(&keyway, json!({ "name": "b", "grant": ["verification:read"] })).await;
    assert_eq!(ask(Some(&gateway.shown("token"))).await, 200);
    send(keyway.guarded_internal, "GET", "/metrics", &[], "").await.expect(401);
    send(keyway.guarded_internal, "GET", "/healthz", &[], "").await.expect(200);
}
