//! Accounts over HTTP.

use http::StatusCode;
use keyway_domain::id::AccountId;
use keyway_domain::limits;
use keyway_store::accounts;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::{Call, Caller, Done, Problem, Reply, said, value, view};
use crate::commands;
use crate::http::body;
use crate::http::openapi::shapes as shape;

/// A merchant to register.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "CreateAccount")]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// Its name.
    #[schemars(with = "shape::Name", example = &"Toko Kopi")]
    name: String,
    /// The platform's own id of it.
    #[serde(default)]
    #[schemars(with = "Option<shape::ExternalId>")]
    external_id: Option<String>,
}

/// What changes.
#[expect(clippy::option_option, reason = "`null` and a missing field mean different things")]
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "UpdateAccount")]
#[serde(deny_unknown_fields)]
pub struct Update {
    /// The new name.
    #[serde(default)]
    #[schemars(with = "Option<shape::Name>", example = &"Toko Kopi")]
    name: Option<String>,
    /// The new external id; `null` takes it away.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Option<shape::ExternalId>")]
    external_id: Option<Option<String>>,
}

/// No fields.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// Why an account is refused, or let in again.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "SuspendAccount")]
#[serde(deny_unknown_fields)]
pub struct Why {
    /// The reason, which the merchant reads in its audit log.
    #[serde(default)]
    #[schemars(length(min = 1, max = limits::WHY_CHARS_MAX), example = &"Chargebacks under review")]
    reason: Option<String>,
}

/// Tells `null` from a field that is not there.
pub(super) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// The same, of an object.
#[expect(clippy::option_option, reason = "`null` and a missing field mean different things")]
pub(super) fn present_object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    body::object(deserializer).map(Some)
}

/// `GET /v1/accounts`
pub async fn list(call: Call, _: Caller) -> Result<Reply, Problem> {
    let (limit, before) = call.page()?;
    let external = call.given("external_id").map(str::to_owned);
    let page = call
        .app
        .db
        .read(move |tx| match &external {
            Some(external) => {
                accounts::find_external(tx, external).map(|found| found.into_iter().collect())
            }
            None => accounts::page(tx, before.map(AccountId), limit),
        })
        .await?;
    let page: Vec<accounts::Account> = page;
    let last = page.last().map(|account| account.id.0);
    Ok(call.page_reply(page.iter().map(view::Account::from).collect(), limit, last))
}

/// `POST /v1/accounts`
pub async fn create(call: Call, caller: Caller) -> Result<Reply, Problem> {
    let body: Create = body::read(&call.body)?;
    let realm = call.app.platform.clone();
    call.mutate(&caller, &realm, None, StatusCode::CREATED, move |tx, moment| {
        let external_id = body.external_id.as_deref();
        let account = commands::accounts::create(tx, moment, &body.name, external_id)?;
        Ok(Done { body: value(&view::Account::from(&account)), shown: None })
    })
    .await
}

/// `GET /v1/accounts/{account}`
pub async fn get(call: Call, _: Caller) -> Result<Reply, Problem> {
    let id = call.account()?;
    let found = call.app.db.read(move |tx| accounts::find(tx, id)).await?;
    let account = found.ok_or_else(|| Problem::not_found("account"))?;
    Ok(said(&view::Account::from(&account)))
}

/// `PATCH /v1/accounts/{account}`
pub async fn update(call: Call, caller: Caller) -> Result<Reply, Problem> {
    let id = call.account()?;
    let body: Update = body::read(&call.body)?;
    let realm = call.app.platform.clone();
    call.mutate(&caller, &realm, None, StatusCode::OK, move |tx, moment| {
        let external_id = body.external_id.as_ref().map(Option::as_deref);
        let name = body.name.as_deref();
        let account = commands::accounts::update(tx, moment, id, name, external_id)?;
        Ok(Done { body: value(&view::Account::from(&account)), shown: None })
    })
    .await
}

/// `POST /v1/accounts/{account}/suspend`
pub async fn suspend(call: Call, caller: Caller) -> Result<Reply, Problem> {
    set_suspended(call, caller, true).await
}

/// `POST /v1/accounts/{account}/resume`
pub async fn resume(call: Call, caller: Caller) -> Result<Reply, Problem> {
    set_suspended(call, caller, false).await
}

async fn set_suspended(call: Call, caller: Caller, suspended: bool) -> Result<Reply, Problem> {
    let id = call.account()?;
    let body: Why = body::read(&call.body)?;
    let realm = call.app.platform.clone();
    call.mutate(&caller, &realm, None, StatusCode::OK, move |tx, moment| {
        let account =
            commands::accounts::set_suspended(tx, moment, id, (suspended, body.reason.as_deref()))?;
        Ok(Done { body: value(&view::Account::from(&account)), shown: None })
    })
    .await
}
