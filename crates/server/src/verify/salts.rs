//! Salts that were used: within the clock window none is accepted twice.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use keyway_domain::time::Time;

const SHARDS: usize = 64;
/// Salts of one shard and window; beyond it requests are refused, which is safe and visible.
const SALTS_MAX: usize = 250_000;

/// Two windows of salts, each as long as a timestamp is accepted: what left both can't come back,
/// because its timestamp is too old by then.
pub(super) struct Salts {
    hasher: RandomState,
    shards: Box<[Mutex<Windows>]>,
}

#[derive(Default)]
struct Windows {
    started: i64,
    current: HashSet<u64>,
    previous: HashSet<u64>,
}

impl Salts {
    pub(super) fn new() -> Self {
        let shards = std::iter::repeat_with(Mutex::default).take(SHARDS).collect();
        Self { hasher: RandomState::new(), shards }
    }

    /// Uses a salt up; false if it was used already.
    pub(super) fn take(&self, id: &str, salt: &str, now: Time, window_ms: i64) -> bool {
        let hash = self.hasher.hash_one((id, salt));
        let shard = usize::try_from(hash % SHARDS as u64).expect("a shard's number is small");
        let mut windows = self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner);
        if now.0 - windows.started >= window_ms {
            let gap = now.0 - windows.started >= 2 * window_ms;
            windows.previous = std::mem::take(&mut windows.current);
            if gap {
                windows.previous.clear();
            }
            windows.started = now.0;
        }
        windows.current.len() < SALTS_MAX
            && !windows.previous.contains(&hash)
            && windows.current.insert(hash)
    }
}
