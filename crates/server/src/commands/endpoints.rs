//! Everything that is done to endpoints: where an account's programs hear of events.

use keyway_domain::Environment;
use keyway_domain::actor::{Actor, NotPermitted};
use keyway_domain::endpoint::{Endpoint, EndpointSecret, State};
use keyway_domain::event::{Happened, Kind};
use keyway_domain::id::{AccountId, DeliveryId, EndpointId};
use keyway_domain::limits::{
    ENDPOINT_OVERLAP_MS_MAX, ENDPOINTS_PER_ACCOUNT_MAX, REPLAYED_AT_ONCE_MAX,
};
use keyway_domain::time::{DAY_MS, say_duration};
use keyway_secret::{OsEntropy, SecretText, new_webhook_secret};
use keyway_store::deliveries::{self, Filter, Replayed};
use keyway_store::{Tx, accounts, endpoints};
use serde_json::json;

use super::{Error, Moment};
use crate::codes::Code;
use crate::webhooks::secret_place;

/// The overlap of a rotation where nothing is said.
const OVERLAP_MS: i64 = DAY_MS;
/// Characters of what is said of an endpoint.
const ABOUT_CHARS_MAX: usize = 200;
/// Names in an endpoint's choice of events.
pub const EVENTS_MAX: usize = 64;

/// What an endpoint should be. The URL was checked by who knows which addresses are allowed.
#[derive(Debug, Clone)]
pub struct NewEndpoint {
    /// Whose events it hears.
    pub environment: Environment,
    /// Where.
    pub url: String,
    /// What its owner says of it.
    pub about: String,
    /// Which events.
    pub events: Vec<String>,
}

/// What of an endpoint changes; `None` leaves it.
#[derive(Debug, Clone, Default)]
pub struct Edit {
    /// Where.
    pub url: Option<String>,
    /// What its owner says of it.
    pub about: Option<String>,
    /// Which events.
    pub events: Option<Vec<String>>,
    /// Whether it hears them.
    pub on: Option<bool>,
}

/// Whether this actor may change where an account's messages go.
fn permit(moment: &Moment, act: &'static str) -> Result<(), Error> {
    let may = &moment.realm.rules.scheme.people.settings;
    let role = match &moment.actor {
        Actor::Operator { .. } | Actor::System => return Ok(()),
        Actor::Member { role, .. } if may.contains(role) => return Ok(()),
        Actor::Member { role, .. } => role.as_str(),
        Actor::Credential { .. } => "credential",
    };
    let allowed: Vec<&str> = may.iter().map(|role| role.as_str()).collect();
    let (kind, allowed) = ("webhook endpoint".to_owned(), allowed.join(" or "));
    Err(NotPermitted::Role { act, kind, role, allowed }.into())
}

fn checked_about(about: &str) -> Result<String, Error> {
    if about.chars().count() > ABOUT_CHARS_MAX || about.chars().any(char::is_control) {
        let message = format!("it has at most {ABOUT_CHARS_MAX} characters, in one line");
        return Err(Error::invalid("about", message));
    }
    Ok(about.trim().to_owned())
}

/// Names of events, or the starts of some, that an endpoint can hear.
fn checked_events(events: Vec<String>) -> Result<Vec<String>, Error> {
    if events.len() > EVENTS_MAX {
        return Err(Error::invalid("events", format!("name at most {EVENTS_MAX}; `*` is all")));
    }
    for name in &events {
        let hears = |kind: &&Kind| match name.strip_suffix('*') {
            Some(start) => kind.as_str().starts_with(start),
            None => kind.as_str() == name,
        };
        if !Kind::ALL.iter().filter(|kind| kind.is_for_programs()).any(|kind| hears(&kind)) {
            let message = format!("`{name}` is no event for programs; see docs/events.md");
            return Err(Error::invalid("events", message));
        }
    }
    let mut events = events;
    events.sort();
    events.dedup();
    Ok(events)
}

fn draw(moment: &Moment, endpoint: EndpointId, number: u32) -> (EndpointSecret, SecretText) {
    let secret = new_webhook_secret(&mut OsEntropy);
    let place = secret_place(endpoint, number);
    let sealed = moment.keys.secrets.seal(&secret, &place, &mut OsEntropy);
    (EndpointSecret { number, sealed, created_at: moment.now, ends_at: None }, secret)
}

/// Adds an endpoint; its secret exists nowhere else.
pub fn create(
    tx: &mut Tx<'_>,
    moment: &Moment,
    account: AccountId,
    new: NewEndpoint,
) -> Result<(Endpoint, SecretText), Error> {
    permit(moment, "add")?;
    accounts::lock(tx, account)?.ok_or(Error::NotFound("account"))?;
    let seals = &moment.realm.rules.seals;
    if endpoints::list(tx, seals, account)?.len() >= ENDPOINTS_PER_ACCOUNT_MAX {
        let message = format!(
            "an account has at most {ENDPOINTS_PER_ACCOUNT_MAX} endpoints; remove some first"
        );
        return Err(Error::Conflict { code: Code::TooManyEndpoints, message });
    }
    let id = EndpointId::new(moment.now, &mut OsEntropy);
    let (secret, shown) = draw(moment, id, 1);
    let endpoint = Endpoint {
        id,
        account,
        environment: new.environment,
        url: new.url,
        about: checked_about(&new.about)?,
        events: checked_events(new.events)?,
        state: State::On,
        state_at: moment.now,
        failing_since: None,
        created_at: moment.now,
        secrets: vec![secret],
    };
    endpoints::insert(tx, seals, &endpoint)?;
    let after = json!({
        "url": endpoint.url,
        "environment": endpoint.environment.as_str(),
        "events": endpoint.events,
    });
    let happened = Happened::new(Kind::EndpointCreated, json!({}), after);
    moment.record(tx, account, id.to_string(), happened)?;
    Ok((endpoint, shown))
}

fn lock(
    tx: &mut Tx<'_>,
    moment: &Moment,
    account: AccountId,
    id: EndpointId,
) -> Result<Endpoint, Error> {
    let found = endpoints::lock(tx, &moment.realm.rules.seals, account, id)?;
    found.ok_or(Error::NotFound("endpoint"))
}

/// Changes where an endpoint is, what it hears, or whether.
pub fn update(
    tx: &mut Tx<'_>,
    moment: &Moment,
    account: AccountId,
    id: EndpointId,
    edit: Edit,
) -> Result<Endpoint, Error> {
    permit(moment, "change")?;
    let mut endpoint = lock(tx, moment, account, id)?;
    let said = |endpoint: &Endpoint| {
        json!({
            "url": endpoint.url,
            "events": endpoint.events,
            "state": endpoint.state,
            "about": endpoint.about,
        })
    };
    let before = said(&endpoint);
    // What another URL asked for, or the same before it was repaired, holds no longer.
    if edit.on == Some(true) || edit.url.as_ref().is_some_and(|url| *url != endpoint.url) {
        endpoints::go_on(tx, id)?;
    }
    if let Some(url) = edit.url {
        endpoint.url = url;
    }
    if let Some(about) = edit.about {
        endpoint.about = checked_about(&about)?;
    }
    if let Some(events) = edit.events {
        endpoint.events = checked_events(events)?;
    }
    if let Some(on) = edit.on {
        let state = if on { State::On } else { State::Off };
        if endpoint.state != state {
            (endpoint.state, endpoint.state_at) = (state, moment.now);
        }
        if on {
            endpoint.failing_since = None;
        }
    }
    endpoints::save(tx, &moment.realm.rules.seals, &endpoint)?;
    let after = said(&endpoint);
    if before != after {
        let happened = Happened::new(Kind::EndpointUpdated, before, after);
        moment.record(tx, account, id.to_string(), happened)?;
    }
    Ok(endpoint)
}

/// Gives an endpoint a new secret; the one before signs along for the overlap.
pub fn rotate(
    tx: &mut Tx<'_>,
    moment: &Moment,
    account: AccountId,
    id: EndpointId,
    overlap_ms: Option<i64>,
) -> Result<(Endpoint, SecretText), Error> {
    permit(moment, "rotate the secret of")?;
    let overlap_ms = overlap_ms.unwrap_or(OVERLAP_MS);
    if !(0..=ENDPOINT_OVERLAP_MS_MAX).contains(&overlap_ms) {
        let most = say_duration(ENDPOINT_OVERLAP_MS_MAX);
        return Err(Error::invalid("overlap", format!("it is from now to {most}")));
    }
    let mut endpoint = lock(tx, moment, account, id)?;
    let now = moment.now;
    endpoint.secrets.retain(|secret| secret.ends_at.is_none_or(|ends| now < ends));
    let running = endpoint.secrets.iter().find_map(|secret| secret.ends_at);
    if let Some(until) = running.filter(|_| overlap_ms > 0) {
        // A third secret would push out the one that a receiver may still use.
        let message = format!(
            "the previous secret signs along until {until}; rotate with no overlap to end it now"
        );
        return Err(Error::Conflict { code: Code::OverlapRunning, message });
    }
    let number = endpoint.secrets.iter().map(|secret| secret.number).max().unwrap_or(0) + 1;
    let (secret, shown) = draw(moment, id, number);
    if overlap_ms > 0 {
        endpoint.secrets.iter_mut().for_each(|old| old.ends_at = Some(now.plus_ms(overlap_ms)));
    } else {
        endpoint.secrets.clear();
    }
    endpoint.secrets.insert(0, secret);
    endpoints::save(tx, &moment.realm.rules.seals, &endpoint)?;
    let until = (overlap_ms > 0).then(|| now.plus_ms(overlap_ms));
    let after = json!({ "url": endpoint.url, "previous_signs_until": until });
    let happened = Happened::new(Kind::EndpointRotated, json!({}), after);
    moment.record(tx, account, id.to_string(), happened)?;
    Ok((endpoint, shown))
}

/// Removes an endpoint. What waits for it is given up by that, however much it is: nothing is sent
/// to one that is removed, and its history is forgotten in time.
pub fn remove(
    tx: &mut Tx<'_>,
    moment: &Moment,
    account: AccountId,
    id: EndpointId,
) -> Result<(), Error> {
    permit(moment, "remove")?;
    let mut endpoint = lock(tx, moment, account, id)?;
    let before = json!({ "url": endpoint.url, "environment": endpoint.environment.as_str() });
    (endpoint.state, endpoint.state_at) = (State::Removed, moment.now);
    endpoint.secrets.clear();
    endpoints::save(tx, &moment.realm.rules.seals, &endpoint)?;
    let happened = Happened::new(Kind::EndpointRemoved, before, json!({}));
    Ok(moment.record(tx, account, id.to_string(), happened)?)
}

/// Sends a message to try an endpoint with.
pub fn test(
    tx: &mut Tx<'_>,
    moment: &Moment,
    account: AccountId,
    id: EndpointId,
) -> Result<Endpoint, Error> {
    permit(moment, "test")?;
    let endpoint = lock(tx, moment, account, id)?;
    if endpoint.state != State::On {
        let message = "the endpoint is switched off; switch it on first".to_owned();
        return Err(Error::Conflict { code: Code::EndpointOff, message });
    }
    let after = json!({ "url": endpoint.url });
    let happened = Happened::new(Kind::EndpointTested, json!({}), after);
    moment.record(tx, account, id.to_string(), happened)?;
    Ok(endpoint)
}

/// Sends one delivery again.
pub fn replay_one(
    tx: &mut Tx<'_>,
    moment: &Moment,
    account: AccountId,
    (id, delivery): (EndpointId, DeliveryId),
) -> Result<(), Error> {
    permit(moment, "replay messages to")?;
    lock(tx, moment, account, id)?;
    if !deliveries::replay_one(tx, id, delivery, moment.now)? {
        return Err(Error::NotFound("delivery"));
    }
    let after = json!({ "delivery": delivery, "messages": 1 });
    let happened = Happened::new(Kind::Replayed, json!({}), after);
    Ok(moment.record(tx, account, id.to_string(), happened)?)
}

/// Sends the newest that a filter finds again, as many as one transaction does; who wants the rest
/// asks again from where that ended.
pub fn replay(
    tx: &mut Tx<'_>,
    moment: &Moment,
    account: AccountId,
    id: EndpointId,
    filter: &Filter,
) -> Result<Replayed, Error> {
    permit(moment, "replay messages to")?;
    lock(tx, moment, account, id)?;
    let replayed = deliveries::replay(tx, id, filter, moment.now, REPLAYED_AT_ONCE_MAX)?;
    let after = json!({
        "messages": replayed.messages,
        "since": filter.since,
        "until": filter.until,
        "before": filter.before,
        "state": filter.state.map(deliveries::State::as_str),
    });
    let happened = Happened::new(Kind::Replayed, json!({}), after);
    moment.record(tx, account, id.to_string(), happened)?;
    Ok(replayed)
}
