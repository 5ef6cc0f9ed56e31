//! The mail that was sent, while there is no mail server: for trying things out only.

use http::StatusCode;
use keyway_store::messages;
use maud::html;

use super::problems::Stop;
use super::visit::Visit;
use super::{Answer, layout, reply, ui};
use crate::mail;

/// Letters that are shown.
const SHOWN: u32 = 30;

pub(crate) async fn page(visit: Visit) -> Answer {
    if !visit.app().site.shows_mail {
        return Err(Stop::NotFound);
    }
    let kept = visit.app().db.read(|tx| messages::recent(tx, SHOWN)).await?;
    let letters: Vec<_> =
        kept.iter().filter_map(|kept| mail::read(visit.app(), kept).map(|l| (kept, l))).collect();
    let body = html! {
        div.head { div { h1 { "Mailbox" } p.lede { "What was mailed to anybody here, newest first. Only a trial shows this page: it has no mail server." } } }
        @if letters.is_empty() { section.card { div.empty { p { "No letter has been written yet." } } } }
        @for (kept, letter) in &letters {
            div.card {
                header { h2 { (letter.subject()) } }
                div.body.stack {
                    p.muted.small { "to " (letter.to()) " · " (ui::minute(kept.created_at)) }
                    details { summary { "The letter" } pre.wrap tabindex="0" role="region" aria-label={ "Letter " (kept.id) } { (letter.text()) } }
                }
            }
        }
    };
    let page = match &visit.signed {
        Some(_) => layout::page(&visit, "Mailbox", None, &body),
        None => layout::bare("Mailbox", &body),
    };
    Ok(reply::html(StatusCode::OK, &page))
}
