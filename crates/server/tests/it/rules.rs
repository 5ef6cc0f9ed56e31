//! Security rules and email notices: what an account sets holds for its pages and for the API, is
//! never looser than what the platform sets, and is in the audit log.

use keyway_domain::actor::Role;
use serde_json::{Value, json};

use crate::acts::leads_to;
use crate::browser::{Browser, Form, PASSWORD, account_of};
use crate::harness::{DAY, Keyway};

const OWNER: &str = "ada@example.com";
const RULES: &str = "/settings/security";
const NOTICES: &str = "/settings/notices";

async fn start(scheme: &str) -> (Keyway, Browser, String) {
    let keyway = Keyway::start(scheme).await;
    let ada = Browser::sign_up(&keyway, OWNER).await;
    let account = account_of(&keyway, OWNER).await;
    (keyway, ada, account)
}

pub(crate) async fn set(browser: &mut Browser, fields: &[(&str, &str)]) {
    let mut form = browser.form(RULES).await.with("password", PASSWORD);
    for (name, value) in fields {
        form = form.with(name, *value);
    }
    let done = browser.submit(&form).await;
    assert_eq!(leads_to(&done), "/settings/security?done=saved", "{}", done.text);
}

fn key(grant: &str, days: Option<i64>, addresses: &[&str]) -> Value {
    let expires = days.map(|days| {
        let at = keyway_domain::time::Time::parse("2026-11-21T00:00:00Z").expect("a day");
        at.plus_ms(days * DAY).to_string()
    });
    json!({
        "kind": "key", "environment": "live", "name": "K", "grant": [grant],
        "expires_at": expires, "addresses": addresses,
    })
}

/// What is wrong with a call, and with which of its fields.
async fn refused(keyway: &Keyway, account: &str, body: Value) -> (String, String) {
    let answer = keyway.create(account, body).await.expect(422).json();
    let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
    (text("field"), answer.to_string())
}

#[tokio::test]
async fn own_rules_hold_for_pages_and_api_and_say_whose_they_are() {
    let (keyway, mut ada, account) = start("enterprise").await;
    let lasting = keyway.create(&account, key("payouts:write", None, &[])).await.expect(201).id();
    let form = ada.form(RULES).await.with("lifetime_days_max", "90");
    ada.submit(&form).await.expect(401);
    ada.submit(&form.clone().with("password", "not the password of anybody")).await.expect(401);
    set(&mut ada, &[("lifetime_days_max", "90"), ("addresses_for_money", "1")]).await;
    for (body, field, rule) in [
        (key("invoices:read", None, &[]), "expires_at", "Longest lifetime"),
        (key("invoices:read", Some(92), &[]), "expires_at", "Longest lifetime"),
        (key("payouts:write", Some(30), &[]), "addresses", "Allowed addresses"),
    ] {
        let (wrong, said) = refused(&keyway, &account, body).await;
        assert_eq!(wrong, field, "{said}");
        assert!(said.contains(rule) && said.contains("this account has set the rule"), "{said}");
    }
    let kept = keyway.create(&account, key("payouts:write", Some(90), &["203.0.113.0/24"])).await;
    let kept = kept.expect(201).id();
    keyway.create(&account, key("payouts:read", Some(90), &[])).await.expect(201);
    // What was there before is as it was, until it is changed.
    let path = format!("/v1/accounts/{account}/credentials/{lasting}");
    keyway.manage("PATCH", &path, &json!({ "name": "Still here" })).await.expect(200);
    let path = format!("/v1/accounts/{account}/credentials/{kept}");
    let open = json!({ "addresses": [] });
    assert_eq!(keyway.manage("PATCH", &path, &open).await.expect(422).json()["field"], "addresses");
    // The pages offer what may be, and refuse the rest.
    let page = ada.get("/live/keys/new").await.expect(200).text;
    assert!(page.contains("Within 90 days after it was made"), "{page}");
    assert!(!page.contains("value=\"never\"") && !page.contains("value=\"180\""), "{page}");
    let form = ada.form("/live/keys/new").await.with("name", "P").with("scope", "payouts:write");
    let said = ada.submit(&form.with("expires", "30")).await.expect(422).text;
    assert!(said.contains("Allowed addresses for what moves money"), "{said}");
    let form = ada.form("/live/keys/new").await.with("name", "P").with("scope", "clients:read");
    let said = ada.submit(&form.with("expires", "never")).await.expect(422).text;
    assert!(said.contains("Longest lifetime"), "{said}");
    let log = keyway.get(&format!("/v1/accounts/{account}/events?type=settings.updated")).await;
    let log = log.expect(200).json();
    let told = &log["data"][0];
    assert_eq!(told["before"]["lifetime_days_max"], Value::Null);
    assert_eq!(told["after"]["lifetime_days_max"], 90);
    assert_eq!(told["step_up"], "password");
    // The same again is nothing new.
    set(&mut ada, &[]).await;
    let again = keyway.get(&format!("/v1/accounts/{account}/events?type=settings.updated")).await;
    assert_eq!(again.expect(200).json()["data"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_window_is_as_long_as_the_rule_lets_it_be() {
    let (keyway, mut ada, account) = start("rapyd").await;
    set(&mut ada, &[("overlap_max", "21600")]).await;
    let body =
        json!({ "kind": "signing", "environment": "live", "name": "L", "grant": "everything" });
    let id = keyway.create(&account, body).await.expect(201).id();
    let long = keyway.act(&account, &id, "rotate", json!({ "overlap": "1d" })).await.expect(422);
    assert_eq!(long.json()["field"], "overlap");
    assert!(long.text.contains("Longest rotation window"), "{}", long.text);
    let page = ada.get(&format!("/live/keys/{id}/rotate")).await.expect(200).text;
    assert!(page.contains("At most 6 hours"), "{page}");
    assert!(page.contains("value=\"3600\"") && !page.contains("value=\"43200\""), "{page}");
    // Without a word it is what the scheme says, as far as the rule goes.
    keyway.act(&account, &id, "rotate", json!({})).await.expect(200);
    let shown = keyway.get(&format!("/v1/accounts/{account}/credentials/{id}")).await.expect(200);
    assert!(shown.text.contains("2026-11-21T18:00:00Z"), "{}", shown.text);
}

#[tokio::test]
async fn without_a_second_factor_nothing_is_open_but_the_way_to_one() {
    let (keyway, mut ada, account) = start("enterprise").await;
    let mut dev = Browser::join(&keyway, &account, Role::Developer, "d@example.com").await;
    let form = ada.form(RULES).await.with("password", PASSWORD).with("second_factor", "1");
    let said = ada.submit(&form).await.expect(422).text;
    assert!(said.contains("your own authenticator app first"), "{said}");
    ada.enrol(&keyway, 0).await;
    set(&mut ada, &[("second_factor", "1")]).await;
    ada.get("/live/keys").await.expect(200);
    for path in ["/live/keys", "/live/keys/new", "/audit", "/requests", "/team", RULES] {
        let refused = dev.get(path).await.expect(403).text;
        assert!(refused.contains("Second factor for everyone"), "{path}: {refused}");
    }
    let form = dev.made_up("/live/keys/new").await.with("name", "K").with("scope", "clients:read");
    dev.submit(&form).await.expect(403);
    dev.get("/you").await.expect(200);
    dev.enrol(&keyway, 0).await;
    dev.get("/live/keys").await.expect(200);
}

#[tokio::test]
async fn what_the_platform_sets_is_locked_and_only_made_stricter() {
    let more = "\n[rules]\nlifetime_days_max = 365\naddresses_for_money = true\n";
    let (keyway, mut ada, account) = start(&format!("enterprise{more}")).await;
    let (field, said) = refused(&keyway, &account, key("invoices:read", None, &[])).await;
    assert_eq!(field, "expires_at");
    assert!(said.contains("Enterprise has set the rule “Longest lifetime”"), "{said}");
    let page = ada.get(RULES).await.expect(200).text;
    assert!(page.contains("at most 365 days, by Enterprise"), "{page}");
    let form = ada.form(RULES).await.with("password", PASSWORD);
    assert_eq!(form.value("addresses_for_money"), Some("1"), "it is on");
    let looser = ada.submit(&form.clone().with("lifetime_days_max", "400")).await.expect(422).text;
    assert!(looser.contains("yours can only be shorter"), "{looser}");
    for wrong in ["0", "-1", "abc", "99999999999999999999"] {
        ada.submit(&form.clone().with("lifetime_days_max", wrong)).await.expect(422);
    }
    ada.submit(&form.clone().with("overlap_max", "17")).await.expect(422);
    // Left out of a made-up form, it holds all the same.
    let form = form.without("addresses_for_money").with("lifetime_days_max", "30");
    leads_to(&ada.submit(&form).await);
    let (field, said) = refused(&keyway, &account, key("payouts:write", Some(20), &[])).await;
    assert_eq!(field, "addresses");
    assert!(said.contains("Enterprise has set the rule"), "{said}");
    let (_, said) = refused(&keyway, &account, key("invoices:read", Some(40), &[])).await;
    assert!(said.contains("this account has set the rule"), "{said}");
    let mut viewer = Browser::join(&keyway, &account, Role::Viewer, "v@example.com").await;
    let form = viewer.made_up(RULES).await.with("password", PASSWORD);
    viewer.submit(&form.with("name", "Mine")).await.expect(403);
}

/// The form of the notices with these ticked beside, and those not.
async fn ticked(browser: &mut Browser, add: &[&str], drop: &[&str]) -> Form {
    let mut form = browser.form(NOTICES).await.with("password", PASSWORD);
    form.fields.retain(|(name, value)| name != "event" || !drop.contains(&value.as_str()));
    form.fields.extend(add.iter().map(|event| ("event".to_owned(), (*event).to_owned())));
    form
}

/// Who got letters of what just happened.
async fn readers(keyway: &Keyway) -> Vec<String> {
    let to = |letter: &String| {
        let line = letter.lines().find(|line| line.starts_with("To:")).expect("a reader");
        line.trim_start_matches("To:").trim().to_owned()
    };
    let mut all: Vec<String> = keyway.mail().await.iter().map(to).collect();
    all.sort();
    all
}

#[tokio::test]
async fn notices_go_to_whom_the_account_says_and_an_end_is_always_told() {
    let (keyway, mut ada, account) = start("enterprise").await;
    for (role, address) in [(Role::Admin, "b@example.com"), (Role::Developer, "c@example.com")] {
        Browser::join(&keyway, &account, role, address).await;
    }
    keyway.mail().await;
    let make = async || keyway.create(&account, key("invoices:read", None, &[])).await.expect(201);
    let first = make().await.id();
    assert_eq!(readers(&keyway).await, [OWNER, "b@example.com"], "as the scheme says");
    let form = ticked(
        &mut ada,
        &["api_key.created:developer", "api_key.revoked:developer"],
        &["api_key.created:admin"],
    )
    .await;
    let fixed = ["api_key.revoked:owner", "api_key.revoked:admin"];
    let offered = form.fields.iter().any(|(_, value)| fixed.contains(&value.as_str()));
    assert!(!offered, "what can't be switched off is no box");
    ada.submit(&form.clone().with("password", "not the password of anybody")).await.expect(401);
    leads_to(&ada.submit(&form).await);
    let second = make().await.id();
    assert_eq!(readers(&keyway).await, [OWNER, "c@example.com"]);
    for id in [first, second] {
        keyway.act(&account, &id, "revoke", json!({})).await.expect(200);
    }
    let all = [OWNER, OWNER, "b@example.com", "b@example.com", "c@example.com", "c@example.com"];
    assert_eq!(readers(&keyway).await, all);
    let log = keyway.get(&format!("/v1/accounts/{account}/events?type=settings.updated")).await;
    let told = log.expect(200).json()["data"][0].clone();
    assert_eq!(told["before"]["api_key.created"], json!(["owner", "admin"]));
    assert_eq!(told["after"]["api_key.created"], json!(["owner", "developer"]));
    let wrong = ticked(&mut ada, &["api_key.nothing:owner"], &[]).await;
    ada.submit(&wrong).await.expect(422);
    let mut dev = Browser::sign_in(&keyway, "c@example.com").await;
    let page = dev.get(NOTICES).await.expect(200).text;
    assert!(!page.contains("name=\"event\""), "a developer may look, not change");
    let form = dev.made_up(NOTICES).await.with("password", PASSWORD);
    dev.submit(&form).await.expect(403);
}
