//! All credentials of an account ended in one call.

use std::sync::Arc;

use http::StatusCode;
use keyway_domain::id::{AccountId, MemberId};
use keyway_domain::time::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Call, Caller, Done, Problem, Reply, value};
use crate::commands;
use crate::commands::revoke_all::Which;
use crate::http::body::{self, OnBehalfOf};
use crate::http::openapi::shapes as shape;

/// Which of an account's live credentials. Without anything, all of them.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "RevokeAllCredentials")]
#[serde(deny_unknown_fields)]
pub struct RevokeAll {
    /// Of this environment only.
    #[serde(default)]
    #[schemars(with = "Option<shape::Environment>")]
    environment: Option<String>,
    /// Of this kind only.
    #[serde(default)]
    #[schemars(with = "Option<shape::KindName>")]
    kind: Option<String>,
    /// Made before this instant only.
    #[serde(default)]
    #[schemars(with = "Option<shape::Instant>")]
    created_before: Option<String>,
    /// Made at this instant or later only.
    #[serde(default)]
    #[schemars(with = "Option<shape::Instant>")]
    created_since: Option<String>,
    /// In the care of this member only: their id.
    #[serde(default)]
    #[schemars(with = "Option<shape::MemberId>")]
    owner: Option<String>,
    /// Those only that can take money out of the account.
    #[serde(default)]
    moves_money: bool,
    /// Used at this instant or later only.
    #[serde(default)]
    #[schemars(with = "Option<shape::Instant>")]
    used_since: Option<String>,
    /// Not used since this instant, or never.
    #[serde(default)]
    #[schemars(with = "Option<shape::Instant>")]
    unused_since: Option<String>,
    /// The member for whom the platform acts.
    #[serde(default, deserialize_with = "body::object")]
    on_behalf_of: Option<OnBehalfOf>,
}

/// How many were revoked.
#[derive(Serialize, JsonSchema)]
pub struct RevokedAll {
    /// Of which account.
    #[schemars(with = "shape::AccountId")]
    account: AccountId,
    /// How many.
    #[schemars(example = 12)]
    revoked: usize,
}

fn instant(field: &str, text: Option<&str>) -> Result<Option<Time>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let what = "not an instant; write it like 2026-12-31T00:00:00Z";
    Time::parse(text).map(Some).ok_or_else(|| Problem::invalid(field, what))
}

/// `POST /v1/accounts/{account}/credentials/revoke-all`
pub async fn revoke_all(call: Call, caller: Caller) -> Result<Reply, Problem> {
    let account = call.account()?;
    let body: RevokeAll = body::read(&call.body)?;
    let owner = body.owner.as_deref().map(|text| {
        MemberId::parse(text).ok_or_else(|| Problem::invalid("owner", "not a member's id"))
    });
    let realm = Arc::clone(&call.app.platform);
    if let Some(kind) = body.kind.as_ref().filter(|kind| realm.rules.scheme.kind(kind).is_none()) {
        let known: Vec<&str> =
            realm.rules.scheme.kinds.iter().map(|kind| kind.name.as_str()).collect();
        let what = format!("there is no kind `{kind}`; there are: {}", known.join(", "));
        return Err(Problem::invalid("kind", what));
    }
    let which = Which {
        environment: body.environment.as_deref().map(body::environment).transpose()?,
        kinds: body.kind.map(|kind| vec![kind]),
        owner: owner.transpose()?,
        moves_money: body.moves_money,
        created_before: instant("created_before", body.created_before.as_deref())?,
        created_since: instant("created_since", body.created_since.as_deref())?,
        used_since: instant("used_since", body.used_since.as_deref())?,
        unused_since: instant("unused_since", body.unused_since.as_deref())?,
    };
    call.mutate(&caller, &realm, body.on_behalf_of, StatusCode::OK, move |tx, moment| {
        let revoked = commands::revoke_all::revoke_all(tx, moment, account, &which)?;
        Ok(Done { body: value(&RevokedAll { account, revoked }), shown: None })
    })
    .await
}
