//! Requests that were judged: the log of an account's, and one found again by its id (X11).

use keyway_domain::id::{AccountId, CredentialId};
use keyway_domain::time::Time;
use keyway_domain::verdict::{Access, Reason};
use keyway_store::requests::{self, ALLOWED, Filter, Place, REPORTED, Request as Logged};
use keyway_store::{Tx, accounts, credentials};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Call, Caller, Problem, Reply, said};
use crate::commands::Error;
use crate::http::openapi::shapes as shape;
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

/// A request of an account's log.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "LoggedRequest")]
pub struct Shown {
    /// Its id, as the client has it.
    #[schemars(with = "shape::RequestId")]
    id: String,
    /// When.
    #[schemars(with = "shape::Instant")]
    at: Time,
    /// The credential that it came with.
    #[schemars(with = "shape::CredentialId")]
    credential: CredentialId,
    /// Which of its secrets.
    #[schemars(example = 1)]
    secret: u32,
    /// The credential's environment.
    #[schemars(with = "shape::Environment")]
    environment: String,
    /// What was decided.
    #[schemars(with = "shape::Outcome")]
    outcome: String,
    /// Its method, if it named one.
    #[schemars(example = &"GET")]
    method: Option<String>,
    /// The pattern of its route, if a list names it.
    #[schemars(example = &"/v1/invoices/{id}")]
    route: Option<String>,
    /// What it needed.
    #[schemars(example = &"invoices:read")]
    needed: Option<String>,
    /// Where it came from, as far as the API said.
    #[schemars(example = &"203.0.113.7")]
    address: Option<String>,
}

/// A request of the log as JSON.
pub(crate) fn shown(request: &Logged) -> Shown {
    let some = |text: &String| (!text.is_empty()).then(|| text.clone());
    Shown {
        id: request.id.clone(),
        at: request.place.at(),
        credential: request.credential,
        secret: request.secret,
        environment: request.environment.clone(),
        outcome: request.outcome.clone(),
        method: some(&request.method),
        route: some(&request.route),
        needed: some(&request.need),
        address: some(&request.address),
    }
}

/// A request, found again by its id.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Request")]
pub struct Found {
    /// Its id.
    #[schemars(with = "shape::RequestId")]
    id: String,
    /// When.
    #[schemars(with = "shape::Instant")]
    at: Time,
    /// `allowed`, `address_reported` or `refused`; `management` for a call of this API.
    #[schemars(example = &"refused")]
    decision: &'static str,
    /// Why it was refused.
    #[schemars(with = "Option<shape::Outcome>")]
    reason: Option<&'static str>,
    /// Its method; empty if it named none that is usual.
    #[schemars(example = &"GET")]
    method: &'static str,
    /// What it needed.
    #[schemars(example = &"invoices:read")]
    needed: Option<String>,
    /// The account of its credential.
    #[schemars(with = "Option<shape::AccountId>")]
    account: Option<AccountId>,
    /// The credential that it came with.
    #[schemars(with = "Option<shape::CredentialId>")]
    credential: Option<CredentialId>,
    /// What its owner calls it.
    credential_name: Option<String>,
    /// Its kind.
    kind: Option<String>,
    /// Which of its secrets.
    secret: Option<u32>,
    /// The environment that was asked about.
    #[schemars(with = "Option<shape::Environment>")]
    environment: Option<&'static str>,
}

/// `GET /v1/accounts/{account}/requests`
pub async fn list(call: Call, _: Caller) -> Result<Reply, Problem> {
    let account = call.account()?;
    let (limit, before) = call.page()?;
    let known = |text: &str| {
        let is_known =
            [ALLOWED, REPORTED, "refused"].contains(&text) || Reason::parse(text).is_some();
        is_known.then(|| text.to_owned())
    };
    let what = "`allowed`, `address_reported`, `refused`, or the reason of a refusal";
    let outcome = call.parameter("outcome", what, known)?;
    let is_refused = outcome.as_deref() == Some("refused");
    let filter = Filter {
        before: before.map(Place),
        only: None,
        since: call.instant("since")?,
        until: call.instant("until")?,
        credential: call.parameter("credential", "not a credential's id", CredentialId::parse)?,
        outcome: outcome.filter(|_| !is_refused),
        is_refused,
        route: call.given("route").map(str::to_owned),
        address: call.given("address").map(str::to_owned),
    };
    let read = move |tx: &mut Tx<'_>| {
        accounts::find(tx, account)?.ok_or(Error::NotFound("account"))?;
        Ok::<_, Error>(requests::page(tx, account, &filter, limit)?)
    };
    let page = call.app.db.read(read).await?;
    let last = page.last().map(|request| request.place.0);
    Ok(call.page_reply(page.iter().map(shown).collect(), limit, last))
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
    Ok(said(&Found {
        id: text.to_owned(),
        at: request.at,
        decision,
        reason,
        method: request.method_name(),
        needed,
        account: found.as_ref().map(|credential| credential.account),
        credential: request.credential,
        secret: request.credential.map(|_| request.secret),
        environment: request.environment.map(keyway_domain::Environment::as_str),
        kind: found.as_ref().map(|credential| credential.kind.clone()),
        credential_name: found.map(|credential| credential.name),
    }))
}
