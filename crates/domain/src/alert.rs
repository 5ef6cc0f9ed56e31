//! Whether one credential is used unusually just now.
//!
//! [`Baseline`] says what is usual, from the credential's own last six weeks. [`Spike`] is far more
//! use than that, and [`Burst`] is far more refusals among the use. Both are told once and then
//! last until they are over. `docs/alerts.md` says how it is decided and how well that does.

mod baseline;
mod burst;
mod levels;
mod monthly;
mod spike;

pub use baseline::{Baseline, Known};
pub use burst::{Burst, REFUSED_MIN, Served, burst};
pub use spike::{REQUESTS_MIN, Spike, comes_by_clock, spike};

/// How many times the usual is told, unless the merchant says otherwise. On made series four doubles
/// the false alarms and finds no more tenfold spikes, and six misses some: see `docs/alerts.md`.
pub const TIMES_DEFAULT: u32 = 5;
/// Less than twice the usual happens every day.
pub const TIMES_MIN: u32 = 2;
/// More is as good as never.
pub const TIMES_MAX: u32 = 1_000;
/// Minutes that a detector is given, the present one included.
pub const MINUTES: usize = 15;
/// Hours of history that count: six weeks.
pub const HOURS_MAX: usize = 42 * 24;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// What came in one minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Minute {
    /// Requests that were allowed.
    pub allowed: u32,
    /// Requests that were refused.
    pub refused: u32,
}

/// How much of the minute that `now` lies in has passed, from 0 to 1.
fn passed(now: crate::time::Time) -> f64 {
    i32::try_from(now.0.rem_euclid(MINUTE_MS)).map_or(0.0, f64::from) / 60_000.0
}

/// A count for people: whole, and at the ends of its range instead of beyond them.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast of a float saturates, which is what is wanted"
)]
fn whole(number: f64) -> u32 {
    number.round() as u32
}
