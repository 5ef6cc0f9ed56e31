//! Digest → slot: open addressing over one flat array of words.

use std::sync::atomic::{AtomicU64, Ordering};

use keyway_secret::DigestPrefix;

/// In place of a slot plus one: what was there is gone. No index has so many slots.
const GONE: u64 = u32::MAX as u64;

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

    /// The slots that may be the digest's, likeliest first; almost always none or one. One that no
    /// index has stands for what is gone.
    pub(super) fn candidates(&self, digest: DigestPrefix) -> impl Iterator<Item = u32> + '_ {
        let fingerprint = fingerprint(digest);
        self.probe(digest)
            .map(|bucket| bucket.load(Ordering::Acquire))
            .take_while(|word| *word != 0)
            .filter(move |word| word >> 32 == fingerprint)
            .map(|word| u32::try_from(word & u64::from(u32::MAX)).expect("masked to 32 bits") - 1)
    }

    /// Looks where these would be, so that who looks again need not wait for the memory: among
    /// millions each place is a far one, and several are fetched at once.
    pub(super) fn approach(&self, digests: impl Iterator<Item = DigestPrefix>) {
        let first =
            |digest| self.probe(digest).next().map_or(0, |word| word.load(Ordering::Relaxed));
        std::hint::black_box(digests.map(first).fold(0, |all, word| all ^ word));
    }

    /// Adds an entry. There must be one writer at a time.
    pub(super) fn insert(&self, digest: DigestPrefix, slot: u32) {
        let word = (fingerprint(digest) << 32) | (u64::from(slot) + 1);
        let free = self.probe(digest).find(|bucket| bucket.load(Ordering::Relaxed) == 0);
        free.expect("a table is never full").store(word, Ordering::Release);
        self.used.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes an entry out; whether it was there. Its bucket stays taken until the table is replaced:
    /// what was put behind it must be found. There must be one writer at a time.
    pub(super) fn remove(&self, digest: DigestPrefix, slot: u32) -> bool {
        let fingerprint = fingerprint(digest) << 32;
        let mut taken = self
            .probe(digest)
            .map(|bucket| (bucket, bucket.load(Ordering::Relaxed)))
            .take_while(|(_, word)| *word != 0);
        let own = fingerprint | (u64::from(slot) + 1);
        let found = taken.find(|(_, word)| *word == own);
        let Some((bucket, _)) = found else { return false };
        bucket.store(fingerprint | GONE, Ordering::Release);
        true
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

#[cfg(test)]
mod tests {
    use keyway_secret::DigestPrefix;

    use super::Table;

    #[test]
    fn what_is_taken_out_is_not_found_and_what_was_put_behind_it_is() {
        let table = Table::with_room_for(64);
        // All begin at the same bucket, and some look the same there.
        let digest = |number: u64| DigestPrefix([128, (number / 2) << 32]);
        for number in 0..20 {
            table.insert(digest(number), u32::try_from(number).unwrap());
        }
        let has =
            |number: u64| table.candidates(digest(number)).any(|slot| u64::from(slot) == number);
        for number in (0..20).step_by(3) {
            assert!(table.remove(digest(number), u32::try_from(number).unwrap()));
            assert!(!table.remove(digest(number), u32::try_from(number).unwrap()), "once");
        }
        assert!((0..20).all(|number| has(number) == (number % 3 != 0)));
        assert!(!table.remove(digest(40), 40), "it was never there");
    }
}
