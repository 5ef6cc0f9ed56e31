//! Places of webhooks: who is slow, broken or switched off keeps none from the others.

use std::sync::Arc;

use keyway_server::webhooks::Deliverer;
use keyway_store::deliveries;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::harness::{DAY, HOUR, Keyway, MINUTE};
use crate::receiver::Receiver;
use crate::webhooks::{endpoint, key, log};

/// Sends what is due beside the test.
fn sending(keyway: &Keyway, number: usize) -> JoinHandle<usize> {
    let app = Arc::clone(&keyway.app);
    tokio::spawn(async move { Deliverer::new(&app, number).deliver_due().await.expect("sent") })
}

async fn status(keyway: &Keyway) -> Value {
    keyway.get("/v1/status").await.expect(200).json()
}

#[tokio::test]
async fn an_account_whose_endpoints_all_hang_holds_up_no_other_account() {
    let keyway = Keyway::start("enterprise").await;
    let (hanging, other) = (keyway.account().await, keyway.account().await);
    let (slow, quick) = (Receiver::start_slow().await, Receiver::start().await);
    for _ in 0..20 {
        endpoint(&keyway, &hanging, &slow, &[]).await;
    }
    // Later ones have higher ids.
    keyway.clock.advance_ms(1);
    endpoint(&keyway, &other, &quick, &[]).await;
    for _ in 0..4 {
        key(&keyway, &hanging).await;
    }
    keyway.work().await;
    keyway.clock.advance_ms(MINUTE);
    key(&keyway, &other).await;
    keyway.work().await;
    let sending = sending(&keyway, 1);
    // Nothing of the slow one was answered yet.
    quick.wait_for(1).await;
    slow.wait_for(8).await;
    assert_eq!(slow.got().len(), 8, "places of one account");
    slow.let_go(80);
    assert_eq!(sending.await.expect("it ends"), 81);
    assert_eq!(slow.got().len(), 72, "each comes once");
}

#[tokio::test]
async fn a_free_place_goes_to_the_endpoint_that_was_served_longest_ago() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    let mut receivers = Vec::new();
    for _ in 0..3 {
        let receiver = Receiver::start_slow().await;
        endpoint(&keyway, &account, &receiver, &[]).await;
        keyway.clock.advance_ms(1);
        receivers.push(receiver);
    }
    for _ in 0..10 {
        key(&keyway, &account).await;
    }
    keyway.work().await;
    let sending = sending(&keyway, 1);
    // Two have the account's eight places, and more waits for both; the third is next all the same.
    receivers[0].wait_for(4).await;
    receivers[1].wait_for(4).await;
    receivers[0].let_go(1);
    receivers[2].wait_for(1).await;
    for receiver in &receivers {
        receiver.let_go(10);
    }
    assert_eq!(sending.await.expect("it ends"), 30);
}

#[tokio::test]
async fn two_deliverers_together_have_four_messages_under_way_to_an_endpoint() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    let slow = Receiver::start_slow().await;
    endpoint(&keyway, &account, &slow, &[]).await;
    for _ in 0..8 {
        key(&keyway, &account).await;
    }
    keyway.work().await;
    let first = sending(&keyway, 1);
    slow.wait_for(4).await;
    let mut second = Deliverer::new(&keyway.app, 2);
    let looked = second.deliver_due();
    let in_time = tokio::time::timeout(std::time::Duration::from_secs(5), looked).await;
    assert_eq!(in_time.expect("it has nothing to wait for").expect("it looked"), 0);
    slow.let_go(8);
    assert_eq!(first.await.expect("it ends"), 8);
}

#[tokio::test]
async fn a_delivery_whose_row_is_broken_holds_up_no_other() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    let (ours, other) = (Receiver::start().await, Receiver::start().await);
    let made = endpoint(&keyway, &account, &ours, &[]).await;
    keyway.clock.advance_ms(1);
    endpoint(&keyway, &account, &other, &[]).await;
    for _ in 0..5 {
        key(&keyway, &account).await;
    }
    keyway.work().await;
    let sql = format!(
        "UPDATE deliveries SET attempts = -1 WHERE id IN
             (SELECT id FROM deliveries WHERE endpoint_id = '{}' ORDER BY id LIMIT 4)",
        made.id()
    );
    assert_eq!(keyway.database.editor().must(&sql), 4);
    assert_eq!(keyway.send_webhooks().await, 6);
    assert_eq!((ours.got().len(), other.got().len()), (1, 5));
}

#[tokio::test]
async fn who_is_switched_off_while_a_message_is_under_way_stays_off_whatever_is_answered() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    let slow = Receiver::start_slow().await;
    let made = endpoint(&keyway, &account, &slow, &[]).await;
    slow.answer_with(&[(410, "")]);
    key(&keyway, &account).await;
    keyway.work().await;
    let sending = sending(&keyway, 1);
    slow.wait_for(1).await;
    let path = format!("/v1/accounts/{account}/webhooks/{}", made.id());
    keyway.manage("PATCH", &path, &json!({ "enabled": false })).await.expect(200);
    slow.let_go(1);
    sending.await.expect("it ends");
    assert_eq!(keyway.get(&path).await.json()["state"], "off");
    let events = keyway.events(&account).await;
    assert!(!events.contains(&"webhook.disabled".to_owned()), "{events:?}");
}

#[tokio::test]
async fn an_attempt_that_began_before_a_replay_decides_nothing() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    let (slow, other) = (Receiver::start_slow().await, Receiver::start_slow().await);
    let made = endpoint(&keyway, &account, &slow, &[]).await;
    let second = endpoint(&keyway, &account, &other, &[]).await;
    slow.answer_with(&[(410, ""), (204, "")]);
    key(&keyway, &account).await;
    keyway.work().await;
    let sending = sending(&keyway, 1);
    slow.wait_for(1).await;
    other.wait_for(1).await;
    let path = format!("/v1/accounts/{account}/webhooks/{}", made.id());
    let delivery = log(&keyway, &account, &made.id()).await[0]["id"].clone();
    let replay = format!("{path}/deliveries/{}/replay", delivery.as_str().expect("an id"));
    keyway.post(&replay, json!({})).await.expect(200);
    // The deliverer looks again when something has ended.
    other.let_go(1);
    while log(&keyway, &account, &second.id()).await[0]["state"] != "delivered" {}
    slow.let_go(2);
    sending.await.expect("it ends");
    assert_eq!(keyway.get(&path).await.json()["state"], "on");
    assert_eq!(slow.got().len(), 2, "it went again");
    let entry = log(&keyway, &account, &made.id()).await.remove(0);
    assert_eq!((&entry["state"], &entry["attempts"]), (&json!("delivered"), &json!(1)));
}

#[tokio::test]
async fn what_waits_for_one_that_was_removed_is_given_up_and_forgotten_in_time() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    let receiver = Receiver::start().await;
    let made = endpoint(&keyway, &account, &receiver, &[]).await;
    receiver.answer_with(&[(500, ""); 2]);
    key(&keyway, &account).await;
    key(&keyway, &account).await;
    assert_eq!(keyway.send_webhooks().await, 2);
    assert_eq!(status(&keyway).await["webhooks"]["waiting"], 2);
    let path = format!("/v1/accounts/{account}/webhooks/{}", made.id());
    keyway.post(&format!("{path}/delete"), json!({})).await.expect(200);
    assert_eq!(status(&keyway).await["webhooks"]["waiting"], 0);
    keyway.clock.advance_ms(DAY);
    assert_eq!(keyway.send_webhooks().await, 0, "nothing goes there");
    keyway.clock.advance_ms(31 * DAY);
    let (now, before) = (keyway.app.now(), keyway.app.now().plus_ms(-30 * DAY));
    let prune = move |tx: &mut keyway_store::Tx<'_>| deliveries::prune(tx, before, 9);
    assert_eq!(keyway.app.db.write(now, prune).await.expect("it is written"), 2);
}

#[tokio::test]
async fn what_waits_for_one_that_is_off_or_asked_for_time_is_not_late() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    let receiver = Receiver::start().await;
    let made = endpoint(&keyway, &account, &receiver, &[]).await;
    let path = format!("/v1/accounts/{account}/webhooks/{}", made.id());
    receiver.answer_with(&[(500, "")]);
    key(&keyway, &account).await;
    assert_eq!(keyway.send_webhooks().await, 1);
    keyway.clock.advance_ms(HOUR);
    let late = status(&keyway).await["webhooks"].clone();
    assert_eq!(late["waiting"], 1);
    assert!(late["due_since"].is_string(), "{late}");
    keyway.manage("PATCH", &path, &json!({ "enabled": false })).await.expect(200);
    let off = status(&keyway).await["webhooks"].clone();
    assert_eq!((&off["waiting"], &off["due_since"]), (&json!(1), &json!(null)));
    keyway.manage("PATCH", &path, &json!({ "enabled": true })).await.expect(200);
    receiver.answer_with(&[(429, "retry-after: 7200")]);
    assert_eq!(keyway.send_webhooks().await, 1);
    key(&keyway, &account).await;
    keyway.work().await;
    let held = status(&keyway).await["webhooks"].clone();
    assert_eq!((&held["waiting"], &held["due_since"]), (&json!(2), &json!(null)));
}
