//! Endpoints and their deliveries over HTTP.

use http::StatusCode;
use keyway_domain::Environment;
use keyway_domain::endpoint::{self, Endpoint};
use keyway_domain::id::{AccountId, DeliveryId, EndpointId};
use keyway_domain::time::{Time, parse_duration};
use keyway_secret::SecretText;
use keyway_store::deliveries::{Filter, Replayed, State};
use keyway_store::{Tx, accounts, endpoints};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Call, Caller, Done, Problem, Reply, deliveries, said, value, view};
use crate::codes::Code;
use crate::commands::endpoints::{self as commands, EVENTS_MAX, Edit, NewEndpoint};
use crate::commands::{Error, Moment};
use crate::http::body::{self, OnBehalfOf};
use crate::http::openapi::shapes as shape;

/// An endpoint to add.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "CreateEndpoint")]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// Whose credentials' events it hears.
    #[schemars(with = "shape::Environment")]
    environment: String,
    /// Where messages go: `https`, on a public address.
    #[schemars(with = "shape::EndpointUrl")]
    url: String,
    /// What it is for.
    #[serde(default)]
    #[schemars(with = "shape::About")]
    about: String,
    /// Which events, by name; `api_key.*` is all that start so. Without any, those that the scheme's
    /// notices say.
    #[serde(default)]
    #[schemars(with = "Vec<shape::EventChoice>", length(max = EVENTS_MAX))]
    events: Vec<String>,
    /// Whom the platform's backend acts for.
    #[serde(default, deserialize_with = "body::object")]
    on_behalf_of: Option<OnBehalfOf>,
}

/// What of an endpoint changes.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "UpdateEndpoint")]
#[serde(deny_unknown_fields)]
pub struct Update {
    /// Where messages go.
    #[serde(default)]
    #[schemars(with = "Option<shape::EndpointUrl>")]
    url: Option<String>,
    /// What it is for.
    #[serde(default)]
    #[schemars(with = "Option<shape::About>")]
    about: Option<String>,
    /// Which events.
    #[serde(default)]
    #[schemars(with = "Option<Vec<shape::EventChoice>>")]
    events: Option<Vec<String>>,
    /// Whether it hears them. One that was switched off for failing is switched on again here.
    #[serde(default)]
    enabled: Option<bool>,
    /// Whom the platform's backend acts for.
    #[serde(default, deserialize_with = "body::object")]
    on_behalf_of: Option<OnBehalfOf>,
}

/// A new secret for an endpoint.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "RotateEndpointSecret")]
#[serde(deny_unknown_fields)]
pub struct Rotate {
    /// How long the secret before signs along: `0s` to `7d`; a day if it is left out.
    #[serde(default)]
    #[schemars(with = "Option<shape::Duration>")]
    overlap: Option<String>,
    /// Whom the platform's backend acts for.
    #[serde(default, deserialize_with = "body::object")]
    on_behalf_of: Option<OnBehalfOf>,
}

/// Something that is done to an endpoint.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "ActOnEndpoint")]
#[serde(deny_unknown_fields)]
pub struct Act {
    /// Whom the platform's backend acts for.
    #[serde(default, deserialize_with = "body::object")]
    on_behalf_of: Option<OnBehalfOf>,
}

/// Messages to send again.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "ReplayDeliveries")]
#[serde(deny_unknown_fields)]
pub struct Replay {
    /// Those made at this instant or later.
    #[schemars(with = "shape::Instant")]
    since: String,
    /// And before this one; all since, if it is left out.
    #[serde(default)]
    #[schemars(with = "Option<shape::Instant>")]
    until: Option<String>,
    /// Only those in this state.
    #[serde(default)]
    #[schemars(with = "Option<shape::DeliveryState>")]
    state: Option<String>,
    /// Only those before this delivery: the `more_before` of the answer to go on from.
    #[serde(default)]
    #[schemars(with = "Option<shape::DeliveryId>")]
    before: Option<String>,
    /// Whom the platform's backend acts for.
    #[serde(default, deserialize_with = "body::object")]
    on_behalf_of: Option<OnBehalfOf>,
}

fn endpoint_id(call: &Call) -> Result<EndpointId, Problem> {
    let text = call.params.get("endpoint").map_or("", String::as_str);
    EndpointId::parse(text).ok_or_else(|| Problem::not_found("endpoint"))
}

fn instant(field: &str, text: &str) -> Result<Time, Problem> {
    Time::parse(text).ok_or_else(|| {
        Problem::invalid(field, "not an instant; write it like 2026-12-31T00:00:00Z")
    })
}

fn before(text: &str) -> Result<DeliveryId, Problem> {
    let bad = || Problem::invalid("before", "it is a delivery's id (`dlv_…`)");
    DeliveryId::parse(text).ok_or_else(bad)
}

/// A URL that can be called, as it is then written.
fn checked_url(call: &Call, url: &str) -> Result<String, Problem> {
    match &call.app.outbound {
        Ok(outbound) => match outbound.check(url) {
            Ok(parsed) => Ok(parsed.as_str().to_owned()),
            Err(why) => Err(Problem::invalid("url", why.to_string())),
        },
        Err(why) => Err(Problem::new(Code::WebhooksUnavailable, why.to_string())),
    }
}

/// Where an account's programs hear of events.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Endpoint")]
pub struct Shown {
    /// Its id.
    #[schemars(with = "shape::EndpointId")]
    id: EndpointId,
    /// Whose it is.
    #[schemars(with = "shape::AccountId")]
    account: AccountId,
    /// Whose credentials' events it hears.
    #[schemars(with = "shape::Environment")]
    environment: &'static str,
    /// Where messages go.
    #[schemars(with = "shape::EndpointUrl")]
    url: String,
    /// What it is for.
    #[schemars(example = &"The shop's backend")]
    about: String,
    /// Which events; empty for those that the scheme's notices say.
    #[schemars(example = ["api_key.*"])]
    events: Vec<String>,
    /// Whether it hears them: `on`, `off`, `gone` (it said so), or `failing` (switched off for it).
    #[schemars(with = "String", example = &"on")]
    state: endpoint::State,
    /// Since when.
    #[schemars(with = "shape::Instant")]
    state_at: Time,
    /// Since when nothing has arrived there, while that is so.
    #[schemars(with = "Option<shape::Instant>")]
    failing_since: Option<Time>,
    /// When it was made.
    #[schemars(with = "shape::Instant")]
    created_at: Time,
    /// What messages to it are signed with.
    signing_secrets: Vec<SigningSecret>,
    /// The new signing secret, in the answer that made it; `null` in every other.
    secret: Option<NewSigningSecret>,
    /// Whether `secret` is there.
    secret_shown: bool,
}

/// A signing secret, by what may be known of it.
#[derive(Serialize, JsonSchema)]
struct SigningSecret {
    /// Its number within the endpoint, from 1.
    #[schemars(example = 1)]
    number: u32,
    /// When it was made.
    #[schemars(with = "shape::Instant")]
    created_at: Time,
    /// Until when it signs along, after a newer one came.
    #[schemars(with = "Option<shape::Instant>")]
    signs_until: Option<Time>,
}

/// A new signing secret.
#[derive(Serialize, JsonSchema)]
struct NewSigningSecret {
    /// The secret, as Standard Webhooks has it.
    #[schemars(example = &"(shown in this answer and nowhere else)")]
    signing_secret: String,
}

fn shown(endpoint: &Endpoint, now: Time) -> Shown {
    let secrets = endpoint.signing(now).map(|secret| SigningSecret {
        number: secret.number,
        created_at: secret.created_at,
        signs_until: secret.ends_at,
    });
    Shown {
        id: endpoint.id,
        account: endpoint.account,
        environment: endpoint.environment.as_str(),
        url: endpoint.url.clone(),
        about: endpoint.about.clone(),
        events: endpoint.events.clone(),
        state: endpoint.state,
        state_at: endpoint.state_at,
        failing_since: endpoint.failing_since,
        created_at: endpoint.created_at,
        signing_secrets: secrets.collect(),
        secret: None,
        secret_shown: false,
    }
}

fn done(endpoint: &Endpoint, secret: Option<&SecretText>, now: Time) -> Done {
    let shown_once = secret.map(|secret| NewSigningSecret {
        // Into the one answer that shows it.
        signing_secret: secret.reveal().to_owned(),
    });
    Done { body: value(&shown(endpoint, now)), shown: shown_once.as_ref().map(value) }
}

/// What became of a thing, where there is no more to say of it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "{Id}Became")]
pub struct Became<Id> {
    /// Which.
    pub(super) id: Id,
    /// What it is now.
    #[schemars(example = &"waiting")]
    pub(super) state: &'static str,
}

/// How many messages are sent again.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ReplayedDeliveries")]
pub struct Again {
    /// To which endpoint.
    #[schemars(with = "shape::EndpointId")]
    id: EndpointId,
    /// How many.
    #[schemars(example = 17)]
    messages: u64,
    /// The `before` to go on with, if there are more.
    #[schemars(with = "Option<shape::DeliveryId>")]
    more_before: Option<DeliveryId>,
}

fn account_there(tx: &mut Tx<'_>, account: AccountId) -> Result<(), Error> {
    accounts::find(tx, account)?.map(drop).ok_or(Error::NotFound("account"))
}

/// `GET /v1/accounts/{account}/webhooks`
pub async fn list(call: Call, _: Caller) -> Result<Reply, Problem> {
    let account = call.account()?;
    let seals = call.app.platform.rules.seals.clone();
    let read = call.app.db.read(move |tx| {
        account_there(tx, account)?;
        Ok::<_, Error>(endpoints::list(tx, &seals, account)?)
    });
    let now = call.now();
    let data = read.await?.iter().map(|endpoint| shown(endpoint, now)).collect();
    Ok(said(&view::Page { data, next_cursor: None }))
}

/// `POST /v1/accounts/{account}/webhooks`
pub async fn create(call: Call, caller: Caller) -> Result<Reply, Problem> {
    let account = call.account()?;
    let body: Create = body::read(&call.body)?;
    let environment = Environment::parse(&body.environment)
        .ok_or_else(|| Problem::invalid("environment", "it is `test` or `live`"))?;
    let url = checked_url(&call, &body.url)?;
    let new = NewEndpoint { environment, url, about: body.about, events: body.events };
    let realm = call.app.platform.clone();
    call.mutate(&caller, &realm, body.on_behalf_of, StatusCode::CREATED, move |tx, moment| {
        let (endpoint, secret) = commands::create(tx, moment, account, new.clone())?;
        Ok(done(&endpoint, Some(&secret), moment.now))
    })
    .await
}

pub(super) async fn one(call: &Call) -> Result<Endpoint, Problem> {
    let (account, id) = (call.account()?, endpoint_id(call)?);
    let seals = call.app.platform.rules.seals.clone();
    let found = call.app.db.read(move |tx| endpoints::find(tx, &seals, account, id)).await?;
    found.ok_or_else(|| Problem::not_found("endpoint"))
}

/// `GET …/webhooks/{endpoint}`
pub async fn get(call: Call, _: Caller) -> Result<Reply, Problem> {
    let endpoint = one(&call).await?;
    Ok(said(&shown(&endpoint, call.now())))
}

/// `PATCH …/webhooks/{endpoint}`
pub async fn update(call: Call, caller: Caller) -> Result<Reply, Problem> {
    let (account, id) = (call.account()?, endpoint_id(&call)?);
    let body: Update = body::read(&call.body)?;
    let url = body.url.as_deref().map(|url| checked_url(&call, url)).transpose()?;
    let edit = Edit { url, about: body.about, events: body.events, on: body.enabled };
    let realm = call.app.platform.clone();
    call.mutate(&caller, &realm, body.on_behalf_of, StatusCode::OK, move |tx, moment| {
        let endpoint = commands::update(tx, moment, account, id, edit.clone())?;
        Ok(done(&endpoint, None, moment.now))
    })
    .await
}

/// `POST …/webhooks/{endpoint}/rotate`
pub async fn rotate(call: Call, caller: Caller) -> Result<Reply, Problem> {
    let (account, id) = (call.account()?, endpoint_id(&call)?);
    let body: Rotate = body::read(&call.body)?;
    let overlap_ms = body
        .overlap
        .as_deref()
        .map(|text| {
            let bad = || Problem::invalid("overlap", "write a duration such as `0s`, `1h` or `7d`");
            parse_duration(text).ok_or_else(bad)
        })
        .transpose()?;
    let realm = call.app.platform.clone();
    call.mutate(&caller, &realm, body.on_behalf_of, StatusCode::OK, move |tx, moment| {
        let (endpoint, secret) = commands::rotate(tx, moment, account, id, overlap_ms)?;
        Ok(done(&endpoint, Some(&secret), moment.now))
    })
    .await
}

/// Does something to an endpoint.
pub(super) async fn act(
    call: Call,
    caller: Caller,
    work: impl Fn(&mut Tx<'_>, &Moment, AccountId, EndpointId) -> Result<Value, Error> + Send + 'static,
) -> Result<Reply, Problem> {
    let (account, id) = (call.account()?, endpoint_id(&call)?);
    let body: Act = body::read(&call.body)?;
    let realm = call.app.platform.clone();
    call.mutate(&caller, &realm, body.on_behalf_of, StatusCode::OK, move |tx, moment| {
        Ok(Done { body: work(tx, moment, account, id)?, shown: None })
    })
    .await
}

/// `POST …/webhooks/{endpoint}/test`
pub async fn test(call: Call, caller: Caller) -> Result<Reply, Problem> {
    act(call, caller, |tx, moment, account, id| {
        let endpoint = commands::test(tx, moment, account, id)?;
        Ok(value(&shown(&endpoint, moment.now)))
    })
    .await
}

/// `POST …/webhooks/{endpoint}/delete`
pub async fn delete(call: Call, caller: Caller) -> Result<Reply, Problem> {
    act(call, caller, |tx, moment, account, id| {
        commands::remove(tx, moment, account, id)?;
        Ok(value(&Became { id, state: "removed" }))
    })
    .await
}

/// `POST …/webhooks/{endpoint}/replay`
pub async fn replay(call: Call, caller: Caller) -> Result<Reply, Problem> {
    let (account, id) = (call.account()?, endpoint_id(&call)?);
    let body: Replay = body::read(&call.body)?;
    let filter = Filter {
        state: state(body.state.as_deref())?,
        since: Some(instant("since", &body.since)?),
        until: body.until.as_deref().map(|text| instant("until", text)).transpose()?,
        before: body.before.as_deref().map(before).transpose()?,
    };
    let realm = call.app.platform.clone();
    call.mutate(&caller, &realm, body.on_behalf_of, StatusCode::OK, move |tx, moment| {
        let Replayed { messages, more_before } =
            commands::replay(tx, moment, account, id, &filter)?;
        let again = Again { id, messages, more_before };
        Ok(Done { body: value(&again), shown: None })
    })
    .await
}

fn state(text: Option<&str>) -> Result<Option<State>, Problem> {
    text.map(|text| {
        let bad = || Problem::invalid("state", deliveries::STATES);
        State::parse(text).ok_or_else(bad)
    })
    .transpose()
}
