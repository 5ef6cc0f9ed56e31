//! Messages: mail to be sent, sealed whole, because it may hold a link that is good once.

use keyway_domain::id::{AccountId, MessageId};
use keyway_domain::time::Time;

use crate::db::Tx;
use crate::value::{Columns, DbError};

/// A letter that waits, still sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Its id: the same at every attempt.
    pub id: MessageId,
    /// The letter.
    pub sealed: Vec<u8>,
    /// When it was written.
    pub created_at: Time,
    /// How often it was tried.
    pub attempts: u32,
}

/// Keeps a message until it is sent, at an instant or later.
pub fn insert(
    tx: &mut Tx<'_>,
    id: MessageId,
    account: Option<AccountId>,
    sealed: &[u8],
    (now, due): (Time, Time),
) -> Result<(), DbError> {
    tx.run(
        "INSERT INTO messages (id, account_id, sealed, created_at, due_at)
         VALUES ($1, $2, $3, $4, $5)",
        &[
            id.to_string().into(),
            account.map(|account| account.to_string()).into(),
            sealed.into(),
            now.0.into(),
            due.0.into(),
        ],
    )?;
    Ok(())
}

/// Claims messages that are due, oldest first: nobody else sends them until the claim lapses.
pub fn claim(
    tx: &mut Tx<'_>,
    (now, until): (Time, Time),
    limit: u32,
) -> Result<Vec<Waiting>, DbError> {
    let sql = format!(
        "SELECT id, sealed, created_at, attempts FROM messages
         WHERE sent_at IS NULL AND gave_up_at IS NULL AND due_at <= $1 AND claimed_until <= $1
         ORDER BY created_at, id LIMIT $2 {}",
        tx.lock_unclaimed()
    );
    let due = tx.all(&sql, &[now.0.into(), i64::from(limit).into()], read)?;
    for message in &due {
        tx.run(
            "UPDATE messages SET claimed_until = $2 WHERE id = $1",
            &[message.id.to_string().into(), until.0.into()],
        )?;
    }
    Ok(due)
}

fn read(row: &dyn Columns) -> Result<Waiting, DbError> {
    let id = MessageId::parse(row.text(0)?);
    Ok(Waiting {
        id: id.ok_or_else(|| DbError::broken("a message's id"))?,
        sealed: row.blob(1)?.to_vec(),
        created_at: Time(row.integer(2)?),
        attempts: u32::try_from(row.integer(3)?).map_err(DbError::broken)?,
    })
}

/// The newest messages, sent or not, still sealed.
pub fn recent(tx: &mut Tx<'_>, limit: u32) -> Result<Vec<Waiting>, DbError> {
    tx.all(
        "SELECT id, sealed, created_at, attempts FROM messages ORDER BY created_at DESC, id DESC
         LIMIT $1",
        &[i64::from(limit).into()],
        read,
    )
}

/// Lets go of every claim that a process of this deployment held which is gone.
pub fn release_all(tx: &mut Tx<'_>) -> Result<u64, DbError> {
    tx.run("UPDATE messages SET claimed_until = 0 WHERE sent_at IS NULL AND claimed_until > 0", &[])
}

/// Notes that a message was sent.
pub fn sent(tx: &mut Tx<'_>, id: MessageId, now: Time) -> Result<(), DbError> {
    tx.run(
        "UPDATE messages SET sent_at = $2, claimed_until = 0, trouble = NULL
         WHERE id = $1 AND sent_at IS NULL",
        &[id.to_string().into(), now.0.into()],
    )?;
    Ok(())
}

/// Notes why a message was not sent, and when it is tried again; `None` gives it up.
pub fn not_sent(
    tx: &mut Tx<'_>,
    id: MessageId,
    trouble: &str,
    again: Option<Time>,
    now: Time,
) -> Result<(), DbError> {
    tx.run(
        "UPDATE messages SET attempts = attempts + 1, trouble = $2, claimed_until = 0,
             due_at = COALESCE($3, due_at),
             gave_up_at = CASE WHEN $3 IS NULL THEN $4 ELSE NULL END
         WHERE id = $1 AND sent_at IS NULL",
        &[id.to_string().into(), trouble.into(), again.map(|at| at.0).into(), now.0.into()],
    )?;
    Ok(())
}

/// Whether a message is due that nobody has claimed.
pub fn any_due(tx: &mut Tx<'_>, now: Time) -> Result<bool, DbError> {
    let sql = "SELECT 1 FROM messages WHERE sent_at IS NULL AND gave_up_at IS NULL
        AND due_at <= $1 AND claimed_until <= $1 LIMIT 1";
    Ok(tx.first(sql, &[now.0.into()], |_| Ok(()))?.is_some())
}

/// How mail goes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// Messages that should have gone by now.
    pub waiting: u64,
    /// Messages that were given up.
    pub given_up: u64,
    /// Those of them that the mail server said it would never take.
    pub refused: u64,
    /// Why the newest that did not go did not, until one goes after it.
    pub trouble: Option<String>,
}

/// Looks how mail goes; what was tried for `tried_ms` was given up for that.
pub fn state(tx: &mut Tx<'_>, now: Time, tried_ms: i64) -> Result<State, DbError> {
    let mut count = |condition: &str, than: i64| {
        let sql = format!("SELECT COUNT(*) FROM messages WHERE sent_at IS NULL AND {condition}");
        let count = tx.first(&sql, &[than.into()], |row| row.integer(0))?;
        Ok::<_, DbError>(u64::try_from(count.unwrap_or(0)).unwrap_or(0))
    };
    let waiting = count("gave_up_at IS NULL AND (due_at <= $1 OR attempts > 0)", now.0)?;
    let given_up = count("gave_up_at <= $1", now.0)?;
    let refused = count("gave_up_at - created_at < $1", tried_ms)?;
    let trouble = tx.first(
        "SELECT m.trouble FROM messages m WHERE m.sent_at IS NULL AND m.trouble IS NOT NULL
             AND (m.gave_up_at IS NULL
                 OR NOT EXISTS (SELECT 1 FROM messages s WHERE s.sent_at > m.gave_up_at))
         ORDER BY m.created_at DESC LIMIT 1",
        &[],
        |row| Ok(row.text(0)?.to_owned()),
    )?;
    Ok(State { waiting, given_up, refused, trouble })
}

/// Forgets messages that were sent or given up before `before`; how many.
pub fn prune(tx: &mut Tx<'_>, before: Time) -> Result<u64, DbError> {
    tx.run("DELETE FROM messages WHERE sent_at < $1 OR gave_up_at < $1", &[before.0.into()])
}
