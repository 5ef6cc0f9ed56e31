//! A ring of fixed size that many write to and one reads (after D. Vyukov's bounded queue).
//!
//! Each slot has a turn: its place when it is free, one more when it is full. A writer takes a place
//! by compare-and-swap, writes its words, and says so by the turn; a reader that sees the turn sees
//! the words. Every word is an atomic, so nothing here can be undefined.

use std::sync::atomic::{AtomicU64, Ordering};

/// Words of an entry.
pub(super) const WORDS: usize = 8;

#[derive(Default)]
struct Slot {
    turn: AtomicU64,
    words: [AtomicU64; WORDS],
}

/// A counter in a cache line of its own: writers and the reader must not disturb each other.
#[repr(align(64))]
#[derive(Default)]
struct Counter(AtomicU64);

/// A ring.
pub(super) struct Lane {
    head: Counter,
    tail: Counter,
    slots: Box<[Slot]>,
}

impl Lane {
    /// An empty ring for so many entries, at least one.
    pub(super) fn new(room: usize) -> Self {
        let slot = |place: usize| Slot {
            turn: AtomicU64::new(u64::try_from(place).unwrap_or(0)),
            ..Slot::default()
        };
        let slots = (0..room.max(1)).map(slot).collect();
        Self { head: Counter::default(), tail: Counter::default(), slots }
    }

    fn room(&self) -> u64 {
        u64::try_from(self.slots.len()).unwrap_or(u64::MAX)
    }

    fn slot(&self, place: u64) -> &Slot {
        &self.slots[usize::try_from(place % self.room()).unwrap_or(0)]
    }

    /// Puts an entry in; whether there was room for it beside so many that are kept free.
    pub(super) fn put(&self, words: &[u64; WORDS], spare: usize) -> bool {
        let spare = u64::try_from(spare).unwrap_or(u64::MAX);
        let mut place = self.head.0.load(Ordering::Relaxed);
        loop {
            let full = place.saturating_sub(self.tail.0.load(Ordering::Relaxed));
            if full.saturating_add(spare) >= self.room() {
                return false;
            }
            let slot = self.slot(place);
            if slot.turn.load(Ordering::Acquire) != place {
                // Another writer was faster, or the reader has not come by yet.
                let now = self.head.0.load(Ordering::Relaxed);
                if now == place {
                    return false;
                }
                place = now;
                continue;
            }
            let next = self.head.0.compare_exchange_weak(
                place,
                place + 1,
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
            match next {
                Ok(_) => {
                    for (slot, word) in slot.words.iter().zip(words) {
                        slot.store(*word, Ordering::Relaxed);
                    }
                    slot.turn.store(place + 1, Ordering::Release);
                    return true;
                }
                Err(now) => place = now,
            }
        }
    }

    /// Takes the oldest entry out. One may take at a time.
    pub(super) fn take(&self) -> Option<[u64; WORDS]> {
        let place = self.tail.0.load(Ordering::Relaxed);
        let slot = self.slot(place);
        if slot.turn.load(Ordering::Acquire) != place + 1 {
            return None;
        }
        let words = std::array::from_fn(|word| slot.words[word].load(Ordering::Relaxed));
        slot.turn.store(place + self.room(), Ordering::Release);
        self.tail.0.store(place + 1, Ordering::Relaxed);
        Some(words)
    }
}
