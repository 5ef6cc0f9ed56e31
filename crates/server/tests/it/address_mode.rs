//! An address list that only reports: what it would refuse passes, is counted and shown; and when it
//! refuses, it does so at once.

use keyway_server::worker;
use serde_json::{Value, json};

use crate::acts::leads_to;
use crate::browser::{Browser, Form, account_of, tags};
use crate::harness::{Keyway, MINUTE};

const OWNER: &str = "ada@example.com";
const OFFICE: &str = "203.0.113.0/24";

struct Stage {
    keyway: Keyway,
    account: String,
    id: String,
    key: String,
}

fn reporting(mode: &str, addresses: &[&str]) -> Value {
    json!({
        "kind": "key", "environment": "live", "name": "K", "grant": ["invoices:read"],
        "addresses": addresses, "address_mode": mode,
    })
}

impl Stage {
    async fn new(keyway: Keyway, account: String, mode: &str) -> Self {
        let made = keyway.create(&account, reporting(mode, &[OFFICE])).await.expect(201);
        let (id, key) = (made.id(), made.shown("key"));
        assert_eq!(made.json()["address_mode"], mode);
        Self { keyway, account, id, key }
    }

    /// What verification says of a request from an address.
    async fn ask(&self, address: Option<&str>) -> Value {
        let authorization = format!("Bearer {}", self.key);
        let mut question = json!({
            "method": "GET", "path": "/mfi/invoices", "headers": [["authorization", authorization]],
        });
        if let Some(address) = address {
            question["client_address"] = address.into();
        }
        self.keyway.verify(question).await.expect(200).json()
    }

    async fn change(&self, body: &Value) -> Value {
        let path = format!("/v1/accounts/{}/credentials/{}", self.account, self.id);
        self.keyway.manage("PATCH", &path, body).await.expect(200).json()
    }

    /// What was reported: addresses with how many requests.
    async fn reports(&self) -> Vec<(Value, Value)> {
        let shown = self.keyway.show(&self.account, &self.id).await;
        let reports = shown["address_reports"].as_array().expect("a list").clone();
        reports.into_iter().map(|one| (one["address"].clone(), one["requests"].clone())).collect()
    }
}

async fn start(mode: &str) -> Stage {
    let keyway = Keyway::start("enterprise").await;
    let account = keyway.account().await;
    Stage::new(keyway, account, mode).await
}

#[tokio::test]
async fn what_a_list_would_refuse_passes_and_is_counted_by_address() {
    let at = start("report").await;
    let inside = at.ask(Some("203.0.113.9")).await;
    assert_eq!((&inside["allowed"], &inside["identity"]["reported"]), (&json!(true), &Value::Null));
    for _ in 0..3 {
        let outside = at.ask(Some("198.51.100.7")).await;
        let said = &outside["identity"]["reported"];
        assert_eq!((&outside["allowed"], said), (&json!(true), &json!("address_not_allowed")));
    }
    at.keyway.flush().await;
    at.keyway.clock.advance_ms(MINUTE);
    at.ask(Some("::ffff:198.51.100.7")).await;
    at.keyway.clock.advance_ms(MINUTE);
    assert_eq!(at.ask(None).await["allowed"], true);
    at.keyway.flush().await;
    let expected = [(Value::Null, json!(1)), (json!("198.51.100.7"), json!(4))];
    assert_eq!(at.reports().await, expected, "the newest first");
    // They count as what they are: allowed.
    let path = format!("/v1/accounts/{}/credentials/{}/usage", at.account, at.id);
    let usage = at.keyway.get(&path).await.expect(200).json();
    let counted: i64 = usage["data"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|hour| {
            assert_eq!(hour["outcome"], "allowed");
            hour["requests"].as_i64().expect("a number")
        })
        .sum();
    assert_eq!(counted, 6);
}

#[tokio::test]
async fn the_log_of_requests_and_a_requests_id_say_that_it_was_reported() {
    let at = start("report").await;
    let outside = at.ask(Some("198.51.100.7")).await["request_id"].clone();
    at.ask(Some("203.0.113.9")).await;
    worker::log_requests(&at.keyway.app).await.expect("they are written down");
    let of = async |outcome: &str| {
        let path = format!("/v1/accounts/{}/requests?outcome={outcome}", at.account);
        let page = at.keyway.get(&path).await.expect(200).json();
        page["data"].as_array().expect("a list").clone()
    };
    let reported = of("address_reported").await;
    assert_eq!(reported.len(), 1);
    assert_eq!((&reported[0]["id"], &reported[0]["address"]), (&outside, &json!("198.51.100.7")));
    assert_eq!((of("allowed").await.len(), of("refused").await.len()), (1, 0));
    let id = outside.as_str().expect("an id");
    let said = at.keyway.get(&format!("/v1/requests/{id}")).await.expect(200).json();
    assert_eq!(said["decision"], "address_reported");
}

#[tokio::test]
async fn enforcing_takes_away_from_the_answer_on_and_survives_a_restart() {
    let at = start("report").await;
    assert_eq!(at.ask(Some("198.51.100.7")).await["allowed"], true);
    at.keyway.flush().await;
    assert_eq!(at.reports().await.len(), 1);
    let changed = at.change(&json!({ "address_mode": "enforce" })).await;
    assert_eq!(
        (&changed["address_mode"], &changed["effective"]),
        (&json!("enforce"), &json!("everywhere"))
    );
    assert_eq!(at.ask(Some("198.51.100.7")).await["reason"], "address_not_allowed");
    assert_eq!(at.ask(Some("203.0.113.9")).await["allowed"], true);
    assert!(at.reports().await.is_empty(), "they were of another list");
    let path = format!("/v1/accounts/{}/events?type=api_key.updated", at.account);
    let told = at.keyway.get(&path).await.expect(200).json()["data"][0].clone();
    let modes = (&told["before"]["address_mode"], &told["after"]["address_mode"]);
    assert_eq!(modes, (&json!("report"), &json!("enforce")));
    at.change(&json!({ "address_mode": "report" })).await;
    let Stage { keyway, account, id, key } = at;
    let at = Stage { keyway: keyway.restart("enterprise").await, account, id, key };
    assert_eq!(at.ask(Some("198.51.100.7")).await["identity"]["reported"], "address_not_allowed");
}

#[tokio::test]
async fn a_list_of_nothing_has_nothing_to_report_and_another_word_is_no_mode() {
    let at = start("enforce").await;
    let open = at.change(&json!({ "addresses": [], "address_mode": "report" })).await;
    assert_eq!(open["address_mode"], "enforce");
    let listed = at.change(&json!({ "addresses": ["203.0.113.9"] })).await;
    assert_eq!(listed["address_mode"], "enforce");
    let made = at.keyway.create(&at.account, reporting("maybe", &[OFFICE])).await.expect(422);
    assert_eq!(made.json()["field"], "address_mode");
    let copied = at.change(&json!({ "address_mode": "report" })).await;
    assert_eq!(copied["address_mode"], "report");
    let copy = at.keyway.act(&at.account, &at.id, "duplicate", json!({})).await.expect(201);
    assert_eq!(copy.json()["address_mode"], "report", "a copy reports as the original does");
}

#[tokio::test]
async fn a_list_that_only_reports_is_no_list_to_the_rule_for_what_moves_money() {
    let keyway = Keyway::start("enterprise").await;
    let mut ada = Browser::sign_up(&keyway, OWNER).await;
    let account = account_of(&keyway, OWNER).await;
    crate::rules::set(&mut ada, &[("addresses_for_money", "1")]).await;
    let mut body = reporting("report", &[OFFICE]);
    body["grant"] = json!(["payouts:write"]);
    assert_eq!(
        keyway.create(&account, body.clone()).await.expect(422).json()["field"],
        "addresses"
    );
    body["address_mode"] = "enforce".into();
    let made = keyway.create(&account, body).await.expect(201);
    let path = format!("/v1/accounts/{account}/credentials/{}", made.id());
    keyway.manage("PATCH", &path, &json!({ "address_mode": "report" })).await.expect(422);
}

#[tokio::test]
async fn the_pages_set_it_show_what_it_would_refuse_and_ask_before_it_does() {
    let keyway = Keyway::start("enterprise").await;
    let mut ada = Browser::sign_up(&keyway, OWNER).await;
    let account = account_of(&keyway, OWNER).await;
    let form = ada.form("/live/keys/new").await.with("name", "P").with("scope", "invoices:read");
    let form = form.with("addresses", OFFICE).with("address_mode", "report");
    ada.submit(&form.with("expires", "never")).await.expect(303);
    let list = keyway.get(&format!("/v1/accounts/{account}/credentials")).await.expect(200).json();
    let made = list["data"].as_array().expect("a list").iter().find(|one| one["name"] == "P");
    assert_eq!(made.expect("it was made")["address_mode"], "report");
    let at = Stage::new(keyway, account, "report").await;
    let page = format!("/live/keys/{}", at.id);
    assert!(ada.get(&page).await.expect(200).text.contains("It would refuse nothing."));
    at.ask(Some("198.51.100.7")).await;
    at.keyway.flush().await;
    let shown = ada.get(&page).await.expect(200).text;
    assert!(shown.contains("From outside of its address list"), "{shown}");
    assert!(shown.contains("198.51.100.7") && shown.contains("only reported"), "{shown}");
    // To enforce takes something away: it is said first from whom.
    let edit = format!("{page}/edit");
    let form = ada.form(&edit).await;
    assert_eq!(form.value("address_mode"), Some("report"));
    let asked = ada.submit(&form.without("address_mode")).await.expect(422);
    assert!(asked.text.contains("used from outside of the list"), "{}", asked.text);
    assert!(at.ask(Some("198.51.100.7")).await["allowed"] == true, "not yet");
    let found = tags(&asked.text);
    let mark = found.iter().find(|tag| tag.attribute("name") == Some("narrow")).expect("a box");
    let mark = mark.attribute("value").expect("a mark").to_owned();
    let again = Form::find(&asked.text, &edit, &edit).expect("the form is there again");
    assert_eq!(again.value("address_mode"), None, "as it was left");
    leads_to(&ada.submit(&again.with("narrow", mark)).await);
    assert_eq!(at.ask(Some("198.51.100.7")).await["reason"], "address_not_allowed");
    // To report again takes nothing away.
    let form = ada.form(&edit).await.with("address_mode", "report");
    leads_to(&ada.submit(&form).await);
    assert_eq!(at.ask(Some("198.51.100.7")).await["allowed"], true);
}
