//! Accounts and credentials as the API shows them, and what several answers have in common. Never a
//! secret.

use std::collections::BTreeMap;

use ipnet::IpNet;
use keyway_domain::Environment;
use keyway_domain::credential::{self, EndedBecause, SecretState, Status};
use keyway_domain::id;
use keyway_domain::scheme::Scheme;
use keyway_domain::time::Time;
use keyway_guard::GrantNames;
use keyway_store::accounts;
use keyway_store::due::OwnDays;
use keyway_store::usage::{Report, Seen};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::commands::credentials::Shown;
use crate::http::openapi::shapes as shape;
use crate::quotas::Standing;

/// A page of a list, newest first.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "{T}Page")]
pub struct Page<T> {
    /// The entries.
    pub data: Vec<T>,
    /// What to send as `cursor` for the next page; `null` when there is none.
    #[schemars(with = "Option<shape::Cursor>")]
    pub next_cursor: Option<String>,
}

/// A merchant of the platform.
#[derive(Serialize, JsonSchema)]
pub struct Account {
    /// Its id.
    #[schemars(with = "shape::AccountId")]
    pub id: id::AccountId,
    /// The platform's own id of it.
    #[schemars(with = "Option<shape::ExternalId>")]
    pub external_id: Option<String>,
    /// Its name.
    #[schemars(example = &"Toko Kopi")]
    pub name: String,
    /// Whether its credentials are accepted.
    pub status: AccountStatus,
    /// When it was registered.
    #[schemars(with = "shape::Instant")]
    pub created_at: Time,
}

/// Whether an account's credentials are accepted.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccountStatus {
    /// They are.
    Active,
    /// All are refused.
    Suspended,
}

impl From<&accounts::Account> for Account {
    fn from(account: &accounts::Account) -> Self {
        let suspended = account.suspended;
        Self {
            id: account.id,
            external_id: account.external_id.clone(),
            name: account.name.clone(),
            status: if suspended { AccountStatus::Suspended } else { AccountStatus::Active },
            created_at: account.created_at,
        }
    }
}

/// A credential: what it is and may do, and the state of its secrets.
#[derive(Serialize, JsonSchema)]
pub struct Credential {
    /// Its id; it never changes.
    #[schemars(with = "shape::CredentialId")]
    pub id: id::CredentialId,
    /// The account it belongs to.
    #[schemars(with = "shape::AccountId")]
    pub account: id::AccountId,
    /// The environment it belongs to.
    #[schemars(with = "shape::Environment")]
    pub environment: &'static str,
    /// Its kind, by the name that the scheme had for it when it was made.
    #[schemars(example = &"key")]
    pub kind: String,
    /// What the scheme calls its kind.
    #[schemars(example = &"API key")]
    pub kind_label: Option<String>,
    /// What its owner calls it.
    #[schemars(example = &"Checkout server")]
    pub name: String,
    /// Where it is in its life.
    pub status: CredentialStatus,
    /// What it may do.
    #[schemars(with = "shape::GrantNames")]
    pub grant: GrantNames,
    /// From where it may be used; empty for anywhere.
    #[schemars(with = "Vec<shape::AddressRange>")]
    pub addresses: Vec<IpNet>,
    /// What becomes of requests from elsewhere.
    #[schemars(with = "shape::AddressModeName")]
    pub address_mode: &'static str,
    /// Requests from elsewhere that passed, in the answer about one credential: the addresses seen
    /// last, and the others together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address_reports: Option<Vec<AddressReport>>,
    /// Its own rate limit; `null` when the scheme's holds.
    pub rate_limit: Option<RateLimit>,
    /// The quotas of the scheme that count its requests, in the answer about one credential.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quotas: Option<Vec<Quota>>,
    /// The public id beside the secret, where the kind has one that stays.
    #[schemars(example = &"client-1042")]
    pub client_id: Option<String>,
    /// When it was made.
    #[schemars(with = "shape::Instant")]
    pub created_at: Time,
    /// The first instant at which it is refused.
    #[schemars(with = "Option<shape::Instant>")]
    pub expires_at: Option<Time>,
    /// When it was revoked or deleted.
    #[schemars(with = "Option<shape::Instant>")]
    pub ended_at: Option<Time>,
    /// When any of its secrets was last accepted, to the minute.
    #[schemars(with = "Option<shape::Instant>")]
    pub last_used_at: Option<Time>,
    /// Whether its secret has reached the age at which it should be renewed.
    pub due_for_renewal: bool,
    /// Its secrets, newest first; ended ones for a while.
    pub secrets: Vec<Secret>,
    /// The secret's strings, in the answer that made it; `null` in every other.
    pub secret: Option<ShownOnce>,
    /// Whether `secret` is there.
    pub secret_shown: bool,
}

/// Requests that an address list would have refused, if it did not only report.
#[derive(Serialize, JsonSchema)]
pub struct AddressReport {
    /// From which address; `null` for the others together, and for those that were not told.
    #[schemars(example = &"198.51.100.7")]
    pub address: Option<String>,
    /// How many.
    #[schemars(example = 12)]
    pub requests: i64,
    /// When the first of them came.
    #[schemars(with = "shape::Instant")]
    pub first_at: Time,
    /// And the last.
    #[schemars(with = "shape::Instant")]
    pub last_at: Time,
}

impl From<Report> for AddressReport {
    fn from(report: Report) -> Self {
        let Report { address, requests, first_at, last_at, .. } = report;
        Self { address: Some(address).filter(|text| !text.is_empty()), requests, first_at, last_at }
    }
}

/// Where a credential is in its life.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CredentialStatus {
    /// It is accepted.
    Active,
    /// It stopped by itself.
    Expired,
    /// It was ended, for ever.
    Revoked,
    /// It was ended and taken off the list.
    Deleted,
}

/// A rate limit.
#[derive(Serialize, JsonSchema)]
pub struct RateLimit {
    /// Requests a window.
    pub requests: u32,
    /// The window in seconds.
    pub window_seconds: u32,
}

/// A quota in its present period.
#[derive(Serialize, JsonSchema)]
pub struct Quota {
    /// What it is called in `RateLimit-Policy`.
    #[schemars(example = &"account-month")]
    pub name: &'static str,
    /// The environment whose requests it counts; `null` for those of both together.
    #[schemars(with = "Option<shape::Environment>")]
    pub environment: Option<&'static str>,
    /// Requests a period.
    #[schemars(range(min = 1), example = 100_000)]
    pub requests: u64,
    /// Requests that it has counted; among them what other nodes have reserved of it.
    #[schemars(example = 1_204)]
    pub used: u64,
    /// When the next period begins.
    #[schemars(with = "shape::Instant")]
    pub renews_at: Time,
}

impl From<Standing> for Quota {
    fn from(Standing { quota, period, used }: Standing) -> Self {
        Self {
            name: quota.name(),
            environment: quota.environment.map(Environment::as_str),
            requests: quota.requests,
            used,
            renews_at: period.ends_at,
        }
    }
}

/// One accepted string of a credential, by what may be known of it.
#[derive(Serialize, JsonSchema)]
pub struct Secret {
    /// Its number, from 1.
    #[schemars(range(min = 1), example = 1)]
    pub number: u32,
    /// A few characters by which its owner knows it.
    #[schemars(example = &"…7Qx2")]
    pub hint: String,
    /// The public id that is its own, where the kind has one.
    pub public_id: Option<String>,
    /// Where it is in its life.
    pub state: SecretStatus,
    /// When it was made.
    #[schemars(with = "shape::Instant")]
    pub created_at: Time,
    /// The first instant at which it is refused, while it is retiring.
    #[schemars(with = "Option<shape::Instant>")]
    pub accepted_until: Option<Time>,
    /// When it ended.
    #[schemars(with = "Option<shape::Instant>")]
    pub ended_at: Option<Time>,
    /// Why it ended.
    pub ended_because: Option<Ended>,
    /// When it was last accepted, to the minute.
    #[schemars(with = "Option<shape::Instant>")]
    pub last_used_at: Option<Time>,
    /// From where.
    pub last_used_from: Option<String>,
    /// By what, as the client called itself.
    pub last_used_by: Option<String>,
}

/// Where a secret is in its life.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SecretStatus {
    /// It is the one to use.
    Current,
    /// It is accepted until the overlap ends.
    Retiring,
    /// It is refused.
    Ended,
}

/// Why a secret ended.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// A newer one took its place.
    Replaced,
    /// Its rotation was undone.
    RolledBack,
    /// Its credential was revoked.
    Revoked,
}

/// The strings of a secret: put into the answer when it is written, so none can be kept here.
#[derive(Serialize)]
pub enum ShownOnce {}

impl JsonSchema for ShownOnce {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        shape::ShownOnce::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        shape::ShownOnce::json_schema(generator)
    }
}

/// A credential, with when each of its secrets was last used.
pub(super) fn credential(
    credential: &credential::Credential,
    scheme: &Scheme,
    seen: &BTreeMap<u32, Seen>,
    ages: OwnDays,
    now: Time,
) -> Credential {
    let kind = scheme.kind(&credential.kind);
    let status = match credential.status {
        Status::Revoked { .. } => CredentialStatus::Revoked,
        Status::Deleted { .. } => CredentialStatus::Deleted,
        Status::Live if credential.has_expired(now) => CredentialStatus::Expired,
        Status::Live => CredentialStatus::Active,
    };
    let ended_at = match credential.status {
        Status::Revoked { at } | Status::Deleted { at } => Some(at),
        Status::Live => None,
    };
    let secret_since = credential.current().map(|current| current.created_at);
    let ages = ages.ages(scheme, &credential.kind);
    Credential {
        id: credential.id,
        account: credential.account,
        environment: credential.environment.as_str(),
        kind: credential.kind.clone(),
        kind_label: kind.map(|kind| kind.label.clone()),
        name: credential.name.clone(),
        status,
        grant: credential.grant.to_names(scheme.resource_names()),
        addresses: credential.addresses.clone(),
        address_mode: credential.address_mode.as_str(),
        address_reports: None,
        rate_limit: credential.rate.map(|rate| RateLimit {
            requests: rate.requests,
            window_seconds: rate.window_ms / 1000,
        }),
        quotas: None,
        client_id: credential.client_id.clone(),
        created_at: credential.created_at,
        expires_at: credential.expires_at,
        ended_at,
        last_used_at: seen.values().map(|seen| seen.at).max(),
        due_for_renewal: secret_since.is_some_and(|since| ages.is_old(since, now)),
        secrets: credential
            .secrets
            .iter()
            .map(|one| secret(one, seen.get(&one.number), now))
            .collect(),
        secret: None,
        secret_shown: false,
    }
}

fn secret(secret: &credential::Secret, seen: Option<&Seen>, now: Time) -> Secret {
    let (state, accepted_until, ended_at, ended_because) = match secret.state_at(now) {
        SecretState::Current => (SecretStatus::Current, None, None, None),
        SecretState::Retiring { until } => (SecretStatus::Retiring, Some(until), None, None),
        SecretState::Ended { at, why } => {
            let why = match why {
                EndedBecause::Replaced => Ended::Replaced,
                EndedBecause::RolledBack => Ended::RolledBack,
                EndedBecause::Revoked => Ended::Revoked,
            };
            (SecretStatus::Ended, None, Some(at), Some(why))
        }
    };
    Secret {
        number: secret.number,
        hint: secret.hint.clone(),
        public_id: secret.public_id.clone(),
        state,
        created_at: secret.created_at,
        accepted_until,
        ended_at,
        ended_because,
        last_used_at: seen.map(|seen| seen.at),
        last_used_from: seen.and_then(|seen| seen.address.clone()),
        last_used_by: seen.and_then(|seen| seen.client.clone()),
    }
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
