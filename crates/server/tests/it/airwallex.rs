//! The requirements of the scheme `airwallex` (A01 to A10).

use serde_json::{Value, json};

use crate::harness::{Answer, Keyway, MINUTE, bearer, send};

const BALANCES: &str = "/api/v1/balances/current";
const LOGIN: &str = "/api/v1/authentication/login";

async fn admin(keyway: &Keyway, account: &str) -> Answer {
    let body = json!({ "kind": "admin", "environment": "live", "name": "Admin" });
    keyway.create(account, body).await.expect(201)
}

async fn restricted(keyway: &Keyway, account: &str, name: &str, grant: Value) -> Answer {
    let body = json!({
        "kind": "restricted", "environment": "live", "name": name, "grant": grant,
    });
    keyway.create(account, body).await.expect(201)
}

async fn login(keyway: &Keyway, id: &str, key: &str) -> Answer {
    let headers = [("x-client-id", id), ("x-api-key", key)];
    send(keyway.api, "POST", LOGIN, &headers, "").await
}

async fn token(keyway: &Keyway, made: &Answer) -> String {
    let answer = login(keyway, &made.shown("client_id"), &made.shown("key")).await.expect(201);
    answer.json()["token"].as_str().expect("a token").to_owned()
}

#[tokio::test]
async fn a01_client_id_and_key_authenticate_together_for_a_token_of_thirty_minutes() {
    let keyway = Keyway::start("airwallex").await;
    let account = keyway.account().await;
    let made = admin(&keyway, &account).await;
    let (id, key) = (made.shown("client_id"), made.shown("key"));
    let answer = login(&keyway, &id, &key).await.expect(201);
    assert_eq!(answer.json()["expires_at"], "2026-11-21T12:30:00+0000");
    let token = token(&keyway, &made).await;
    bearer(keyway.api, "GET", BALANCES, &token).await.expect(200);
    keyway.clock.advance_ms(30 * MINUTE - 1);
    bearer(keyway.api, "GET", BALANCES, &token).await.expect(200);
    keyway.clock.advance_ms(1);
    let over = bearer(keyway.api, "GET", BALANCES, &token).await.expect(401);
    assert_eq!(over.json()["code"], "credentials_expired");
    // Neither alone, nor with another's other half, nor the key in place of a token.
    let other = keyway.account().await;
    let theirs = admin(&keyway, &other).await.shown("client_id");
    let refused = login(&keyway, &theirs, &key).await.expect(401);
    assert_eq!(refused.json()["code"], "credentials_invalid");
    send(keyway.api, "POST", LOGIN, &[("x-api-key", &key)], "").await.expect(401);
    send(keyway.api, "POST", LOGIN, &[("x-client-id", &id)], "").await.expect(401);
    bearer(keyway.api, "GET", BALANCES, &key).await.expect(401);
    // The public listener answers logins too, for platforms that route them there.
    let headers = [("x-client-id", id.as_str()), ("x-api-key", key.as_str())];
    send(keyway.public, "POST", LOGIN, &headers, "{}").await.expect(201);
}

#[tokio::test]
async fn a02_the_admin_key_reaches_every_api_and_an_account_has_at_most_one() {
    let keyway = Keyway::start("airwallex").await;
    let account = keyway.account().await;
    let token = token(&keyway, &admin(&keyway, &account).await).await;
    for path in [BALANCES, "/api/v1/account", "/api/v1/issuing/cards", "/api/v1/transfers"] {
        bearer(keyway.api, "GET", path, &token).await.expect(200);
    }
    // Also what no list names: the answer is the API's own 404.
    bearer(keyway.api, "GET", "/api/v1/something/new", &token).await.expect(404);
    let second = json!({ "kind": "admin", "environment": "live", "name": "Second" });
    let refused = keyway.create(&account, second).await.expect(409);
    assert_eq!(refused.json()["code"], "already_exists");
    let sandbox = json!({ "kind": "admin", "environment": "test", "name": "Demo" });
    keyway.create(&account, sandbox).await.expect(201);
}

#[tokio::test]
async fn of_fifty_at_once_exactly_one_admin_key_is_made() {
    let keyway = std::sync::Arc::new(Keyway::start("airwallex").await);
    let account = keyway.account().await;
    let attempts: Vec<_> = (0..50)
        .map(|_| {
            let (keyway, account) = (keyway.clone(), account.clone());
            tokio::spawn(async move {
                let body = json!({ "kind": "admin", "environment": "live", "name": "Admin" });
                keyway.create(&account, body).await.status
            })
        })
        .collect();
    let mut made = 0;
    for attempt in attempts {
        match attempt.await.expect("it ran") {
            201 => made += 1,
            409 => {}
            other => panic!("{other}"),
        }
    }
    assert_eq!(made, 1);
}

#[tokio::test]
async fn a04_regenerating_ends_the_old_admin_key_at_once_and_the_client_id_stays() {
    let keyway = Keyway::start("airwallex").await;
    let account = keyway.account().await;
    let old = admin(&keyway, &account).await;
    let old_token = token(&keyway, &old).await;
    let new = keyway.act(&account, &old.id(), "regenerate", json!({})).await.expect(200);
    assert_eq!(new.shown("client_id"), old.shown("client_id"));
    assert_ne!(new.shown("key"), old.shown("key"));
    login(&keyway, &old.shown("client_id"), &old.shown("key")).await.expect(401);
    // A token dies with the secret that logged in, not at its own expiry.
    bearer(keyway.api, "GET", BALANCES, &old_token).await.expect(401);
    let token = token(&keyway, &new).await;
    bearer(keyway.api, "GET", BALANCES, &token).await.expect(200);
}

#[tokio::test]
async fn a05_view_is_get_and_edit_is_get_and_post() {
    let keyway = Keyway::start("airwallex").await;
    let account = keyway.account().await;
    let view = restricted(&keyway, &account, "View", json!({ "customers": "View" })).await;
    let edit = restricted(&keyway, &account, "Edit", json!({ "customers": "edit" })).await;
    assert_eq!(view.shown("client_id"), edit.shown("client_id"), "the account has one Client ID");
    let (view, edit) = (token(&keyway, &view).await, token(&keyway, &edit).await);
    let create = "/api/v1/pa/customers/create";
    for (token, get, post) in [(&view, 200, 403), (&edit, 200, 400)] {
        bearer(keyway.api, "GET", "/api/v1/pa/customers", token).await.expect(get);
        // An empty body is the API's own 400: the guard let it through.
        bearer(keyway.api, "POST", create, token).await.expect(post);
        bearer(keyway.api, "DELETE", "/api/v1/pa/customers", token).await.expect(403);
        bearer(keyway.api, "GET", BALANCES, token).await.expect(403);
    }
}

#[tokio::test]
async fn a06_some_apis_need_the_admin_key() {
    let keyway = Keyway::start("airwallex").await;
    let account = keyway.account().await;
    for resource in ["issuing", "account"] {
        let body = json!({
            "kind": "restricted", "environment": "live", "name": "Wide",
            "grant": { resource: "view" },
        });
        let refused = keyway.create(&account, body).await.expect(422);
        assert_eq!(refused.json()["field"], format!("grant.{resource}"));
    }
    let all = json!({
        "kind": "restricted", "environment": "live", "name": "All", "grant": "everything",
    });
    assert_eq!(keyway.create(&account, all).await.expect(422).json()["field"], "grant");
    let made = restricted(&keyway, &account, "Narrow", json!({ "balances": "view" })).await;
    let token = token(&keyway, &made).await;
    bearer(keyway.api, "GET", "/api/v1/issuing/cards", &token).await.expect(403);
    bearer(keyway.api, "GET", "/api/v1/something/new", &token).await.expect(403);
}

#[tokio::test]
async fn a07_a_restricted_key_can_be_regenerated() {
    let keyway = Keyway::start("airwallex").await;
    let account = keyway.account().await;
    let old = restricted(&keyway, &account, "Shop", json!({ "balances": "view" })).await;
    let new = keyway.act(&account, &old.id(), "regenerate", json!({})).await.expect(200);
    login(&keyway, &old.shown("client_id"), &old.shown("key")).await.expect(401);
    let token = token(&keyway, &new).await;
    bearer(keyway.api, "GET", BALANCES, &token).await.expect(200);
}

#[tokio::test]
async fn a08_its_scope_can_be_edited_and_the_secret_stays() {
    let keyway = Keyway::start("airwallex").await;
    let account = keyway.account().await;
    let made = restricted(&keyway, &account, "Shop", json!({ "balances": "view" })).await;
    let token = token(&keyway, &made).await;
    bearer(keyway.api, "GET", BALANCES, &token).await.expect(200);
    let path = format!("/v1/accounts/{account}/credentials/{}", made.id());
    let grant = json!({ "grant": { "transfers": "view" } });
    let edited = keyway.manage("PATCH", &path, &grant).await.expect(200);
    assert_eq!(edited.json()["secret"], Value::Null);
    // From the answer on, also for the token that is out already.
    bearer(keyway.api, "GET", BALANCES, &token).await.expect(403);
    bearer(keyway.api, "GET", "/api/v1/transfers", &token).await.expect(200);
    login(&keyway, &made.shown("client_id"), &made.shown("key")).await.expect(201);
}

#[tokio::test]
async fn a09_it_can_be_duplicated_with_the_same_or_a_changed_scope() {
    let keyway = Keyway::start("airwallex").await;
    let account = keyway.account().await;
    let made = restricted(&keyway, &account, "Shop", json!({ "balances": "view" })).await;
    let same = keyway.act(&account, &made.id(), "duplicate", json!({})).await.expect(201);
    assert_eq!(same.json()["grant"], made.json()["grant"]);
    assert_eq!(same.json()["name"], "Shop (copy)");
    let body = json!({ "name": "Plugin", "grant": { "customers": "edit" } });
    let other = keyway.act(&account, &made.id(), "duplicate", body).await.expect(201);
    assert_eq!(other.json()["grant"], json!({ "customers": ["read", "write"] }));
    for copy in [&same, &other] {
        assert_ne!(copy.shown("key"), made.shown("key"));
        token(&keyway, copy).await;
    }
    let body = json!({ "grant": { "issuing": "view" } });
    keyway.act(&account, &made.id(), "duplicate", body).await.expect(422);
}

#[tokio::test]
async fn a10_it_can_be_deleted() {
    let keyway = Keyway::start("airwallex").await;
    let account = keyway.account().await;
    let made = restricted(&keyway, &account, "Shop", json!({ "balances": "view" })).await;
    let token = token(&keyway, &made).await;
    keyway.act(&account, &made.id(), "delete", json!({})).await.expect(200);
    bearer(keyway.api, "GET", BALANCES, &token).await.expect(401);
    login(&keyway, &made.shown("client_id"), &made.shown("key")).await.expect(401);
    let path = format!("/v1/accounts/{account}/credentials/{}", made.id());
    keyway.get(&path).await.expect(200);
    keyway.act(&account, &made.id(), "regenerate", json!({})).await.expect(404);
}
