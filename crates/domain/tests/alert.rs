//! How well unusual use is told from usual use, measured on made series, and what always holds.

#![expect(
    clippy::unwrap_used,
    reason = "a series that cannot be made fails the test, as it should"
)]

mod series;

use std::collections::BTreeMap;

use keyway_domain::alert::{
    Baseline, Burst, HOURS_MAX, Known, MINUTES, Minute, REFUSED_MIN, REQUESTS_MIN, Served, Spike,
    TIMES_DEFAULT, burst, comes_by_clock, spike,
};
use keyway_domain::time::{DAY_MS, Time};
use proptest::prelude::*;
use series::{DAY_MINUTES, DAYS, HISTORY_DAYS, Label, Series, corpus, start};

/// A spike of fewer requests than this in its first five minutes is not counted as missed.
const JUDGED_FROM: f64 = 60.0;

/// What one series, or many, came to.
#[derive(Default, Clone, Copy)]
struct Tally {
    series: u32,
    judged: u32,
    in_time: u32,
    late: u32,
    small: u32,
    small_in_time: u32,
    hidden: u32,
    hidden_in_time: u32,
    hidden_late: u32,
    fives: (u32, u32),
    threes: (u32, u32),
    false_alarms: u32,
    worst: u32,
    bursts: (u32, u32),
    false_bursts: u32,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.series += other.series;
        self.judged += other.judged;
        self.in_time += other.in_time;
        self.late += other.late;
        self.small += other.small;
        self.small_in_time += other.small_in_time;
        self.hidden += other.hidden;
        self.hidden_in_time += other.hidden_in_time;
        self.hidden_late += other.hidden_late;
        self.fives = (self.fives.0 + other.fives.0, self.fives.1 + other.fives.1);
        self.threes = (self.threes.0 + other.threes.0, self.threes.1 + other.threes.1);
        self.false_alarms += other.false_alarms;
        self.worst = self.worst.max(other.worst);
        self.bursts = (self.bursts.0 + other.bursts.0, self.bursts.1 + other.bursts.1);
        self.false_bursts += other.false_bursts;
    }
}

/// The detector's run over one series, minute by minute.
struct Run<'a> {
    series: &'a Series,
    baseline: Baseline,
    spike: Option<Spike>,
    burst: Option<Burst>,
    began: Vec<Time>,
    told: Vec<i64>,
    bursts_told: Vec<i64>,
}

impl Run<'_> {
    /// Looks once a minute through the ninety days, with what is usual found anew each day.
    fn look(series: &Series) -> (Vec<i64>, Vec<i64>) {
        let baseline = Baseline::of(start(), &[], start());
        let mut run = Run {
            series,
            baseline,
            spike: None,
            burst: None,
            began: Vec::new(),
            told: Vec::new(),
            bursts_told: Vec::new(),
        };
        for day in 0..DAYS {
            run.day(day);
        }
        (run.told, run.bursts_told)
    }

    fn day(&mut self, day: usize) {
        let series = self.series;
        let hours = &series.hours[day * 24..(day + HISTORY_DAYS) * 24];
        assert_eq!(hours.len(), HOURS_MAX);
        let first_hour = start().plus_ms((i64::try_from(day).unwrap() - 42) * DAY_MS);
        let lived = i64::try_from(series.plan.history_days).unwrap();
        self.baseline = Baseline::of(first_hour, hours, start().plus_ms(-lived * DAY_MS));
        let mut least = 0.0;
        let first = if day == 0 { MINUTES } else { day * DAY_MINUTES };
        for minute in first..(day + 1) * DAY_MINUTES {
            if minute % 60 == 0 {
                let middle = start().plus_ms((i64::try_from(minute).unwrap() + 30) * 60_000);
                least = self.baseline.usual_per_minute(middle).unwrap_or(0.0);
            }
            self.minute(minute, least);
        }
    }

    /// `least` is what is usual in the middle of the hour: nowhere in it is it less. With it most
    /// minutes need no look, and the test takes seconds.
    fn minute(&mut self, minute: usize, least: f64) {
        let seconds = i64::try_from(minute).unwrap() * 60 + self.series.second;
        let now = start().plus_ms(seconds * 1_000);
        let times = TIMES_DEFAULT;
        if let Some(spike) = &self.spike {
            if spike.is_over(&self.baseline, now, &self.last(minute), times) {
                self.spike = None;
            }
        } else if self.may_be_spike(minute, least) {
            self.spike = spike(&self.baseline, now, &self.last(minute), times);
            if let Some(spike) = &self.spike {
                if !comes_by_clock(spike.since, &self.began) {
                    self.told.push(seconds);
                }
                self.began.push(spike.since);
            }
        }
        let usual = Served { allowed: 98_000, refused: 2_000 };
        let refused = &self.series.refused_before;
        let refused = refused[minute + 1] - refused[minute.saturating_sub(4)];
        if let Some(burst) = &self.burst {
            if burst.is_over(now, &self.last(minute), usual) {
                self.burst = None;
            }
        } else if refused >= REFUSED_MIN {
            self.burst = burst(now, &self.last(minute), usual);
            self.bursts_told.extend(self.burst.map(|_| seconds));
        }
    }

    fn may_be_spike(&self, minute: usize, least: f64) -> bool {
        let before = &self.series.before;
        let seen = before[minute + 1] - before[minute.saturating_sub(4)];
        let least = if minute % 60 < 4 { 0.0 } else { least };
        // Three and a half minutes are the shortest that the detector looks at together.
        let usual = least * 3.5 * f64::from(TIMES_DEFAULT) * 0.999;
        seen >= REQUESTS_MIN && f64::from(seen) >= usual
    }

    /// The last minutes as the server has them: of the present one only what came so far.
    fn last(&self, minute: usize) -> Vec<Minute> {
        let series = self.series;
        let mut minutes: Vec<Minute> = (minute.saturating_sub(MINUTES - 1)..=minute)
            .map(|at| Minute {
                allowed: series.own[at] + series.extra[at],
                refused: series.refused[at],
            })
            .collect();
        let present = minutes.last_mut().unwrap();
        let second = u32::try_from(series.second).unwrap();
        present.allowed = series.own[minute] * second / 60 + self.extra_so_far(minute);
        present.refused = present.refused * second / 60;
        minutes
    }

    /// What came of a spike in the part of the present minute that has passed.
    fn extra_so_far(&self, minute: usize) -> u32 {
        let all = self.series.extra[minute];
        let minute = i64::try_from(minute).unwrap() * 60;
        let of = |label: &&Label| label.from < minute + 60 && label.to > minute;
        let Some(label) = self.series.spikes.iter().find(of) else { return 0 };
        let (from, to) = (label.from.max(minute), label.to.min(minute + 60));
        let passed = ((minute + self.series.second).min(to) - from).max(0);
        u32::try_from(i64::from(all) * passed / (to - from).max(1)).unwrap()
    }
}

fn tally(series: &Series) -> Tally {
    let (told, bursts_told) = Run::look(series);
    let first_in = |told: &[i64], label: &Label, end: i64| {
        told.iter().copied().find(|at| (label.from..=end).contains(at))
    };
    let mut tally = Tally { series: 1, ..Tally::default() };
    for label in &series.spikes {
        let first = first_in(&told, label, label.to);
        let in_time = u32::from(first.is_some_and(|at| at <= label.from + 300));
        if label.times < 4.0 {
            tally.threes = (tally.threes.0 + 1, tally.threes.1 + in_time);
        } else if label.times < 9.0 {
            tally.fives = (tally.fives.0 + 1, tally.fives.1 + in_time);
        } else if label.in_five < JUDGED_FROM {
            tally.small += 1;
            tally.small_in_time += in_time;
        } else if label.in_five < 2.0 * label.run {
            tally.hidden += 1;
            tally.hidden_in_time += in_time;
            tally.hidden_late += u32::from(first.is_some()) - in_time;
        } else {
            tally.judged += 1;
            tally.in_time += in_time;
            tally.late += u32::from(first.is_some()) - in_time;
        }
    }
    let is_false = |at: &&i64, labels: &[Label]| {
        labels.iter().all(|label| **at < label.from || **at > label.to + 900)
    };
    let false_alarms = told.iter().filter(|at| is_false(at, &series.spikes)).count();
    tally.false_alarms = u32::try_from(false_alarms).unwrap();
    tally.worst = tally.false_alarms;
    let false_bursts = bursts_told.iter().filter(|at| is_false(at, &series.bursts)).count();
    tally.false_bursts = u32::try_from(false_bursts).unwrap();
    for label in series.bursts.iter().filter(|label| label.in_five >= JUDGED_FROM) {
        let in_time = first_in(&bursts_told, label, label.from + 300).is_some();
        tally.bursts = (tally.bursts.0 + 1, tally.bursts.1 + u32::from(in_time));
    }
    tally
}

/// The tallies of the whole corpus, on every core.
fn measure() -> Vec<(&'static str, Tally)> {
    let plans: Vec<_> = (1..).zip(corpus()).collect();
    let tallies = std::thread::scope(|scope| {
        let halves: Vec<_> = (0..2)
            .map(|half| {
                let plans = plans.iter().skip(half).step_by(2);
                scope.spawn(move || {
                    plans
                        .map(|(seed, plan)| (*seed, tally(&Series::make(plan, *seed))))
                        .collect::<BTreeMap<u64, Tally>>()
                })
            })
            .collect();
        halves.into_iter().flat_map(|half| half.join().unwrap()).collect::<BTreeMap<_, _>>()
    });
    plans.iter().map(|(seed, plan)| (plan.family, tallies[seed])).collect()
}

/// A row of the table in `docs/alerts.md`.
fn row(family: &str, tally: &Tally) -> String {
    let part = |(all, some): (u32, u32)| format!("{some} / {all}");
    let mean = f64::from(tally.false_alarms) / f64::from(tally.series);
    format!(
        "| {family} | {} | {} | {} | {} | {} + {} / {} | {} | {} | {mean:.2} | {} |\n",
        tally.series,
        part((tally.judged, tally.in_time)),
        tally.late,
        part((tally.small, tally.small_in_time)),
        tally.hidden_in_time,
        tally.hidden_late,
        tally.hidden,
        part(tally.fives),
        part(tally.threes),
        tally.worst,
    )
}

#[test]
fn tenfold_spikes_are_told_within_five_minutes_and_false_alarms_are_rare() {
    let mut table = "| family | series | tenfold, told in 5 min | told later | too few requests | \
        hidden by a run: in 5 min + later / all | fivefold in 5 min | threefold in 5 min | \
        false alarms, mean | worst |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n"
        .to_owned();
    let measured = measure();
    let mut all = Tally::default();
    for group in measured.chunk_by(|a, b| a.0 == b.0) {
        let mut family = Tally::default();
        group.iter().for_each(|(_, tally)| family.add(tally));
        table += &row(group[0].0, &family);
        all.add(&family);
    }
    table += &row("all", &all);
    let share = f64::from(all.in_time) / f64::from(all.judged);
    let of_bursts = f64::from(all.bursts.1) / f64::from(all.bursts.0);
    let false_alarms = f64::from(all.false_alarms) / f64::from(all.series);
    let false_bursts = f64::from(all.false_bursts) / f64::from(all.series);
    eprintln!(
        "{table}\ntenfold spikes told in five minutes: {:.1} %\nerror bursts told in five minutes: \
        {} of {}; falsely: {}",
        share * 100.0,
        all.bursts.1,
        all.bursts.0,
        all.false_bursts,
    );
    assert!(all.series >= 60 && all.judged >= 300, "the corpus is large enough to say anything");
    assert!(share >= 0.95, "{share:.3} of the tenfold spikes are told in time\n{table}");
    assert!(false_alarms <= 1.0, "{false_alarms:.2} false alarms in ninety days\n{table}");
    assert!(of_bursts >= 0.95 && false_bursts <= 0.1, "{of_bursts:.3} {false_bursts:.2}");
}

const MINUTE_MS: i64 = 60_000;

/// A baseline of six weeks with the same number of requests in every hour.
fn flat(hourly: u32) -> Baseline {
    let first = start().plus_ms(-42 * DAY_MS);
    Baseline::of(first, &[hourly; HOURS_MAX], first)
}

/// The last minutes, of which the newest have another rate.
fn minutes(usual: u32, newest: usize, rate: u32) -> Vec<Minute> {
    let of = |at| if at + newest < MINUTES { usual } else { rate };
    (0..MINUTES).map(|at| Minute { allowed: of(at), refused: 0 }).collect()
}

/// Twelve o'clock, so that the present minute has just begun.
fn noon() -> Time {
    start().plus_ms(DAY_MS / 2)
}

#[test]
fn nothing_is_usual_without_a_day_of_history() {
    let first = start().plus_ms(-23 * 60 * MINUTE_MS);
    let young = Baseline::of(first, &[1_000; 23], first);
    assert_eq!(young.known(), Known::TooLittle);
    assert_eq!(young.usual_per_minute(noon()), None);
    assert_eq!(spike(&young, noon(), &minutes(1, 5, 1_000_000), TIMES_DEFAULT), None);
    let unused = flat(0);
    assert_eq!(unused.usual_per_minute(noon()), None);
    let older = Baseline::of(first.plus_ms(-DAY_MS), &[600; 47], first.plus_ms(-DAY_MS));
    assert_eq!(older.known(), Known::Hours);
    assert!(older.usual_per_minute(noon()).is_some_and(|usual| (usual - 10.0).abs() < 0.01));
}

#[test]
fn hours_from_before_the_credential_was_made_do_not_count() {
    let first = start().plus_ms(-42 * DAY_MS);
    let mut hours = [0; HOURS_MAX];
    hours[HOURS_MAX - 48..].fill(600);
    let baseline = Baseline::of(first, &hours, start().plus_ms(-2 * DAY_MS));
    assert_eq!(baseline.known(), Known::Hours);
    assert!(baseline.usual_per_minute(noon()).is_some_and(|usual| (usual - 10.0).abs() < 0.01));
}

#[test]
fn a_gap_and_an_attack_in_the_past_do_not_change_what_is_usual() {
    let first = start().plus_ms(-42 * DAY_MS);
    let mut hours = [600; HOURS_MAX];
    hours[500..548].fill(0);
    hours[700..703].fill(60_000);
    let baseline = Baseline::of(first, &hours, first);
    for hour in 0..168 {
        let at = start().plus_ms(hour * 60 * MINUTE_MS);
        assert!(baseline.usual_per_minute(at).is_some_and(|usual| (usual - 10.0).abs() < 0.5));
    }
}

#[test]
fn a_spike_is_told_once_and_lasts_until_the_use_falls_back() {
    let baseline = flat(600);
    let told = spike(&baseline, noon(), &minutes(10, 5, 100), TIMES_DEFAULT).unwrap();
    assert_eq!(told.since, noon().plus_ms(-4 * MINUTE_MS));
    assert_eq!(told.times, 13, "the present minute has come to nothing yet, but holds a hundred");
    let later = noon().plus_ms(2 * 60 * MINUTE_MS);
    assert!(!told.is_over(&baseline, later, &minutes(10, 15, 100), TIMES_DEFAULT));
    assert!(told.is_over(&baseline, later, &minutes(10, 0, 0), TIMES_DEFAULT));
    let soon = noon().plus_ms(20 * MINUTE_MS);
    assert!(
        !told.is_over(&baseline, soon, &minutes(0, 0, 0), TIMES_DEFAULT),
        "waves are one spike"
    );
}

#[test]
fn a_higher_threshold_tells_less() {
    let tenfold = minutes(10, 5, 100);
    assert!(spike(&flat(600), noon(), &tenfold, 5).is_some());
    assert!(spike(&flat(600), noon(), &tenfold, 20).is_none());
}

#[test]
fn what_comes_at_the_same_minute_a_third_time_comes_by_the_clock() {
    let hours_ago = |hours: i64, minutes: i64| noon().plus_ms(-(hours * 60 + minutes) * MINUTE_MS);
    assert!(!comes_by_clock(noon(), &[]));
    assert!(!comes_by_clock(noon(), &[hours_ago(24, 0)]));
    assert!(comes_by_clock(noon(), &[hours_ago(24, 0), hours_ago(48, 1)]));
    assert!(!comes_by_clock(noon(), &[hours_ago(24, 0), hours_ago(48, 20)]));
    assert!(!comes_by_clock(noon(), &[hours_ago(24 * 20, 0), hours_ago(24 * 21, 0)]));
}

#[test]
fn silence_does_not_end_a_burst_but_a_day_does() {
    let usual = Served { allowed: 10_000, refused: 100 };
    let refused: Vec<Minute> = vec![Minute { allowed: 0, refused: 20 }; MINUTES];
    let allowed: Vec<Minute> = vec![Minute { allowed: 20, refused: 0 }; MINUTES];
    let silent = vec![Minute::default(); MINUTES];
    let told = burst(noon(), &refused, usual).unwrap();
    assert_eq!((told.refused, told.requests), (100, 100));
    let later = noon().plus_ms(3 * 60 * MINUTE_MS);
    assert!(!told.is_over(later, &silent, usual));
    assert!(!told.is_over(later, &refused, usual));
    assert!(told.is_over(later, &allowed, usual));
    assert!(told.is_over(noon().plus_ms(DAY_MS), &silent, usual));
}

#[test]
fn a_credential_of_which_much_is_refused_every_day_has_no_burst_of_it() {
    let usual = Served { allowed: 40_000, refused: 60_000 };
    let half: Vec<Minute> = vec![Minute { allowed: 40, refused: 60 }; MINUTES];
    assert_eq!(burst(noon(), &half, usual), None);
    assert!(burst(noon(), &half, Served::default()).is_some());
}

#[test]
fn a_baseline_is_small() {
    // A kept hour is sixteen bytes, and there are at most 24.
    assert!(size_of::<Baseline>() + 24 * 16 <= 2_048);
}

fn any_time() -> impl Strategy<Value = Time> {
    let near = 1_700_000_000_000..1_800_000_000_000_i64;
    let edges = prop_oneof![Just(i64::MIN), Just(i64::MAX), Just(0), Just(-1)];
    prop_oneof![4 => near, 1 => any::<i64>(), 1 => edges].prop_map(Time)
}

fn any_count() -> impl Strategy<Value = u32> {
    prop_oneof![4 => 0..200_u32, 1 => Just(0), 1 => Just(u32::MAX), 1 => any::<u32>()]
}

fn any_minutes() -> impl Strategy<Value = Vec<Minute>> {
    let minute = (any_count(), any_count());
    prop::collection::vec(minute.prop_map(|(allowed, refused)| Minute { allowed, refused }), 0..20)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_input_is_too_absurd(
        first in any_time(), since in any_time(), now in any_time(), earlier in any_time(),
        hours in prop::collection::vec(any_count(), 0..1_100), minutes in any_minutes(),
        times in any::<u32>(), allowed in any::<u64>(), refused in any::<u64>(),
    ) {
        let baseline = Baseline::of(first, &hours, since);
        if let Some(usual) = baseline.usual_per_minute(now) {
            prop_assert!(usual.is_finite() && usual >= 0.0);
        }
        if let Some(spike) = spike(&baseline, now, &minutes, times) {
            prop_assert!(spike.seen.is_finite() && spike.usual.is_finite());
            prop_assert!(spike.seen > spike.usual && spike.since <= now);
            spike.is_over(&baseline, earlier, &minutes, times);
            comes_by_clock(spike.since, &[earlier, now, first]);
        }
        let usual = Served { allowed, refused };
        if let Some(burst) = burst(now, &minutes, usual) {
            prop_assert!(burst.refused <= burst.requests && burst.since <= now);
            burst.is_over(earlier, &minutes, usual);
        }
    }

    #[test]
    fn more_requests_never_hide_a_spike_of_the_present_minutes(
        hourly in 60..100_000_u32, rate in 1..100_000_u32, more in 0..100_000_u32,
    ) {
        let baseline = flat(hourly);
        let of = |rate| spike(&baseline, noon(), &minutes(hourly / 60, 5, rate), TIMES_DEFAULT);
        prop_assert!(of(rate).is_none() || of(rate + more).is_some());
    }
}
