//! What is usual for one credential, from its own history.

use super::levels::{History, Levels, WEEK, slot};
use super::monthly::Monthly;
use super::{HOUR_MS, HOURS_MAX};
use crate::time::Time;

/// With less history than this nothing is usual yet.
const HOURS_MIN: usize = 24;
/// With fewer hours of any use than this nothing is usual either.
const HOURS_USED_MIN: usize = 6;
/// From then on an hour is compared with the same hour of other days.
const HOURS_FOR_DAYS: usize = 3 * 24;
/// From then on an hour is compared with the same hour of other weeks.
const HOURS_FOR_WEEKS: usize = 3 * WEEK;
/// No hour's usual is less than this part of a busy hour's: a night's few requests say little.
const LEAST_PART: f64 = 100.0;
/// The same, while weekends are not known yet.
const LEAST_PART_OF_FEW: f64 = 5.0;
/// The hours beside an hour count half: clocks change twice a year, and work begins early.
const BESIDE: f64 = 0.5;
/// The hours around an hour count so much: six samples of a restless hour may all be low.
const AROUND: f64 = 0.8;
/// An hour is kept for the next month if it had so many times what was usual in it.
const PEAK_TIMES: f64 = 2.5;
/// And no fewer requests than this.
const PEAK_MIN: u32 = 30;

/// A run by the clock may be so many times as large as usual.
const RUN_TIMES: f64 = 1.3;
/// An hour with so many times what the hours around it have has a run.
const RUN_STANDS_OUT: f64 = 1.5;
/// So far into its hour a run may have begun in the hour before.
const EARLY_MS: i64 = HOUR_MS / 4;
/// Hours with so many times the usual every day need no more room than others.
const CALM: f64 = 1.5;
/// Hours fall below the usual by so much of what the busiest rise above it.
const SWAY_PART: f64 = 0.6;
/// However restless a credential is, a tenfold spike is still told.
const UNREST_MAX: f64 = 1.4;

/// How much is known of what is usual.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// Less than a day, or fewer than six hours with any use: nothing is told.
    TooLittle,
    /// One to three days: all hours are alike.
    Hours,
    /// Three days to three weeks: the hours of a day differ.
    Days,
    /// Three weeks and more: the hours of a week differ.
    Weeks,
}

/// What is usual for one credential. At most 2 KiB; holds for a day, better is an hour.
#[derive(Debug, Clone, PartialEq)]
pub struct Baseline {
    known: Known,
    /// Requests in each hour of the week, by hours from 1970.
    levels: [f32; WEEK],
    /// No hour has less than this, whatever its own samples say.
    floors: [f32; WEEK],
    /// A bit for each hour of the week that stands out among the hours around it.
    runs: [u8; WEEK / 8],
    scatter: f32,
    /// How many times the usual its busiest hours have.
    busiest: f32,
    monthly: Monthly,
}

impl Baseline {
    /// From the totals of allowed requests of whole hours, oldest first and none left out, for a
    /// credential that was made at `since`. Only the last [`HOURS_MAX`] count.
    pub fn of(first_hour: Time, hours: &[u32], since: Time) -> Self {
        let history = lived(first_hour, hours, since);
        let used = history.hours.iter().filter(|hour| **hour > 0).count();
        let known = match history.hours.len() {
            lived if lived < HOURS_MIN || used < HOURS_USED_MIN => Known::TooLittle,
            lived if lived < HOURS_FOR_DAYS => Known::Hours,
            lived if lived < HOURS_FOR_WEEKS => Known::Days,
            _ => Known::Weeks,
        };
        let levels = match known {
            Known::TooLittle => return Self::nothing(),
            Known::Hours => Levels::flat(history),
            Known::Days => Levels::by_day(history),
            Known::Weeks => Levels::by_week(history),
        };
        let part = if known == Known::Weeks { LEAST_PART } else { LEAST_PART_OF_FEW };
        let mut baseline = Self {
            known,
            levels: levels.hours.map(narrow),
            floors: floors(&levels, part),
            runs: runs(&levels),
            scatter: narrow(levels.scatter(history)),
            busiest: narrow(levels.busiest(history).max(1.0)),
            monthly: Monthly::default(),
        };
        baseline.monthly = Monthly::of(baseline.peaks(history, &levels));
        baseline
    }

    fn nothing() -> Self {
        Self {
            known: Known::TooLittle,
            levels: [0.0; WEEK],
            floors: [0.0; WEEK],
            runs: [0; WEEK / 8],
            scatter: 1.0,
            busiest: 1.0,
            monthly: Monthly::default(),
        }
    }

    /// The hours of the history that were far busier than usual.
    fn peaks(&self, history: History<'_>, levels: &Levels) -> Vec<(i64, f32)> {
        let peaks = history.hours.iter().enumerate().filter(|(index, requests)| {
            let usual = self.usual(history.hour(*index)).max(levels.expected(history, *index));
            **requests >= PEAK_MIN && f64::from(**requests) > PEAK_TIMES * usual
        });
        peaks.map(|(index, requests)| (history.hour(index), narrow(f64::from(*requests)))).collect()
    }

    /// How much is known.
    pub fn known(&self) -> Known {
        self.known
    }

    /// The usual requests in a minute at that instant; none while too little is known.
    ///
    /// It goes from the middle of one hour to the middle of the next in a straight line, so that a
    /// steep morning has no edge, but never below what the hour itself has.
    pub fn usual_per_minute(&self, at: Time) -> Option<f64> {
        if self.known == Known::TooLittle {
            return None;
        }
        let hour = at.0.div_euclid(HOUR_MS);
        let into = i32::try_from(at.0.rem_euclid(HOUR_MS)).map_or(0.0, f64::from) / 3_600_000.0;
        let own = self.usual(hour);
        let other = self.hour(if into < 0.5 { hour - 1 } else { hour + 1 });
        let straight = own + (other - own) * (into - 0.5).abs();
        Some(own.max(straight) / 60.0)
    }

    /// The most requests that may come at once about then where so many an hour come evenly: a run
    /// by the clock is over in minutes, and only its hour tells how large it may be.
    ///
    /// A run that stands out among the hours may come in the hour beside, as when clocks change, and
    /// may lie across the edge of two hours.
    pub(super) fn usual_run(&self, at: Time, even: f64) -> f64 {
        let hour = at.0.div_euclid(HOUR_MS);
        let rest = |hour| RUN_TIMES * (self.hour(hour) - even).max(0.0);
        let of_run = |hour| if self.has_run(hour) { rest(hour) } else { 0.0 };
        let (before, own, after) = (of_run(hour - 1), rest(hour), of_run(hour + 1));
        // Runs that lie across the edge are over soon after it.
        let is_early = at.0.rem_euclid(HOUR_MS) < EARLY_MS;
        let across = if is_early { own + before } else { own.max(before) };
        across.max(after)
    }

    fn has_run(&self, hour: i64) -> bool {
        let slot = slot(hour);
        self.runs[slot / 8] & (1 << (slot % 8)) != 0 || self.monthly.at(hour) > 0.0
    }

    /// How many times farther from the usual hours lie than chance alone would put them.
    pub(super) fn scatter(&self) -> f64 {
        f64::from(self.scatter)
    }

    /// How many times more than others this credential must be used to be told, for its own unrest.
    pub(super) fn unrest(&self) -> f64 {
        (f64::from(self.busiest) / CALM).clamp(1.0, UNREST_MAX)
    }

    /// How many times lower than usual the even use of an hour may be by chance.
    pub(super) fn sway(&self) -> f64 {
        1.0 + SWAY_PART * (f64::from(self.busiest) - 1.0)
    }

    /// What is usual in an hour.
    fn usual(&self, hour: i64) -> f64 {
        self.hour(hour).max(f64::from(self.floors[slot(hour)]))
    }

    /// What an hour itself had.
    fn hour(&self, hour: i64) -> f64 {
        f64::from(self.levels[slot(hour)].max(self.monthly.at(hour)))
    }
}

/// What each hour has at least: a part of a busy hour, of the hours around it and of those beside
/// it. Runs by the clock are left out, or they would hide the hours beside them.
fn floors(levels: &Levels, part: f64) -> [f32; WEEK] {
    let least = levels.busy() / part;
    let around = levels.without_runs();
    let beside = |slot: usize| levels.hours[slot % WEEK].min(2.0 * around[slot % WEEK]);
    std::array::from_fn(|slot| {
        let beside = beside(slot + 1).max(beside(slot + WEEK - 1));
        narrow(least.max(around[slot] * AROUND).max(beside * BESIDE))
    })
}

/// The hours that stand out among the hours around them.
fn runs(levels: &Levels) -> [u8; WEEK / 8] {
    let mut runs = [0; WEEK / 8];
    for (slot, (level, around)) in levels.hours.iter().zip(levels.without_runs()).enumerate() {
        if *level > RUN_STANDS_OUT * around {
            runs[slot / 8] |= 1 << (slot % 8);
        }
    }
    runs
}

/// The history since the credential was made, without its first, partial hour.
fn lived(first_hour: Time, hours: &[u32], since: Time) -> History<'_> {
    let before = since.0.saturating_sub(first_hour.0).max(0);
    let before = before / HOUR_MS + i64::from(before % HOUR_MS > 0);
    let before = usize::try_from(before).unwrap_or(usize::MAX);
    let skipped = hours.len().saturating_sub(HOURS_MAX).max(before.min(hours.len()));
    let first = first_hour.0.div_euclid(HOUR_MS);
    let first = first.saturating_add(i64::try_from(skipped).unwrap_or(i64::MAX));
    History { first, hours: &hours[skipped..] }
}

/// Seven digits are more than a level has.
#[expect(clippy::cast_possible_truncation, reason = "levels need no more digits")]
fn narrow(level: f64) -> f32 {
    level as f32
}
