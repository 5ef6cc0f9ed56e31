//! Answers that were given, so that a repeated call gets the same one and changes nothing twice.

use keyway_domain::time::Time;

use crate::db::Tx;
use crate::value::DbError;

/// An answer that was given before.
#[derive(Debug, Clone)]
pub struct Given {
    /// What was asked: a digest of method, path and body.
    pub fingerprint: Vec<u8>,
    /// The HTTP status.
    pub status: u16,
    /// The body, without the secret it may have shown.
    pub body: String,
}

/// The answer that a caller got under a key since `since`.
pub fn find(
    tx: &mut Tx<'_>,
    caller: &str,
    key: &str,
    since: Time,
) -> Result<Option<Given>, DbError> {
    tx.first(
        "SELECT fingerprint, status, body FROM idempotency
         WHERE caller = $1 AND name = $2 AND at >= $3",
        &[caller.into(), key.into(), since.0.into()],
        |row| {
            Ok(Given {
                fingerprint: row.blob(0)?.to_vec(),
                status: u16::try_from(row.integer(1)?).map_err(DbError::broken)?,
                body: row.text(2)?.to_owned(),
            })
        },
    )
}

/// Keeps an answer.
pub fn save(
    tx: &mut Tx<'_>,
    caller: &str,
    key: &str,
    given: &Given,
    now: Time,
) -> Result<(), DbError> {
    tx.run_later(
        "INSERT INTO idempotency (caller, name, fingerprint, status, body, at)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (caller, name) DO UPDATE SET
             fingerprint = excluded.fingerprint, status = excluded.status,
             body = excluded.body, at = excluded.at",
        &[
            caller.into(),
            key.into(),
            given.fingerprint.as_slice().into(),
            i64::from(given.status).into(),
            given.body.as_str().into(),
            now.0.into(),
        ],
    )?;
    Ok(())
}

/// Forgets answers given before `until`; how many.
pub fn prune(tx: &mut Tx<'_>, until: Time) -> Result<u64, DbError> {
    tx.run("DELETE FROM idempotency WHERE at < $1", &[until.0.into()])
}
