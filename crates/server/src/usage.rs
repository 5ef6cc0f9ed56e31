//! Counting beside the index: no channel, no queue per request; flushed in batches.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use keyway_domain::grant::{Action, Need};
use keyway_domain::scheme::Scheme;
use keyway_domain::time::Time;
use keyway_domain::verdict::{Access, Reason};
use keyway_store::usage::{Batch, Seen, UNLISTED};

use crate::index::{Allowed, Entry, Index, Noted};
use crate::verify::{Headers, One};

const SHARDS: usize = 64;
const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
/// Addresses of a shard's secrets that are noted between two flushes, beside the first of each.
const PLACES_MAX: usize = 1_000;
/// Characters of a client's name that are kept.
const CLIENT_CHARS_MAX: usize = 80;

/// What was counted since the last flush.
///
/// An allowed request is one atomic addition to its record. Only a secret's first use since the
/// last flush, its first in a minute, its first from an address or for a scope, and a refusal touch
/// a shard of this.
pub struct Usage {
    shards: Box<[Mutex<Shard>]>,
    /// Counts the flushes. Addresses and scopes are told apart by 64 bits, differently after each
    /// flush: two that fall together once do not again.
    turn: AtomicU32,
}

#[derive(Default)]
struct Shard {
    /// Slots whose allowed counter is not zero.
    used: Vec<u32>,
    refused: HashMap<(u32, Reason), u64>,
    seen: HashMap<u32, Seen>,
    places: Vec<(u32, Seen)>,
    needs: Vec<(u32, Access)>,
    refused_seen: HashMap<u32, Seen>,
    reported: HashMap<(u32, Option<IpAddr>), (u64, Time)>,
}

/// A number from 0 to 63 by which a thing is known until the next flush.
fn bit(thing: u64, turn: u32) -> u32 {
    // Multiplication by an odd number mixes upwards; the top six bits depend on all of it.
    let mixed = (thing ^ (u64::from(turn) << 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    u32::try_from(mixed >> 58).unwrap_or(0)
}

fn number_of(address: Option<IpAddr>) -> u64 {
    match address.map(|address| address.to_canonical()) {
        None => 0,
        Some(IpAddr::V4(address)) => u64::from(address.to_bits()),
        Some(IpAddr::V6(address)) => {
            let bits = address.to_bits();
            let half = |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).unwrap_or(0);
            half(bits >> 64) ^ half(bits).rotate_left(17)
        }
    }
}

impl Usage {
    /// Nothing counted yet.
    pub fn new() -> Self {
        let shards = std::iter::repeat_with(Mutex::default).take(SHARDS).collect();
        Self { shards, turn: AtomicU32::new(0) }
    }

    fn shard(&self, slot: u32) -> std::sync::MutexGuard<'_, Shard> {
        let shard = usize::try_from(slot).unwrap_or(0) % SHARDS;
        self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts allowed requests.
    pub fn allowed(&self, index: &Index, entry: &Entry, use_: &Use<'_, impl Headers>) {
        let minute = u32::try_from(use_.now.0 / MINUTE_MS).unwrap_or(u32::MAX);
        let turn = self.turn.load(Ordering::Relaxed);
        let place = bit(number_of(use_.address), turn);
        let number = match use_.access {
            Access::Identity => None,
            Access::Unlisted => Some(0),
            Access::Needs(Need { resource, action }) => {
                Some(u64::from(resource) * 2 + u64::from(action == Action::Write) + 1)
            }
        };
        let need = number.map(|number| (use_.access, bit(number, turn)));
        let requests = use_.requests;
        let noted = index.note_allowed(entry, &Allowed { requests, minute, place, need });
        if noted == Noted::default() {
            return;
        }
        let mut shard = self.shard(entry.slot);
        if noted.first_since_taken {
            shard.used.push(entry.slot);
        }
        if noted.first_this_minute {
            shard.seen.insert(entry.slot, use_.seen());
        } else if noted.new_place && shard.places.len() < PLACES_MAX {
            shard.places.push((entry.slot, use_.seen()));
        }
        if noted.new_need {
            shard.needs.push((entry.slot, use_.access));
        }
    }

    /// Counts refused requests of a known secret.
    pub fn refused(&self, entry: &Entry, reason: Reason, use_: &Use<'_, impl Headers>) {
        let mut shard = self.shard(entry.slot);
        *shard.refused.entry((entry.slot, reason)).or_insert(0) += u64::from(use_.requests);
        shard.refused_seen.entry(entry.slot).or_insert_with(|| use_.seen());
    }

    /// Counts, beside its being allowed, a request that an address list would have refused.
    pub fn reported(&self, entry: &Entry, use_: &Use<'_, impl Headers>) {
        let mut shard = self.shard(entry.slot);
        let address = use_.address.map(|address| address.to_canonical());
        let is_room = shard.reported.len() < PLACES_MAX;
        let is_listed = is_room || shard.reported.contains_key(&(entry.slot, address));
        let key = (entry.slot, address.filter(|_| is_listed));
        let (requests, last_at) = shard.reported.entry(key).or_default();
        *requests += u64::from(use_.requests);
        *last_at = use_.minute();
    }

    /// Takes everything out, as a batch; `None` if there is nothing.
    pub fn take(&self, index: &Index, scheme: &Scheme, now: Time) -> Option<Batch> {
        let hour = now.0 - now.0.rem_euclid(HOUR_MS);
        let mut batch = Batch { at: now, ..Batch::default() };
        self.turn.fetch_add(1, Ordering::Relaxed);
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
            for (slot, seen) in taken.places {
                let Some(entry) = index.entry(slot) else { continue };
                batch.places.push((entry.credential, entry.secret, seen));
            }
            for (slot, access) in taken.needs {
                let Some(entry) = index.entry(slot) else { continue };
                let requests = u64::from(index.take_need(slot, access));
                let need = match access {
                    Access::Needs(need) => scheme.say_need(need),
                    Access::Unlisted | Access::Identity => UNLISTED.to_owned(),
                };
                let key = (entry.credential, need);
                *batch.needs.entry(key).or_insert(0) += requests;
            }
            for ((slot, address), (requests, last_at)) in taken.reported {
                let Some(entry) = index.entry(slot) else { continue };
                let address = address.map_or_else(String::new, |address| address.to_string());
                let report = batch.reports.entry((entry.credential, address)).or_default();
                *report = (report.0 + requests, report.1.max(last_at));
            }
            for (slot, seen) in taken.refused_seen {
                let Some(entry) = index.entry(slot) else { continue };
                batch.refused.insert((entry.credential, entry.secret), seen);
            }
        }
        let is_empty = batch.counts.is_empty() && batch.reports.is_empty();
        (!is_empty).then_some(batch)
    }
}

impl Default for Usage {
    fn default() -> Self {
        Self::new()
    }
}

/// Requests of one moment, as far as they are written down.
pub struct Use<'u, H> {
    /// How many.
    pub requests: u32,
    /// When.
    pub now: Time,
    /// From where.
    pub address: Option<IpAddr>,
    /// Its headers.
    pub headers: &'u H,
    /// What it needed.
    pub access: Access,
}

impl<H: Headers> Use<'_, H> {
    fn minute(&self) -> Time {
        Time(self.now.0 - self.now.0.rem_euclid(MINUTE_MS))
    }

    fn seen(&self) -> Seen {
        Seen {
            at: self.minute(),
            address: self.address.map(|address| address.to_string()),
            client: client(self.headers),
        }
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
