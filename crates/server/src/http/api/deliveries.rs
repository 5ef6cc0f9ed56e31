//! What went to an endpoint, over HTTP.

use keyway_domain::id::{DeliveryId, EndpointId};
use keyway_domain::time::Time;
use keyway_store::Tx;
use keyway_store::deliveries::{self, Attempt, Delivery, Filter, State};
use schemars::JsonSchema;
use serde::Serialize;

use super::webhooks::{Became, act, one};
use super::{Call, Caller, Problem, Reply, said, value};
use crate::commands::Error;
use crate::commands::endpoints as commands;
use crate::http::openapi::shapes as shape;

/// What a delivery's state is.
pub(super) const STATES: &str = "it is `waiting`, `delivered` or `failed`";

/// A message on its way to an endpoint.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Delivery")]
pub struct Shown {
    /// Its id.
    #[schemars(with = "shape::DeliveryId")]
    id: DeliveryId,
    /// Where to.
    #[schemars(with = "shape::EndpointId")]
    endpoint: EndpointId,
    /// The event's id: what the receiver knows the message by, however often it comes.
    #[schemars(with = "shape::EventId")]
    event: String,
    /// The event's name.
    #[serde(rename = "type")]
    #[schemars(with = "shape::EventName")]
    kind: String,
    /// How far it is.
    #[schemars(with = "shape::DeliveryState")]
    state: &'static str,
    /// How often it was tried.
    #[schemars(example = 1)]
    attempts: u32,
    /// When it is tried next, while it waits.
    #[schemars(with = "Option<shape::Instant>")]
    due_at: Option<Time>,
    /// When it was made.
    #[schemars(with = "shape::Instant")]
    created_at: Time,
    /// When it arrived or was given up.
    #[schemars(with = "Option<shape::Instant>")]
    done_at: Option<Time>,
}

/// A message, with each attempt to deliver it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DeliveryWithLog")]
pub struct WithLog {
    /// The message.
    #[serde(flatten)]
    delivery: Shown,
    /// Its body, the same at every attempt.
    #[schemars(example = &"{}")]
    payload: String,
    /// The attempts, newest first.
    log: Vec<Try>,
}

/// An attempt to deliver a message.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Attempt")]
struct Try {
    /// Its number, from 1.
    #[schemars(example = 1)]
    number: u32,
    /// When it began.
    #[schemars(with = "shape::Instant")]
    at: Time,
    /// How long it took, in milliseconds.
    #[schemars(example = 120)]
    took_ms: i64,
    /// The address that was called.
    address: Option<String>,
    /// The status of the answer.
    #[schemars(example = 204)]
    status: Option<u16>,
    /// Why there was no answer.
    trouble: Option<String>,
    /// The request's headers; the body is the message's payload.
    #[schemars(example = &"POST /keyway HTTP/1.1")]
    request: String,
    /// The answer, cut short.
    #[schemars(example = &"HTTP/1.1 204 No Content")]
    answer: String,
}

fn shown(delivery: &Delivery) -> Shown {
    Shown {
        id: delivery.id,
        endpoint: delivery.endpoint,
        event: delivery.event.clone(),
        kind: delivery.kind.clone(),
        state: delivery.state.as_str(),
        attempts: delivery.attempts,
        due_at: (delivery.state == State::Waiting).then_some(delivery.due_at),
        created_at: delivery.created_at,
        done_at: delivery.done_at,
    }
}

impl From<Attempt> for Try {
    fn from(attempt: Attempt) -> Self {
        let Attempt { number, at, took_ms, address, status, trouble, request, answer } = attempt;
        Self { number, at, took_ms, address, status, trouble, request, answer }
    }
}

fn delivery_id(call: &Call) -> Result<DeliveryId, Problem> {
    let text = call.params.get("delivery").map_or("", String::as_str);
    DeliveryId::parse(text).ok_or_else(|| Problem::not_found("delivery"))
}

/// `GET …/webhooks/{endpoint}/deliveries`
pub async fn list(call: Call, _: Caller) -> Result<Reply, Problem> {
    let endpoint = one(&call).await?.id;
    let (limit, before) = call.page()?;
    let filter = Filter {
        state: call.parameter("state", STATES, State::parse)?,
        since: call.instant("since")?,
        until: call.instant("until")?,
        before: before.map(DeliveryId),
    };
    let read = move |tx: &mut Tx<'_>| deliveries::page(tx, endpoint, &filter, limit);
    let page = call.app.db.read(read).await?;
    let last = page.last().map(|delivery| delivery.id.0);
    Ok(call.page_reply(page.iter().map(shown).collect(), limit, last))
}

/// `GET …/webhooks/{endpoint}/deliveries/{delivery}`
pub async fn get(call: Call, _: Caller) -> Result<Reply, Problem> {
    let (endpoint, id) = (one(&call).await?.id, delivery_id(&call)?);
    let read = move |tx: &mut Tx<'_>| {
        let found = deliveries::find(tx, endpoint, id)?.ok_or(Error::NotFound("delivery"))?;
        Ok::<_, Error>((found, deliveries::attempts(tx, id)?))
    };
    let (found, attempts) = call.app.db.read(read).await?;
    Ok(said(&WithLog {
        delivery: shown(&found),
        payload: found.payload,
        log: attempts.into_iter().map(Try::from).collect(),
    }))
}

/// `POST …/webhooks/{endpoint}/deliveries/{delivery}/replay`
pub async fn replay(call: Call, caller: Caller) -> Result<Reply, Problem> {
    let delivery = delivery_id(&call)?;
    act(call, caller, move |tx, moment, account, id| {
        commands::replay_one(tx, moment, account, (id, delivery))?;
        Ok(value(&Became { id: delivery, state: "waiting" }))
    })
    .await
}
