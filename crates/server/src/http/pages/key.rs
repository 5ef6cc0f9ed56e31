//! One credential: what it is, how it is used, from where, and what happened to it.

use http::StatusCode;
use keyway_domain::credential::{AddressMode, Credential, SecretState, Status};
use keyway_domain::due::Ages;
use keyway_domain::event::Event;
use keyway_domain::id::CredentialId;
use keyway_domain::limits::SCOPE_UNUSED_DAYS;
use keyway_domain::member::Member;
use keyway_domain::scheme::{Act, Kind, Scheme, StepUpRule};
use keyway_domain::time::{DAY_MS, Time};
use keyway_store::due::OwnDays;
use keyway_store::usage::{Hour, Place, Report, Seen};
use keyway_store::{DbError, credentials, events, members, owners, replacements, usage};
use maud::{Markup, html};
use std::collections::BTreeMap;

use super::chart::{self, Period};
use super::new_key::{may, not_yours};
use super::problems::Stop;
use super::reply;
use super::step_up::Wanted;
use super::ui;
use super::visit::Visit;
use super::{Answer, grants, icons, layout, leak, quotas, reported, said};

/// Entries of the history that the page shows.
const HISTORY: u32 = 12;
/// When nothing used the previous secret for so long, the window may well be ended.
const QUIET_MS: i64 = 6 * 3_600_000;
const HOUR_MS: i64 = 3_600_000;

/// A credential as its pages need it.
pub(crate) struct Loaded {
    pub(crate) credential: Credential,
    pub(crate) owner: Option<Member>,
    pub(crate) seen: BTreeMap<u32, Seen>,
    /// Requests of the last 25 hours.
    pub(crate) hours: Vec<Hour>,
    pub(crate) places: Vec<Place>,
    /// Requests that its address list would have refused, if it did not only report.
    pub(crate) reports: Vec<Report>,
    /// Scopes that it used, with the day of their last use.
    pub(crate) needs: BTreeMap<String, Time>,
    pub(crate) replaced_by: Option<CredentialId>,
    pub(crate) replaces: Option<CredentialId>,
    /// When its secret is called old.
    pub(crate) ages: Ages,
}

/// Reads a credential of the visitor's account, in the environment that the path names.
pub(crate) async fn load(visit: &Visit) -> Result<Loaded, Stop> {
    let (signed, id) = (visit.signed()?, visit.credential()?);
    let (account, environment) = (signed.account.id, visit.environment()?);
    let (rules, since) = (visit.app().platform.rules.clone(), visit.now.plus_ms(-25 * HOUR_MS));
    let found = visit.app().db.read(move |tx| {
        let Some(credential) = credentials::find(tx, &rules, account, id)? else { return Ok(None) };
        let owner = match owners::of(tx, id)? {
            Some(owner) => members::find(tx, &rules.seals, account, owner)?,
            None => None,
        };
        Ok::<_, DbError>(Some(Loaded {
            owner: owner.filter(|owner| owner.removed_at.is_none()),
            seen: usage::seen(tx, id)?,
            hours: usage::hours(tx, id, since)?,
            places: usage::places(tx, id)?,
            reports: usage::reports(tx, id)?,
            needs: usage::needs(tx, id)?,
            replaced_by: replacements::by(tx, id)?,
            replaces: replacements::of(tx, id)?,
            ages: OwnDays::of(tx, account)?.ages(&rules.scheme, &credential.kind),
            credential,
        }))
    });
    let found = found.await?.filter(|loaded| {
        let credential = &loaded.credential;
        let deleted = matches!(credential.status, Status::Deleted { .. });
        !deleted && credential.environment == environment
    });
    found.ok_or(Stop::NotFound)
}

/// Reads a credential and its kind for an act; refused if the member may not do it to that kind.
pub(crate) async fn load_for<'s>(
    visit: &Visit,
    scheme: &'s Scheme,
    act: Act,
) -> Result<(Loaded, &'s Kind), Stop> {
    let loaded = load(visit).await?;
    let kind = scheme.kind(&loaded.credential.kind).ok_or(Stop::NotFound)?;
    let signed = visit.signed()?;
    if kind.act(act).is_none() {
        return Err(Stop::NotFound);
    }
    if !may(kind, act, signed) {
        return Err(Stop::Forbidden(not_yours(kind, act, signed)));
    }
    Ok((loaded, kind))
}

impl Loaded {
    /// The proof that an act on it needs.
    pub(crate) fn wanted(&self, kind: &Kind, act: Act) -> Wanted {
        let rule = kind.act(act).map_or(StepUpRule::None, |rule| rule.step_up);
        Wanted::new(act.verb(), self.credential.id.to_string(), rule)
    }

    /// Its page.
    pub(crate) fn path(&self) -> String {
        format!("/{}/keys/{}", self.credential.environment.as_str(), self.credential.id)
    }

    /// A link to it by its name.
    pub(crate) fn link(&self) -> Markup {
        html! { a href=(self.path()) { bdi { (self.credential.name) } } }
    }

    /// What may be shown of its current secret.
    pub(crate) fn hint(&self) -> &str {
        let current = self.credential.current().or_else(|| self.credential.secrets.first());
        current.map_or("", |secret| secret.hint.as_str())
    }

    /// Allowed requests of a secret within the last hour: the running one and the one before.
    pub(crate) fn last_hour(&self, secret: Option<u32>, now: Time) -> i64 {
        let since = now.0 - now.0.rem_euclid(HOUR_MS) - HOUR_MS;
        let fits = |hour: &&Hour| {
            hour.hour.0 >= since
                && hour.outcome == "allowed"
                && secret.is_none_or(|secret| hour.secret == secret)
        };
        self.hours.iter().filter(fits).map(|hour| hour.requests).sum()
    }

    /// When it was last used, by which secret, and from where.
    pub(crate) fn last_used(&self) -> Option<&Seen> {
        self.seen.values().max_by_key(|seen| seen.at)
    }

    /// Whether it was used since an instant at all.
    fn is_used_since(&self, since: Time) -> bool {
        self.last_used().is_some_and(|seen| seen.at > since)
    }

    /// Whether it was used within a day.
    pub(crate) fn is_in_use(&self, now: Time) -> bool {
        self.last_used().is_some_and(|seen| seen.at > now.plus_ms(-DAY_MS))
    }
}

/// Whether an act makes sense in the state that a credential is in.
fn fits(act: Act, credential: &Credential, now: Time) -> bool {
    let live = credential.status == Status::Live;
    let expired = credential.has_expired(now);
    let rotating = credential.retiring(now).is_some();
    match act {
        Act::Create => false,
        Act::Delete => true,
        Act::Revoke | Act::Rename | Act::Expire => live,
        Act::Rollback | Act::Extend | Act::Finish => live && !expired && rotating,
        Act::Rotate | Act::Regenerate | Act::Duplicate | Act::Edit | Act::Reveal => {
            live && !expired
        }
    }
}

pub(crate) async fn detail(visit: Visit) -> Answer {
    let scheme = std::sync::Arc::clone(&visit.app().platform.rules.scheme);
    let loaded = load(&visit).await?;
    let kind = scheme.kind(&loaded.credential.kind).ok_or(Stop::NotFound)?;
    let period = Period::parse(visit.fields.text("period"));
    let (id, since) = (loaded.credential.id, period.since(visit.now));
    let filter = events::Filter {
        account: Some(visit.signed()?.account.id),
        subject: Some(id.to_string()),
        ..events::Filter::default()
    };
    let (hours, history) = visit
        .app()
        .db
        .read(move |tx| {
            Ok::<_, DbError>((usage::hours(tx, id, since)?, events::page(tx, &filter, HISTORY)?))
        })
        .await?;
    let name = loaded.credential.name.clone();
    let body = html! {
        (head(&visit, &loaded, kind)?)
        (said::done(&visit))
        (leak::after(&visit, &loaded))
        (banner(&visit, &loaded, kind)?)
        (successor(&loaded))
        div.cols {
            div.stack {
                (chart::section(&loaded, &hours, period, visit.now))
                (quotas::card(&visit, &loaded.credential).await?)
                (reported::card(&loaded, visit.now))
                (places(&loaded, visit.now))
            }
            div.stack {
                (access(&visit, &loaded, kind)?)
                (timeline(&history, visit.now))
            }
        }
    };
    let page = layout::page(&visit, &name, Some(layout::Nav::Keys), &body);
    Ok(reply::html(StatusCode::OK, &page))
}

fn state(loaded: &Loaded, now: Time) -> Markup {
    let credential = &loaded.credential;
    if let Status::Revoked { .. } = credential.status {
        return ui::badge("bad", "Revoked");
    }
    if credential.has_expired(now) {
        return ui::badge("bad", "Expired");
    }
    if credential.retiring(now).is_some() {
        return ui::badge("rot", "Rotating");
    }
    match credential.expires_at {
        Some(at) if at <= now.plus_ms(crate::roster::EXPIRING_MS) => {
            ui::badge("warn", &format!("Expires in {}", ui::age_text(at.0 - now.0)))
        }
        _ => ui::badge("ok", "Active"),
    }
}

fn head(visit: &Visit, loaded: &Loaded, kind: &Kind) -> Result<Markup, Stop> {
    let (scheme, signed, now) = (visit.scheme(), visit.signed()?, visit.now);
    let credential = &loaded.credential;
    let path = loaded.path();
    let offered = |act: Act| may(kind, act, signed) && fits(act, credential, now);
    let link = |act: Act, class: &str| {
        html! {
            @if offered(act) {
                a class={ "btn " (class) } href={ (path) "/" (act.verb()) } { (layout::act_icon(act)) (layout::act_label(act)) }
            }
        }
    };
    let can_replace =
        !offered(Act::Rotate) && !offered(Act::Regenerate) && may(kind, Act::Create, signed);
    let replaces = can_replace
        && credential.status == Status::Live
        && !kind.single
        && kind.act(Act::Reveal).is_none();
    let current = credential.current().or_else(|| credential.secrets.first());
    let public_id =
        current.and_then(|s| s.public_id.as_deref()).or(credential.client_id.as_deref());
    Ok(html! {
        div.head {
            div {
                (layout::crumbs(scheme, credential.environment, &html! { bdi { (credential.name) } }))
                div.row { h1 { bdi { (credential.name) } } (state(loaded, now)) (ui::environment_badge(scheme, credential.environment)) }
                p.muted.row {
                    (ui::hint(loaded.hint()))
                    @if let Some(id) = public_id {
                        code.key { (id) } (ui::copy(id, "Copy the public id"))
                    }
                    @if let Some(owner) = &loaded.owner { span { "Owner " (owner.name) } }
                }
            }
            div.row {
                @if offered(Act::Reveal) {
                    form action={ (path) "/reveal" } method="post" { (layout::marks(visit)) button.btn { (icons::EYE) "Show key" } }
                }
                (link(Act::Rotate, ""))
                (link(Act::Regenerate, ""))
                @if replaces { a.btn href={ (path) "/replace" } { (icons::ROTATE) "Rotate, step by step" } }
                (link(Act::Edit, ""))
                (link(Act::Duplicate, ""))
                (link(Act::Revoke, "danger-quiet"))
                (link(Act::Delete, "danger-quiet"))
            }
        }
    })
}

fn banner(visit: &Visit, loaded: &Loaded, kind: &Kind) -> Result<Markup, Stop> {
    let (now, signed) = (visit.now, visit.signed()?);
    let credential = &loaded.credential;
    if credential.status != Status::Live || credential.has_expired(now) {
        return Ok(html! {});
    }
    let Some((previous, until)) = credential.retiring(now) else { return Ok(html! {}) };
    let began = credential.current().map_or(now, |current| current.created_at);
    let (whole, gone) = ((until.0 - began.0).max(1), now.0 - began.0);
    let percent = (gone * 100 / whole).clamp(0, 100);
    let left = (until.0 - now.0) / 1000;
    let still = loaded.last_hour(Some(previous.number), now);
    let last = loaded.seen.get(&previous.number).map(|seen| seen.at);
    let quiet = now.0 - began.0 > QUIET_MS && last.is_none_or(|at| now.0 - at.0 > QUIET_MS);
    let path = loaded.path();
    let link = |act: Act| {
        html! {
            @if may(kind, act, signed) {
                a.btn.sm href={ (path) "/" (act.verb()) } { (layout::act_icon(act)) (layout::act_label(act)) }
            }
        }
    };
    Ok(html! {
        section.banner aria-labelledby="bn" {
            div.row.between {
                div.stack.tight {
                    h2 id="bn" { "Two secrets are accepted" }
                    p { "The previous secret " (ui::hint(&previous.hint)) " stops on " b { (ui::minute(until)) } "." }
                }
                p.stack.tight {
                    span.small.muted { "Time left" }
                    time.clock datetime={ "PT" (left) "S" } role="timer" data-left=(left) { (ui::age_text(until.0 - now.0)) }
                }
            }
            progress value=(percent) max="100" aria-label={ "Rotation window, " (percent) " percent elapsed" } { (percent) "%" }
            div.row.between {
                @if quiet {
                    p.row.fix { (icons::CHECK) span { b { "Nothing has used the previous secret for 6 hours." } " You can end the window now." } }
                } @else {
                    p.row.fix { (icons::WARN) span {
                        b { (ui::count(still, "request", "requests")) " in the last hour " (if still == 1 { "uses" } else { "use" }) " the previous secret" } ". "
                        a href="#usage" { "See them" }
                    } }
                }
                div.row { (link(Act::Rollback)) (link(Act::Extend)) (link(Act::Finish)) }
            }
        }
    })
}

fn successor(loaded: &Loaded) -> Markup {
    let environment = loaded.credential.environment.as_str();
    html! {
        @if let Some(by) = loaded.replaced_by {
            (ui::note("info", icons::ROTATE, &html! {
                b { "Another one is taking its place. " }
                a href={ "/" (environment) "/keys/" (by) } { "Open the new one" }
                @if loaded.credential.status == Status::Live { " · " a href={ (loaded.path()) "/replace" } { "Go on with the rotation" } }
            }))
        }
        @if let Some(old) = loaded.replaces {
            (ui::note("info", icons::ROTATE, &html! {
                b { "It was made to take another's place. " }
                a href={ "/" (environment) "/keys/" (old) "/replace" } { "Go on with the rotation" }
            }))
        }
    }
}

/// What a secret is called beside the others.
fn secret_word(credential: &Credential, number: u32, now: Time) -> (&'static str, &'static str) {
    let found = credential.secrets.iter().find(|secret| secret.number == number);
    match found.map(|secret| secret.state_at(now)) {
        Some(SecretState::Current) => ("ok", "current"),
        Some(SecretState::Retiring { .. }) => ("warn", "previous"),
        _ => ("bad", "ended"),
    }
}

fn places(loaded: &Loaded, now: Time) -> Markup {
    let credential = &loaded.credential;
    html! {
        section.card aria-labelledby="src" {
            header { h2 id="src" { "Where it is used" } span.muted.small { "sampled once a minute" } }
            @if loaded.places.is_empty() {
                div.empty { p { "No request has come in yet." } }
            } @else {
                table.flip role="table" aria-labelledby="src" {
                    thead role="rowgroup" { tr role="row" {
                        @for head in ["Address", "Client", "Secret", "First seen", "Last seen"] {
                            th role="columnheader" scope="col" { (head) }
                        }
                    } }
                    tbody role="rowgroup" {
                        @for place in loaded.places.iter().take(20) {
                            @let (class, word) = secret_word(credential, place.secret, now);
                            tr role="row" {
                                td role="cell" { code { (place.address) } @if now.0 - place.first_at.0 < DAY_MS { " " span.tag { "new today" } } }
                                td role="cell" data-l="Client" { @if place.client.is_empty() { span.muted { "unnamed" } } @else { (place.client) } }
                                td role="cell" data-l="Secret" { (ui::badge(class, word)) }
                                td role="cell" data-l="First seen" { (ui::day(place.first_at)) }
                                td role="cell" data-l="Last seen" { (ui::ago(place.last_at, now)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn access(visit: &Visit, loaded: &Loaded, kind: &Kind) -> Result<Markup, Stop> {
    let (scheme, signed, now) = (visit.scheme(), visit.signed()?, visit.now);
    let credential = &loaded.credential;
    let change = |act: Act, to: &str, label: &str| {
        html! {
            @if may(kind, act, signed) && fits(act, credential, now) {
                " " a.small href={ (loaded.path()) "/" (to) } aria-label=(label) { "Change" }
            }
        }
    };
    let rotations = credential.secrets.iter().map(|secret| secret.number).max().unwrap_or(1) - 1;
    let since = credential.current().map(|current| current.created_at);
    let old = loaded.ages.old.filter(|_| since.is_some_and(|at| loaded.ages.is_old(at, now)));
    Ok(html! {
        section.card aria-labelledby="ac" {
            header { h2 id="ac" { "Access" } (ui::fingerprint(credential.grant, scheme)) }
            div.body.stack {
                (grants::words(credential.grant, scheme))
                (unused(loaded, scheme, now))
                @if let Some(days) = old.filter(|_| credential.status == Status::Live) {
                    (ui::note("warn", icons::CLOCK, &html! { "Its secret is older than " (days) " days. It is time for a new one." }))
                }
                dl.kv {
                    dt { "Name" } dd { bdi { (credential.name) } (change(Act::Rename, "rename", "Change the name")) }
                    dt { "Type" } dd { (kind.label) }
                    dt { "Owner" } dd { (loaded.owner.as_ref().map_or("nobody", |owner| owner.name.as_str())) (change(Act::Rename, "owner", "Change the owner")) }
                    dt { "Created" } dd { (ui::minute(credential.created_at)) }
                    @if let Some(since) = since.filter(|_| rotations > 0) {
                        dt { "Rotated" } dd { (ui::minute(since)) ", " (ui::count(i64::from(rotations), "time", "times")) " in all" }
                    }
                    dt { "Expires" } dd {
                        @match credential.expires_at { Some(at) => { (ui::minute(at)) } None => { "Never" } }
                        (change(Act::Expire, "expire", "Change the expiry"))
                    }
                    @match credential.status {
                        Status::Revoked { at } | Status::Deleted { at } => { dt { "Revoked" } dd { (ui::minute(at)) } }
                        Status::Live => {}
                    }
                    dt { "Allowed IPs" } dd {
                        @if credential.addresses.is_empty() { "any" }
                        @for range in &credential.addresses { code { (range) } br; }
                        @if credential.address_mode == AddressMode::Report { (ui::badge("warn", "only reported")) }
                    }
                    dt { "ID" } dd { code { (credential.id) } " " (ui::copy(&credential.id.to_string(), "Copy the id")) }
                }
            }
        }
    })
}

/// What it may do and did not do for long: to be taken away.
fn unused(loaded: &Loaded, scheme: &Scheme, now: Time) -> Markup {
    let credential = &loaded.credential;
    let since = now.plus_ms(-SCOPE_UNUSED_DAYS * DAY_MS);
    let is_young = credential.created_at > since;
    if is_young || credential.status != Status::Live || !loaded.is_used_since(since) {
        return html! {};
    }
    let unused = grants::unused(credential.grant, scheme, &loaded.needs, since);
    html! {
        @if !unused.is_empty() {
            (ui::note("info", icons::SHIELD, &html! {
                b { "Not used in " (SCOPE_UNUSED_DAYS) " days: narrow." } " " (unused.join(", "))
            }))
        }
    }
}

/// What happened to it, newest first.
fn timeline(history: &[Event], now: Time) -> Markup {
    html! {
        section.card aria-labelledby="hi" {
            header { h2 id="hi" { "History" } }
            div.body {
                ol.tl {
                    @for event in history {
                        @let told = said::event(event);
                        li {
                            span class={ "dot " (told.class) } { (told.icon) }
                            div {
                                b { (told.title) } " " (ui::ago(event.at, now))
                                p { (told.detail) }
                                p { (told.by) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The counters as a file.
pub(crate) async fn usage_csv(visit: Visit) -> Answer {
    let loaded = load(&visit).await?;
    let (id, since) = (loaded.credential.id, visit.now.plus_ms(-31 * DAY_MS));
    let hours = visit.app().db.read(move |tx| usage::hours(tx, id, since)).await?;
    let mut text = "hour,secret,outcome,requests\r\n".to_owned();
    for hour in hours {
        text.push_str(&format!(
            "{},{},{},{}\r\n",
            hour.hour, hour.secret, hour.outcome, hour.requests
        ));
    }
    Ok(reply::download(&format!("{id}-usage.csv"), "text/csv; charset=utf-8", text))
}
