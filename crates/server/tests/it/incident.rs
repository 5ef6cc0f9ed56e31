//! The page of an incident: everything that fits a choice ends in one act.

use keyway_domain::actor::Role;
use serde_json::json;

use crate::acts::{leads_to, listed};
use crate::browser::{Browser, Form, PASSWORD, account_of, member};
use crate::harness::{DAY, HOUR, Keyway, bearer};

const OWNER: &str = "ada@example.com";
const PAGE: &str = "/incident";

async fn made(keyway: &Keyway, account: &str, environment: &str, grant: &str) -> String {
    let body = json!({ "kind": "key", "environment": environment, "name": "K", "grant": [grant] });
    keyway.create(account, body).await.expect(201).shown("key")
}

/// The form that acts on a choice; `None` where nothing fits it.
async fn chosen(browser: &mut Browser, query: &str) -> Option<Form> {
    let page = browser.get(&format!("{PAGE}?{query}")).await.expect(200);
    Form::find(&page.text, PAGE, PAGE)
}

async fn count(browser: &mut Browser, query: &str) -> usize {
    let form = chosen(browser, query).await;
    form.map_or(0, |form| form.value("count").expect("a count").parse().expect("a number"))
}

#[tokio::test]
async fn what_fits_a_choice_ends_in_one_act_once_its_count_is_typed() {
    let keyway = Keyway::start("enterprise").await;
    let mut ada = Browser::sign_up(&keyway, OWNER).await;
    let account = account_of(&keyway, OWNER).await;
    let mut live = Vec::new();
    for _ in 0..12 {
        live.push(made(&keyway, &account, "live", "invoices:read").await);
    }
    let test = made(&keyway, &account, "test", "invoices:read").await;
    let other = keyway.account().await;
    let theirs = made(&keyway, &other, "live", "invoices:read").await;
    let form = chosen(&mut ada, "environment=live").await.expect("a form");
    assert_eq!(form.value("count"), Some("12"));
    for (typed, reason) in [("11", "leak"), ("", "leak"), ("12", ""), ("12", "because")] {
        let form = form.clone().with("typed", typed).with("reason", reason);
        let again = ada.submit(&form).await.expect(422);
        assert!(Form::find(&again.text, PAGE, PAGE).is_some(), "the form is there again");
        bearer(keyway.api, "GET", "/mfi/invoices", &live[0]).await.expect(200);
    }
    let editor = keyway.database.editor();
    let head = || editor.number("SELECT seq FROM change_head");
    let before = head();
    let form = form.with("typed", "12").with("reason", "machine");
    let done = ada.submit(&form).await;
    assert_eq!(leads_to(&done), "/incident?done=stopped&environment=live");
    assert_eq!(head(), before + 1, "one place in the log for all of them");
    for key in &live {
        bearer(keyway.api, "GET", "/mfi/invoices", key).await.expect(401);
    }
    for key in [&test, &theirs] {
        bearer(keyway.api, "GET", "/mfi/invoices", key).await.expect(200);
    }
    let page = ada.get(done.header("location").expect("a place")).await.expect(200).text;
    for said in ["What to do next", "Nothing fits", "12</b> revoked", "A machine was broken into"] {
        assert!(page.contains(said), "{said}: {page}");
    }
    if keyway.database.is_on_server() {
        assert!(page.contains("Refused on 1 of 1 nodes"), "{page}");
    }
    let events = keyway.events(&account).await;
    let told = |kind: &str| events.iter().filter(|one| *one == kind).count();
    assert_eq!((told("account.credentials_revoked"), told("api_key.revoked")), (1, 12));
    // The same form again does nothing, and leads to the same page.
    assert_eq!(leads_to(&ada.submit(&form).await), leads_to(&done));
    assert_eq!(head(), before + 1);
}

#[tokio::test]
async fn what_is_made_while_the_form_is_open_ends_too() {
    let keyway = Keyway::start("enterprise").await;
    let mut ada = Browser::sign_up(&keyway, OWNER).await;
    let account = account_of(&keyway, OWNER).await;
    let first = made(&keyway, &account, "live", "invoices:read").await;
    let form =
        chosen(&mut ada, "").await.expect("a form").with("typed", "1").with("reason", "leak");
    let meanwhile = made(&keyway, &account, "test", "invoices:read").await;
    leads_to(&ada.submit(&form).await);
    for key in [&first, &meanwhile] {
        bearer(keyway.api, "GET", "/mfi/invoices", key).await.expect(401);
    }
    let late = chosen(&mut ada, "").await;
    assert!(late.is_none(), "nothing is left: {late:?}");
    let form = ada.made_up(PAGE).await.with("count", "1").with("typed", "1").with("reason", "leak");
    ada.submit(&form).await.expect(409);
}

#[tokio::test]
async fn a_choice_looks_at_access_use_age_and_owner() {
    let keyway = Keyway::start("enterprise").await;
    Browser::sign_up(&keyway, OWNER).await;
    let account = account_of(&keyway, OWNER).await;
    made(&keyway, &account, "live", "payouts:write").await;
    made(&keyway, &account, "live", "payouts:read").await;
    keyway.clock.advance_ms(100 * DAY);
    let mut ada = Browser::sign_in(&keyway, OWNER).await;
    let used = made(&keyway, &account, "test", "invoices:read").await;
    bearer(keyway.api, "GET", "/mfi/invoices", &used).await.expect(200);
    keyway.flush().await;
    // A page of its own makes a key that is in somebody's care.
    let form = ada.form("/live/keys/new").await;
    let form = form.with("name", "Ada's").with("scope", "clients:read");
    leads_to(&ada.submit(&form).await);
    let ada_id = member(&keyway, OWNER).await.id;
    for (query, fits) in [
        ("", 4),
        ("environment=live", 3),
        ("environment=test", 1),
        ("grant=money", 1),
        ("kind=key", 4),
        ("kind=nothing", 4),
        ("used=day", 1),
        ("used=not-quarter", 3),
        ("made=day", 2),
        ("made=quarter", 2),
        ("made=year", 0),
        ("made=quarter&grant=money", 1),
        (&format!("owner={ada_id}"), 1),
        ("owner=mem_00000000000000000000000001", 0),
    ] {
        assert_eq!(count(&mut ada, query).await, fits, "{query}");
    }
    let path = format!("/v1/accounts/{account}/credentials/revoke-all");
    let now = keyway.app.now();
    let earlier = now.plus_ms(-HOUR).to_string();
    for (body, fits) in [
        (json!({ "moves_money": true, "created_since": earlier }), 0),
        (json!({ "owner": ada_id, "used_since": earlier }), 0),
        (json!({ "used_since": earlier }), 1),
        (json!({ "moves_money": true, "unused_since": earlier }), 1),
        (json!({ "owner": ada_id }), 1),
        (json!({}), 1),
    ] {
        let done = keyway.post(&path, body.clone()).await.expect(200).json();
        assert_eq!(done["revoked"], fits, "{body}");
    }
    for field in ["used_since", "unused_since", "created_since", "owner"] {
        let refused = keyway.post(&path, json!({ field: "soon" })).await.expect(422).json();
        assert_eq!(refused["field"], field);
    }
}

#[tokio::test]
async fn it_asks_for_the_schemes_proof_and_takes_only_what_the_role_may_revoke() {
    let keyway = Keyway::start("xendit").await;
    Browser::sign_up(&keyway, OWNER).await;
    let account = account_of(&keyway, OWNER).await;
    let body = |kind: &str| json!({ "kind": kind, "environment": "live", "name": kind });
    let mut secret = body("secret");
    secret["grant"] = json!("everything");
    keyway.create(&account, secret).await.expect(201);
    let listed_before = listed(&keyway, &account).await;
    let publics = listed_before.as_array().expect("a list").iter();
    let publics = publics.filter(|one| one["kind"] == "public").count();
    let mut viewer = Browser::join(&keyway, &account, Role::Viewer, "v@example.com").await;
    viewer.get(PAGE).await.expect(403);
    let form =
        viewer.made_up(PAGE).await.with("count", "1").with("typed", "1").with("reason", "leak");
    viewer.submit(&form.with("password", PASSWORD)).await.expect(403);
    // A developer may end secret keys, and no public ones.
    let mut dev = Browser::join(&keyway, &account, Role::Developer, "d@example.com").await;
    assert_eq!(count(&mut dev, "").await, 1);
    let form =
        chosen(&mut dev, "").await.expect("a form").with("typed", "1").with("reason", "leak");
    dev.submit(&form).await.expect(401);
    dev.submit(&form.clone().with("password", "not the password of anybody")).await.expect(401);
    assert_eq!(listed(&keyway, &account).await, listed_before, "nothing happened");
    leads_to(&dev.submit(&form.with("password", PASSWORD)).await);
    let after = listed(&keyway, &account).await;
    let is_live = |kind: &str| {
        let of_kind = after.as_array().expect("a list").iter().filter(|one| one["kind"] == kind);
        of_kind.filter(|one| one["status"] == "active").count()
    };
    assert_eq!((is_live("secret"), is_live("public")), (0, publics));
}

#[tokio::test]
async fn a_leak_leads_to_what_is_to_be_done_next() {
    let keyway = Keyway::start("enterprise").await;
    let mut ada = Browser::sign_up(&keyway, OWNER).await;
    let account = account_of(&keyway, OWNER).await;
    for (reason, done) in [("leak", "leaked"), ("unused", "revoked"), ("", "revoked")] {
        let body =
            json!({ "kind": "key", "environment": "live", "name": "K", "grant": "everything" });
        let id = keyway.create(&account, body).await.expect(201).id();
        let path = format!("/live/keys/{id}");
        let form = ada.form(&format!("{path}/revoke")).await;
        let form = form.with("confirm", "1").with("reason", reason);
        let led = ada.submit(&form).await;
        assert_eq!(leads_to(&led), format!("{path}?done={done}"));
        let page = ada.get(leads_to(&led)).await.expect(200).text;
        assert_eq!(page.contains("What to do next"), done == "leaked", "{page}");
        if done == "leaked" {
            assert!(page.contains(&format!("/audit?period=90d&amp;q={id}")), "{page}");
        }
    }
}
