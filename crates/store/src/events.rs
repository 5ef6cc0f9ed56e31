//! Events: the audit log and the outbox are one table.

use keyway_domain::event::Event;
use keyway_domain::id::{AccountId, EventId};
use keyway_domain::time::Time;

use crate::db::Tx;
use crate::value::{Columns, DbError, Value};

/// Appends an event.
pub fn append(tx: &mut Tx<'_>, event: &Event) -> Result<(), DbError> {
    let actor = serde_json::to_string(&event.actor).map_err(DbError::broken)?;
    let step_up = event.step_up.map(|proof| serde_json::to_string(&proof)).transpose();
    tx.run(
        "INSERT INTO events
             (id, at, account_id, kind, subject, actor, step_up, request_id, before, after, address,
              client)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        &[
            event.id.to_string().into(),
            event.at.0.into(),
            event.account.to_string().into(),
            event.kind.as_str().into(),
            event.subject.as_str().into(),
            actor.into(),
            step_up.map_err(DbError::broken)?.into(),
            event.request_id.clone().into(),
            event.before.to_string().into(),
            event.after.to_string().into(),
            event.address.clone().into(),
            event.client.clone().into(),
        ],
    )?;
    Ok(())
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
        "SELECT id, at, account_id, kind, subject, actor, step_up, request_id, before, after,
             address, client
         FROM events WHERE {conditions} ORDER BY id DESC LIMIT ${}",
        values.len()
    );
    tx.all(&sql, &values, read)
}

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
