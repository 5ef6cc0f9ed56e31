//! Events over HTTP.

use keyway_domain::id::EventId;
use keyway_domain::time::Time;
use keyway_store::events::{self, Filter};

use super::{Call, Caller, Problem, Reply};

/// `GET /v1/events`
pub async fn list(call: Call, _: Caller) -> Result<Reply, Problem> {
    let query = call.query(&["limit", "cursor"])?;
    let (limit, before) = call.page(&query)?;
    page(call, Filter { before: before.map(EventId), ..Filter::default() }, limit).await
}

/// `GET /v1/accounts/{account}/events`
pub async fn of_account(call: Call, _: Caller) -> Result<Reply, Problem> {
    let account = call.account()?;
    let query = call.query(&["limit", "cursor", "subject", "type", "since", "until"])?;
    let (limit, before) = call.page(&query)?;
    let instant = |name: &str| {
        let wrong = || Problem::invalid(name, "write an instant like 2026-12-31T00:00:00Z");
        query.get(name).map(|text| Time::parse(text).ok_or_else(wrong)).transpose()
    };
    let filter = Filter {
        account: Some(account),
        subject: query.get("subject").cloned(),
        kind_prefix: query.get("type").cloned(),
        since: instant("since")?,
        until: instant("until")?,
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
    let ours = page.iter().filter(|event| account.is_none_or(|account| event.account == account));
    let entries: Result<Vec<_>, _> = ours.map(serde_json::to_value).collect();
    let entries = entries.map_err(|error| {
        tracing::error!(%error, "an event can't be written as JSON");
        Problem::not_found("event")
    })?;
    Ok(call.page_reply(&entries, limit, last))
}
