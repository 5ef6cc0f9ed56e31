//! Settings → Email notices: who is told what, role by role.

use http::StatusCode;
use keyway_domain::actor::Role;
use keyway_domain::scheme::{Notice, Scheme};
use keyway_store::Tx;
use maud::{Markup, html};

use super::problems::{Problems, Stop, Trouble};
use super::settings::{frame, may_settle, wanted};
use super::step_up::{Asked, Next, again, asked};
use super::visit::Visit;
use super::{Answer, icons, layout, reply, said, ui};
use crate::commands::notices::{self, Choice, is_fixed};
use crate::http::Reply;

async fn stored(visit: &Visit) -> Result<Choice, Stop> {
    let account = visit.signed()?.account.id;
    Ok(visit.app().db.read(move |tx| Choice::of(tx, account)).await?)
}

/// What was ticked.
fn ticked(visit: &Visit) -> Vec<(String, Role)> {
    let pairs = visit.fields.all("event").filter_map(|pair| {
        let (event, role) = pair.rsplit_once(':')?;
        Some((event.to_owned(), Role::parse(role)?))
    });
    pairs.collect()
}

fn cell(notice: &Notice, role: Role, is_on: bool, may: bool, scheme: &Scheme) -> Markup {
    let label = format!("{}: {}", said::title(&notice.event), ui::role_word(role));
    let fixed = is_fixed(&notice.event) && notice.mail.contains(&role);
    html! {
        td {
            @if fixed {
                span.yes title={ "Set by " (scheme.title) } { (icons::LOCK) span.vh { "Yes, set by " (scheme.title) } }
            } @else if may {
                input type="checkbox" name="event" value={ (notice.event) ":" (role.as_str()) } checked[is_on] aria-label=(label);
            } @else if is_on {
                span.yes { (icons::CHECK) span.vh { "Yes" } }
            } @else {
                span.no aria-hidden="true" { "–" } span.vh { "No" }
            }
        }
    }
}

fn view(visit: &Visit, choice: &Choice, asked: &Asked, problems: &Problems) -> Markup {
    let (scheme, may, typed) = (visit.scheme(), may_settle(visit), ticked(visit));
    let is_on = |notice: &Notice, role: Role| {
        if visit.is_post() {
            typed.contains(&(notice.event.clone(), role))
        } else {
            choice.roles(notice).contains(&role)
        }
    };
    let body = html! {
        form.card action="/settings/notices" method="post" aria-labelledby="h-no" {
            (layout::marks(visit))
            header { h2 id="h-no" { "Email notices" } span.muted.small { "Secrets are never emailed" } }
            @if !problems.is_empty() { div.body { (problems.summary()) } }
            div.scroll tabindex="0" role="region" aria-label="Notice table" {
                table.matrix {
                    thead { tr { th scope="col" { "When" } @for role in Role::ALL { th scope="col" { (ui::role_word(role)) } } } }
                    tbody {
                        @for notice in &scheme.notices {
                            tr {
                                th scope="row" {
                                    (said::title(&notice.event))
                                    @if is_fixed(&notice.event) { " " span.small.muted { "can't be switched off" } }
                                }
                                @for role in Role::ALL { (cell(notice, role, is_on(notice, role), may, scheme)) }
                            }
                        }
                    }
                }
            }
            @if may {
                div.body.stack {
                    (asked.show(problems))
                    div.row { button.btn.primary { "Save changes" } span.muted { "Recorded in the audit log." } }
                }
            }
            footer { span { "Beside these, each of you hears of what concerns your own sign-in: a new browser, a password or an authenticator that changed." } }
        }
    };
    frame(visit, "notices", layout::Nav::Settings, &body)
}

pub(crate) async fn form(visit: Visit) -> Answer {
    let choice = stored(&visit).await?;
    let asked = asked(&visit, &wanted(&visit, "notices")?).await?;
    Ok(reply::html(StatusCode::OK, &view(&visit, &choice, &asked, &Problems::none())))
}

pub(crate) async fn submit(visit: Visit) -> Answer {
    match save(&visit).await {
        Ok(reply) => Ok(reply),
        Err(trouble) => {
            let choice = stored(&visit).await?;
            let asked = asked(&visit, &wanted(&visit, "notices")?).await?;
            again(trouble, |problems| view(&visit, &choice, &asked, problems))
        }
    }
}

async fn save(visit: &Visit) -> Result<Reply, Trouble> {
    let account = visit.signed()?.account.id;
    let choice = Choice::ticked(visit.scheme(), &ticked(visit))?;
    visit
        .act(Some(wanted(visit, "notices")?), move |tx: &mut Tx<'_>, moment| {
            notices::set(tx, moment, account, &choice)?;
            Ok(Next::to("/settings/notices?done=saved"))
        })
        .await
}
