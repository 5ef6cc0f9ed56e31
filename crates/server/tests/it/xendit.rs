//! The requirements of the scheme `xendit` (X01 to X13).

use serde_json::{Value, json};

use crate::harness::{Answer, Keyway, MINUTE, basic, send};

async fn secret_key(keyway: &Keyway, account: &str, environment: &str, grant: Value) -> Answer {
    let body = json!({
        "kind": "secret", "environment": environment, "name": "Server", "grant": grant,
    });
    keyway.create(account, body).await.expect(201)
}

async fn call(keyway: &Keyway, method: &str, path: &str, key: &str, body: &str) -> Answer {
    basic(keyway.api, method, path, (key, ""), body).await
}

const INVOICE: &str = r#"{"external_id":"order-1","amount":50000,"currency":"IDR"}"#;
const TOKEN: &str = r#"{"card_data":{"account_number":"4000000000001091","exp_month":"12","exp_year":"2030","cvn":"123"}}"#;

#[tokio::test]
async fn x01_every_request_is_authenticated_and_a_bad_key_never_reaches_the_api() {
    let keyway = Keyway::start("xendit").await;
    let account = keyway.account().await;
    let made = secret_key(&keyway, &account, "test", json!("everything")).await;
    let key = made.shown("key");
    call(&keyway, "POST", "/v2/invoices", &key, INVOICE).await.expect(200);

    let none = send(keyway.api, "POST", "/v2/invoices", &[], INVOICE).await.expect(401);
    assert_eq!(none.json()["error_code"], "INVALID_API_KEY");
    assert!(none.header("www-authenticate").is_some_and(|value| value.starts_with("Basic realm=")));
    let mut wrong = key.clone();
    wrong.replace_range(20..21, if &key[20..21] == "a" { "b" } else { "a" });
    call(&keyway, "POST", "/v2/invoices", &wrong, INVOICE).await.expect(401);
    keyway.act(&account, &made.id(), "delete", json!({})).await.expect(200);
    call(&keyway, "POST", "/v2/invoices", &key, INVOICE).await.expect(401);

    // What was refused made nothing: one invoice is there, seen with a new key.
    let other = secret_key(&keyway, &account, "test", json!("everything")).await.shown("key");
    let list = call(&keyway, "GET", "/v2/invoices", &other, "").await.expect(200).json();
    let count = list.as_array().or_else(|| list["data"].as_array()).expect("a list").len();
    assert_eq!(count, 1);
}

#[tokio::test]
async fn x02_a_request_runs_in_exactly_one_environment_the_one_of_its_key() {
    let keyway = Keyway::start("xendit").await;
    let account = keyway.account().await;
    let test = secret_key(&keyway, &account, "test", json!("everything")).await.shown("key");
    let live = secret_key(&keyway, &account, "live", json!("everything")).await.shown("key");
    assert!(test.starts_with("xnd_development_") && live.starts_with("xnd_production_"));
    let made = call(&keyway, "POST", "/v2/invoices", &test, INVOICE).await.expect(200);
    let path = format!("/v2/invoices/{}", made.id());
    call(&keyway, "GET", &path, &test, "").await.expect(200);
    call(&keyway, "GET", &path, &live, "").await.expect(404);
    // An endpoint of production alone refuses the sandbox's key.
    basic(keyway.live_api, "GET", "/balance", (&test, ""), "").await.expect(401);
    basic(keyway.live_api, "GET", "/balance", (&live, ""), "").await.expect(200);
}

#[tokio::test]
async fn x03_a_public_key_makes_tokens_and_authenticates_cards_and_nothing_else() {
    let keyway = Keyway::start("xendit").await;
    let account = keyway.account().await;
    let list = keyway.get(&format!("/v1/accounts/{account}/credentials")).await.expect(200).json();
    let public = list["data"].as_array().expect("a list");
    let id = public[0]["id"].as_str().expect("an id");
    // Readable again at any time, and the same each time.
    let first = keyway.act(&account, id, "reveal", json!({})).await.expect(200).shown("key");
    let again = keyway.act(&account, id, "reveal", json!({})).await.expect(200).shown("key");
    assert_eq!(first, again);
    assert!(first.starts_with("xnd_public_"));
    let token = call(&keyway, "POST", "/credit_card_tokens", &first, TOKEN).await.expect(200);
    let authenticate = format!("/credit_card_tokens/{}/authentications", token.id());
    call(&keyway, "POST", &authenticate, &first, r#"{"amount":50000}"#).await.expect(200);
    for (method, path) in [
        ("GET", "/balance"),
        ("POST", "/v2/invoices"),
        ("GET", "/v2/invoices"),
        ("POST", "/credit_card_charges"),
        ("POST", "/disbursements"),
        ("GET", "/no/such/path"),
    ] {
        let refused = call(&keyway, method, path, &first, "").await.expect(403);
        assert_eq!(refused.json()["error_code"], "REQUEST_FORBIDDEN_ERROR", "{method} {path}");
    }
}

#[tokio::test]
async fn x04_registration_gives_one_public_key_per_environment_and_no_secret_key() {
    let keyway = Keyway::start("xendit").await;
    let account = keyway.account().await;
    let list = keyway.get(&format!("/v1/accounts/{account}/credentials")).await.expect(200).json();
    let mut found: Vec<(&str, &str)> = list["data"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| {
            let word = |name: &str| one[name].as_str().expect("a word");
            (word("kind"), word("environment"))
        })
        .collect();
    found.sort_unstable();
    assert_eq!(found, [("public", "live"), ("public", "test")]);
}

#[tokio::test]
async fn x06_write_includes_read() {
    let keyway = Keyway::start("xendit").await;
    let account = keyway.account().await;
    let key_with = async |level: &str| {
        secret_key(&keyway, &account, "test", json!({ "invoices": level })).await.shown("key")
    };
    let (none, read, write) =
        (key_with("None").await, key_with("Read").await, key_with("Write").await);
    for (key, may_read, may_write) in [(&none, 403, 403), (&read, 200, 403), (&write, 200, 200)] {
        call(&keyway, "GET", "/v2/invoices", key, "").await.expect(may_read);
        call(&keyway, "POST", "/v2/invoices", key, INVOICE).await.expect(may_write);
        // Nothing was said of the balance: that is None.
        call(&keyway, "GET", "/balance", key, "").await.expect(403);
    }
}

#[tokio::test]
async fn x08_a_deleted_key_is_refused_from_the_answer_on_and_deleting_asks_for_the_password() {
    let keyway = Keyway::start("xendit").await;
    let account = keyway.account().await;
    let made = secret_key(&keyway, &account, "live", json!("everything")).await;
    let key = made.shown("key");
    let member = |step_up: Option<&str>| json!({ "on_behalf_of": { "member": "ana@toko.test", "role": "owner", "step_up": step_up } });
    let refused = keyway.act(&account, &made.id(), "delete", member(None)).await.expect(403);
    assert_eq!(refused.json()["code"], "step_up_required");
    keyway.act(&account, &made.id(), "delete", member(Some("otp"))).await.expect(403);
    call(&keyway, "GET", "/balance", &key, "").await.expect(200);
    keyway.act(&account, &made.id(), "delete", member(Some("password"))).await.expect(200);
    let gone = call(&keyway, "GET", "/balance", &key, "").await.expect(401);
    assert_eq!(gone.json()["message"], "The API key was deleted.");
    keyway.get(&format!("/v1/accounts/{account}/credentials")).await.expect(200);
    let list = keyway.get(&format!("/v1/accounts/{account}/credentials?revoked=true")).await;
    assert!(!list.text.contains(&made.id()), "a deleted key is on no list");
}

#[tokio::test]
async fn x10_one_choice_sets_a_whole_group() {
    let keyway = Keyway::start("xendit").await;
    let account = keyway.account().await;
    let grant = json!({ "money-in": "write", "money-out": "read" });
    let made = secret_key(&keyway, &account, "test", grant).await;
    let key = made.shown("key");
    call(&keyway, "POST", "/v2/invoices", &key, INVOICE).await.expect(200);
    call(&keyway, "GET", "/qr_codes", &key, "").await.expect(200);
    call(&keyway, "GET", "/callback_virtual_accounts", &key, "").await.expect(200);
    call(&keyway, "GET", "/balance", &key, "").await.expect(200);
    call(&keyway, "POST", "/disbursements", &key, "{}").await.expect(403);
    assert_eq!(made.json()["grant"]["balance"], json!(["read"]));
    // What is said of a resource holds over what is said of its group, in either order.
    for grant in [
        json!({ "money-in": "write", "invoices": "none" }),
        json!({ "invoices": "none", "money-in": "write" }),
    ] {
        let narrow = secret_key(&keyway, &account, "test", grant).await.shown("key");
        call(&keyway, "GET", "/v2/invoices", &narrow, "").await.expect(403);
        call(&keyway, "GET", "/qr_codes", &narrow, "").await.expect(200);
    }
}

#[tokio::test]
async fn x11_a_request_id_finds_the_request_without_the_key() {
    let keyway = Keyway::start("xendit").await;
    let account = keyway.account().await;
    let made = secret_key(&keyway, &account, "test", json!({ "invoices": "read" })).await;
    let key = made.shown("key");
    for (method, path, decision, reason, needed) in [
        ("GET", "/v2/invoices", "allowed", Value::Null, json!("invoices:read")),
        ("POST", "/v2/invoices", "refused", json!("insufficient_scope"), json!("invoices:write")),
        ("GET", "/nowhere", "refused", json!("insufficient_scope"), json!("an unlisted route")),
    ] {
        let answer = call(&keyway, method, path, &key, "").await;
        let id = answer.header("request-id").expect("every answer has one").to_owned();
        let found = keyway.get(&format!("/v1/requests/{id}")).await.expect(200).json();
        assert_eq!(found["credential"], made.id());
        assert_eq!(found["account"], account);
        assert_eq!(found["decision"], decision);
        assert_eq!(found["reason"], reason);
        assert_eq!(found["needed"], needed);
        assert_eq!(found["method"], method);
        assert_eq!(found["at"], "2026-11-21T12:00:00Z");
        assert!(!id.contains(&key[20..]), "the id does not hold the key");
    }
    let nobody = send(keyway.api, "GET", "/balance", &[], "").await.expect(401);
    let id = nobody.header("request-id").expect("also without a key");
    let found = keyway.get(&format!("/v1/requests/{id}")).await.expect(200).json();
    assert_eq!((found["reason"].as_str(), &found["credential"]), (Some("missing"), &Value::Null));
    // A made-up or altered id finds nothing, and an answer of the management API has its own.
    let mut altered = id.to_owned();
    altered.replace_range(10..11, if &id[10..11] == "A" { "B" } else { "A" });
    let refused = keyway.get(&format!("/v1/requests/{altered}")).await.expect(404);
    assert!(refused.header("request-id").is_some());
    // The client's own id is handed back beside ours.
    let own = basic(keyway.api, "GET", "/v2/invoices", (&key, ""), "").await;
    assert_eq!(own.header("request-id"), own.header("x-request-id"));
    let auth = format!("Basic {}", base64(&format!("{key}:")));
    let headers = [("authorization", auth.as_str()), ("x-request-id", "trace-42")];
    let theirs = send(keyway.api, "GET", "/v2/invoices", &headers, "").await.expect(200);
    assert_eq!(theirs.header("x-request-id"), Some("trace-42"));
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

#[tokio::test]
async fn x12_a_key_where_it_does_not_belong_is_refused_and_repeated_nowhere() {
    let keyway = Keyway::start("xendit").await;
    let account = keyway.account().await;
    let key = secret_key(&keyway, &account, "live", json!("everything")).await.shown("key");
    for path in [
        format!("/balance?api_key={key}"),
        format!("/v2/invoices/{key}"),
        format!("/balance?x=1&k={}", key.replace('_', "%5F")),
    ] {
        let refused = call(&keyway, "GET", &path, &key, "").await.expect(401);
        assert!(refused.text.contains("URL"), "{}", refused.text);
        assert!(!refused.text.contains(&key) && !refused.head.contains(&key));
    }
    let as_name = json!({
        "kind": "secret", "environment": "test", "name": key, "grant": "everything",
    });
    let refused = keyway.create(&account, as_name).await.expect(400);
    assert_eq!(refused.json()["code"], "credential_misplaced");
    assert!(!refused.text.contains(&key));
    // The whole store and every log line are searched by `canary`.
}

#[tokio::test]
async fn x13_the_breach_path_has_no_failing_request_on_the_way() {
    let keyway = Keyway::start("xendit").await;
    let account = keyway.account().await;
    let old = secret_key(&keyway, &account, "live", json!("everything")).await;
    let old_key = old.shown("key");
    call(&keyway, "GET", "/balance", &old_key, "").await.expect(200);
    let new_key = secret_key(&keyway, &account, "live", json!("everything")).await.shown("key");
    call(&keyway, "GET", "/balance", &new_key, "").await.expect(200);
    call(&keyway, "GET", "/balance", &old_key, "").await.expect(200);
    keyway.act(&account, &old.id(), "delete", json!({})).await.expect(200);
    call(&keyway, "GET", "/balance", &old_key, "").await.expect(401);
    call(&keyway, "GET", "/balance", &new_key, "").await.expect(200);
}

#[tokio::test]
async fn the_schemes_rate_limit_holds_and_is_told_in_the_platforms_headers() {
    let keyway = Keyway::start("xendit").await;
    let account = keyway.account().await;
    let key = secret_key(&keyway, &account, "test", json!("everything")).await.shown("key");
    for used in 1..=60_u32 {
        let answer = call(&keyway, "GET", "/balance", &key, "").await.expect(200);
        assert_eq!(answer.header("rate-limit-limit"), Some("60"));
        assert_eq!(answer.header("rate-limit-remaining"), Some((60 - used).to_string().as_str()));
    }
    let refused = call(&keyway, "GET", "/balance", &key, "").await.expect(429);
    assert_eq!(refused.json()["error_code"], "RATE_LIMIT_EXCEEDED");
    assert_eq!(refused.header("retry-after"), Some("1"));
    keyway.clock.advance_ms(MINUTE);
    call(&keyway, "GET", "/balance", &key, "").await.expect(200);
}
