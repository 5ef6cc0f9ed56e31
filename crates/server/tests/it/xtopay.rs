//! The requirements of the scheme `xtopay` (T02 to T10).

use serde_json::{Value, json};

use crate::harness::{Answer, Keyway, MINUTE, basic, bearer};

async fn pair(keyway: &Keyway, account: &str, environment: &str, name: &str) -> Answer {
    let body = json!({
        "kind": "client", "environment": environment, "name": name, "grant": "everything",
    });
    keyway.create(account, body).await.expect(201)
}

fn strings(made: &Answer) -> (String, String) {
    (made.shown("client_id"), made.shown("client_secret"))
}

async fn call(keyway: &Keyway, (id, secret): &(String, String)) -> Answer {
    basic(keyway.api, "GET", "/v1/balance", (id, secret), "").await
}

#[tokio::test]
async fn t02_a_lost_secret_cannot_be_retrieved_by_anyone_only_rotated() {
    let keyway = Keyway::start("xtopay").await;
    let account = keyway.account().await;
    let made = pair(&keyway, &account, "live", "Billing").await;
    let (_, secret) = strings(&made);
    let id = made.id();
    // No read shows it, for the operator either.
    for path in [
        format!("/v1/accounts/{account}/credentials/{id}"),
        format!("/v1/accounts/{account}/credentials"),
        format!("/v1/accounts/{account}/events"),
        "/v1/events".to_owned(),
    ] {
        let answer = keyway.get(&path).await.expect(200);
        assert!(!answer.text.contains(&secret[9..]), "{path}");
    }
    let refused = keyway.act(&account, &id, "reveal", json!({})).await.expect(403);
    assert_eq!(refused.json()["code"], "not_in_scheme");
    let rotated = keyway.act(&account, &id, "rotate", json!({})).await.expect(200);
    assert_ne!(rotated.shown("client_secret"), secret);
}

#[tokio::test]
async fn t03_ids_and_secrets_have_the_documents_form() {
    let keyway = Keyway::start("xtopay").await;
    let account = keyway.account().await;
    for environment in ["test", "live"] {
        let (id, secret) = strings(&pair(&keyway, &account, environment, "Form").await);
        let random = |text: &str, prefix: &str| {
            let rest = text.strip_prefix(&format!("{prefix}_{environment}_")).expect("the prefix");
            assert!(rest.bytes().all(|byte| byte.is_ascii_alphanumeric()));
            rest.len()
        };
        assert_eq!((random(&id, "cid"), random(&secret, "csk")), (32, 64));
    }
}

#[tokio::test]
async fn t05_basic_with_id_and_secret_and_also_bearer_of_the_pair() {
    let keyway = Keyway::start("xtopay").await;
    let account = keyway.account().await;
    let pair = strings(&pair(&keyway, &account, "test", "HTTP").await);
    call(&keyway, &pair).await.expect(200);
    let payment = r#"{"amount":5000,"currency":"GHS"}"#;
    let (id, secret) = &pair;
    basic(keyway.api, "POST", "/v1/payments", (id, secret), payment).await.expect(201);
    let encoded = {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(format!("{id}:{secret}"))
    };
    bearer(keyway.api, "GET", "/v1/balance", &encoded).await.expect(200);
    // The secret alone is not the pair, another pair's id is not this one's.
    bearer(keyway.api, "GET", "/v1/balance", secret).await.expect(401);
    basic(keyway.api, "GET", "/v1/balance", (secret, ""), "").await.expect(401);
    let other = self::pair(&keyway, &account, "test", "Other").await.shown("client_id");
    let refused = basic(keyway.api, "GET", "/v1/balance", (&other, secret), "").await.expect(401);
    assert_eq!(refused.json()["error"]["code"], "invalid_credentials");
    // Judged over HTTP the answers are the same.
    basic(keyway.remote_api, "GET", "/v1/balance", (id, secret), "").await.expect(200);
    let remote = basic(keyway.remote_api, "GET", "/v1/balance", (&other, secret), "").await;
    assert_eq!(remote.expect(401).json()["error"]["code"], "invalid_credentials");
}

#[tokio::test]
async fn t06_several_pairs_at_once_each_revocable_on_its_own() {
    let keyway = Keyway::start("xtopay").await;
    let account = keyway.account().await;
    let mut pairs = Vec::new();
    for name in ["Billing", "Reports", "Mobile"] {
        let made = pair(&keyway, &account, "live", name).await;
        pairs.push((made.id(), strings(&made)));
    }
    keyway.act(&account, &pairs[1].0, "revoke", json!({})).await.expect(200);
    for (place, (_, pair)) in pairs.iter().enumerate() {
        call(&keyway, pair).await.expect(if place == 1 { 401 } else { 200 });
    }
}

#[tokio::test]
async fn t07_each_pair_has_a_label() {
    let keyway = Keyway::start("xtopay").await;
    let account = keyway.account().await;
    let made = pair(&keyway, &account, "live", "Billing service").await;
    let path = format!("/v1/accounts/{account}/credentials/{}", made.id());
    assert_eq!(made.json()["name"], "Billing service");
    let body = json!({ "name": "Mobile app backend" });
    keyway.manage("PATCH", &path, &body).await.expect(200);
    assert_eq!(keyway.show(&account, &made.id()).await["name"], "Mobile app backend");
    // The name travels with every verdict.
    let (id, secret) = strings(&made);
    let answer = keyway.verify(question(&id, &secret)).await.expect(200).json();
    assert_eq!(answer["identity"]["name"], "Mobile app backend");
}

fn question(id: &str, secret: &str) -> Value {
    use base64::Engine as _;
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("{id}:{secret}"));
    json!({
        "method": "GET", "path": "/v1/balance",
        "headers": [["authorization", format!("Basic {pair}")]],
    })
}

#[tokio::test]
async fn t08_after_a_rotation_the_old_secret_lives_fifteen_minutes_and_the_id_stays() {
    let keyway = Keyway::start("xtopay").await;
    let account = keyway.account().await;
    let made = pair(&keyway, &account, "live", "Billing").await;
    let old = strings(&made);
    let rotated = keyway.act(&account, &made.id(), "rotate", json!({})).await.expect(200);
    let new = strings(&rotated);
    assert_eq!(old.0, new.0, "the Client ID stays");
    assert_ne!(old.1, new.1);
    let secrets = &rotated.json()["secrets"];
    assert_eq!(secrets[1]["accepted_until"], "2026-11-21T12:15:00Z");
    for pair in [&old, &new] {
        call(&keyway, pair).await.expect(200);
    }
    keyway.clock.advance_ms(15 * MINUTE - 1);
    for pair in [&old, &new] {
        call(&keyway, pair).await.expect(200);
    }
    keyway.clock.advance_ms(1);
    call(&keyway, &old).await.expect(401);
    call(&keyway, &new).await.expect(200);
    // The overlap is the scheme's; nobody chooses another.
    let other = keyway.act(&account, &made.id(), "rotate", json!({ "overlap": "1h" })).await;
    assert_eq!(other.expect(422).json()["field"], "overlap");
    // Rotating again while one runs is refused.
    keyway.act(&account, &made.id(), "rotate", json!({})).await.expect(200);
    let again = keyway.act(&account, &made.id(), "rotate", json!({})).await.expect(409);
    assert_eq!(again.json()["code"], "overlap_running");
    assert_eq!(
        keyway.events(&account).await,
        ["account.created", "api_key.created", "api_key.rotated", "api_key.rotated"]
    );
}

#[tokio::test]
async fn t09_a_revoked_pair_is_refused_from_the_answer_on_in_both_generations() {
    let keyway = Keyway::start("xtopay").await;
    let account = keyway.account().await;
    let made = pair(&keyway, &account, "live", "Billing").await;
    let old = strings(&made);
    let new = strings(&keyway.act(&account, &made.id(), "rotate", json!({})).await.expect(200));
    keyway.act(&account, &made.id(), "revoke", json!({})).await.expect(200);
    call(&keyway, &old).await.expect(401);
    call(&keyway, &new).await.expect(401);
    // Revoking twice is no mistake; nothing else can be done to it any more.
    keyway.act(&account, &made.id(), "revoke", json!({})).await.expect(200);
    let refused = keyway.act(&account, &made.id(), "rotate", json!({})).await.expect(409);
    assert_eq!(refused.json()["code"], "credential_revoked");
    keyway.clock.advance_ms(60 * MINUTE);
    call(&keyway, &new).await.expect(401);
}

#[tokio::test]
async fn t10_what_is_shown_of_a_secret_is_its_first_eight_characters_and_its_last_four() {
    let keyway = Keyway::start("xtopay").await;
    let account = keyway.account().await;
    let made = pair(&keyway, &account, "live", "Billing").await;
    let (_, secret) = strings(&made);
    let shown = keyway.show(&account, &made.id()).await;
    let hint = shown["secrets"][0]["hint"].as_str().expect("a hint").to_owned();
    assert_eq!(hint, format!("{}…{}", &secret[..8], &secret[secret.len() - 4..]));
}

#[tokio::test]
async fn the_wrong_environment_is_a_403_in_this_dialect() {
    let keyway = Keyway::start("xtopay").await;
    let account = keyway.account().await;
    let (id, secret) = strings(&pair(&keyway, &account, "test", "Sandbox").await);
    let refused =
        basic(keyway.live_api, "GET", "/v1/balance", (&id, &secret), "").await.expect(403);
    assert_eq!(refused.json()["error"]["code"], "wrong_environment");
}
