//! What is remembered of credentials, by a digest of what was presented.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use ipnet::IpNet;
use keyway_domain::credential::RateLimit;
use keyway_domain::grant::Grant;
use keyway_domain::time::Time;
use keyway_guard::Identity;
use keyway_guard::follow::Changed;
use keyway_secret::{Digest, Keyring, OsEntropy, Pepper, RootKey};

const SHARDS: usize = 16;

/// What was presented, digested with a key that this process drew for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key([u8; 32]);

/// What is known of a credential as it was presented.
pub(super) struct Known {
    pub(super) identity: Identity,
    pub(super) grant: Grant,
    pub(super) slot: u32,
    pub(super) until: Time,
    pub(super) token: Option<String>,
    pub(super) addresses: Vec<IpNet>,
    pub(super) rate: Option<(RateLimit, Arc<AtomicU64>)>,
}

/// Everything that is remembered.
pub(super) struct Memory {
    pepper: Pepper,
    shards: [RwLock<HashMap<Key, Arc<Known>>>; SHARDS],
    room: usize,
    places: Mutex<Places>,
}

/// What to forget when something changes, and what was said to have changed so far.
#[derive(Default)]
struct Places {
    /// By the id of a credential, an account or a token.
    by_id: HashMap<String, HashSet<Key>>,
    /// How far each credential's rate limit has come. It outlives what is known of the credential.
    rates: HashMap<String, Arc<AtomicU64>>,
    /// Everything before this place of the node's was taken in.
    applied: u64,
    /// With how many nodes this process has begun. Places of one mean nothing to another.
    session: u64,
}

impl Memory {
    pub(super) fn new(remembered: usize) -> Self {
        let root = RootKey::generate(&mut OsEntropy);
        Self {
            pepper: Keyring::derive(&root).pepper,
            shards: std::array::from_fn(|_| RwLock::default()),
            room: remembered.div_ceil(SHARDS),
            places: Mutex::default(),
        }
    }

    pub(super) fn key(&self, presented: &[u8]) -> Key {
        let Digest(digest) = self.pepper.digest_parts(&[presented]);
        Key(digest)
    }

    fn shard(&self, key: Key) -> &RwLock<HashMap<Key, Arc<Known>>> {
        &self.shards[usize::from(key.0[0]) % SHARDS]
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn find(&self, key: Key) -> Option<Arc<Known>> {
        let shard = self.shard(key).read().unwrap_or_else(PoisonError::into_inner);
        shard.get(&key).cloned()
    }

    /// Tells one session from another.
    pub(super) fn session(&self) -> u64 {
        self.places().session
    }

    /// Remembers what was looked up in a session as of a place, unless something was said to have
    /// changed since.
    pub(super) fn put(
        &self,
        key: Key,
        (session, as_of): (u64, u64),
        known: impl FnOnce(&mut dyn FnMut(&str) -> Arc<AtomicU64>) -> Known,
    ) {
        let mut places = self.places();
        if session != places.session || as_of < places.applied {
            return;
        }
        let mut rate =
            |credential: &str| Arc::clone(places.rates.entry(credential.to_owned()).or_default());
        let known = Arc::new(known(&mut rate));
        let mut shard = self.shard(key).write().unwrap_or_else(PoisonError::into_inner);
        let is_full = shard.len() >= self.room && !shard.contains_key(&key);
        if is_full {
            // What is in use comes back with its next request.
            shard.clear();
        }
        shard.insert(key, Arc::clone(&known));
        drop(shard);
        if is_full {
            self.forget_gone(&mut places);
        }
        let identity = &known.identity;
        let ids = [Some(&identity.credential), Some(&identity.account), known.token.as_ref()];
        for id in ids.into_iter().flatten() {
            places.by_id.entry(id.clone()).or_default().insert(key);
        }
    }

    fn forget_gone(&self, places: &mut Places) {
        places.by_id.retain(|_, keys| {
            keys.retain(|key| self.find(*key).is_some());
            !keys.is_empty()
        });
        if places.rates.len() > self.room * SHARDS {
            places.rates.retain(|_, arrival| Arc::strong_count(arrival) > 1);
        }
    }

    /// Forgets whatever has changed; everything before `place` is taken in then.
    pub(super) fn apply(&self, changed: &[Changed], place: u64) {
        let mut places = self.places();
        for change in changed {
            match change {
                Changed::Credential(id) | Changed::Account(id) | Changed::Token(id) => {
                    for key in places.by_id.remove(id).unwrap_or_default() {
                        let shard = self.shard(key).write();
                        shard.unwrap_or_else(PoisonError::into_inner).remove(&key);
                    }
                }
                Changed::Everything => self.clear(&mut places),
            }
        }
        places.applied = place;
    }

    /// Forgets everything, and begins at another place.
    pub(super) fn begin(&self, place: u64) {
        let mut places = self.places();
        self.clear(&mut places);
        places.applied = place;
        places.session += 1;
    }

    fn clear(&self, places: &mut Places) {
        for shard in &self.shards {
            shard.write().unwrap_or_else(PoisonError::into_inner).clear();
        }
        places.by_id.clear();
        // Rate limits go on: a change elsewhere must not give anybody a new window.
    }
}
