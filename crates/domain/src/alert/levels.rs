//! The usual requests of every hour of the week, and how far hours stray from that.

/// Hours of a week.
pub(super) const WEEK: usize = 7 * 24;
const DAY: usize = 24;
const WEEKS_MAX: usize = super::HOURS_MAX / WEEK;
/// Hours that are compared together, so that a quiet credential has enough to compare.
const BLOCK: usize = 6;
/// A level that changed more than this between weeks is another use, not growth.
const PACE_MAX: f64 = 16.0;
/// Of counts that only chance scatters, half and nine tenths lie within these squares.
const CHANCE_HALF: f64 = 0.455;
const CHANCE_MOST: f64 = 2.706;
/// With fewer hours than this the scatter is a guess.
const HOURS_TO_JUDGE_SCATTER: usize = 24;
/// The same for the busiest of them.
const HOURS_TO_JUDGE_BUSIEST: usize = 150;
/// With fewer requests than this an hour is not compared: chance alone doubles it.
const REQUESTS_FOR_RATIO: f64 = 20.0;

/// Hourly totals, oldest first.
#[derive(Debug, Clone, Copy)]
pub(super) struct History<'a> {
    /// Hours from 1970 to the first total.
    pub(super) first: i64,
    /// The totals.
    pub(super) hours: &'a [u32],
}

/// What the totals say of each hour of the week.
#[derive(Debug, Clone)]
pub(super) struct Levels {
    /// Requests in that hour of the week, by hours from 1970.
    pub(super) hours: [f64; WEEK],
    /// How the level of each week before compares with the present one, newest first.
    paces: [f64; WEEKS_MAX],
}

impl History<'_> {
    /// The hour of the week of a total.
    fn slot(&self, index: usize) -> usize {
        slot(self.hour(index))
    }

    /// Hours from 1970 to a total.
    pub(super) fn hour(&self, index: usize) -> i64 {
        self.first.saturating_add(i64::try_from(index).unwrap_or(i64::MAX))
    }

    /// How many weeks ago a total was, from 0.
    fn weeks_ago(&self, index: usize) -> usize {
        ((self.hours.len() - 1 - index) / WEEK).min(WEEKS_MAX - 1)
    }
}

/// The hour of the week, counted from the one in which 1970 began.
pub(super) fn slot(hour: i64) -> usize {
    usize::try_from(hour.rem_euclid(168)).unwrap_or(0)
}

impl Levels {
    /// From a day or two: there is no shape yet, so a busy hour stands for all.
    pub(super) fn flat(history: History<'_>) -> Self {
        let mut hours: Vec<f64> = history.hours.iter().map(|hour| f64::from(*hour)).collect();
        Self { hours: [quantile(&mut hours, 9, 10); WEEK], paces: [1.0; WEEKS_MAX] }
    }

    /// From some days: the same hour of every day that had any use in it. A weekend is not told
    /// from a week with so little, and must not hide what Monday will be like.
    pub(super) fn by_day(history: History<'_>) -> Self {
        let mut of_day: [Vec<f64>; DAY] = Default::default();
        for (index, hour) in history.hours.iter().enumerate().filter(|(_, hour)| **hour > 0) {
            of_day[history.slot(index) % DAY].push(f64::from(*hour));
        }
        let of_day = of_day.map(|mut hours| quantile(&mut hours, 1, 2));
        Self { hours: std::array::from_fn(|slot| of_day[slot % DAY]), paces: [1.0; WEEKS_MAX] }
    }

    /// From some weeks: the same hour of each week, after taking out how the weeks' levels differ.
    pub(super) fn by_week(history: History<'_>) -> Self {
        let weeks = (history.hours.len() / WEEK).clamp(1, WEEKS_MAX);
        let mut samples = [[0.0; WEEKS_MAX]; WEEK];
        for (index, hour) in history.hours.iter().enumerate() {
            samples[history.slot(index)][history.weeks_ago(index)] = f64::from(*hour);
        }
        let rough = samples.map(|of_weeks| middle(&of_weeks[..weeks]));
        let paces = paces(history, weeks, &rough);
        let newest = history.hours.len().saturating_sub(2 * DAY);
        // What began two days ago need not wait for half a week to be followed.
        let newest = pace(history, newest..history.hours.len(), &rough).unwrap_or(0.0);
        let present = paces[0].max(newest);
        let paces = paces.map(|pace| pace / present);
        let hours = samples.map(|mut of_weeks| {
            for (sample, pace) in of_weeks.iter_mut().zip(paces) {
                *sample /= pace;
            }
            middle(&of_weeks[..weeks])
        });
        Self { hours, paces }
    }

    /// What would have been usual in an hour of the history.
    pub(super) fn expected(&self, history: History<'_>, index: usize) -> f64 {
        self.hours[history.slot(index)] * self.paces[history.weeks_ago(index)]
    }

    /// A level that only the busiest seventh of the hours exceeds.
    pub(super) fn busy(&self) -> f64 {
        quantile(&mut self.hours.clone(), 6, 7)
    }

    /// The level of each hour without runs by the clock: the median with the hours around it.
    pub(super) fn without_runs(&self) -> [f64; WEEK] {
        std::array::from_fn(|slot| {
            let mut around: [f64; 5] =
                std::array::from_fn(|offset| self.hours[(slot + WEEK + offset - 2) % WEEK]);
            quantile(&mut around, 1, 2)
        })
    }

    /// How many times farther from the usual hours lie than chance alone would put them (1 for
    /// chance alone). Measured on the middle half and on nine tenths, so that the few hours of past
    /// bursts do not count.
    pub(super) fn scatter(&self, history: History<'_>) -> f64 {
        let mut squares: Vec<f64> = (0..history.hours.len())
            .filter(|index| history.hours[*index] > 0)
            .map(|index| (f64::from(history.hours[index]), self.expected(history, index)))
            .filter(|(_, expected)| *expected >= 1.0)
            .map(|(hour, expected)| (hour - expected).powi(2) / expected)
            .collect();
        if squares.len() < HOURS_TO_JUDGE_SCATTER {
            return 2.0;
        }
        let half = quantile(&mut squares, 1, 2) / CHANCE_HALF;
        let most = quantile(&mut squares, 9, 10) / CHANCE_MOST;
        // The usual was found from these very hours, so they lie nearer to it than others will.
        1.2 * half.max(most).max(1.0)
    }
}

impl Levels {
    /// How many times the usual the busiest twentieth of the hours has: what happens every day is no
    /// news. Past bursts are fewer hours than that.
    pub(super) fn busiest(&self, history: History<'_>) -> f64 {
        let mut ratios: Vec<f64> = (0..history.hours.len())
            .map(|index| (f64::from(history.hours[index]), self.expected(history, index)))
            .filter(|(_, expected)| *expected >= REQUESTS_FOR_RATIO)
            .map(|(hour, expected)| hour / expected)
            .collect();
        if ratios.len() < HOURS_TO_JUDGE_BUSIEST { 1.0 } else { quantile(&mut ratios, 19, 20) }
    }
}

/// The level of each week against the rough usual, newest first; of a week without any use that of
/// the week after it, or else before it.
fn paces(history: History<'_>, weeks: usize, rough: &[f64; WEEK]) -> [f64; WEEKS_MAX] {
    let end = history.hours.len();
    let found: [Option<f64>; WEEKS_MAX] = std::array::from_fn(|week| {
        let end = end.checked_sub(week * WEEK).filter(|_| week < weeks)?;
        pace(history, end.saturating_sub(WEEK)..end, rough)
    });
    let mut last = found.iter().flatten().next().copied().unwrap_or(1.0);
    found.map(|pace| {
        last = pace.unwrap_or(last);
        last
    })
}

/// The median of how blocks of hours compare with the rough usual. A block without use says nothing:
/// it may be a gap.
fn pace(history: History<'_>, range: std::ops::Range<usize>, rough: &[f64; WEEK]) -> Option<f64> {
    let mut ratios = [0.0; WEEK / BLOCK + 1];
    let mut count = 0;
    for start in range.clone().step_by(BLOCK) {
        let (mut seen, mut usual) = (0.0, 0.0);
        for index in start..range.end.min(start + BLOCK) {
            seen += f64::from(history.hours[index]);
            usual += rough[history.slot(index)];
        }
        if seen > 0.0 && usual >= 1.0 {
            ratios[count] = seen / usual;
            count += 1;
        }
    }
    (count > 0).then(|| quantile(&mut ratios[..count], 1, 2).clamp(PACE_MAX.recip(), PACE_MAX))
}

/// The median of what there was. Where most of the samples are zero, zero is usual; where few are,
/// they are gaps.
fn middle(samples: &[f64]) -> f64 {
    let mut some = [0.0; WEEKS_MAX];
    let mut count = 0;
    for sample in samples.iter().filter(|sample| **sample > 0.0) {
        some[count] = *sample;
        count += 1;
    }
    if 2 * count < samples.len() {
        return 0.0;
    }
    let some = &mut some[..count];
    some.sort_unstable_by(f64::total_cmp);
    // Of two in the middle the higher: a run that moved three weeks ago is still in both hours.
    some.get(count / 2).copied().unwrap_or(0.0)
}

/// The number that `part` of `whole` of them lie below; 0 of none.
pub(super) fn quantile(numbers: &mut [f64], part: usize, whole: usize) -> f64 {
    if numbers.is_empty() {
        return 0.0;
    }
    let at = (numbers.len() * part / whole).min(numbers.len() - 1);
    *numbers.select_nth_unstable_by(at, f64::total_cmp).1
}
