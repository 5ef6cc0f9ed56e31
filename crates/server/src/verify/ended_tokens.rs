//! Access tokens that were revoked before their time.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use keyway_domain::id::TokenId;
use keyway_domain::time::Time;
use keyway_store::tokens::EndedToken;

const SHARDS: usize = 64;

/// The tokens that are refused although their time is not over. Only who presents a token looks here,
/// and only into one of the shards.
pub(super) struct EndedTokens {
    shards: [Mutex<HashMap<TokenId, Time>>; SHARDS],
}

impl Default for EndedTokens {
    fn default() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl EndedTokens {
    fn shard(&self, id: TokenId) -> std::sync::MutexGuard<'_, HashMap<TokenId, Time>> {
        // The low bits of an id are drawn at random.
        let shard = usize::try_from(id.0 % SHARDS as u128).unwrap_or(0);
        self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn put(&self, token: EndedToken) {
        self.shard(token.id).insert(token.id, token.until);
    }

    pub(super) fn holds(&self, id: TokenId) -> bool {
        self.shard(id).contains_key(&id)
    }

    pub(super) fn all(&self) -> Vec<EndedToken> {
        let mut all = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            all.extend(shard.iter().map(|(id, until)| EndedToken { id: *id, until: *until }));
        }
        all
    }

    /// Forgets those that have ended by themselves before an instant.
    pub(super) fn forget(&self, before: Time) {
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.retain(|_, until| *until > before);
        }
    }
}
