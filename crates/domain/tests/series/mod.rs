//! Made series of one credential's use with labels: what a detector of unusual use is judged by.
//!
//! A series is six weeks of hourly totals, then ninety days minute by minute. It is the same in
//! every run: all chance comes from its number.

mod corpus;
mod random;

pub(crate) use corpus::corpus;
use keyway_domain::time::Time;
use random::Random;

pub(crate) const DAYS: usize = 90;
pub(crate) const HISTORY_DAYS: usize = 42;
pub(crate) const DAY_MINUTES: usize = 24 * 60;
/// When the ninety days start: a Monday, with two changes of the clock's season around.
pub(crate) const START: &str = "2026-01-26T00:00:00Z";
/// The night in which those who change their clocks do so, as a day of the series.
const CLOCKS_CHANGE: usize = 62;
const MINUTES: i64 = 90 * 24 * 60;

/// How the level follows the day.
#[derive(Clone, Copy)]
pub(crate) enum Shape {
    Flat,
    /// A wave with its trough at this part of its peak, and weekends at that part of other days.
    Wave {
        trough: f64,
        weekend: f64,
    },
    /// From this to that hour on working days, and almost nothing else. Minutes of getting going.
    Business {
        from: f64,
        to: f64,
        ramp: f64,
    },
}

#[derive(Clone, Copy)]
pub(crate) enum Every {
    Hour,
    /// At this hour.
    Day(usize),
    /// At this hour of Mondays.
    Monday(usize),
}

/// Calls of a program that runs by the clock.
#[derive(Clone, Copy)]
pub(crate) struct Cron {
    pub(crate) every: Every,
    pub(crate) minute: usize,
    pub(crate) calls: f64,
    /// Minutes that they take.
    pub(crate) spread: usize,
}

/// What one credential's use is like.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) family: &'static str,
    /// Requests an hour on average where the shape is flat, at the peak otherwise.
    pub(crate) level: f64,
    pub(crate) shape: Shape,
    pub(crate) cron: Option<Cron>,
    /// How many times the level grows over the ninety days.
    pub(crate) growth: f64,
    /// A day from which on the level is twice as high.
    pub(crate) step_day: Option<usize>,
    /// Gamma shapes of what one minute and what one hour strays by; infinite for none.
    pub(crate) noise: (f64, f64),
    /// Stretches without any use, as the first hour from the start of the ninety days and hours.
    pub(crate) gaps: Vec<(i64, i64)>,
    /// Times the level and hours of what runs at the end of a month.
    pub(crate) month_end: Option<(f64, usize)>,
    /// Whether its clock changes in spring.
    pub(crate) has_summer: bool,
    /// Days of history; the credential did not exist before.
    pub(crate) history_days: usize,
}

/// Use that is not the owner's.
#[derive(Clone, Copy)]
pub(crate) struct Label {
    /// How many times the usual all use together is.
    pub(crate) times: f64,
    /// Seconds from the start of the ninety days.
    pub(crate) from: i64,
    pub(crate) to: i64,
    /// Requests expected of it in its first five minutes.
    pub(crate) in_five: f64,
    /// Requests of a run by the clock that may come about then.
    pub(crate) run: f64,
}

pub(crate) struct Series {
    pub(crate) plan: Plan,
    /// Hourly totals of history and ninety days.
    pub(crate) hours: Vec<u32>,
    pub(crate) own: Vec<u32>,
    pub(crate) extra: Vec<u32>,
    /// What came before each minute.
    pub(crate) before: Vec<u32>,
    pub(crate) refused: Vec<u32>,
    pub(crate) refused_before: Vec<u32>,
    pub(crate) spikes: Vec<Label>,
    pub(crate) bursts: Vec<Label>,
    /// The second of the minute in which the detector looks.
    pub(crate) second: i64,
}

pub(crate) fn start() -> Time {
    Time::parse(START).unwrap()
}

/// The rate of one plan at each instant, without chance.
struct Rates {
    plan: Plan,
    /// Requests a minute for each minute of a day that is neither weekend nor grown.
    day: Vec<f64>,
    /// Days of the series with a run at the end of a month.
    month_ends: Vec<i64>,
}

impl Rates {
    fn of(plan: &Plan) -> Self {
        let minutes = 0..DAY_MINUTES;
        let day = minutes.map(|minute| plan.level / 60.0 * plan.shape.at(minute)).collect();
        let is_last = |day: &i64| {
            let date = start().plus_ms((day + 1) * 86_400_000).to_date();
            date.ends_with("-01")
        };
        let history = i64::try_from(HISTORY_DAYS).unwrap();
        let month_ends = (-history..90).filter(is_last).collect();
        Self { plan: plan.clone(), day, month_ends }
    }

    /// What is always there, without what runs by the clock, in a minute from the start.
    fn even(&self, minute: i64) -> f64 {
        let of_day = usize::try_from(self.local(minute).rem_euclid(1_440)).unwrap();
        self.day[of_day] * self.level(minute)
    }

    /// What all minutes of an hour have more or less than those of a day at the start.
    fn level(&self, minute: i64) -> f64 {
        let is_weekend = self.local(minute).div_euclid(1_440).rem_euclid(7) >= 5;
        let part = match self.plan.shape {
            Shape::Wave { weekend, .. } if is_weekend => weekend,
            Shape::Business { .. } if is_weekend => 0.002,
            _ => 1.0,
        };
        part * self.grown(minute)
    }

    fn grown(&self, minute: i64) -> f64 {
        let part = f64::from(i32::try_from(minute).unwrap()) / f64::from(90 * 1_440);
        let step =
            self.plan.step_day.is_some_and(|day| minute >= i64::try_from(day).unwrap() * 1_440);
        self.plan.growth.powf(part) * if step { 2.0 } else { 1.0 }
    }

    fn local(&self, minute: i64) -> i64 {
        let is_summer = minute >= i64::try_from(CLOCKS_CHANGE).unwrap() * 1_440;
        if self.plan.has_summer && is_summer { minute + 60 } else { minute }
    }

    /// The minute of its run that a program by the clock is in, if it is in one.
    fn in_run(&self, cron: &Cron, minute: i64) -> bool {
        let since = self.local(minute) - i64::try_from(cron.minute).unwrap();
        let into = match cron.every {
            Every::Hour => since.rem_euclid(60),
            Every::Day(hour) => (since - i64::try_from(hour * 60).unwrap()).rem_euclid(1_440),
            Every::Monday(hour) => (since - i64::try_from(hour * 60).unwrap()).rem_euclid(10_080),
        };
        into < i64::try_from(cron.spread).unwrap()
    }

    fn month_end(&self, minute: i64) -> f64 {
        let Some((times, hours)) = self.plan.month_end else { return 0.0 };
        let day = minute.div_euclid(1_440);
        let hour = usize::try_from(minute.rem_euclid(1_440) / 60).unwrap();
        let runs = self.month_ends.contains(&day) && (18..18 + hours).contains(&hour);
        if runs { times * self.plan.level / 60.0 } else { 0.0 }
    }

    fn is_gap(&self, minute: i64) -> bool {
        let hour = minute.div_euclid(60);
        self.plan.gaps.iter().any(|(from, hours)| (*from..from + hours).contains(&hour))
    }

    /// Requests a minute that are usual then. An hourly run counts as spread over the hour: ten
    /// times as many requests are no ten runs. Others count in their own minutes.
    fn usual(&self, minute: i64) -> f64 {
        let Some(cron) = self.plan.cron else { return self.even(minute) };
        if matches!(cron.every, Every::Hour) {
            return self.spread(minute);
        }
        let rate = cron.calls * self.grown(minute) / f64::from(u32::try_from(cron.spread).unwrap());
        self.even(minute) + if self.in_run(&cron, minute) { rate } else { 0.0 }
    }

    /// Requests of a run by the clock in this hour or one beside it.
    fn run_about(&self, minute: i64) -> f64 {
        let Some(cron) = self.plan.cron else { return 0.0 };
        let hour = minute.div_euclid(60) * 60;
        let runs = (hour - 60..hour + 120).any(|minute| self.in_run(&cron, minute));
        if runs { cron.calls * self.grown(minute) } else { 0.0 }
    }

    /// Requests a minute with runs by the clock spread over their hour.
    fn spread(&self, minute: i64) -> f64 {
        let hour = minute.div_euclid(60) * 60;
        let cron = self.plan.cron.map_or(0.0, |cron| {
            let minutes = (hour..hour + 60).filter(|minute| self.in_run(&cron, *minute)).count();
            let part = f64::from(u32::try_from(minutes).unwrap())
                / f64::from(u32::try_from(cron.spread).unwrap());
            part * cron.calls * self.grown(minute) / 60.0
        });
        self.even(minute) + cron
    }
}

impl Shape {
    fn at(self, minute: usize) -> f64 {
        let hour = f64::from(u32::try_from(minute).unwrap()) / 60.0;
        match self {
            Self::Flat => 1.0,
            Self::Wave { trough, .. } => {
                let wave = 0.5 - 0.5 * ((hour - 3.0) / 24.0 * std::f64::consts::TAU).cos();
                trough + (1.0 - trough) * wave.powf(1.5)
            }
            Self::Business { from, to, ramp } => {
                let ramp = ramp / 60.0;
                let up = ((hour - from) / ramp).clamp(0.0, 1.0);
                let down = ((to - hour) / ramp).clamp(0.0, 1.0);
                up.min(down).max(0.002)
            }
        }
    }
}

impl Series {
    pub(crate) fn make(plan: &Plan, seed: u64) -> Self {
        let mut random = Random::new(seed.wrapping_mul(0x5851_f42d_4c95_7f2d));
        let rates = Rates::of(plan);
        let mut hours = history(&rates, &mut random);
        let own = own(&rates, &mut random);
        let spikes = spikes(&rates, &mut random);
        let mut extra = vec![0; own.len()];
        for spike in &spikes {
            add(spike, &rates, &mut extra, &mut random);
        }
        let bursts = bursts(&rates, &mut random);
        let refused = refused(&own, &bursts, &mut random);
        let of_hours = own.chunks(60).zip(extra.chunks(60));
        hours.extend(of_hours.map(|(own, extra)| own.iter().chain(extra).sum::<u32>()));
        let second = random.below(60);
        Self {
            plan: plan.clone(),
            hours,
            before: sums(own.iter().zip(&extra).map(|(own, extra)| own + extra)),
            refused_before: sums(refused.iter().copied()),
            own,
            extra,
            refused,
            spikes,
            bursts,
            second,
        }
    }
}

fn sums(minutes: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut sum = 0;
    let sums = minutes.map(|minute| {
        sum += minute;
        sum
    });
    std::iter::once(0).chain(sums).collect()
}

fn history(rates: &Rates, random: &mut Random) -> Vec<u32> {
    let days = i64::try_from(HISTORY_DAYS).unwrap();
    let lived = i64::try_from(rates.plan.history_days).unwrap();
    let hours = (-days * 24..0).map(|hour| {
        if hour < -lived * 24 || rates.is_gap(hour * 60) {
            return 0;
        }
        let noise = random.noise(rates.plan.noise.0 * 60.0) * random.noise(rates.plan.noise.1);
        let even: f64 = (0..60).map(|minute| rates.even(hour * 60 + minute)).sum();
        let cron = 60.0 * (rates.spread(hour * 60) - rates.even(hour * 60));
        let cron = cron * random.between(0.8, 1.2);
        let month_end = 60.0 * rates.month_end(hour * 60);
        count(random.poisson(even * noise) + random.poisson(cron + month_end))
    });
    hours.collect()
}

fn own(rates: &Rates, random: &mut Random) -> Vec<u32> {
    let mut minutes = Vec::with_capacity(DAYS * DAY_MINUTES);
    let mut of_run = 1.0;
    for hour in (0..MINUTES).step_by(60) {
        let of_hour = random.noise(rates.plan.noise.1) * rates.level(hour);
        let of_day = usize::try_from(rates.local(hour).rem_euclid(1_440)).unwrap();
        let month_end = rates.month_end(hour);
        for (minute, even) in (hour..).zip(&rates.day[of_day..of_day + 60]) {
            if rates.is_gap(minute) {
                minutes.push(0);
                continue;
            }
            let mut mean = even * of_hour * random.noise(rates.plan.noise.0) + month_end;
            if let Some(cron) = rates.plan.cron.filter(|cron| rates.in_run(cron, minute)) {
                if !rates.in_run(&cron, minute - 1) {
                    of_run = random.between(0.8, 1.2);
                }
                let spread = f64::from(u32::try_from(cron.spread).unwrap());
                mean += cron.calls * rates.grown(minute) * of_run / spread;
            }
            minutes.push(count(random.poisson(mean)));
        }
    }
    minutes
}

impl Random {
    fn noise(&mut self, shape: f64) -> f64 {
        if shape.is_finite() { self.gamma(shape) } else { 1.0 }
    }
}

/// Eight tenfold spikes, three fivefold and three threefold ones, at least six hours apart.
fn spikes(rates: &Rates, random: &mut Random) -> Vec<Label> {
    let mut spikes: Vec<Label> = Vec::new();
    for times in [10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 5.0, 5.0, 5.0, 3.0, 3.0, 3.0] {
        // Ten times nothing is nothing: other instants are tried for a while.
        for _ in 0..60 {
            let from = random.below((MINUTES - 300) * 60);
            let length = 600.0 * 18.0_f64.powf(random.unit());
            let to = from + i64::from(count(length));
            let apart = |other: &Label| to + 21_600 < other.from || from > other.to + 21_600;
            let gap = (from / 60 - 60..to / 60 + 60).any(|minute| rates.is_gap(minute));
            let in_five = 5.0 * times * rates.usual(from / 60);
            if spikes.iter().all(apart) && !gap && in_five >= 1.0 {
                spikes.push(Label { times, from, to, in_five, run: rates.run_about(from / 60) });
                break;
            }
        }
    }
    spikes
}

/// Adds the requests of a spike, which is as even as a program is.
fn add(spike: &Label, rates: &Rates, extra: &mut [u32], random: &mut Random) {
    for minute in spike.from / 60..=spike.to / 60 {
        let seconds = spike.to.min(minute * 60 + 60) - spike.from.max(minute * 60);
        let part = f64::from(i32::try_from(seconds.max(0)).unwrap()) / 60.0;
        let mean = part * (spike.times - 1.0) * rates.usual(minute) * random.gamma(10.0);
        extra[usize::try_from(minute).unwrap()] += count(random.poisson(mean));
    }
}

/// Three stretches in which most requests are refused.
fn bursts(rates: &Rates, random: &mut Random) -> Vec<Label> {
    let mut bursts = Vec::new();
    for part in [0, 30, 60] {
        let from = (part * 1_440 + 60 + random.below(28 * 1_440)) * 60;
        let to = from + 600 + random.below(6_600);
        let gap = (from / 60 - 60..to / 60 + 60).any(|minute| rates.is_gap(minute));
        let in_five = 5.0 * 0.8 * rates.even(from / 60);
        if !gap {
            bursts.push(Label { times: 1.0, from, to, in_five, run: 0.0 });
        }
    }
    bursts
}

/// One request in fifty is refused, in bursts four of five.
fn refused(own: &[u32], bursts: &[Label], random: &mut Random) -> Vec<u32> {
    let some = |requests: &u32| match requests {
        0 => 0,
        // Of so few at most one is refused: no need to draw more exactly.
        1..15 => u32::from(random.unit() < f64::from(*requests) * 0.02),
        _ => count(random.poisson(f64::from(*requests) * 0.02)),
    };
    let mut refused: Vec<u32> = own.iter().map(some).collect();
    for burst in bursts {
        for minute in burst.from / 60 + 1..burst.to / 60 {
            let minute = usize::try_from(minute).unwrap();
            // Four refused for each that was allowed.
            refused[minute] = count(random.poisson(f64::from(own[minute]) * 4.0));
        }
    }
    refused
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count that was made here is whole and small"
)]
fn count(number: f64) -> u32 {
    number as u32
}
