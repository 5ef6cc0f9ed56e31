//! Things that records share by number: append-only, never moved, read without a lock.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Elements of a segment. Of records they are 1 MiB, which the allocator gives a place of its own: of
/// half as much it would leave each eighth unused.
const SEGMENT: usize = 1 << 13;
const SEGMENTS: usize = 1 << 13;

/// A growing list of which every element stays where it is.
pub(super) struct Pool<T> {
    segments: Box<[OnceLock<Box<[T]>>]>,
    length: AtomicU32,
}

impl<T: Default> Pool<T> {
    pub(super) fn new() -> Self {
        let segments = std::iter::repeat_with(OnceLock::new).take(SEGMENTS).collect();
        Self { segments, length: AtomicU32::new(0) }
    }

    /// How many elements there are.
    pub(super) fn len(&self) -> u32 {
        self.length.load(Ordering::Acquire)
    }

    /// The element at a place.
    pub(super) fn at(&self, place: u32) -> Option<&T> {
        let place = usize::try_from(place).ok()?;
        self.segments.get(place / SEGMENT)?.get()?.get(place % SEGMENT)
    }

    /// Adds a default element and tells its place; `None` when the pool is full (67 million). There
    /// must be one writer at a time.
    pub(super) fn grow(&self) -> Option<(u32, &T)> {
        let place = self.len();
        let segment = self.segments.get(usize::try_from(place).ok()? / SEGMENT)?;
        segment.get_or_init(|| std::iter::repeat_with(T::default).take(SEGMENT).collect());
        self.length.store(place + 1, Ordering::Release);
        self.at(place).map(|element| (place, element))
    }
}
