//! Events: the audit log and the outbox are one table.

use keyway_domain::actor::{Actor, StepUp};
use keyway_domain::event::{Author, Event, Proof};
use keyway_domain::id::{AccountId, EventId};
use keyway_domain::time::Time;
use keyway_secret::RowSealer;
use serde_json::{Value as Json, json};

use crate::audit;
use crate::db::Tx;
use crate::value::{Columns, DbError, Value, literally};

/// Appends an event to its account's chain, and to what is still to be told.
pub fn append(tx: &mut Tx<'_>, keys: &RowSealer, event: &Event) -> Result<(), DbError> {
    append_all(tx, keys, event.account, std::slice::from_ref(event), |_| true)
}

/// Appends events of one account, in their order; to what is still to be told, those that somebody
/// hears of.
pub fn append_all(
    tx: &mut Tx<'_>,
    keys: &RowSealer,
    account: AccountId,
    events: &[Event],
    is_told: impl Fn(&Event) -> bool,
) -> Result<(), DbError> {
    let covered = events.iter().map(columns).collect::<Result<Vec<_>, _>>()?;
    let places = audit::next(tx, keys, account, &covered)?;
    let row = |(columns, (seq, chain)): (&[Value; 11], &(i64, [u8; 32]))| {
        let place = [account.to_string().into(), (*seq).into(), chain.as_slice().into()];
        columns.iter().cloned().chain(place).collect()
    };
    let rows: Vec<Vec<Value>> = covered.iter().zip(&places).map(row).collect();
    let insert = format!("INSERT INTO events ({}, account_id, seq, chain) VALUES", audit::COVERED);
    tx.run_over((&insert, ""), rows)?;
    let told = events.iter().filter(|event| is_told(event));
    let ids: Vec<Vec<Value>> = told.map(|event| vec![event.id.to_string().into()]).collect();
    tx.run_over(("INSERT INTO outbox (event_id) VALUES", ""), ids)
}

/// What the chain covers, in the order of `audit::COVERED`.
fn columns(event: &Event) -> Result<[Value; 11], DbError> {
    let actor = serde_json::to_string(&event.actor).map_err(DbError::broken)?;
    let step_up = event.step_up.map(|proof| serde_json::to_string(&proof)).transpose();
    Ok([
        event.id.to_string().into(),
        event.at.0.into(),
        event.kind.as_str().into(),
        event.subject.as_str().into(),
        actor.into(),
        step_up.map_err(DbError::broken)?.into(),
        event.request_id.clone().into(),
        event.before.to_string().into(),
        event.after.to_string().into(),
        event.address.clone().into(),
        event.client.clone().into(),
    ])
}

/// An event that is still to be told.
#[derive(Debug)]
pub struct Untold {
    /// Its id.
    pub id: String,
    /// What it is; or why this version can't read it.
    pub event: Result<Event, DbError>,
}

/// Events after one that are still to be told and not held back, oldest first.
pub fn untold(tx: &mut Tx<'_>, after: &str, limit: u32) -> Result<Vec<Untold>, DbError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM outbox o JOIN events e ON e.id = o.event_id
         WHERE o.held = 0 AND o.event_id > $1 ORDER BY o.event_id LIMIT $2"
    );
    tx.all(&sql, &[after.into(), i64::from(limit).into()], |row| {
        Ok(Untold { id: row.text(0)?.to_owned(), event: read(row) })
    })
}

/// Holds an event back that can't be told now, so that it is not in front of the others each time.
pub fn hold(tx: &mut Tx<'_>, id: &str) -> Result<(), DbError> {
    tx.run("UPDATE outbox SET held = 1 WHERE event_id = $1", &[id.into()])?;
    Ok(())
}

/// Lets what was held back be tried again; how many.
pub fn release_held(tx: &mut Tx<'_>) -> Result<u64, DbError> {
    tx.run("UPDATE outbox SET held = 0 WHERE held = 1", &[])
}

/// Gives up telling some of what is held back and happened before an instant; how many. The events
/// themselves stay in the audit log.
pub fn give_up_held(tx: &mut Tx<'_>, before: Time, limit: u32) -> Result<u64, DbError> {
    tx.run(
        "DELETE FROM outbox WHERE event_id IN
             (SELECT o.event_id FROM outbox o JOIN events e ON e.id = o.event_id
              WHERE o.held = 1 AND e.at < $1 LIMIT $2)",
        &[before.0.into(), i64::from(limit).into()],
    )
}

/// Takes an event off what is still to be told; whether it was there, and nobody else is at it.
/// Whoever gets `true` tells it, in this transaction.
pub fn take_untold(tx: &mut Tx<'_>, id: EventId) -> Result<bool, DbError> {
    let sql = format!(
        "DELETE FROM outbox WHERE event_id =
             (SELECT event_id FROM outbox WHERE event_id = $1 {})",
        tx.lock_unclaimed()
    );
    Ok(tx.run(&sql, &[id.to_string().into()])? == 1)
}

/// How many events are still to be told.
pub fn count_untold(tx: &mut Tx<'_>) -> Result<u64, DbError> {
    let count = tx.first("SELECT COUNT(*) FROM outbox", &[], |row| row.integer(0))?;
    Ok(u64::try_from(count.unwrap_or(0)).unwrap_or(0))
}

/// Reads one event of an account.
pub fn find(tx: &mut Tx<'_>, account: AccountId, id: EventId) -> Result<Option<Event>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM events e WHERE e.id = $1 AND e.account_id = $2");
    tx.first(&sql, &[id.to_string().into(), account.to_string().into()], show)
}

/// Which events a page shows. All that is said must hold.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this account.
    pub account: Option<AccountId>,
    /// Of this credential, account or member.
    pub subject: Option<String>,
    /// Of the kinds whose names start like this.
    pub kind_prefix: Option<String>,
    /// At this instant or later.
    pub since: Option<Time>,
    /// Before this instant.
    pub until: Option<Time>,
    /// With this text in the actor, the subject, the address or the request's id, in capitals or
    /// not.
    pub text: Option<String>,
    /// Older than this one.
    pub before: Option<EventId>,
}

/// The conditions of a filter, with the values they name.
fn conditions(filter: &Filter) -> (String, Vec<Value>) {
    let before = filter.before.unwrap_or(EventId(u128::MAX)).to_string();
    let (mut sql, mut values) = ("id < $1".to_owned(), vec![Value::from(before)]);
    let mut add = |condition: &str, value: Value| {
        values.push(value);
        sql.push_str(" AND ");
        sql.push_str(&condition.replace('$', &format!("${}", values.len())));
    };
    // An equality on the account or the subject has an index; what else is asked is looked for in
    // the rows that it finds.
    if let Some(account) = filter.account {
        add("account_id = $", account.to_string().into());
    }
    if let Some(subject) = &filter.subject {
        add("subject = $", subject.as_str().into());
    }
    if let Some(prefix) = &filter.kind_prefix {
        add("kind LIKE $ ESCAPE '\\'", format!("{}%", literally(prefix)).into());
    }
    if let Some(since) = filter.since {
        add("at >= $", since.0.into());
    }
    if let Some(until) = filter.until {
        add("at < $", until.0.into());
    }
    if let Some(text) = &filter.text {
        let condition = "(lower(actor) LIKE $ ESCAPE '\\' OR lower(subject) LIKE $ ESCAPE '\\'
             OR lower(address) LIKE $ ESCAPE '\\' OR lower(request_id) LIKE $ ESCAPE '\\')";
        let text = text.to_ascii_lowercase();
        add(condition, format!("%{}%", literally(&text)).into());
    }
    (sql, values)
}

/// A page of events, newest first.
pub fn page(tx: &mut Tx<'_>, filter: &Filter, limit: u32) -> Result<Vec<Event>, DbError> {
    let (conditions, mut values) = conditions(filter);
    values.push(i64::from(limit).into());
    let sql = format!(
        "SELECT {COLUMNS} FROM events e WHERE {conditions} ORDER BY id DESC LIMIT ${}",
        values.len()
    );
    tx.all(&sql, &values, show)
}

const COLUMNS: &str = "e.id, e.at, e.account_id, e.kind, e.subject, e.actor, e.step_up, \
    e.request_id, e.before, e.after, e.address, e.client";

fn read(row: &dyn Columns) -> Result<Event, DbError> {
    let actor: Actor = serde_json::from_str(row.text(5)?).map_err(DbError::broken)?;
    let step_up: Option<StepUp> =
        row.maybe_text(6)?.map(serde_json::from_str).transpose().map_err(DbError::broken)?;
    Ok(Event {
        actor: actor.into(),
        step_up: step_up.map(Into::into),
        before: serde_json::from_str(row.text(8)?).map_err(DbError::broken)?,
        after: serde_json::from_str(row.text(9)?).map_err(DbError::broken)?,
        ..framed(row)?
    })
}

/// Reads an event for somebody to see. What can't be read of it is called unknown: one row that a
/// newer version wrote, or somebody damaged, must neither hide the others nor be hidden itself.
fn show(row: &dyn Columns) -> Result<Event, DbError> {
    read(row).or_else(|error| {
        let mut event = framed(row)?;
        tracing::error!(event = %event.id, %error, "an event is shown as far as it can be read");
        if let Ok(actor) = serde_json::from_str::<Actor>(row.text(5)?) {
            event.actor = actor.into();
        }
        if let Some(text) = row.maybe_text(6)? {
            let known = serde_json::from_str::<StepUp>(text);
            event.step_up = Some(known.map_or(Proof::Unknown, Into::into));
        }
        let change = |text: &str| {
            serde_json::from_str(text).unwrap_or_else(|_| json!({ "unreadable": text }))
        };
        (event.before, event.after) = (change(row.text(8)?), change(row.text(9)?));
        Ok(event)
    })
}

/// An event without what is kept as JSON.
fn framed(row: &dyn Columns) -> Result<Event, DbError> {
    Ok(Event {
        id: EventId::parse(row.text(0)?).ok_or_else(|| DbError::broken("an event's id"))?,
        at: Time(row.integer(1)?),
        account: AccountId::parse(row.text(2)?)
            .ok_or_else(|| DbError::broken("an event's account"))?,
        kind: row.text(3)?.to_owned(),
        subject: row.text(4)?.to_owned(),
        actor: Author::Unknown,
        step_up: None,
        request_id: row.maybe_text(7)?.map(str::to_owned),
        address: row.maybe_text(10)?.map(str::to_owned),
        client: row.maybe_text(11)?.map(str::to_owned),
        before: Json::Null,
        after: Json::Null,
    })
}
