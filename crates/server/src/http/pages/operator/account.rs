//! One merchant as the platform sees it: what it has, who is there, what happened. Never a secret.

use http::StatusCode;
use keyway_domain::Environment;
use keyway_domain::endpoint::Endpoint;
use keyway_domain::event::Event;
use keyway_domain::grant::Action;
use keyway_domain::id::{AccountId, CredentialId, EventId};
use keyway_domain::member::Member;
use keyway_store::accounts::Account;
use keyway_store::events::{self, Filter};
use keyway_store::{DbError, Tx, accounts, endpoints, members};
use maud::{Markup, html};

use super::{HOME, Here, frame, hidden, reading};
use crate::commands::operators::note_view;
use crate::http::pages::fields::query;
use crate::http::pages::problems::Stop;
use crate::http::pages::visit::Visit;
use crate::http::pages::{Answer, audit, icons, reply, said, ui, webhooks};
use crate::roster::{self, Listing, Query, Show, Sort};

/// Credentials and events of a page.
const ROWS: u32 = 50;

/// What of an account the token may see.
struct Case {
    account: Account,
    people: Option<Vec<Member>>,
    endpoints: Option<Vec<Endpoint>>,
    events: Option<Vec<Event>>,
    listing: Option<(Query, Listing)>,
}

/// The account that the path names.
pub(super) async fn wanted(visit: &Visit) -> Result<Account, Stop> {
    let id = AccountId::parse(visit.param("account")).ok_or(Stop::NotFound)?;
    let found = visit.app().db.read(move |tx| accounts::find(tx, id)).await?;
    found.filter(|account| account.id != accounts::OPERATOR).ok_or(Stop::NotFound)
}

fn asked(visit: &Visit) -> Query {
    let fields = &visit.fields;
    Query {
        environment: Environment::parse(fields.text("at")).unwrap_or(Environment::Live),
        show: Show::All,
        kind: None,
        owner: None,
        text: fields.searched("q"),
        sort: Sort::Used,
        after: CredentialId::parse(fields.text("after")),
        limit: usize::try_from(ROWS).unwrap_or(usize::MAX),
    }
}

async fn load(visit: &Visit) -> Result<Case, Stop> {
    let account = wanted(visit).await?;
    let id = account.id;
    let may = |resource| visit.operator_may(reading(resource));
    let (sees_people, sees_hooks, sees_events) = (may("members"), may("webhooks"), may("events"));
    let before = EventId::parse(visit.fields.text("before"));
    let filter = Filter { account: Some(id), before, ..Filter::default() };
    let seals = visit.app().platform.rules.seals.clone();
    let read = visit.app().db.read(move |tx| {
        let people = sees_people.then(|| members::list(tx, &seals, id)).transpose()?;
        let hooks = sees_hooks.then(|| endpoints::list(tx, &seals, id)).transpose()?;
        let events = sees_events.then(|| events::page(tx, &filter, ROWS)).transpose()?;
        Ok::<_, DbError>((people, hooks, events))
    });
    let (people, endpoints, events) = read.await?;
    let listing = if may("credentials") {
        let (query, now) = (asked(visit), visit.now);
        let scheme = visit.scheme();
        let page = roster::with(visit.app(), id, |roster| roster.page(&query, scheme, now));
        let listing = page.await?;
        Some((query, listing))
    } else {
        None
    };
    Ok(Case { account, people, endpoints, events, listing })
}

pub(crate) async fn page(visit: Visit) -> Answer {
    let who = visit.operating()?;
    let case = load(&visit).await?;
    let (moment, id) = (visit.moment(), case.account.id);
    // Before anything is shown: what could not be told is not seen either.
    let note = move |tx: &mut Tx<'_>| note_view(tx, &moment, id);
    visit.app().db.write(visit.now, note).await?;
    let body = html! {
        (head(&visit, &case.account))
        (said::done(&visit))
        @match &case.listing { Some((query, listing)) => { (credentials(&visit, &case.account, query, listing)) } None => { (section("h-cr", &ui::capital(&visit.scheme().words.credentials), &hidden("credentials"))) } }
        (section("h-pe", "People", &case.people.as_ref().map_or_else(|| hidden("members"), |people| people_table(&visit, people))))
        (section("h-wh", "Webhooks", &case.endpoints.as_ref().map_or_else(|| hidden("webhooks"), |list| hooks_table(&visit, list))))
        (section("h-ev", "What happened", &case.events.as_ref().map_or_else(|| hidden("events"), |list| events_table(&case.account, list))))
    };
    let page = frame(&visit, who, &case.account.name, Here::Merchants, &body);
    Ok(reply::html(StatusCode::OK, &page))
}

pub(super) fn crumbs(account: &Account) -> Markup {
    html! {
        p.crumbs {
            a href=(HOME) { "Merchants" } " " span aria-hidden="true" { "/" } " "
            a href={ (HOME) "/" (account.id) } { bdi { (account.name) } }
        }
    }
}

fn head(visit: &Visit, account: &Account) -> Markup {
    let path = format!("{HOME}/{}", account.id);
    html! {
        div.head {
            div {
                p.crumbs { a href=(HOME) { "Merchants" } }
                h1 { bdi { (account.name) } }
                p.lede {
                    code { (account.id) }
                    @if let Some(external) = &account.external_id { " · yours: " code { (external) } }
                    " · registered " (ui::day(account.created_at))
                }
            }
            @if visit.operator_may(("accounts", Action::Write)) {
                div.row {
                    @if account.suspended { a.btn.primary href={ (path) "/resume" } { (icons::CHECK) "Let in again" } }
                    @else { a.btn.danger-quiet href={ (path) "/suspend" } { (icons::WARN) "Suspend" } }
                }
            }
        }
        @if account.suspended {
            (ui::note("warn", icons::WARN, &html! { b { "Suspended." } " All its credentials are refused, and its people can change nothing." }))
        }
    }
}

fn section(id: &str, title: &str, body: &Markup) -> Markup {
    html! { section.card aria-labelledby=(id) { header { h2 id=(id) { (title) } } (body) } }
}

fn link(account: &Account, asked: &Query, after: Option<CredentialId>) -> String {
    let after = after.map(|after| after.to_string()).unwrap_or_default();
    let parts = [("at", asked.environment.as_str()), ("q", &asked.text), ("after", after.as_str())];
    format!("{HOME}/{}?{}", account.id, query(parts))
}

fn credentials(visit: &Visit, account: &Account, asked: &Query, listing: &Listing) -> Markup {
    let (scheme, now) = (visit.scheme(), visit.now);
    let title = ui::capital(&scheme.words.credentials);
    let shown = listing.before + listing.rows.len();
    let older = listing.rows.last().filter(|_| shown < listing.found).map(|entry| entry.id);
    html! {
        section.card aria-labelledby="h-cr" id="list" data-say={ (listing.found) " rows" } {
            header { h2 id="h-cr" { (title) } }
            form.toolbar method="get" action={ (HOME) "/" (account.id) } data-live="#list" role="search" aria-label=(title) {
                div.find {
                    label.vh for="q" { "Name or last four" }
                    (icons::FIND)
                    input id="q" name="q" type="search" placeholder="Name or last four" autocomplete="off" value=(asked.text);
                }
                label.vh for="f-at" { "Environment" }
                select id="f-at" name="at" {
                    @for at in [Environment::Live, Environment::Test] { option value=(at.as_str()) selected[at == asked.environment] { (scheme.environment_label(at)) } }
                }
                button.btn { (icons::FILTER) "Apply" }
            }
            @if listing.rows.is_empty() { div.empty { p { "Nothing here." } } }
            @else {
                table.flip role="table" aria-labelledby="h-cr" {
                    thead role="rowgroup" { tr role="row" {
                        @for head in ["Name", "Status", "Access", "Last used", "Created", "Expires"] { th role="columnheader" scope="col" { (head) } }
                    } }
                    tbody role="rowgroup" {
                        @for entry in &listing.rows {
                            tr.dim[!entry.is_live(now)] role="row" data-row {
                                td.full role="cell" { b { bdi { (entry.name) } } small { (ui::hint(&entry.hint)) " · " (entry.id) } }
                                td role="cell" data-l="Status" { (ui::status(entry, now)) }
                                td role="cell" data-l="Access" { (ui::fingerprint(entry.grant, scheme)) }
                                td role="cell" data-l="Last used" {
                                    @match &entry.last_used {
                                        Some(seen) => { span.nowrap { (ui::ago(seen.at, now)) @if let Some(from) = &seen.address { small.mono { (from) } } } }
                                        None => { "Never" }
                                    }
                                }
                                td.num role="cell" data-l="Created" { (ui::day(entry.created_at)) }
                                td.num role="cell" data-l="Expires" { @match entry.expires_at { Some(at) => { (ui::day(at)) } None => { "never" } } }
                            }
                        }
                    }
                }
            }
            footer {
                span { (ui::count(i64::try_from(listing.found).unwrap_or(0), "row", "rows")) ", the last used first" }
                nav.row aria-label="Pages" {
                    @if asked.after.is_some() { a.btn.sm href=(link(account, asked, None)) { "First" } }
                    @if let Some(older) = older { a.btn.sm href=(link(account, asked, Some(older))) { "More" } }
                }
            }
        }
    }
}

fn people_table(visit: &Visit, people: &[Member]) -> Markup {
    html! {
        @if people.is_empty() { div.body { p.muted { "Nobody signs in here: the platform’s own backend speaks for this account." } } }
        @else {
            table.flip role="table" aria-labelledby="h-pe" {
                thead role="rowgroup" { tr role="row" {
                    @for head in ["Name", "Role", "Second factor", "Last active"] { th role="columnheader" scope="col" { (head) } }
                } }
                tbody role="rowgroup" {
                    @for member in people {
                        tr role="row" {
                            td.full role="cell" { b { bdi { (member.name) } } small.wrap { (member.email) } }
                            td role="cell" data-l="Role" { (ui::badge("plain", ui::role_word(member.role))) }
                            td role="cell" data-l="Second factor" { @if member.totp.is_some() { (ui::badge("ok", "App")) } @else { (ui::badge("warn", "None yet")) } }
                            td.muted role="cell" data-l="Last active" { @match member.last_active_at { Some(at) => { (ui::ago(at, visit.now)) } None => { "never" } } }
                        }
                    }
                }
            }
        }
    }
}

fn hooks_table(visit: &Visit, list: &[Endpoint]) -> Markup {
    html! {
        @if list.is_empty() { div.body { p.muted { "No endpoints." } } }
        @else {
            table.flip role="table" aria-labelledby="h-wh" {
                thead role="rowgroup" { tr role="row" {
                    @for head in ["Endpoint", "Environment", "State", "Since"] { th role="columnheader" scope="col" { (head) } }
                } }
                tbody role="rowgroup" {
                    @for endpoint in list {
                        tr role="row" {
                            td.full role="cell" { b { bdi { (webhooks::name(endpoint)) } } small.mono.wrap { (endpoint.url) } }
                            td role="cell" data-l="Environment" { (ui::environment_badge(visit.scheme(), endpoint.environment)) }
                            td role="cell" data-l="State" { (webhooks::state(endpoint)) }
                            td.num role="cell" data-l="Since" { (ui::day(endpoint.failing_since.unwrap_or(endpoint.state_at))) }
                        }
                    }
                }
            }
        }
    }
}

fn events_table(account: &Account, list: &[Event]) -> Markup {
    let rows = usize::try_from(ROWS).unwrap_or(usize::MAX);
    let older = list.last().filter(|_| list.len() == rows).map(|event| event.id);
    html! {
        @if list.is_empty() { div.body { p.muted { "Nothing older." } } } @else { (audit::table(list)) }
        footer {
            span { "Newest first · times in UTC" }
            @if let Some(older) = older { a.btn.sm href={ (HOME) "/" (account.id) "?before=" (older) "#h-ev" } { "Older" } }
        }
    }
}
