//! Messages: mail to be sent, sealed whole, because it may hold a link that is good once.

use keyway_domain::id::{AccountId, MessageId};
use keyway_domain::time::Time;

use crate::db::Tx;
use crate::value::DbError;

/// Keeps a message until it is sent.
pub fn insert(
    tx: &mut Tx<'_>,
    id: MessageId,
    account: Option<AccountId>,
    sealed: &[u8],
    now: Time,
) -> Result<(), DbError> {
    tx.run(
        "INSERT INTO messages (id, account_id, sealed, created_at, sent_at)
         VALUES ($1, $2, $3, $4, NULL)",
        &[
            id.to_string().into(),
            account.map(|account| account.to_string()).into(),
            sealed.into(),
            now.0.into(),
        ],
    )?;
    Ok(())
}

/// Messages that wait to be sent, still sealed, and when they were written; oldest first.
pub fn waiting(tx: &mut Tx<'_>, limit: u32) -> Result<Vec<(MessageId, Vec<u8>, Time)>, DbError> {
    tx.all(
        "SELECT id, sealed, created_at FROM messages WHERE sent_at IS NULL
         ORDER BY created_at, id LIMIT $1",
        &[i64::from(limit).into()],
        |row| {
            let id = MessageId::parse(row.text(0)?);
            let id = id.ok_or_else(|| DbError::broken("a message's id"))?;
            Ok((id, row.blob(1)?.to_vec(), Time(row.integer(2)?)))
        },
    )
}

/// Notes that a message was sent.
pub fn sent(tx: &mut Tx<'_>, id: MessageId, now: Time) -> Result<(), DbError> {
    tx.run(
        "UPDATE messages SET sent_at = $2 WHERE id = $1 AND sent_at IS NULL",
        &[id.to_string().into(), now.0.into()],
    )?;
    Ok(())
}

/// Forgets messages that were sent before `before`; how many.
pub fn prune(tx: &mut Tx<'_>, before: Time) -> Result<u64, DbError> {
    tx.run("DELETE FROM messages WHERE sent_at < $1", &[before.0.into()])
}
