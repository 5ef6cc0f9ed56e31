//! Tries at passwords and codes, counted whether or not there is such a person.

use keyway_domain::time::Time;

use crate::db::Tx;
use crate::value::{DbError, Value};

/// Notes a try at `subject` from `lane`, before it is looked at.
pub fn note(tx: &mut Tx<'_>, subject: &[u8], lane: &[u8], now: Time) -> Result<(), DbError> {
    tx.run(
        "INSERT INTO tries (subject, lane, at, number)
         SELECT $1, $2, $3, COALESCE(MAX(number), 0) + 1 FROM tries
         WHERE subject = $1 AND lane = $2 AND at = $3",
        &[subject.into(), lane.into(), now.0.into()],
    )?;
    Ok(())
}

/// How many tries there were at `subject` from `lane` since an instant.
pub fn count(tx: &mut Tx<'_>, subject: &[u8], lane: &[u8], since: Time) -> Result<u32, DbError> {
    let count = tx.first(
        "SELECT COUNT(*) FROM tries WHERE subject = $1 AND lane = $2 AND at >= $3",
        &[subject.into(), lane.into(), since.0.into()],
        |row| row.integer(0),
    )?;
    // Who counts too far is held up, never let through.
    Ok(u32::try_from(count.unwrap_or(0)).unwrap_or(u32::MAX))
}

/// When the first of the tries was that [`count`] counts.
pub fn oldest(
    tx: &mut Tx<'_>,
    subject: &[u8],
    lane: &[u8],
    since: Time,
) -> Result<Option<Time>, DbError> {
    tx.first(
        "SELECT at FROM tries WHERE subject = $1 AND lane = $2 AND at >= $3 ORDER BY at LIMIT 1",
        &[subject.into(), lane.into(), since.0.into()],
        |row| Ok(Time(row.integer(0)?)),
    )
}

/// Forgets the newest try of a lane.
pub fn forget_newest(tx: &mut Tx<'_>, subject: &[u8], lane: &[u8]) -> Result<(), DbError> {
    let values: [Value; 2] = [subject.into(), lane.into()];
    let newest = tx.first(
        "SELECT at, number FROM tries WHERE subject = $1 AND lane = $2
         ORDER BY at DESC, number DESC LIMIT 1",
        &values,
        |row| Ok((row.integer(0)?, row.integer(1)?)),
    )?;
    let Some((at, number)) = newest else { return Ok(()) };
    tx.run(
        "DELETE FROM tries WHERE subject = $1 AND lane = $2 AND at = $3 AND number = $4",
        &[subject.into(), lane.into(), at.into(), number.into()],
    )?;
    Ok(())
}

/// Forgets the tries at `subject` from `lane`: the last one was right.
pub fn forget(tx: &mut Tx<'_>, subject: &[u8], lane: &[u8]) -> Result<(), DbError> {
    let sql = "DELETE FROM tries WHERE subject = $1 AND lane = $2";
    tx.run(sql, &[subject.into(), lane.into()])?;
    Ok(())
}

/// Forgets tries from before `before`; how many.
pub fn prune(tx: &mut Tx<'_>, before: Time) -> Result<u64, DbError> {
    tx.run("DELETE FROM tries WHERE at < $1", &[before.0.into()])
}
