//! Events: the audit log and the outbox are one table.

use keyway_domain::event::Event;
use keyway_domain::id::{AccountId, EventId};
use keyway_domain::time::Time;

use crate::db::Tx;
use crate::value::{Columns, DbError};

/// Appends an event.
pub fn append(tx: &mut Tx<'_>, event: &Event) -> Result<(), DbError> {
    let actor = serde_json::to_string(&event.actor).map_err(DbError::broken)?;
    let step_up = event.step_up.map(|proof| serde_json::to_string(&proof)).transpose();
    tx.run(
        "INSERT INTO events
             (id, at, account_id, kind, subject, actor, step_up, request_id, before, after)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
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
        ],
    )?;
    Ok(())
}

/// Which events a page shows.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this account.
    pub account: Option<AccountId>,
    /// Of this credential or account.
    pub subject: Option<String>,
    /// Older than this one.
    pub before: Option<EventId>,
}

/// A page of events, newest first.
pub fn page(tx: &mut Tx<'_>, filter: &Filter, limit: u32) -> Result<Vec<Event>, DbError> {
    let before = filter.before.unwrap_or(EventId(u128::MAX)).to_string();
    let columns =
        "SELECT id, at, account_id, kind, subject, actor, step_up, request_id, before, after
                   FROM events WHERE id < $1";
    let order = "ORDER BY id DESC LIMIT";
    let limit = i64::from(limit);
    match (&filter.subject, filter.account) {
        (Some(subject), _) => tx.all(
            &format!("{columns} AND subject = $2 {order} $3"),
            &[before.into(), subject.as_str().into(), limit.into()],
            read,
        ),
        (None, Some(account)) => tx.all(
            &format!("{columns} AND account_id = $2 {order} $3"),
            &[before.into(), account.to_string().into(), limit.into()],
            read,
        ),
        (None, None) => {
            tx.all(&format!("{columns} {order} $2"), &[before.into(), limit.into()], read)
        }
    }
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
        before: serde_json::from_str(row.text(8)?).map_err(DbError::broken)?,
        after: serde_json::from_str(row.text(9)?).map_err(DbError::broken)?,
    })
}
