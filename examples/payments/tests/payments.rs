//! The API behind a guard whose verifier believes two headers, so that only the API is tested.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use keyway_guard::{Answer, Decision, GuardLayer, Identity, Passed, Question, Verifier};
use keyway_payments::{Payments, SCHEMES, router};
use serde_json::{Value, json};
use tower::ServiceExt;

/// Takes `x-account` and `x-environment` as proof.
#[derive(Clone)]
struct Believer;

impl Verifier for Believer {
    async fn verify(&self, question: Question<'_>) -> Decision {
        let text = |name| question.headers.get(name).and_then(|value| value.to_str().ok());
        let Some(account) = text("x-account") else {
            let refused = Answer { status: 401, headers: Vec::new(), body: "{}".to_owned() };
            return Decision::Answered(refused);
        };
        let identity = Identity {
            account: account.to_owned(),
            external_id: Some(format!("merchant-of-{account}")),
            credential: "cred_1".to_owned(),
            kind: "secret".to_owned(),
            name: "A test".to_owned(),
            environment: text("x-environment").unwrap_or("test").to_owned(),
            grant: Arc::default(),
            secret: 1,
            request_id: "req_1".to_owned(),
            rate: None,
            reported: None,
        };
        Decision::Allowed(Box::new(Passed { identity, response_headers: Vec::new() }))
    }

    fn wants_body(&self, _headers: &HeaderMap) -> bool {
        false
    }
}

struct Api(Router);

/// Who asks: an account and an environment.
type Who<'a> = (&'a str, &'a str);

const ANNA: Who<'_> = ("anna", "test");

impl Api {
    fn new(scheme: &str) -> Self {
        let payments = Payments::open(None).expect("memory can be opened");
        Self(router(payments, scheme, GuardLayer::new(Believer)))
    }

    async fn send(&self, request: Request<Body>) -> (StatusCode, Value) {
        let response = self.0.clone().oneshot(request).await.expect("the router never fails");
        let status = response.status();
        let bytes = response.into_body().collect().await.expect("a whole body").to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    async fn call(
        &self,
        who: Who<'_>,
        method: &str,
        path: &str,
        body: &str,
    ) -> (StatusCode, Value) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("x-account", who.0)
            .header("x-environment", who.1);
        self.send(request.body(Body::from(body.to_owned())).expect("a request")).await
    }

    async fn post(&self, who: Who<'_>, path: &str, body: Value) -> (StatusCode, Value) {
        self.call(who, "POST", path, &body.to_string()).await
    }

    async fn get(&self, who: Who<'_>, path: &str) -> (StatusCode, Value) {
        self.call(who, "GET", path, "").await
    }
}

/// The rows of `ROUTES.md` under a scheme: method and path.
fn documented(scheme: &str) -> Vec<(String, String)> {
    let text = include_str!("../ROUTES.md");
    let heading = format!("## {scheme}\n");
    let section = text.split(&heading).nth(1).expect("every scheme has a section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter(|line| line.contains("| `/"));
    let rows = rows.filter(|line| !line.contains("answered by the guard"));
    rows.map(|row| {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        (cells[1].to_owned(), cells[2].trim_matches('`').to_owned())
    })
    .collect()
}

#[tokio::test]
async fn every_documented_route_is_served() {
    for scheme in SCHEMES {
        let api = Api::new(scheme);
        let routes = documented(scheme);
        assert!(routes.len() > 9, "{scheme} has its routes in the document");
        for (method, path) in routes {
            let path = path.replace("{id}", "none").replace("{account}", "anna");
            let (status, body) = api.call(ANNA, &method, &path, "").await;
            assert_ne!(status, StatusCode::METHOD_NOT_ALLOWED, "{scheme} {method} {path}");
            let unknown = body.to_string().contains("nothing at this path");
            assert!(!unknown, "{scheme} {method} {path} is not served");
        }
    }
}

#[tokio::test]
async fn unknown_paths_are_guarded_and_then_not_found() {
    for scheme in SCHEMES {
        let api = Api::new(scheme);
        let stranger = Request::get("/nowhere").body(Body::empty()).expect("a request");
        assert_eq!(api.send(stranger).await.0, StatusCode::UNAUTHORIZED, "{scheme}");
        assert_eq!(api.get(ANNA, "/nowhere").await.0, StatusCode::NOT_FOUND, "{scheme}");
    }
}

#[tokio::test]
async fn nothing_crosses_from_one_account_or_environment_to_another() {
    let api = Api::new("xtopay");
    let body = json!({ "amount": 5000, "currency": "GHS" });
    let (status, made) = api.post(ANNA, "/v1/payments", body).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let path = format!("/v1/payments/{}", made["id"].as_str().expect("an id"));
    assert_eq!(api.get(ANNA, &path).await.1, made);
    for other in [("anna", "live"), ("bert", "test")] {
        assert_eq!(api.get(other, &path).await.0, StatusCode::NOT_FOUND);
        assert_eq!(api.get(other, "/v1/payments").await.1["data"], json!([]));
        assert_eq!(api.get(other, "/v1/balance").await.1["available"], json!([]));
    }
    let available = json!([{ "currency": "GHS", "amount": 5000 }]);
    assert_eq!(api.get(ANNA, "/v1/balance").await.1["available"], available);
}

#[tokio::test]
async fn another_accounts_invoices_are_not_accessible() {
    let api = Api::new("enterprise");
    for own in ["anna", "merchant-of-anna"] {
        let (status, _) = api.get(ANNA, &format!("/mfi/accounts/{own}/invoices")).await;
        assert_eq!(status, StatusCode::OK);
    }
    let (status, body) = api.get(ANNA, "/mfi/accounts/bert/invoices").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let expected =
        json!({ "statusCode": 403, "message": "Resource not accessible", "error": "Forbidden" });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn a_body_that_is_wrong_says_which_field() {
    let api = Api::new("xtopay");
    for (body, field) in [
        (json!({}), "amount"),
        (json!({ "amount": 0, "currency": "GHS" }), "amount"),
        (json!({ "amount": -5, "currency": "GHS" }), "amount"),
        (json!({ "amount": 1.5, "currency": "GHS" }), "amount"),
        (json!({ "amount": "5", "currency": "GHS" }), "amount"),
        (json!({ "amount": 5, "currency": "ghs" }), "currency"),
        (json!({ "amount": 5, "currency": "GHS", "description": "" }), "description"),
    ] {
        let (status, answer) = api.post(ANNA, "/v1/payments", body.clone()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(answer["error"]["param"], field, "{body}");
    }
    for body in ["{", "[]", "7", "\u{0}"] {
        let (status, answer) = api.call(ANNA, "POST", "/v1/payments", body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(answer["error"]["code"], "invalid_request");
    }
    let huge = "x".repeat(64 * 1024 + 1);
    let (status, _) = api.call(ANNA, "POST", "/v1/payments", &huge).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn the_same_key_makes_one_payment_and_another_body_is_refused() {
    let api = Api::new("xtopay");
    let send = async |key: &str, amount: u32| {
        let request = Request::post("/v1/payments")
            .header("x-account", "anna")
            .header("idempotency-key", key)
            .body(Body::from(json!({ "amount": amount, "currency": "GHS" }).to_string()))
            .expect("a request");
        api.send(request).await
    };
    let (first, made) = send("k1", 700).await;
    let (again, same) = send("\"k1\"", 700).await;
    assert_eq!((first, again), (StatusCode::CREATED, StatusCode::OK));
    assert_eq!(made, same);
    let (status, refused) = send("k1", 701).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(refused["error"]["code"], "idempotency_key_mismatch");
    assert_eq!(api.get(ANNA, "/v1/payments").await.1["total"], 1);
}

#[tokio::test]
async fn a_cards_number_and_code_are_kept_nowhere() {
    let api = Api::new("xendit");
    let card = json!({ "account_number": "4000000000001091", "cvn": "123", "exp_year": "2030" });
    let (status, token) = api.post(ANNA, "/credit_card_tokens", json!({ "card_data": card })).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(token["masked_card_number"], "400000XXXXXX1091");
    assert!(!token.to_string().contains("4000000000001091"));
    assert!(token.get("card_data").is_none());

    let id = token["id"].as_str().expect("an id");
    let path = format!("/credit_card_tokens/{id}/authentications");
    let (status, authentication) = api.post(ANNA, &path, json!({ "amount": 75_000 })).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(authentication["credit_card_token_id"], id);
    let (status, _) = api.post(("bert", "test"), &path, json!({ "amount": 75_000 })).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "a token of another account");
}

#[tokio::test]
async fn a_cancelled_payout_gives_its_money_back_and_cannot_be_cancelled_twice() {
    let api = Api::new("xendit");
    let body = json!({
        "reference_id": "r1", "channel_code": "ID_BCA", "channel_properties": {},
        "amount": 10_000.5, "currency": "IDR",
    });
    let (_, payout) = api.post(ANNA, "/v2/payouts", body).await;
    assert_eq!(api.get(ANNA, "/balance").await.1, json!({ "balance": -10_000.5 }));
    let path = format!("/v2/payouts/{}/cancel", payout["id"].as_str().expect("an id"));
    let (status, cancelled) = api.post(ANNA, &path, json!({})).await;
    assert_eq!((status, &cancelled["status"]), (StatusCode::OK, &json!("CANCELLED")));
    assert_eq!(api.get(ANNA, "/balance").await.1, json!({ "balance": 0 }));
    assert_eq!(api.post(ANNA, &path, json!({})).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn lists_come_newest_first_in_pages() {
    let api = Api::new("enterprise");
    for name in ["a", "b", "c"] {
        api.post(ANNA, "/mfi/clients", json!({ "name": name })).await;
    }
    let (_, page) = api.get(ANNA, "/mfi/clients?limit=2&page=2").await;
    assert_eq!(page["data"][0]["name"], "a");
    let expected = json!({ "total": 3, "page": 2, "limit": 2, "totalPages": 2 });
    assert_eq!(page["pagination"], expected);
    let (status, _) = api.get(ANNA, "/mfi/clients?limit=0").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_webhook_endpoint_is_changed_and_removed() {
    let api = Api::new("enterprise");
    let (_, made) =
        api.post(ANNA, "/mfi/webhook-endpoints", json!({ "url": "https://shop.example/h" })).await;
    let path = format!("/mfi/webhook-endpoints/{}", made["data"]["id"].as_str().expect("an id"));
    let (_, changed) = api.call(ANNA, "PATCH", &path, r#"{"enabled":false}"#).await;
    assert_eq!(changed["data"]["enabled"], false);
    assert_eq!(changed["data"]["url"], "https://shop.example/h");
    assert_eq!(api.call(ANNA, "PATCH", &path, "{}").await.0, StatusCode::BAD_REQUEST);
    assert_eq!(api.call(("bert", "test"), "DELETE", &path, "").await.0, StatusCode::NOT_FOUND);
    assert_eq!(api.call(ANNA, "DELETE", &path, "").await.0, StatusCode::OK);
    assert_eq!(api.get(ANNA, &path).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_kept_file_still_holds_everything_after_a_restart() {
    let directory = std::env::temp_dir().join(format!("keyway-payments-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory");
    let file = directory.join("payments.db");
    let open = || {
        let payments = Payments::open(Some(&file)).expect("the file can be opened");
        Api(router(payments, "rapyd", GuardLayer::new(Believer)))
    };
    let (_, made) = open().post(ANNA, "/v1/customers", json!({ "name": "Ada" })).await;
    assert_eq!(made["status"]["status"], "SUCCESS");
    let path = format!("/v1/customers/{}", made["data"]["id"].as_str().expect("an id"));
    assert_eq!(open().get(ANNA, &path).await.1["data"]["name"], "Ada");
    std::fs::remove_dir_all(&directory).expect("the directory can be removed");
}
