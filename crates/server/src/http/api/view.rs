//! Credentials, accounts and usage as the API shows them. Never a secret.

use std::collections::BTreeMap;

use keyway_domain::credential::{Credential, EndedBecause, SecretState, Status};
use keyway_domain::scheme::Scheme;
use keyway_domain::time::Time;
use keyway_store::accounts::Account;
use keyway_store::due::OwnDays;
use keyway_store::usage::{Report, Seen};
use serde_json::{Map, Value, json};

use crate::commands::credentials::Shown;

/// An account.
pub(super) fn account(account: &Account) -> Value {
    json!({
        "id": account.id,
        "external_id": account.external_id,
        "name": account.name,
        "status": if account.suspended { "suspended" } else { "active" },
        "created_at": account.created_at,
    })
}

/// A credential, with when each of its secrets was last used.
pub(super) fn credential(
    credential: &Credential,
    scheme: &Scheme,
    seen: &BTreeMap<u32, Seen>,
    ages: OwnDays,
    now: Time,
) -> Value {
    let kind = scheme.kind(&credential.kind);
    let status = match credential.status {
        Status::Revoked { .. } => "revoked",
        Status::Deleted { .. } => "deleted",
        Status::Live if credential.has_expired(now) => "expired",
        Status::Live => "active",
    };
    let ended_at = match credential.status {
        Status::Revoked { at } | Status::Deleted { at } => Some(at),
        Status::Live => None,
    };
    let secret_since = credential.current().map(|current| current.created_at);
    let ages = ages.ages(scheme, &credential.kind);
    let is_old = secret_since.is_some_and(|since| ages.is_old(since, now));
    let secrets: Vec<Value> =
        credential.secrets.iter().map(|one| secret(one, seen.get(&one.number), now)).collect();
    let last_used = seen.values().map(|seen| seen.at).max();
    json!({
        "id": credential.id,
        "account": credential.account,
        "environment": credential.environment.as_str(),
        "kind": credential.kind,
        "kind_label": kind.map(|kind| kind.label.as_str()),
        "name": credential.name,
        "status": status,
        "grant": credential.grant.to_names(scheme.resource_names()),
        "addresses": credential.addresses,
        "address_mode": credential.address_mode.as_str(),
        "rate_limit": credential.rate.map(|rate| {
            json!({ "requests": rate.requests, "window_seconds": rate.window_ms / 1000 })
        }),
        "client_id": credential.client_id,
        "created_at": credential.created_at,
        "expires_at": credential.expires_at,
        "ended_at": ended_at,
        "last_used_at": last_used,
        "due_for_renewal": is_old,
        "secrets": secrets,
        "secret": null,
        "secret_shown": false,
    })
}

fn secret(secret: &keyway_domain::credential::Secret, seen: Option<&Seen>, now: Time) -> Value {
    let (state, accepted_until, ended_at, why) = match secret.state_at(now) {
        SecretState::Current => ("current", None, None, None),
        SecretState::Retiring { until } => ("retiring", Some(until), None, None),
        SecretState::Ended { at, why } => {
            let why = match why {
                EndedBecause::Replaced => "replaced",
                EndedBecause::RolledBack => "rolled_back",
                EndedBecause::Revoked => "revoked",
            };
            ("ended", None, Some(at), Some(why))
        }
    };
    json!({
        "number": secret.number,
        "hint": secret.hint,
        "public_id": secret.public_id,
        "state": state,
        "created_at": secret.created_at,
        "accepted_until": accepted_until,
        "ended_at": ended_at,
        "ended_because": why,
        "last_used_at": seen.map(|seen| seen.at),
        "last_used_from": seen.and_then(|seen| seen.address.as_deref()),
        "last_used_by": seen.and_then(|seen| seen.client.as_deref()),
    })
}

/// Requests that an address list would have refused, if it did not only report.
pub(super) fn reports(reports: &[Report]) -> Value {
    let shown = reports.iter().map(|report| {
        json!({
            "address": Some(&report.address).filter(|address| !address.is_empty()),
            "requests": report.requests,
            "first_at": report.first_at,
            "last_at": report.last_at,
        })
    });
    shown.collect()
}

/// The strings of a secret under the scheme's names, and the environment variables they belong in.
pub(super) fn shown(shown: &Shown, kind: &str, scheme: &Scheme) -> Value {
    let mut fields = Map::new();
    let mut variables = Map::new();
    let Some(kind) = scheme.kind(kind) else { return Value::Null };
    if let (Some(id), Some(text)) = (&kind.public_id, &shown.public_id) {
        fields.insert(id.field.clone(), text.as_str().into());
        variables.insert(id.field.clone(), id.variable.as_str().into());
    }
    fields.insert(kind.secret_field.clone(), shown.secret.reveal().into());
    variables.insert(kind.secret_field.clone(), kind.secret_variable.as_str().into());
    fields.insert("variables".to_owned(), Value::Object(variables));
    Value::Object(fields)
}
