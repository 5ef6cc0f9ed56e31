//! A rate limit: the generic cell rate algorithm.
//!
//! All it remembers is one number: the theoretical arrival time, in microseconds, of the request
//! after all those that were let through. Each takes its share of the window; there is room for as
//! many at once as a window has.

use crate::credential::RateLimit;
use crate::time::Time;

/// A rate limit after one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateState {
    /// Requests a window.
    pub limit: u32,
    /// Requests left.
    pub remaining: u32,
    /// The window's milliseconds.
    pub window_ms: u32,
    /// Milliseconds until all of them are back; for a refused request, until one is.
    pub reset_ms: u64,
}

/// Takes one request at `now` from a limit that has come to `arrival` (0 at first): where it has
/// come to then, and what is left; or, if nothing is left, when something will be.
pub fn take(rule: RateLimit, arrival: u64, now: Time) -> Result<(u64, RateState), RateState> {
    let now_us = u64::try_from(now.0).unwrap_or(0).saturating_mul(1000);
    let window = u64::from(rule.window_ms) * 1000;
    let each = (window / u64::from(rule.requests.max(1))).max(1);
    let state = |remaining: u64, reset_us: u64| RateState {
        limit: rule.requests,
        window_ms: rule.window_ms,
        remaining: u32::try_from(remaining).unwrap_or(0),
        reset_ms: reset_us.div_ceil(1000),
    };
    // A clock that went back must not lock anyone out for longer than a window.
    let next = arrival.clamp(now_us, now_us + window) + each;
    match (now_us + window).checked_sub(next) {
        Some(room) => Ok((next, state(room / each, next - now_us))),
        None => Err(state(0, next - now_us - window)),
    }
}
