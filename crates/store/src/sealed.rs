//! Rows with a seal: who writes to the database directly can't make themselves someone else.

use std::fmt;

use keyway_secret::{RowSeal, RowSealer};

use crate::value::{DbError, Trouble, Value};

/// The seal of a row, given as its canonical bytes, as it is stored.
pub(crate) fn seal(seals: &RowSealer, bytes: &[u8]) -> Value {
    seals.seal(bytes).0.as_slice().into()
}

/// Whether a stored seal belongs to the row.
pub(crate) fn holds(seals: &RowSealer, bytes: &[u8], stored: &[u8]) -> bool {
    <[u8; 32]>::try_from(stored).is_ok_and(|stored| seals.holds(bytes, &RowSeal(stored)))
}

/// Refuses a row that was edited outside Keyway.
pub(crate) fn check(
    seals: &RowSealer,
    bytes: &[u8],
    stored: &[u8],
    whose: impl fmt::Display,
) -> Result<(), DbError> {
    if holds(seals, bytes, stored) {
        Ok(())
    } else {
        Err(DbError::new(Trouble::Tampered, format!("the seal of {whose} does not fit")))
    }
}
