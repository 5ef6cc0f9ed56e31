//! Every act of every kind as a form on the dashboard, filled in so that only its proof is missing.

use keyway_domain::scheme::{Act, Kind, KindGrant, Scheme};
use serde_json::{Value, json};

use crate::browser::{Browser, Form};
use crate::harness::{Answer, Keyway};

/// The kinds of the scheme that a Keyway runs.
pub(crate) fn kinds(keyway: &Keyway) -> Vec<Kind> {
    keyway.app.platform.rules.scheme.kinds.clone()
}

/// A live credential of a kind, made by the platform; of a single one, the one there is.
pub(crate) async fn make(keyway: &Keyway, account: &str, kind: &Kind) -> String {
    let mut body = json!({ "kind": kind.name, "environment": "live", "name": "Server" });
    let first = &keyway.app.platform.rules.scheme.resources[0].name;
    if matches!(kind.grants, KindGrant::Chosen { .. }) {
        body["grant"] = json!([format!("{first}:read")]);
    }
    let made = keyway.create(account, body).await;
    if made.status == 409 && kind.single {
        let list = listed(keyway, account).await;
        let list = list.as_array().expect("a list");
        let is_it = |one: &&Value| {
            one["kind"] == *kind.name && one["environment"] == "live" && one["status"] == "active"
        };
        let there = list.iter().find(is_it);
        return there.expect("it is there")["id"].as_str().expect("an id").to_owned();
    }
    made.expect(201).id()
}

/// Brings a credential into the state that an act is for.
pub(crate) async fn prepare(keyway: &Keyway, account: &str, id: &str, act: Act) {
    if matches!(act, Act::Rollback | Act::Finish | Act::Extend) {
        keyway.act(account, id, "rotate", json!({})).await.expect(200);
    }
}

/// Where the form of an act is. What is created is created in the test environment.
pub(crate) fn path(kind: &Kind, id: &str, act: Act) -> String {
    match act {
        Act::Create => format!("/test/keys/new?kind={}", kind.name),
        act => format!("/live/keys/{id}/{}", act.verb()),
    }
}

/// The form of an act, but for its proof.
pub(crate) async fn form(
    browser: &mut Browser,
    scheme: &Scheme,
    kind: &Kind,
    id: &str,
    act: Act,
) -> Form {
    let path = path(kind, id, act);
    if act == Act::Reveal {
        return browser.form_to(&format!("/live/keys/{id}"), &path).await;
    }
    let form = browser.form(&path).await;
    fill(scheme, kind, act, form)
}

/// Fills a form in.
pub(crate) fn fill(scheme: &Scheme, kind: &Kind, act: Act, form: Form) -> Form {
    let first = &scheme.resources[0].name;
    let chosen = matches!(kind.grants, KindGrant::Chosen { .. });
    match act {
        Act::Create if chosen && scheme.levels.exclusive => {
            form.with("name", "Made here").with(&format!("grant.{first}"), "read")
        }
        Act::Create if chosen => {
            form.with("name", "Made here").with("scope", format!("{first}:read"))
        }
        Act::Create => form.with("name", "Made here"),
        Act::Edit if scheme.levels.exclusive => form.with(&format!("grant.{first}"), "write"),
        // Scopes are apart: what it could read is taken away, which has to be agreed to.
        Act::Edit => {
            form.with("scope", format!("{first}:write")).with("narrow", format!("{first}:read"))
        }
        Act::Rename => form.with("name", "Another name"),
        Act::Expire => form.with("expires", "30"),
        Act::Reveal | Act::Duplicate => form,
        _ => form.with("confirm", "1"),
    }
}

/// The credentials of an account, as the platform's API tells them.
pub(crate) async fn listed(keyway: &Keyway, account: &str) -> Value {
    let path = format!("/v1/accounts/{account}/credentials?limit=200");
    keyway.get(&path).await.expect(200).json()["data"].clone()
}

/// Where an answer leads.
#[track_caller]
pub(crate) fn leads_to(answer: &Answer) -> &str {
    assert_eq!(answer.status, 303, "{}\n{}", answer.head, answer.text);
    let to = answer.header("location").expect("a redirect leads somewhere");
    // How far the act came, where there are nodes, is no part of where it leads.
    to.split_once("&reach=").map_or(to, |(to, _)| to)
}
