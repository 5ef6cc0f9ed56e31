//! Suspending a merchant, and letting it in again: with a reason, which the merchant reads.

use http::StatusCode;
use keyway_domain::grant::Action;
use keyway_domain::limits::WHY_CHARS_MAX;
use keyway_store::accounts::Account;
use maud::{Markup, html};

use super::account::{crumbs, wanted};
use super::{HOME, Here, frame};
use crate::commands::accounts;
use crate::http::Reply;
use crate::http::pages::problems::{Problems, Trouble};
use crate::http::pages::step_up::{Next, again};
use crate::http::pages::ui::{self, Field};
use crate::http::pages::visit::Visit;
use crate::http::pages::{Answer, icons, layout, reply};

fn view(visit: &Visit, account: &Account, suspends: bool, problems: &Problems) -> Markup {
    let (title, button) = if suspends {
        ("Suspend this merchant?", "Suspend now")
    } else {
        ("Let this merchant in again?", "Let in again")
    };
    let problem = problems.of("reason");
    let hint = format!("Type {} as it is written above.", account.name);
    let body = html! {
        div.head { div { (crumbs(account)) h1 { (title) } } }
        form.card.narrow action=(visit.call.uri.path()) method="post" {
            (layout::marks(visit))
            div.body.stack {
                (problems.summary())
                @if suspends {
                    (ui::note("bad", icons::WARN, &html! { b { "Every request with its credentials is refused from the answer on," } " on every node, and its people can change nothing. Nothing is lost: it can be let in again." }))
                } @else {
                    p { "Its credentials are accepted again, but for those that have ended meanwhile." }
                }
                div.field {
                    label for="reason" { "Why" }
                    textarea id="reason" name="reason" rows="3" maxlength=(WHY_CHARS_MAX) required
                        aria-invalid=[problem.map(|_| "true")] aria-describedby=[ui::described_by("reason", "h", problem)] { (visit.fields.text("reason")) }
                    (ui::below("reason", "The merchant reads it in its audit log.", problem))
                }
                @if suspends { (Field::new("typed", "The merchant’s name", visit.fields.text("typed")).hint(&hint).show(problems)) }
                div.row {
                    button class={ "btn " (if suspends { "danger" } else { "primary" }) } { (button) }
                    a.btn href={ (HOME) "/" (account.id) } { "Back" }
                }
            }
        }
    };
    match &visit.operator {
        Some(who) => frame(visit, who, title, Here::Merchants, &body),
        None => layout::bare(title, &body),
    }
}

async fn attempt(visit: &Visit, account: &Account, suspends: bool) -> Result<Reply, Trouble> {
    let mut problems = Problems::none();
    let reason = visit.fields.text("reason").trim().to_owned();
    if reason.is_empty() {
        problems.add("reason", "Say why: the merchant reads it.");
    }
    if suspends && visit.fields.text("typed").trim() != account.name.trim() {
        problems.add("typed", format!("Type the merchant’s name: {}", account.name));
    }
    if !problems.is_empty() {
        return Err(problems.into());
    }
    let id = account.id;
    let work = move |tx: &mut keyway_store::Tx<'_>, moment: &crate::commands::Moment| {
        accounts::set_suspended(tx, moment, id, (suspends, Some(&reason)))?;
        let word = if suspends { "suspended" } else { "resumed" };
        Ok(Next::to(format!("{HOME}/{id}?done={word}")))
    };
    visit.operate(("accounts", Action::Write), work).await
}

async fn form(visit: Visit, suspends: bool) -> Answer {
    let account = wanted(&visit).await?;
    let page = view(&visit, &account, suspends, &Problems::none());
    Ok(reply::html(StatusCode::OK, &page))
}

async fn submit(visit: Visit, suspends: bool) -> Answer {
    let account = wanted(&visit).await?;
    match attempt(&visit, &account, suspends).await {
        Ok(reply) => Ok(reply),
        Err(trouble) => again(trouble, |problems| view(&visit, &account, suspends, problems)),
    }
}

pub(crate) async fn suspend_form(visit: Visit) -> Answer {
    form(visit, true).await
}

pub(crate) async fn suspend(visit: Visit) -> Answer {
    submit(visit, true).await
}

pub(crate) async fn resume_form(visit: Visit) -> Answer {
    form(visit, false).await
}

pub(crate) async fn resume(visit: Visit) -> Answer {
    submit(visit, false).await
}
