//! OAuth 2.0: tokens for pairs, what they are worth, and their end. `tests/clients` has real clients.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::harness::{Answer, Keyway, MINUTE, bearer, send, until};

struct Pair {
    account: String,
    id: String,
    client_id: String,
    client_secret: String,
}

impl Pair {
    async fn with(keyway: &Keyway, account: &str, grant: Value) -> Self {
        let body =
            json!({ "kind": "client", "environment": "live", "name": "Shop", "grant": grant });
        let made = keyway.create(account, body).await.expect(201);
        Self {
            account: account.to_owned(),
            id: made.id(),
            client_id: made.shown("client_id"),
            client_secret: made.shown("client_secret"),
        }
    }

    async fn new(keyway: &Keyway) -> Self {
        let account = keyway.account().await;
        Self::with(keyway, &account, json!({ "payments": "write", "balance": "read" })).await
    }

    fn basic(&self) -> String {
        format!("Basic {}", STANDARD.encode(format!("{}:{}", self.client_id, self.client_secret)))
    }

    /// Calls an endpoint with the pair in the header.
    async fn call(&self, keyway: &Keyway, path: &str, form: &str) -> Answer {
        post(keyway, path, &[("authorization", &self.basic())], form).await
    }

    async fn token(&self, keyway: &Keyway, scope: &str) -> String {
        let form = format!("grant_type=client_credentials&scope={scope}");
        let issued = self.call(keyway, "/oauth/token", &form).await.expect(200).json();
        issued["access_token"].as_str().expect("a token").to_owned()
    }
}

async fn post(keyway: &Keyway, path: &str, headers: &[(&str, &str)], form: &str) -> Answer {
    let mut all = vec![("content-type", "application/x-www-form-urlencoded")];
    all.extend(headers);
    let length = form.len().to_string();
    all.push(("content-length", &length));
    let mut request = format!("POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n");
    for (name, value) in all {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!("\r\n{form}"));
    crate::harness::send_raw(keyway.public, request.as_bytes()).await
}

#[tokio::test]
async fn a_pair_is_traded_for_a_token_that_is_good_for_what_was_asked() {
    let keyway = Keyway::start("xtopay").await;
    let pair = Pair::new(&keyway).await;
    let form = "grant_type=client_credentials";
    let issued = pair.call(&keyway, "/oauth/token", form).await.expect(200);
    assert_eq!(issued.header("cache-control"), Some("no-store"));
    assert_eq!(issued.header("pragma"), Some("no-cache"));
    assert!(issued.header("request-id").is_some_and(|id| id.starts_with("req_")));
    let said = issued.json();
    assert_eq!(said["token_type"], "Bearer");
    assert_eq!(said["expires_in"], 900);
    assert_eq!(said["scope"], "balance:read payments:read payments:write");
    let token = said["access_token"].as_str().expect("a token");
    bearer(keyway.live_api, "GET", "/v1/balance", token).await.expect(200);
    bearer(keyway.test_api, "GET", "/v1/balance", token).await.expect(403);
    bearer(keyway.remote_api, "GET", "/v1/balance", token).await.expect(200);
    let narrow = pair.token(&keyway, "payments:read").await;
    bearer(keyway.live_api, "GET", "/v1/payments", &narrow).await.expect(200);
    bearer(keyway.live_api, "GET", "/v1/balance", &narrow).await.expect(403);
    bearer(keyway.live_api, "POST", "/v1/payments", &narrow).await.expect(403);
    for scope in ["payments:read nothing:read", "payouts:write", "payments", "*:write", ":"] {
        let form = format!("grant_type=client_credentials&scope={scope}");
        let refused = pair.call(&keyway, "/oauth/token", &form).await.expect(400);
        assert_eq!(refused.json()["error"], "invalid_scope", "{scope}");
    }
    keyway.clock.advance_ms(15 * MINUTE);
    bearer(keyway.live_api, "GET", "/v1/balance", token).await.expect(401);
}

#[tokio::test]
async fn everything_stays_everything_and_a_star_is_every_resource() {
    let keyway = Keyway::start("xtopay").await;
    let account = keyway.account().await;
    let pair = Pair::with(&keyway, &account, json!("everything")).await;
    let form = "grant_type=client_credentials";
    let issued = pair.call(&keyway, "/oauth/token", form).await.expect(200).json();
    assert_eq!(issued["scope"], "*:read *:write");
    let reads = pair.token(&keyway, "*:read").await;
    bearer(keyway.live_api, "GET", "/v1/balance", &reads).await.expect(200);
    bearer(keyway.live_api, "POST", "/v1/payments", &reads).await.expect(403);
}

#[tokio::test]
async fn a_token_dies_with_its_pair_at_once() {
    let keyway = Keyway::start("xtopay").await;
    let pair = Pair::new(&keyway).await;
    let token = pair.token(&keyway, "balance:read").await;
    bearer(keyway.live_api, "GET", "/v1/balance", &token).await.expect(200);
    let path = format!("/v1/accounts/{}/credentials/{}", pair.account, pair.id);
    let narrowed = json!({ "grant": { "payments": "read" } });
    keyway.manage("PATCH", &path, &narrowed).await.expect(200);
    bearer(keyway.live_api, "GET", "/v1/balance", &token).await.expect(403);
    let other = pair.token(&keyway, "payments:read").await;
    keyway.act(&pair.account, &pair.id, "revoke", json!({})).await.expect(200);
    bearer(keyway.live_api, "GET", "/v1/payments", &other).await.expect(401);
    let refused = pair.call(&keyway, "/oauth/token", "grant_type=client_credentials").await;
    assert_eq!(refused.expect(401).json()["error"], "invalid_client");
}

#[tokio::test]
async fn a_client_revokes_its_own_token_and_no_other() {
    let keyway = Keyway::start("xtopay").await;
    let pair = Pair::new(&keyway).await;
    let other = Pair::with(&keyway, &pair.account, json!({ "balance": "read" })).await;
    let (first, second) =
        (pair.token(&keyway, "balance:read").await, pair.token(&keyway, "balance:read").await);
    let form = format!("token={first}&token_type_hint=access_token");
    let refused = other.call(&keyway, "/oauth/revoke", &form).await.expect(400);
    assert_eq!(refused.json()["error"], "unauthorized_client");
    bearer(keyway.live_api, "GET", "/v1/balance", &first).await.expect(200);
    for _ in 0..2 {
        let done = pair.call(&keyway, "/oauth/revoke", &form).await.expect(200);
        assert_eq!(done.text, "{}");
    }
    let ended = bearer(keyway.live_api, "GET", "/v1/balance", &first).await.expect(401);
    assert!(ended.text.contains("revoked"), "{}", ended.text);
    bearer(keyway.live_api, "GET", "/v1/balance", &second).await.expect(200);
    pair.call(&keyway, "/oauth/revoke", "token=nothing").await.expect(200);
    let in_url = format!("/v1/balance?access_token={second}");
    bearer(keyway.live_api, "GET", &in_url, &second).await.expect(401);
    let events = keyway.events(&pair.account).await;
    let revoked = events.iter().filter(|event| *event == "api_key.token_revoked").count();
    assert_eq!(revoked, 1);
    // Nor does it come back with the process.
    let keyway = keyway.restart("xtopay").await;
    bearer(keyway.live_api, "GET", "/v1/balance", &first).await.expect(401);
    bearer(keyway.live_api, "GET", "/v1/balance", &second).await.expect(200);
    keyway.clock.advance_ms(16 * MINUTE);
    keyway_server::worker::tidy(&keyway.app).await.expect("it is tidied");
}

#[tokio::test]
async fn who_asks_learns_of_its_own_accounts_tokens_only() {
    let keyway = Keyway::start("xtopay").await;
    let pair = Pair::new(&keyway).await;
    let stranger = Pair::new(&keyway).await;
    let token = pair.token(&keyway, "balance:read").await;
    let form = format!("token={token}");
    let active = pair.call(&keyway, "/oauth/introspect", &form).await.expect(200).json();
    assert_eq!(active["active"], true);
    assert_eq!(active["scope"], "balance:read");
    assert_eq!(active["client_id"], pair.id.as_str());
    assert_eq!(active["sub"], pair.account.as_str());
    let lives = active["exp"].as_i64().zip(active["iat"].as_i64()).map(|(exp, iat)| exp - iat);
    assert_eq!(lives, Some(900));
    let nothing = json!({ "active": false });
    let foreign = stranger.call(&keyway, "/oauth/introspect", &form).await.expect(200).json();
    assert_eq!(foreign, nothing);
    let unknown = pair.call(&keyway, "/oauth/introspect", "token=kwt_x").await.expect(200).json();
    assert_eq!(unknown, nothing);
    // A server of the platform: by an operator token, as bearer or as the secret of a pair.
    let operator = format!("Bearer {}", keyway.token);
    let asked = post(&keyway, "/oauth/introspect", &[("authorization", &operator)], &form).await;
    assert_eq!(asked.expect(200).json()["active"], true);
    let named = STANDARD.encode(format!("apache:{}", keyway.token));
    let named = format!("Basic {named}");
    let asked = post(&keyway, "/oauth/introspect", &[("authorization", &named)], &form).await;
    assert_eq!(asked.expect(200).json()["active"], true);
    post(&keyway, "/oauth/introspect", &[("authorization", "Bearer x")], &form).await.expect(401);
    post(&keyway, "/oauth/introspect", &[], &form).await.expect(401);
    keyway.act(&pair.account, &pair.id, "revoke", json!({})).await.expect(200);
    let asked = post(&keyway, "/oauth/introspect", &[("authorization", &operator)], &form).await;
    assert_eq!(asked.expect(200).json(), nothing);
}

#[tokio::test]
async fn clients_authenticate_in_one_way_and_in_any_encoding() {
    let keyway = Keyway::start("xtopay").await;
    let pair = Pair::new(&keyway).await;
    let (id, secret) = (&pair.client_id, &pair.client_secret);
    let grant = "grant_type=client_credentials";
    let in_body = format!("{grant}&client_id={id}&client_secret={secret}");
    post(&keyway, "/oauth/token", &[], &in_body).await.expect(200);
    // One client encodes even what needs no encoding.
    let escaped = |text: &str| text.replace('_', "%5F");
    let value = STANDARD.encode(format!("{}:{}", escaped(id), escaped(secret)));
    let encoded = format!("Basic {value}");
    post(&keyway, "/oauth/token", &[("authorization", &encoded)], grant).await.expect(200);
    let json_body = json!({ "grant_type": "client_credentials", "scope": "balance:read" });
    let basic = pair.basic();
    let headers = [("authorization", basic.as_str()), ("content-type", "application/json")];
    send(keyway.public, "POST", "/oauth/token", &headers[..1], &json_body.to_string())
        .await
        .expect(200);
    let own = [("authorization", basic.as_str())];
    let same = format!("{grant}&client_id={id}");
    post(&keyway, "/oauth/token", &own, &same).await.expect(200);
    let refused = [
        (400, "invalid_request", own.to_vec(), in_body.clone()),
        (400, "invalid_request", own.to_vec(), format!("{grant}&client_id=cid_live_other")),
        (400, "invalid_request", own.to_vec(), format!("{grant}&{grant}")),
        (400, "invalid_request", own.to_vec(), String::new()),
        (400, "invalid_request", [own, own].concat(), grant.to_owned()),
        (400, "unsupported_grant_type", own.to_vec(), "grant_type=password".to_owned()),
        (401, "invalid_client", Vec::new(), grant.to_owned()),
        (401, "invalid_client", vec![("authorization", "Basic !")], grant.to_owned()),
        (401, "invalid_client", vec![("authorization", "Basic eDp5")], grant.to_owned()),
        (401, "invalid_client", Vec::new(), format!("{grant}&client_id={id}&client_secret=x")),
    ];
    for (status, error, headers, form) in refused {
        let answer = post(&keyway, "/oauth/token", &headers, &form).await;
        assert_eq!((answer.status, &answer.json()["error"]), (status, &json!(error)), "{form}");
        // The challenge is for who tried the header.
        let tried = status == 401 && !headers.is_empty();
        assert_eq!(answer.header("www-authenticate").is_some(), tried, "{form}");
        assert!(!answer.text.contains(secret.as_str()));
    }
    let in_url = format!("/oauth/token?client_id={id}&client_secret={secret}");
    post(&keyway, &in_url, &[], grant).await.expect(400);
    keyway.manage("GET", "/oauth/token", &Value::Null).await.expect(405);
}

#[tokio::test]
async fn the_metadata_names_every_endpoint_and_a_scheme_without_tokens_has_none() {
    let keyway = Keyway::start("xtopay").await;
    let path = "/.well-known/oauth-authorization-server";
    let said = send(keyway.public, "GET", path, &[], "").await.expect(200).json();
    let issuer = said["issuer"].as_str().expect("an issuer");
    for endpoint in ["token", "introspection", "revocation"] {
        let url = said[format!("{endpoint}_endpoint")].as_str().expect("a URL");
        assert!(url.starts_with(&format!("{issuer}/oauth/")), "{url}");
    }
    let other = Keyway::start("enterprise").await;
    send(other.public, "GET", path, &[], "").await.expect(404);
    assert_eq!(
        post(&other, "/oauth/token", &[], "grant_type=client_credentials").await.status,
        404
    );
}

#[tokio::test]
async fn a_token_that_one_node_ends_is_refused_by_the_others_when_the_call_returns() {
    let keyway = Keyway::start("xtopay").await;
    if !keyway.database.is_on_server() {
        return;
    }
    let other = keyway.beside("xtopay").await;
    let pair = Pair::new(&keyway).await;
    for _ in 0..10 {
        let token = pair.token(&keyway, "balance:read").await;
        bearer(other.live_api, "GET", "/v1/balance", &token).await.expect(200);
        pair.call(&keyway, "/oauth/revoke", &format!("token={token}")).await.expect(200);
        bearer(other.live_api, "GET", "/v1/balance", &token).await.expect(401);
    }
    for node in [&keyway, &other] {
        assert_eq!(node.histories(), 0, "a token's end is an entry that is understood");
    }
}

#[tokio::test]
async fn a_revocation_that_the_database_has_lost_is_put_back() {
    const TABLES: [&str; 4] = ["change_head", "change_log", "ended_tokens", "node_lease"];
    let keyway = Keyway::start("xtopay").await;
    if !keyway.database.is_on_server() {
        return;
    }
    let other = keyway.beside("xtopay").await;
    let pair = Pair::new(&keyway).await;
    let (lost, kept) =
        (pair.token(&keyway, "balance:read").await, pair.token(&keyway, "balance:read").await);
    let editor = keyway.database.editor();
    for table in TABLES {
        editor.must(&format!("CREATE TABLE kept_{table} AS SELECT * FROM {table}"));
    }
    pair.call(&keyway, "/oauth/revoke", &format!("token={lost}")).await.expect(200);
    let restore: String = TABLES
        .iter()
        .map(|table| {
            format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept_{table};")
        })
        .collect();
    editor.must(&format!("BEGIN; {restore} COMMIT"));
    until(async || editor.number("SELECT COUNT(*) FROM ended_tokens") == 1).await;
    for node in [&keyway, &other] {
        until(async || node.histories() > 0).await;
        let good = async || bearer(node.live_api, "GET", "/v1/balance", &kept).await.status == 200;
        until(good).await;
        bearer(node.live_api, "GET", "/v1/balance", &lost).await.expect(401);
    }
}
