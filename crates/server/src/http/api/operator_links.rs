//! Links to the operator's pages, over HTTP.

use http::StatusCode;
use keyway_domain::id::OperatorSessionId;
use keyway_domain::time::Time;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::accounts::Nothing;
use super::{Call, Caller, Done, Problem, Reply, value};
use crate::commands::operators;
use crate::http::body;
use crate::http::openapi::shapes as shape;

/// A link to the operator's pages.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "OperatorLink")]
pub struct Made {
    /// The id of the session that it will open, as events name it.
    #[schemars(with = "shape::OperatorSessionId")]
    id: OperatorSessionId,
    /// The first instant at which it leads nowhere.
    #[schemars(with = "shape::Instant")]
    expires_at: Time,
    /// Where it leads; `null` in the answer to a repeated call.
    secret: Option<Where>,
    /// Whether `secret` is there.
    secret_shown: bool,
}

/// Where a link to the operator's pages leads. Whoever opens it first is let in.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "OperatorLinkSecret")]
struct Where {
    /// The page's address, on the public listener.
    #[schemars(example = &"/operator/enter/(shown in this answer and nowhere else)")]
    url: String,
}

/// `POST /v1/operator-links`
pub async fn create(call: Call, caller: Caller) -> Result<Reply, Problem> {
    let Nothing {} = body::read(&call.body)?;
    let (realm, base) = (call.app.operator.clone(), call.app.site.base_url());
    let (token, secret) = (caller.token.clone(), caller.secret);
    call.mutate(&caller, &realm, None, StatusCode::CREATED, move |tx, moment| {
        let (link, text) = operators::make_link(tx, moment, (&token, secret))?;
        let url = format!("{base}/operator/enter/{}", text.reveal());
        let made =
            Made { id: link.id, expires_at: link.expires_at, secret: None, secret_shown: false };
        Ok(Done { body: value(&made), shown: Some(json!({ "url": url })) })
    })
    .await
}
