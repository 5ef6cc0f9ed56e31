//! The one place that reads the machine's clocks.

mod skew;

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use keyway_coherence::Boot;
use keyway_domain::time::Time;

/// Tells the time; injected wherever time matters.
pub trait Clock: Send + Sync {
    /// The present instant.
    fn now(&self) -> Time;

    /// Takes in what the database's clock said, between two instants of this machine. A clock of
    /// one's own does not care.
    fn learn(&self, _said: Time, _asked: Boot, _answered: Boot) {}
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads it")]
    fn now(&self) -> Time {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        // A clock before 1970 is broken; treating it as 1970 expires nothing early.
        let ms = since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
        skew::wall(Time(ms))
    }
}

/// The instant on the clock that counts suspend and never steps.
pub fn boot() -> Boot {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    skew::boot(Boot(seconds * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)))
}

/// The database's clock, carried on by the machine's own between two looks at it: all nodes judge
/// ends by one clock, whatever their own say.
///
/// A look that took long says little. It is kept while what was known before is better, with what
/// the machine may have drifted since. The error is on the side of a later time: what ends, ends at
/// most as much too early as the best look took.
#[derive(Debug)]
pub struct DatabaseClock {
    /// Milliseconds to add to the machine's clock.
    offset: AtomicI64,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    within: Duration,
    at: Boot,
}

/// A machine's clock drifts less than one part in this many.
const DRIFT: u32 = 200;

impl DatabaseClock {
    /// A clock that was looked at once.
    pub fn new(said: Time, asked: Boot, answered: Boot) -> Self {
        let known = Known { within: answered.since(asked), at: answered };
        Self { offset: AtomicI64::new(said.0 - ms(asked)), known: Mutex::new(known) }
    }
}

fn ms(at: Boot) -> i64 {
    i64::try_from(at.0 / 1_000_000).unwrap_or(i64::MAX)
}

impl Clock for DatabaseClock {
    fn now(&self) -> Time {
        Time(self.offset.load(Ordering::Relaxed) + ms(boot()))
    }

    fn learn(&self, said: Time, asked: Boot, answered: Boot) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let within = answered.since(asked);
        if within <= known.within + answered.since(known.at) / DRIFT {
            self.offset.store(said.0 - ms(asked), Ordering::Relaxed);
            *known = Known { within, at: answered };
        }
    }
}

/// A clock that stands still until it is moved, for tests.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that shows `now`.
    pub fn new(now: Time) -> Self {
        Self(AtomicI64::new(now.0))
    }

    /// Moves it forward, or back.
    pub fn advance_ms(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Time {
        Time(self.0.load(Ordering::SeqCst))
    }
}
