//! The account's settings: their frame, notices, security.

use http::StatusCode;
use keyway_domain::actor::Role;
use keyway_domain::scheme::{Act, Scheme, StepUpRule};
use keyway_domain::time::say_duration;
use keyway_store::Tx;
use maud::{Markup, html};

use super::problems::{Problems, Stop};
use super::reply::{self, redirect};
use super::step_up::{Asked, Next, Wanted, again, asked};
use super::ui::{self, Field};
use super::visit::Visit;
use super::{Answer, icons, layout, said};
use crate::commands::accounts;

pub(crate) async fn start(_: Visit) -> Answer {
    Ok(redirect("/settings/alerts"))
}

pub(super) fn frame(visit: &Visit, here: &str, nav: layout::Nav, body: &Markup) -> Markup {
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
        (said::done(visit))
        div.prefs {
            nav aria-label="Settings" {
                ul { @for (word, label) in tabs { li { a href={ "/settings/" (word) } aria-current=[(word == here).then_some("page")] { (label) } } } }
            }
            div.stack { (body) }
        }
    };
    layout::page(visit, &format!("{title} · Settings"), Some(nav), &body)
}

pub(super) fn wanted(visit: &Visit, act: &str) -> Result<Wanted, Stop> {
    Ok(Wanted::password(act, visit.signed()?.account.id.to_string()))
}

pub(super) fn may_settle(visit: &Visit) -> bool {
    let role = visit.signed.as_ref().map(|signed| signed.member.role);
    role.is_some_and(|role| visit.scheme().people.settings.contains(&role))
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
            footer { span { "Beside these, each of you hears of what concerns your own sign-in: a new browser, a password or an authenticator that changed." } }
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
