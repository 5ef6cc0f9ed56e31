//! The pages of the platform's operator: the merchants, what is so of each, and their suspension.
//!
//! Nobody has a password here. A browser comes in by a link that was made with an operator token,
//! for half an hour, and may do what that token may at that moment.

mod account;
mod accounts;
mod door;
mod rules;
mod suspension;

pub(crate) use account::page as account;
pub(crate) use accounts::page as accounts;
pub(crate) use door::{enter, enter_form, leave};
pub(crate) use rules::page as rules;
pub(crate) use suspension::{resume, resume_form, suspend, suspend_form};

use std::sync::Arc;

use http::StatusCode;
use keyway_domain::grant::{Action, Need as DomainNeed};
use keyway_secret::SecretText;
use keyway_store::operators::{self, OperatorSession, Stage};
use keyway_store::{DbError, Tx};
use maud::{Markup, html};

use super::problems::{Stop, Trouble};
use super::reply::{self, redirect};
use super::step_up::{Next, lost};
use super::visit::{Cookie, Visit};
use super::{icons, layout};
use crate::app::App;
use crate::coherence::{Effect, Reach};
use crate::commands::operators::{Power, power, session_digest};
use crate::commands::{Error, Moment};
use crate::http::Reply;
use crate::http::admit::Need;

/// Where the operator's pages are.
pub(super) const HOME: &str = "/operator";

/// The operator, in a browser.
#[derive(Clone)]
pub(crate) struct Operating {
    pub(crate) session: OperatorSession,
    power: Power,
}

/// Whether a path is one of the operator's pages: members' sessions count for nothing there.
pub(super) fn is_here(path: &str) -> bool {
    path.strip_prefix(HOME).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn allows(app: &App, power: &Power, (resource, action): Need) -> bool {
    let place = app.operator.rules.scheme.resource(resource);
    place.is_some_and(|resource| power.grant.allows(DomainNeed { resource, action }))
}

impl Visit {
    /// Reads who of the platform visits.
    pub(super) async fn recognise_operator(&mut self) -> Result<(), DbError> {
        let Some(token) = self.cookie(Cookie::Operator).filter(|token| token.len() <= 64) else {
            return Ok(());
        };
        let token = SecretText::new(token.to_owned());
        let app = Arc::clone(self.app());
        let digest = session_digest(&app.keys.browsers, token.reveal());
        let rules = app.operator.rules.clone();
        let at = (self.call.address, self.now);
        let read = app.db.read(move |tx| {
            let found = operators::find(tx, &rules.seals, &digest)?;
            let Some(session) = found.filter(|found| found.is_good(Stage::Open, at.1)) else {
                return Ok::<_, DbError>(None);
            };
            Ok(power(tx, &rules, &session, at)?.map(|power| Operating { session, power }))
        });
        self.operator = read.await?;
        Ok(())
    }

    /// The operator; the router let nobody else through.
    pub(super) fn operating(&self) -> Result<&Operating, Stop> {
        self.operator.as_ref().ok_or(Stop::Operator)
    }

    /// Whether the operator's token may do something.
    pub(super) fn operator_may(&self, need: Need) -> bool {
        self.operator.as_ref().is_some_and(|who| allows(self.app(), &who.power, need))
    }

    /// Does something as the operator, in one transaction in which the token still may, and waits
    /// until it is true on every node.
    async fn operate(
        &self,
        need: Need,
        work: impl Fn(&mut Tx<'_>, &Moment) -> Result<Next, Error> + Send + 'static,
    ) -> Result<Reply, Trouble> {
        let session = self.operating()?.session.clone();
        let app = Arc::clone(self.app());
        let at = (self.call.address, app.now());
        let moment = Moment { now: at.1, ..self.moment() };
        let written = self.app().db.write_placed(moment.now, move |tx| {
            let now = power(tx, &app.operator.rules, &session, at)?;
            if !now.is_some_and(|power| allows(&app, &power, need)) {
                return Ok::<_, Error>(None);
            }
            work(tx, &moment).map(Some)
        });
        let (next, position) = written.await?;
        let Some(next) = next else { return Err(Stop::Operator.into()) };
        // Also when somebody else has just done it: then theirs is waited for.
        let reached = self.app().reach(position, Reach::Everywhere).await?;
        if reached.effect == Effect::Lost {
            return Err(lost());
        }
        Ok(redirect(&self.with_reach(next.to, &reached)))
    }
}

/// Whether the visitor may have one of the operator's pages.
pub(super) fn admit(visit: &Visit, (resource, action): Need) -> Result<(), Stop> {
    let who = visit.operating()?;
    if visit.is_post() && !visit.has_mark(&who.session.id.to_string()) {
        return Err(Stop::Forged);
    }
    if allows(visit.app(), &who.power, (resource, action)) {
        return Ok(());
    }
    let why = format!(
        "This session may do what the token “{}” may, and that lacks the permission {resource}:{}.",
        who.power.name,
        action.as_str()
    );
    Err(Stop::Forbidden(why))
}

/// What whoever is not let in is told.
pub(super) fn strangers(visit: &Visit) -> Reply {
    let body = html! {
        section.card {
            div.empty {
                h1 { "For " (visit.scheme().title) " only" }
                p { "These are the pages of the platform’s operator. A link lets a browser in, once, for half an hour:" }
                pre.code tabindex="0" role="region" aria-label="Command" { "keyway operator link" }
                p.small.muted { "Whoever was here before is here no longer because the half hour is over, or because the token was revoked, rotated or may not be used from here." }
            }
        }
    };
    reply::html(StatusCode::UNAUTHORIZED, &layout::bare("For the operator", &body))
}

/// Which entry of the navigation a page belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Here {
    Merchants,
    Rules,
}

/// The frame of the operator's pages.
fn frame(visit: &Visit, who: &Operating, title: &str, here: Here, main: &Markup) -> Markup {
    let entry = |at: Here, icon: icons::Icon, to: &str, label: &str| {
        html! { li { a href=(to) aria-current=[(at == here).then_some("page")] { (icon) (label) } } }
    };
    let body = html! {
        header.top {
            button.btn.quiet.icon.only-s type="button" popovertarget="nav" aria-label="Menu" { (icons::MENU) }
            a.brand href=(HOME) { (layout::mark()) span { "Keyway" } }
            span.slash.only-l aria-hidden="true" { "/" }
            span.acct.only-l { (visit.scheme().title) " " span.slash aria-hidden="true" { "›" } " Operator" }
            span.spacer {}
            span.muted.small.only-l { "With the token " bdi { (who.power.name) } ", until " (who.session.expires_at.to_minute_text()) }
            (layout::theme_switch(visit, "only-m", &html! { button.btn.quiet.icon data-theme-toggle aria-label="Switch theme" { (icons::THEME) } }))
            form action={ (HOME) "/leave" } method="post" { (layout::marks(visit)) button.btn { (icons::LEAVE) "Leave" } }
        }
        div.shell {
            nav id="nav" popover aria-label="Main" {
                div {
                    h2 { "Platform" }
                    ul {
                        (entry(Here::Merchants, icons::TEAM, HOME, "Merchants"))
                        (entry(Here::Rules, icons::SHIELD, "/operator/rules", "Rules for all"))
                    }
                }
                div.foot {
                    a href="/docs/api" { "API reference" }
                    span { "Keyway " (env!("CARGO_PKG_VERSION")) " · self-hosted" }
                }
            }
            main id="main" tabindex="-1" { (main) }
        }
    };
    layout::document(title, layout::theme(visit), "", &body)
}

/// An error's page, for who is let in.
pub(super) fn framed(visit: &Visit, who: &Operating, title: &str, main: &Markup) -> Markup {
    frame(visit, who, title, Here::Merchants, main)
}

/// A permission that some part of a page needs.
fn reading(resource: &'static str) -> Need {
    (resource, Action::Read)
}

/// What may not be seen with this token.
fn hidden(resource: &str) -> Markup {
    html! { div.body { p.muted { "The token lacks the permission " code { (resource) ":read" } "." } } }
}
