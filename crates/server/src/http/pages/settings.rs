//! The account's settings: their frame.

use maud::{Markup, html};

use super::problems::Stop;
use super::reply::redirect;
use super::step_up::Wanted;
use super::visit::Visit;
use super::{Answer, layout, said};

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
