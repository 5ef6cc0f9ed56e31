//! The list of credentials: facets that count, search, order, pages, and acts on several at once.

use http::StatusCode;
use keyway_domain::Environment;
use keyway_domain::actor::Role;
use keyway_domain::id::{CredentialId, MemberId};
use keyway_domain::member::Member;
use keyway_domain::scheme::{Act, Scheme};
use keyway_domain::time::{DAY_MS, Time};
use keyway_store::due::OwnDays;
use maud::{Markup, html};

use super::new_key::people;
use super::problems::Stop;
use super::visit::Visit;
use super::{Answer, fields, icons, layout, reply, said, ui};
use crate::roster::{self, Entry, Listing, Query, Show, Sort};

/// Rows of a page.
const ROWS: usize = 50;

fn sort_word(sort: Sort) -> &'static str {
    match sort {
        Sort::Used => "used",
        Sort::Name => "name",
        Sort::Age => "age",
        Sort::Expires => "expires",
    }
}

/// What the query asks for. What it does not understand is left out, never an error: links of
/// lists are kept and shared.
fn asked(visit: &Visit, environment: Environment, scheme: &Scheme) -> Query {
    let fields = &visit.fields;
    let show = Show::ALL.into_iter().find(|(_, word)| *word == fields.text("show"));
    let sorts = [Sort::Used, Sort::Name, Sort::Age, Sort::Expires];
    let sort = sorts.into_iter().find(|sort| sort_word(*sort) == fields.text("sort"));
    Query {
        environment,
        show: show.map_or(Show::All, |(show, _)| show),
        kind: fields.given("kind").filter(|kind| scheme.kind(kind).is_some()).map(str::to_owned),
        owner: MemberId::parse(fields.text("owner")),
        text: fields.text("q").chars().take(100).collect(),
        sort: sort.unwrap_or(Sort::Used),
        after: CredentialId::parse(fields.text("after")),
        limit: ROWS,
    }
}

/// The same list, asked for a little differently.
fn link(query: &Query, change: &[(&str, &str)]) -> String {
    let show = Show::ALL.into_iter().find(|(show, _)| *show == query.show).map_or("", |(_, w)| w);
    let owner = query.owner.map(|owner| owner.to_string());
    let mut parts = vec![
        ("show", if query.show == Show::All { "" } else { show }),
        ("q", query.text.as_str()),
        ("kind", query.kind.as_deref().unwrap_or("")),
        ("owner", owner.as_deref().unwrap_or("")),
        ("sort", if query.sort == Sort::Used { "" } else { sort_word(query.sort) }),
    ];
    for (name, value) in change {
        parts.retain(|(known, _)| known != name);
        parts.push((name, value));
    }
    format!("/{}/keys?{}", query.environment.as_str(), fields::query(parts))
}

pub(crate) async fn list(visit: Visit) -> Answer {
    let scheme = std::sync::Arc::clone(&visit.app().platform.rules.scheme);
    let environment = visit.environment()?;
    let query = asked(&visit, environment, &scheme);
    let (account, now) = (visit.signed()?.account.id, visit.now);
    let listing =
        roster::with(visit.app(), account, |roster| roster.page(&query, &scheme, now)).await?;
    let people = people(&visit).await?;
    let page = view(&visit, &scheme, &query, &listing, &people)?;
    Ok(reply::html(StatusCode::OK, &page))
}

fn view(
    visit: &Visit,
    scheme: &Scheme,
    query: &Query,
    listing: &Listing,
    people: &[Member],
) -> Result<Markup, Stop> {
    let signed = visit.signed()?;
    let role = signed.member.role;
    let may_create = scheme
        .kinds
        .iter()
        .any(|kind| kind.act(Act::Create).is_some_and(|rule| rule.by.contains(&role)));
    let words = &scheme.words;
    let environment = query.environment;
    let new = format!("/{}/keys/new", environment.as_str());
    let create = format!("{} {}", create_word(scheme), words.credential);
    let is_empty = listing.counts[Show::All as usize] == 0;
    let body = html! {
        div.head {
            div {
                h1 { (words.credentials) }
                p.lede {
                    (scheme.environment_label(environment)) " " (words.credentials) " of " bdi { (signed.account.name) }
                    ". Each one is independent: change one without touching the others."
                }
            }
            div.row {
                @if scheme.people.audit.contains(&role) { a.btn href="/audit" { (icons::LIST) "History" } }
                @if may_create { a.btn.primary href=(new) { (icons::PLUS) (create) } }
            }
        }
        (said::done(visit))
        @if is_empty {
            section.card { (empty(scheme, environment, may_create, &new, &create)) }
        } @else {
            (region(visit, scheme, query, listing, people, role))
        }
    };
    Ok(layout::page(visit, &words.credentials, Some(layout::Nav::Keys), &body))
}

/// The verb on the button: where a kind has a pair, it is generated.
fn create_word(scheme: &Scheme) -> &'static str {
    let pairs = scheme.kinds.iter().all(|kind| kind.public_id.is_some());
    if pairs { "Generate" } else { "Create" }
}

fn empty(scheme: &Scheme, environment: Environment, may: bool, new: &str, create: &str) -> Markup {
    let label = scheme.environment_label(environment);
    html! {
        div.empty {
            svg.art.i viewBox="0 0 16 16" aria-hidden="true" { circle cx="5.2" cy="10.8" r="3.2" {} path d="M7.6 8.4 14 2m-3 3 2.2 2.2" {} }
            h2 { "No " (label) " " (scheme.words.credentials) " yet" }
            @if environment == Environment::Test {
                p { "One lets you call every endpoint with play money. It takes about ten seconds." }
            } @else {
                p { "One lets your servers call the API with real money. Try it in " (scheme.environment_label(Environment::Test)) " first." }
            }
            @if may { a.btn.primary href=(new) { (icons::PLUS) (create) } }
            @else { p { "Ask an owner of the account to make one." } }
        }
    }
}

/// What changes as one types: facets, the bar above the table, the table.
fn region(
    visit: &Visit,
    scheme: &Scheme,
    query: &Query,
    listing: &Listing,
    people: &[Member],
    role: Role,
) -> Markup {
    let said = match listing.found {
        0 => "Nothing matches".to_owned(),
        1 => "1 row".to_owned(),
        found => format!("{found} rows"),
    };
    html! {
        div.stack id="list" data-say=(said) {
            (facets(scheme, query, listing))
            div.card {
                (toolbar(scheme, query, people))
                @if listing.rows.is_empty() {
                    (no_match(scheme, query, listing))
                } @else {
                    form method="get" {
                        (table(visit, scheme, query, listing, role))
                        (bulk_bar(scheme, query, role))
                    }
                    (foot(scheme, query, listing))
                }
            }
            @for entry in &listing.rows { (menu(entry, scheme, role, visit.now)) }
        }
    }
}

fn facets(scheme: &Scheme, query: &Query, listing: &Listing) -> Markup {
    let old =
        scheme.kinds.iter().filter_map(|kind| listing.ages.ages(scheme, &kind.name).old).min();
    let old = old.map_or_else(|| "Old".to_owned(), |days| format!("Older than {days} days"));
    let label = |show: Show| match show {
        Show::All => "All",
        Show::Rotating => "Rotating",
        Show::Expiring => "Expires within 7 days",
        Show::Unused => "Unused",
        Show::Old => old.as_str(),
        Show::Money => "Can move money",
        Show::Ended => "Revoked or expired",
    };
    let calls = |show| matches!(show, Show::Expiring | Show::Unused | Show::Old);
    html! {
        nav.chips.slide aria-label="Quick filters" {
            @for (place, (show, word)) in Show::ALL.into_iter().enumerate() {
                @let count = listing.counts[place];
                @if count > 0 || show == Show::All || show == query.show {
                    a class={ "chip" @if calls(show) && count > 0 { " alert" } }
                        href=(link(query, &[("show", if show == Show::All { "" } else { word })]))
                        aria-current=[(show == query.show).then_some("true")] { (label(show)) " " b { (count) } }
                }
            }
        }
    }
}

fn toolbar(scheme: &Scheme, query: &Query, people: &[Member]) -> Markup {
    let show = Show::ALL.into_iter().find(|(show, _)| *show == query.show).map_or("", |(_, w)| w);
    html! {
        form.toolbar method="get" data-live="#list" role="search" aria-label="This list" {
            @if query.show != Show::All { input type="hidden" name="show" value=(show); }
            @if query.sort != Sort::Used { input type="hidden" name="sort" value=(sort_word(query.sort)); }
            div.find {
                label.vh for="q" { "Filter by name or last four" }
                (icons::FIND)
                input id="q" name="q" type="search" placeholder="Name or last four" autocomplete="off" value=(query.text);
            }
            @if scheme.kinds.len() > 1 {
                label.vh for="f-kind" { "Type" }
                select id="f-kind" name="kind" {
                    option value="" { "Any type" }
                    @for kind in &scheme.kinds { option value=(kind.name) selected[query.kind.as_deref() == Some(kind.name.as_str())] { (kind.label) } }
                }
            }
            @if people.len() > 1 {
                label.vh for="f-owner" { "Owner" }
                select id="f-owner" name="owner" {
                    option value="" { "Any owner" }
                    @for person in people { option value=(person.id) selected[query.owner == Some(person.id)] { (person.name) } }
                }
            }
            button.btn { (icons::FILTER) "Apply" }
        }
    }
}

fn no_match(scheme: &Scheme, query: &Query, listing: &Listing) -> Markup {
    let plain =
        Query { show: Show::All, kind: None, owner: None, text: String::new(), ..query.clone() };
    html! {
        div.empty {
            h2 { "Nothing matches" @if !query.text.is_empty() { " “" bdi { (query.text) } "”" } }
            @if listing.ended > 0 && query.show != Show::Ended {
                p { (ui::count(i64::try_from(listing.ended).unwrap_or(0), "ended one does", "ended ones do")) ". Names of ended " (scheme.words.credentials) " can be used again." }
            }
            div.row {
                @if listing.ended > 0 && query.show != Show::Ended { a.btn href=(link(query, &[("show", "ended")])) { "Show them" } }
                a.btn.quiet href=(link(&plain, &[])) { "Clear the filter" }
            }
        }
    }
}

fn sortable(query: &Query, sort: Sort, label: &str, direction: &'static str) -> Markup {
    let is_here = query.sort == sort;
    let arrow = if direction == "ascending" { "↑" } else { "↓" };
    html! {
        th role="columnheader" scope="col" aria-sort=[is_here.then_some(direction)] {
            a href=(link(query, &[("sort", if sort == Sort::Used { "" } else { sort_word(sort) })])) data-live="#list" {
                (label) @if is_here { " " span aria-hidden="true" { (arrow) } }
            }
        }
    }
}

fn table(visit: &Visit, scheme: &Scheme, query: &Query, listing: &Listing, role: Role) -> Markup {
    let now = visit.now;
    html! {
        table.flip.keys role="table" aria-label=(scheme.words.credentials) {
            thead role="rowgroup" { tr role="row" {
                th role="columnheader" scope="col" { input type="checkbox" aria-label="Select all on this page" data-all; }
                (sortable(query, Sort::Name, "Name", "ascending"))
                th role="columnheader" scope="col" { "Status" }
                th role="columnheader" scope="col" { "Access" }
                th role="columnheader" scope="col" { "14 days" }
                (sortable(query, Sort::Used, "Last used", "descending"))
                (sortable(query, Sort::Age, "Created", "ascending"))
                (sortable(query, Sort::Expires, "Expires", "ascending"))
                th role="columnheader" scope="col" { span.vh { "Actions" } }
            } }
            tbody role="rowgroup" {
                @for entry in &listing.rows { (row(entry, (scheme, listing.ages), role, now)) }
            }
        }
    }
}

fn row(entry: &Entry, (scheme, ages): (&Scheme, OwnDays), role: Role, now: Time) -> Markup {
    let live = entry.is_live(now);
    let path = format!("/{}/keys/{}", entry.environment.as_str(), entry.id);
    let kind = scheme.kind(&entry.kind);
    let has_acts =
        live && kind.is_some_and(|kind| kind.acts().any(|(_, rule)| rule.by.contains(&role)));
    html! {
        tr.dim[!live] role="row" data-row {
            td.sel role="cell" { input type="checkbox" name="id" value=(entry.id) disabled[!live] aria-label={ "Select " (entry.name) }; }
            td.full role="cell" {
                a.t-name href=(path) { bdi { (entry.name) } }
                small { (ui::hint(&entry.hint)) @if let Some(kind) = kind.filter(|_| scheme.kinds.len() > 1) { " · " (kind.label) } }
            }
            td role="cell" data-l="Status" { (ui::status(entry, now)) }
            td role="cell" data-l="Access" { (ui::fingerprint(entry.grant, scheme)) }
            td role="cell" data-l="Last 14 days" { (ui::sparkline(&entry.days(now))) }
            td role="cell" data-l="Last used" {
                @match &entry.last_used {
                    Some(seen) => { span.nowrap { (ui::ago(seen.at, now)) @if let Some(from) = &seen.address { small.mono { (from) } } } }
                    None => { "Never" }
                }
            }
            td.num role="cell" data-l="Created" {
                @if entry.is_old(now, ages.ages(scheme, &entry.kind)) { span.badge.warn title="Its secret is due for renewal" { (ui::age_text(now.0 - entry.secret_since.0)) } }
                @else { (ui::day(entry.created_at)) }
            }
            td.nowrap role="cell" data-l="Expires" { (expires(entry, now)) }
            td.act role="cell" {
                @if has_acts {
                    button.btn.quiet.icon.sm type="button" popovertarget={ "m-" (entry.id) } aria-label={ "Actions for " (entry.name) } { (icons::MORE) }
                } @else {
                    a.btn.quiet.icon.sm href=(path) aria-label={ "History of " (entry.name) } { (icons::LIST) }
                }
            }
        }
    }
}

fn expires(entry: &Entry, now: Time) -> Markup {
    use keyway_domain::credential::Status;
    match (entry.status, entry.expires_at) {
        (Status::Revoked { at } | Status::Deleted { at }, _) => html! { "Ended " (ui::day(at)) },
        (_, None) => html! { "Never" },
        (_, Some(at)) if at <= now => html! { "Ended " (ui::day(at)) },
        (_, Some(at)) if at.0 - now.0 < 7 * DAY_MS => html! { span.warn { (ui::day(at)) } },
        (_, Some(at)) => ui::day(at),
    }
}

/// The acts of a row, in a menu that opens without script.
fn menu(entry: &Entry, scheme: &Scheme, role: Role, now: Time) -> Markup {
    let Some(kind) = scheme.kind(&entry.kind).filter(|_| entry.is_live(now)) else {
        return html! {};
    };
    let path = format!("/{}/keys/{}", entry.environment.as_str(), entry.id);
    let may = |act: Act| kind.act(act).is_some_and(|rule| rule.by.contains(&role));
    let item = |act: Act, class: &str| {
        html! {
            @if may(act) {
                a class=[Some(class).filter(|class| !class.is_empty())] href={ (path) "/" (act.verb()) } {
                    (layout::act_icon(act)) (layout::act_label(act))
                }
            }
        }
    };
    html! {
        div.menu id={ "m-" (entry.id) } popover {
            @if entry.is_rotating(now) { (item(Act::Rollback, "")) (item(Act::Extend, "")) (item(Act::Finish, "")) }
            @else { (item(Act::Rotate, "")) }
            (item(Act::Regenerate, ""))
            (item(Act::Edit, ""))
            (item(Act::Rename, ""))
            (item(Act::Duplicate, ""))
            a href=(path) { (icons::LIST) "History" }
            hr;
            (item(Act::Revoke, "bad"))
            (item(Act::Delete, "bad"))
        }
    }
}

/// Appears, by style alone, when a row is chosen.
fn bulk_bar(scheme: &Scheme, query: &Query, role: Role) -> Markup {
    let may = |act: Act| {
        scheme.kinds.iter().any(|kind| kind.act(act).is_some_and(|rule| rule.by.contains(&role)))
    };
    let base = format!("/{}/keys/bulk", query.environment.as_str());
    html! {
        div.bulk role="group" aria-label="With the chosen ones" {
            span { b data-count { "Chosen" } " chosen" }
            span.grow {}
            @if may(Act::Rotate) { button.btn.sm formaction={ (base) "/rotate" } { (icons::ROTATE) "Rotate" } }
            @if may(Act::Expire) { button.btn.sm formaction={ (base) "/expire" } { (icons::CLOCK) "Set expiry" } }
            @if may(Act::Revoke) { button.btn.sm formaction={ (base) "/revoke" } { (icons::BIN) "Revoke" } }
        }
    }
}

fn foot(scheme: &Scheme, query: &Query, listing: &Listing) -> Markup {
    let [none, read, write] = &scheme.levels.labels;
    let (first, last) = (listing.before + 1, listing.before + listing.rows.len());
    let next =
        listing.rows.last().filter(|_| last < listing.found).map(|entry| entry.id.to_string());
    html! {
        footer {
            span.row {
                span { (first) "–" (last) " of " (listing.found) " · times in UTC" }
                span { span.lv aria-hidden="true" {} " " (none.to_lowercase()) }
                span { span.lv.r aria-hidden="true" {} " " (read.to_lowercase()) }
                span { span.lv.w aria-hidden="true" {} " " (write.to_lowercase()) }
                span.warn { span.lv.w aria-hidden="true" {} " can move money" }
            }
            nav.row aria-label="Pages" {
                @if listing.before > 0 { a.btn.sm href=(link(query, &[])) { "First" } } @else { span.muted { "Newer" } }
                @if let Some(next) = next { a.btn.sm href=(link(query, &[("after", &next)])) { "Older" } } @else { span.muted { "Older" } }
            }
        }
    }
}
