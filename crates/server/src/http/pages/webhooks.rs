//! Settings → Webhooks: endpoints, what went there and what was answered.

mod delivery;
mod forms;
mod replay;

pub(crate) use delivery::{delivery, replay_one};
pub(crate) use forms::{
    create, edit, edit_form, new_form, remove, remove_form, rotate, rotate_form, secret,
    secret_saved, switch, test,
};
pub(crate) use replay::{replay, replay_form};

use http::StatusCode;
use keyway_domain::endpoint::{Endpoint, State};
use keyway_domain::event::Kind;
use keyway_domain::id::{DeliveryId, EndpointId};
use keyway_domain::scheme::Scheme;
use keyway_domain::time::{DAY_MS, Time};
use keyway_store::deliveries::{self, Attempt, Delivery, Filter};
use keyway_store::{DbError, Tx, endpoints};
use maud::{Markup, html};

use super::problems::Stop;
use super::settings::{frame, may_settle};
use super::visit::Visit;
use super::{Answer, icons, layout, reply, said, ui};
use crate::telling::hears;

/// Deliveries of a page.
const ROWS: u32 = 50;

fn page(visit: &Visit, body: &Markup) -> crate::http::Reply {
    let page = frame(visit, "webhooks", layout::Nav::Webhooks, body);
    reply::html(StatusCode::OK, &page)
}

/// The endpoint that the path names.
async fn wanted(visit: &Visit) -> Result<Endpoint, Stop> {
    let id = EndpointId::parse(visit.param("endpoint")).ok_or(Stop::NotFound)?;
    let (account, seals) = (visit.signed()?.account.id, visit.app().platform.rules.seals.clone());
    let found = visit.app().db.read(move |tx| endpoints::find(tx, &seals, account, id)).await?;
    found.ok_or(Stop::NotFound)
}

pub(super) fn state(endpoint: &Endpoint) -> Markup {
    match endpoint.state {
        State::On if endpoint.failing_since.is_some() => ui::badge("warn", "Failing"),
        State::On => ui::badge("ok", "On"),
        State::Off => ui::badge("idle", "Off"),
        State::Gone => ui::badge("bad", "Off: it is gone"),
        State::Failing => ui::badge("bad", "Off: it failed for days"),
        State::Removed => ui::badge("bad", "Removed"),
    }
}

/// What an endpoint hears, in words.
fn heard(endpoint: &Endpoint, scheme: &Scheme) -> String {
    if endpoint.events.iter().any(|name| name == "*" || name == "api_key.*") {
        return format!("Everything about {}", scheme.words.credentials);
    }
    let kinds = Kind::ALL.iter().filter(|kind| {
        kind.as_str().starts_with("api_key.") && hears(&endpoint.events, **kind, scheme)
    });
    let titles: Vec<String> = kinds.map(|kind| said::title(kind.as_str())).collect();
    if titles.is_empty() { "Nothing".to_owned() } else { titles.join(", ") }
}

pub(super) fn name(endpoint: &Endpoint) -> &str {
    if endpoint.about.is_empty() { &endpoint.url } else { &endpoint.about }
}

fn path(endpoint: &Endpoint, rest: &str) -> String {
    format!("/settings/webhooks/{}{rest}", endpoint.id)
}

/// How an attempt ended, as a badge.
fn ended(attempt: &Attempt) -> Markup {
    match (attempt.status, &attempt.trouble) {
        (Some(status), _) => {
            let class = if (200..300).contains(&status) { "ok" } else { "bad" };
            ui::badge(class, &status.to_string())
        }
        (None, _) => ui::badge("bad", "No answer"),
    }
}

fn progress(delivery: &Delivery, now: Time) -> Markup {
    match delivery.state {
        deliveries::State::Delivered => ui::badge("ok", "Delivered"),
        deliveries::State::Failed => ui::badge("bad", "Given up"),
        deliveries::State::Waiting if delivery.attempts == 0 => ui::badge("idle", "Waiting"),
        deliveries::State::Waiting => html! {
            (ui::badge("warn", &format!("Retry {}", delivery.step + 1)))
            @if delivery.due_at > now { " " span.muted.small { "at " (delivery.due_at.to_minute_text()) } }
        },
    }
}

struct Row {
    endpoint: Endpoint,
    last: Option<Delivery>,
    counts: [i64; deliveries::State::ALL.len()],
}

async fn rows(visit: &Visit) -> Result<Vec<Row>, Stop> {
    let account = visit.signed()?.account.id;
    let seals = visit.app().platform.rules.seals.clone();
    let since = visit.now.plus_ms(-7 * DAY_MS);
    let read = move |tx: &mut Tx<'_>| {
        let mut rows = Vec::new();
        for endpoint in endpoints::list(tx, &seals, account)? {
            let last = deliveries::page(tx, endpoint.id, &Filter::default(), 1)?.pop();
            let counts = deliveries::counts(tx, endpoint.id, since)?;
            rows.push(Row { endpoint, last, counts });
        }
        Ok::<_, DbError>(rows)
    };
    Ok(visit.app().db.read(read).await?)
}

pub(crate) async fn list(visit: Visit) -> Answer {
    let rows = rows(&visit).await?;
    let scheme = visit.scheme();
    let may = may_settle(&visit);
    let body = html! {
        section.card aria-labelledby="h-wh" {
            header {
                h2 id="h-wh" { "Webhooks" }
                @if may { a.btn.sm href="/settings/webhooks/new" { (icons::PLUS) "Add endpoint" } }
            }
            @if rows.is_empty() {
                div.empty {
                    h3 { "No endpoints" }
                    p { "An endpoint is a URL of yours that hears when something happens to " (scheme.words.credentials) ": created, rotated, revoked, about to expire, used unusually." }
                }
            } @else { (table(&visit, &rows)) }
            footer { span { "Signed as Standard Webhooks with HMAC-SHA256. After a rotation each message carries two signatures until the older secret ends." } }
        }
    };
    Ok(page(&visit, &body))
}

fn table(visit: &Visit, rows: &[Row]) -> Markup {
    let scheme = visit.scheme();
    html! {
        table.flip role="table" aria-labelledby="h-wh" {
            thead role="rowgroup" { tr role="row" {
                th role="columnheader" scope="col" { "Endpoint" }
                th role="columnheader" scope="col" { "Hears" }
                th role="columnheader" scope="col" { "State" }
                th role="columnheader" scope="col" { "Last message" }
                th role="columnheader" scope="col" { "7 days" }
            } }
            tbody role="rowgroup" {
                @for row in rows {
                    @let [waiting, delivered, failed] = row.counts;
                    tr role="row" {
                        td.full role="cell" {
                            a.t-name href=(path(&row.endpoint, "")) { bdi { (name(&row.endpoint)) } }
                            small.mono.wrap { (row.endpoint.url) }
                            (ui::environment_badge(scheme, row.endpoint.environment))
                        }
                        td role="cell" data-l="Hears" { (heard(&row.endpoint, scheme)) }
                        td role="cell" data-l="State" { (state(&row.endpoint)) }
                        td role="cell" data-l="Last message" {
                            @match &row.last { Some(last) => { (progress(last, visit.now)) } None => { span.muted { "None yet" } } }
                        }
                        td.num role="cell" data-l="7 days" {
                            (ui::number(delivered)) " delivered"
                            @if waiting > 0 { ", " (ui::number(waiting)) " wait" }
                            @if failed > 0 { ", " (ui::number(failed)) " given up" }
                        }
                    }
                }
            }
        }
    }
}

pub(crate) async fn detail(visit: Visit) -> Answer {
    let endpoint = wanted(&visit).await?;
    let before = DeliveryId::parse(visit.fields.text("after"));
    let filter = Filter { before, ..Filter::default() };
    let id = endpoint.id;
    let read = move |tx: &mut Tx<'_>| deliveries::page(tx, id, &filter, ROWS + 1);
    let mut found = visit.app().db.read(read).await?;
    let rows = usize::try_from(ROWS).unwrap_or(usize::MAX);
    let has_more = found.len() > rows;
    found.truncate(rows);
    let older = found.last().filter(|_| has_more).map(|delivery| delivery.id);
    let body = html! {
        (about(&visit, &endpoint))
        section.card aria-labelledby="h-de" {
            header { h2 id="h-de" { "Messages" } @if may_settle(&visit) { a.btn.sm href=(path(&endpoint, "/replay")) { (icons::BACK) "Send again" } } }
            @if found.is_empty() { div.empty { p { "Nothing has gone there yet." } } }
            @else { (messages(&visit, &endpoint, &found)) }
            footer {
                span { "Newest first · times in UTC · kept for 30 days" }
                nav.row aria-label="Pages" {
                    @if before.is_some() { a.btn.sm href=(path(&endpoint, "")) { "Newest" } } @else { span.muted { "Newer" } }
                    @if let Some(older) = older { a.btn.sm href={ (path(&endpoint, "")) "?after=" (older) } { "Older" } } @else { span.muted { "Older" } }
                }
            }
        }
    };
    Ok(page(&visit, &body))
}

fn about(visit: &Visit, endpoint: &Endpoint) -> Markup {
    let scheme = visit.scheme();
    let ending = endpoint.signing(visit.now).find_map(|secret| secret.ends_at);
    html! {
        p.crumbs { a href="/settings/webhooks" { "Webhooks" } }
        section.card aria-labelledby="h-ep" {
            header { h2 id="h-ep" { bdi { (name(endpoint)) } } div.row { (ui::environment_badge(scheme, endpoint.environment)) (state(endpoint)) } }
            div.body.stack {
                @if let Some(since) = endpoint.failing_since.filter(|_| endpoint.state == State::On) {
                    (ui::note("warn", icons::WARN, &html! { b { "Nothing has arrived there since " (since.to_minute_text()) "." } " After five days of this it is switched off." }))
                }
                dl.kv {
                    dt { "URL" } dd { code.wrap { (endpoint.url) } }
                    dt { "Hears" } dd { (heard(endpoint, scheme)) }
                    dt { "Since" } dd { (ui::minute(endpoint.created_at)) }
                    @if let Some(ending) = ending {
                        dt { "Signing" } dd { "with two secrets until " (ui::minute(ending)) ", so that receivers can move over" }
                    }
                }
                @if may_settle(visit) {
                    div.row {
                        form action=(path(endpoint, "/test")) method="post" { (layout::marks(visit)) button.btn disabled[endpoint.state != State::On] { "Send a test message" } }
                        a.btn href=(path(endpoint, "/edit")) { (icons::EDIT) "Edit" }
                        a.btn href=(path(endpoint, "/rotate")) { (icons::ROTATE) "Rotate the secret" }
                        form action=(path(endpoint, "/switch")) method="post" {
                            (layout::marks(visit))
                            input type="hidden" name="to" value=(if endpoint.state == State::On { "off" } else { "on" });
                            button.btn { @if endpoint.state == State::On { "Switch off" } @else { "Switch on" } }
                        }
                        a.btn href=(path(endpoint, "/remove")) { (icons::BIN) "Remove" }
                    }
                }
            }
        }
    }
}

fn messages(visit: &Visit, endpoint: &Endpoint, found: &[Delivery]) -> Markup {
    html! {
        table.flip role="table" aria-labelledby="h-de" {
            thead role="rowgroup" { tr role="row" {
                th role="columnheader" scope="col" aria-sort="descending" { "Made (UTC)" }
                th role="columnheader" scope="col" { "Event" }
                th role="columnheader" scope="col" { "State" }
                th role="columnheader" scope="col" { "Tries" }
            } }
            tbody role="rowgroup" {
                @for delivery in found {
                    tr role="row" {
                        td.num.nowrap.muted role="cell" { (ui::minute(delivery.created_at)) }
                        td.full role="cell" { a href=(path(endpoint, &format!("/{}", delivery.id))) { (said::title(&delivery.kind)) } " " code.small { (delivery.event) } }
                        td role="cell" data-l="State" { (progress(delivery, visit.now)) }
                        td.num role="cell" data-l="Tries" { (delivery.attempts) }
                    }
                }
            }
        }
    }
}
