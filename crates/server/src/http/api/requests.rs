//! Requests that were judged: the log of an account's, and one found again by its id (X11).

use http::StatusCode;
use keyway_domain::id::CredentialId;
use keyway_domain::time::Time;
use keyway_domain::verdict::{Access, Reason};
use keyway_store::requests::{self, ALLOWED, Filter, Place, REPORTED, Request as Logged};
use keyway_store::{Tx, accounts, credentials};
use serde_json::{Value, json};

use super::{Call, Caller, Problem, Reply, json_reply};
use crate::commands::Error;
use crate::verify::{Decision, RequestId};

/// The columns of a request in a file.
pub(crate) const COLUMNS: &str =
    "request_id,time,credential,secret,environment,outcome,method,route,needed,address";

/// A request of the log under [`COLUMNS`].
pub(crate) fn cells(request: &Logged) -> [String; 10] {
    [
        request.id.clone(),
        request.place.at().to_string(),
        request.credential.to_string(),
        request.secret.to_string(),
        request.environment.clone(),
        request.outcome.clone(),
        request.method.clone(),
        request.route.clone(),
        request.need.clone(),
        request.address.clone(),
    ]
}

/// A request of the log as JSON.
pub(crate) fn shown(request: &Logged) -> Value {
    let some = |text: &String| (!text.is_empty()).then(|| text.clone());
    json!({
        "id": request.id,
        "at": request.place.at(),
        "credential": request.credential,
        "secret": request.secret,
        "environment": request.environment,
        "outcome": request.outcome,
        "method": some(&request.method),
        "route": some(&request.route),
        "needed": some(&request.need),
        "address": some(&request.address),
    })
}

/// `GET /v1/accounts/{account}/requests`
pub async fn list(call: Call, _: Caller) -> Result<Reply, Problem> {
    let account = call.account()?;
    let query = call.query(&[
        "limit",
        "cursor",
        "credential",
        "outcome",
        "route",
        "address",
        "since",
        "until",
    ])?;
    let (limit, before) = call.page(&query)?;
    let instant = |name: &str| {
        let wrong = || Problem::invalid(name, "write an instant like 2026-12-31T00:00:00Z");
        query.get(name).map(|text| Time::parse(text).ok_or_else(wrong)).transpose()
    };
    let credential = query.get("credential").map(|text| {
        CredentialId::parse(text)
            .ok_or_else(|| Problem::invalid("credential", "not a credential's id"))
    });
    let outcome = query.get("outcome").map(String::as_str);
    let known = |text: &str| {
        [ALLOWED, REPORTED, "refused"].contains(&text) || Reason::parse(text).is_some()
    };
    if outcome.is_some_and(|text| !known(text)) {
        let what = "`allowed`, `address_reported`, `refused`, or the reason of a refusal";
        return Err(Problem::invalid("outcome", what));
    }
    let filter = Filter {
        before: before.map(Place),
        only: None,
        since: instant("since")?,
        until: instant("until")?,
        credential: credential.transpose()?,
        outcome: outcome.filter(|text| *text != "refused").map(str::to_owned),
        is_refused: outcome == Some("refused"),
        route: query.get("route").cloned(),
        address: query.get("address").cloned(),
    };
    let read = move |tx: &mut Tx<'_>| {
        accounts::find(tx, account)?.ok_or(Error::NotFound("account"))?;
        Ok::<_, Error>(requests::page(tx, account, &filter, limit)?)
    };
    let page = call.app.db.read(read).await?;
    let last = page.last().map(|request| request.place.0);
    let entries: Vec<Value> = page.iter().map(shown).collect();
    Ok(call.page_reply(&entries, limit, last))
}

/// `GET /v1/requests/{request}`
pub async fn get(call: Call, _: Caller) -> Result<Reply, Problem> {
    let text = call.params.get("request").map_or("", String::as_str);
    let request = RequestId::open(text, &call.app.keys.requests);
    let request = request.ok_or_else(|| Problem::not_found("request"))?;
    let rules = call.app.platform.rules.clone();
    let found = match request.credential {
        Some(id) => call.app.db.read(move |tx| credentials::find_any(tx, &rules, id)).await?,
        None => None,
    };
    let scheme = &call.app.platform.rules.scheme;
    let (decision, reason) = match request.decision {
        Decision::Allowed => (ALLOWED, None),
        Decision::Reported => (REPORTED, None),
        Decision::Refused(reason) => ("refused", Some(reason.as_str())),
        Decision::Management => ("management", None),
    };
    let needed = match request.access {
        Access::Needs(need) => Some(scheme.say_need(need)),
        Access::Unlisted => Some("an unlisted route".to_owned()),
        Access::Identity => None,
    };
    let body = json!({
        "id": text,
        "at": request.at,
        "decision": decision,
        "reason": reason,
        "method": request.method_name(),
        "needed": needed,
        "account": found.as_ref().map(|credential| credential.account),
        "credential": request.credential,
        "credential_name": found.as_ref().map(|credential| credential.name.as_str()),
        "kind": found.as_ref().map(|credential| credential.kind.as_str()),
        "secret": request.credential.map(|_| request.secret),
        "environment": request.environment.map(keyway_domain::Environment::as_str),
    });
    Ok(json_reply(StatusCode::OK, body.to_string()))
}
