//! Counting beside the index: no channel, no queue per request; flushed in batches.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use keyway_domain::time::Time;
use keyway_domain::verdict::Reason;
use keyway_store::usage::{Batch, Seen};

use crate::index::{Entry, Index};
use crate::verify::{Headers, One};

const SHARDS: usize = 64;
const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
/// Characters of a client's name that are kept.
const CLIENT_CHARS_MAX: usize = 80;

/// What was counted since the last flush.
///
/// An allowed request is one atomic addition to its record. Only a secret's first use since the
/// last flush, its first in a minute, and a refusal touch a shard of this.
pub struct Usage {
    shards: Box<[Mutex<Shard>]>,
}

#[derive(Default)]
struct Shard {
    /// Slots whose allowed counter is not zero.
    used: Vec<u32>,
    refused: HashMap<(u32, Reason), u64>,
    seen: HashMap<u32, Seen>,
}

impl Usage {
    /// Nothing counted yet.
    pub fn new() -> Self {
        Self { shards: std::iter::repeat_with(Mutex::default).take(SHARDS).collect() }
    }

    fn shard(&self, slot: u32) -> std::sync::MutexGuard<'_, Shard> {
        let shard = usize::try_from(slot).unwrap_or(0) % SHARDS;
        self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an allowed request.
    pub fn allowed(
        &self,
        index: &Index,
        entry: &Entry,
        now: Time,
        address: Option<IpAddr>,
        headers: &impl Headers,
    ) {
        let minute = u32::try_from(now.0 / MINUTE_MS).unwrap_or(u32::MAX);
        let (first_since_taken, first_this_minute) = index.note_allowed(entry, minute);
        if first_since_taken {
            self.shard(entry.slot).used.push(entry.slot);
        }
        if first_this_minute {
            let seen = Seen {
                at: Time(now.0 - now.0.rem_euclid(MINUTE_MS)),
                address: address.map(|address| address.to_string()),
                client: client(headers),
            };
            self.shard(entry.slot).seen.insert(entry.slot, seen);
        }
    }

    /// Counts a refused request of a known secret.
    pub fn refused(&self, entry: &Entry, reason: Reason) {
        *self.shard(entry.slot).refused.entry((entry.slot, reason)).or_insert(0) += 1;
    }

    /// Takes everything out, as a batch; `None` if there is nothing.
    pub fn take(&self, index: &Index, now: Time) -> Option<Batch> {
        let hour = now.0 - now.0.rem_euclid(HOUR_MS);
        let mut batch =
            Batch { counts: BTreeMap::new(), seen: BTreeMap::new(), ..Batch::default() };
        for shard in &self.shards {
            let taken = std::mem::take(&mut *shard.lock().unwrap_or_else(PoisonError::into_inner));
            for slot in taken.used {
                let Some(entry) = index.entry(slot) else { continue };
                let allowed = u64::from(index.take_allowed(slot));
                let key = (entry.credential, entry.secret, hour, "allowed");
                *batch.counts.entry(key).or_insert(0) += allowed;
            }
            for ((slot, reason), count) in taken.refused {
                let Some(entry) = index.entry(slot) else { continue };
                let key = (entry.credential, entry.secret, hour, reason.as_str());
                *batch.counts.entry(key).or_insert(0) += count;
            }
            for (slot, seen) in taken.seen {
                let Some(entry) = index.entry(slot) else { continue };
                batch.seen.insert((entry.credential, entry.secret), seen);
            }
        }
        (!batch.counts.is_empty()).then_some(batch)
    }
}

impl Default for Usage {
    fn default() -> Self {
        Self::new()
    }
}

/// What the client calls itself, cut to a bearable length. A header can hold anything, so what
/// does not look like a product name is left out.
pub fn client(headers: &impl Headers) -> Option<String> {
    let One::Value(value) = headers.one("user-agent") else { return None };
    let text = std::str::from_utf8(value).ok()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || " ./-+();:,".contains(c);
    let text: String = text.chars().take(CLIENT_CHARS_MAX).collect();
    (!text.is_empty() && text.chars().all(plain)).then_some(text)
}
