//! Everything of an account revoked in one call.

use serde_json::{Value, json};

use crate::harness::{Keyway, bearer};
use crate::receiver::Receiver;

async fn made(keyway: &Keyway, account: &str, environment: &str) -> (String, String) {
    let made = keyway
        .create(
            account,
            json!({ "kind": "key", "environment": environment, "name": "K", "grant": "everything" }),
        )
        .await
        .expect(201);
    (made.id(), made.shown("key"))
}

#[tokio::test]
async fn all_credentials_end_in_one_act_with_one_place_in_the_log_and_one_letter() {
    let keyway = Keyway::start("enterprise").await;
    let (account, other) = (keyway.account().await, keyway.account().await);
    let mut keys = Vec::new();
    for number in 0..30 {
        keys.push(made(&keyway, &account, if number % 3 == 0 { "test" } else { "live" }).await);
    }
    let (_, theirs) = made(&keyway, &other, "live").await;
    let path = format!("/v1/accounts/{account}/credentials/revoke-all");
    let editor = keyway.database.editor();
    let head = || editor.number("SELECT seq FROM change_head");
    let before = head();
    let answer = keyway.post(&path, json!({ "environment": "live" })).await.expect(200).json();
    assert_eq!((&answer["revoked"], &answer["effective"]), (&json!(20), &json!("everywhere")));
    assert_eq!(head(), before + 1, "one place for all of them");
    for (number, (_, key)) in keys.iter().enumerate() {
        let status = if number % 3 == 0 { 200 } else { 401 };
        bearer(keyway.api, "GET", "/mfi/invoices", key).await.expect(status);
    }
    bearer(keyway.api, "GET", "/mfi/invoices", &theirs).await.expect(200);
    let again = keyway.post(&path, json!({ "environment": "live" })).await.expect(200).json();
    assert_eq!(again["revoked"], 0, "nothing is left to revoke");
    let events = keyway.events(&account).await;
    let count = |kind: &str| events.iter().filter(|one| *one == kind).count();
    assert_eq!(count("account.credentials_revoked"), 1);
    let whole = keyway.get(&format!("/v1/accounts/{account}/audit/verify")).await.expect(200);
    assert_eq!(whole.json()["whole"], true);
    let rest = keyway.post(&path, json!({})).await.expect(200).json();
    assert_eq!(rest["revoked"], 10);
    for (_, key) in &keys {
        bearer(keyway.api, "GET", "/mfi/invoices", key).await.expect(401);
    }
}

#[tokio::test]
async fn programs_hear_of_each_one_where_there_are_programs_and_nothing_waits_where_there_are_none()
{
    let keyway = Keyway::start("enterprise").await;
    let (heard, unheard) = (keyway.account().await, keyway.account().await);
    let receiver = Receiver::start().await;
    let hook =
        json!({ "environment": "live", "url": receiver.url(), "events": ["api_key.revoked"] });
    keyway.post(&format!("/v1/accounts/{heard}/webhooks"), hook).await.expect(201);
    let editor = keyway.database.editor();
    let waiting = || editor.number("SELECT COUNT(*) FROM outbox");
    for (account, each) in [(&heard, 20), (&unheard, 0)] {
        for _ in 0..20 {
            made(&keyway, account, "live").await;
        }
        keyway.work().await;
        let before = waiting();
        let path = format!("/v1/accounts/{account}/credentials/revoke-all");
        assert_eq!(keyway.post(&path, json!({})).await.expect(200).json()["revoked"], 20);
        assert_eq!(waiting() - before, each + 1, "one tells of all, and each by itself");
        let revoked = "SELECT COUNT(*) FROM events WHERE kind = 'api_key.revoked' AND account_id";
        assert_eq!(editor.number(&format!("{revoked} = '{account}'")), 20, "all in the chain");
        keyway.send_webhooks().await;
    }
    let told = "SELECT COUNT(*) FROM deliveries";
    assert_eq!(editor.number(told), 20);
    for account in [&heard, &unheard] {
        let whole = keyway.get(&format!("/v1/accounts/{account}/audit/verify")).await.expect(200);
        assert_eq!(whole.json()["whole"], true);
    }
}

#[tokio::test]
async fn what_is_said_of_many_is_looked_at_first() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    let (_, key) = made(&keyway, &account, "live").await;
    let path = format!("/v1/accounts/{account}/credentials/revoke-all");
    for (body, field) in [
        (json!({ "environment": "prod" }), "environment"),
        (json!({ "kind": "nothing" }), "kind"),
        (json!({ "created_before": "soon" }), "created_before"),
    ] {
        let refused = keyway.post(&path, body).await.expect(422).json();
        assert_eq!(refused["field"], field);
    }
    let viewer = json!({ "on_behalf_of": { "member": "v@example.com", "role": "viewer" } });
    keyway.post(&path, viewer).await.expect(403);
    let early = json!({ "created_before": "2020-01-01T00:00:00Z" });
    assert_eq!(keyway.post(&path, early).await.expect(200).json()["revoked"], 0);
    bearer(keyway.api, "GET", "/mfi/invoices", &key).await.expect(200);
    let gone = "/v1/accounts/acct_00000000000000000000000001/credentials/revoke-all";
    keyway.post(gone, Value::Object(serde_json::Map::new())).await.expect(404);
}
