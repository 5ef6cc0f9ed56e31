//! Settings → Alerts: what is unusual now and was lately, what the account wants to hear of, and a
//! test of how it arrives.

use http::StatusCode;
use keyway_domain::alert::{REFUSED_MIN, REQUESTS_MIN, TIMES_MAX, TIMES_MIN};
use keyway_domain::event::{Happened, Kind};
use keyway_domain::id::AccountId;
use keyway_domain::limits::IDLE_DAYS;
use keyway_store::alerts::{self as kept, Alert};
use keyway_store::{DbError, Tx, account_settings, due};
use maud::{Markup, html};
use serde_json::json;

use super::problems::{Problems, Stop, Trouble};
use super::reply;
use super::settings::{frame, may_settle, wanted};
use super::step_up::{Asked, Next, again, asked};
use super::visit::Visit;
use super::{Answer, icons, layout, said, ui};
use crate::alerts::{SETTING, Settings};
use crate::commands::{Error, Moment};
use crate::http::Reply;
use crate::roster;

/// Alerts that the page shows.
const SHOWN: u32 = 50;
/// The longest wait for an old or idle credential, in days.
const DAYS_MAX: i64 = 3_660;

/// The switches of alerts.
const SWITCHES: [(&str, Kind); 5] = [
    ("volume", Kind::UsageSpike),
    ("errors", Kind::ErrorBurst),
    ("network", Kind::NewNetwork),
    ("ended", Kind::EndedSecretUsed),
    ("environment", Kind::WrongEnvironmentUsed),
];

/// Everything that an account chose.
#[derive(Clone, PartialEq, Eq)]
struct Choice {
    settings: Settings,
    /// Days after which a secret is called old; `None` for what the scheme says of its kind.
    old: Option<i64>,
    /// Days without use after which a credential is called idle; 0 for never.
    idle: i64,
}

async fn stored(visit: &Visit) -> Result<Choice, Stop> {
    let account = visit.signed()?.account.id;
    let by_scheme = visit.scheme().idle_after_days.unwrap_or(IDLE_DAYS);
    let read = move |tx: &mut Tx<'_>| {
        let own = due::OwnDays::of(tx, account)?;
        Ok::<_, DbError>(Choice {
            settings: Settings::of(tx, account)?,
            old: own.old,
            idle: own.idle.unwrap_or_else(|| i64::from(by_scheme)),
        })
    };
    Ok(visit.app().db.read(read).await?)
}

/// An alert with what its credential is called.
struct Row {
    alert: Alert,
    name: String,
    path: Option<String>,
}

async fn rows(visit: &Visit) -> Result<Vec<Row>, Stop> {
    let account = visit.signed()?.account.id;
    let found = visit.app().db.read(move |tx| kept::list(tx, account, SHOWN)).await?;
    let named = roster::with(visit.app(), account, |roster| {
        found
            .into_iter()
            .map(|alert| {
                let entry = roster.find(alert.credential);
                let path = |entry: &roster::Entry| {
                    format!("/{}/keys/{}", entry.environment.as_str(), entry.id)
                };
                Row {
                    name: entry.map_or_else(
                        || alert.credential.to_string(),
                        |entry| entry.name.to_string(),
                    ),
                    path: entry.map(path),
                    alert,
                }
            })
            .collect()
    });
    Ok(named.await?)
}

/// What an alert says, in a few words.
fn figures(alert: &Alert) -> String {
    let detail: serde_json::Value = serde_json::from_str(&alert.detail).unwrap_or_default();
    let number = |name: &str| detail[name].as_f64().map(|number| format!("{number:.0}"));
    let mut parts = Vec::new();
    if let (Some(requests), Some(usual)) = (number("requests"), number("usual")) {
        parts.push(format!("{requests} requests where {usual} are usual"));
    } else if let (Some(refused), Some(requests)) = (number("refused"), number("requests")) {
        parts.push(format!("{refused} of {requests} requests refused"));
    } else if let Some(requests) = number("requests") {
        parts.push(format!("{requests} requests"));
    }
    for name in ["network", "address", "client"] {
        if let Some(text) = detail[name].as_str().filter(|_| name != "address" || parts.len() < 2) {
            parts.push(text.to_owned());
        }
    }
    if let Some(more) = number("more") {
        parts.push(format!("and {more} more"));
    }
    parts.join(" · ")
}

fn inbox(rows: &[Row]) -> Markup {
    html! {
        section.card aria-labelledby="h-now" {
            header { h2 id="h-now" { "Unusual" } span.muted.small { "now, and lately" } }
            @if rows.is_empty() {
                div.empty { p { "Nothing unusual has been seen." } }
            }
            @for row in rows {
                @let kind = row.alert.what.split(' ').next().unwrap_or_default();
                div.set {
                    div {
                        @match &row.path { Some(path) => { a.t-name href=(path) { bdi { (row.name) } } } None => { span.t-name { bdi { (row.name) } } } }
                        small { (said::title(kind)) ": " (figures(&row.alert)) " · from " (row.alert.began_at.to_minute_text()) @if let Some(ended) = row.alert.ended_at { " to " (ended.to_minute_text()) } }
                    }
                    div.ctl { @if row.alert.ended_at.is_none() { (ui::badge("warn", "Lasts")) } @else { (ui::badge("idle", "Over")) } }
                }
            }
        }
    }
}

/// A switch with what it means.
fn switch(name: &str, label: &str, about: &str, on: bool, may: bool) -> Markup {
    html! {
        div.set {
            div { label.strong for=(name) { (label) } small id={ (name) "-d" } { (about) } }
            div.ctl { input.switch type="checkbox" role="switch" id=(name) name=(name) value="1" checked[on] disabled[!may] aria-describedby={ (name) "-d" }; }
        }
    }
}

/// A number with what it means.
fn number(
    (name, label, about, unit): (&str, &str, &str, &str),
    value: &str,
    may: bool,
    problems: &Problems,
) -> Markup {
    let problem = problems.of(name);
    html! {
        div.set {
            div {
                label.strong for=(name) { (label) } small id={ (name) "-d" } { (about) }
                @if let Some(problem) = problem { span.err id={ (name) "-e" } { (icons::WARN) (problem) } }
            }
            div.ctl {
                input type="number" id=(name) name=(name) value=(value) min="0" max=(DAYS_MAX) inputmode="numeric" disabled[!may] aria-invalid=[problem.map(|_| "true")] aria-describedby={ (name) "-d" };
                span.muted.u { (unit) }
            }
        }
    }
}

fn clock(minutes: u16) -> String {
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

fn quiet_fields(visit: &Visit, choice: &Choice, may: bool, problems: &Problems) -> Markup {
    let (from, to) = choice
        .settings
        .quiet
        .map_or((String::new(), String::new()), |(from, to)| (clock(from), clock(to)));
    let typed = visit.is_post();
    let from = if typed { visit.fields.text("quiet_from").to_owned() } else { from };
    let to = if typed { visit.fields.text("quiet_to").to_owned() } else { to };
    let problem = problems.of("quiet_from");
    html! {
        div.set {
            div {
                span.strong id="quiet-l" { "Quiet hours" }
                small id="quiet-d" { "No alert is mailed between these, in UTC; it comes afterwards. Leave both empty for none." }
                @if let Some(problem) = problem { span.err id="quiet_from-e" { (icons::WARN) (problem) } }
            }
            div.ctl role="group" aria-labelledby="quiet-l" {
                input type="time" id="quiet_from" name="quiet_from" value=(from) aria-label="From, UTC" disabled[!may] aria-invalid=[problem.map(|_| "true")] aria-describedby="quiet-d";
                span.muted { "to" }
                input type="time" id="quiet_to" name="quiet_to" value=(to) aria-label="To, UTC" disabled[!may] aria-describedby="quiet-d";
            }
        }
    }
}

fn view(
    visit: &Visit,
    choice: &Choice,
    rows: &[Row],
    asked: &Asked,
    problems: &Problems,
) -> Markup {
    let may = may_settle(visit);
    let typed = visit.is_post();
    let own = &choice.settings;
    let on = |name: &str, stored: bool| if typed { visit.fields.text(name) == "1" } else { stored };
    let told = |name: &str, kind: Kind| on(name, own.wants(kind));
    let value = |name: &str, stored: String| {
        if typed { visit.fields.text(name).to_owned() } else { stored }
    };
    let noise = format!(
        "How many times the usual for that weekday and hour. Fewer than {REQUESTS_MIN} requests in some minutes are never unusual."
    );
    let bursts = format!(
        "When at least {REFUSED_MIN} requests, and unusually many of all, are refused within minutes."
    );
    let old = choice.old.map_or_else(String::new, |days| days.to_string());
    let form = html! {
        form.card action="/settings/alerts" method="post" aria-labelledby="h-al" {
            (layout::marks(visit))
            header { h2 id="h-al" { "Alerts" } }
            @if !problems.is_empty() { div.body { (problems.summary()) } }
            (switch("volume", "Unusual volume", "When a credential is used unexpectedly much. Told within five minutes.", told("volume", Kind::UsageSpike), may))
            (number(("times", "Usage spike, from", &noise, "× usual"), &value("times", own.times.to_string()), may, problems))
            (switch("errors", "Error bursts", &bursts, told("errors", Kind::ErrorBurst), may))
            (switch("network", "New network", "When a credential is used from a network that it never was used from.", told("network", Kind::NewNetwork), may))
            (switch("ended", "Ended secret still in use", "When somebody sends a secret that was revoked, was replaced or has expired.", told("ended", Kind::EndedSecretUsed), may))
            (switch("environment", "Wrong environment", "When a test credential is used in production, or the reverse.", told("environment", Kind::WrongEnvironmentUsed), may))
            (number(("idle", "Unused credentials", "Called out when nothing used them for so long; 0 for never.", "days"), &value("idle", choice.idle.to_string()), may, problems))
            (number(("old", "Old secrets", "Called out for renewal after so long; empty for what the platform says, 0 for never.", "days"), &value("old", old), may, problems))
            header { h2 { "How they arrive" } }
            (switch("mail", "By email", "To those whom the email notices name.", on("mail", own.mail), may))
            (switch("webhook", "By webhook", "To every endpoint that hears these events.", on("webhook", own.webhook), may))
            (quiet_fields(visit, choice, may, problems))
            @if may {
                div.body.stack {
                    (asked.show(problems))
                    div.row { button.btn.primary { "Save changes" } span.muted { "Recorded in the audit log. Nothing is told twice while it lasts." } }
                }
            } @else {
                div.body { p.muted { "Your role may look at these, not change them." } }
            }
        }
    };
    let test = html! {
        @if may {
            form.card action="/settings/alerts/test" method="post" aria-labelledby="h-te" {
                (layout::marks(visit))
                header { h2 id="h-te" { "Test" } }
                div.body.stack {
                    p.muted { "Sends an alert that says it is a test: to your address, and to every webhook endpoint that is on." }
                    div.row { button.btn { (icons::BELL) "Send a test alert" } }
                }
            }
        }
    };
    let body = html! { (inbox(rows)) (form) (test) };
    frame(visit, "alerts", layout::Nav::Alerts, &body)
}

pub(crate) async fn form(visit: Visit) -> Answer {
    let choice = stored(&visit).await?;
    let rows = rows(&visit).await?;
    let asked = asked(&visit, &wanted(&visit, "alerts")?).await?;
    let page = view(&visit, &choice, &rows, &asked, &Problems::none());
    Ok(reply::html(StatusCode::OK, &page))
}

pub(crate) async fn save(visit: Visit) -> Answer {
    let before = stored(&visit).await?;
    match saving(&visit, &before).await {
        Ok(reply) => Ok(reply),
        Err(trouble) => {
            let rows = rows(&visit).await?;
            let asked = asked(&visit, &wanted(&visit, "alerts")?).await?;
            again(trouble, |problems| view(&visit, &before, &rows, &asked, problems))
        }
    }
}

/// What was typed, checked.
fn typed(visit: &Visit) -> Result<Choice, Problems> {
    let text = |name: &str| visit.fields.text(name).trim().to_owned();
    let on = |name: &str| visit.fields.text(name) == "1";
    let times = text("times").parse::<u32>().ok();
    let times = times
        .filter(|times| (TIMES_MIN..=TIMES_MAX).contains(times))
        .ok_or_else(|| Problems::field("times", "A whole number from 2 to 1,000."))?;
    let days = |name: &'static str| {
        let days = text(name).parse::<i64>().ok().filter(|days| (0..=DAYS_MAX).contains(days));
        days.ok_or_else(|| Problems::field(name, "A whole number of days, from 0 to 3,660."))
    };
    let quiet = match (text("quiet_from").as_str(), text("quiet_to").as_str()) {
        ("", "") => None,
        (from, to) => {
            let both = minutes(from).zip(minutes(to)).filter(|(from, to)| from != to);
            Some(both.ok_or_else(|| {
                Problems::field("quiet_from", "Two different times, such as 22:00 and 07:00.")
            })?)
        }
    };
    Ok(Choice {
        settings: Settings {
            silent: SWITCHES
                .iter()
                .filter(|(name, _)| !on(name))
                .map(|(_, kind)| kind.as_str().to_owned())
                .collect(),
            times,
            mail: on("mail"),
            webhook: on("webhook"),
            quiet,
        },
        old: if text("old").is_empty() { None } else { Some(days("old")?) },
        idle: days("idle")?,
    })
}

fn minutes(text: &str) -> Option<u16> {
    let (hours, minutes) = text.get(..5).unwrap_or(text).split_once(':')?;
    let (hours, minutes) = (hours.parse::<u16>().ok()?, minutes.parse::<u16>().ok()?);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}

fn said_of(choice: &Choice) -> serde_json::Value {
    let mut said = json!(choice.settings);
    if let Some(fields) = said.as_object_mut() {
        let quiet = choice.settings.quiet;
        let hours = quiet.map(|(from, to)| format!("{} to {}", clock(from), clock(to)));
        fields.insert("quiet".to_owned(), json!(hours));
        fields.insert("old_days".to_owned(), json!(choice.old));
        fields.insert("idle_days".to_owned(), json!(choice.idle));
    }
    said
}

async fn saving(visit: &Visit, before: &Choice) -> Result<Reply, Trouble> {
    let (after, before) = (typed(visit)?, before.clone());
    let account = visit.signed()?.account.id;
    let wanted = wanted(visit, "alerts")?;
    let saved = visit
        .act(Some(wanted), move |tx, moment| {
            keep(tx, moment, account, &before, &after)?;
            Ok(Next::to("/settings/alerts?done=saved"))
        })
        .await;
    // What its pages know is read anew: which secrets are old is part of it.
    visit.app().rosters.forget(account);
    saved
}

fn keep(
    tx: &mut Tx<'_>,
    moment: &Moment,
    account: AccountId,
    before: &Choice,
    after: &Choice,
) -> Result<(), Error> {
    account_settings::save(tx, account, SETTING, &json!(after.settings).to_string())?;
    let word = after.old.map_or_else(String::new, |days| days.to_string());
    account_settings::save(tx, account, due::OLD_DAYS, &word)?;
    account_settings::save(tx, account, due::IDLE_DAYS, &after.idle.to_string())?;
    // What is planned already moves; what is planned from now on has the new days.
    if before.old != after.old || before.idle != after.idle {
        due::replan_account(tx, &moment.realm.rules, account)?;
    }
    let happened = Happened::new(Kind::SettingsChanged, said_of(before), said_of(after));
    Ok(moment.record(tx, account, account.to_string(), happened)?)
}

pub(crate) async fn test(visit: Visit) -> Answer {
    let account = visit.signed()?.account.id;
    let done = visit
        .act(None, move |tx, moment| {
            let happened = Happened::new(Kind::AlertTested, json!({}), json!({}));
            moment.record(tx, account, account.to_string(), happened)?;
            Ok(Next::to("/settings/alerts?done=tested"))
        })
        .await;
    match done {
        Ok(reply) => Ok(reply),
        Err(Trouble::Stop(stop)) => Err(stop),
        Err(Trouble::Form(problems)) => {
            let choice = stored(&visit).await?;
            let rows = rows(&visit).await?;
            let asked = asked(&visit, &wanted(&visit, "alerts")?).await?;
            let page = view(&visit, &choice, &rows, &asked, &problems);
            Ok(reply::html(problems.status, &page))
        }
    }
}
