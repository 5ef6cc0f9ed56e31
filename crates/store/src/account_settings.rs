//! Settings of an account: short texts by name.

use std::collections::BTreeMap;

use keyway_domain::id::AccountId;

use crate::db::Tx;
use crate::value::DbError;

/// Reads a setting of an account.
pub fn find(tx: &mut Tx<'_>, account: AccountId, name: &str) -> Result<Option<String>, DbError> {
    tx.first(
        "SELECT value FROM account_settings WHERE account_id = $1 AND name = $2",
        &[account.to_string().into(), name.into()],
        |row| Ok(row.text(0)?.to_owned()),
    )
}

/// Writes a setting of an account.
pub fn save(tx: &mut Tx<'_>, account: AccountId, name: &str, value: &str) -> Result<(), DbError> {
    tx.run(
        "INSERT INTO account_settings (account_id, name, value) VALUES ($1, $2, $3)
         ON CONFLICT (account_id, name) DO UPDATE SET value = excluded.value",
        &[account.to_string().into(), name.into(), value.into()],
    )?;
    Ok(())
}

/// Reads every setting of an account.
pub fn all(tx: &mut Tx<'_>, account: AccountId) -> Result<BTreeMap<String, String>, DbError> {
    let rows = tx.all(
        "SELECT name, value FROM account_settings WHERE account_id = $1",
        &[account.to_string().into()],
        |row| Ok((row.text(0)?.to_owned(), row.text(1)?.to_owned())),
    )?;
    Ok(rows.into_iter().collect())
}
