//! The log as a chain: each entry names the nonce of the one before it.
//!
//! A number alone does not tell two histories apart. After a restore, or a fail-over that lost the
//! last commits, the database gives the same numbers to other changes.

/// A place in the log: its number, and the random nonce that no other history has there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Position {
    /// The number; they are dense.
    pub seq: i64,
    /// Drawn when the entry was written.
    pub nonce: i64,
}

/// What an entry of the log is to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Next {
    /// The next one: apply it.
    Take,
    /// Applied before.
    Old,
    /// Something is missing in between: read the log.
    Gap,
    /// Of another history than what was applied.
    Broken,
}

/// Judges the entry at `seq`, which has `nonce` and follows `prev`.
pub fn next(applied: Position, seq: i64, nonce: i64, prev: i64) -> Next {
    if seq < applied.seq {
        return Next::Old;
    }
    if seq == applied.seq {
        return if nonce == applied.nonce { Next::Old } else { Next::Broken };
    }
    if seq - 1 > applied.seq {
        return Next::Gap;
    }
    if prev == applied.nonce { Next::Take } else { Next::Broken }
}
