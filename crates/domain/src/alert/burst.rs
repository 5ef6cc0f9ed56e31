//! Far more refusals than usual among the use.

use super::{HOUR_MS, MINUTE_MS, Minute, whole};
use crate::time::{DAY_MS, Time};

/// Minutes that are looked at together, the present one included.
const WINDOW: usize = 5;
/// Fewer refusals in the window are never a burst: somebody is trying something out.
pub const REFUSED_MIN: u32 = 30;
/// A burst is at least this share of the requests.
const SHARE_MIN: f64 = 0.5;
/// How improbable chance must be, in standard deviations.
const DEVIATIONS: f64 = 5.0;
/// A burst is not over before this.
const LASTS_MS: i64 = HOUR_MS;
/// So many requests must have come before silence ends: no answer is no good answer.
const REQUESTS_TO_END: f64 = 5.0;
/// A burst is over by then, whatever comes: what lasts longer has been told.
const LASTS_MAX_MS: i64 = DAY_MS;

/// Allowed and refused requests of a longer time, such as the seven days before; zeros if unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Served {
    /// Requests that were allowed.
    pub allowed: u64,
    /// Requests that were refused.
    pub refused: u64,
}

/// Far more refusals than usual among the use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Burst {
    /// Refused requests in the last minutes.
    pub refused: u32,
    /// All requests in the last minutes.
    pub requests: u32,
    /// The start of the first minute in which most were refused.
    pub since: Time,
}

/// Whether a credential has a burst of refusals at `now`. The minutes are oldest first, and the last
/// is the present one.
pub fn burst(now: Time, minutes: &[Minute], usual: Served) -> Option<Burst> {
    let window = &minutes[minutes.len().saturating_sub(WINDOW)..];
    let (allowed, refused) = totals(window);
    let requests = allowed + refused;
    if refused < f64::from(REFUSED_MIN) || refused < limit(requests, usual_share(usual)) {
        return None;
    }
    let present = now.0.div_euclid(MINUTE_MS).saturating_mul(MINUTE_MS);
    let start = (0_i64..)
        .zip(window.iter().rev())
        .filter(|(_, minute)| minute.refused > 0 && minute.refused >= minute.allowed);
    let since = start.last().map_or(0, |(ago, _)| ago * MINUTE_MS);
    Some(Burst {
        refused: whole(refused),
        requests: whole(requests),
        since: Time(present.saturating_sub(since)),
    })
}

impl Burst {
    /// Whether a burst that was told is over at `now`: requests are allowed again, or it has lasted
    /// for a day. Silence does not end it, or a key that expired would be told every hour.
    pub fn is_over(&self, now: Time, minutes: &[Minute], usual: Served) -> bool {
        let lasted = now.0.saturating_sub(self.since.0);
        if lasted < LASTS_MS {
            return false;
        }
        let (allowed, refused) = totals(minutes);
        let requests = allowed + refused;
        let is_well =
            requests >= REQUESTS_TO_END && refused < limit(requests, usual_share(usual)) / 2.0;
        is_well || lasted >= LASTS_MAX_MS
    }
}

/// Fewer refusals than this are usual among so many requests. Where many are refused every day it
/// takes half of the rest, too.
fn limit(requests: f64, share: f64) -> f64 {
    let chance = requests * share + DEVIATIONS * (requests * share * (1.0 - share)).sqrt();
    (requests * SHARE_MIN.max(f64::midpoint(1.0, share))).min(requests).max(chance)
}

/// The share that is refused every day; none if too few requests say so.
fn usual_share(usual: Served) -> f64 {
    let total = usual.allowed.saturating_add(usual.refused);
    if total < 100 {
        return 0.0;
    }
    // In thousandths: a share needs no more digits, and they fit into a float.
    let share = u128::from(usual.refused) * 1_000 / u128::from(total);
    u32::try_from(share).map_or(1.0, |share| (f64::from(share) / 1_000.0).min(1.0))
}

fn totals(minutes: &[Minute]) -> (f64, f64) {
    minutes.iter().fold((0.0, 0.0), |(allowed, refused), minute| {
        (allowed + f64::from(minute.allowed), refused + f64::from(minute.refused))
    })
}
