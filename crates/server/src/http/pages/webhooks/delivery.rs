//! One message: what was sent each time, and what came back.

use keyway_domain::id::DeliveryId;
use keyway_store::deliveries::{self, Attempt};
use keyway_store::{DbError, Tx};
use maud::{Markup, html};

use super::{ended, page, path, progress, wanted};
use crate::commands::endpoints as commands;
use crate::http::pages::problems::{Stop, Trouble};
use crate::http::pages::settings::may_settle;
use crate::http::pages::step_up::Next;
use crate::http::pages::visit::Visit;
use crate::http::pages::{Answer, icons, layout, said, ui};

fn id(visit: &Visit) -> Result<DeliveryId, Stop> {
    DeliveryId::parse(visit.param("delivery")).ok_or(Stop::NotFound)
}

pub(crate) async fn delivery(visit: Visit) -> Answer {
    let (endpoint, id) = (wanted(&visit).await?, id(&visit)?);
    let of = endpoint.id;
    let read = move |tx: &mut Tx<'_>| {
        let found = deliveries::find(tx, of, id)?;
        Ok::<_, DbError>((found, deliveries::attempts(tx, id)?))
    };
    let (found, attempts) = visit.app().db.read(read).await?;
    let found = found.ok_or(Stop::NotFound)?;
    let payload: serde_json::Value = serde_json::from_str(&found.payload).unwrap_or_default();
    let payload = serde_json::to_string_pretty(&payload).unwrap_or_default();
    let body = html! {
        p.crumbs { a href="/settings/webhooks" { "Webhooks" } " / " a href=(path(&endpoint, "")) { bdi { (super::name(&endpoint)) } } }
        section.card aria-labelledby="h-me" {
            header { h2 id="h-me" { (said::title(&found.kind)) } (progress(&found, visit.now)) }
            div.body.stack {
                dl.kv {
                    dt { "Event" } dd { code { (found.event) } }
                    dt { "Made" } dd { (ui::minute(found.created_at)) }
                    dt { "Tries" } dd { (found.attempts) }
                }
                @if may_settle(&visit) {
                    form action=(path(&endpoint, &format!("/{id}/replay"))) method="post" {
                        (layout::marks(&visit))
                        button.btn { (icons::BACK) "Send it again" }
                    }
                }
                details { summary { "The message" } pre tabindex="0" role="region" aria-label="The message" { (payload) } }
            }
        }
        @for attempt in attempts.iter().rev() { (tried(attempt)) }
    };
    Ok(page(&visit, &body))
}

fn tried(attempt: &Attempt) -> Markup {
    let heading = format!("try-{}", attempt.number);
    html! {
        section.card aria-labelledby=(heading) {
            header { h2 id=(heading) { "Try " (attempt.number) } div.row { (ended(attempt)) span.muted.small { (attempt.took_ms) " ms" } } }
            div.body.stack {
                p.muted { (ui::minute(attempt.at)) @if let Some(address) = &attempt.address { " to " code { (address) } } }
                @if let Some(trouble) = &attempt.trouble { (ui::note("warn", icons::WARN, &html! { (ui::sentence_text(trouble)) })) }
                details { summary { "Request" } pre tabindex="0" role="region" aria-label={ "Request of try " (attempt.number) } { (attempt.request) } }
                @if !attempt.answer.trim().is_empty() {
                    details { summary { "Answer" } pre tabindex="0" role="region" aria-label={ "Answer to try " (attempt.number) } { (attempt.answer) } }
                }
            }
        }
    }
}

pub(crate) async fn replay_one(visit: Visit) -> Answer {
    let (endpoint, id) = (wanted(&visit).await?, id(&visit)?);
    let to = path(&endpoint, &format!("/{id}?done=replayed"));
    let (account, of) = (endpoint.account, endpoint.id);
    let done = visit
        .act(None, move |tx, moment| {
            commands::replay_one(tx, moment, account, (of, id))?;
            Ok(Next::to(to.clone()))
        })
        .await;
    done.map_err(|trouble| match trouble {
        Trouble::Stop(stop) => stop,
        Trouble::Form(_) => Stop::NotFound,
    })
}
