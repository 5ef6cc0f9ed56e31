//! Far more use than usual.

use super::baseline::Baseline;
use super::{HOUR_MS, MINUTE_MS, Minute, TIMES_MAX, TIMES_MIN, passed, whole};
use crate::time::{DAY_MS, Time};

/// Whole minutes that are looked at together, with what there is of the present one. A spike has
/// filled almost all of them when it is five minutes old, wherever in a minute it began.
const WHOLE_MINUTES: usize = 4;
/// Once so much of the present minute has passed it stands for a whole one.
const PASSED_FOR_WHOLE: f64 = 0.5;
/// Fewer requests in the window are never a spike: there is nothing to see in them.
pub const REQUESTS_MIN: u32 = 20;
/// So many minutes of the window must be unusual: what is over in two is a run, not a spike.
const MINUTES_HIGH: usize = 3;
/// A present minute of which less has passed says nothing.
const PASSED_MIN: f64 = 0.25;
/// How improbable chance must be, in standard deviations of a count's root: a credential is looked
/// at a hundred thousand times in ninety days.
const DEVIATIONS: f64 = 4.0;
/// A few minutes show less scatter than there is.
const SCATTER_TIMES: f64 = 1.5;
/// A run by the clock began after at least so many of the minutes, or it is no run.
const MINUTES_QUIET_MIN: usize = 3;
/// The even use is more than a few minutes show by at most so many standard deviations, and so many
/// requests.
const QUIET_DEVIATIONS: f64 = 4.0;
const QUIET_REQUESTS: f64 = 2.0;
/// A spike is not over before this: an attack in waves is one spike.
const LASTS_MS: i64 = HOUR_MS;
/// What comes by the clock comes at the same minute of an hour, give or take so much.
const CLOCK_MS: i64 = 2 * MINUTE_MS;
/// So many earlier ones make a clock of chance.
const TIMES_BY_CLOCK: usize = 2;
/// Earlier ones count for so long.
const REMEMBERED_MS: i64 = 15 * DAY_MS;

/// Far more use than usual.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spike {
    /// The usual requests in a minute.
    pub usual: f64,
    /// The requests in a minute that were seen instead.
    pub seen: f64,
    /// How many times the usual that is, for people.
    pub times: u32,
    /// The start of the first minute that had too many.
    pub since: Time,
}

/// What the last minutes hold, against what would be usual in them.
struct Window<'a> {
    minutes: &'a [Minute],
    /// When its first minute starts.
    start: Time,
    /// How much of its last minute has passed.
    passed: f64,
    /// How many minutes long it is.
    length: f64,
    /// What is usual in it.
    usual: f64,
    /// What was seen in it.
    seen: f64,
}

/// Whether a credential has a spike at `now`. The minutes are oldest first, and the last is the
/// present one.
pub fn spike(baseline: &Baseline, now: Time, minutes: &[Minute], times: u32) -> Option<Spike> {
    let length = if passed(now) < PASSED_FOR_WHOLE { WHOLE_MINUTES + 1 } else { WHOLE_MINUTES };
    let (before, window) = minutes.split_at(minutes.len().saturating_sub(length));
    let window = Window::of(baseline, now, window)?;
    let times = f64::from(times.clamp(TIMES_MIN, TIMES_MAX));
    let floor = f64::from(REQUESTS_MIN);
    if window.seen < floor.max(times * window.usual) {
        return None;
    }
    let scatter = baseline.scatter().min(scatter_of(before)).max(1.0);
    let limit =
        floor.max(times * window.usual * baseline.unrest()).max(by_chance(window.usual, scatter));
    if window.seen < limit {
        return None;
    }
    let since = window.first_high(limit)?.min(now);
    // So much in minutes would be too much in hours, however few minutes it took.
    let is_more_than_a_run = window.seen >= limit.max(times * baseline.usual_run(now, 0.0));
    let lasts = window.minutes_high(limit) >= MINUTES_HIGH;
    let is_no_run = lasts && !may_be_run(baseline, now, minutes, before.len(), limit);
    (is_more_than_a_run || is_no_run).then(|| Spike {
        usual: window.usual / window.length,
        seen: window.seen / window.length,
        times: whole(window.seen / window.usual.max(window.length / 60.0)),
        since,
    })
}

impl Spike {
    /// Whether a spike that was told is over at `now`: the use has fallen back to less than half of
    /// what would be told. Until then it is the same spike, and nothing is told again.
    pub fn is_over(&self, baseline: &Baseline, now: Time, minutes: &[Minute], times: u32) -> bool {
        if now.0.saturating_sub(self.since.0) < LASTS_MS {
            return false;
        }
        let Some(window) = Window::of(baseline, now, minutes) else { return true };
        let times = f64::from(times.clamp(TIMES_MIN, TIMES_MAX));
        let limit = (times * window.usual).max(by_chance(window.usual, baseline.scatter()));
        window.seen < limit.max(f64::from(REQUESTS_MIN)) / 2.0
    }
}

/// Whether a spike that began at `since` comes by the clock: twice in the last days there was one in
/// the same minutes of an hour. It is for whoever keeps when spikes began, told or not, to ask this
/// before telling.
pub fn comes_by_clock(since: Time, began: &[Time]) -> bool {
    let of_this_minute = began.iter().filter(|earlier| {
        let apart = since.0.saturating_sub(earlier.0);
        let minutes = apart.rem_euclid(HOUR_MS);
        (LASTS_MS / 2..=REMEMBERED_MS).contains(&apart)
            && minutes.min(HOUR_MS - minutes) <= CLOCK_MS
    });
    of_this_minute.count() >= TIMES_BY_CLOCK
}

impl<'a> Window<'a> {
    fn of(baseline: &Baseline, now: Time, minutes: &'a [Minute]) -> Option<Self> {
        let passed = passed(now);
        let present = now.0.div_euclid(MINUTE_MS).saturating_mul(MINUTE_MS);
        let mut window = Self { minutes, start: now, passed, length: 0.0, usual: 0.0, seen: 0.0 };
        for (ago, minute) in (0_i64..).zip(minutes.iter().rev()) {
            window.start = Time(present.saturating_sub(ago * MINUTE_MS));
            let part = if ago == 0 { passed } else { 1.0 };
            let middle = window.start.plus_ms(MINUTE_MS / 2);
            window.usual += part * baseline.usual_per_minute(middle)?;
            window.seen += f64::from(minute.allowed);
            window.length += part;
        }
        (window.length > 0.0).then_some(window)
    }

    /// Its minutes with when they start, of which at least half of the limit's rate was used.
    fn high(&self, limit: f64) -> impl Iterator<Item = (i64, f64)> {
        let half = limit / self.length / 2.0;
        let present = self.minutes.len().saturating_sub(1);
        (0_i64..).zip(self.minutes.iter().enumerate()).filter_map(move |(number, (at, minute))| {
            let part = if at == present { self.passed } else { 1.0 };
            (minute.allowed > 0 && f64::from(minute.allowed) >= half * part)
                .then_some((number, part))
        })
    }

    fn minutes_high(&self, limit: f64) -> usize {
        self.high(limit).filter(|(_, part)| *part >= PASSED_MIN).count()
    }

    fn first_high(&self, limit: f64) -> Option<Time> {
        self.high(limit).next().map(|(number, _)| self.start.plus_ms(number * MINUTE_MS))
    }
}

/// The most that chance makes of what is usual, for use that scatters so much: the limit of a Poisson
/// count, with each of its events `scatter` requests at once.
fn by_chance(usual: f64, scatter: f64) -> f64 {
    ((usual / scatter).sqrt() + DEVIATIONS / 2.0).powi(2) * scatter
}

/// How many times farther apart the minutes lie than chance alone would put them. Hours may stray
/// because hours differ, which says nothing of minutes; so the lesser of both counts.
fn scatter_of(minutes: &[Minute]) -> f64 {
    let Ok(count) = u32::try_from(minutes.len()) else { return 1.0 };
    let mean = allowed(minutes) / f64::from(count.max(1));
    if mean <= 0.0 {
        return 1.0;
    }
    let squares = minutes.iter().map(|minute| (f64::from(minute.allowed) - mean).powi(2));
    SCATTER_TIMES * squares.sum::<f64>() / mean / f64::from(count)
}

/// Whether the use may be a run by the clock.
///
/// An hour's total does not say whether the requests come evenly or in one run, and a run is no
/// spike. But where they come in a run, the minutes before it are quiet: what those minutes lack,
/// the run may have.
fn may_be_run(
    baseline: &Baseline,
    now: Time,
    minutes: &[Minute],
    before: usize,
    limit: f64,
) -> bool {
    // Four minutes make the limit, and half of their part is much for a minute.
    let half = limit / 8.0;
    let is_low = |minute: &Minute| f64::from(minute.allowed) < half;
    let quiet = minutes[..before].iter().rposition(is_low).map_or(0, |last| last + 1);
    let (quiet, run) = minutes.split_at(quiet);
    if quiet.len() < MINUTES_QUIET_MIN {
        return false;
    }
    let even = even_at_most(quiet) * baseline.sway();
    allowed(run) < limit + baseline.usual_run(now, even)
}

/// The most requests an hour that would come if all came as evenly as in these minutes.
fn even_at_most(quiet: &[Minute]) -> f64 {
    let count = u32::try_from(quiet.len()).map_or(1.0, f64::from).max(1.0);
    let seen = allowed(quiet);
    let scatter = (scatter_of(quiet) / SCATTER_TIMES).max(1.0);
    let most = seen + QUIET_DEVIATIONS * (scatter * seen).sqrt() + QUIET_REQUESTS;
    60.0 * most / count
}

fn allowed(minutes: &[Minute]) -> f64 {
    minutes.iter().map(|minute| f64::from(minute.allowed)).sum()
}
