//! Access tokens that were revoked before their time. A token itself is never stored: it carries what
//! it says, sealed.

use keyway_domain::id::TokenId;
use keyway_domain::time::Time;

use crate::changes::Change;
use crate::db::Tx;
use crate::value::DbError;

/// A token that is refused although its time is not over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EndedToken {
    /// Which.
    pub id: TokenId,
    /// When it would have ended by itself: from then on nothing need be remembered of it.
    pub until: Time,
}

/// Ends a token; whether it had not been ended before.
pub fn end(tx: &mut Tx<'_>, token: EndedToken) -> Result<bool, DbError> {
    let ended = tx.run(
        "INSERT INTO ended_tokens (token_id, until) VALUES ($1, $2)
         ON CONFLICT (token_id) DO NOTHING",
        &[token.id.to_string().into(), token.until.0.into()],
    )?;
    if ended > 0 {
        tx.changed(Change::Token(token));
    }
    Ok(ended > 0)
}

/// Every token that was ended; a row that can't be read is an error of its own.
pub fn each(tx: &mut Tx<'_>, each: impl FnMut(Result<EndedToken, DbError>)) -> Result<(), DbError> {
    let found = tx.all("SELECT token_id, until FROM ended_tokens", &[], |row| {
        let until = Time(row.integer(1)?);
        let id = TokenId::parse(row.text(0)?);
        Ok(id.map(|id| EndedToken { id, until }).ok_or_else(|| DbError::broken("a token's id")))
    })?;
    found.into_iter().for_each(each);
    Ok(())
}

/// Forgets tokens that would have ended by themselves before an instant.
pub fn prune(tx: &mut Tx<'_>, before: Time) -> Result<u64, DbError> {
    tx.run("DELETE FROM ended_tokens WHERE until < $1", &[before.0.into()])
}
