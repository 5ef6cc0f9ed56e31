//! The platform's operator in a browser: in by a link that is good once, for half an hour, with the
//! power of a token and no more; every account that is opened is told.

use keyway_domain::actor::Role;
use keyway_server::http::pages::routes::{For, pages};
use serde_json::{Value, json};

use crate::acts::leads_to;
use crate::browser::{Browser, account_of, text_of};
use crate::harness::{HOUR, Keyway, MINUTE, basic, bearer, send};
use crate::page_table::filled;

const OWNER: &str = "ada@example.com";

/// A token of the operator.
struct Token {
    id: String,
    secret: String,
}

async fn token(keyway: &Keyway, more: Value) -> Token {
    let mut body = json!({ "name": "Support desk" });
    for (name, value) in more.as_object().expect("fields") {
        body[name] = value.clone();
    }
    let made = keyway.post("/v1/operator-tokens", body).await.expect(201);
    Token { id: made.id(), secret: made.shown("token") }
}

/// A link of a token: its path.
async fn link(keyway: &Keyway, token: &Token) -> String {
    let authorization = format!("Bearer {}", token.secret);
    let headers = [("authorization", authorization.as_str())];
    let made = send(keyway.public, "POST", "/v1/operator-links", &headers, "{}").await;
    let url = made.expect(201).shown("url");
    let at = url.find("/operator/enter/").unwrap_or_else(|| panic!("{url}"));
    url[at..].to_owned()
}

/// A browser that came in by a link of a token.
async fn enter(keyway: &Keyway, token: &Token) -> Browser {
    let path = link(keyway, token).await;
    let mut browser = Browser::new(keyway);
    let form = browser.form(&path).await;
    let entered = browser.submit(&form).await;
    assert_eq!(leads_to(&entered), "/operator");
    browser
}

async fn status(browser: &mut Browser, path: &str) -> u16 {
    browser.get(path).await.status
}

async fn key(keyway: &Keyway, account: &str) -> String {
    let body =
        json!({ "kind": "secret", "environment": "live", "name": "K", "grant": "everything" });
    keyway.create(account, body).await.expect(201).shown("key")
}

#[tokio::test]
async fn a_link_lets_one_browser_in_once_and_for_five_minutes() {
    let keyway = Keyway::start("xendit").await;
    let token = token(&keyway, json!({})).await;
    let path = link(&keyway, &token).await;
    let mut browser = Browser::new(&keyway);
    // Whatever opens a link to look at it, such as a mail scanner, spends nothing.
    for _ in 0..2 {
        browser.get(&path).await.expect(200);
    }
    assert_eq!(status(&mut browser, "/operator").await, 401);
    let form = browser.form(&path).await;
    let foreign = [("sec-fetch-site", "cross-site")];
    browser.request("POST", &path, &foreign, "once=x").await.expect(403);
    let entered = browser.submit(&form).await.expect(303);
    let cookie = entered.header("set-cookie").expect("a cookie");
    for part in ["keyway-operator=", "HttpOnly", "SameSite=Strict", "Max-Age=1800", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    browser.get("/operator").await.expect(200);
    // Once: by the same browser, and by another.
    browser.submit(&form).await.expect(410);
    let mut other = Browser::new(&keyway);
    other.get(&path).await.expect(410);
    other.submit(&form).await.expect(410);
    assert_eq!(status(&mut other, "/operator").await, 401);
    // What it was made with is not what it opens.
    let text = path.trim_start_matches("/operator/enter/").to_owned();
    other.cookies.insert("keyway-operator".to_owned(), text);
    assert_eq!(status(&mut other, "/operator").await, 401);
    let late = link(&keyway, &token).await;
    let form = other.form(&late).await;
    keyway.clock.advance_ms(5 * MINUTE);
    other.get(&late).await.expect(410);
    other.submit(&form).await.expect(410);
    let events = keyway.get("/v1/events?limit=100").await.expect(200).json();
    let entered = events["data"].as_array().expect("a list");
    let entered: Vec<&Value> = entered.iter().filter(|e| e["type"] == "operator.entered").collect();
    assert_eq!(entered.len(), 1);
    assert_eq!(entered[0]["actor"]["token"], token.id.as_str());
}

#[tokio::test]
async fn a_session_ends_with_its_half_hour_its_token_and_its_secret() {
    let keyway = Keyway::start("xendit").await;
    let wide = token(&keyway, json!({})).await;
    let act = async |id: &str, act: &str, body: Value| {
        keyway.post(&format!("/v1/operator-tokens/{id}/{act}"), body).await.expect(200)
    };
    let mut browser = enter(&keyway, &wide).await;
    keyway.clock.advance_ms(30 * MINUTE - 1);
    browser.get("/operator").await.expect(200);
    keyway.clock.advance_ms(1);
    browser.get("/operator").await.expect(401);

    let mut browser = enter(&keyway, &wide).await;
    let form = browser.form_to("/operator", "/operator/leave").await;
    let mut stolen = browser.clone();
    browser.submit(&form).await.expect(303);
    assert!(!browser.cookies.contains_key("keyway-operator"));
    assert_eq!(status(&mut stolen, "/operator").await, 401, "it has ended, not only here");

    let mut browser = enter(&keyway, &wide).await;
    act(&wide.id, "revoke", json!({})).await;
    assert_eq!(status(&mut browser, "/operator").await, 401, "its token is revoked");

    let rotated = token(&keyway, json!({})).await;
    let mut browser = enter(&keyway, &rotated).await;
    act(&rotated.id, "rotate", json!({ "overlap": "1h" })).await;
    browser.get("/operator").await.expect(200);
    act(&rotated.id, "rotate", json!({ "overlap": "0s" })).await;
    assert_eq!(status(&mut browser, "/operator").await, 401, "what it began with has ended");

    let brief = token(&keyway, json!({ "expires_at": keyway.app.now().plus_ms(HOUR).to_string() }));
    let brief = brief.await;
    keyway.clock.advance_ms(HOUR - MINUTE);
    let mut browser = enter(&keyway, &brief).await;
    keyway.clock.advance_ms(MINUTE);
    assert_eq!(status(&mut browser, "/operator").await, 401, "its token has expired");

    let here = token(&keyway, json!({ "addresses": ["127.0.0.1"] })).await;
    let mut browser = enter(&keyway, &here).await;
    let path = format!("/v1/operator-tokens/{}", here.id);
    let far = json!({ "addresses": ["203.0.113.0/24"] });
    keyway.manage("PATCH", &path, &far).await.expect(200);
    assert_eq!(status(&mut browser, "/operator").await, 401, "the token is not for here");
}

#[tokio::test]
async fn a_session_may_do_what_its_token_may_at_that_moment() {
    let keyway = Keyway::start("xendit").await;
    let account = keyway.account().await;
    let path = format!("/operator/{account}");
    let narrow = token(&keyway, json!({ "grant": ["accounts:read", "members:read"] })).await;
    let mut browser = enter(&keyway, &narrow).await;
    let page = browser.get(&path).await.expect(200).text;
    for hidden in ["credentials:read", "webhooks:read", "events:read"] {
        assert!(page.contains(&format!("<code>{hidden}</code>")), "{hidden}: {page}");
    }
    assert!(!page.contains("/suspend\""), "{page}");
    let form = browser.form_to("/operator", "/operator/leave").await;
    for page in pages().iter().filter(|page| matches!(page.for_whom, For::Operator(..))) {
        let For::Operator(_, action) = page.for_whom else { continue };
        let path = filled(page.path).replace("acct_00000000000000000000000001", &account);
        if action.as_str() == "read" {
            continue;
        }
        let refused = if page.method == "GET" {
            browser.get(&path).await
        } else {
            let form = crate::browser::Form { action: path.clone(), ..form.clone() };
            browser.submit(&form.with("reason", "x").with("typed", "Toko Kopi")).await
        };
        assert_eq!(refused.status, 403, "{} {path}", page.method);
        assert!(refused.text.contains("accounts:write"), "{}", refused.text);
    }
    // A token that may look at no account makes no link.
    let other = token(&keyway, json!({ "grant": ["verification:read"] })).await;
    let refused = bearer(keyway.public, "POST", "/v1/operator-links", &other.secret).await;
    assert_eq!(refused.expect(403).json()["code"], "token_scope");
    // What is given later holds from then on, and what is taken away, too.
    let token_path = format!("/v1/operator-tokens/{}", narrow.id);
    let grant = json!({ "grant": ["accounts:read", "accounts:write", "events:read"] });
    keyway.manage("PATCH", &token_path, &grant).await.expect(200);
    let page = browser.get(&path).await.expect(200).text;
    assert!(page.contains("/suspend\"") && page.contains("Account created"), "{page}");
    let grant = json!({ "grant": ["verification:read"] });
    keyway.manage("PATCH", &token_path, &grant).await.expect(200);
    browser.get(&path).await.expect(403);
}

#[tokio::test]
async fn an_account_is_told_that_it_was_looked_at() {
    let keyway = Keyway::start("xendit").await;
    let mut ada = Browser::sign_up(&keyway, OWNER).await;
    let account = account_of(&keyway, OWNER).await;
    let secret = key(&keyway, &account).await;
    let desk = token(&keyway, json!({})).await;
    let mut browser = enter(&keyway, &desk).await;
    let views = async || {
        let kinds = keyway.events(&account).await;
        kinds.iter().filter(|kind| *kind == "account.viewed_by_platform").count()
    };
    browser.get("/operator").await.expect(200);
    browser.get(&format!("/operator/{account}/suspend")).await.expect(200);
    assert_eq!(views().await, 0, "a list tells nobody");
    let page = browser.get(&format!("/operator/{account}")).await.expect(200).text;
    assert!(page.contains(OWNER) && page.contains(&secret[secret.len() - 4..]), "{page}");
    assert!(!page.contains(&secret), "no page shows a secret");
    browser.get(&format!("/operator/{account}")).await.expect(200);
    assert_eq!(views().await, 1, "told once for a while");
    let log = ada.get("/audit").await.expect(200).text;
    assert!(log.contains("Looked at by the platform"), "{log}");
    // Where the platform's people sit is in the platform's own log only.
    let path = format!("/v1/accounts/{account}/events?type=account.viewed_by_platform");
    let told = keyway.get(&path).await.expect(200).json();
    assert_eq!(
        (&told["data"][0]["address"], &told["data"][0]["client"]),
        (&Value::Null, &Value::Null)
    );
    let own = keyway.get("/v1/events?limit=100").await.expect(200).json();
    let own =
        own["data"].as_array().expect("a list").iter().find(|e| e["type"] == "operator.entered");
    assert_eq!(own.expect("it is told")["address"], "127.0.0.1");
    let another = token(&keyway, json!({})).await;
    enter(&keyway, &another).await.get(&format!("/operator/{account}")).await.expect(200);
    assert_eq!(views().await, 2, "by each token");
    keyway.clock.advance_ms(11 * MINUTE);
    keyway.work().await;
    browser.get(&format!("/operator/{account}")).await.expect(200);
    assert!(views().await >= 3, "and again later");
}

#[tokio::test]
async fn suspending_needs_a_reason_and_the_name_and_holds_at_once() {
    let keyway = Keyway::start("xendit").await;
    let account = keyway.account().await;
    let secret = key(&keyway, &account).await;
    let call = async || basic(keyway.api, "GET", "/balance", (&secret, ""), "").await;
    call().await.expect(200);
    let desk = token(&keyway, json!({})).await;
    let mut browser = enter(&keyway, &desk).await;
    let path = format!("/operator/{account}/suspend");
    let form = browser.form(&path).await;
    for (reason, typed) in [("", "Toko Kopi"), ("Chargebacks", ""), ("Chargebacks", "toko kopi")] {
        let form = form.clone().with("reason", reason).with("typed", typed);
        browser.submit(&form).await.expect(422);
        assert_eq!(call().await.status, 200, "nothing has changed");
    }
    let long = form.clone().with("reason", "x".repeat(501)).with("typed", "Toko Kopi");
    browser.submit(&long).await.expect(422);
    let forged = form.clone().with("csrf", "x").with("reason", "x").with("typed", "Toko Kopi");
    browser.submit(&forged).await.expect(403);
    let form = form.with("reason", "Chargebacks under review").with("typed", "Toko Kopi");
    let done = browser.submit(&form).await;
    assert!(leads_to(&done).starts_with(&format!("/operator/{account}?done=suspended")));
    assert_eq!(call().await.status, 403, "from the answer on");
    let page = browser.get(leads_to(&done)).await.expect(200).text;
    assert!(page.contains("refused everywhere from now on") && page.contains("/resume\""));
    let found = browser.get("/operator?show=suspended").await.expect(200).text;
    assert!(found.contains("Toko Kopi"), "{found}");
    // Twice is once.
    browser.submit(&form).await.expect(303);
    let events = keyway.get(&format!("/v1/accounts/{account}/events?type=account.suspended")).await;
    let events = events.expect(200).json();
    assert_eq!(events["data"].as_array().map(Vec::len), Some(1));
    assert_eq!(events["data"][0]["after"]["reason"], "Chargebacks under review");
    assert_eq!(events["data"][0]["actor"]["token"], desk.id.as_str());
    let form = browser.form(&format!("/operator/{account}/resume")).await;
    browser.submit(&form.clone().with("reason", "")).await.expect(422);
    browser.submit(&form.with("reason", "Cleared")).await.expect(303);
    assert_eq!(call().await.status, 200);
}

#[tokio::test]
async fn the_api_takes_a_reason_too() {
    let keyway = Keyway::start("xendit").await;
    let account = keyway.account().await;
    let path = |act: &str| format!("/v1/accounts/{account}/{act}");
    for reason in [json!(""), json!(" "), json!("x".repeat(501)), json!("a\u{1b}b")] {
        keyway.post(&path("suspend"), json!({ "reason": reason })).await.expect(422);
    }
    keyway.post(&path("suspend"), json!({ "reason": "Asked for" })).await.expect(200);
    let events = keyway.get(&path("events?type=account.suspended")).await.expect(200).json();
    assert_eq!(events["data"][0]["after"]["reason"], "Asked for");
    keyway.post(&path("resume"), json!({})).await.expect(200);
}

#[tokio::test]
async fn members_and_the_operator_are_nothing_on_each_others_pages() {
    let keyway = Keyway::start("xendit").await;
    let mut ada = Browser::sign_up(&keyway, OWNER).await;
    let account = account_of(&keyway, OWNER).await;
    let path = format!("/operator/{account}");
    ada.get(&path).await.expect(401);
    let desk = token(&keyway, json!({})).await;
    let mut browser = enter(&keyway, &desk).await;
    for page in ["/live/keys", "/team", "/audit", "/you"] {
        assert!(leads_to(&browser.get(page).await).starts_with("/sign-in?next="), "{page}");
    }
    // One browser that is both: each session counts on its own pages, with its own marks.
    ada.cookies.extend(browser.cookies.clone());
    let csrf = ada.csrf().await;
    ada.get(&path).await.expect(200);
    ada.get("/team").await.expect(200);
    let form = ada.form(&format!("{path}/suspend")).await;
    let form = form.with("reason", "x").with("typed", "x");
    ada.submit(&form.clone().with("csrf", csrf)).await.expect(403);
    let operators = form.value("csrf").expect("a mark").to_owned();
    let own = ada.form("/team/invite").await.with("email", "x@example.com").with("role", "viewer");
    ada.submit(&own.with("csrf", operators)).await.expect(403);
    // The reserved account of the tokens is no merchant.
    browser.get("/operator/acct_00000000000000000000000000").await.expect(404);
    let page = browser.get("/operator").await.expect(200).text;
    assert!(page.contains("1 account."), "{page}");
}

#[tokio::test]
async fn merchants_are_found_by_name_id_and_people() {
    let keyway = Keyway::start("xendit").await;
    Browser::sign_up(&keyway, OWNER).await;
    let account = account_of(&keyway, OWNER).await;
    Browser::join(&keyway, &account, Role::Viewer, "grace@example.com").await;
    for number in 0..60 {
        let body = json!({ "name": format!("Shop 100% {number:02}_a"), "external_id": format!("m-{number}") });
        keyway.post("/v1/accounts", body).await.expect(201);
    }
    let desk = token(&keyway, json!({})).await;
    let mut browser = enter(&keyway, &desk).await;
    let mut rows = async |query: &str| {
        let page = browser.get(&format!("/operator?{query}")).await.expect(200).text;
        (page.matches("data-row").count(), page)
    };
    for (query, expected) in [
        ("q=", 50),
        ("q=SHOP", 50),
        ("q=100%25", 50),
        ("q=00_a", 1),
        ("q=0_a", 6),
        ("q=0%25a", 0),
        ("q=m-5", 11),
        ("q=-5", 0),
        ("q=grace%40", 1),
        ("q=race%40", 0),
        ("q=%27%20OR%201%3D1", 0),
        ("q=%00grace%40", 1),
        ("show=suspended", 0),
        ("show=nonsense", 50),
        ("after=nonsense", 50),
    ] {
        assert_eq!(rows(query).await.0, expected, "{query}");
    }
    assert_eq!(rows(&format!("q={account}")).await.0, 1);
    let (_, first) = rows("").await;
    let at = first.find("after=").expect("there is more");
    let after: String = first[at + 6..].chars().take_while(|c| *c != '"').collect();
    let (second, page) = rows(&format!("after={after}")).await;
    assert_eq!(second, 11);
    assert!(text_of(&page, "list").is_some());
    // Who may see no people finds none by their addresses, and sees no counts of what is hidden.
    let narrow = token(&keyway, json!({ "grant": ["accounts:read"] })).await;
    let mut browser = enter(&keyway, &narrow).await;
    let page = browser.get("/operator?q=grace%40&show=alerts").await.expect(200).text;
    assert_eq!(page.matches("data-row").count(), 0);
    let page = browser.get("/operator").await.expect(200).text;
    for hidden in ["People</th>", "Alerts</th>", "API keys</th>", "With alerts", "Webhooks failing"]
    {
        assert!(!page.contains(hidden), "{hidden}: {page}");
    }
}
