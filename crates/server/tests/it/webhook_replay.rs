//! Many messages that are sent again: a bounded number at once, and whoever asks knows what is left.

use serde_json::json;

use crate::acts::leads_to;
use crate::browser::{Browser, account_of};
use crate::harness::Keyway;
use crate::receiver::Receiver;
use crate::webhooks::{endpoint, key, log};

const OWNER: &str = "ada@toko.example";

/// An endpoint's deliveries that were given up, written as many as a year brings.
fn give_up_many(keyway: &Keyway, endpoint: &str, count: u32) {
    let now = keyway.app.now();
    let sql = format!(
        "INSERT INTO deliveries (id, endpoint_id, event_id, kind, payload, state, attempts, step,
            due_at, claimed_by, claimed_until, created_at, done_at)
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
        SELECT 'dlv_0000000000000' || CAST(1000000000000 + i AS TEXT), '{endpoint}', 'evt_' || i,
            'api_key.created', '{{}}', 'failed', 8, 8, {now}, NULL, 0, {now}, {now} FROM n",
        now = now.0,
    );
    assert_eq!(keyway.database.editor().must(&sql), u64::from(count));
}

async fn waiting(keyway: &Keyway) -> i64 {
    let status = keyway.get("/v1/status").await.expect(200).json();
    status["webhooks"]["waiting"].as_i64().expect("a number")
}

#[tokio::test]
async fn a_request_sends_five_hundred_again_and_says_where_to_go_on() {
    let keyway = Keyway::start("enterprise").await;
    let (account, receiver) = (keyway.account().await, Receiver::start().await);
    let made = endpoint(&keyway, &account, &receiver, &[]).await;
    give_up_many(&keyway, &made.id(), 1_100);
    let path = format!("/v1/accounts/{account}/webhooks/{}/replay", made.id());
    let mut body = json!({ "since": "2026-11-01T00:00:00Z" });
    for (messages, all, is_last) in [(500, 500, false), (500, 1_000, false), (100, 1_100, true)] {
        let answer = keyway.post(&path, body.clone()).await.expect(200).json();
        assert_eq!(answer["messages"], messages);
        assert_eq!(answer["more_before"].is_null(), is_last, "{answer}");
        assert_eq!(waiting(&keyway).await, all, "none of them twice");
        body["before"] = answer["more_before"].clone();
    }
    let events = keyway.events(&account).await;
    assert_eq!(events.iter().filter(|kind| *kind == "webhook.replayed").count(), 3);
    let wrong = json!({ "since": "2026-11-01T00:00:00Z", "before": "dlv_!" });
    assert_eq!(keyway.post(&path, wrong).await.expect(422).json()["field"], "before");
}

#[tokio::test]
async fn a_form_sends_ten_thousand_again_and_offers_the_rest() {
    let keyway = Keyway::start("enterprise").await;
    let mut ada = Browser::sign_up(&keyway, OWNER).await;
    let (account, receiver) = (account_of(&keyway, OWNER).await, Receiver::start().await);
    let made = endpoint(&keyway, &account, &receiver, &[]).await;
    give_up_many(&keyway, &made.id(), 10_001);
    let path = format!("/settings/webhooks/{}", made.id());
    let form = ada.form(&format!("{path}/replay")).await;
    let form = form.with("since", "2026-11-01").with("state", "all");
    let to = leads_to(&ada.submit(&form).await).to_owned();
    assert!(to.starts_with(&format!("{path}/replay?state=all&since=2026-11-01&before=")), "{to}");
    assert_eq!(waiting(&keyway).await, 10_000);
    let page = ada.get(&to).await.expect(200).text;
    assert!(page.contains("The newest 10,000 go out again, and there are more"), "{page}");
    let rest = ada.form(&to).await;
    assert_eq!(rest.value("state"), Some("all"));
    assert_eq!(leads_to(&ada.submit(&rest).await), format!("{path}?done=replayed"));
    assert_eq!(waiting(&keyway).await, 10_001);
}

#[tokio::test]
async fn a_delivery_remembers_its_newest_twenty_attempts_and_the_whole_answer_to_the_last() {
    let keyway = Keyway::start("enterprise").await;
    let (account, receiver) = (keyway.account().await, Receiver::start().await);
    let made = endpoint(&keyway, &account, &receiver, &[]).await;
    key(&keyway, &account).await;
    for _ in 0..25 {
        receiver.fail_with(&"é".repeat(30_000));
    }
    keyway.send_webhooks().await;
    let path = format!("/v1/accounts/{account}/webhooks/{}/deliveries", made.id());
    let id = log(&keyway, &account, &made.id()).await[0]["id"].as_str().expect("an id").to_owned();
    for _ in 0..24 {
        keyway.post(&format!("{path}/{id}/replay"), json!({})).await.expect(200);
        assert_eq!(keyway.send_webhooks().await, 1);
    }
    let whole = keyway.get(&format!("{path}/{id}")).await.expect(200).json();
    assert_eq!(whole["attempts"], 25);
    let attempts = whole["log"].as_array().expect("attempts");
    let numbers: Vec<i64> =
        attempts.iter().map(|one| one["number"].as_i64().expect("a number")).collect();
    assert_eq!(numbers, (6..=25).collect::<Vec<_>>());
    let lengths: Vec<usize> =
        attempts.iter().map(|one| one["answer"].as_str().expect("an answer").len()).collect();
    assert!(lengths[..19].iter().all(|length| (4_000..4_200).contains(length)), "{lengths:?}");
    assert!(lengths[19] > 60_000, "{lengths:?}");
}
