//! Requests by scope, counted beside the records of those secrets that are used.
//!
//! A record has no room for a counter of each scope, and most secrets are never used. So a block of
//! counters is given to a record at its first request for a scope, once, under a lock; from then on
//! a request is one atomic addition. A block stays with its record until the process ends.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use keyway_domain::grant::{Action, Need};
use keyway_domain::verdict::Access;

use super::pool::Pool;

/// Counters of a node: 64 MiB. With six resources they are enough for 1.4 million secrets in use;
/// of those that come after them, requests are counted, but not by scope.
const COUNTERS_MAX: u32 = 1 << 24;

/// The counters of all blocks.
pub(super) struct Scopes {
    counters: Pool<AtomicU32>,
    /// Counters of a block: one for each action on each resource of the scheme, and one for what no
    /// list names.
    width: u32,
    giving: Mutex<()>,
    full: AtomicBool,
}

impl Scopes {
    /// No blocks yet, for a scheme of so many resources.
    pub(super) fn new(resources: usize) -> Self {
        let width = u32::try_from(resources).unwrap_or(0).saturating_mul(2).saturating_add(1);
        let (giving, full) = (Mutex::new(()), AtomicBool::new(false));
        Self { counters: Pool::new(), width, giving, full }
    }

    /// Counts requests; the count before them, or `None` if there is no room to count them.
    ///
    /// `block` is where a record keeps its block: one more than the number of the block, or 0.
    pub(super) fn count(&self, block: &AtomicU32, access: Access, requests: u32) -> Option<u32> {
        let known = match block.load(Ordering::Acquire) {
            0 => self.give(block)?,
            known => known,
        };
        Some(self.counter(known, access)?.fetch_add(requests, Ordering::Relaxed))
    }

    /// Takes the requests for a scope out of their counter.
    pub(super) fn take(&self, block: &AtomicU32, access: Access) -> u32 {
        let counter = self.counter(block.load(Ordering::Acquire), access);
        counter.map_or(0, |counter| counter.swap(0, Ordering::Relaxed))
    }

    fn counter(&self, block: u32, access: Access) -> Option<&AtomicU32> {
        let within = match access {
            Access::Needs(Need { resource, action }) => {
                u32::from(resource) * 2 + u32::from(action == Action::Write)
            }
            Access::Unlisted => self.width - 1,
            Access::Identity => return None,
        };
        let first = block.checked_sub(1)?.checked_mul(self.width)?;
        // A resource that the scheme does not have would be the next block's.
        (within < self.width).then(|| self.counters.at(first + within)).flatten()
    }

    fn give(&self, block: &AtomicU32) -> Option<u32> {
        if self.full.load(Ordering::Relaxed) {
            return None;
        }
        let _giving = self.giving.lock().unwrap_or_else(PoisonError::into_inner);
        let known = block.load(Ordering::Acquire);
        if known > 0 {
            return Some(known);
        }
        let given = self.counters.len() / self.width + 1;
        if given.saturating_mul(self.width) > COUNTERS_MAX {
            self.full.store(true, Ordering::Relaxed);
            return None;
        }
        for _ in 0..self.width {
            self.counters.grow()?;
        }
        block.store(given, Ordering::Release);
        Some(given)
    }
}

#[cfg(test)]
mod tests;
