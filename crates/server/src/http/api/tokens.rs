//! Operator tokens over HTTP: credentials of the operator's own realm.

use std::sync::Arc;

use keyway_domain::Environment;
use keyway_domain::credential::AddressMode;
use keyway_domain::grant::Grant;
use keyway_domain::id::CredentialId;
use keyway_domain::limits;
use keyway_store::accounts::OPERATOR;
use keyway_store::credentials as store;
use schemars::JsonSchema;
use serde::Deserialize;

use super::credentials::{Place, act_in, create_in, list_in, one_in, rotate_in, update_in};
use super::{Call, Caller, Problem, Reply};
use crate::commands::credentials::{Change, NewCredential};
use crate::http::body::{self, GrantBody, RateBody};
use crate::http::openapi::shapes as shape;

/// A token to make.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "CreateOperatorToken")]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// What it is for.
    #[schemars(with = "shape::Name", example = &"Nightly report")]
    name: String,
    /// What it may do: resources `accounts`, `credentials`, `events`, `requests`, `tokens`,
    /// `verification`, `webhooks`, `members`. Without it, everything that its maker may.
    #[serde(default)]
    #[schemars(with = "Option<shape::WantedTokenGrant>")]
    grant: Option<GrantBody>,
    /// Addresses and CIDR ranges that may use it.
    #[serde(default)]
    #[schemars(with = "Vec<shape::AddressRange>", length(max = limits::ADDRESSES_MAX))]
    addresses: Vec<String>,
    /// A limit of its own.
    #[serde(default, deserialize_with = "body::object")]
    rate_limit: Option<RateBody>,
    /// When it stops.
    #[serde(default)]
    #[schemars(with = "Option<shape::Expiry>")]
    expires_at: Option<String>,
}

fn place(call: &Call) -> Place {
    Place { realm: Arc::clone(&call.app.operator), account: OPERATOR }
}

/// `GET /v1/operator-tokens`
pub async fn list(call: Call, _: Caller) -> Result<Reply, Problem> {
    let place = place(&call);
    list_in(call, place).await
}

/// `GET /v1/operator-tokens/{credential}`
pub async fn get(call: Call, _: Caller) -> Result<Reply, Problem> {
    let place = place(&call);
    one_in(call, place).await
}

/// `POST /v1/operator-tokens`
pub async fn create(call: Call, caller: Caller) -> Result<Reply, Problem> {
    let place = place(&call);
    let body: Create = body::read(&call.body)?;
    let own = own_grant(&call, &caller).await?;
    let wanted = body.grant.as_ref().map(|grant| grant.resolve(&place.realm.rules.scheme));
    let grant = wanted.transpose()?.unwrap_or(own);
    if !own.covers(grant) {
        return Err(Problem::invalid("grant", "a token can't make a wider one than itself"));
    }
    let new = NewCredential {
        kind: "token".to_owned(),
        environment: Environment::Live,
        name: body.name,
        grant: Some(grant),
        addresses: body::addresses(&body.addresses)?,
        address_mode: AddressMode::Enforce,
        rate: body.rate_limit.map(RateBody::checked).transpose()?,
        expires_at: body.expires_at.as_deref().map(body::expiry).transpose()?,
    };
    create_in(call, caller, place, new, None).await
}

/// `PATCH /v1/operator-tokens/{credential}`
pub async fn update(call: Call, caller: Caller) -> Result<Reply, Problem> {
    no_wider(&call, &caller).await?;
    let place = place(&call);
    update_in(call, caller, place).await
}

/// `POST /v1/operator-tokens/{credential}/rotate`
pub async fn rotate(call: Call, caller: Caller) -> Result<Reply, Problem> {
    no_wider(&call, &caller).await?;
    let place = place(&call);
    rotate_in(call, caller, place).await
}

/// `POST /v1/operator-tokens/{credential}/revoke`
pub async fn revoke(call: Call, caller: Caller) -> Result<Reply, Problem> {
    let place = place(&call);
    act_in(call, caller, place, Change::Revoke).await
}

/// What the caller's own token may do.
async fn own_grant(call: &Call, caller: &Caller) -> Result<Grant, Problem> {
    let Some(id) = CredentialId::parse(&caller.token) else { return Ok(Grant::Everything) };
    grant_of(call, id).await
}

async fn grant_of(call: &Call, id: CredentialId) -> Result<Grant, Problem> {
    let rules = call.app.operator.rules.clone();
    let found = call.app.db.read(move |tx| store::find(tx, &rules, OPERATOR, id)).await?;
    found.map(|token| token.grant).ok_or_else(|| Problem::not_found("credential"))
}

/// A narrow token may neither widen a token, nor take over the secret of a wider one.
async fn no_wider(call: &Call, caller: &Caller) -> Result<(), Problem> {
    let own = own_grant(call, caller).await?;
    let target = grant_of(call, call.credential()?).await?;
    let wanted = serde_json::from_slice::<WantedGrant>(&call.body).ok().and_then(|body| body.grant);
    let wanted = wanted.map(|grant| grant.resolve(&call.app.operator.rules.scheme)).transpose()?;
    if own.covers(target) && wanted.is_none_or(|wanted| own.covers(wanted)) {
        return Ok(());
    }
    Err(Problem::invalid("grant", "a token can't change or make a wider one than itself"))
}

/// The one field of an update that could widen a token.
#[derive(Deserialize)]
struct WantedGrant {
    #[serde(default)]
    grant: Option<GrantBody>,
}
