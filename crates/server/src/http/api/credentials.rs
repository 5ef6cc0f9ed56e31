//! Credentials over HTTP. The same functions serve the operator's tokens, in their own realm.

use std::sync::Arc;

use http::StatusCode;
use keyway_domain::Environment;
use keyway_domain::credential::Credential;
use keyway_domain::id::{AccountId, CredentialId};
use keyway_domain::lifecycle::Edit;
use keyway_domain::limits;
use keyway_domain::scheme::Scheme;
use keyway_domain::time::Time;
use keyway_store::credentials::{self, Filter};
use keyway_store::due::OwnDays;
use keyway_store::{DbError, Tx, usage as store_usage};
use schemars::JsonSchema;
use serde::Deserialize;

use super::accounts::{present, present_object};
use super::{Call, Caller, Done, Problem, Reply, said, value, view};
use crate::app::Realm;
use crate::commands::credentials::{Change, NewCredential, Shown};
use crate::commands::{self, Error, Moment};
use crate::http::body::{self, GrantBody, OnBehalfOf, RateBody};
use crate::http::openapi::shapes as shape;
use crate::quotas::Subject;

/// A credential to make.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "CreateCredential")]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// A kind of the scheme.
    #[schemars(with = "shape::KindName")]
    kind: String,
    /// The environment that it belongs to.
    #[schemars(with = "shape::Environment")]
    environment: String,
    /// What its owner calls it.
    #[schemars(with = "shape::Name")]
    name: String,
    /// What it may do, for kinds whose grant is chosen.
    #[serde(default)]
    grant: Option<GrantBody>,
    /// Addresses and CIDR ranges that may use it; empty for anywhere.
    #[serde(default)]
    #[schemars(with = "Vec<shape::AddressRange>", length(max = limits::ADDRESSES_MAX))]
    addresses: Vec<String>,
    /// What becomes of requests from elsewhere: `enforce` refuses them, `report` lets them pass and
    /// counts them.
    #[serde(default)]
    #[schemars(with = "Option<shape::AddressModeName>")]
    address_mode: Option<String>,
    /// A limit of its own.
    #[serde(default, deserialize_with = "body::object")]
    rate_limit: Option<RateBody>,
    /// When it stops: a date (00:00:00Z at its start) or an instant.
    #[serde(default)]
    #[schemars(with = "Option<shape::Expiry>")]
    expires_at: Option<String>,
    /// The member for whom the platform acts.
    #[serde(default, deserialize_with = "body::object")]
    on_behalf_of: Option<OnBehalfOf>,
}

/// An act that needs nothing more.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Act {
    /// The member for whom the platform acts.
    #[serde(default, deserialize_with = "body::object")]
    on_behalf_of: Option<OnBehalfOf>,
}

/// A rotation.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "RotateCredential")]
#[serde(deny_unknown_fields)]
pub struct Rotate {
    /// How long the previous secret stays: `0s`, `15m`, `24h`, `7d`. The scheme has the default.
    #[serde(default)]
    #[schemars(with = "Option<shape::Duration>")]
    overlap: Option<String>,
    /// The member for whom the platform acts.
    #[serde(default, deserialize_with = "body::object")]
    on_behalf_of: Option<OnBehalfOf>,
}

/// More time.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "ExtendOverlap")]
#[serde(deny_unknown_fields)]
pub struct Extend {
    /// The first instant at which the previous secret is refused.
    #[schemars(with = "shape::Instant")]
    until: String,
    /// The member for whom the platform acts.
    #[serde(default, deserialize_with = "body::object")]
    on_behalf_of: Option<OnBehalfOf>,
}

/// A copy.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "DuplicateCredential")]
#[serde(deny_unknown_fields)]
pub struct Duplicate {
    /// The copy's name.
    #[serde(default)]
    #[schemars(with = "Option<shape::Name>")]
    name: Option<String>,
    /// What the copy may do, if not the same.
    #[serde(default)]
    grant: Option<GrantBody>,
    /// The member for whom the platform acts.
    #[serde(default, deserialize_with = "body::object")]
    on_behalf_of: Option<OnBehalfOf>,
}

/// What changes; a field that is not there stays as it is.
#[expect(clippy::option_option, reason = "`null` and a missing field mean different things")]
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "UpdateCredential", extend("minProperties" = 1))]
#[serde(deny_unknown_fields)]
pub struct Update {
    /// The new name.
    #[serde(default)]
    #[schemars(with = "Option<shape::Name>")]
    name: Option<String>,
    /// What it may do from now on.
    #[serde(default)]
    grant: Option<GrantBody>,
    /// From where.
    #[serde(default)]
    #[schemars(with = "Option<Vec<shape::AddressRange>>")]
    addresses: Option<Vec<String>>,
    /// What becomes of requests from elsewhere: `enforce` or `report`.
    #[serde(default)]
    #[schemars(with = "Option<shape::AddressModeName>")]
    address_mode: Option<String>,
    /// A limit of its own; `null` goes back to the scheme's.
    #[serde(default, deserialize_with = "present_object")]
    #[schemars(with = "Option<RateBody>")]
    rate_limit: Option<Option<RateBody>>,
    /// When it stops; `null` for never.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Option<shape::Expiry>")]
    expires_at: Option<Option<String>>,
    /// The member for whom the platform acts.
    #[serde(default, deserialize_with = "body::object")]
    on_behalf_of: Option<OnBehalfOf>,
}

impl Create {
    pub(super) fn resolve(&self, scheme: &Scheme) -> Result<NewCredential, Problem> {
        Ok(NewCredential {
            kind: self.kind.clone(),
            environment: body::environment(&self.environment)?,
            name: self.name.clone(),
            grant: self.grant.as_ref().map(|grant| grant.resolve(scheme)).transpose()?,
            addresses: body::addresses(&self.addresses)?,
            address_mode: self
                .address_mode
                .as_deref()
                .map(body::address_mode)
                .transpose()?
                .unwrap_or_default(),
            rate: self.rate_limit.map(RateBody::checked).transpose()?,
            expires_at: self.expires_at.as_deref().map(body::expiry).transpose()?,
        })
    }
}

impl Update {
    /// The changes in the order in which they are made; each is an act of its own, all or none.
    fn resolve(&self, scheme: &Scheme) -> Result<Vec<Change>, Problem> {
        let mut changes = Vec::new();
        changes.extend(self.name.clone().map(Change::Rename));
        let edit = Edit {
            grant: self.grant.as_ref().map(|grant| grant.resolve(scheme)).transpose()?,
            addresses: self.addresses.as_deref().map(body::addresses).transpose()?,
            address_mode: self.address_mode.as_deref().map(body::address_mode).transpose()?,
            rate: self
                .rate_limit
                .map(|rate| rate.map(RateBody::checked).transpose())
                .transpose()?,
        };
        if edit.is_something() {
            changes.push(Change::Edit(edit));
        }
        if let Some(at) = &self.expires_at {
            let at = at.as_deref().map(body::expiry).transpose()?;
            changes.push(Change::Expire(at));
        }
        if changes.is_empty() {
            return Err(Problem::invalid("", "the body names nothing to change"));
        }
        Ok(changes)
    }
}

/// A realm and an account in it: what all functions below act within.
pub(super) struct Place {
    pub(super) realm: Arc<Realm>,
    pub(super) account: AccountId,
}

impl Place {
    fn of_merchant(call: &Call) -> Result<Self, Problem> {
        Ok(Self { realm: Arc::clone(&call.app.platform), account: call.account()? })
    }
}

/// Reads a page of credentials.
pub(super) async fn list_in(call: Call, place: Place) -> Result<Reply, Problem> {
    let (limit, before) = call.page()?;
    let revoked = call.parameter("revoked", "it is `true` or `false`", |text| text.parse().ok())?;
    let filter = Filter {
        environment: call.parameter("environment", "it is `test` or `live`", Environment::parse)?,
        kind: call.given("kind").map(str::to_owned),
        revoked: revoked.unwrap_or(false),
        before: before.map(CredentialId),
    };
    let (now, rules) = (call.now(), place.realm.rules.clone());
    let account = place.account;
    let (entries, last) = call
        .app
        .db
        .read(move |tx| {
            if keyway_store::accounts::find(tx, account)?.is_none() {
                return Err(Error::NotFound("account"));
            }
            let page = credentials::page(tx, &rules, account, &filter, limit)?;
            let last = page.last().map(|credential| credential.id.0);
            let ages = OwnDays::of(tx, account)?;
            let entries = page.iter().map(|credential| {
                let seen = store_usage::seen(tx, credential.id)?;
                Ok(view::credential(credential, &rules.scheme, &seen, ages, now))
            });
            Ok((entries.collect::<Result<Vec<_>, DbError>>()?, last))
        })
        .await?;
    Ok(call.page_reply(entries, limit, last))
}

/// Reads one credential.
pub(super) async fn one_in(call: Call, place: Place) -> Result<Reply, Problem> {
    let id = call.credential()?;
    let (now, rules) = (call.now(), place.realm.rules.clone());
    let quotas = place.realm.engine.quotas().cloned();
    let shown = call
        .app
        .db
        .read(move |tx| {
            let found = credentials::find(tx, &rules, place.account, id)?;
            let credential = found.ok_or(Error::NotFound("credential"))?;
            let seen = store_usage::seen(tx, id)?;
            let ages = OwnDays::of(tx, place.account)?;
            let reports = store_usage::reports(tx, id)?;
            let subject = Subject {
                credential: id,
                account: place.account,
                environment: credential.environment,
            };
            let quotas = quotas.as_ref().map(|quotas| quotas.standings(tx, subject, now));
            let quotas = quotas.transpose()?.unwrap_or_default();
            Ok::<_, Error>(view::Credential {
                address_reports: Some(reports.into_iter().map(view::AddressReport::from).collect()),
                quotas: Some(quotas.into_iter().map(view::Quota::from).collect()),
                ..view::credential(&credential, &rules.scheme, &seen, ages, now)
            })
        })
        .await?;
    Ok(said(&shown))
}

/// Makes a credential.
pub(super) async fn create_in(
    call: Call,
    caller: Caller,
    place: Place,
    new: NewCredential,
    on_behalf_of: Option<OnBehalfOf>,
) -> Result<Reply, Problem> {
    let realm = Arc::clone(&place.realm);
    call.mutate(&caller, &realm, on_behalf_of, StatusCode::CREATED, move |tx, moment| {
        let made = commands::credentials::create(tx, moment, place.account, new.clone())?;
        done(tx, moment, &made.0, Some(&made.1))
    })
    .await
}

/// Gives a credential a new secret.
pub(super) async fn rotate_in(call: Call, caller: Caller, place: Place) -> Result<Reply, Problem> {
    let id = call.credential()?;
    let body: Rotate = body::read(&call.body)?;
    let overlap =
        body.overlap.as_deref().map(|text| body::duration("overlap", text)).transpose()?;
    let realm = Arc::clone(&place.realm);
    call.mutate(&caller, &realm, body.on_behalf_of, StatusCode::OK, move |tx, moment| {
        let made = commands::credentials::rotate(tx, moment, place.account, id, overlap)?;
        done(tx, moment, &made.0, Some(&made.1))
    })
    .await
}

/// Changes what the body names.
pub(super) async fn update_in(call: Call, caller: Caller, place: Place) -> Result<Reply, Problem> {
    let body: Update = body::read(&call.body)?;
    let changes = body.resolve(&place.realm.rules.scheme)?;
    change_in(call, caller, place, body.on_behalf_of, changes).await
}

/// Does an act that needs nothing more than itself.
pub(super) async fn act_in(
    call: Call,
    caller: Caller,
    place: Place,
    change: Change,
) -> Result<Reply, Problem> {
    let body: Act = body::read(&call.body)?;
    change_in(call, caller, place, body.on_behalf_of, vec![change]).await
}

async fn change_in(
    call: Call,
    caller: Caller,
    place: Place,
    on_behalf_of: Option<OnBehalfOf>,
    changes: Vec<Change>,
) -> Result<Reply, Problem> {
    let id = call.credential()?;
    let realm = Arc::clone(&place.realm);
    call.mutate(&caller, &realm, on_behalf_of, StatusCode::OK, move |tx, moment| {
        let mut changed = None;
        for change in &changes {
            let after =
                commands::credentials::change(tx, moment, place.account, id, change.clone())?;
            changed = Some(after);
        }
        done(tx, moment, &changed.ok_or(Error::NotFound("credential"))?, None)
    })
    .await
}

fn done(
    tx: &mut Tx<'_>,
    moment: &Moment,
    credential: &Credential,
    shown: Option<&Shown>,
) -> Result<Done, Error> {
    let scheme = &moment.realm.rules.scheme;
    let seen = store_usage::seen(tx, credential.id)?;
    let ages = OwnDays::of(tx, credential.account)?;
    Ok(Done {
        body: value(&view::credential(credential, scheme, &seen, ages, moment.now)),
        shown: shown.map(|shown| view::shown(shown, &credential.kind, scheme)),
    })
}

/// `GET …/credentials`
pub async fn list(call: Call, _: Caller) -> Result<Reply, Problem> {
    let place = Place::of_merchant(&call)?;
    list_in(call, place).await
}

/// `GET …/credentials/{credential}`
pub async fn get(call: Call, _: Caller) -> Result<Reply, Problem> {
    let place = Place::of_merchant(&call)?;
    one_in(call, place).await
}

/// `POST …/credentials`
pub async fn create(call: Call, caller: Caller) -> Result<Reply, Problem> {
    let place = Place::of_merchant(&call)?;
    let body: Create = body::read(&call.body)?;
    let new = body.resolve(&place.realm.rules.scheme)?;
    create_in(call, caller, place, new, body.on_behalf_of).await
}

/// `PATCH …/credentials/{credential}`
pub async fn update(call: Call, caller: Caller) -> Result<Reply, Problem> {
    let place = Place::of_merchant(&call)?;
    update_in(call, caller, place).await
}

/// `POST …/rotate`
pub async fn rotate(call: Call, caller: Caller) -> Result<Reply, Problem> {
    let place = Place::of_merchant(&call)?;
    rotate_in(call, caller, place).await
}

/// `POST …/reveal`
pub async fn reveal(call: Call, caller: Caller) -> Result<Reply, Problem> {
    let place = Place::of_merchant(&call)?;
    let id = call.credential()?;
    let body: Act = body::read(&call.body)?;
    let realm = Arc::clone(&place.realm);
    call.mutate(&caller, &realm, body.on_behalf_of, StatusCode::OK, move |tx, moment| {
        let (credential, shown) = commands::credentials::reveal(tx, moment, place.account, id)?;
        done(tx, moment, &credential, Some(&shown))
    })
    .await
}

/// `POST …/regenerate`
pub async fn regenerate(call: Call, caller: Caller) -> Result<Reply, Problem> {
    let place = Place::of_merchant(&call)?;
    let id = call.credential()?;
    let body: Act = body::read(&call.body)?;
    let realm = Arc::clone(&place.realm);
    call.mutate(&caller, &realm, body.on_behalf_of, StatusCode::OK, move |tx, moment| {
        let (credential, shown) = commands::credentials::regenerate(tx, moment, place.account, id)?;
        done(tx, moment, &credential, Some(&shown))
    })
    .await
}

/// `POST …/duplicate`
pub async fn duplicate(call: Call, caller: Caller) -> Result<Reply, Problem> {
    let place = Place::of_merchant(&call)?;
    let id = call.credential()?;
    let body: Duplicate = body::read(&call.body)?;
    let scheme = &place.realm.rules.scheme;
    let grant = body.grant.as_ref().map(|grant| grant.resolve(scheme)).transpose()?;
    let realm = Arc::clone(&place.realm);
    call.mutate(&caller, &realm, body.on_behalf_of, StatusCode::CREATED, move |tx, moment| {
        let name = body.name.clone();
        let made = commands::credentials::duplicate(tx, moment, place.account, id, name, grant)?;
        done(tx, moment, &made.0, Some(&made.1))
    })
    .await
}

/// `POST …/extend`
pub async fn extend(call: Call, caller: Caller) -> Result<Reply, Problem> {
    let place = Place::of_merchant(&call)?;
    let body: Extend = body::read(&call.body)?;
    let until = Time::parse(&body.until).ok_or_else(|| {
        Problem::invalid("until", "not an instant; write it like 2026-12-31T00:00:00Z")
    })?;
    change_in(call, caller, place, body.on_behalf_of, vec![Change::Extend(until)]).await
}

/// `POST …/finish`
pub async fn finish(call: Call, caller: Caller) -> Result<Reply, Problem> {
    let place = Place::of_merchant(&call)?;
    act_in(call, caller, place, Change::Finish).await
}

/// `POST …/rollback`
pub async fn roll_back(call: Call, caller: Caller) -> Result<Reply, Problem> {
    let place = Place::of_merchant(&call)?;
    act_in(call, caller, place, Change::RollBack).await
}

/// `POST …/revoke`
pub async fn revoke(call: Call, caller: Caller) -> Result<Reply, Problem> {
    let place = Place::of_merchant(&call)?;
    act_in(call, caller, place, Change::Revoke).await
}

/// `POST …/delete`
pub async fn delete(call: Call, caller: Caller) -> Result<Reply, Problem> {
    let place = Place::of_merchant(&call)?;
    act_in(call, caller, place, Change::Delete).await
}
