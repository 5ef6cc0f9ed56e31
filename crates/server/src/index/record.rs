//! One secret in the index: two cache lines of atomics, read without a lock.
//!
//! A record is a sequence lock over plain words. The one writer makes the sequence odd, stores the
//! words, and makes it even again; a reader that saw it odd, or saw it change, reads again. Every
//! word is an atomic, so a torn read is a value that is thrown away, never undefined behaviour.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

use keyway_domain::Environment;
use keyway_domain::grant::Grant;
use keyway_domain::id::CredentialId;
use keyway_domain::time::Time;
use keyway_secret::DigestPrefix;

const WORDS: usize = 11;

/// A slot for one secret. 128 bytes: the words a verdict needs come first.
#[repr(align(64))]
#[derive(Default)]
pub(super) struct Record {
    sequence: AtomicU32,
    /// Allowed requests since the counters were last taken.
    pub(super) allowed: AtomicU32,
    words: [AtomicU64; WORDS],
    /// The minute (since 1970) of the last use that was noted with its address.
    pub(super) minute: AtomicU32,
    /// Its counters by scope; 0 while there are none.
    pub(super) scopes: AtomicU32,
    /// Addresses it was used from since the counters were last taken, a bit each by their hash.
    pub(super) places: AtomicU64,
    /// Scopes it used since then, likewise, where there are no counters for it.
    pub(super) needs: AtomicU64,
    /// Rate limit: the theoretical arrival time of GCRA, in microseconds.
    pub(super) arrival: AtomicU64,
}

/// What the index knows of a secret: everything a verdict needs, by value.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Where in the index it is.
    pub slot: u32,
    /// The credential's id.
    pub credential: CredentialId,
    /// When this secret ends.
    pub ends_at: Time,
    /// Whether that is the credential's expiry.
    pub ends_by_expiry: bool,
    /// Whether an act has ended it.
    pub ended: bool,
    /// The kind's place in the scheme.
    pub kind: u8,
    /// Its environment.
    pub environment: Environment,
    /// Its grant.
    pub grant: Grant,
    /// The secret's number within its credential.
    pub secret: u32,
    /// Its account's place in the pool.
    pub account: u32,
    /// Its name's place.
    pub name: u32,
    /// Its address list's place in the pool; 0 is the empty list.
    pub addresses: u32,
    /// Its rate limit's place in the pool; 0 is no limit.
    pub rate: u32,
    /// Its sealed secret's place in the pool; 0 is none.
    pub sealed: u32,
    /// The slot that counts its credential's rate, so that two live secrets share one limit.
    pub rate_slot: u32,
}

impl Entry {
    /// The first instant at which this secret is refused. What an act has ended is refused at all of
    /// them: the clock that the act was dated by may be ahead of the one that is asked.
    pub fn over_from(&self) -> Time {
        if self.ended { Time(i64::MIN) } else { self.ends_at }
    }
}

const BY_EXPIRY: u64 = 1 << 8;
const LIVE_ENVIRONMENT: u64 = 1 << 9;
const EVERYTHING: u64 = 1 << 10;
const ENDED: u64 = 1 << 11;

impl Record {
    /// Replaces what the record says. There must be one writer at a time.
    pub(super) fn write(&self, digest: DigestPrefix, entry: &Entry) {
        let words = encode(digest, entry);
        let sequence = self.sequence.load(Ordering::Relaxed);
        self.sequence.store(sequence.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        for (word, value) in self.words.iter().zip(words) {
            word.store(value, Ordering::Relaxed);
        }
        self.sequence.store(sequence.wrapping_add(2), Ordering::Release);
    }

    /// Forgets what was noted of whose record it was, for whoever has it next. Its counters by scope
    /// were emptied when they were last taken.
    pub(super) fn forget_counts(&self) {
        self.minute.store(0, Ordering::Relaxed);
        self.places.store(0, Ordering::Relaxed);
        self.needs.store(0, Ordering::Relaxed);
        self.arrival.store(0, Ordering::Relaxed);
    }

    /// Reads the record if it is that digest's.
    pub(super) fn read(&self, slot: u32, digest: DigestPrefix) -> Option<Entry> {
        loop {
            let before = self.sequence.load(Ordering::Acquire);
            let words: [u64; WORDS] =
                std::array::from_fn(|place| self.words[place].load(Ordering::Relaxed));
            fence(Ordering::Acquire);
            let after = self.sequence.load(Ordering::Relaxed);
            if before == after && before.is_multiple_of(2) {
                let same = (words[0] ^ digest.0[0]) | (words[1] ^ digest.0[1]) == 0;
                return same.then(|| decode(slot, &words));
            }
            std::hint::spin_loop();
        }
    }

    /// Whose record it is, for the one writer.
    pub(super) fn digest(&self) -> DigestPrefix {
        DigestPrefix([self.words[0].load(Ordering::Relaxed), self.words[1].load(Ordering::Relaxed)])
    }

    /// What it says, for the one writer and for counters.
    pub(super) fn entry(&self, slot: u32) -> Option<Entry> {
        self.read(slot, self.digest())
    }
}

fn pair(high: u32, low: u32) -> u64 {
    (u64::from(high) << 32) | u64::from(low)
}

fn halves(word: u64) -> (u32, u32) {
    let low = u32::try_from(word & u64::from(u32::MAX)).expect("masked to 32 bits");
    (u32::try_from(word >> 32).expect("shifted to 32 bits"), low)
}

fn encode(digest: DigestPrefix, entry: &Entry) -> [u64; WORDS] {
    let (everything, bits) = match entry.grant {
        Grant::Everything => (EVERYTHING, 0),
        Grant::Chosen(bits) => (0, bits),
    };
    let by_expiry = if entry.ends_by_expiry { BY_EXPIRY } else { 0 };
    let live = if entry.environment == Environment::Live { LIVE_ENVIRONMENT } else { 0 };
    let ended = if entry.ended { ENDED } else { 0 };
    let flags = u64::from(entry.kind) | by_expiry | live | everything | ended;
    let [id_high, id_low] = DigestPrefix::from_bytes(entry.credential.0.to_be_bytes()).0;
    let [bits_high, bits_low] = DigestPrefix::from_bytes(bits.to_be_bytes()).0;
    [
        digest.0[0],
        digest.0[1],
        entry.ends_at.0.cast_unsigned(),
        (u64::from(entry.secret) << 32) | flags,
        bits_high,
        bits_low,
        pair(entry.addresses, entry.rate),
        id_high,
        id_low,
        pair(entry.account, entry.name),
        pair(entry.sealed, entry.rate_slot),
    ]
}

fn decode(slot: u32, words: &[u64; WORDS]) -> Entry {
    let (secret, flags) = halves(words[3]);
    let flags = u64::from(flags);
    let number = |high: u64, low: u64| (u128::from(high) << 64) | u128::from(low);
    let (addresses, rate) = halves(words[6]);
    let (account, name) = halves(words[9]);
    let (sealed, rate_slot) = halves(words[10]);
    let everything = flags & EVERYTHING != 0;
    let live = flags & LIVE_ENVIRONMENT != 0;
    Entry {
        slot,
        credential: CredentialId(number(words[7], words[8])),
        ends_at: Time(words[2].cast_signed()),
        ends_by_expiry: flags & BY_EXPIRY != 0,
        ended: flags & ENDED != 0,
        kind: u8::try_from(flags & 0xff).expect("masked to 8 bits"),
        environment: if live { Environment::Live } else { Environment::Test },
        grant: if everything {
            Grant::Everything
        } else {
            Grant::Chosen(number(words[4], words[5]))
        },
        secret,
        account,
        name,
        addresses,
        rate,
        sealed,
        rate_slot,
    }
}
