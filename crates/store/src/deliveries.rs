//! Deliveries: one event on its way to one endpoint, with what was sent and answered each time.

mod claims;

pub use claims::{Claim, claim, let_go, release_all};

use keyway_domain::endpoint::Next;
use keyway_domain::id::{DeliveryId, EndpointId};
use keyway_domain::limits::{ATTEMPTS_KEPT, EARLIER_ANSWER_BYTES_MAX};
use keyway_domain::time::Time;

use crate::db::Tx;
use crate::value::{Columns, DbError, Value};

/// How far a delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It will be tried, again perhaps.
    Waiting,
    /// It arrived.
    Delivered,
    /// It was given up.
    Failed,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Delivered, Self::Failed];

    /// The word in JSON and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// One event on its way to one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// Where to.
    pub endpoint: EndpointId,
    /// The event's id: what the receiver knows the message by, however often it comes.
    pub event: String,
    /// The event's name.
    pub kind: String,
    /// The body, the same at every attempt.
    pub payload: String,
    /// How far it is.
    pub state: State,
    /// How often it was tried.
    pub attempts: u32,
    /// How often it was tried since it was last begun: a replay begins again.
    pub step: u32,
    /// When it is tried next.
    pub due_at: Time,
    /// When it was made.
    pub created_at: Time,
    /// When it arrived or was given up.
    pub done_at: Option<Time>,
}

const SELECT: &str = "SELECT id, endpoint_id, event_id, kind, payload, state, attempts, step, \
    due_at, created_at, done_at FROM deliveries";

fn read(row: &dyn Columns) -> Result<Delivery, DbError> {
    let broken = |what: &str| DbError::broken(what);
    Ok(Delivery {
        id: DeliveryId::parse(row.text(0)?).ok_or_else(|| broken("a delivery's id"))?,
        endpoint: EndpointId::parse(row.text(1)?).ok_or_else(|| broken("an endpoint's id"))?,
        event: row.text(2)?.to_owned(),
        kind: row.text(3)?.to_owned(),
        payload: row.text(4)?.to_owned(),
        state: State::parse(row.text(5)?).ok_or_else(|| broken("a delivery's state"))?,
        attempts: u32::try_from(row.integer(6)?).map_err(DbError::broken)?,
        step: u32::try_from(row.integer(7)?).map_err(DbError::broken)?,
        due_at: Time(row.integer(8)?),
        created_at: Time(row.integer(9)?),
        done_at: row.maybe_integer(10)?.map(Time),
    })
}

/// Adds a delivery, unless the endpoint has this event already.
pub fn insert(tx: &mut Tx<'_>, delivery: &Delivery) -> Result<bool, DbError> {
    let added = tx.run(
        "INSERT INTO deliveries (id, endpoint_id, event_id, kind, payload, state, attempts, step,
             due_at, claimed_by, claimed_until, created_at, done_at)
         VALUES ($1, $2, $3, $4, $5, 'waiting', 0, 0, $6, NULL, 0, $7, NULL)
         ON CONFLICT (endpoint_id, event_id) DO NOTHING",
        &[
            delivery.id.to_string().into(),
            delivery.endpoint.to_string().into(),
            delivery.event.as_str().into(),
            delivery.kind.as_str().into(),
            delivery.payload.as_str().into(),
            delivery.due_at.0.into(),
            delivery.created_at.0.into(),
        ],
    )?;
    Ok(added == 1)
}

/// What was sent and answered once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Its number, from 1.
    pub number: u32,
    /// When it began.
    pub at: Time,
    /// How long it took.
    pub took_ms: i64,
    /// The address that was called.
    pub address: Option<String>,
    /// The status of the answer.
    pub status: Option<u16>,
    /// Why there was no answer.
    pub trouble: Option<String>,
    /// The request's headers; the body is the delivery's payload.
    pub request: String,
    /// The answer, cut short.
    pub answer: String,
}

/// Writes down an attempt and what follows from it. Nothing if another claim holds the delivery
/// now, or it was begun again meanwhile: the attempt happened, but no longer decides.
pub fn attempted(
    tx: &mut Tx<'_>,
    delivery: &Delivery,
    claim: &Claim,
    attempt: &Attempt,
    next: Next,
) -> Result<bool, DbError> {
    let (state, due_at, done_at) = match next {
        Next::Delivered => {
            (State::Delivered, attempt.at, Some(attempt.at.plus_ms(attempt.took_ms)))
        }
        Next::Again(at) => (State::Waiting, at, None),
        Next::GivenUp => (State::Failed, attempt.at, Some(attempt.at.plus_ms(attempt.took_ms))),
    };
    let moved = tx.run(
        "UPDATE deliveries SET state = $3, attempts = attempts + 1, step = step + 1, due_at = $4,
             done_at = $5, claimed_by = NULL, claimed_until = 0
         WHERE id = $1 AND claimed_by = $2 AND state = 'waiting'",
        &[
            delivery.id.to_string().into(),
            claim.by.as_str().into(),
            state.as_str().into(),
            due_at.0.into(),
            done_at.map(|at| at.0).into(),
        ],
    )?;
    if moved == 0 {
        return Ok(false);
    }
    shorten(tx, delivery.id, attempt.number)?;
    tx.run(
        "INSERT INTO attempts (delivery_id, number, at, took_ms, address, status, trouble, request,
             answer)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        &[
            delivery.id.to_string().into(),
            i64::from(attempt.number).into(),
            attempt.at.0.into(),
            attempt.took_ms.into(),
            attempt.address.clone().into(),
            attempt.status.map(i64::from).into(),
            attempt.trouble.clone().into(),
            attempt.request.as_str().into(),
            attempt.answer.as_str().into(),
        ],
    )?;
    Ok(true)
}

/// Makes room for an attempt: of the earlier ones a bounded number is kept, with less of what was
/// answered.
fn shorten(tx: &mut Tx<'_>, id: DeliveryId, number: u32) -> Result<(), DbError> {
    let last_dropped = number.saturating_sub(ATTEMPTS_KEPT);
    let sql = "DELETE FROM attempts WHERE delivery_id = $1 AND number <= $2";
    tx.run(sql, &[id.to_string().into(), i64::from(last_dropped).into()])?;
    // Those before it were newest once, and shortened then.
    let sql = "SELECT number, answer FROM attempts WHERE delivery_id = $1
         ORDER BY number DESC LIMIT 1";
    let read = |row: &dyn Columns| Ok((row.integer(0)?, row.text(1)?.to_owned()));
    let Some((before, mut answer)) = tx.first(sql, &[id.to_string().into()], read)? else {
        return Ok(());
    };
    if answer.len() <= EARLIER_ANSWER_BYTES_MAX {
        return Ok(());
    }
    answer.truncate(answer.floor_char_boundary(EARLIER_ANSWER_BYTES_MAX));
    answer.push_str("\n(cut here)");
    let sql = "UPDATE attempts SET answer = $3 WHERE delivery_id = $1 AND number = $2";
    tx.run(sql, &[id.to_string().into(), before.into(), answer.into()]).map(drop)
}

/// Reads a delivery of an endpoint.
pub fn find(
    tx: &mut Tx<'_>,
    endpoint: EndpointId,
    id: DeliveryId,
) -> Result<Option<Delivery>, DbError> {
    let sql = format!("{SELECT} WHERE endpoint_id = $1 AND id = $2");
    tx.first(&sql, &[endpoint.to_string().into(), id.to_string().into()], read)
}

/// Which deliveries a page shows.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only these.
    pub state: Option<State>,
    /// Made at this instant or later.
    pub since: Option<Time>,
    /// Made before this instant.
    pub until: Option<Time>,
    /// Older than this one.
    pub before: Option<DeliveryId>,
}

fn filtered(endpoint: EndpointId, filter: &Filter) -> (&'static str, Vec<Value>) {
    let sql = "endpoint_id = $1 AND id < $2 AND (state = $3 OR $3 IS NULL)
         AND (created_at >= $4 OR $4 IS NULL) AND (created_at < $5 OR $5 IS NULL)";
    let before = filter.before.unwrap_or(DeliveryId(u128::MAX));
    let values = vec![
        endpoint.to_string().into(),
        before.to_string().into(),
        filter.state.map(State::as_str).into(),
        filter.since.map(|at| at.0).into(),
        filter.until.map(|at| at.0).into(),
    ];
    (sql, values)
}

/// A page of an endpoint's deliveries, newest first.
pub fn page(
    tx: &mut Tx<'_>,
    endpoint: EndpointId,
    filter: &Filter,
    limit: u32,
) -> Result<Vec<Delivery>, DbError> {
    let (conditions, mut values) = filtered(endpoint, filter);
    values.push(i64::from(limit).into());
    tx.all(&format!("{SELECT} WHERE {conditions} ORDER BY id DESC LIMIT $6"), &values, read)
}

/// What was sent again, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replayed {
    /// How many.
    pub messages: u64,
    /// The last of them, if there are more before it.
    pub more_before: Option<DeliveryId>,
}

/// Sends the newest that a filter finds again, from the start of the plan, and at most so many. The
/// receiver knows each by the same id as before.
pub fn replay(
    tx: &mut Tx<'_>,
    endpoint: EndpointId,
    filter: &Filter,
    now: Time,
    limit: u32,
) -> Result<Replayed, DbError> {
    let (conditions, mut values) = filtered(endpoint, filter);
    values.push((i64::from(limit) + 1).into());
    let sql = format!("SELECT id FROM deliveries WHERE {conditions} ORDER BY id DESC LIMIT $6");
    let mut ids = tx.all(&sql, &values, |row| {
        DeliveryId::parse(row.text(0)?).ok_or_else(|| DbError::broken("a delivery's id"))
    })?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = ids.len() > limit;
    ids.truncate(limit);
    for id in &ids {
        replay_one(tx, endpoint, *id, now)?;
    }
    let more_before = ids.last().copied().filter(|_| has_more);
    Ok(Replayed { messages: ids.len() as u64, more_before })
}

/// Sends one again. If it is under way, then once that attempt has ended, which no longer decides:
/// who replays over and over has no more places than others.
pub fn replay_one(
    tx: &mut Tx<'_>,
    endpoint: EndpointId,
    id: DeliveryId,
    now: Time,
) -> Result<bool, DbError> {
    let changed = tx.run(
        "UPDATE deliveries SET state = 'waiting', step = 0, due_at = $3, done_at = NULL,
             claimed_by = NULL WHERE endpoint_id = $1 AND id = $2",
        &[endpoint.to_string().into(), id.to_string().into(), now.0.into()],
    )?;
    Ok(changed == 1)
}

/// A delivery's attempts, oldest first.
pub fn attempts(tx: &mut Tx<'_>, id: DeliveryId) -> Result<Vec<Attempt>, DbError> {
    tx.all(
        "SELECT number, at, took_ms, address, status, trouble, request, answer FROM attempts
         WHERE delivery_id = $1 ORDER BY number",
        &[id.to_string().into()],
        |row| {
            Ok(Attempt {
                number: u32::try_from(row.integer(0)?).map_err(DbError::broken)?,
                at: Time(row.integer(1)?),
                took_ms: row.integer(2)?,
                address: row.maybe_text(3)?.map(str::to_owned),
                status: row.maybe_integer(4)?.and_then(|status| u16::try_from(status).ok()),
                trouble: row.maybe_text(5)?.map(str::to_owned),
                request: row.text(6)?.to_owned(),
                answer: row.text(7)?.to_owned(),
            })
        },
    )
}

/// How many deliveries of an endpoint are in each of [`State::ALL`], of those made since an
/// instant.
pub fn counts(
    tx: &mut Tx<'_>,
    endpoint: EndpointId,
    since: Time,
) -> Result<[i64; State::ALL.len()], DbError> {
    let rows = tx.all(
        "SELECT state, COUNT(*) FROM deliveries WHERE endpoint_id = $1 AND created_at >= $2
         GROUP BY state",
        &[endpoint.to_string().into(), since.0.into()],
        |row| Ok((State::parse(row.text(0)?), row.integer(1)?)),
    )?;
    let count = |wanted| rows.iter().find(|(state, _)| *state == Some(wanted)).map_or(0, |r| r.1);
    Ok(State::ALL.map(count))
}

/// How many deliveries wait, and since when the longest due one is due of those that could go: not
/// what waits for an endpoint that is switched off, or that asked for time.
pub fn waiting(tx: &mut Tx<'_>, now: Time) -> Result<(u64, Option<Time>), DbError> {
    let sql = "SELECT COUNT(*),
             MIN(CASE WHEN e.state = 'on' AND e.held_until <= $1 THEN d.due_at END)
         FROM deliveries d JOIN endpoints e ON e.id = d.endpoint_id
         WHERE d.state = 'waiting' AND e.state <> 'removed'";
    let read = |row: &dyn Columns| Ok((row.integer(0)?, row.maybe_integer(1)?.map(Time)));
    let (count, oldest) = tx.first(sql, &[now.0.into()], read)?.unwrap_or((0, None));
    Ok((u64::try_from(count).unwrap_or(0), oldest))
}

/// Forgets deliveries that were made before an instant and wait for nothing; how many. Those of an
/// endpoint that was removed are given up with it, without a word in each row.
pub fn prune(tx: &mut Tx<'_>, before: Time, limit: u32) -> Result<u64, DbError> {
    let sql = "SELECT d.id FROM deliveries d JOIN endpoints e ON e.id = d.endpoint_id
         WHERE d.created_at < $1 AND (d.state <> 'waiting' OR e.state = 'removed') LIMIT $2";
    let values = [before.0.into(), i64::from(limit).into()];
    let old = tx.all(sql, &values, |row| Ok(row.text(0)?.to_owned()))?;
    for id in &old {
        tx.run("DELETE FROM attempts WHERE delivery_id = $1", &[id.as_str().into()])?;
        tx.run("DELETE FROM deliveries WHERE id = $1", &[id.as_str().into()])?;
    }
    Ok(old.len() as u64)
}
