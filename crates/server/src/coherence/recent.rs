//! What changed lately, as this node has seen it: put back if the database loses it.
//!
//! A fail-over to a standby that was behind, or a restore, takes back revocations that were
//! answered. What was taken away stays taken away as long as one node has seen it.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use keyway_coherence::Boot;
use keyway_domain::credential::Credential;
use keyway_domain::id::{AccountId, CredentialId};
use keyway_store::Change;
use keyway_store::accounts::Account;

/// Changes are remembered so long.
const KEPT: Duration = Duration::from_hours(24);
/// At most so many: about a kilobyte each.
const KEPT_MAX: usize = 100_000;

/// The newest state of what changed lately.
#[derive(Default)]
pub(super) struct Recent {
    credentials: HashMap<CredentialId, (Boot, Box<Credential>)>,
    accounts: HashMap<AccountId, Account>,
    order: VecDeque<(Boot, CredentialId)>,
}

impl Recent {
    pub(super) fn note(&mut self, change: Change, now: Boot) {
        match change {
            Change::Account(account) => {
                self.accounts.insert(account.id, account);
            }
            // The engine keeps them itself, until they would have ended.
            Change::Token(_) => {}
            Change::Credential(credential) => {
                self.order.push_back((now, credential.id));
                self.credentials.insert(credential.id, (now, credential));
            }
        }
        while let Some((at, id)) = self.order.front().copied() {
            if self.order.len() <= KEPT_MAX && now.since(at) < KEPT {
                break;
            }
            self.order.pop_front();
            // A later change of the same credential has its own place in the order.
            if self.credentials.get(&id).is_some_and(|(noted, _)| *noted == at) {
                self.credentials.remove(&id);
            }
        }
    }

    /// A credential as it was seen last.
    pub(super) fn credential(&self, id: CredentialId) -> Option<Credential> {
        self.credentials.get(&id).map(|(_, credential)| (**credential).clone())
    }

    pub(super) fn credentials(&self) -> Vec<Credential> {
        self.credentials.values().map(|(_, credential)| (**credential).clone()).collect()
    }

    pub(super) fn accounts(&self) -> Vec<Account> {
        self.accounts.values().cloned().collect()
    }
}
