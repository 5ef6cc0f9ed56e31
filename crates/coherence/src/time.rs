//! Instants of one machine. They mean nothing on another.

use std::time::Duration;

/// An instant: nanoseconds on the machine's clock that counts suspend and never steps.
///
/// That is `CLOCK_BOOTTIME`. A clock that stands still while the machine sleeps, as that of
/// `std::time::Instant` does, would let a node that wakes up believe in its old lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Boot(pub u64);

impl Boot {
    /// Before everything: the end of a lease that is not held.
    pub const ZERO: Self = Self(0);

    /// The instant that much later; saturates.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }

    /// How long it is since an earlier instant; nothing if that one is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}
