//! The table of pages: each refuses strangers, forged forms and other accounts' things, and each
//! carries what keeps a browser safe.

use std::collections::BTreeMap;

use keyway_domain::actor::Role;
use keyway_server::http::pages::routes::{For, Page, pages};
use serde_json::json;

use crate::acts::{self, leads_to};
use crate::browser::{Browser, Form, PASSWORD, Phone, account_of, invite, member, tags};
use crate::harness::{Answer, Keyway};

const OWNER: &str = "ada@example.com";

/// Ids that exist nowhere.
fn nowhere() -> BTreeMap<&'static str, String> {
    let id = |prefix: &str| format!("{prefix}_00000000000000000000000001");
    BTreeMap::from([
        ("{environment}", "live".to_owned()),
        ("{credential}", id("cred")),
        ("{reveal}", id("rev")),
        ("{member}", id("mem")),
        ("{link}", id("link")),
        ("{session}", id("sess")),
        ("{token}", "nowhere".to_owned()),
        ("{endpoint}", id("ep")),
        ("{delivery}", id("dlv")),
        ("{approval}", id("apr")),
        ("{account}", id("acct")),
    ])
}

fn filled_with(path: &str, ids: &BTreeMap<&'static str, String>) -> String {
    ids.iter().fold(path.to_owned(), |path, (name, id)| path.replace(name, id))
}

/// A path of the table with its placeholders filled by ids that exist nowhere.
pub(crate) fn filled(path: &str) -> String {
    filled_with(path, &nowhere())
}

fn guarded() -> impl Iterator<Item = &'static Page> {
    pages().iter().filter(|page| page.for_whom != For::Anyone)
}

fn is_operators(page: &Page) -> bool {
    matches!(page.for_whom, For::Operator(..))
}

#[tokio::test]
async fn every_page_but_the_doors_refuses_a_stranger() {
    let keyway = Keyway::start("xendit").await;
    let mut stranger = Browser::new(&keyway);
    let mut forged = stranger.clone();
    forged.cookies.insert("keyway".to_owned(), "A".repeat(43));
    for browser in [&mut stranger, &mut forged] {
        for page in guarded() {
            let (method, path) = (page.method.as_str(), filled(page.path));
            let answer = browser.request(method, &path, &[], "csrf=x&once=y").await;
            if is_operators(page) {
                assert_eq!(answer.status, 401, "{method} {path}");
                assert!(answer.text.contains("keyway operator link"), "{method} {path}");
            } else if method == "GET" {
                assert!(leads_to(&answer).starts_with("/sign-in?next="), "{method} {path}");
            } else {
                assert_eq!(answer.status, 401, "{method} {path}");
                assert!(answer.text.contains("Sign in"), "{method} {path}");
            }
        }
    }
    assert!(guarded().count() > 60);
}

#[tokio::test]
async fn every_form_refuses_what_does_not_come_from_its_own_page() {
    let keyway = Keyway::start("xendit").await;
    let mut browser = Browser::sign_up(&keyway, OWNER).await;
    let mut other = Browser::sign_in(&keyway, OWNER).await;
    let (csrf, others) = (browser.csrf().await, other.csrf().await);
    assert_ne!(csrf, others, "a mark belongs to one session");
    let own = format!("csrf={csrf}&once=x");
    for page in pages().iter().filter(|page| page.method == "POST") {
        let path = filled(page.path);
        for site in ["cross-site", "same-site", "none"] {
            let headers = [("sec-fetch-site", site)];
            let sent = browser.request("POST", &path, &headers, &own).await;
            assert_eq!(sent.status, 403, "{site} {path}");
        }
        let foreign = [("origin", "https://evil.example")];
        let sent = browser.request("POST", &path, &foreign, &own).await;
        assert_eq!(sent.status, 403, "{path} from another origin");
        if page.for_whom == For::Anyone {
            continue;
        }
        if is_operators(page) {
            // A member's session and its mark are nothing there.
            assert_eq!(browser.request("POST", &path, &[], &own).await.status, 401, "{path}");
            continue;
        }
        for mark in ["", "csrf=", "csrf=wrong", &format!("csrf={others}")] {
            let body = format!("{mark}&once=x");
            let sent = browser.request("POST", &path, &[], &body).await;
            assert_eq!(sent.status, 403, "{path} with {mark}");
        }
    }
    // None of all this ended the session.
    browser.get("/you").await.expect(200);
}

/// An answer without what is never twice the same: the request's id, the form's name, the path.
fn comparable(answer: &Answer, ids: &BTreeMap<&'static str, String>) -> (u16, String) {
    let mut text = answer.text.clone();
    for id in ids.values().filter(|id| *id != "live") {
        text = text.replace(id.as_str(), "ID");
    }
    let mut plain = String::new();
    for (place, part) in text.split("<code>req_").enumerate() {
        let rest = if place == 0 { part } else { part.split_once('<').map_or("", |(_, r)| r) };
        plain.push_str(rest);
    }
    let mut whole = String::new();
    for (place, part) in plain.split("name=\"once\" value=\"").enumerate() {
        let rest = if place == 0 { part } else { part.split_once('"').map_or("", |(_, r)| r) };
        whole.push_str(rest);
    }
    let to = answer.header("location").unwrap_or("").to_owned();
    (answer.status, format!("{to}\n{whole}"))
}

/// Everything that has an id in an account, by its placeholder.
async fn things(
    keyway: &Keyway,
    address: &str,
    browser: &mut Browser,
) -> BTreeMap<&'static str, String> {
    let account = account_of(keyway, address).await;
    let kind = acts::kinds(keyway).remove(0);
    let form = browser.form("/live/keys/new").await;
    let scheme = keyway.app.platform.rules.scheme.clone();
    let form = acts::fill(&scheme, &kind, keyway_domain::scheme::Act::Create, form);
    let made = browser.submit(&form.with("password", PASSWORD)).await;
    let reveal = leads_to(&made).trim_start_matches("/reveal/").to_owned();
    let invited = format!("new-{address}");
    invite(keyway, &account, Role::Viewer, &invited).await;
    let team = browser.get("/team").await.expect(200).text;
    let link = between(&team, "/team/invitations/", "/withdraw").expect("an invitation");
    let mut again = Browser::sign_in(keyway, address).await;
    let you = again.get("/you").await.expect(200).text;
    let session = between(&you, "/you/sessions/sess_", "/end\"").expect("another session");
    let id = acts::make(keyway, &account, &kind).await;
    let (endpoint, delivery) = an_endpoint(keyway, &account).await;
    BTreeMap::from([
        ("{endpoint}", endpoint),
        ("{delivery}", delivery),
        ("{environment}", "live".to_owned()),
        ("{credential}", id),
        ("{reveal}", reveal),
        ("{member}", member(keyway, address).await.id.to_string()),
        ("{link}", link),
        ("{session}", format!("sess_{session}")),
    ])
}

/// An endpoint of an account, and a message that went there.
async fn an_endpoint(keyway: &Keyway, account: &str) -> (String, String) {
    let body = json!({ "environment": "live", "url": "http://127.0.0.1:9/", "events": [] });
    let path = format!("/v1/accounts/{account}/webhooks");
    let endpoint = keyway.post(&path, body).await.expect(201).id();
    keyway.post(&format!("{path}/{endpoint}/test"), json!({})).await.expect(200);
    keyway.send_webhooks().await;
    let page = keyway.get(&format!("{path}/{endpoint}/deliveries")).await.expect(200).json();
    let delivery = page["data"][0]["id"].as_str().expect("a message").to_owned();
    (endpoint, delivery)
}

fn between(text: &str, before: &str, after: &str) -> Option<String> {
    let rest = text.split(before).nth(1)?;
    rest.split_once(after).map(|(found, _)| found.to_owned())
}

#[tokio::test]
async fn another_accounts_things_answer_as_if_they_were_not_there() {
    for scheme in ["xendit", "rapyd"] {
        let keyway = Keyway::start(scheme).await;
        let mut ada = Browser::sign_up(&keyway, OWNER).await;
        if scheme == "rapyd" {
            let (phone, _) = ada.enrol(&keyway, 0).await;
            another_accounts(&keyway, &mut ada, Some(phone)).await;
        } else {
            another_accounts(&keyway, &mut ada, None).await;
        }
    }
}

async fn another_accounts(keyway: &Keyway, ada: &mut Browser, phone: Option<Phone>) {
    let theirs = if phone.is_none() {
        things(keyway, OWNER, ada).await
    } else {
        // What needs a code is made by the platform instead.
        let account = account_of(keyway, OWNER).await;
        let id = acts::make(keyway, &account, &acts::kinds(keyway)[0]).await;
        let mut ids = nowhere();
        ids.insert("{credential}", id);
        ids.insert("{member}", member(keyway, OWNER).await.id.to_string());
        ids
    };
    let mut eve = Browser::sign_up(keyway, "eve@example.com").await;
    let csrf = eve.csrf().await;
    let missing = nowhere();
    let mut compared = 0;
    let ours = |page: &&Page| page.path.contains('{') && !is_operators(page);
    for page in guarded().filter(ours) {
        let named = |name: &&&str| page.path.contains(**name) && **name != "{environment}";
        if !theirs.keys().any(|name| named(&name)) {
            continue;
        }
        let mut answers = Vec::new();
        for ids in [&missing, &theirs] {
            let path = filled_with(page.path, ids);
            let form = Form { action: path.clone(), fields: Vec::new() };
            let form = form.with("csrf", csrf.clone()).with("once", "x").with("saved", "1");
            let form = form.with("confirm", "1").with("password", PASSWORD).with("name", "x");
            let answer = match page.method.as_str() {
                "GET" => eve.get(&path).await,
                _ => eve.submit(&form).await,
            };
            answers.push(comparable(&answer, ids));
        }
        assert_eq!(answers[0], answers[1], "{} {}", page.method, page.path);
        // What nobody may do here is refused before anything is looked for.
        let may = crate::roles::has(keyway, page.for_whom, Role::Owner);
        let expected: &[u16] = if may { &[404, 410] } else { &[403] };
        assert!(expected.contains(&answers[0].0), "{}: {}", page.path, answers[0].0);
        compared += 1;
    }
    assert!(compared > 35, "{compared} were compared");
    for act in ["revoke", "rotate", "expire"] {
        let path = |id: &str| format!("/live/keys/bulk/{act}?id={id}");
        let first = eve.get(&path(&missing["{credential}"])).await;
        let second = eve.get(&path(&theirs["{credential}"])).await;
        assert_eq!(comparable(&first, &missing), comparable(&second, &theirs), "bulk {act}");
    }
    // Nothing of it was done to them.
    ada.get(&format!("/live/keys/{}", theirs["{credential}"])).await.expect(200);
    ada.get("/you").await.expect(200);
}

#[tokio::test]
async fn a_credential_is_under_its_own_environment_only() {
    let keyway = Keyway::start("xendit").await;
    let mut ada = Browser::sign_up(&keyway, OWNER).await;
    let account = account_of(&keyway, OWNER).await;
    let id = acts::make(&keyway, &account, &acts::kinds(&keyway)[0]).await;
    ada.get(&format!("/live/keys/{id}")).await.expect(200);
    for path in ["test", "other"] {
        ada.get(&format!("/{path}/keys/{id}")).await.expect(404);
        ada.get(&format!("/{path}/keys/{id}/revoke")).await.expect(404);
    }
    ada.get("/other/keys").await.expect(404);
    ada.get("/other/keys/new").await.expect(404);
}

/// What keeps a browser safe, on whatever it is answered.
#[track_caller]
fn is_safe(answer: &Answer, path: &str) {
    let header = |name: &str| answer.header(name).unwrap_or("").to_owned();
    let policy = header("content-security-policy");
    for part in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    ] {
        assert!(policy.contains(part), "{path}: no {part} in {policy}");
    }
    assert!(!policy.contains("unsafe"), "{path}: {policy}");
    assert_eq!(header("cache-control"), "no-store", "{path}");
    assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
    assert_eq!(header("x-frame-options"), "DENY", "{path}");
    if !header("content-type").starts_with("text/html") {
        return;
    }
    for tag in tags(&answer.text) {
        let inline = |name: &str| name == "style" || name.starts_with("on");
        let found = tag.attributes.iter().find(|(name, _)| inline(name));
        assert!(found.is_none(), "{path}: <{}> has {found:?}", tag.name);
        assert_ne!(tag.name, "style", "{path}");
        let is_empty = tag.attribute("src").is_some() && tag.text.is_empty();
        assert!(tag.name != "script" || is_empty, "{path}: a script of its own");
        let leads = tag.attribute("href").or_else(|| tag.attribute("action")).unwrap_or("/");
        assert!(leads.starts_with(['/', '#', '?']), "{path}: leads to {leads}");
    }
}

#[tokio::test]
async fn every_answer_to_a_browser_is_safe_to_show() {
    for scheme in ["xendit", "xtopay", "enterprise", "airwallex"] {
        let keyway = Keyway::start(scheme).await;
        let mut ada = Browser::sign_up(&keyway, OWNER).await;
        let mut ids = things(&keyway, OWNER, &mut ada).await;
        let account = account_of(&keyway, OWNER).await;
        ids.insert(
            "{token}",
            invite(&keyway, &account, Role::Viewer, "x@example.com").await.reveal().to_owned(),
        );
        keyway.account().await;
        let mut whole = 0;
        for page in pages().iter().filter(|page| page.method == "GET") {
            let path = filled_with(page.path, &ids);
            let path = if path.contains("/bulk/") {
                format!("{path}?id={}", ids["{credential}"])
            } else {
                path
            };
            let answer = ada.get(&path).await;
            assert!(answer.status < 500, "{path}: {}", answer.status);
            is_safe(&answer, &path);
            whole += usize::from(answer.status == 200);
            is_safe(&Browser::new(&keyway).get(&path).await, &path);
        }
        assert!(whole >= 25, "{scheme}: only {whole} pages were there");
        for page in pages().iter().filter(|page| page.method == "POST") {
            is_safe(&ada.request("POST", &filled(page.path), &[], "").await, page.path);
        }
    }
}

#[tokio::test]
async fn what_is_no_page_is_told_safely_too() {
    let keyway = Keyway::start("xendit").await;
    let mut ada = Browser::sign_up(&keyway, OWNER).await;
    for (method, path, body, status) in [
        ("GET", "/no-such-page", "", 404),
        ("DELETE", "/team", "", 405),
        ("POST", "/sign-in", "email=%FF", 400),
        ("POST", "/sign-in", "email=a&email=b", 400),
        ("GET", "/live/keys/new?name=%zz", "", 400),
        ("GET", "/live/keys?q=%3Cscript%3Ealert(1)%3C/script%3E", "", 200),
        ("GET", "/sign-in?next=//evil.example", "", 303),
    ] {
        let answer = ada.request(method, path, &[], body).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
        is_safe(&answer, path);
    }
    let huge = format!("email={}", "a".repeat(70_000));
    is_safe(&ada.request("POST", "/sign-in", &[], &huge).await.expect(413), "/sign-in");
    // A whole key in a search is refused, and not said back.
    let account = account_of(&keyway, OWNER).await;
    let body =
        json!({ "kind": "secret", "environment": "live", "name": "K", "grant": "everything" });
    let key = keyway.create(&account, body).await.expect(201).shown("key");
    let refused = ada.get(&format!("/live/keys?q={key}")).await.expect(400);
    assert!(!refused.text.contains(&key[10..]), "{}", refused.text);
    is_safe(&refused, "/live/keys?q=");
}

#[tokio::test]
async fn a_sign_in_leads_nowhere_but_to_our_own_pages() {
    let keyway = Keyway::start("xendit").await;
    let mut ada = Browser::sign_up(&keyway, OWNER).await;
    for (next, to) in [
        ("/team", "/team"),
        ("/live/keys?q=a", "/live/keys?q=a"),
        ("//evil.example", "/live/keys"),
        ("https://evil.example", "/live/keys"),
        ("/\\evil.example", "/live/keys"),
        ("/team%0d%0aset-cookie:x=y", "/live/keys"),
        ("/sign-out", "/live/keys"),
        ("/no-such-page", "/live/keys"),
    ] {
        let next = if next.contains('%') { next.to_owned() } else { crate::browser::encoded(next) };
        let led = ada.get(&format!("/sign-in?next={next}")).await;
        assert_eq!(leads_to(&led), to, "{next}");
    }
}
