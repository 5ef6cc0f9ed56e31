//! Digest → slot: open addressing over one flat array of words.

use std::sync::atomic::{AtomicU64, Ordering};

use keyway_secret::DigestPrefix;

/// A hash table that one writer fills while others read. A bucket holds 32 bits of the digest that
/// the place does not say already, and the slot plus one; zero is empty.
pub(super) struct Table {
    buckets: Box<[AtomicU64]>,
    mask: u64,
    used: AtomicU64,
}

impl Table {
    /// A table that holds at least `entries` at three quarters full.
    pub(super) fn with_room_for(entries: u64) -> Self {
        let buckets = (entries.max(64) * 4 / 3 + 1).next_power_of_two();
        let count = usize::try_from(buckets).expect("a table fits into memory");
        Self {
            buckets: std::iter::repeat_with(AtomicU64::default).take(count).collect(),
            mask: buckets - 1,
            used: AtomicU64::new(0),
        }
    }

    /// Whether one more entry would make it slow.
    pub(super) fn is_full(&self) -> bool {
        self.used.load(Ordering::Relaxed) >= (self.mask + 1) * 3 / 4
    }

    /// The slots that may be the digest's, likeliest first; almost always none or one.
    pub(super) fn candidates(&self, digest: DigestPrefix) -> impl Iterator<Item = u32> + '_ {
        let fingerprint = fingerprint(digest);
        self.probe(digest)
            .map(|bucket| bucket.load(Ordering::Acquire))
            .take_while(|word| *word != 0)
            .filter(move |word| word >> 32 == fingerprint)
            .map(|word| u32::try_from(word & u64::from(u32::MAX)).expect("masked to 32 bits") - 1)
    }

    /// Adds an entry. There must be one writer at a time.
    pub(super) fn insert(&self, digest: DigestPrefix, slot: u32) {
        let word = (fingerprint(digest) << 32) | (u64::from(slot) + 1);
        let free = self.probe(digest).find(|bucket| bucket.load(Ordering::Relaxed) == 0);
        free.expect("a table is never full").store(word, Ordering::Release);
        self.used.fetch_add(1, Ordering::Relaxed);
    }

    fn probe(&self, digest: DigestPrefix) -> impl Iterator<Item = &AtomicU64> + '_ {
        let first = digest.0[0] & self.mask;
        (0..=self.mask).map(move |step| {
            let place = (first + step) & self.mask;
            &self.buckets[usize::try_from(place).expect("a table fits into memory")]
        })
    }
}

fn fingerprint(digest: DigestPrefix) -> u64 {
    digest.0[1] >> 32
}
