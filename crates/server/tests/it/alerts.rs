//! Alerts: told once while they last, as their account wants it.

use serde_json::{Value, json};

use crate::browser::{Browser, PASSWORD, account_of};
use crate::harness::{Answer, DAY, HOUR, Keyway, MINUTE, send};

const OWNER: &str = "ada@example.com";

async fn key(keyway: &Keyway, account: &str, environment: &str) -> Answer {
    let body = json!({ "kind": "key", "environment": environment, "name": "Server",
        "grant": "everything" });
    keyway.create(account, body).await.expect(201)
}

async fn ask(keyway: &Keyway, key: &str, environment: &str, address: &str, times: usize) {
    let one = json!({ "method": "GET", "path": "/mfi/invoices", "environment": environment,
        "client_address": address, "headers": [["authorization", format!("Bearer {key}")]] });
    let mut left = times;
    while left > 0 {
        let some = left.min(1_000);
        let body = json!({ "questions": vec![one.clone(); some] }).to_string();
        send(keyway.internal, "POST", "/v1/verify/batch", &[], &body).await.expect(200);
        left -= some;
    }
}

async fn told(keyway: &Keyway, account: &str, kind: &str) -> Vec<Value> {
    let page = keyway.get(&format!("/v1/accounts/{account}/events?limit=200")).await.json();
    let all = page["data"].as_array().expect("a list").iter();
    all.filter(|event| event["type"] == kind).cloned().collect()
}

#[tokio::test]
async fn an_ended_secret_in_use_is_told_once_while_it_lasts() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    let made = key(&keyway, &account, "live").await;
    keyway.act(&account, &made.id(), "revoke", json!({})).await.expect(200);
    for _ in 0..3 {
        ask(&keyway, &made.shown("key"), "live", "198.51.100.7", 5).await;
        keyway.flush().await;
        keyway.clock.advance_ms(HOUR);
    }
    let events = told(&keyway, &account, "api_key.ended_secret_used").await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["after"]["requests"], 5);
    assert_eq!(events[0]["after"]["address"], "198.51.100.7");
    assert_eq!(events[0]["actor"]["type"], "credential");
    keyway.clock.advance_ms(2 * DAY);
    keyway_server::worker::tidy(&keyway.app).await.expect("tidied");
    ask(&keyway, &made.shown("key"), "live", "198.51.100.7", 1).await;
    keyway.flush().await;
    let events = told(&keyway, &account, "api_key.ended_secret_used").await;
    assert_eq!(events.len(), 2, "after a quiet day it is news again");
}

#[tokio::test]
async fn a_test_key_in_production_is_told() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    let made = key(&keyway, &account, "test").await;
    ask(&keyway, &made.shown("key"), "live", "198.51.100.7", 2).await;
    keyway.flush().await;
    assert_eq!(told(&keyway, &account, "api_key.wrong_environment_used").await.len(), 1);
}

#[tokio::test]
async fn a_new_network_is_told_also_beside_a_busy_one_and_only_after_a_day() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    let made = key(&keyway, &account, "live").await;
    let secret = made.shown("key");
    let new = async || told(&keyway, &account, "api_key.new_network").await;
    ask(&keyway, &secret, "live", "192.0.2.1", 10).await;
    ask(&keyway, &secret, "live", "198.51.100.1", 10).await;
    keyway.flush().await;
    assert!(new().await.is_empty(), "it has yet to learn");
    keyway.clock.advance_ms(2 * DAY);
    // In one minute: two known ones, a neighbour of one, and a stranger between them.
    for (address, times) in
        [("192.0.2.1", 200), ("203.0.113.9", 1), ("198.51.100.200", 5), ("192.0.2.1", 200)]
    {
        ask(&keyway, &secret, "live", address, times).await;
    }
    keyway.flush().await;
    let events = new().await;
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0]["after"]["network"], "203.0.113.0/24");
    keyway.clock.advance_ms(30 * DAY);
    ask(&keyway, &secret, "live", "203.0.113.77", 1).await;
    keyway.flush().await;
    assert_eq!(new().await.len(), 1, "it is known now");
}

/// Three days of use, a dozen requests every minute that is driven.
async fn live_some_days(keyway: &Keyway, secret: &str) {
    for _ in 0..3 * 24 {
        ask(keyway, secret, "live", "192.0.2.1", 600).await;
        keyway.flush().await;
        keyway.clock.advance_ms(HOUR);
    }
}

/// Ten minutes of so many requests a minute; in which of them the first alert of a kind was told.
async fn minutes_until(
    keyway: &Keyway,
    (account, secret, kind): (&str, &str, &str),
    (environment, each): (&str, usize),
) -> Option<usize> {
    for minute in 0..10 {
        ask(keyway, secret, environment, "192.0.2.1", each).await;
        keyway.flush().await;
        keyway.clock.advance_ms(MINUTE);
        keyway_server::alerts::watch(&keyway.app).await.expect("use is watched");
        if !told(keyway, account, kind).await.is_empty() {
            return Some(minute + 1);
        }
    }
    None
}

#[tokio::test]
async fn t11_a_tenfold_spike_is_told_within_five_minutes_and_once_while_it_lasts() {
    let keyway = Keyway::start("enterprise").await;
    Browser::sign_up(&keyway, OWNER).await;
    let account = account_of(&keyway, OWNER).await;
    let made = key(&keyway, &account, "live").await;
    let secret = made.shown("key");
    live_some_days(&keyway, &secret).await;
    let kind = "api_key.usage_spike";
    let usual = minutes_until(&keyway, (&account, &secret, kind), ("live", 10)).await;
    assert_eq!(usual, None, "as ever");
    let found = minutes_until(&keyway, (&account, &secret, kind), ("live", 100)).await;
    assert!(found.is_some_and(|minutes| minutes <= 5), "{found:?}");
    for _ in 0..20 {
        ask(&keyway, &secret, "live", "192.0.2.1", 100).await;
        keyway.flush().await;
        keyway.clock.advance_ms(MINUTE);
        keyway_server::alerts::watch(&keyway.app).await.expect("use is watched");
    }
    assert_eq!(told(&keyway, &account, kind).await.len(), 1, "it is the same spike");
    let letters = keyway.mail().await;
    let spikes: Vec<_> = letters.iter().filter(|l| l.contains("unusually much")).collect();
    assert_eq!(spikes.len(), 1, "{letters:?}");
    let alerts = keyway.get(&format!("/v1/accounts/{account}/alerts")).await.expect(200).json();
    assert_eq!(alerts["data"][0]["type"], kind);
    assert_eq!(alerts["data"][0]["ended_at"], Value::Null);
    keyway.clock.advance_ms(2 * HOUR);
    keyway_server::alerts::watch(&keyway.app).await.expect("use is watched");
    let alerts = keyway.get(&format!("/v1/accounts/{account}/alerts")).await.expect(200).json();
    assert!(alerts["data"][0]["ended_at"].is_string(), "{alerts}");
}

#[tokio::test]
async fn a_burst_of_refusals_is_told() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    let made = key(&keyway, &account, "live").await;
    let secret = made.shown("key");
    live_some_days(&keyway, &secret).await;
    let kind = "api_key.error_burst";
    let found = minutes_until(&keyway, (&account, &secret, kind), ("test", 40)).await;
    assert!(found.is_some_and(|minutes| minutes <= 5), "{found:?}");
}

#[tokio::test]
async fn what_the_settings_say_is_followed() {
    let keyway = Keyway::start("enterprise").await;
    let mut ada = Browser::sign_up(&keyway, OWNER).await;
    let account = account_of(&keyway, OWNER).await;
    let form = ada.form("/settings/alerts").await;
    // Switched off, by leaving the box out; and quiet hours around the present one.
    let mut quiet =
        form.with("password", PASSWORD).with("quiet_from", "11:00").with("quiet_to", "13:30");
    quiet.fields.retain(|(name, _)| name != "ended");
    assert_eq!(crate::acts::leads_to(&ada.submit(&quiet).await), "/settings/alerts?done=saved");
    let made = key(&keyway, &account, "live").await;
    keyway.act(&account, &made.id(), "revoke", json!({})).await.expect(200);
    keyway.mail().await;
    ask(&keyway, &made.shown("key"), "live", "198.51.100.7", 5).await;
    ask(&keyway, &key(&keyway, &account, "test").await.shown("key"), "live", "198.51.100.7", 5)
        .await;
    keyway.flush().await;
    assert!(told(&keyway, &account, "api_key.ended_secret_used").await.is_empty(), "switched off");
    assert_eq!(told(&keyway, &account, "api_key.wrong_environment_used").await.len(), 1);
    let wrong = |letters: Vec<String>| letters.iter().any(|l| l.contains("wrong environment"));
    assert!(!wrong(keyway.mail().await), "12:00 is within the quiet hours");
    keyway.clock.advance_ms(90 * MINUTE);
    assert!(wrong(keyway.mail().await), "13:30 is after them");
}

#[tokio::test]
async fn a_test_alert_comes_back_to_who_asked_and_to_every_endpoint() {
    let keyway = Keyway::start("enterprise").await;
    let mut ada = Browser::sign_up(&keyway, OWNER).await;
    let account = account_of(&keyway, OWNER).await;
    let receiver = crate::receiver::Receiver::start().await;
    let body =
        json!({ "environment": "live", "url": receiver.url(), "events": ["api_key.revoked"] });
    keyway.post(&format!("/v1/accounts/{account}/webhooks"), body).await.expect(201);
    let form = ada.form_to("/settings/alerts", "/settings/alerts/test").await;
    crate::acts::leads_to(&ada.submit(&form).await);
    keyway.send_webhooks().await;
    assert_eq!(receiver.got()[0].kind(), "alert.test");
    let letters = keyway.letters().await;
    assert_eq!(letters.len(), 1);
    assert!(letters[0].contains("This one did."), "{}", letters[0]);
}

#[tokio::test]
async fn a_scope_is_known_to_be_used_on_its_day() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    let made = key(&keyway, &account, "live").await;
    ask(&keyway, &made.shown("key"), "live", "192.0.2.1", 3).await;
    keyway.flush().await;
    let path = format!("/v1/accounts/{account}/credentials/{}/usage", made.id());
    let usage = keyway.get(&path).await.expect(200).json();
    assert_eq!(usage["scopes_last_used"], json!({ "invoices:read": "2026-11-21" }));
    let csv = keyway.get(&format!("{path}?format=csv")).await.expect(200);
    assert!(csv.header("content-type").is_some_and(|kind| kind.starts_with("text/csv")));
    assert_eq!(csv.text.lines().count(), 2, "{}", csv.text);
    let all = keyway.get(&format!("/v1/accounts/{account}/usage?format=csv")).await.expect(200);
    assert!(
        all.text.contains(&format!("\"{}\",\"2026-11-21\",\"3\",\"0\"", made.id())),
        "{}",
        all.text
    );
}

/// Asks once from each address, in few calls.
async fn ask_from(keyway: &Keyway, key: &str, addresses: &[String]) {
    for some in addresses.chunks(500) {
        let one = |address: &String| {
            json!({ "method": "GET", "path": "/mfi/invoices", "environment": "live",
                "client_address": address,
                "headers": [["authorization", format!("Bearer {key}")]] })
        };
        let body = json!({ "questions": some.iter().map(one).collect::<Vec<_>>() }).to_string();
        send(keyway.internal, "POST", "/v1/verify/batch", &[], &body).await.expect(200);
        // Each flush has 64 bits for addresses: what falls together in one is apart in the next.
        keyway.flush().await;
    }
}

#[tokio::test]
async fn many_new_networks_are_one_alert_an_hour_and_do_not_blind() {
    let keyway = Keyway::start("enterprise").await;
    Browser::sign_up(&keyway, OWNER).await;
    let account = account_of(&keyway, OWNER).await;
    let made = key(&keyway, &account, "live").await;
    let secret = made.shown("key");
    ask(&keyway, &secret, "live", "192.0.2.1", 10).await;
    keyway.flush().await;
    keyway.clock.advance_ms(2 * DAY);
    keyway.mail().await;
    let strangers: Vec<_> = (0..540).map(|n| format!("2001:db8:{n:x}::1")).collect();
    for some in strangers.chunks(20) {
        ask_from(&keyway, &secret, some).await;
    }
    let new = async || told(&keyway, &account, "api_key.new_network").await;
    assert_eq!(new().await.len(), 1);
    let letters = keyway.mail().await;
    let of_networks = letters.iter().filter(|letter| letter.contains("new network")).count();
    assert_eq!(of_networks, 1, "{letters:?}");
    let path = format!("/v1/accounts/{account}/alerts");
    let alerts = keyway.get(&path).await.expect(200).json();
    assert_eq!(alerts["data"].as_array().map(Vec::len), Some(1), "{alerts}");
    let more = alerts["data"][0]["detail"]["more"].as_u64().expect("a count");
    assert!(more >= 300, "{more} were counted into it");
    // More networks than are remembered: it does not begin to learn again.
    keyway.clock.advance_ms(HOUR);
    ask(&keyway, &secret, "live", "203.0.113.9", 1).await;
    keyway.flush().await;
    let events = new().await;
    assert_eq!(events.len(), 2, "{events:?}");
    assert_eq!(events[0]["after"]["network"], "203.0.113.0/24");
}

#[tokio::test]
async fn where_a_public_credential_is_used_is_no_news() {
    let keyway = Keyway::start("xendit").await;
    let account = keyway.account().await;
    let list = keyway.get(&format!("/v1/accounts/{account}/credentials")).await.json();
    let all = list["data"].as_array().expect("a list");
    let of = all.iter().find(|one| one["kind"] == "public" && one["environment"] == "live");
    let id = of.expect("registration makes one")["id"].as_str().expect("an id").to_owned();
    let shown = keyway.act(&account, &id, "reveal", json!({})).await.expect(200);
    let basic = base64::Engine::encode(
        &base64::engine::general_purpose::STANDARD,
        format!("{}:", shown.shown("key")),
    );
    for address in ["192.0.2.1", "198.51.100.1"] {
        let question = json!({ "method": "POST", "path": "/credit_card_tokens",
            "environment": "live", "client_address": address,
            "headers": [["authorization", format!("Basic {basic}")]] });
        let answer = keyway.verify(question).await.expect(200).json();
        assert_eq!(answer["allowed"], true, "{answer}");
        keyway.flush().await;
        keyway.clock.advance_ms(2 * DAY);
    }
    assert!(told(&keyway, &account, "api_key.new_network").await.is_empty());
}

#[tokio::test]
async fn a_new_network_is_over_after_a_quiet_day_and_is_forgotten_in_time() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    let made = key(&keyway, &account, "live").await;
    let secret = made.shown("key");
    let path = format!("/v1/accounts/{account}/alerts");
    let alerts = async || keyway.get(&path).await.expect(200).json()["data"].clone();
    ask(&keyway, &secret, "live", "192.0.2.1", 1).await;
    keyway.flush().await;
    keyway.clock.advance_ms(2 * DAY);
    ask(&keyway, &secret, "live", "203.0.113.9", 1).await;
    keyway.flush().await;
    assert_eq!(alerts().await[0]["ended_at"], Value::Null);
    keyway.clock.advance_ms(DAY + MINUTE);
    keyway_server::worker::tidy(&keyway.app).await.expect("tidied");
    assert!(alerts().await[0]["ended_at"].is_string(), "it is over");
    // So many others that the network is forgotten: when it comes back it is news again.
    let others: Vec<_> = (0..300).map(|n| format!("2001:db8:{n:x}::1")).collect();
    for some in others.chunks(20) {
        ask_from(&keyway, &secret, some).await;
    }
    keyway.clock.advance_ms(2 * HOUR);
    ask(&keyway, &secret, "live", "203.0.113.9", 1).await;
    keyway.flush().await;
    let events = told(&keyway, &account, "api_key.new_network").await;
    assert_eq!(events.len(), 3, "{events:?}");
    assert_eq!(events[0]["after"]["network"], "203.0.113.0/24");
    // Over for longer than alerts are remembered.
    for _ in 0..2 {
        keyway.clock.advance_ms(401 * DAY);
        keyway_server::worker::tidy(&keyway.app).await.expect("tidied");
    }
    assert_eq!(alerts().await, json!([]));
}

#[tokio::test]
async fn an_event_that_cannot_be_kept_costs_its_own_alert_only() {
    let keyway = Keyway::start_in_a_file("enterprise").await;
    let (damaged, whole) = (keyway.account().await, keyway.account().await);
    let mut keys = Vec::new();
    for account in [&damaged, &whole] {
        let made = key(&keyway, account, "live").await;
        keyway.act(account, &made.id(), "revoke", json!({})).await.expect(200);
        keys.push(made);
    }
    let editor = keyway.database.editor();
    let trigger = format!(
        "CREATE TRIGGER damaged BEFORE INSERT ON events WHEN NEW.account_id = '{damaged}'
         BEGIN SELECT RAISE(ABORT, 'damaged'); END"
    );
    editor.must(&trigger);
    for made in &keys {
        ask(&keyway, &made.shown("key"), "live", "198.51.100.7", 3).await;
    }
    keyway.flush().await;
    assert_eq!(told(&keyway, &whole, "api_key.ended_secret_used").await.len(), 1);
    assert!(told(&keyway, &damaged, "api_key.ended_secret_used").await.is_empty());
    for (account, made) in [(&damaged, &keys[0]), (&whole, &keys[1])] {
        let path = format!("/v1/accounts/{account}/credentials/{}/usage", made.id());
        let usage = keyway.get(&path).await.expect(200).text;
        assert!(usage.contains("revoked"), "the refusals are counted: {usage}");
    }
}

#[tokio::test]
async fn every_alert_of_a_large_flush_says_from_where() {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    let asked = async |environment: &str, keys: &[Answer]| {
        let one = |made: &Answer| {
            let authorization = format!("Bearer {}", made.shown("key"));
            json!({ "method": "GET", "path": "/mfi/invoices", "environment": environment,
                "client_address": "198.51.100.7", "headers": [["authorization", authorization]] })
        };
        let questions: Vec<_> = keys.iter().map(one).collect();
        let body = json!({ "questions": questions }).to_string();
        send(keyway.internal, "POST", "/v1/verify/batch", &[], &body).await.expect(200);
    };
    let mut keys = Vec::new();
    for _ in 0..350 {
        keys.push(key(&keyway, &account, "live").await);
    }
    // Three rows of each: more than go into one transaction.
    asked("live", &keys).await;
    asked("test", &keys).await;
    for made in &keys {
        keyway.act(&account, &made.id(), "revoke", json!({})).await.expect(200);
    }
    asked("live", &keys).await;
    keyway.flush().await;
    let page = keyway.get(&format!("/v1/accounts/{account}/events?limit=200")).await.json();
    let newest = page["data"].as_array().expect("a list");
    assert!(newest.iter().all(|event| event["after"]["address"] == "198.51.100.7"), "{page}");
}

#[tokio::test]
async fn use_to_the_minute_is_forgotten_in_small_transactions() {
    let keyway = Keyway::start("enterprise").await;
    let editor = keyway.database.editor();
    let fill = "WITH RECURSIVE n(n) AS (VALUES (0) UNION ALL SELECT n + 1 FROM n WHERE n < 4999)
        INSERT INTO usage_minutes SELECT 'cred_' || n, 60000 * (n % 7), 1, 0 FROM n";
    editor.must(fill);
    let now = keyway.app.now();
    let some =
        move |tx: &mut keyway_store::Tx<'_>| keyway_store::usage::prune_minutes(tx, now, 300);
    assert_eq!(keyway.app.db.write(now, some).await.expect("some go"), 300);
    keyway_server::worker::tidy(&keyway.app).await.expect("tidied");
    let count = "SELECT COUNT(*) FROM usage_minutes";
    assert_eq!(editor.number(count), 0);
}
