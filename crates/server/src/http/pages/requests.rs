//! The log of requests: what was asked with which key, and what was decided; and the same as a file.

use http::StatusCode;
use keyway_domain::Environment;
use keyway_domain::id::CredentialId;
use keyway_domain::scheme::Scheme;
use keyway_domain::time::{DAY_MS, Time};
use keyway_domain::verdict::Reason;
use keyway_store::DbError;
use keyway_store::requests::{self, ALLOWED, Filter, Place, REPORTED, Request};
use maud::{Markup, html};

use super::fields::query;
use super::problems::Stop;
use super::visit::Visit;
use super::{Answer, icons, layout, reply, ui};
use crate::csv;
use crate::http::api::requests::{COLUMNS, cells, shown};
use crate::roster::{self, Entry, Query, Show, Sort};
use crate::verify::RequestId;

/// Entries of a page.
const ROWS: u32 = 50;
/// Entries of a file: what fits comfortably into memory; older ones by a period of their own.
const EXPORT_MAX: u32 = 50_000;
/// Keys of each environment that the choice offers, those used last; others by a link on their page.
const KEYS: usize = 50;

const PERIODS: [(&str, &str, i64); 4] = [
    ("1d", "Last 24 hours", DAY_MS),
    ("1h", "Last hour", 3_600_000),
    ("7d", "Last 7 days", 7 * DAY_MS),
    ("all", "All that is kept", 0),
];

struct Asked {
    filter: Filter,
    period: &'static str,
    since: Time,
    outcome: String,
    /// What was typed as a request's id.
    id: String,
}

/// What the query asks for. What it does not understand is left out, but for a request's id: one
/// that is not ours is nobody's.
fn asked(visit: &Visit, scheme: &Scheme) -> Asked {
    let fields = &visit.fields;
    let period = PERIODS.into_iter().find(|(word, ..)| *word == fields.text("period"));
    let (period, _, ms) = period.unwrap_or(PERIODS[0]);
    let since = if ms > 0 { visit.now.plus_ms(-ms) } else { Time(0) };
    let outcome = fields.text("outcome");
    let is_reason = Reason::parse(outcome).is_some() || [ALLOWED, REPORTED].contains(&outcome);
    let route = fields.text("route");
    let is_route = scheme.routes.iter().any(|(_, pattern, _)| pattern == route);
    let address: String = fields.text("address").trim().chars().take(45).collect();
    let id: String = fields.text("id").trim().chars().take(100).collect();
    let found = RequestId::open(&id, &visit.app().keys.requests);
    let only = found.map(|found| Place::new(found.at, found.node, found.sequence));
    let filter = Filter {
        before: u128::from_str_radix(fields.text("after"), 16).ok().map(Place),
        only: if id.is_empty() { None } else { only.or(Some(Place(0))) },
        since: Some(since).filter(|_| id.is_empty()),
        until: None,
        credential: CredentialId::parse(fields.text("key")),
        outcome: is_reason.then(|| outcome.to_owned()),
        is_refused: outcome == "refused",
        route: is_route.then(|| route.to_owned()),
        address: Some(address).filter(|address| !address.is_empty()),
    };
    let known = is_reason || filter.is_refused;
    let outcome = if known { outcome.to_owned() } else { String::new() };
    Asked { filter, period, since, outcome, id }
}

impl Asked {
    fn query(&self, after: Option<Place>) -> String {
        let key = self.filter.credential.map(|id| id.to_string()).unwrap_or_default();
        let after = after.map(|after| format!("{:x}", after.0)).unwrap_or_default();
        query([
            ("id", self.id.as_str()),
            ("key", &key),
            ("outcome", &self.outcome),
            ("route", self.filter.route.as_deref().unwrap_or("")),
            ("address", self.filter.address.as_deref().unwrap_or("")),
            ("period", self.period),
            ("after", &after),
        ])
    }
}

async fn entries(visit: &Visit, asked: &Asked, limit: u32) -> Result<(Vec<Request>, i64), Stop> {
    let (account, filter) = (visit.signed()?.account.id, asked.filter.clone());
    let since = asked.since;
    let read = visit.app().db.read(move |tx| {
        let page = requests::page(tx, account, &filter, limit)?;
        Ok::<_, DbError>((page, requests::missed(tx, account, since)?))
    });
    Ok(read.await?)
}

pub(crate) async fn page(visit: Visit) -> Answer {
    let scheme = std::sync::Arc::clone(&visit.app().platform.rules.scheme);
    let asked = asked(&visit, &scheme);
    let (mut found, missed) = entries(&visit, &asked, ROWS + 1).await?;
    let rows = usize::try_from(ROWS).unwrap_or(usize::MAX);
    let has_more = found.len() > rows;
    found.truncate(rows);
    let older = found.last().filter(|_| has_more).map(|request| request.place);
    let keys = keys(&visit, &asked, &found, &scheme).await?;
    let terms = visit.app().site.request_log;
    let body = html! {
        div.head {
            div { h1 { "Requests" } p.lede { "What was asked with your keys, and what was decided. The route is a pattern: no path, query, header or body is kept." } }
        }
        @if terms.days == 0 {
            (ui::note("info", icons::INFO, &html! { "This platform keeps no log of requests. Each key's page has their numbers." }))
        }
        @if missed > 0 {
            (ui::note("warn", icons::WARN, &html! {
                b { (ui::count(missed, "request", "requests")) " of this time " @if missed == 1 { "is" } @else { "are" } " not in the log." }
                " They came faster than it is written. They were judged and counted like all others."
            }))
        }
        div.card id="list" data-say={ (found.len()) " requests" } {
            (toolbar(&asked, &scheme, &keys))
            @if found.is_empty() {
                div.empty { h2 { "No request matches" } p { "Requests show here a second or two after they were judged." } a.btn href="/requests?period=all" { "Show all" } }
            } @else {
                (table(&found, &keys, &scheme))
            }
            footer {
                span { "Newest first · times in UTC · kept for " (terms.days) " days, at most " (ui::number(i64::from(terms.rows))) }
                // Inside of what a filter replaces, so that a file is what is shown.
                span.row {
                    a.btn.sm href={ "/requests.csv?" (asked.query(None)) } download { (icons::DOWN) "CSV" }
                    a.btn.sm href={ "/requests.jsonl?" (asked.query(None)) } download { (icons::DOWN) "JSON lines" }
                }
                nav.row aria-label="Pages" {
                    @if asked.filter.before.is_some() { a.btn.sm href={ "/requests?" (asked.query(None)) } { "Newest" } } @else { span.muted { "Newer" } }
                    @if let Some(older) = older { a.btn.sm href={ "/requests?" (asked.query(Some(older))) } { "Older" } } @else { span.muted { "Older" } }
                }
            }
        }
    };
    let nav = Some(layout::Nav::Requests);
    Ok(reply::html(StatusCode::OK, &layout::page(&visit, "Requests", nav, &body)))
}

/// The keys that the page names or offers.
async fn keys(
    visit: &Visit,
    asked: &Asked,
    found: &[Request],
    scheme: &Scheme,
) -> Result<Vec<Entry>, Stop> {
    let mut named: Vec<CredentialId> = found.iter().map(|request| request.credential).collect();
    named.extend(asked.filter.credential);
    let now = visit.now;
    let look = move |roster: &roster::Roster| {
        let mut keys: Vec<Entry> = Vec::new();
        for environment in Environment::ALL {
            let query = Query {
                environment,
                show: Show::All,
                kind: None,
                owner: None,
                text: String::new(),
                sort: Sort::Used,
                after: None,
                limit: KEYS,
            };
            keys.extend(roster.page(&query, scheme, now).rows);
        }
        let is_known = |keys: &[Entry], id: CredentialId| keys.iter().any(|key| key.id == id);
        for id in named {
            if let Some(entry) = roster.find(id).filter(|_| !is_known(&keys, id)) {
                keys.push(entry.clone());
            }
        }
        keys
    };
    Ok(roster::with(visit.app(), visit.signed()?.account.id, look).await?)
}

fn toolbar(asked: &Asked, scheme: &Scheme, keys: &[Entry]) -> Markup {
    let mut patterns: Vec<&str> = scheme.routes.iter().map(|(_, pattern, _)| pattern).collect();
    patterns.dedup();
    let chosen = asked.filter.credential;
    html! {
        form.toolbar method="get" action="/requests" data-live="#list" role="search" aria-label="This log" {
            div.find {
                label.vh for="ri" { "Request id" }
                (icons::FIND)
                input id="ri" name="id" type="search" placeholder="Request id" autocomplete="off" value=(asked.id);
            }
            label.vh for="rk" { "Key" }
            select id="rk" name="key" {
                option value="" { "Any key" }
                @for key in keys { option value=(key.id) selected[chosen == Some(key.id)] { (key.name) " …" (ui::last_four(&key.hint)) } }
            }
            label.vh for="ro" { "Status" }
            select id="ro" name="outcome" {
                option value="" { "Any status" }
                option value=(ALLOWED) selected[asked.outcome == ALLOWED] { "Allowed" }
                option value=(REPORTED) selected[asked.outcome == REPORTED] { "Allowed: address not listed" }
                option value="refused" selected[asked.outcome == "refused"] { "Refused" }
                @for reason in Reason::ALL { option value=(reason.as_str()) selected[asked.outcome == reason.as_str()] { "Refused: " (words(reason.as_str())) } }
            }
            label.vh for="re" { "Endpoint" }
            select id="re" name="route" {
                option value="" { "Any endpoint" }
                @for pattern in patterns { option value=(pattern) selected[asked.filter.route.as_deref() == Some(pattern)] { (pattern) } }
            }
            label.vh for="ra" { "Address" }
            input.addr id="ra" name="address" placeholder="Address" autocomplete="off" value=(asked.filter.address.as_deref().unwrap_or(""));
            label.vh for="rp" { "Period" }
            select id="rp" name="period" {
                @for (word, label, _) in PERIODS { option value=(word) selected[asked.period == word] { (label) } }
            }
            button.btn { (icons::FILTER) "Apply" }
        }
    }
}

/// A reason as people say it.
fn words(reason: &str) -> String {
    reason.replace('_', " ")
}

fn table(found: &[Request], keys: &[Entry], scheme: &Scheme) -> Markup {
    html! {
        table.flip.ev.rq role="table" aria-label="Requests" {
            thead role="rowgroup" { tr role="row" {
                th role="columnheader" scope="col" { "Request" }
                th role="columnheader" scope="col" aria-sort="descending" { "Time (UTC)" }
                th role="columnheader" scope="col" { "Key" }
                th role="columnheader" scope="col" { "Endpoint" }
                th role="columnheader" scope="col" { "Status" }
                th role="columnheader" scope="col" { "Address" }
            } }
            tbody role="rowgroup" {
                @for request in found { (row(request, keys.iter().find(|key| key.id == request.credential), scheme)) }
            }
        }
    }
}

fn row(request: &Request, key: Option<&Entry>, scheme: &Scheme) -> Markup {
    let at = request.place.at();
    let raw = serde_json::to_string_pretty(&shown(request)).unwrap_or_default();
    html! {
        tr role="row" data-row {
            td.full role="cell" {
                details {
                    summary { code { (short(&request.id)) } span.vh { ", all of it" } }
                    pre.wrap tabindex="0" role="region" aria-label={ "Details of " (request.id) } { (raw) }
                }
            }
            td.num.nowrap.muted role="cell" data-l="Time" { time datetime=(at.to_string()) { (at.to_second_text()) } }
            td role="cell" data-l="Key" {
                @match key {
                    Some(key) => { a href={ "/" (key.environment.as_str()) "/keys/" (key.id) } { bdi { (key.name) } } }
                    None => { span.muted { "no longer listed" } }
                }
                @if let Some(environment) = Environment::parse(&request.environment).filter(|e| *e == Environment::Test) { " " (ui::environment_badge(scheme, environment)) }
            }
            td role="cell" data-l="Endpoint" {
                @if request.route.is_empty() {
                    span.muted { @if request.need.is_empty() { "who it is" } @else if request.need == "*" { (request.method) " a route that no list names" } @else { (request.need) } }
                } @else { code { (request.method) " " (request.route) } }
            }
            td role="cell" data-l="Status" { (outcome(request)) }
            td role="cell" data-l="Address" { @if request.address.is_empty() { span.muted { "unknown" } } @else { code { (request.address) } } }
        }
    }
}

/// What was decided, as people say it.
fn outcome(request: &Request) -> Markup {
    match request.outcome.as_str() {
        ALLOWED => ui::badge("ok", "Allowed"),
        REPORTED => ui::badge("warn", "Allowed: address not listed"),
        reason => ui::badge("bad", &ui::capital(&words(reason))),
    }
}

/// The ends of an id: enough to tell two apart by eye.
fn short(id: &str) -> String {
    match (id.get(..10), id.len().checked_sub(4).and_then(|at| id.get(at..))) {
        (Some(head), Some(tail)) if id.len() > 20 => format!("{head}…{tail}"),
        _ => id.to_owned(),
    }
}

/// The log as JSON lines, as far as the filter goes.
pub(crate) async fn json_lines(visit: Visit) -> Answer {
    let scheme = std::sync::Arc::clone(&visit.app().platform.rules.scheme);
    let (found, _) = entries(&visit, &asked(&visit, &scheme), EXPORT_MAX).await?;
    let mut text = String::new();
    for request in &found {
        text.push_str(&serde_json::to_string(&shown(request)).unwrap_or_default());
        text.push('\n');
    }
    Ok(reply::download("requests.jsonl", "application/jsonl", text))
}

/// The log as CSV, as far as the filter goes.
pub(crate) async fn csv(visit: Visit) -> Answer {
    let scheme = std::sync::Arc::clone(&visit.app().platform.rules.scheme);
    let (found, _) = entries(&visit, &asked(&visit, &scheme), EXPORT_MAX).await?;
    let mut text = format!("{COLUMNS}\r\n");
    for request in &found {
        let cells = cells(request);
        text.push_str(&csv::line(cells.iter().map(String::as_str)));
        text.push_str("\r\n");
    }
    Ok(reply::download("requests.csv", "text/csv; charset=utf-8", text))
}
