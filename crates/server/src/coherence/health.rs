//! Why a node does not answer, for people and for whoever looks after its process.

use std::sync::atomic::Ordering;

use keyway_store::DbError;

use super::{Node, lock};

/// The parts of a node that need the database, each over a connection of its own.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    Lease,
    Follow,
    Waits,
}

/// What went wrong with each part when it was last tried.
pub(super) type Troubles = [Option<String>; 3];

/// How a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// A stable word: `ready`, `in_grace`, `no_lease` or `another_history`.
    pub state: &'static str,
    /// What is wrong, if anything is.
    pub reason: Option<String>,
}

impl Node {
    /// Notes how a part's turn went; whether a trouble is news.
    pub(super) fn note(&self, part: Part, done: Result<(), &DbError>) -> bool {
        let now = done.err().map(ToString::to_string);
        let before = std::mem::replace(&mut lock(&self.troubles)[part as usize], now);
        before.is_none()
    }

    /// How this node is.
    pub fn health(&self) -> Health {
        let (holds, in_grace) = (self.lease.holds(), self.lease.is_in_grace());
        let state = match (holds, in_grace, self.is_broken.load(Ordering::SeqCst)) {
            (true, false, _) => "ready",
            (true, true, _) => "in_grace",
            (false, _, true) => "another_history",
            (false, _, false) => "no_lease",
        };
        let [lease, follow, waits] = lock(&self.troubles).clone();
        let (applied, head) = self.places();
        let behind = || {
            let behind = head - applied;
            (behind > 0).then(|| format!("{behind} changes of the log are still to be read"))
        };
        let reason = match state {
            "another_history" => Some(
                "the database has another history than this node: what was taken away is put \
                 back, and everything is loaded anew"
                    .to_owned(),
            )
            .map(|what| follow.map_or_else(|| what.clone(), |why| format!("{what} ({why})"))),
            "ready" => waits.map(|why| format!("changes can't be waited for: {why}")),
            _ => lease
                .map(|why| format!("the lease is not renewed: {why}"))
                .or_else(|| follow.map(|why| format!("the change log is not followed: {why}")))
                .or_else(behind),
        };
        Health { state, reason }
    }
}
