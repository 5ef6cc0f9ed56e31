//! Events over HTTP.

use keyway_domain::event::Event;
use keyway_domain::id::EventId;
use keyway_store::events::{self, Filter};
use schemars::JsonSchema;

use super::{Call, Caller, Problem, Reply};
use crate::http::openapi::shapes as shape;

/// Something that happened, as [`Event`] writes it.
#[derive(JsonSchema)]
#[schemars(rename = "Event")]
#[expect(dead_code, reason = "it is only the shape of what the domain writes")]
pub struct Shape {
    /// Its id.
    #[schemars(with = "shape::EventId")]
    id: String,
    /// When.
    #[schemars(with = "shape::Instant")]
    at: String,
    /// In whose account.
    #[schemars(with = "shape::AccountId")]
    account: String,
    /// What, by its name.
    #[schemars(rename = "type", with = "shape::EventName")]
    kind: String,
    /// The id of what it happened to.
    #[schemars(with = "String", example = shape::ACCOUNT)]
    subject: String,
    /// Who did it.
    actor: Author,
    /// The proof that was given for it: `password`, `otp`, or `unknown`.
    step_up: Option<String>,
    /// The request in which it happened.
    #[schemars(with = "Option<shape::RequestId>")]
    request_id: Option<String>,
    /// Where that request came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// What sent it, as it called itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    /// The part that changed, as it was.
    #[schemars(with = "shape::Changed")]
    before: (),
    /// The part that changed, as it is.
    #[schemars(with = "shape::Changed")]
    after: (),
}

/// Who did something.
#[derive(JsonSchema)]
#[schemars(rename = "Actor")]
#[expect(dead_code, reason = "it is only the shape of what the domain writes")]
struct Author {
    /// `operator`, `member`, `credential`, `system`, or `unknown`.
    #[schemars(rename = "type", example = &"operator")]
    kind: String,
    /// The operator token that acted, or vouched for the member; `local` for the command line.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"local")]
    token: Option<String>,
    /// The member who acted.
    #[serde(skip_serializing_if = "Option::is_none")]
    member: Option<String>,
    /// The member's id, when they were signed in here.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::MemberId>")]
    id: Option<String>,
    /// The member's role at that moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::RoleName>")]
    role: Option<String>,
    /// The credential that acted, by being used.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::CredentialId>")]
    credential: Option<String>,
}

/// `GET /v1/events`
pub async fn list(call: Call, _: Caller) -> Result<Reply, Problem> {
    let (limit, before) = call.page()?;
    page(call, Filter { before: before.map(EventId), ..Filter::default() }, limit).await
}

/// `GET /v1/accounts/{account}/events`
pub async fn of_account(call: Call, _: Caller) -> Result<Reply, Problem> {
    let account = call.account()?;
    let (limit, before) = call.page()?;
    let filter = Filter {
        account: Some(account),
        subject: call.given("subject").map(str::to_owned),
        kind_prefix: call.given("type").map(str::to_owned),
        since: call.instant("since")?,
        until: call.instant("until")?,
        before: before.map(EventId),
        ..Filter::default()
    };
    page(call, filter, limit).await
}

async fn page(call: Call, filter: Filter, limit: u32) -> Result<Reply, Problem> {
    let account = filter.account;
    let page = call.app.db.read(move |tx| events::page(tx, &filter, limit)).await?;
    let last = page.last().map(|event| event.id.0);
    // A subject of another account is, for this one, nothing that happened.
    let is_ours = |event: &Event| account.is_none_or(|account| event.account == account);
    let entries: Vec<Event> = page.into_iter().filter(is_ours).collect();
    Ok(call.page_reply(entries, limit, last))
}
