//! Names, one behind the other in words: none has an allocation or a pointer of its own.
//!
//! A word is written before the record that names its place is published, and never again, so that
//! whoever has read the record may read the name.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Words of a segment: 1 MiB.
const SEGMENT: usize = 1 << 17;
/// All segments together: 16 GiB.
const SEGMENTS: usize = 1 << 14;
const WORD: usize = size_of::<u64>();
/// Bytes in front of a name that say its length.
const LENGTH: usize = size_of::<u16>();

/// A growing run of names.
pub(super) struct Names {
    segments: Box<[OnceLock<Box<[AtomicU64]>>]>,
    /// The first word that is free.
    free: AtomicU32,
}

impl Names {
    pub(super) fn new() -> Self {
        let segments = std::iter::repeat_with(OnceLock::new).take(SEGMENTS).collect();
        Self { segments, free: AtomicU32::new(0) }
    }

    /// Adds a name and tells its place; `None` when there is no room for it (16 GiB of them). What
    /// is longer than 65,535 bytes is cut. There must be one writer at a time.
    pub(super) fn add(&self, name: &str) -> Option<u32> {
        let name = &name[..name.floor_char_boundary(usize::from(u16::MAX))];
        let length = u16::try_from(name.len()).ok()?.to_le_bytes();
        let words = (LENGTH + name.len()).div_ceil(WORD);
        let mut place = usize::try_from(self.free.load(Ordering::Relaxed)).ok()?;
        if place % SEGMENT + words > SEGMENT {
            // A name is in one segment whole.
            place = place.next_multiple_of(SEGMENT);
        }
        let free = u32::try_from(place + words).ok()?;
        let segment = self.segments.get(place / SEGMENT)?;
        let segment = segment
            .get_or_init(|| std::iter::repeat_with(AtomicU64::default).take(SEGMENT).collect());
        let mut bytes = length.into_iter().chain(name.bytes());
        for word in &segment[place % SEGMENT..][..words] {
            let eight = std::array::from_fn(|_| bytes.next().unwrap_or(0));
            word.store(u64::from_le_bytes(eight), Ordering::Relaxed);
        }
        self.free.store(free, Ordering::Relaxed);
        u32::try_from(place).ok()
    }

    /// The name at a place.
    pub(super) fn at(&self, place: u32) -> Option<String> {
        let place = usize::try_from(place).ok()?;
        let segment = self.segments.get(place / SEGMENT)?.get()?;
        let words = segment.get(place % SEGMENT..)?;
        let mut bytes = words.iter().flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes());
        let length = u16::from_le_bytes([bytes.next()?, bytes.next()?]);
        let name = bytes.take(usize::from(length)).collect();
        String::from_utf8(name).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::{Names, SEGMENT, WORD};

    #[test]
    fn each_name_is_at_its_place() {
        let names = Names::new();
        // Long enough for some segments, and of every length that ends elsewhere in a word.
        let name = |number: usize| format!("{number} {}", "ü".repeat(number % 401));
        let count = 3 * SEGMENT * WORD / 400;
        let places: Vec<_> = (0..count).map(|number| names.add(&name(number)).unwrap()).collect();
        for (number, place) in places.iter().enumerate() {
            assert_eq!(names.at(*place), Some(name(number)));
        }
        assert!(places.windows(2).all(|two| two[0] < two[1]));
        assert!(usize::try_from(*places.last().unwrap()).unwrap() > 2 * SEGMENT);
    }

    #[test]
    fn a_name_may_be_empty_and_one_without_end_is_cut() {
        let names = Names::new();
        let (empty, long) = (names.add("").unwrap(), names.add(&"ü".repeat(40_000)).unwrap());
        assert_eq!(names.at(empty).as_deref(), Some(""));
        assert_eq!(names.at(long), Some("ü".repeat(32_767)));
        assert_eq!(names.at(u32::MAX), None, "there is none");
    }
}
