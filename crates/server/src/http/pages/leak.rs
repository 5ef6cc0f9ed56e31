//! What to do when something leaked: the same steps wherever somebody says so.

use keyway_domain::scheme::Act;
use maud::{Markup, html};

use super::key::Loaded;
use super::visit::Visit;

/// The steps, on the page of one that was revoked because it leaked.
pub(crate) fn after(visit: &Visit, loaded: &Loaded) -> Markup {
    html! {
        @if visit.fields.text("done") == "leaked" {
            section.card aria-labelledby="h-lk" {
                header { h2 id="h-lk" { "What to do next" } }
                div.body { (steps(visit, loaded)) }
            }
        }
    }
}

/// The steps for one credential.
pub(crate) fn steps(visit: &Visit, loaded: &Loaded) -> Markup {
    let credential = &loaded.credential;
    let environment = credential.environment.as_str();
    let id = credential.id;
    let siblings = match &loaded.owner {
        Some(owner) => format!("/{environment}/keys?owner={}", owner.id),
        None => format!("/{environment}/keys"),
    };
    html! {
        ol.leak {
            li { b { "Look at what it did since it leaked." } " "
                a href={ "/requests?period=7d&key=" (id) } { "Its requests" } ", "
                a href={ (loaded.path()) "#src" } { "where it was used from" }
                @if super::is_auditor(visit) { ", and " a href={ "/audit?period=90d&q=" (id) } { "what was done to it" } }
                "." }
            li { b { "Rotate its siblings." } " Whoever read this one may have read those beside it: "
                a href=(siblings) { @if loaded.owner.is_some() { "the others of the same owner" } @else { "the others" } }
                @if may_revoke_many(visit) { ", or " a href={ "/incident?environment=" (environment) } { "revoke everything that fits" } }
                "." }
            li { b { "Tell " (visit.scheme().title) "." } " Name it as " code { (id) } ", never by its secret, and say since when." }
        }
    }
}

/// The steps after many were revoked at once.
pub(crate) fn steps_for_many(visit: &Visit) -> Markup {
    html! {
        ol.leak {
            @if super::is_auditor(visit) {
                li { b { "Look at what was done before." } " " a href="/audit?period=7d" { "The audit log of the last 7 days" } ": new keys, wider access, new people, new webhook endpoints." }
            } @else {
                li { b { "Have somebody look at the audit log" } ": new keys, wider access, new people, new webhook endpoints." }
            }
            li { b { "Make new ones" } " on machines that are clean, with no more access than each needs, and an allowed address where it has one." }
            li { b { "See that nobody else is signed in." } " " a href="/you" { "Your sessions" } ", and " a href="/team" { "the team" } "." }
            li { b { "Tell " (visit.scheme().title) "." } " Name the account and the time, never a secret." }
        }
    }
}

/// Whether the page of an incident is for this visitor.
pub(crate) fn may_revoke_many(visit: &Visit) -> bool {
    let role = visit.signed.as_ref().map(|signed| signed.member.role);
    let by = visit.scheme().kinds.iter().filter_map(|kind| kind.act(Act::Revoke));
    role.is_some_and(|role| by.into_iter().any(|rule| rule.by.contains(&role)))
}
