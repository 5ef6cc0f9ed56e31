//! What the platform's scheme sets for every merchant, in sentences.

use http::StatusCode;
use keyway_domain::scheme::explain;
use maud::html;

use super::{Here, frame};
use crate::http::pages::visit::Visit;
use crate::http::pages::{Answer, icons, reply, ui};

pub(crate) async fn page(visit: Visit) -> Answer {
    let who = visit.operating()?;
    let said = explain(visit.scheme());
    let parts = said.split("\n\n");
    let body = html! {
        div.head { div { h1 { "Rules for all" } p.lede { "What the scheme sets for every merchant. A merchant can only be stricter with itself." } } }
        @for part in parts {
            section.card.narrow { div.body.stack.tight { @for line in part.lines() { p { (line) } } } }
        }
        (ui::note("info", icons::INFO, &html! { "They are changed in the scheme’s file, and hold from the next start: " code { "keyway scheme check" } " reads it before." }))
    };
    let page = frame(&visit, who, "Rules for all", Here::Rules, &body);
    Ok(reply::html(StatusCode::OK, &page))
}
