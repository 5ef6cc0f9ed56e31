//! Messages that are sent again, many at once.

use http::StatusCode;
use keyway_domain::endpoint::Endpoint;
use keyway_domain::id::DeliveryId;
use keyway_domain::limits::REPLAYED_BY_FORM_MAX;
use keyway_domain::time::{DAY_MS, Time};
use keyway_store::Tx;
use keyway_store::deliveries::{Filter, Replayed, State};
use maud::{Markup, html};

use super::{name, path, wanted};
use crate::commands::endpoints as commands;
use crate::http::Reply;
use crate::http::pages::problems::{Problems, Trouble};
use crate::http::pages::settings::frame;
use crate::http::pages::step_up::{Next, again};
use crate::http::pages::ui::{self, Field};
use crate::http::pages::visit::Visit;
use crate::http::pages::{Answer, icons, layout, reply};

fn replay_view(visit: &Visit, endpoint: &Endpoint, problems: &Problems) -> Markup {
    let value =
        |name: &str, otherwise: String| visit.fields.given(name).map_or(otherwise, str::to_owned);
    let yesterday = visit.now.plus_ms(-DAY_MS);
    let body = html! {
        p.crumbs { a href="/settings/webhooks" { "Webhooks" } " / " a href=(path(endpoint, "")) { bdi { (name(endpoint)) } } }
        form.card action=(visit.call.uri.path()) method="post" aria-labelledby="h-re" {
            (layout::marks(visit))
            header { h2 id="h-re" { "Send messages again" } }
            div.body.stack {
                (problems.summary())
                @if let Some(before) = visit.fields.given("before").and_then(DeliveryId::parse) {
                    @let messages = visit.fields.text("messages").parse().unwrap_or(0);
                    (ui::note("warn", icons::WARN, &html! { b { "The newest " (ui::number(messages)) " go out again, and there are more before them." } " Send again to go on with those." }))
                    input type="hidden" name="before" value=(before);
                }
                p { "Messages go out under the ids they had, so a receiver that keeps ids takes each once." }
                (Field::new("since", "Made on or after, UTC", &value("since", yesterday.to_date())).kind("date", "off").show(problems))
                (Field::new("until", "And before, UTC", &value("until", String::new())).kind("date", "off").hint("Optional.").optional().show(problems))
                fieldset.field {
                    legend.label { "Which" }
                    div.chips {
                        label.chip { input type="radio" name="state" value="failed" checked[visit.fields.text("state") != "all"]; "Given up only" }
                        label.chip { input type="radio" name="state" value="all" checked[visit.fields.text("state") == "all"]; "All of them" }
                    }
                }
                div.row { button.btn.primary { "Send again" } a.btn href=(path(endpoint, "")) { "Cancel" } }
            }
        }
    };
    frame(visit, "webhooks", layout::Nav::Webhooks, &body)
}

pub(crate) async fn replay_form(visit: Visit) -> Answer {
    let endpoint = wanted(&visit).await?;
    let view = replay_view(&visit, &endpoint, &Problems::none());
    Ok(reply::html(StatusCode::OK, &view))
}

pub(crate) async fn replay(visit: Visit) -> Answer {
    let endpoint = wanted(&visit).await?;
    match replaying(&visit, &endpoint).await {
        Ok(reply) => Ok(reply),
        Err(trouble) => again(trouble, |problems| replay_view(&visit, &endpoint, problems)),
    }
}

async fn replaying(visit: &Visit, endpoint: &Endpoint) -> Result<Reply, Trouble> {
    let date = |name: &'static str| {
        let given = visit.fields.given(name).map(Time::parse_date);
        given.map(|date| date.ok_or_else(|| Problems::field(name, "Pick a date."))).transpose()
    };
    let since = date("since")?.ok_or_else(|| Problems::field("since", "Pick a date."))?;
    let filter = Filter {
        state: (visit.fields.text("state") != "all").then_some(State::Failed),
        since: Some(since),
        until: date("until")?,
        before: visit.fields.given("before").and_then(DeliveryId::parse),
    };
    let (done, more) = (path(endpoint, "?done=replayed"), more_path(visit, endpoint));
    let replayed = replayed(visit, endpoint, filter);
    visit
        .act_after(None, replayed, move |_, _, replayed| {
            let more = replayed
                .more_before
                .map(|before| format!("{more}&before={before}&messages={}", replayed.messages));
            Ok(Next::to(more.unwrap_or_else(|| done.clone())))
        })
        .await
}

/// The form to go on with, with what was chosen in this one.
fn more_path(visit: &Visit, endpoint: &Endpoint) -> String {
    // Dates and words that were read as such: nothing in them means anything in a URL.
    let date = |name: &str| visit.fields.given(name).and_then(Time::parse_date);
    let date = |name: &str| date(name).map(|at| format!("&{name}={}", at.to_date()));
    let state = if visit.fields.text("state") == "all" { "all" } else { "failed" };
    let (since, until) = (date("since").unwrap_or_default(), date("until").unwrap_or_default());
    path(endpoint, &format!("/replay?state={state}{since}{until}"))
}

/// Sends again as much as one form does, a transaction at a time.
async fn replayed(
    visit: &Visit,
    endpoint: &Endpoint,
    mut filter: Filter,
) -> Result<Replayed, Trouble> {
    let (account, id, mut messages) = (endpoint.account, endpoint.id, 0);
    loop {
        let (moment, some) = (visit.moment(), filter.clone());
        let work = move |tx: &mut Tx<'_>| commands::replay(tx, &moment, account, id, &some);
        let some = visit.app().db.write(visit.now, work).await?;
        messages += some.messages;
        filter.before = some.more_before;
        if some.more_before.is_none() || messages >= REPLAYED_BY_FORM_MAX {
            return Ok(Replayed { messages, ..some });
        }
    }
}
