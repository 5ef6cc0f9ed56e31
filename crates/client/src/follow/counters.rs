//! What was decided here, on its way to the node, which counts it as its own.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use keyway_domain::time::Time;
use keyway_guard::follow::{Needed, Used};

const MINUTE_MS: i64 = 60_000;
/// Different counters at once; beyond it requests are told without address and client.
const COUNTERS_MAX: usize = 4_000;
/// Counters of one call.
const SENT_MAX: usize = 4_000;

/// Requests with one secret, of one minute, for one scope, from one address and client.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Counted {
    pub(super) slot: u32,
    pub(super) credential: String,
    pub(super) secret: u32,
    pub(super) at: Time,
    pub(super) is_limited: bool,
    pub(super) needed: Needed,
    pub(super) address: Option<IpAddr>,
    pub(super) client: Option<String>,
}

/// What was counted since it was sent last.
#[derive(Default)]
pub(super) struct Counters(Mutex<HashMap<Counted, u32>>);

impl Counters {
    pub(super) fn count(&self, mut counted: Counted) {
        counted.at = Time(counted.at.0 - counted.at.0.rem_euclid(MINUTE_MS));
        let mut counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counters.len() >= COUNTERS_MAX && !counters.contains_key(&counted) {
            // How often matters more than from where.
            counted.address = None;
            counted.client = None;
        }
        let requests = counters.entry(counted).or_insert(0);
        *requests = requests.saturating_add(1);
    }

    /// Takes out what one call may carry.
    pub(super) fn take(&self) -> Vec<Used> {
        let mut counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let some: Vec<Counted> = counters.keys().take(SENT_MAX).cloned().collect();
        let taken = some.into_iter().filter_map(|key| counters.remove_entry(&key));
        taken
            .map(|(counted, requests)| Used {
                slot: counted.slot,
                credential: counted.credential,
                secret: counted.secret,
                requests,
                at: counted.at.0,
                is_limited: counted.is_limited,
                needed: counted.needed,
                address: counted.address.map(|address| address.to_string()),
                client: counted.client,
            })
            .collect()
    }
}
