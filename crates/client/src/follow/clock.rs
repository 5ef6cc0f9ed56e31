//! The clock that counts suspend, the loan that runs out by it, and the node's time carried on by it.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use keyway_coherence::{Boot, Terms};
use keyway_domain::time::Time;
use rustix::time::{ClockId, clock_gettime};

/// `CLOCK_BOOTTIME`.
pub(super) struct Boottime;

impl Boottime {
    pub(super) fn now() -> Boot {
        let now = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
        Boot(seconds * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0))
    }
}

/// Until when this process may answer by itself, and what time it is for the node.
#[derive(Default)]
pub(super) struct Loan {
    until: AtomicU64,
    /// Milliseconds from this machine's clock to the node's.
    offset: AtomicI64,
}

impl Loan {
    pub(super) fn holds(&self, now: Boot) -> bool {
        now.0 < self.until.load(Ordering::SeqCst)
    }

    /// Takes a loan that was asked for at an instant. It only grows.
    pub(super) fn take(&self, loan: Duration, asked: Boot) {
        let held = Terms { ttl: loan, ..Terms::default() }.held_for();
        self.until.fetch_max(asked.plus(held).0, Ordering::SeqCst);
    }

    /// Answers nothing from here on.
    pub(super) fn lose(&self) {
        self.until.store(0, Ordering::SeqCst);
    }

    /// The node's time, or a little later: what ends, ends at most as much too early as the best of
    /// its answers took.
    pub(super) fn time(&self, now: Boot) -> Time {
        Time(self.offset.load(Ordering::Relaxed) + ms(now))
    }

    /// Takes in what the node's clock said, between two instants of this machine.
    pub(super) fn learn(&self, said: Time, asked: Boot, answered: Boot) {
        let known = self.offset.load(Ordering::Relaxed);
        // The truth lies between these two; the later time is the safe one.
        let (least, most) = (said.0 - ms(answered), said.0 - ms(asked));
        if !(least..=most).contains(&known) {
            self.offset.store(most, Ordering::Relaxed);
        }
    }
}

fn ms(at: Boot) -> i64 {
    i64::try_from(at.0 / 1_000_000).unwrap_or(i64::MAX)
}
