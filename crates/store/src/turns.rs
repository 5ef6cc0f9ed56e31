//! Turns: what only one transaction at a time may do, over all nodes.
//!
//! Where rows are counted before one is added, two transactions that don't see each other's rows
//! would both find room. Who takes a turn first waits until the one before has committed.

use crate::db::{Locking, Tx};
use crate::value::DbError;

/// How many turns there are; a migration made them.
const TURNS: u64 = 256;

/// Takes the turn of a thing, given as its digest, until the transaction ends. Two things may share
/// a turn: then they wait for each other.
pub fn take(tx: &mut Tx<'_>, of: &[u8]) -> Result<(), DbError> {
    take_all(tx, &[of])
}

/// Takes the turns of several things.
pub fn take_all(tx: &mut Tx<'_>, of: &[&[u8]]) -> Result<(), DbError> {
    if tx.locking == Locking::None {
        return Ok(());
    }
    let mut numbers: Vec<u64> = of.iter().map(|thing| number(thing)).collect();
    // In one order for all, so that no two wait for each other.
    numbers.sort_unstable();
    numbers.dedup();
    for number in numbers {
        let number = i64::try_from(number).map_err(DbError::broken)?;
        let sql = format!("SELECT number FROM turns WHERE number = $1 {}", tx.lock());
        let found = tx.first(&sql, &[number.into()], |_| Ok(()))?;
        found.ok_or_else(|| DbError::broken("a turn is missing"))?;
    }
    Ok(())
}

fn number(thing: &[u8]) -> u64 {
    let mix = |sum: u64, byte: &u8| sum.wrapping_mul(31).wrapping_add(u64::from(*byte));
    thing.iter().fold(0, mix) % TURNS
}
