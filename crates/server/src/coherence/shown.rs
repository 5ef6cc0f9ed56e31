//! How far a node says that it is: no further than whoever verifies after it.

use std::collections::VecDeque;

use keyway_coherence::Position;

/// What is shown to the other nodes, and what is to be.
pub(super) struct Shown {
    at: Position,
    /// Places in the log that the index has reached, with the places up to which followers must
    /// have applied what they are told.
    later: VecDeque<(Position, u64)>,
}

impl Shown {
    pub(super) fn new(at: Position) -> Self {
        Self { at, later: VecDeque::new() }
    }

    /// The index has reached a place in the log.
    pub(super) fn reached(&mut self, position: Position, told: u64) {
        self.later.push_back((position, told));
    }

    /// The index was loaded as of a place in the log, which may be another history.
    pub(super) fn reloaded(&mut self, position: Position, told: u64) {
        self.later.clear();
        self.reached(position, told);
    }

    /// What to show, now that all followers have applied everything before a place, or there are
    /// none.
    pub(super) fn look(&mut self, least: Option<u64>) -> Position {
        while let Some((position, told)) = self.later.front().copied() {
            if least.is_some_and(|least| least < told) {
                break;
            }
            self.at = position;
            self.later.pop_front();
        }
        self.at
    }

    /// What is shown.
    pub(super) fn at(&self) -> Position {
        self.at
    }

    /// Whether the index is further than is shown.
    pub(super) fn is_behind(&self) -> bool {
        !self.later.is_empty()
    }
}
