//! Whose turn it is: the account that was served longest ago, and of it the endpoint that was.

use std::collections::{HashMap, HashSet};

use keyway_domain::id::{AccountId, EndpointId};

/// Turns that are remembered of those who have nothing due at the moment.
const REMEMBERED: u64 = 1_024;

/// When each was last served, counted in turns; who has not been comes first.
#[derive(Debug, Default)]
pub(super) struct Turns {
    now: u64,
    accounts: HashMap<AccountId, u64>,
    endpoints: HashMap<EndpointId, u64>,
}

impl Turns {
    /// Puts those who wait in the order of their turns, and forgets who is long gone.
    pub(super) fn sort(&mut self, waiting: &mut [(AccountId, EndpointId)]) {
        let since = self.now.saturating_sub(REMEMBERED);
        let accounts: HashSet<_> = waiting.iter().map(|(account, _)| *account).collect();
        let endpoints: HashSet<_> = waiting.iter().map(|(_, endpoint)| *endpoint).collect();
        self.accounts.retain(|id, turn| *turn > since || accounts.contains(id));
        self.endpoints.retain(|id, turn| *turn > since || endpoints.contains(id));
        let turn = |map: Option<&u64>| map.copied().unwrap_or(0);
        waiting.sort_by_key(|(account, endpoint)| {
            (turn(self.accounts.get(account)), turn(self.endpoints.get(endpoint)), *endpoint)
        });
    }

    /// Notes that somebody was served.
    pub(super) fn served(&mut self, account: AccountId, endpoint: EndpointId) {
        self.now += 1;
        self.accounts.insert(account, self.now);
        self.endpoints.insert(endpoint, self.now);
    }
}
