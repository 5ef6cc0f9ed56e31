//! What was promised to clients, and whether an answer keeps to it.

use std::collections::BTreeMap;

use crate::database::{Key, Level, Levels, Stored, join};

/// An answer that broke a promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Breach {
    /// What a returned change had taken away was accepted.
    StaleAccept { at: u64, node: u64, key: Key, found: Level, promised: Level },
    /// What a returned change had made was unknown to a node with a lease.
    Missing { at: u64, node: u64, key: Key },
    /// After the faults, a change took too long, or a node stayed without a lease.
    Late(String),
    /// After the faults, a node knows something else than the database.
    Apart { node: u64 },
}

impl Breach {
    pub(crate) fn is_stale_accept(&self) -> bool {
        matches!(self, Self::StaleAccept { .. })
    }
}

#[derive(Default)]
pub(crate) struct History {
    /// Of each key, the highest level whose change has returned.
    promised: Levels,
    /// What a fail-over took from the database although it had returned.
    pub(crate) lost: Levels,
    pub(crate) breaches: Vec<Breach>,
    pub(crate) figures: BTreeMap<&'static str, u64>,
}

impl History {
    pub(crate) fn count(&mut self, what: &'static str) {
        *self.figures.entry(what).or_default() += 1;
    }

    pub(crate) fn promised(&self, key: Key) -> Level {
        self.promised.get(&key).copied().unwrap_or(0)
    }

    /// A change has returned. After a fail-over, nothing is promised of what it took meanwhile.
    pub(crate) fn returned(&mut self, edits: &Levels, stored: &Stored) {
        self.count("returned");
        for (key, level) in edits {
            let kept = stored.levels.get(key).copied().unwrap_or(0);
            if kept >= *level {
                join(&mut self.promised, &Levels::from([(*key, *level)]));
            } else {
                self.count("returned, and lost already");
            }
        }
    }

    /// The database came back without its last commits: they hold again once a node that has
    /// applied them has said them again.
    pub(crate) fn failed_over(&mut self, stored: &Stored) {
        for (key, level) in &mut self.promised {
            let kept = stored.levels.get(key).copied().unwrap_or(0);
            if kept < *level {
                self.lost.insert(*key, *level);
                *level = kept;
            }
        }
    }

    /// A node with a lease answered from `found`, for a verification that began when `promised`.
    pub(crate) fn answered(&mut self, at: u64, node: u64, key: Key, found: Level, promised: Level) {
        self.count("answered");
        // Only a fail-over takes a promise back, also from who is under way.
        let promised = promised.min(self.promised(key));
        if found >= promised {
            return;
        }
        self.breaches.push(match found {
            0 => Breach::Missing { at, node, key },
            _ => Breach::StaleAccept { at, node, key, found, promised },
        });
    }
}
