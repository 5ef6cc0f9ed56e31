//! Decisions for gateways, asked as each family asks. `tests/gateways` asks with real ones.

use std::net::SocketAddr;

use serde_json::json;

use crate::harness::{Answer, Keyway, send};

const IDENTITY: [&str; 10] = [
    "x-keyway-account",
    "x-keyway-external-account",
    "x-keyway-credential",
    "x-keyway-kind",
    "x-keyway-name",
    "x-keyway-environment",
    "x-keyway-secret",
    "x-keyway-scope",
    "x-keyway-request-id",
    "x-keyway-context",
];

/// A key of the sandbox that reads invoices.
async fn reader(keyway: &Keyway, account: &str) -> (String, String) {
    let grant = json!({ "invoices": ["read"] });
    let body = json!({ "kind": "key", "environment": "test", "name": "Café ☕", "grant": grant });
    let made = keyway.create(account, body).await.expect(201);
    (made.id(), format!("Bearer {}", made.shown("key")))
}

async fn nginx(to: SocketAddr, method: &str, target: &str, authorization: &str) -> Answer {
    nginx_at(to, "/authz/nginx", method, target, authorization).await
}

async fn nginx_at(
    to: SocketAddr,
    path: &str,
    method: &str,
    target: &str,
    authorization: &str,
) -> Answer {
    let headers = [
        ("x-original-method", method),
        ("x-original-uri", target),
        ("x-original-address", "203.0.113.9"),
        ("authorization", authorization),
    ];
    send(to, "GET", path, &headers, "").await
}

#[tokio::test]
async fn an_allow_is_a_200_without_a_body_and_with_every_identity_header() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    let (id, key) = reader(&keyway, &account).await;
    let allowed = nginx(keyway.internal, "GET", "/mfi/invoices?page=2", &key).await.expect(200);
    assert_eq!(allowed.text, "");
    assert_eq!(allowed.header("content-length"), Some("0"));
    for name in IDENTITY {
        assert!(allowed.header(name).is_some_and(|value| !value.is_empty()), "{name}");
    }
    assert_eq!(allowed.header("x-keyway-credential"), Some(id.as_str()));
    assert_eq!(allowed.header("x-keyway-account"), Some(account.as_str()));
    assert_eq!(allowed.header("x-keyway-external-account"), Some("-"));
    assert_eq!(allowed.header("x-keyway-scope"), Some("invoices:read"));
    assert_eq!(allowed.header("x-keyway-name"), Some("Caf%C3%A9+%E2%98%95"));
    assert_eq!(allowed.header("request-id"), allowed.header("x-keyway-request-id"));
    // The same question as each family puts it.
    let forwarded = [
        ("x-forwarded-method", "GET"),
        ("x-forwarded-uri", "/mfi/invoices"),
        ("x-forwarded-for", "203.0.113.9"),
        ("authorization", key.as_str()),
    ];
    send(keyway.internal, "GET", "/authz/forward", &forwarded, "").await.expect(200);
    let own = [("x-original-address", "203.0.113.9"), ("authorization", key.as_str())];
    send(keyway.internal, "GET", "/authz/envoy/mfi/invoices?a=b", &own, "").await.expect(200);
    let sandbox = "/authz/envoy-test/mfi/invoices";
    send(keyway.internal, "GET", sandbox, &own, "").await.expect(200);
    let production = "/authz/envoy-live/mfi/invoices";
    send(keyway.internal, "GET", production, &own, "").await.expect(401);
    send(keyway.internal, "GET", "/authz/envoy/mfi/invoices", &own[1..], "").await.expect(500);
    send(keyway.internal, "HEAD", "/authz/nginx", &forwarded, "").await.expect(500);
}

#[tokio::test]
async fn a_family_that_is_missing_or_doubled_allows_nothing() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    let (_, key) = reader(&keyway, &account).await;
    let original = [
        ("x-original-method", "GET"),
        ("x-original-uri", "/mfi/invoices"),
        ("x-original-address", "203.0.113.9"),
        ("authorization", key.as_str()),
    ];
    let forwarded = [
        ("x-forwarded-method", "GET"),
        ("x-forwarded-uri", "/mfi/invoices"),
        ("authorization", key.as_str()),
    ];
    send(keyway.internal, "GET", "/authz/nginx", &original, "").await.expect(200);
    send(keyway.internal, "GET", "/authz/forward", &forwarded, "").await.expect(200);
    // What one family sets, the other's client may have written.
    send(keyway.internal, "GET", "/authz/nginx", &forwarded, "").await.expect(500);
    send(keyway.internal, "GET", "/authz/forward", &original, "").await.expect(500);
    for left_out in 0..3 {
        let mut some = original.to_vec();
        let (name, value) = some.remove(left_out);
        let refused = send(keyway.internal, "GET", "/authz/nginx", &some, "").await.expect(500);
        assert_eq!(refused.json()["code"], "gateway_misconfigured");
        for odd in ["", value] {
            let mut doubled = original.to_vec();
            doubled.push((name, odd));
            send(keyway.internal, "GET", "/authz/nginx", &doubled, "").await.expect(500);
        }
    }
    let bad = ["/authz/nginx?environment=prod", "/authz/nginx?x=1", "/authz/forward?statuses=all"];
    for path in bad {
        send(keyway.internal, "GET", path, &original, "").await.expect(500);
    }
    for path in ["/authz/", "/authz/other", "/authz/envoy", "/authz/envoy-prod/mfi/invoices"] {
        send(keyway.internal, "GET", path, &original, "").await.expect(404);
    }
}

#[tokio::test]
async fn a_refusal_is_the_platforms_own_and_is_shown_again_without_a_second_decision() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    let (id, key) = reader(&keyway, &account).await;
    let refused = nginx(keyway.internal, "POST", "/mfi/invoices", &key).await.expect(403);
    assert_eq!(refused.json()["statusCode"], 403);
    let denial = refused.header("x-keyway-denial").expect("nginx gets it along").to_owned();
    let shown = |denial: String| async move {
        let carried = [("x-keyway-denial", denial.as_str())];
        send(keyway.internal, "GET", "/authz/nginx/denial", &carried, "").await
    };
    let again = shown(denial.clone()).await.expect(403);
    assert_eq!(again.text, refused.text);
    assert_eq!(again.header("request-id"), refused.header("request-id"));
    assert_eq!(again.header("x-keyway-denial"), None);
    // Nobody's own words are shown, and nothing passes here.
    shown(denial[1..].to_owned()).await.expect(503);
    let nothing = shown(String::new()).await.expect(503);
    assert_eq!(nothing.json()["statusCode"], 503);
    keyway.flush().await;
    let path = format!("/v1/accounts/{account}/credentials/{id}/usage");
    let usage = keyway.get(&path).await.expect(200).json();
    assert_eq!(usage["total"], json!({ "insufficient_scope": 1 }));
}

#[tokio::test]
async fn a_gateway_that_knows_two_statuses_gets_no_other() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    let (_, key) = reader(&keyway, &account).await;
    let path = "/authz/nginx?environment=live&statuses=plain";
    let wrong = nginx_at(keyway.internal, path, "GET", "/mfi/invoices", &key).await.expect(401);
    assert_eq!(wrong.header("x-keyway-status"), Some("401"));
    let limited = json!({ "kind": "key", "environment": "live", "name": "Slow",
        "grant": { "invoices": ["read"] }, "rate_limit": { "requests": 1, "window_seconds": 60 } });
    let made = keyway.create(&account, limited).await.expect(201);
    let key = format!("Bearer {}", made.shown("key"));
    nginx_at(keyway.internal, path, "GET", "/mfi/invoices", &key).await.expect(200);
    let full = nginx_at(keyway.internal, path, "GET", "/mfi/invoices", &key).await.expect(403);
    assert_eq!(full.header("x-keyway-status"), Some("429"));
    assert!(full.header("retry-after").is_some());
    let honest = "/authz/nginx?environment=live";
    nginx_at(keyway.internal, honest, "GET", "/mfi/invoices", &key).await.expect(429);
}

#[tokio::test]
async fn paths_that_gateways_and_apis_read_differently_are_refused() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    let (_, key) = reader(&keyway, &account).await;
    let odd = [
        "/mfi/invoices/../payments",
        "/mfi/invoices/..;/payments",
        "/mfi/invoices/.;a/x",
        "/mfi//invoices",
        "/mfi/invoices/%2e%2e/payments",
        "/mfi/invoices%2fx",
        "/mfi/invoices#/../payments",
        "/mfi/invoices\\x",
        "http://api.example/mfi/invoices",
        "mfi/invoices",
        "*",
    ];
    for target in odd {
        let refused = nginx(keyway.internal, "GET", target, &key).await;
        assert_eq!(refused.status, 401, "{target}: {refused:?}");
    }
}

#[tokio::test]
async fn a_gateway_elsewhere_shows_a_token_of_its_own() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    let (_, key) = reader(&keyway, &account).await;
    let question = |token: Option<String>, authorization: String| async move {
        let mut headers = vec![
            ("x-original-method", "GET"),
            ("x-original-uri", "/mfi/invoices"),
            ("x-original-address", "203.0.113.9"),
            ("authorization", authorization.as_str()),
        ];
        headers.extend(token.as_deref().map(|token| ("x-keyway-gateway-token", token)));
        send(keyway.guarded_internal, "GET", "/authz/nginx", &headers, "").await
    };
    question(None, key.clone()).await.expect(401);
    question(Some("nonsense".to_owned()), key.clone()).await.expect(401);
    // The operator's token as the client's own credential is neither.
    question(None, format!("Bearer {}", keyway.token)).await.expect(401);
    question(Some(keyway.token.clone()), key).await.expect(200);
    question(Some(keyway.token.clone()), String::new()).await.expect(401);
}

#[tokio::test]
async fn a_login_is_never_taken_for_an_allow() {
    let keyway = Keyway::start("airwallex").await;
    let login = "/api/v1/authentication/login";
    let refused = nginx(keyway.internal, "POST", login, "").await.expect(421);
    assert_eq!(refused.json()["code"], "login_misdirected");
}

#[tokio::test]
async fn an_address_list_holds_for_the_address_that_the_gateway_names() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    let body = json!({ "kind": "key", "environment": "test", "name": "Office",
        "grant": { "invoices": ["read"] }, "addresses": ["203.0.113.0/24"] });
    let made = keyway.create(&account, body).await.expect(201);
    let key = format!("Bearer {}", made.shown("key"));
    nginx(keyway.internal, "GET", "/mfi/invoices", &key).await.expect(200);
    for (list, status) in [("203.0.113.9", 200), ("203.0.113.9, 198.51.100.7", 403), ("x", 403)] {
        let headers = [
            ("x-forwarded-method", "GET"),
            ("x-forwarded-uri", "/mfi/invoices"),
            ("x-forwarded-for", list),
            ("authorization", key.as_str()),
        ];
        send(keyway.internal, "GET", "/authz/forward", &headers, "").await.expect(status);
    }
}

#[tokio::test]
async fn the_key_of_signed_contexts_is_public() {
    let keyway = Keyway::start("enterprise").await;
    let path = "/.well-known/jwks.json";
    send(keyway.guarded_internal, "GET", path, &[], "").await.expect(200);
    let set = send(keyway.internal, "GET", path, &[], "").await.expect(200);
    let set = set.json();
    assert_eq!(set["keys"][0]["crv"], "Ed25519");
    assert_eq!(set["keys"][0]["x"].as_str().map(str::len), Some(43));
    assert!(set["keys"][0].get("d").is_none(), "the private half stays");
}
