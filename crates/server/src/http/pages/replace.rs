//! Rotation step by step, for kinds whose secret is not replaced: a new credential with the same
//! access, see it used, then revoke the old one (E09).

use http::StatusCode;
use keyway_domain::credential::Status;
use keyway_domain::scheme::{Act, Kind};
use keyway_store::{DbError, credentials, usage};
use maud::{Markup, html};

use super::key::{self, Loaded};
use super::new_key::{forget_roster, may, show};
use super::problems::{Problems, Stop, Trouble};
use super::step_up::{Asked, Next, Wanted, asked};
use super::ui::{self, Field};
use super::visit::Visit;
use super::{Answer, icons, layout, reply};
use crate::commands::approvals::{self, What};
use crate::http::Reply;

/// How far it has come.
struct Case<'s> {
    visit: &'s Visit,
    old: Loaded,
    kind: &'s Kind,
    new: Option<(keyway_domain::credential::Credential, Option<usage::Seen>)>,
    asked: Asked,
    wanted: Wanted,
}

async fn open<'s>(
    visit: &'s Visit,
    scheme: &'s keyway_domain::scheme::Scheme,
) -> Result<Case<'s>, Stop> {
    let old = key::load(visit).await?;
    let kind = scheme.kind(&old.credential.kind).ok_or(Stop::NotFound)?;
    let signed = visit.signed()?;
    if kind.act(Act::Rotate).is_some() || kind.act(Act::Create).is_none() || kind.single {
        return Err(Stop::NotFound);
    }
    if !may(kind, Act::Create, signed) {
        return Err(Stop::Forbidden(super::new_key::not_yours(kind, Act::Create, signed)));
    }
    let (account, rules) = (signed.account.id, visit.app().platform.rules.clone());
    let new = match old.replaced_by {
        Some(id) => {
            let read = visit.app().db.read(move |tx| {
                let Some(new) = credentials::find(tx, &rules, account, id)? else {
                    return Ok(None);
                };
                let seen = usage::seen(tx, id)?.into_values().max_by_key(|seen| seen.at);
                Ok::<_, DbError>(Some((new, seen)))
            });
            read.await?
        }
        None => None,
    };
    let rule = kind.act(Act::Create).map_or(keyway_domain::scheme::StepUpRule::None, |r| r.step_up);
    let wanted = Wanted::new("replace", old.credential.id.to_string(), rule);
    let asked = asked(visit, &wanted).await?;
    Ok(Case { visit, old, kind, new, asked, wanted })
}

pub(crate) async fn form(visit: Visit) -> Answer {
    let scheme = std::sync::Arc::clone(&visit.app().platform.rules.scheme);
    let case = open(&visit, &scheme).await?;
    Ok(reply::html(StatusCode::OK, &view(&case, &Problems::none())?))
}

pub(crate) async fn submit(visit: Visit) -> Answer {
    let scheme = std::sync::Arc::clone(&visit.app().platform.rules.scheme);
    let case = open(&visit, &scheme).await?;
    match attempt(&case).await {
        Ok(reply) => Ok(reply),
        Err(Trouble::Stop(stop)) => Err(stop),
        Err(Trouble::Form(problems)) => Ok(reply::html(problems.status, &view(&case, &problems)?)),
    }
}

async fn attempt(case: &Case<'_>) -> Result<Reply, Trouble> {
    let old = &case.old.credential;
    if case.new.is_some() {
        let message = "The new one is there already. Go on with the next step.";
        return Err(Problems::one(StatusCode::CONFLICT, "", message).into());
    }
    if old.status != Status::Live {
        let message = "The old one is revoked already: create a new one.";
        return Err(Problems::one(StatusCode::CONFLICT, "", message).into());
    }
    let signed = case.visit.signed()?.clone();
    let what = What::Replace { id: old.id, name: case.visit.fields.text("name").to_owned() };
    case.visit
        .act(Some(case.wanted.clone()), move |tx, moment| {
            let done = approvals::go(tx, moment, signed.account.id, what.clone())?;
            let note = "Put it in place, finish here, and go on with the rotation: the old one stays until you revoke it.";
            let shown = show(tx, moment, &signed, &done, note)?;
            Ok(Next::to(shown))
        })
        .await
        .inspect(|_| forget_roster(case.visit))
}

fn view(case: &Case, problems: &Problems) -> Result<Markup, Stop> {
    let (scheme, signed, now) = (case.visit.scheme(), case.visit.signed()?, case.visit.now);
    let old = &case.old.credential;
    let old_hour = case.old.last_hour(None, now);
    let can_revoke = may(case.kind, Act::Revoke, signed);
    let is_revoked = old.status != Status::Live;
    let is_used = case.new.as_ref().is_some_and(|(_, seen)| seen.is_some());
    let body = html! {
        div.head.narrow {
            div {
                (layout::crumbs(scheme, old.environment, &case.old.link()))
                h1 { "Rotate, step by step" }
                p.lede { "A new " (case.kind.label) " with the same access takes the place of " bdi { (old.name) } ". Both work until you revoke the old one: no request fails on the way." }
            }
        }
        div.card.narrow {
            div.body {
                (problems.summary())
                ol.steps {
                    li { div.stack {
                        h2 { "Create the new one" }
                        (first_step(case, problems))
                    } }
                    li { div.stack {
                        h2 { "Move over, and see it used" }
                        @match &case.new {
                            None => { p.muted { "Put the new one where the old one is. This step shows when its first request has come." } }
                            Some((new, seen)) => {
                                @match seen {
                                    Some(seen) => { (ui::note("ok", icons::CHECK, &html! { b { bdi { (new.name) } " is in use." } " Last used " (ui::ago(seen.at, now)) @if let Some(from) = &seen.address { " from " code { (from) } } "." })) }
                                    None => { (ui::note("info", icons::CLOCK, &html! { b { "Waiting for its first request." } " Put it in place; then open this page again." })) }
                                }
                                p { "The old one served " b { (ui::count(old_hour, "request", "requests")) } " in the last hour." }
                                p { a.btn.sm href={ (case.old.path()) "/replace" } { (icons::ROTATE) "Look again" } }
                            }
                        }
                    } }
                    li { div.stack {
                        h2 { "Revoke the old one" }
                        @if is_revoked {
                            (ui::note("ok", icons::CHECK, &html! { b { "Revoked." } " The rotation is done." }))
                        } @else if case.new.is_none() {
                            p.muted { "Last. It is refused from then on." }
                        } @else if can_revoke {
                            @if !is_used { p.muted { "Better wait until the new one is in use." } }
                            p { a.btn.danger-quiet href={ (case.old.path()) "/revoke" } { (icons::BIN) "Revoke " bdi { (old.name) } } }
                        } @else {
                            p.muted { "Your role may not revoke it. Ask an owner." }
                        }
                    } }
                }
            }
        }
    };
    Ok(layout::page(case.visit, "Rotate, step by step", Some(layout::Nav::Keys), &body))
}

fn first_step(case: &Case, problems: &Problems) -> Markup {
    let old = &case.old.credential;
    match &case.new {
        Some((new, _)) => html! {
            (ui::note("ok", icons::CHECK, &html! {
                b { "Made." } " " a href={ "/" (new.environment.as_str()) "/keys/" (new.id) } { bdi { (new.name) } }
                " has the same access. Lost its secret? Revoke it and start again."
            }))
        },
        None if old.status != Status::Live => {
            html! { p.muted { "The old one is revoked already." } }
        }
        None => {
            let typed = case.visit.fields.given("name").map(str::to_owned);
            let room: String = old.name.chars().take(90).collect();
            let name = typed.unwrap_or_else(|| format!("{room} (new)"));
            html! {
                form.stack action=(case.visit.call.uri.path()) method="post" {
                    (layout::marks(case.visit))
                    (Field::new("name", "Name", &name).show(problems))
                    (case.asked.show(problems))
                    @if case.asked.is_possible() { button.btn.primary { (icons::PLUS) "Create the new one" } }
                }
            }
        }
    }
}
