//! New secrets that a browser may look at again for some minutes, sealed with a key that is only in
//! its cookie.

use keyway_domain::id::{RevealId, SessionId};
use keyway_domain::time::Time;

use crate::db::Tx;
use crate::value::DbError;

/// Keeps what a session is shown, until it expires.
pub fn insert(
    tx: &mut Tx<'_>,
    id: RevealId,
    session: SessionId,
    sealed: &[u8],
    expires_at: Time,
) -> Result<(), DbError> {
    tx.run(
        "INSERT INTO reveals (id, session_id, sealed, expires_at) VALUES ($1, $2, $3, $4)",
        &[id.to_string().into(), session.to_string().into(), sealed.into(), expires_at.0.into()],
    )?;
    Ok(())
}

/// What a session is shown, still sealed, and until when.
pub fn find(
    tx: &mut Tx<'_>,
    id: RevealId,
    session: SessionId,
    now: Time,
) -> Result<Option<(Vec<u8>, Time)>, DbError> {
    tx.first(
        "SELECT sealed, expires_at FROM reveals
         WHERE id = $1 AND session_id = $2 AND expires_at > $3",
        &[id.to_string().into(), session.to_string().into(), now.0.into()],
        |row| Ok((row.blob(0)?.to_vec(), Time(row.integer(1)?))),
    )
}

/// Forgets what a session is shown; whether there was something.
pub fn forget(tx: &mut Tx<'_>, id: RevealId, session: SessionId) -> Result<bool, DbError> {
    let forgotten = tx.run(
        "DELETE FROM reveals WHERE id = $1 AND session_id = $2",
        &[id.to_string().into(), session.to_string().into()],
    )?;
    Ok(forgotten == 1)
}

/// Forgets everything that a session is shown; how much.
pub fn forget_session(tx: &mut Tx<'_>, session: SessionId) -> Result<u64, DbError> {
    tx.run("DELETE FROM reveals WHERE session_id = $1", &[session.to_string().into()])
}

/// Forgets what is shown no longer; how much.
pub fn prune(tx: &mut Tx<'_>, now: Time) -> Result<u64, DbError> {
    tx.run("DELETE FROM reveals WHERE expires_at <= $1", &[now.0.into()])
}
