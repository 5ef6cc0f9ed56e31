//! Acts on several credentials at once: each listed with its traffic, all done in one transaction,
//! or none.

use http::StatusCode;
use keyway_domain::credential::{Credential, Status};
use keyway_domain::id::CredentialId;
use keyway_domain::scheme::{Act, Kind, Scheme, StepUpRule};
use keyway_domain::time::DAY_MS;
use keyway_store::{DbError, credentials, usage};
use maud::{Markup, html};

use super::dialog::Dialog;
use super::limits::{Before, expiry, expiry_fields};
use super::problems::{Problems, Stop, Trouble};
use super::reveal::{self, Item, Shown};
use super::step_up::{Asked, Next, Wanted, again, asked};
use super::ui::{self, Field};
use super::visit::Visit;
use super::{Answer, icons, layout, reply};
use crate::commands::credentials::{self as commands, Change};
use crate::http::Reply;

/// Credentials of one such act.
const CHOSEN_MAX: usize = 200;

/// What was chosen.
struct Case<'s> {
    visit: &'s Visit,
    scheme: &'s Scheme,
    act: Act,
    chosen: Vec<(Credential, i64)>,
    asked: Asked,
    wanted: Wanted,
}

/// The strictest proof that the act asks for, over the kinds that were chosen.
fn strictest(kinds: &[&Kind], act: Act) -> StepUpRule {
    let rules = kinds.iter().filter_map(|kind| kind.act(act)).map(|rule| rule.step_up);
    rules
        .max_by_key(|rule| match rule {
            StepUpRule::None => 0,
            StepUpRule::Either => 1,
            StepUpRule::Password => 2,
            StepUpRule::Otp => 3,
        })
        .unwrap_or(StepUpRule::None)
}

async fn open<'s>(visit: &'s Visit, scheme: &'s Scheme, act: Act) -> Result<Case<'s>, Stop> {
    let signed = visit.signed()?;
    let (account, environment) = (signed.account.id, visit.environment()?);
    let mut ids: Vec<CredentialId> =
        visit.fields.all("id").filter_map(CredentialId::parse).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Err(Stop::NotFound);
    }
    if ids.len() > CHOSEN_MAX {
        let why = format!("At most {CHOSEN_MAX} at once.");
        return Err(Stop::Forbidden(why));
    }
    let (rules, since) = (visit.app().platform.rules.clone(), visit.now.plus_ms(-DAY_MS));
    let wanted_ids = ids.clone();
    let chosen = visit.app().db.read(move |tx| {
        let mut chosen = Vec::new();
        for id in &wanted_ids {
            let Some(found) = credentials::find(tx, &rules, account, *id)? else { continue };
            let hours = usage::hours(tx, *id, since)?;
            let allowed = hours.iter().filter(|hour| hour.outcome == "allowed");
            chosen.push((found, allowed.map(|hour| hour.requests).sum()));
        }
        Ok::<_, DbError>(chosen)
    });
    let chosen: Vec<(Credential, i64)> = chosen.await?;
    let here = |c: &Credential| c.environment == environment && c.status == Status::Live;
    if chosen.len() != ids.len() || !chosen.iter().all(|(credential, _)| here(credential)) {
        return Err(Stop::NotFound);
    }
    let mut kinds = Vec::new();
    for (credential, _) in &chosen {
        let kind = scheme.kind(&credential.kind).ok_or(Stop::NotFound)?;
        if !super::new_key::may(kind, act, signed) {
            return Err(Stop::Forbidden(super::new_key::not_yours(kind, act, signed)));
        }
        kinds.push(kind);
    }
    let subject: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let wanted =
        Wanted::new(&format!("bulk-{}", act.verb()), subject.join(" "), strictest(&kinds, act));
    let asked = asked(visit, &wanted).await?;
    Ok(Case { visit, scheme, act, chosen, asked, wanted })
}

impl Case<'_> {
    fn list_path(&self) -> String {
        format!("/{}/keys", self.visit.param("environment"))
    }

    fn rows(&self) -> Markup {
        html! {
            ul.uses.small {
                @for (credential, requests) in &self.chosen {
                    li {
                        input type="hidden" name="id" value=(credential.id);
                        span { b { bdi { (credential.name) } } " " (ui::hint(credential.current().map_or("", |secret| secret.hint.as_str()))) }
                        span.num { (ui::count(*requests, "request", "requests")) " in 24 h" }
                    }
                }
            }
        }
    }

    fn typed_count(&self, problems: &Problems) -> Markup {
        let label = format!("Type {} to confirm", self.chosen.len());
        Field::new("typed", &label, self.visit.fields.text("typed"))
            .hint("How many they are.")
            .show(problems)
    }

    fn is_typed(&self) -> Result<(), Problems> {
        if self.visit.fields.text("typed").trim() == self.chosen.len().to_string() {
            return Ok(());
        }
        Err(Problems::field("typed", format!("Type {}, how many they are.", self.chosen.len())))
    }

    fn page(
        &self,
        title: &str,
        body: &Markup,
        button: &str,
        class: &str,
        problems: &Problems,
    ) -> Markup {
        let environment = self.chosen.first().map(|(credential, _)| credential.environment);
        let environment = environment.unwrap_or(keyway_domain::Environment::Live);
        let dialog = Dialog {
            title: title.to_owned(),
            about: html! { (self.chosen.len()) " chosen " (ui::environment_badge(self.scheme, environment)) },
            back: self.list_path(),
            body: html! { (body) (self.asked.show(problems)) },
            keep: "Cancel",
            button: html! { (layout::act_icon(self.act)) (button) },
            class,
        };
        let body = html! {
            div.head { div { (layout::crumbs(self.scheme, environment, &html! { (title) })) } }
            (dialog.show(self.visit, problems))
        };
        layout::page(self.visit, title, Some(layout::Nav::Keys), &body)
    }

    /// Changes all of them, or none.
    async fn change(&self, change: Change, done: &str) -> Result<Reply, Trouble> {
        let account = self.visit.signed()?.account.id;
        let ids: Vec<CredentialId> =
            self.chosen.iter().map(|(credential, _)| credential.id).collect();
        let to = format!("{}?done={done}", self.list_path());
        self.visit
            .act(Some(self.wanted.clone()), move |tx, moment| {
                for id in &ids {
                    commands::change(tx, moment, account, *id, change.clone())?;
                }
                Ok(Next::to(to.clone()))
            })
            .await
    }
}

macro_rules! bulk_pages {
    ($($form:ident, $submit:ident, $act:expr, $view:path, $attempt:path;)*) => {$(
        pub(crate) async fn $form(visit: Visit) -> Answer {
            let scheme = std::sync::Arc::clone(&visit.app().platform.rules.scheme);
            let case = open(&visit, &scheme, $act).await?;
            Ok(reply::html(StatusCode::OK, &$view(&case, &Problems::none())))
        }

        pub(crate) async fn $submit(visit: Visit) -> Answer {
            let scheme = std::sync::Arc::clone(&visit.app().platform.rules.scheme);
            let case = open(&visit, &scheme, $act).await?;
            match $attempt(&case).await {
                Ok(reply) => Ok(reply),
                Err(trouble) => again(trouble, |problems| $view(&case, problems)),
            }
        }
    )*};
}

bulk_pages! {
    revoke_form, revoke, Act::Revoke, revoke_view, revocation;
    rotate_form, rotate, Act::Rotate, rotate_view, rotation;
    expire_form, expire, Act::Expire, expire_view, expiring;
}

fn revoke_view(case: &Case, problems: &Problems) -> Markup {
    let used = case.chosen.iter().filter(|(_, requests)| *requests > 0).count();
    let body = html! {
        @if used > 0 {
            (ui::note("bad", icons::WARN, &html! { b { (used) " of them are in use." } " Their requests will be refused, and this cannot be undone." }))
        }
        (case.rows())
        (case.typed_count(problems))
    };
    case.page("Revoke all of these?", &body, "Revoke now", "danger", problems)
}

async fn revocation(case: &Case<'_>) -> Result<Reply, Trouble> {
    case.is_typed()?;
    case.change(Change::Revoke, "revoked").await
}

fn expire_view(case: &Case, problems: &Problems) -> Markup {
    let kind = case.chosen.first().and_then(|(credential, _)| case.scheme.kind(&credential.kind));
    let body = html! {
        (case.rows())
        @if let Some(kind) = kind { (expiry_fields(case.visit, kind, Before::Nothing, problems)) }
    };
    case.page("Set expiry", &body, "Save", "primary", problems)
}

async fn expiring(case: &Case<'_>) -> Result<Reply, Trouble> {
    let kind = case.chosen.first().and_then(|(credential, _)| case.scheme.kind(&credential.kind));
    let kind = kind.ok_or(Stop::NotFound)?;
    let at = expiry(case.visit, kind)?;
    case.change(Change::Expire(at), "expiry").await
}

fn rotate_view(case: &Case, problems: &Problems) -> Markup {
    let body = html! {
        p { "Each gets a new secret. The present ones stay as long as the scheme says when nothing else is chosen." }
        (case.rows())
        (case.typed_count(problems))
    };
    case.page("Rotate all of these?", &body, "Rotate", "primary", problems)
}

async fn rotation(case: &Case<'_>) -> Result<Reply, Trouble> {
    case.is_typed()?;
    let signed = case.visit.signed()?.clone();
    let ids: Vec<CredentialId> = case.chosen.iter().map(|(credential, _)| credential.id).collect();
    let to = case.list_path();
    case.visit
        .act(Some(case.wanted.clone()), move |tx, moment| {
            let mut items = Vec::new();
            for id in &ids {
                let (made, secret) = commands::rotate(tx, moment, signed.account.id, *id, None)?;
                items.push(Item::new(&made, &secret, moment));
            }
            let shown = Shown { items, to: to.clone(), note: String::new() };
            Ok(Next::to(reveal::keep(tx, moment, &signed, &shown)?))
        })
        .await
}
