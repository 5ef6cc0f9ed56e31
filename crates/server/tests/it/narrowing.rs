//! An edit that takes something away says first what it would have refused.

use serde_json::json;

use crate::acts::leads_to;
use crate::browser::{Browser, Form, account_of};
use crate::harness::{Answer, DAY, Keyway, bearer};

const OWNER: &str = "ada@example.com";

struct Stage {
    keyway: Keyway,
    ada: Browser,
    account: String,
    key: String,
    path: String,
    id: String,
}

impl Stage {
    async fn new(grant: serde_json::Value) -> Self {
        let keyway = Keyway::start("enterprise").await;
        let ada = Browser::sign_up(&keyway, OWNER).await;
        let account = account_of(&keyway, OWNER).await;
        let body = json!({ "kind": "key", "environment": "live", "name": "K", "grant": grant });
        let made = keyway.create(&account, body).await.expect(201);
        let (id, key) = (made.id(), made.shown("key"));
        let path = format!("/live/keys/{id}/edit");
        Self { keyway, ada, account, key, path, id }
    }

    async fn calls(&self, path: &str, times: usize, status: u16) {
        for _ in 0..times {
            bearer(self.keyway.api, "GET", path, &self.key).await.expect(status);
        }
    }

    fn again(&self, answer: &Answer) -> Form {
        Form::find(&answer.text, &self.path, &self.path).expect("the form is there again")
    }

    /// The mark in the box that says that somebody has seen what is taken away.
    fn mark(answer: &Answer) -> String {
        let tags = crate::browser::tags(&answer.text);
        let found = tags.iter().find(|tag| tag.attribute("name") == Some("narrow"));
        let mark = found.unwrap_or_else(|| panic!("no box: {}", answer.text)).attribute("value");
        mark.expect("a mark").to_owned()
    }
}

#[tokio::test]
async fn what_a_narrowing_would_have_refused_is_seen_before_it_is_saved() {
    let mut at = Stage::new(json!(["invoices:read", "payouts:read", "clients:read"])).await;
    at.calls("/mfi/invoices", 3, 200).await;
    at.calls("/mfi/payouts", 2, 200).await;
    at.keyway.flush().await;
    at.calls("/mfi/payouts", 5, 200).await;
    at.keyway.flush().await;
    let form = at.ada.form(&at.path).await;
    let page = at.ada.get(&at.path).await.expect(200);
    assert!(page.text.contains("Read 7 in 30 days"), "each row says what it was used for");
    assert!(page.text.contains("Read not used yet"), "{}", page.text);
    let less = form.clone().without("scope").with("scope", "invoices:read");
    let asked = at.ada.submit(&less).await.expect(422);
    assert!(asked.text.contains("7 requests of the last 30 days would have been refused"));
    assert_eq!(Stage::mark(&asked), "clients:read payouts:read");
    at.calls("/mfi/payouts", 1, 200).await;
    // What was agreed to is this, and nothing that takes away more.
    let agreed = at.again(&asked).with("narrow", "clients:read");
    at.ada.submit(&agreed).await.expect(422);
    at.calls("/mfi/payouts", 1, 200).await;
    let agreed = at.again(&asked).with("narrow", Stage::mark(&asked));
    leads_to(&at.ada.submit(&agreed).await);
    at.calls("/mfi/payouts", 1, 403).await;
    at.calls("/mfi/invoices", 1, 200).await;
}

#[tokio::test]
async fn what_is_added_is_saved_at_once() {
    let mut at = Stage::new(json!(["invoices:read"])).await;
    let mut form = at.ada.form(&at.path).await;
    form.fields.push(("scope".to_owned(), "payouts:read".to_owned()));
    leads_to(&at.ada.submit(&form).await);
    at.calls("/mfi/payouts", 1, 200).await;
}

#[tokio::test]
async fn of_everything_also_what_no_permission_names_is_told() {
    let mut at = Stage::new(json!("everything")).await;
    let asks = |path: &str| {
        let authorization = format!("Bearer {}", at.key);
        json!({ "method": "GET", "path": path, "headers": [["authorization", authorization]] })
    };
    for (path, times) in [("/mfi/invoices", 4), ("/mfi/of-tomorrow", 3)] {
        for _ in 0..times {
            let answer = at.keyway.verify(asks(path)).await.expect(200).json();
            assert_eq!(answer["allowed"], true, "{answer}");
        }
    }
    at.keyway.flush().await;
    let form = at.ada.form(&at.path).await.without("everything").with("scope", "invoices:read");
    let asked = at.ada.submit(&form).await.expect(422);
    assert!(asked.text.contains("3 requests of the last 30 days"), "{}", asked.text);
    assert!(asked.text.contains("What no permission names"), "{}", asked.text);
    assert!(Stage::mark(&asked).ends_with(" *"));
}

#[tokio::test]
async fn a_shorter_list_of_addresses_names_who_is_outside() {
    let mut at = Stage::new(json!(["invoices:read"])).await;
    at.calls("/mfi/invoices", 1, 200).await;
    at.keyway.flush().await;
    let form = at.ada.form(&at.path).await;
    let with_here = form.clone().with("addresses", "127.0.0.0/8\n203.0.113.0/24");
    let asked = at.ada.submit(&with_here).await.expect(422);
    assert!(asked.text.contains("no address outside of the list"), "{}", asked.text);
    let agreed = at.again(&asked).with("narrow", Stage::mark(&asked));
    leads_to(&at.ada.submit(&agreed).await);
    // A wider list takes nothing away.
    let form = at.ada.form(&at.path).await;
    let wider = form.with("addresses", "127.0.0.0/8\n203.0.113.0/24\n198.51.100.0/24");
    leads_to(&at.ada.submit(&wider).await);
    let form = at.ada.form(&at.path).await.with("addresses", "203.0.113.7");
    let asked = at.ada.submit(&form).await.expect(422);
    assert!(asked.text.contains("used from outside of the list"), "{}", asked.text);
    assert!(asked.text.contains("127.0.0.1"), "{}", asked.text);
    at.calls("/mfi/invoices", 1, 200).await;
}

#[tokio::test]
async fn requests_by_scope_are_told_for_thirty_days_and_forgotten_afterwards() {
    let at = Stage::new(json!(["invoices:read", "payouts:read"])).await;
    at.calls("/mfi/invoices", 3, 200).await;
    at.calls("/mfi/clients", 2, 403).await;
    at.keyway.flush().await;
    let usage = format!("/v1/accounts/{}/credentials/{}/usage", at.account, at.id);
    let by_scope =
        async || at.keyway.get(&usage).await.expect(200).json()["allowed_by_scope_30_days"].clone();
    assert_eq!(by_scope().await, json!({ "invoices:read": 3 }), "what was refused is not in it");
    at.keyway.clock.advance_ms(29 * DAY);
    at.calls("/mfi/payouts", 1, 200).await;
    at.keyway.flush().await;
    assert_eq!(by_scope().await, json!({ "invoices:read": 3, "payouts:read": 1 }));
    at.keyway.clock.advance_ms(DAY);
    assert_eq!(by_scope().await, json!({ "payouts:read": 1 }));
    let rows = || at.keyway.database.editor().number("SELECT COUNT(*) FROM usage_need_days");
    assert_eq!(rows(), 2);
    at.keyway.clock.advance_ms(7 * DAY);
    keyway_server::worker::tidy(&at.keyway.app).await.expect("it is tidied");
    assert_eq!(rows(), 1, "what nobody is told of is not kept");
}
