//! Which entry of the log is the next one.

use crate::chain::{Next, Position, next};

const APPLIED: Position = Position { seq: 7, nonce: 70 };

#[test]
fn the_entry_that_follows_what_was_applied_is_taken() {
    assert_eq!(next(APPLIED, 8, 80, 70), Next::Take);
}

#[test]
fn what_was_applied_is_not_applied_again() {
    assert_eq!(next(APPLIED, 7, 70, 60), Next::Old);
    assert_eq!(next(APPLIED, 3, 30, 20), Next::Old);
}

#[test]
fn a_missing_entry_is_noticed() {
    assert_eq!(next(APPLIED, 9, 90, 80), Next::Gap);
    assert_eq!(next(APPLIED, i64::MAX, 0, 0), Next::Gap);
}

#[test]
fn another_history_is_noticed_by_its_nonces() {
    assert_eq!(next(APPLIED, 7, 71, 60), Next::Broken);
    assert_eq!(next(APPLIED, 8, 80, 71), Next::Broken);
}

#[test]
fn the_first_entry_follows_the_empty_log() {
    let empty = Position::default();
    assert_eq!(next(empty, 1, 10, 0), Next::Take);
    assert_eq!(next(empty, 0, 0, 0), Next::Old);
    assert_eq!(next(empty, i64::MIN, 1, 1), Next::Old);
}
