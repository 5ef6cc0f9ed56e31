//! An account as verification sees it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use arc_swap::ArcSwapOption;
use keyway_domain::id::AccountId;
use keyway_store::accounts::Account;

/// An account as verification sees it.
pub struct IndexedAccount {
    /// Its id.
    pub id: AccountId,
    /// The platform's own id of it.
    pub external_id: ArcSwapOption<String>,
    suspended: AtomicBool,
    /// Its requests that there was no room to note, since that was last asked.
    missed: AtomicU32,
}

impl IndexedAccount {
    pub(super) fn new(id: AccountId) -> Self {
        Self {
            id,
            external_id: ArcSwapOption::empty(),
            suspended: AtomicBool::new(false),
            missed: AtomicU32::new(0),
        }
    }

    /// Takes over the account as it is now.
    pub(super) fn apply(&self, account: &Account) {
        self.external_id.store(account.external_id.clone().map(Arc::new));
        self.suspended.store(account.suspended, Ordering::Release);
    }

    /// Refuses all its credentials from now on.
    pub(super) fn suspend(&self) {
        self.suspended.store(true, Ordering::Release);
    }

    /// Whether all its credentials are refused for now.
    pub fn is_suspended(&self) -> bool {
        self.suspended.load(Ordering::Acquire)
    }

    /// Whether it is the account that the platform or Keyway calls so.
    pub fn is_called(&self, name: &str) -> bool {
        let external = self.external_id.load();
        external.as_deref().is_some_and(|external| external == name)
            || AccountId::parse(name) == Some(self.id)
    }

    /// Counts a request that was not noted; how many there were before.
    pub(crate) fn miss(&self) -> u32 {
        self.missed.fetch_add(1, Ordering::Relaxed)
    }

    /// Takes the requests that were not noted out of their counter.
    pub(crate) fn take_missed(&self) -> u32 {
        self.missed.swap(0, Ordering::Relaxed)
    }
}
