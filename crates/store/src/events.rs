//! Events: the audit log and the outbox are one table.

use keyway_domain::event::Event;
use keyway_domain::id::{AccountId, EventId};
use keyway_domain::time::Time;
use keyway_secret::RowSealer;

use crate::audit;
use crate::db::Tx;
use crate::value::{Columns, DbError, Value};

/// Appends an event to its account's chain, and to what is still to be told.
pub fn append(tx: &mut Tx<'_>, keys: &RowSealer, event: &Event) -> Result<(), DbError> {
    let actor = serde_json::to_string(&event.actor).map_err(DbError::broken)?;
    let step_up = event.step_up.map(|proof| serde_json::to_string(&proof)).transpose();
    // In the order of `audit::COVERED`.
    let covered: [Value; 11] = [
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
    ];
    let (seq, chain) = audit::next(tx, keys, event.account, &covered)?;
    let mut values = covered.to_vec();
    values.extend([event.account.to_string().into(), seq.into(), chain.as_slice().into()]);
    let sql = format!(
        "INSERT INTO events ({}, account_id, seq, chain)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        audit::COVERED
    );
    tx.run(&sql, &values)?;
    tx.run("INSERT INTO outbox (event_id) VALUES ($1)", &[event.id.to_string().into()])?;
    Ok(())
}

/// Events after one that are still to be told, oldest first.
pub fn untold(tx: &mut Tx<'_>, after: Option<EventId>, limit: u32) -> Result<Vec<Event>, DbError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM outbox o JOIN events e ON e.id = o.event_id
         WHERE o.event_id > $1 ORDER BY o.event_id LIMIT $2"
    );
    let after = after.map_or_else(String::new, |id| id.to_string());
    tx.all(&sql, &[after.into(), i64::from(limit).into()], read)
}

/// Takes an event off what is still to be told; whether it was there. Whoever gets `true` tells
/// it, in this transaction.
pub fn take_untold(tx: &mut Tx<'_>, id: EventId) -> Result<bool, DbError> {
    let taken = tx.run("DELETE FROM outbox WHERE event_id = $1", &[id.to_string().into()])?;
    Ok(taken == 1)
}

/// How many events are still to be told.
pub fn count_untold(tx: &mut Tx<'_>) -> Result<u64, DbError> {
    let count = tx.first("SELECT COUNT(*) FROM outbox", &[], |row| row.integer(0))?;
    Ok(u64::try_from(count.unwrap_or(0)).unwrap_or(0))
}

/// Reads one event of an account.
pub fn find(tx: &mut Tx<'_>, account: AccountId, id: EventId) -> Result<Option<Event>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM events e WHERE e.id = $1 AND e.account_id = $2");
    tx.first(&sql, &[id.to_string().into(), account.to_string().into()], read)
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
        let condition = "(actor LIKE $ ESCAPE '\\' OR subject LIKE $ ESCAPE '\\'
             OR address LIKE $ ESCAPE '\\' OR request_id LIKE $ ESCAPE '\\')";
        add(condition, format!("%{}%", literally(text)).into());
    }
    (sql, values)
}

/// A text as a pattern that matches itself only.
fn literally(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

/// A page of events, newest first.
pub fn page(tx: &mut Tx<'_>, filter: &Filter, limit: u32) -> Result<Vec<Event>, DbError> {
    let (conditions, mut values) = conditions(filter);
    values.push(i64::from(limit).into());
    let sql = format!(
        "SELECT {COLUMNS} FROM events e WHERE {conditions} ORDER BY id DESC LIMIT ${}",
        values.len()
    );
    tx.all(&sql, &values, read)
}

const COLUMNS: &str = "e.id, e.at, e.account_id, e.kind, e.subject, e.actor, e.step_up, \
    e.request_id, e.before, e.after, e.address, e.client";

fn read(row: &dyn Columns) -> Result<Event, DbError> {
    let step_up = row.maybe_text(6)?.map(serde_json::from_str).transpose();
    Ok(Event {
        id: EventId::parse(row.text(0)?).ok_or_else(|| DbError::broken("an event's id"))?,
        at: Time(row.integer(1)?),
        account: AccountId::parse(row.text(2)?)
            .ok_or_else(|| DbError::broken("an event's account"))?,
        kind: row.text(3)?.to_owned(),
        subject: row.text(4)?.to_owned(),
        actor: serde_json::from_str(row.text(5)?).map_err(DbError::broken)?,
        step_up: step_up.map_err(DbError::broken)?,
        request_id: row.maybe_text(7)?.map(str::to_owned),
        address: row.maybe_text(10)?.map(str::to_owned),
        client: row.maybe_text(11)?.map(str::to_owned),
        before: serde_json::from_str(row.text(8)?).map_err(DbError::broken)?,
        after: serde_json::from_str(row.text(9)?).map_err(DbError::broken)?,
    })
}
