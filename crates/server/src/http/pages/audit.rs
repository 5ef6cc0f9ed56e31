//! The audit log: who did what, to what, from where; and the same as a file.

use http::StatusCode;
use keyway_domain::event::Event;
use keyway_domain::id::EventId;
use keyway_domain::time::{DAY_MS, Time};
use keyway_store::audit::{Broken, Fault, Verified};
use keyway_store::events::{self, Filter};
use maud::{Markup, html};

use super::fields::query;
use super::problems::Stop;
use super::visit::Visit;
use super::{Answer, icons, layout, reply, said, ui};
use crate::audit;
use crate::commands::sessions::hex;
use crate::csv;

/// Entries of a page.
const ROWS: u32 = 50;
/// Entries of a file: what fits comfortably into memory; older ones by a period of their own.
const EXPORT_MAX: u32 = 50_000;

const PERIODS: [(&str, &str, i64); 4] = [
    ("7d", "Last 7 days", 7),
    ("1d", "Last 24 hours", 1),
    ("90d", "Last 90 days", 90),
    ("all", "All", 0),
];

struct Asked {
    filter: Filter,
    period: &'static str,
    action: String,
    text: String,
}

fn asked(visit: &Visit) -> Result<Asked, Stop> {
    let fields = &visit.fields;
    let (period, _, days) =
        PERIODS.into_iter().find(|(word, ..)| *word == fields.text("period")).unwrap_or(PERIODS[0]);
    let action = said::titles().map(|(name, _)| name).find(|name| *name == fields.text("action"));
    let action = action.unwrap_or("").to_owned();
    let text = fields.searched("q");
    let filter = Filter {
        account: Some(visit.signed()?.account.id),
        subject: None,
        before: EventId::parse(fields.text("after")),
        kind_prefix: Some(action.clone()).filter(|action| !action.is_empty()),
        until: None,
        since: (days > 0).then(|| Time(visit.now.0 - days * DAY_MS)),
        text: Some(text.clone()).filter(|text| !text.is_empty()),
    };
    Ok(Asked { filter, period, action, text })
}

impl Asked {
    fn query(&self, after: Option<EventId>) -> String {
        let after = after.map(|after| after.to_string()).unwrap_or_default();
        query([
            ("q", self.text.as_str()),
            ("action", &self.action),
            ("period", self.period),
            ("after", &after),
        ])
    }
}

async fn entries(visit: &Visit, filter: Filter, limit: u32) -> Result<Vec<Event>, Stop> {
    Ok(visit.app().db.read(move |tx| events::page(tx, &filter, limit)).await?)
}

pub(crate) async fn page(visit: Visit) -> Answer {
    show(&visit, None).await
}

/// The log, with a look at its whole chain.
pub(crate) async fn verify(visit: Visit) -> Answer {
    let verified = audit::verify(visit.app(), visit.signed()?.account.id).await?;
    show(&visit, Some(verified)).await
}

/// What is known of the chain.
fn chain(verified: Option<&Verified>) -> Markup {
    html! {
        @match verified {
            None => {
                (ui::note("info", icons::LINK, &html! {
                    "Each entry holds a keyed hash over itself and the one before. "
                    a href="/audit/verify" { "Verify the chain" }
                }))
            }
            Some(Ok(whole)) => {
                div.note.ok role="status" { (icons::CHECK) div {
                    b { "Whole: all " (ui::number(whole.entries)) " entries are as they were written." }
                    " Through entry " (ui::number(whole.seq)) ", link " code { (&hex(&whole.head)[..16]) } "… "
                    a href="/audit/verify" { "Verify again" }
                } }
            }
            Some(Err(broken)) => {
                (ui::alert("bad", &html! {
                    b { "The log is not as it was written: " (broken_text(broken)) "." }
                    " Tell the platform, and keep a copy of what is here: "
                    a href="/audit.jsonl?period=all" { "download all of it" } "."
                }))
            }
        }
    }
}

fn broken_text(broken: &Broken) -> String {
    let event = broken.event.as_deref().unwrap_or("an event");
    match broken.fault {
        Fault::Changed => format!("entry {} ({event}) was changed", broken.seq),
        Fault::Missing => format!("entry {} is missing", broken.seq),
        Fault::Added => format!("{event} was not written by Keyway"),
        Fault::Ends => "its ends were changed or are gone".to_owned(),
    }
}

async fn show(visit: &Visit, verified: Option<Verified>) -> Answer {
    let asked = asked(visit)?;
    let mut found = entries(visit, asked.filter.clone(), ROWS + 1).await?;
    let has_more = found.len() > usize::try_from(ROWS).unwrap_or(usize::MAX);
    found.truncate(usize::try_from(ROWS).unwrap_or(usize::MAX));
    let older = found.last().filter(|_| has_more).map(|event| event.id);
    let body = html! {
        div.head {
            div { h1 { "Audit log" } p.lede { "Who did what, to what, from where. Entries are written with the change itself, and are never changed." } }
            div.row {
                a.btn href={ "/audit.csv?" (asked.query(None)) } download { (icons::DOWN) "CSV" }
                a.btn href={ "/audit.jsonl?" (asked.query(None)) } download { (icons::DOWN) "JSON lines" }
            }
        }
        (chain(verified.as_ref()))
        div.card id="list" data-say={ (found.len()) " entries" } {
            (toolbar(&asked))
            @if found.is_empty() {
                div.empty { h2 { "No entry matches" } p { "Try a longer period, or another word." } a.btn href="/audit?period=all" { "Show all" } }
            } @else {
                (table(&found))
            }
            footer {
                span { "Newest first · times in UTC" }
                nav.row aria-label="Pages" {
                    @if asked.filter.before.is_some() { a.btn.sm href={ "/audit?" (asked.query(None)) } { "Newest" } } @else { span.muted { "Newer" } }
                    @if let Some(older) = older { a.btn.sm href={ "/audit?" (asked.query(Some(older))) } { "Older" } } @else { span.muted { "Older" } }
                }
            }
        }
    };
    Ok(reply::html(
        StatusCode::OK,
        &layout::page(visit, "Audit log", Some(layout::Nav::Audit), &body),
    ))
}

fn toolbar(asked: &Asked) -> Markup {
    html! {
        form.toolbar method="get" action="/audit" data-live="#list" role="search" aria-label="This log" {
            div.find {
                label.vh for="aq" { "Search actor, address, id or request" }
                (icons::FIND)
                input id="aq" name="q" type="search" placeholder="Actor, address, id or request" autocomplete="off" value=(asked.text);
            }
            label.vh for="aa" { "Action" }
            select id="aa" name="action" {
                option value="" { "Any action" }
                @for (name, title) in said::titles() { option value=(name) selected[asked.action == name] { (title) } }
            }
            label.vh for="ap" { "Period" }
            select id="ap" name="period" {
                @for (word, label, _) in PERIODS { option value=(word) selected[asked.period == word] { (label) } }
            }
            button.btn { (icons::FILTER) "Apply" }
        }
    }
}

pub(super) fn table(found: &[Event]) -> Markup {
    html! {
        table.flip.ev role="table" aria-label="Audit entries" {
            thead role="rowgroup" { tr role="row" {
                th role="columnheader" scope="col" aria-sort="descending" { "Time (UTC)" }
                th role="columnheader" scope="col" { "Actor" }
                th role="columnheader" scope="col" { "Event" }
                th role="columnheader" scope="col" { "Address" }
            } }
            tbody role="rowgroup" {
                @for event in found {
                    @let told = said::event(event);
                    tr role="row" data-row {
                        td.num.nowrap.muted role="cell" { (ui::minute(event.at)) }
                        td role="cell" data-l="Actor" { (said::by(event)) }
                        td.full role="cell" {
                            details {
                                summary { (told.title) " " (subject(event)) }
                                pre tabindex="0" role="region" aria-label={ "Details of " (event.kind) ", " (event.id) } { (raw(event)) }
                            }
                        }
                        td role="cell" data-l="Address" {
                            @match &event.address { Some(address) => { code { (address) } } None => { span.muted { "internal" } } }
                        }
                    }
                }
            }
        }
    }
}

fn subject(event: &Event) -> Markup {
    let name = event.after["name"].as_str().or_else(|| event.before["name"].as_str());
    let email = event.after["email"].as_str().or_else(|| event.before["email"].as_str());
    html! {
        @if let Some(said) = name.or(email) { span.muted { bdi { (said) } } }
        @else { code.small { (event.subject) } }
    }
}

fn raw(event: &Event) -> String {
    serde_json::to_string_pretty(event).unwrap_or_default()
}

/// The log as JSON lines, as far as the filter goes.
pub(crate) async fn json_lines(visit: Visit) -> Answer {
    let found = entries(&visit, asked(&visit)?.filter, EXPORT_MAX).await?;
    let mut text = String::new();
    for event in &found {
        text.push_str(&serde_json::to_string(event).unwrap_or_default());
        text.push('\n');
    }
    Ok(reply::download("audit.jsonl", "application/jsonl", text))
}

/// The log as CSV, as far as the filter goes.
pub(crate) async fn csv(visit: Visit) -> Answer {
    let found = entries(&visit, asked(&visit)?.filter, EXPORT_MAX).await?;
    let mut text = format!("{}\r\n", csv::EVENT_COLUMNS);
    for event in &found {
        text.push_str(&csv::event(&serde_json::to_value(event).unwrap_or_default()));
        text.push_str("\r\n");
    }
    Ok(reply::download("audit.csv", "text/csv; charset=utf-8", text))
}
