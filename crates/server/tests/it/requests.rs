//! The log of requests: what was judged is there, nothing secret is, and it never holds up a verdict.

use std::collections::BTreeSet;

use keyway_domain::actor::Role;
use keyway_server::verify::{Asked, HeaderPairs};
use keyway_server::worker;
use serde_json::{Value, json};

use crate::browser::{Browser, account_of, encoded};
use crate::harness::{Answer, DAY, HOUR, Keyway, MINUTE, bearer};

const OWNER: &str = "ada@example.com";

struct Stage {
    keyway: Keyway,
    ada: Browser,
    account: String,
    id: String,
    key: String,
}

impl Stage {
    async fn new() -> Self {
        let keyway = Keyway::start("enterprise").await;
        let ada = Browser::sign_up(&keyway, OWNER).await;
        let account = account_of(&keyway, OWNER).await;
        let (id, key) = made(&keyway, &account, "Server").await;
        Self { keyway, ada, account, id, key }
    }

    async fn call(&self, path: &str, status: u16) -> String {
        let answer = bearer(self.keyway.api, "GET", path, &self.key).await.expect(status);
        id_of(&answer)
    }

    /// What the API lists, after everything was written down.
    async fn listed(&self, query: &str) -> Vec<Value> {
        worker::log_requests(&self.keyway.app).await.expect("they are written down");
        let path = format!("/v1/accounts/{}/requests?{query}", self.account);
        let page = self.keyway.get(&path).await.expect(200).json();
        page["data"].as_array().expect("a list").clone()
    }
}

async fn made(keyway: &Keyway, account: &str, name: &str) -> (String, String) {
    let grant = json!(["invoices:read", "payouts:read"]);
    let body = json!({ "kind": "key", "environment": "live", "name": name, "grant": grant });
    let made = keyway.create(account, body).await.expect(201);
    (made.id(), made.shown("key"))
}

fn id_of(answer: &Answer) -> String {
    answer.header("request-id").expect("an id").to_owned()
}

fn ids(list: &[Value]) -> Vec<&str> {
    list.iter().map(|one| one["id"].as_str().expect("an id")).collect()
}

#[tokio::test]
async fn every_request_is_in_it_with_what_was_decided_and_nothing_of_the_clients() {
    let mut at = Stage::new().await;
    let allowed = at.call("/mfi/invoices?customer=Mxyzptlk", 200).await;
    at.keyway.clock.advance_ms(1_000);
    let missing = at.call("/mfi/invoices/inv-Mxyzptlk", 404).await;
    at.keyway.clock.advance_ms(1_000);
    let lacks = at.call("/mfi/clients", 403).await;
    at.keyway.clock.advance_ms(1_000);
    let unlisted = at.call("/mfi/Mxyzptlk", 403).await;
    let list = at.listed("").await;
    assert_eq!(ids(&list), [&unlisted, &lacks, &missing, &allowed], "the newest first");
    let newest = &list[0];
    assert_eq!(newest["outcome"], "insufficient_scope");
    assert_eq!((&newest["route"], &newest["needed"]), (&Value::Null, &json!("*")));
    let expected = json!({
        "id": missing,
        "at": "2026-11-21T12:00:01Z",
        "credential": at.id,
        "secret": 1,
        "environment": "live",
        "outcome": "allowed",
        "method": "GET",
        "route": "/mfi/invoices/{id}",
        "needed": "invoices:read",
        "address": "127.0.0.1",
    });
    assert_eq!(list[2], expected);
    // Found again by its id alone, it says the same.
    let again = at.keyway.get(&format!("/v1/requests/{lacks}")).await.expect(200).json();
    assert_eq!((&again["reason"], &again["credential"]), (&list[1]["outcome"], &json!(at.id)));
    let page = at.ada.get("/requests").await.expect(200).text;
    for id in [&allowed, &missing, &lacks, &unlisted] {
        assert!(page.contains(id.as_str()), "{id}");
    }
    let csv = at.ada.get("/requests.csv").await.expect(200).text;
    let lines = at.ada.get("/requests.jsonl").await.expect(200).text;
    assert_eq!((csv.lines().count(), lines.lines().count()), (5, 4));
    assert!(csv.starts_with("request_id,time,"), "{csv}");
    let secret = at.key.clone();
    for text in [page, csv, lines, Value::from(list).to_string()] {
        assert!(!text.contains("Mxyzptlk"), "nothing of a path or a query: {text}");
        assert!(!text.contains(&secret[10..]), "no key");
    }
}

#[tokio::test]
async fn it_is_filtered_paged_and_of_one_account_only() {
    let mut at = Stage::new().await;
    let (other, other_key) = made(&at.keyway, &at.account, "Another").await;
    let theirs = at.keyway.account().await;
    let (_, their_key) = made(&at.keyway, &theirs, "Theirs").await;
    for number in 0..60 {
        at.keyway.clock.advance_ms(1);
        let path = if number % 3 == 0 { "/mfi/clients" } else { "/mfi/payouts" };
        at.call(path, if number % 3 == 0 { 403 } else { 200 }).await;
    }
    let single = bearer(at.keyway.api, "GET", "/mfi/invoices", &other_key).await.expect(200);
    bearer(at.keyway.api, "GET", "/mfi/invoices", &their_key).await.expect(200);
    let route = encoded("/mfi/payouts");
    let later = encoded(&at.keyway.app.now().plus_ms(1_000).to_string());
    for (query, many) in [
        ("limit=200".to_owned(), 61),
        (format!("limit=200&credential={}", at.id), 60),
        (format!("limit=200&credential={other}"), 1),
        ("limit=200&outcome=allowed".to_owned(), 41),
        ("limit=200&outcome=refused".to_owned(), 20),
        ("limit=200&outcome=insufficient_scope".to_owned(), 20),
        ("limit=200&outcome=expired".to_owned(), 0),
        (format!("limit=200&route={route}"), 40),
        (format!("limit=200&route={route}&outcome=refused"), 0),
        ("limit=200&address=127.0.0.1".to_owned(), 61),
        ("limit=200&address=192.0.2.1".to_owned(), 0),
        (format!("limit=200&since={later}"), 0),
        (format!("limit=200&until={later}"), 61),
    ] {
        assert_eq!(at.listed(&query).await.len(), many, "{query}");
    }
    let mut seen = BTreeSet::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/v1/accounts/{}/requests?limit=25{cursor}", at.account);
        let page = at.keyway.get(&path).await.expect(200).json();
        seen.extend(
            ids(page["data"].as_array().expect("a list")).iter().map(|id| (*id).to_owned()),
        );
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen.len(), 61);
    // The page has fifty, and the rest behind a link.
    let page = at.ada.get("/requests?outcome=").await.expect(200).text;
    let rest =
        page.split("href=\"/requests?").find(|part| part.contains("after=")).expect("a link");
    let rest = rest.split('"').next().expect("a link").replace("&amp;", "&");
    let page = at.ada.get(&format!("/requests?{rest}")).await.expect(200).text;
    assert_eq!(page.matches("data-row").count(), 11);
    let by_id = at.ada.get(&format!("/requests?id={}", id_of(&single))).await.expect(200).text;
    assert_eq!(by_id.matches("data-row").count(), 1);
    for nobodys in ["req_nothing", "req_%27%20OR%201=1"] {
        let page = at.ada.get(&format!("/requests?id={nobodys}")).await.expect(200).text;
        assert_eq!(page.matches("data-row").count(), 0);
    }
    let mut eve = Browser::sign_up(&at.keyway, "eve@example.com").await;
    let page = eve.get(&format!("/requests?key={}&period=all", at.id)).await.expect(200).text;
    assert_eq!(page.matches("data-row").count(), 0, "another account's are not there");
    let mut viewer = Browser::join(&at.keyway, &at.account, Role::Viewer, "v@example.com").await;
    viewer.get("/requests").await.expect(200);
    for (query, field) in
        [("outcome=maybe", "outcome"), ("since=soon", "since"), ("credential=x", "credential")]
    {
        let path = format!("/v1/accounts/{}/requests?{query}", at.account);
        assert_eq!(at.keyway.get(&path).await.expect(400).json()["field"], field);
    }
    let gone = "/v1/accounts/acct_00000000000000000000000001/requests";
    at.keyway.get(gone).await.expect(404);
}

/// Asks the engine itself, as fast as it answers.
fn ask(at: &Stage, times: usize, resource: &str) -> usize {
    let engine = &at.keyway.app.platform.engine;
    let headers = vec![("authorization".to_owned(), format!("Bearer {}", at.key))];
    let named = Some((resource, keyway_domain::grant::Action::Read));
    let asked = Asked { named, ..Asked::default() };
    let pairs = HeaderPairs(&headers);
    let mut allowed = 0;
    for number in 0..times {
        if number % 5_000 == 0 {
            // The rate limit is another matter.
            at.keyway.clock.advance_ms(MINUTE);
        }
        allowed += usize::from(engine.verify(&pairs, &asked).verdict.is_ok());
    }
    allowed
}

#[tokio::test]
async fn what_comes_faster_than_it_is_written_is_judged_counted_and_said() {
    let mut at = Stage::new().await;
    let room = 4 * (4_096 - 1_024);
    assert_eq!(ask(&at, room + 500, "invoices"), room + 500, "all of them are judged");
    // What is kept free for refusals takes them still.
    assert_eq!(ask(&at, 100, "clients"), 0);
    assert_eq!(at.listed("limit=200").await.len(), 200);
    let page = at.ada.get("/requests").await.expect(200).text;
    assert!(page.contains("500 requests"), "the page says how many are not there");
    for _ in 0..20 {
        worker::log_requests(&at.keyway.app).await.expect("they are written down");
    }
    let rows = || at.keyway.database.editor().number("SELECT COUNT(*) FROM requests");
    assert_eq!(rows(), i64::try_from(room + 100).expect("a small number"));
    assert_eq!(at.listed("limit=200&outcome=refused").await.len(), 100);
    assert_eq!(at.keyway.database.editor().number("SELECT kept FROM request_counts"), rows());
}

#[tokio::test]
async fn it_is_kept_for_some_days_and_reaches_the_database_when_that_is_back() {
    let at = Stage::new().await;
    at.call("/mfi/invoices", 200).await;
    assert_eq!(at.listed("").await.len(), 1);
    at.keyway.clock.advance_ms(14 * DAY - HOUR);
    at.call("/mfi/invoices", 200).await;
    assert_eq!(at.listed("").await.len(), 2);
    worker::tidy(&at.keyway.app).await.expect("it is tidied");
    assert_eq!(at.listed("").await.len(), 2);
    at.keyway.clock.advance_ms(2 * HOUR);
    worker::tidy(&at.keyway.app).await.expect("it is tidied");
    assert_eq!(at.listed("").await.len(), 1);
}
