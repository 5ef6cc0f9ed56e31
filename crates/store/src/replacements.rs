//! Which credential was made to take another's place.

use keyway_domain::id::CredentialId;
use keyway_domain::time::Time;

use crate::db::Tx;
use crate::value::{Columns, DbError};

fn read(row: &dyn Columns) -> Result<CredentialId, DbError> {
    CredentialId::parse(row.text(0)?).ok_or_else(|| DbError::broken("a credential's id"))
}

/// Notes that `new` was made to take the place of `old`. A second one for the same credential, or
/// by the same, is a duplicate.
pub fn add(
    tx: &mut Tx<'_>,
    old: CredentialId,
    new: CredentialId,
    now: Time,
) -> Result<(), DbError> {
    tx.run(
        "INSERT INTO replacements (credential_id, by_id, at) VALUES ($1, $2, $3)",
        &[old.to_string().into(), new.to_string().into(), now.0.into()],
    )?;
    Ok(())
}

/// The credential that was made to take the place of `old`.
pub fn by(tx: &mut Tx<'_>, old: CredentialId) -> Result<Option<CredentialId>, DbError> {
    let sql = "SELECT by_id FROM replacements WHERE credential_id = $1";
    tx.first(sql, &[old.to_string().into()], read)
}

/// The credential whose place `new` was made to take.
pub fn of(tx: &mut Tx<'_>, new: CredentialId) -> Result<Option<CredentialId>, DbError> {
    let sql = "SELECT credential_id FROM replacements WHERE by_id = $1";
    tx.first(sql, &[new.to_string().into()], read)
}
