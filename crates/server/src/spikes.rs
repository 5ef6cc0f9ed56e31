//! Whether a credential is used unusually much just now: its last whole hour against the same hour
//! of earlier days.

/// Earlier days that are compared with.
pub const DAYS: usize = 28;
/// With fewer requests than this an hour is never unusual: two after one is no news.
const NOISE: u64 = 100;

/// How many times the usual the hour has, if that is at least `threshold`.
///
/// Usual is the median of the same hour on the days before, and no less than a tenth of the busiest
/// hour among them: a key that works at noon only is not unusual at noon. A key with fewer than
/// three days of history has no usual.
pub fn spike(hour: u64, same_hour_before: &[u64], threshold: u32) -> Option<u64> {
    let mut before = same_hour_before.to_vec();
    if before.len() < 3 || hour < NOISE {
        return None;
    }
    before.sort_unstable();
    let median = before[before.len() / 2];
    let busiest = before.last().copied().unwrap_or(0);
    let usual = median.max(busiest / 10).max(1);
    let times = hour / usual;
    (times >= u64::from(threshold)).then_some(times)
}
