//! Facts about the database itself: which root key it belongs to, which scheme it serves.

use crate::db::Tx;
use crate::value::DbError;

/// A setting's value.
pub fn find(tx: &mut Tx<'_>, name: &str) -> Result<Option<Vec<u8>>, DbError> {
    tx.first("SELECT value FROM settings WHERE name = $1", &[name.into()], |row| {
        Ok(row.blob(0)?.to_vec())
    })
}

/// Sets a setting.
pub fn save(tx: &mut Tx<'_>, name: &str, value: &[u8]) -> Result<(), DbError> {
    tx.run(
        "INSERT INTO settings (name, value) VALUES ($1, $2)
         ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        &[name.into(), value.into()],
    )?;
    Ok(())
}
