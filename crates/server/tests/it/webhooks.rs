//! Webhooks: signed, retried, replayed, and held back; what an endpoint may be, and who may have it.

use keyway_secret::{SecretText, sign_webhook};
use keyway_store::deliveries;
use serde_json::{Value, json};

use crate::acts::leads_to;
use crate::browser::{Browser, PASSWORD, account_of};
use crate::harness::{Answer, DAY, HOUR, Keyway, MINUTE, Signer, send};
use crate::receiver::{Got, Receiver};

pub(crate) async fn endpoint(
    keyway: &Keyway,
    account: &str,
    receiver: &Receiver,
    events: &[&str],
) -> Answer {
    let body = json!({
        "environment": "live", "url": receiver.url(), "about": "Ledger", "events": events,
    });
    keyway.post(&format!("/v1/accounts/{account}/webhooks"), body).await.expect(201)
}

fn secret(made: &Answer) -> SecretText {
    SecretText::new(made.shown("signing_secret"))
}

/// Whether a message bears the signature of a secret.
fn is_signed(got: &Got, secret: &SecretText) -> bool {
    let id = got.header("webhook-id").expect("an id");
    let timestamp = got.header("webhook-timestamp").expect("a time").parse().expect("seconds");
    let expected = sign_webhook(secret, id, timestamp, got.body.as_bytes()).expect("a secret");
    got.header("webhook-signature").expect("signed").split(' ').any(|one| one == expected)
}

pub(crate) async fn key(keyway: &Keyway, account: &str) -> String {
    let body =
        json!({ "kind": "key", "environment": "live", "name": "Server", "grant": "everything" });
    keyway.create(account, body).await.expect(201).id()
}

pub(crate) async fn log(keyway: &Keyway, account: &str, endpoint: &str) -> Vec<Value> {
    let path = format!("/v1/accounts/{account}/webhooks/{endpoint}/deliveries");
    keyway.get(&path).await.expect(200).json()["data"].as_array().expect("a list").clone()
}

#[tokio::test]
async fn an_event_arrives_once_signed_and_with_its_own_id() {
    let keyway = Keyway::start("enterprise").await;
    let (account, receiver) = (keyway.account().await, Receiver::start().await);
    let made = endpoint(&keyway, &account, &receiver, &[]).await;
    let id = key(&keyway, &account).await;
    assert_eq!(keyway.send_webhooks().await, 1);
    let [got] = receiver.got().try_into().expect("one message");
    let message = got.json();
    assert_eq!(message["type"], "api_key.created");
    assert_eq!(got.header("webhook-id"), message["id"].as_str());
    assert_eq!(message["data"]["credential"]["id"], id.as_str());
    assert_eq!(message["environment"], "live");
    assert!(is_signed(&got, &secret(&made)));
    assert_eq!(got.header("content-type"), Some("application/json"));
    keyway.clock.advance_ms(3 * DAY);
    assert_eq!(keyway.send_webhooks().await, 0, "what arrived does not come again");
    let entry = log(&keyway, &account, &made.id()).await.remove(0);
    assert_eq!((&entry["state"], &entry["attempts"]), (&json!("delivered"), &json!(1)));
}

#[tokio::test]
async fn a_failed_message_comes_again_by_the_plan_and_is_given_up_after_eight_tries() {
    let keyway = Keyway::start("enterprise").await;
    let (account, receiver) = (keyway.account().await, Receiver::start().await);
    let made = endpoint(&keyway, &account, &receiver, &[]).await;
    receiver.answer_with(&[(500, ""); 8]);
    key(&keyway, &account).await;
    let waits = [0, 5_000, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 10 * HOUR];
    let mut ids = Vec::new();
    for wait in waits {
        keyway.clock.advance_ms(wait - 1);
        assert_eq!(keyway.send_webhooks().await, usize::from(wait == 0), "not before {wait} ms");
        // Up to a tenth later, and never sooner.
        keyway.clock.advance_ms(wait / 10 + 2);
        let sent = keyway.send_webhooks().await;
        assert_eq!(sent, usize::from(wait > 0), "after {wait} ms");
        let got = receiver.got();
        ids.extend(got.iter().map(|got| got.header("webhook-id").expect("an id").to_owned()));
        assert!(got.iter().all(|got| is_signed(got, &secret(&made))), "signed for this attempt");
    }
    assert_eq!(ids.len(), 8);
    ids.dedup();
    assert_eq!(ids.len(), 1, "one id at every attempt");
    let entry = log(&keyway, &account, &made.id()).await.remove(0);
    assert_eq!((&entry["state"], &entry["attempts"]), (&json!("failed"), &json!(8)));
    keyway.clock.advance_ms(30 * HOUR);
    assert_eq!(keyway.send_webhooks().await, 0, "given up");
    // Sent again by hand it arrives, under the same id, and the log goes on.
    let path = format!("/v1/accounts/{account}/webhooks/{}", made.id());
    let delivery = entry["id"].as_str().expect("an id");
    keyway.post(&format!("{path}/deliveries/{delivery}/replay"), json!({})).await.expect(200);
    assert_eq!(keyway.send_webhooks().await, 1);
    assert_eq!(receiver.got()[0].header("webhook-id"), Some(ids[0].as_str()));
    let whole = keyway.get(&format!("{path}/deliveries/{delivery}")).await.expect(200).json();
    let statuses: Vec<&Value> =
        whole["log"].as_array().expect("attempts").iter().map(|one| &one["status"]).collect();
    assert_eq!(statuses.len(), 9);
    assert_eq!((statuses[0], statuses[8]), (&json!(500), &json!(204)));
}

#[tokio::test]
async fn messages_of_a_time_are_sent_again_under_their_ids() {
    let keyway = Keyway::start("enterprise").await;
    let (account, receiver) = (keyway.account().await, Receiver::start().await);
    let made = endpoint(&keyway, &account, &receiver, &[]).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        key(&keyway, &account).await;
        keyway.send_webhooks().await;
        ids.extend(receiver.got().iter().map(|got| got.header("webhook-id").map(str::to_owned)));
        keyway.clock.advance_ms(HOUR);
    }
    let path = format!("/v1/accounts/{account}/webhooks/{}/replay", made.id());
    let range = json!({ "since": "2026-11-21T12:30:00Z", "until": "2026-11-21T13:30:00Z" });
    assert_eq!(keyway.post(&path, range).await.expect(200).json()["messages"], 1);
    keyway.send_webhooks().await;
    let again: Vec<_> =
        receiver.got().iter().map(|got| got.header("webhook-id").map(str::to_owned)).collect();
    assert_eq!(again, [ids[1].clone()]);
    let failed = json!({ "since": "2026-11-21T00:00:00Z", "state": "failed" });
    assert_eq!(keyway.post(&path, failed).await.expect(200).json()["messages"], 0);
}

#[tokio::test]
async fn both_secrets_sign_during_an_overlap_and_a_second_rotation_waits() {
    let keyway = Keyway::start("enterprise").await;
    let (account, receiver) = (keyway.account().await, Receiver::start().await);
    let made = endpoint(&keyway, &account, &receiver, &[]).await;
    let path = format!("/v1/accounts/{account}/webhooks/{}", made.id());
    let rotated = keyway.post(&format!("{path}/rotate"), json!({ "overlap": "1h" })).await;
    let (old, new) = (secret(&made), secret(&rotated.expect(200)));
    let refused = keyway.post(&format!("{path}/rotate"), json!({})).await.expect(409);
    assert_eq!(refused.json()["code"], "overlap_running");
    let signed_by = async || {
        key(&keyway, &account).await;
        keyway.send_webhooks().await;
        let got = receiver.got();
        (is_signed(&got[0], &old), is_signed(&got[0], &new))
    };
    assert_eq!(signed_by().await, (true, true));
    keyway.clock.advance_ms(HOUR);
    assert_eq!(signed_by().await, (false, true));
    // With no overlap the one before ends at once.
    let body = json!({ "overlap": "0s" });
    let newest = secret(&keyway.post(&format!("{path}/rotate"), body).await.expect(200));
    key(&keyway, &account).await;
    keyway.send_webhooks().await;
    let got = receiver.got();
    assert_eq!((is_signed(&got[0], &new), is_signed(&got[0], &newest)), (false, true));
    let shown = keyway.get(&path).await.expect(200).text;
    assert!(!shown.contains("whsec_"), "a secret is shown once");
}

#[tokio::test]
async fn r07_a_receiver_with_either_pair_verifies_the_platforms_own_form() {
    let keyway = Keyway::start("rapyd").await;
    let (account, receiver) = (keyway.account().await, Receiver::start().await);
    let body =
        json!({ "kind": "signing", "environment": "live", "name": "Live", "grant": "everything" });
    let made = keyway.create(&account, body).await.expect(201);
    endpoint(&keyway, &account, &receiver, &["api_key.*"]).await;
    let rotated =
        keyway.act(&account, &made.id(), "rotate", json!({ "overlap": "1d" })).await.expect(200);
    let (old, new) = (Signer::of(&made), Signer::of(&rotated));
    // The document's formula: no method, the whole URL.
    let verifies = |got: &Got, signer: &Signer| {
        let (salt, time) = (got.header("salt").expect("salt"), got.header("timestamp"));
        let time = time.expect("a time").parse().expect("seconds");
        let expected = signer.sign("", &receiver.url(), salt, time, &got.body);
        got.header("signature") == Some(expected.as_str())
    };
    // One who knows the new pair takes it as it comes.
    keyway.send_webhooks().await;
    let got = receiver.got();
    let rotation = got.iter().find(|got| got.kind() == "api_key.rotated").expect("the rotation");
    assert!(verifies(rotation, &new) && !verifies(rotation, &old));
    // One who knows the old pair only refuses that, and is asked again by it, at once.
    receiver.answer_with(&[(401, "")]);
    keyway.act(&account, &made.id(), "edit", json!({})).await;
    let path = format!("/v1/accounts/{account}/credentials/{}", made.id());
    keyway.manage("PATCH", &path, &json!({ "name": "Renamed" })).await.expect(200);
    keyway.send_webhooks().await;
    let got = receiver.got();
    assert_eq!(got.len(), 2, "{got:?}");
    assert!(verifies(&got[0], &new) && verifies(&got[1], &old));
    assert_eq!(got[0].header("webhook-id"), got[1].header("webhook-id"));
    // After the window there is one.
    keyway.clock.advance_ms(DAY);
    receiver.answer_with(&[(401, "")]);
    keyway.manage("PATCH", &path, &json!({ "name": "Again" })).await.expect(200);
    keyway.send_webhooks().await;
    let got = receiver.got();
    assert!(got.iter().all(|got| verifies(got, &new)), "{got:?}");
}

#[tokio::test]
async fn one_that_is_gone_is_switched_off_and_one_that_fails_for_days_too() {
    let keyway = Keyway::start("enterprise").await;
    let (account, receiver) = (keyway.account().await, Receiver::start().await);
    let made = endpoint(&keyway, &account, &receiver, &[]).await;
    let path = format!("/v1/accounts/{account}/webhooks/{}", made.id());
    receiver.answer_with(&[(410, "")]);
    key(&keyway, &account).await;
    keyway.send_webhooks().await;
    assert_eq!(keyway.get(&path).await.json()["state"], "gone");
    assert!(keyway.events(&account).await.contains(&"webhook.disabled".to_owned()));
    key(&keyway, &account).await;
    assert_eq!(keyway.send_webhooks().await, 0, "nothing goes there");
    keyway.manage("PATCH", &path, &json!({ "enabled": true })).await.expect(200);
    assert_eq!(keyway.get(&path).await.json()["state"], "on");
    receiver.got();
    // For five days nothing arrives; each day something new is tried.
    receiver.answer_with(&[(503, ""); 60]);
    for _ in 0..5 {
        key(&keyway, &account).await;
        keyway.send_webhooks().await;
        assert_eq!(keyway.get(&path).await.json()["state"], "on");
        keyway.clock.advance_ms(DAY);
    }
    keyway.send_webhooks().await;
    assert_eq!(keyway.get(&path).await.json()["state"], "failing");
}

#[tokio::test]
async fn an_endpoint_that_asks_for_time_has_it() {
    let keyway = Keyway::start("enterprise").await;
    let (account, receiver) = (keyway.account().await, Receiver::start().await);
    let made = endpoint(&keyway, &account, &receiver, &[]).await;
    receiver.answer_with(&[(429, "retry-after: 600")]);
    key(&keyway, &account).await;
    assert_eq!(keyway.send_webhooks().await, 1);
    keyway.clock.advance_ms(MINUTE);
    // What is made meanwhile waits too.
    key(&keyway, &account).await;
    keyway.clock.advance_ms(9 * MINUTE - 1);
    assert_eq!(keyway.send_webhooks().await, 0);
    keyway.clock.advance_ms(1);
    assert_eq!(keyway.send_webhooks().await, 2);
    // Who switches it on, or gives it another URL, wants messages now.
    receiver.answer_with(&[(429, "retry-after: 86400")]);
    key(&keyway, &account).await;
    assert_eq!(keyway.send_webhooks().await, 1);
    key(&keyway, &account).await;
    assert_eq!(keyway.send_webhooks().await, 0);
    let path = format!("/v1/accounts/{account}/webhooks/{}", made.id());
    keyway.manage("PATCH", &path, &json!({ "enabled": true })).await.expect(200);
    assert_eq!(keyway.send_webhooks().await, 1);
}

#[tokio::test]
async fn a_claim_of_a_process_that_is_gone_lapses() {
    let keyway = Keyway::start("enterprise").await;
    let (account, receiver) = (keyway.account().await, Receiver::start().await);
    let made = endpoint(&keyway, &account, &receiver, &[]).await;
    key(&keyway, &account).await;
    keyway.work().await;
    let (id, now) = (made.id(), keyway.app.now());
    let endpoint = keyway_domain::id::EndpointId::parse(&id).expect("an id");
    let account = keyway_domain::id::AccountId::parse(&account).expect("an id");
    let held =
        deliveries::Claim { by: "another".to_owned(), from: now, until: now.plus_ms(MINUTE) };
    let claim =
        move |tx: &mut keyway_store::Tx<'_>| deliveries::claim(tx, (account, endpoint), &held, 9);
    assert_eq!(keyway.app.db.write(now, claim).await.expect("claimed").len(), 1);
    assert_eq!(keyway.send_webhooks().await, 0, "somebody else has it");
    keyway.clock.advance_ms(MINUTE);
    assert_eq!(keyway.send_webhooks().await, 1);
}

#[tokio::test]
async fn an_endpoint_hears_what_was_chosen_in_its_environment_only() {
    let keyway = Keyway::start("enterprise").await;
    let (account, all) = (keyway.account().await, Receiver::start().await);
    let some = Receiver::start().await;
    endpoint(&keyway, &account, &all, &["api_key.*"]).await;
    endpoint(&keyway, &account, &some, &["api_key.revoked"]).await;
    let other = keyway.account().await;
    let body = json!({ "kind": "key", "environment": "test", "name": "T", "grant": "everything" });
    keyway.create(&account, body).await.expect(201);
    key(&keyway, &other).await;
    let id = key(&keyway, &account).await;
    keyway.act(&account, &id, "revoke", json!({})).await.expect(200);
    keyway.send_webhooks().await;
    let kinds = |receiver: &Receiver| {
        let mut kinds: Vec<String> = receiver.got().iter().map(Got::kind).collect();
        kinds.sort();
        kinds
    };
    assert_eq!(kinds(&all), ["api_key.created", "api_key.revoked"]);
    assert_eq!(kinds(&some), ["api_key.revoked"]);
}

#[tokio::test]
async fn what_is_no_endpoint_is_refused_with_its_reason() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    let path = format!("/v1/accounts/{account}/webhooks");
    for (field, body) in [
        ("url", json!({ "environment": "live", "url": "https://10.0.0.7/x" })),
        ("url", json!({ "environment": "live", "url": "https://user:pw@example.com/x" })),
        ("url", json!({ "environment": "live", "url": "ftp://example.com/x" })),
        ("url", json!({ "environment": "live", "url": "not a url" })),
        ("environment", json!({ "environment": "prod", "url": "https://example.com/x" })),
        (
            "events",
            json!({ "environment": "live", "url": "https://example.com/x", "events": ["no.such"] }),
        ),
        // What people do is not for programs.
        (
            "events",
            json!({ "environment": "live", "url": "https://example.com/x",
                "events": ["session.started"] }),
        ),
    ] {
        let refused = keyway.post(&path, body).await.expect(422);
        assert_eq!(refused.json()["field"], field, "{}", refused.text);
    }
    for _ in 0..20 {
        let body = json!({ "environment": "live", "url": "https://example.com/x" });
        keyway.post(&path, body).await.expect(201);
    }
    let body = json!({ "environment": "live", "url": "https://example.com/x" });
    keyway.post(&path, body).await.expect(409);
    // Another account's endpoint answers as one that is not there.
    let made = keyway.get(&path).await.json()["data"][0]["id"].as_str().expect("an id").to_owned();
    let other = keyway.account().await;
    for id in [made.as_str(), "ep_00000000000000000000000001"] {
        keyway.get(&format!("/v1/accounts/{other}/webhooks/{id}")).await.expect(404);
        let act = format!("/v1/accounts/{other}/webhooks/{id}/delete");
        keyway.post(&act, json!({})).await.expect(404);
    }
}

#[tokio::test]
async fn a_member_whose_role_may_not_changes_no_endpoint() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    let path = format!("/v1/accounts/{account}/webhooks");
    let body = |role: &str| {
        json!({ "environment": "live", "url": "https://example.com/x",
            "on_behalf_of": { "member": "m", "role": role } })
    };
    for role in ["developer", "viewer"] {
        keyway.post(&path, body(role)).await.expect(403);
    }
    keyway.post(&path, body("admin")).await.expect(201);
    keyway.work().await;
    let events = keyway.events(&account).await;
    assert_eq!(events.iter().filter(|kind| *kind == "act.refused").count(), 1, "{events:?}");
}

#[tokio::test]
async fn a_row_that_was_edited_by_hand_gets_nothing_and_holds_up_no_other() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    let (ours, theirs, other) =
        (Receiver::start().await, Receiver::start().await, Receiver::start().await);
    let made = endpoint(&keyway, &account, &ours, &[]).await;
    endpoint(&keyway, &account, &other, &[]).await;
    let edit = format!("UPDATE endpoints SET url = '{}' WHERE id = '{}'", theirs.url(), made.id());
    assert_eq!(keyway.database.editor().must(&edit), 1);
    key(&keyway, &account).await;
    keyway.send_webhooks().await;
    assert!(theirs.got().is_empty(), "messages were turned to another place");
    assert_eq!(other.got().len(), 1);
}

#[tokio::test]
async fn a_test_message_goes_to_the_endpoint_that_is_tried() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    let (tried, other) = (Receiver::start().await, Receiver::start().await);
    let made = endpoint(&keyway, &account, &tried, &["api_key.revoked"]).await;
    endpoint(&keyway, &account, &other, &[]).await;
    let path = format!("/v1/accounts/{account}/webhooks/{}", made.id());
    keyway.post(&format!("{path}/test"), json!({})).await.expect(200);
    keyway.send_webhooks().await;
    assert_eq!(tried.got().iter().map(Got::kind).collect::<Vec<_>>(), ["webhook.test"]);
    assert!(other.got().is_empty());
    keyway.manage("PATCH", &path, &json!({ "enabled": false })).await.expect(200);
    keyway.post(&format!("{path}/test"), json!({})).await.expect(409);
}

#[tokio::test]
async fn verification_answers_while_a_receiver_hangs() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    // It accepts and says nothing.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", silent.local_addr().expect("an address"));
    let body = json!({ "environment": "live", "url": url });
    keyway.post(&format!("/v1/accounts/{account}/webhooks"), body).await.expect(201);
    let receiver = Receiver::start().await;
    endpoint(&keyway, &account, &receiver, &[]).await;
    key(&keyway, &account).await;
    keyway.work().await;
    let app = std::sync::Arc::clone(&keyway.app);
    let sending = tokio::spawn(async move {
        keyway_server::webhooks::Deliverer::new(&app, 1).deliver_due().await
    });
    while receiver.got().is_empty() {
        let question = json!({ "method": "GET", "path": "/mfi/invoices", "headers": [] });
        let internal = keyway.internal;
        send(internal, "POST", "/v1/verify", &[], &question.to_string()).await.expect(200);
    }
    assert!(!sending.is_finished(), "the other one still hangs");
    sending.abort();
}

#[tokio::test]
async fn a_form_that_changes_something_else_leaves_the_events_as_a_program_chose_them() {
    let keyway = Keyway::start("enterprise").await;
    let mut ada = Browser::sign_up(&keyway, "ada@toko.example").await;
    let account = account_of(&keyway, "ada@toko.example").await;
    let receiver = Receiver::start().await;
    let by_program: [&[&str]; 5] =
        [&["api_key.r*"], &["*"], &["api_key.*"], &["api_key.revoked"], &[]];
    for events in by_program {
        let made = endpoint(&keyway, &account, &receiver, events).await;
        let form = ada.form(&format!("/settings/webhooks/{}/edit", made.id())).await;
        let form = form.with("about", "Renamed").with("password", PASSWORD);
        let saved = format!("/settings/webhooks/{}?done=saved", made.id());
        assert_eq!(leads_to(&ada.submit(&form).await), saved);
        let path = format!("/v1/accounts/{account}/webhooks/{}", made.id());
        let after = keyway.get(&path).await.expect(200).json();
        assert_eq!((&after["about"], &after["events"]), (&json!("Renamed"), &json!(events)));
    }
}
