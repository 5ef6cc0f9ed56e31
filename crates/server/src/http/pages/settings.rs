//! The account's settings: alerts, webhooks, notices, security.

use http::StatusCode;
use keyway_domain::actor::Role;
use keyway_domain::event::{Happened, Kind};
use keyway_domain::scheme::{Act, Scheme, StepUpRule};
use keyway_domain::time::{DAY_MS, Time, say_duration};
use keyway_store::{Tx, account_settings, usage};
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::problems::{Problems, Stop, Trouble};
use super::reply::{self, redirect};
use super::step_up::{Asked, Next, Wanted, again, asked};
use super::ui::{self, Field};
use super::visit::Visit;
use super::{Answer, icons, layout, said};
use crate::commands::accounts;
use crate::http::Reply;
use crate::roster;
use crate::spikes::{self, spike};

const HOUR_MS: i64 = 3_600_000;
const ALERTS: &str = "alerts";

/// What an account is alerted of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Alerts {
    /// Whether unusual use is.
    volume: bool,
    /// From how many times the usual on.
    times: u32,
}

impl Default for Alerts {
    fn default() -> Self {
        Self { volume: true, times: 3 }
    }
}

pub(crate) async fn start(_: Visit) -> Answer {
    Ok(redirect("/settings/alerts"))
}

fn frame(visit: &Visit, here: &str, nav: layout::Nav, body: &Markup) -> Markup {
    let tabs = [
        ("alerts", "Alerts"),
        ("webhooks", "Webhooks"),
        ("notices", "Email notices"),
        ("security", "Security and account"),
    ];
    let platform = &visit.scheme().title;
    let title = tabs.into_iter().find(|(word, _)| *word == here).map_or("Settings", |(_, t)| t);
    let body = html! {
        div.head { div { h1 { "Settings" } p.lede { "What is marked with a lock is set by " (platform) "." } } }
        (said::done(visit.fields.text("done")))
        div.prefs {
            nav aria-label="Settings" {
                ul { @for (word, label) in tabs { li { a href={ "/settings/" (word) } aria-current=[(word == here).then_some("page")] { (label) } } } }
            }
            div.stack { (body) }
        }
    };
    layout::page(visit, &format!("{title} · Settings"), Some(nav), &body)
}

async fn stored(visit: &Visit) -> Result<Alerts, Stop> {
    let account = visit.signed()?.account.id;
    let found = visit.app().db.read(move |tx| account_settings::find(tx, account, ALERTS)).await?;
    Ok(found.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}

/// A credential that is used unusually much.
struct Unusual {
    path: String,
    name: String,
    times: u64,
    requests: u64,
    hour: Time,
}

/// What is unusual in the last whole hour.
async fn unusual(visit: &Visit, alerts: &Alerts) -> Result<Vec<Unusual>, Stop> {
    if !alerts.volume {
        return Ok(Vec::new());
    }
    let account = visit.signed()?.account.id;
    let hour = Time(visit.now.0 - visit.now.0.rem_euclid(HOUR_MS) - HOUR_MS);
    let days = i64::try_from(spikes::DAYS).unwrap_or(28);
    let counted = visit.app().db.read(move |tx| usage::same_hour(tx, account, hour, days)).await?;
    let threshold = alerts.times;
    let found = roster::with(visit.app(), account, |roster| {
        let mut found = Vec::new();
        for (id, hours) in &counted {
            let Some(entry) = roster.find(*id) else { continue };
            let at = |at: Time| hours.iter().find(|(h, _)| *h == at).map_or(0, |(_, n)| *n);
            let age_days = (hour.0 - entry.created_at.0).max(0) / DAY_MS;
            let before: Vec<u64> =
                (1..=days.min(age_days)).map(|back| at(Time(hour.0 - back * DAY_MS))).collect();
            let requests = at(hour);
            if let Some(times) = spike(requests, &before, threshold) {
                let path = format!("/{}/keys/{id}", entry.environment.as_str());
                found.push(Unusual { path, name: entry.name.to_string(), times, requests, hour });
            }
        }
        found
    });
    Ok(found.await?)
}

fn wanted(visit: &Visit, act: &str) -> Result<Wanted, Stop> {
    Ok(Wanted::password(act, visit.signed()?.account.id.to_string()))
}

fn may_settle(visit: &Visit) -> bool {
    let role = visit.signed.as_ref().map(|signed| signed.member.role);
    role.is_some_and(|role| visit.scheme().people.settings.contains(&role))
}

fn alerts_view(
    visit: &Visit,
    alerts: &Alerts,
    unusual: &[Unusual],
    asked: &Asked,
    problems: &Problems,
) -> Markup {
    let typed = visit.is_post();
    let times =
        if typed { visit.fields.text("times").to_owned() } else { alerts.times.to_string() };
    let volume = if typed { visit.fields.text("volume") == "1" } else { alerts.volume };
    let may = may_settle(visit);
    let problem = problems.of("times");
    let body = html! {
        section.card aria-labelledby="h-now" {
            header { h2 id="h-now" { "Now" } span.muted.small { "the last whole hour" } }
            @if unusual.is_empty() {
                div.empty { p { @if alerts.volume { "Nothing unusual: no credential was used more than " (alerts.times) " times its usual." } @else { "Alerts on unusual volume are off." } } }
            }
            @for one in unusual {
                div.set {
                    div { a.t-name href=(one.path) { bdi { (one.name) } } small { (ui::number(i64::try_from(one.requests).unwrap_or(i64::MAX))) " requests from " (one.hour.to_minute_text()) " on" } }
                    div.ctl { (ui::badge("warn", &format!("{}× usual", one.times))) }
                }
            }
        }
        form.card action=(visit.call.uri.path()) method="post" aria-labelledby="h-al" {
            (layout::marks(visit))
            header { h2 id="h-al" { "Alerts" } }
            @if !problems.is_empty() { div.body { (problems.summary()) } }
            div.set {
                div { label.strong for="volume" { "Unusual volume" } small id="volume-d" { "When a credential is used unexpectedly much, against the same hour of the 28 days before." } }
                div.ctl { input.switch type="checkbox" role="switch" id="volume" name="volume" value="1" checked[volume] disabled[!may] aria-describedby="volume-d"; }
            }
            div.set {
                div { label.strong for="times" { "Usage spike, from" } small id="times-d" { "How many times the usual. Hours of fewer than 100 requests are never unusual." } @if let Some(problem) = problem { span.err id="times-e" { (icons::WARN) (problem) } } }
                div.ctl { input type="number" id="times" name="times" value=(times) min="2" max="1000" inputmode="numeric" disabled[!may] aria-invalid=[problem.map(|_| "true")] aria-describedby="times-d"; span.muted.u { "× usual" } }
            }
            @if may {
                div.body.stack {
                    (asked.show(problems))
                    div.row { button.btn.primary { "Save changes" } span.muted { "Recorded in the audit log." } }
                }
            } @else {
                div.body { p.muted { "Your role may look at these, not change them." } }
            }
        }
        (ui::note("info", icons::INFO, &html! { "Alerts are shown here as they hold. This version of Keyway does not send them by mail or webhook yet." }))
    };
    frame(visit, "alerts", layout::Nav::Alerts, &body)
}

pub(crate) async fn alerts_form(visit: Visit) -> Answer {
    let alerts = stored(&visit).await?;
    let unusual = unusual(&visit, &alerts).await?;
    let asked = asked(&visit, &wanted(&visit, "alerts")?).await?;
    let page = alerts_view(&visit, &alerts, &unusual, &asked, &Problems::none());
    Ok(reply::html(StatusCode::OK, &page))
}

pub(crate) async fn alerts(visit: Visit) -> Answer {
    let before = stored(&visit).await?;
    match saving_alerts(&visit, &before).await {
        Ok(reply) => Ok(reply),
        Err(trouble) => {
            let unusual = unusual(&visit, &before).await?;
            let asked = asked(&visit, &wanted(&visit, "alerts")?).await?;
            again(trouble, |p| alerts_view(&visit, &before, &unusual, &asked, p))
        }
    }
}

async fn saving_alerts(visit: &Visit, before: &Alerts) -> Result<Reply, Trouble> {
    let times = visit.fields.text("times").trim().parse::<u32>().ok();
    let times = times
        .filter(|times| (2..=1000).contains(times))
        .ok_or_else(|| Problems::field("times", "A whole number from 2 to 1,000."))?;
    let after = Alerts { volume: visit.fields.text("volume") == "1", times };
    let (account, before) = (visit.signed()?.account.id, before.clone());
    let wanted = wanted(visit, "alerts")?;
    visit
        .act(Some(wanted), move |tx, moment| {
            let text = json!(after).to_string();
            account_settings::save(tx, account, ALERTS, &text)?;
            let happened = Happened::new(Kind::SettingsChanged, json!(before), json!(after));
            moment.record(tx, account, account.to_string(), happened)?;
            Ok(Next::to("/settings/alerts?done=saved"))
        })
        .await
}

pub(crate) async fn webhooks(visit: Visit) -> Answer {
    let scheme = visit.scheme();
    let told: Vec<String> = scheme
        .notices
        .iter()
        .filter(|notice| notice.webhook)
        .map(|notice| notice.event.clone())
        .collect();
    let body = html! {
        section.card aria-labelledby="h-wh" {
            header { h2 id="h-wh" { "Webhooks" } }
            div.empty {
                h3 { "No endpoints" }
                p { "This version of Keyway does not deliver webhooks yet. Until it does, your platform can read every event from its management API." }
            }
            @if !told.is_empty() {
                div.body.stack {
                    p.muted { (scheme.title) " will send these:" }
                    ul { @for event in &told { li { code { (event) } " · " (said::title(event)) } } }
                }
            }
        }
    };
    Ok(reply::html(StatusCode::OK, &frame(&visit, "webhooks", layout::Nav::Webhooks, &body)))
}

pub(crate) async fn notices(visit: Visit) -> Answer {
    let scheme = visit.scheme();
    let body = html! {
        section.card aria-labelledby="h-no" {
            header { h2 id="h-no" { "Email notices " span.muted { (icons::LOCK) span.vh { "set by " (scheme.title) } } } span.muted.small { "Secrets are never emailed" } }
            @if scheme.notices.iter().all(|notice| notice.mail.is_empty()) {
                div.empty { p { "No event is told by mail." } }
            } @else {
                div.scroll tabindex="0" role="region" aria-label="Notice table" {
                    table.matrix {
                        thead { tr { th scope="col" { "When" } @for role in Role::ALL { th scope="col" { (ui::role_word(role)) } } } }
                        tbody {
                            @for notice in scheme.notices.iter().filter(|notice| !notice.mail.is_empty()) {
                                tr {
                                    th scope="row" { (said::title(&notice.event)) }
                                    @for role in Role::ALL {
                                        td { @if notice.mail.contains(&role) { span.yes { (icons::CHECK) span.vh { "Yes" } } } @else { span.no aria-hidden="true" { "–" } span.vh { "No" } } }
                                    }
                                }
                            }
                        }
                    }
                }
            }
            footer { span { "Invitations and new passwords are mailed now; the notices above from the next version on." } }
        }
    };
    Ok(reply::html(StatusCode::OK, &frame(&visit, "notices", layout::Nav::Settings, &body)))
}

fn proof_word(rule: StepUpRule) -> &'static str {
    match rule {
        StepUpRule::None => "nothing",
        StepUpRule::Password => "your password",
        StepUpRule::Otp => "a code of your authenticator app",
        StepUpRule::Either => "your password or a code",
    }
}

fn rules(scheme: &Scheme) -> Markup {
    let lock = html! { span.muted { (icons::LOCK) span.vh { "Set by " (scheme.title) } } };
    html! {
        section.card aria-labelledby="h-se" {
            header { h2 id="h-se" { "Security rules" } }
            @for kind in &scheme.kinds {
                @for (act, rule) in kind.acts().filter(|(_, rule)| rule.step_up != StepUpRule::None) {
                    div.set {
                        div { span.strong { (layout::act_label(act)) ": " (kind.label) } " " (lock) small { "asks for " (proof_word(rule.step_up)) @if rule.confirm { ", and a ticked box" } } }
                    }
                }
                @if let Some(overlap) = kind.act(Act::Rotate).and_then(|rule| rule.overlap.as_ref()) {
                    div.set {
                        div { span.strong { "Rotation window: " (kind.label) } " " (lock)
                            small { @if overlap.is_fixed() { "always " (say_duration(overlap.from_ms)) } @else { "from " (say_duration(overlap.from_ms)) " to " (say_duration(overlap.to_ms)) } } }
                    }
                }
            }
            div.set { div { span.strong { "Sessions" } " " (lock) small { "end after 15 minutes without use and after 12 hours" } } }
            div.set { div { span.strong { "Wrong passwords and codes" } " " (lock) small { "ten are looked at in 30 minutes; a browser you signed in from before has ten of its own" } } }
        }
    }
}

fn security_view(visit: &Visit, asked: &Asked, problems: &Problems) -> Markup {
    let scheme = visit.scheme();
    let name = visit.signed.as_ref().map_or("", |signed| signed.account.name.as_str());
    let shown = visit.fields.given("name").unwrap_or(name);
    let body = html! {
        (rules(scheme))
        @if may_settle(visit) {
            form.card action=(visit.call.uri.path()) method="post" aria-labelledby="h-ac" {
                (layout::marks(visit))
                header { h2 id="h-ac" { "Account" } }
                div.body.stack {
                    (problems.summary())
                    (Field::new("name", "Name of the account", shown).kind("text", "organization").show(problems))
                    (asked.show(problems))
                    div.row { button.btn.primary { "Save changes" } span.muted { "Recorded in the audit log." } }
                }
            }
        }
    };
    frame(visit, "security", layout::Nav::Settings, &body)
}

pub(crate) async fn security(visit: Visit) -> Answer {
    let asked = asked(&visit, &wanted(&visit, "account")?).await?;
    Ok(reply::html(StatusCode::OK, &security_view(&visit, &asked, &Problems::none())))
}

pub(crate) async fn rename_account(visit: Visit) -> Answer {
    let asked = asked(&visit, &wanted(&visit, "account")?).await?;
    let (account, name) = (visit.signed()?.account.id, visit.fields.text("name").to_owned());
    let done = visit
        .act(Some(wanted(&visit, "account")?), move |tx: &mut Tx<'_>, moment| {
            accounts::update(tx, moment, account, Some(&name), None)?;
            Ok(Next::to("/settings/security?done=saved"))
        })
        .await;
    match done {
        Ok(reply) => Ok(reply),
        Err(trouble) => again(trouble, |problems| security_view(&visit, &asked, problems)),
    }
}
