//! The merchants: found by a word, with what stands out of each.

use http::StatusCode;
use keyway_domain::id::AccountId;
use keyway_store::DbError;
use keyway_store::account_search::{self, Found, Search, Show};
use maud::{Markup, html};

use super::{HOME, Here, frame, reading};
use crate::http::pages::fields::query;
use crate::http::pages::visit::Visit;
use crate::http::pages::{Answer, icons, reply, said, ui};

/// Rows of a page.
const ROWS: u32 = 50;

/// What of the merchants the token may see at a glance.
#[derive(Clone, Copy)]
struct Sight<'v>(&'v Visit);

impl Sight<'_> {
    fn of(self, resource: &'static str) -> bool {
        self.0.operator_may(reading(resource))
    }

    fn has(self, show: Show) -> bool {
        match show {
            Show::All | Show::Suspended => true,
            Show::Alerting => self.of("events"),
            Show::Failing => self.of("webhooks"),
        }
    }
}

fn asked(visit: &Visit, sight: Sight<'_>) -> Search {
    let fields = &visit.fields;
    let show = Show::ALL.into_iter().find(|(_, word)| *word == fields.text("show"));
    Search {
        show: show.map(|(show, _)| show).filter(|show| sight.has(*show)).unwrap_or(Show::All),
        text: fields.searched("q"),
        in_addresses: sight.of("members"),
        before: AccountId::parse(fields.text("after")),
    }
}

fn word(show: Show) -> &'static str {
    Show::ALL.into_iter().find(|(known, _)| *known == show).map_or("", |(_, word)| word)
}

fn link(show: Show, text: &str, after: Option<AccountId>) -> String {
    let after = after.map(|after| after.to_string()).unwrap_or_default();
    let show = if show == Show::All { "" } else { word(show) };
    format!("{HOME}?{}", query([("show", show), ("q", text), ("after", after.as_str())]))
}

pub(crate) async fn page(visit: Visit) -> Answer {
    let who = visit.operating()?;
    let sight = Sight(&visit);
    let search = asked(&visit, sight);
    let looked_for = search.clone();
    let read = visit.app().db.read(move |tx| {
        let found = account_search::page(tx, &looked_for, ROWS + 1)?;
        Ok::<_, DbError>((found, account_search::counts(tx)?))
    });
    let (mut found, counts) = read.await?;
    let rows = usize::try_from(ROWS).unwrap_or(usize::MAX);
    let has_more = found.len() > rows;
    found.truncate(rows);
    let older = found.last().filter(|_| has_more).map(|found| found.account.id);
    let body = html! {
        div.head { div {
            h1 { "Merchants" }
            p.lede { (ui::count(counts[0], "account", "accounts")) ". Each is told when its page is opened; this list tells nobody." }
        } }
        (said::done(&visit))
        div.stack id="list" data-say=(ui::count(i64::try_from(found.len()).unwrap_or(0), "row", "rows")) {
            (chips(&search, counts, sight))
            div.card {
                (toolbar(&search))
                @if found.is_empty() {
                    div.empty {
                        h2 { "Nothing matches" @if !search.text.is_empty() { " “" bdi { (search.text) } "”" } }
                        p { "Names are found by any part of them; ids" @if sight.of("members") { " and people’s addresses" } " by how they begin." }
                        div.row { a.btn.quiet href=(HOME) { "Clear the filter" } }
                    }
                } @else { (table(&visit, &found, sight)) }
                footer {
                    span { "Newest first" }
                    nav.row aria-label="Pages" {
                        @if search.before.is_some() { a.btn.sm href=(link(search.show, &search.text, None)) { "Newest" } } @else { span.muted { "Newer" } }
                        @if let Some(older) = older { a.btn.sm href=(link(search.show, &search.text, Some(older))) { "Older" } } @else { span.muted { "Older" } }
                    }
                }
            }
        }
    };
    let page = frame(&visit, who, "Merchants", Here::Merchants, &body);
    Ok(reply::html(StatusCode::OK, &page))
}

fn chips(search: &Search, counts: [i64; Show::ALL.len()], sight: Sight<'_>) -> Markup {
    let label = |show| match show {
        Show::All => "All",
        Show::Suspended => "Suspended",
        Show::Alerting => "With alerts",
        Show::Failing => "Webhooks failing",
    };
    html! {
        nav.chips.slide aria-label="Quick filters" {
            @for ((show, _), count) in Show::ALL.into_iter().zip(counts).filter(|((show, _), _)| sight.has(*show)) {
                a class={ "chip" @if count > 0 && matches!(show, Show::Alerting | Show::Failing) { " alert" } }
                    href=(link(show, &search.text, None))
                    aria-current=[(show == search.show).then_some("true")] { (label(show)) " " b { (ui::number(count)) } }
            }
        }
    }
}

fn toolbar(search: &Search) -> Markup {
    html! {
        form.toolbar method="get" action=(HOME) data-live="#list" role="search" aria-label="Merchants" {
            @if search.show != Show::All { input type="hidden" name="show" value=(word(search.show)); }
            div.find {
                label.vh for="q" { "Name, id or a person’s address" }
                (icons::FIND)
                input id="q" name="q" type="search" placeholder="Name, id or a person’s address" autocomplete="off" value=(search.text);
            }
            button.btn { (icons::FILTER) "Apply" }
        }
    }
}

fn table(visit: &Visit, found: &[Found], sight: Sight<'_>) -> Markup {
    let words = &visit.scheme().words;
    html! {
        table.flip role="table" aria-label="Merchants" {
            thead role="rowgroup" { tr role="row" {
                th role="columnheader" scope="col" { "Name" }
                th role="columnheader" scope="col" { "State" }
                @if sight.of("credentials") { th role="columnheader" scope="col" { (ui::capital(&words.credentials)) } }
                @if sight.of("members") { th role="columnheader" scope="col" { "People" } }
                @if sight.of("events") { th role="columnheader" scope="col" { "Alerts" } }
                th role="columnheader" scope="col" { "Registered" }
            } }
            tbody role="rowgroup" {
                @for found in found {
                    @let account = &found.account;
                    tr role="row" data-row {
                        td.full role="cell" {
                            a.t-name href={ (HOME) "/" (account.id) } { bdi { (account.name) } }
                            small.mono.wrap { (account.external_id.as_deref().unwrap_or_default()) }
                        }
                        td role="cell" data-l="State" {
                            @if account.suspended { (ui::badge("bad", "Suspended")) } @else { (ui::badge("ok", "Active")) }
                            @if sight.of("webhooks") && found.failing > 0 { " " (ui::badge("warn", "Webhooks failing")) }
                        }
                        @if sight.of("credentials") { td.num role="cell" data-l=(ui::capital(&words.credentials)) { (ui::number(found.live)) } }
                        @if sight.of("members") { td.num role="cell" data-l="People" { (ui::number(found.people)) } }
                        @if sight.of("events") { td.num role="cell" data-l="Alerts" { @if found.alerts > 0 { (ui::badge("warn", &ui::number(found.alerts))) } @else { span.muted { "none" } } } }
                        td.num role="cell" data-l="Registered" { (ui::day(account.created_at)) }
                    }
                }
            }
        }
    }
}
