//! Medians, percentiles, and the few conversions of numbers that they need.

use std::time::Duration;

/// A whole number as a fraction; figures here are far below 2⁵².
#[expect(clippy::cast_precision_loss, reason = "figures are far below 2^52")]
pub(crate) fn float(number: u64) -> f64 {
    number as f64
}

/// A count as a fraction.
pub(crate) fn count(number: usize) -> f64 {
    float(u64::try_from(number).unwrap_or(u64::MAX))
}

/// Nanoseconds; half a millennium fits.
pub(crate) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Processor time of this thread so far: what a neighbour's work does not add to. On a quiet
/// machine it is the time that passed.
pub(crate) fn processor_time() -> Duration {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let whole = u64::try_from(spent.tv_sec).unwrap_or(0);
    Duration::new(whole, u32::try_from(spent.tv_nsec).unwrap_or(0))
}

/// The middle of some measurements.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The least of some measurements: what a neighbour disturbed least.
pub(crate) fn best(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

/// The value below which so many hundredths lie, of sorted values.
pub(crate) fn percentile(sorted: &[u64], hundredths: usize) -> u64 {
    let place = (sorted.len() * hundredths / 100).min(sorted.len().saturating_sub(1));
    sorted.get(place).copied().unwrap_or(0)
}

/// A number of nanoseconds with a unit that keeps it short.
pub(crate) fn say_nanoseconds(ns: f64) -> String {
    match ns {
        ns if ns < 1e3 => format!("{ns:.0} ns"),
        ns if ns < 1e6 => format!("{:.1} µs", ns / 1e3),
        ns if ns < 1e9 => format!("{:.1} ms", ns / 1e6),
        ns => format!("{:.2} s", ns / 1e9),
    }
}

/// A rate a second, short.
pub(crate) fn say_rate(rate: f64) -> String {
    match rate {
        rate if rate >= 1e6 => format!("{:.2} M/s", rate / 1e6),
        rate if rate >= 1e4 => format!("{:.1} k/s", rate / 1e3),
        rate => format!("{rate:.0} /s"),
    }
}
