//! For how long a lease is held by the one clock, and waited out by another.

use std::time::Duration;

const MILLION: u128 = 1_000_000;

/// What all nodes agree on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Terms {
    /// How long a lease lasts.
    pub ttl: Duration,
    /// How often it is renewed.
    pub renew_every: Duration,
    /// By how much the rate of a machine's clock may be wrong, in millionths. The holder's and the
    /// observer's clock may be wrong in opposite directions, so each side allows for its own.
    pub drift_ppm: u32,
    /// What an observer waits beyond that, for what no rate explains.
    pub slack: Duration,
    /// How much longer a node may serve that cannot reach the database.
    pub grace: Duration,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(2),
            renew_every: Duration::from_millis(500),
            drift_ppm: 5_000,
            slack: Duration::from_millis(10),
            grace: Duration::ZERO,
        }
    }
}

impl Terms {
    /// How long the holder believes in a lease, from before it sent it.
    pub fn held_for(&self) -> Duration {
        self.shortened(self.ttl)
    }

    /// How long the holder may serve beyond that, if it is allowed to.
    pub fn grace_for(&self) -> Duration {
        self.shortened(self.grace)
    }

    /// How long an observer watches a lease stand still before it takes it as over.
    ///
    /// `ttl` and `grace` are those of the lease: its node may have been started with others.
    pub fn waited_for(&self, ttl: Duration, grace: Duration) -> Duration {
        let nanos = (ttl.as_nanos() + grace.as_nanos()) * (MILLION + u128::from(self.drift_ppm));
        from_nanos(nanos.div_ceil(MILLION)).saturating_add(self.slack)
    }

    /// The length of a lease as its row has it. Rounded up: who waits longer is safe.
    pub fn ttl_ms(&self) -> i64 {
        millis(self.ttl)
    }

    /// The grace as the row of a lease has it.
    pub fn grace_ms(&self) -> i64 {
        millis(self.grace)
    }

    fn shortened(&self, duration: Duration) -> Duration {
        let rest = MILLION.saturating_sub(u128::from(self.drift_ppm));
        from_nanos(duration.as_nanos() * rest / MILLION)
    }
}

fn from_nanos(nanos: u128) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos().div_ceil(MILLION)).unwrap_or(i64::MAX)
}
