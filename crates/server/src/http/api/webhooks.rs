//! Endpoints and their deliveries over HTTP.

use http::StatusCode;
use keyway_domain::Environment;
use keyway_domain::endpoint::Endpoint;
use keyway_domain::id::{AccountId, DeliveryId, EndpointId};
use keyway_domain::time::{Time, parse_duration};
use keyway_secret::SecretText;
use keyway_store::deliveries::{self, Attempt, Delivery, Filter, Replayed, State};
use keyway_store::{Tx, accounts, endpoints};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Call, Caller, Done, Problem, Reply, json_reply};
use crate::commands::endpoints::{self as commands, Edit, NewEndpoint};
use crate::commands::{Error, Moment};
use crate::http::body::{self, OnBehalfOf};

/// An endpoint to add.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// `test` or `live`: whose credentials' events it hears.
    environment: String,
    /// Where messages go: `https`, on a public address.
    url: String,
    /// What it is for.
    #[serde(default)]
    about: String,
    /// Which events, by name; `api_key.*` is all that start so. Without any, those that the scheme's
    /// notices say.
    #[serde(default)]
    events: Vec<String>,
    /// Whom the platform's backend acts for.
    #[serde(default)]
    on_behalf_of: Option<OnBehalfOf>,
}

/// What of an endpoint changes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Update {
    /// Where messages go.
    #[serde(default)]
    url: Option<String>,
    /// What it is for.
    #[serde(default)]
    about: Option<String>,
    /// Which events.
    #[serde(default)]
    events: Option<Vec<String>>,
    /// Whether it hears them. One that was switched off for failing is switched on again here.
    #[serde(default)]
    enabled: Option<bool>,
    /// Whom the platform's backend acts for.
    #[serde(default)]
    on_behalf_of: Option<OnBehalfOf>,
}

/// A new secret for an endpoint.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rotate {
    /// How long the secret before signs along: `0s` to `7d`; a day if it is left out.
    #[serde(default)]
    overlap: Option<String>,
    /// Whom the platform's backend acts for.
    #[serde(default)]
    on_behalf_of: Option<OnBehalfOf>,
}

/// Something that is done to an endpoint.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Act {
    /// Whom the platform's backend acts for.
    #[serde(default)]
    on_behalf_of: Option<OnBehalfOf>,
}

/// Messages to send again.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Replay {
    /// Those made at this instant or later.
    since: String,
    /// And before this one; all since, if it is left out.
    #[serde(default)]
    until: Option<String>,
    /// Only those that are `delivered`, `failed` or `waiting`.
    #[serde(default)]
    state: Option<String>,
    /// Only those before this delivery: the `more_before` of the answer to go on from.
    #[serde(default)]
    before: Option<String>,
    /// Whom the platform's backend acts for.
    #[serde(default)]
    on_behalf_of: Option<OnBehalfOf>,
}

fn endpoint_id(call: &Call) -> Result<EndpointId, Problem> {
    let text = call.params.get("endpoint").map_or("", String::as_str);
    EndpointId::parse(text).ok_or_else(|| Problem::not_found("endpoint"))
}

fn delivery_id(call: &Call) -> Result<DeliveryId, Problem> {
    let text = call.params.get("delivery").map_or("", String::as_str);
    DeliveryId::parse(text).ok_or_else(|| Problem::not_found("delivery"))
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
        Err(why) => Err(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "webhooks_unavailable",
            why.to_string(),
        )),
    }
}

fn shown(endpoint: &Endpoint, now: Time) -> Value {
    let secrets: Vec<Value> = endpoint
        .signing(now)
        .map(|secret| {
            json!({
                "number": secret.number,
                "created_at": secret.created_at,
                "signs_until": secret.ends_at,
            })
        })
        .collect();
    json!({
        "id": endpoint.id,
        "account": endpoint.account,
        "environment": endpoint.environment.as_str(),
        "url": endpoint.url,
        "about": endpoint.about,
        "events": endpoint.events,
        "state": endpoint.state,
        "state_at": endpoint.state_at,
        "failing_since": endpoint.failing_since,
        "created_at": endpoint.created_at,
        "signing_secrets": secrets,
        "secret": null,
        "secret_shown": false,
    })
}

fn done(endpoint: &Endpoint, secret: Option<&SecretText>, now: Time) -> Done {
    let shown_once = secret.map(|secret| json!({ "signing_secret": secret.reveal() }));
    Done { body: shown(endpoint, now), shown: shown_once }
}

fn shown_delivery(delivery: &Delivery) -> Value {
    json!({
        "id": delivery.id,
        "endpoint": delivery.endpoint,
        "event": delivery.event,
        "type": delivery.kind,
        "state": delivery.state.as_str(),
        "attempts": delivery.attempts,
        "due_at": (delivery.state == State::Waiting).then_some(delivery.due_at),
        "created_at": delivery.created_at,
        "done_at": delivery.done_at,
    })
}

fn shown_attempt(attempt: &Attempt) -> Value {
    json!({
        "number": attempt.number,
        "at": attempt.at,
        "took_ms": attempt.took_ms,
        "address": attempt.address,
        "status": attempt.status,
        "trouble": attempt.trouble,
        "request": attempt.request,
        "answer": attempt.answer,
    })
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
    let data: Vec<Value> = read.await?.iter().map(|endpoint| shown(endpoint, now)).collect();
    Ok(json_reply(StatusCode::OK, json!({ "data": data, "next_cursor": null }).to_string()))
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

async fn one(call: &Call) -> Result<Endpoint, Problem> {
    let (account, id) = (call.account()?, endpoint_id(call)?);
    let seals = call.app.platform.rules.seals.clone();
    let found = call.app.db.read(move |tx| endpoints::find(tx, &seals, account, id)).await?;
    found.ok_or_else(|| Problem::not_found("endpoint"))
}

/// `GET …/webhooks/{endpoint}`
pub async fn get(call: Call, _: Caller) -> Result<Reply, Problem> {
    let endpoint = one(&call).await?;
    Ok(json_reply(StatusCode::OK, shown(&endpoint, call.now()).to_string()))
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
async fn act(
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
        Ok(shown(&endpoint, moment.now))
    })
    .await
}

/// `POST …/webhooks/{endpoint}/delete`
pub async fn delete(call: Call, caller: Caller) -> Result<Reply, Problem> {
    act(call, caller, |tx, moment, account, id| {
        commands::remove(tx, moment, account, id)?;
        Ok(json!({ "id": id, "state": "removed" }))
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
        let body = json!({ "id": id, "messages": messages, "more_before": more_before });
        Ok(Done { body, shown: None })
    })
    .await
}

/// `POST …/webhooks/{endpoint}/deliveries/{delivery}/replay`
pub async fn replay_one(call: Call, caller: Caller) -> Result<Reply, Problem> {
    let delivery = delivery_id(&call)?;
    act(call, caller, move |tx, moment, account, id| {
        commands::replay_one(tx, moment, account, (id, delivery))?;
        Ok(json!({ "id": delivery, "state": "waiting" }))
    })
    .await
}

fn state(text: Option<&str>) -> Result<Option<State>, Problem> {
    text.map(|text| {
        let bad = || Problem::invalid("state", "it is `waiting`, `delivered` or `failed`");
        State::parse(text).ok_or_else(bad)
    })
    .transpose()
}

/// `GET …/webhooks/{endpoint}/deliveries`
pub async fn deliveries(call: Call, _: Caller) -> Result<Reply, Problem> {
    let endpoint = one(&call).await?.id;
    let query = call.query(&["limit", "cursor", "state", "since", "until"])?;
    let (limit, before) = call.page(&query)?;
    let at = |name: &str| query.get(name).map(|text| instant(name, text)).transpose();
    let filter = Filter {
        state: state(query.get("state").map(String::as_str))?,
        since: at("since")?,
        until: at("until")?,
        before: before.map(DeliveryId),
    };
    let read = move |tx: &mut Tx<'_>| deliveries::page(tx, endpoint, &filter, limit);
    let page = call.app.db.read(read).await?;
    let last = page.last().map(|delivery| delivery.id.0);
    let entries: Vec<Value> = page.iter().map(shown_delivery).collect();
    Ok(call.page_reply(&entries, limit, last))
}

/// `GET …/webhooks/{endpoint}/deliveries/{delivery}`
pub async fn delivery(call: Call, _: Caller) -> Result<Reply, Problem> {
    let (endpoint, id) = (one(&call).await?.id, delivery_id(&call)?);
    let read = move |tx: &mut Tx<'_>| {
        let found = deliveries::find(tx, endpoint, id)?.ok_or(Error::NotFound("delivery"))?;
        Ok::<_, Error>((found, deliveries::attempts(tx, id)?))
    };
    let (found, attempts) = call.app.db.read(read).await?;
    let mut body = shown_delivery(&found);
    if let Some(fields) = body.as_object_mut() {
        fields.insert("payload".to_owned(), json!(found.payload));
        fields.insert("log".to_owned(), attempts.iter().map(shown_attempt).collect());
    }
    Ok(json_reply(StatusCode::OK, body.to_string()))
}
