//! The credentials of the corpus, by families.

use super::{Cron, Every, HISTORY_DAYS, Plan, Shape};

const EVEN: f64 = f64::INFINITY;
const WAVE: Shape = Shape::Wave { trough: 0.15, weekend: 0.5 };
const BUSINESS: Shape = Shape::Business { from: 9.0, to: 18.0, ramp: 15.0 };

fn plan(family: &'static str, level: f64, shape: Shape) -> Plan {
    Plan {
        family,
        level,
        shape,
        cron: None,
        growth: 1.0,
        step_day: None,
        noise: (EVEN, EVEN),
        gaps: Vec::new(),
        month_end: None,
        has_summer: false,
        history_days: HISTORY_DAYS,
    }
}

fn cron(every: Every, minute: usize, calls: f64, spread: usize) -> Cron {
    Cron { every, minute, calls, spread }
}

/// All plans.
pub(crate) fn corpus() -> Vec<Plan> {
    let parts = [even(), shaped(), changing(), runs(), noisy(), interrupted()];
    parts.into_iter().flatten().collect()
}

fn even() -> Vec<Plan> {
    let levels = [2.0, 15.0, 40.0, 120.0, 600.0, 3_000.0, 50_000.0];
    levels.map(|level| plan("flat", level, Shape::Flat)).to_vec()
}

fn shaped() -> Vec<Plan> {
    let mut plans = Vec::new();
    for level in [30.0, 200.0, 1_000.0, 8_000.0, 50_000.0] {
        plans.push(Plan { noise: (8.0, 30.0), ..plan("daily and weekly", level, WAVE) });
    }
    let steep = Shape::Wave { trough: 0.02, weekend: 0.2 };
    plans.push(plan("daily and weekly", 3_000.0, steep));
    plans.push(plan("daily and weekly", 20_000.0, steep));
    for (level, ramp) in [(60.0, 15.0), (400.0, 1.0), (3_000.0, 60.0), (20_000.0, 5.0)] {
        let shape = Shape::Business { from: 9.0, to: 18.0, ramp };
        plans.push(Plan { noise: (8.0, 30.0), ..plan("business hours", level, shape) });
    }
    let early = Shape::Business { from: 7.5, to: 16.25, ramp: 2.0 };
    plans.push(Plan { noise: (8.0, 30.0), ..plan("business hours", 1_200.0, early) });
    plans
}

fn changing() -> Vec<Plan> {
    let mut plans = Vec::new();
    for (level, shape) in
        [(60.0, WAVE), (500.0, Shape::Flat), (2_000.0, WAVE), (20_000.0, BUSINESS)]
    {
        plans.push(Plan { growth: 2.0, noise: (8.0, 30.0), ..plan("growth x2", level, shape) });
    }
    plans.push(Plan { growth: 0.5, ..plan("growth x2", 3_000.0, WAVE) });
    let days = [10, 30, 50, 70, 45];
    let shapes = [Shape::Flat, WAVE, WAVE, BUSINESS, WAVE];
    for ((level, day), shape) in
        [90.0, 400.0, 2_500.0, 5_000.0, 30_000.0].into_iter().zip(days).zip(shapes)
    {
        let noise = (8.0, 30.0);
        plans.push(Plan { step_day: Some(day), noise, ..plan("launch x2", level, shape) });
    }
    for (level, shape) in [(300.0, WAVE), (2_000.0, BUSINESS), (10_000.0, WAVE), (900.0, BUSINESS)]
    {
        plans.push(Plan {
            has_summer: true,
            noise: (8.0, 30.0),
            ..plan("summer time", level, shape)
        });
    }
    let nightly = Some(cron(Every::Day(3), 10, 6_000.0, 4));
    plans.push(Plan { has_summer: true, cron: nightly, ..plan("summer time", 120.0, WAVE) });
    plans
}

fn runs() -> Vec<Plan> {
    let mut plans = Vec::new();
    let hourly =
        [(120.0, 5, 100.0, 1), (300.0, 0, 600.0, 2), (1_200.0, 17, 600.0, 4), (60.0, 59, 900.0, 3)];
    for (level, minute, calls, spread) in hourly {
        let cron = Some(cron(Every::Hour, minute, calls, spread));
        plans.push(Plan { cron, noise: (8.0, 30.0), ..plan("hourly run", level, WAVE) });
    }
    for (minute, calls, spread) in [(0, 300.0, 1), (30, 2_000.0, 6)] {
        let cron = Some(cron(Every::Hour, minute, calls, spread));
        plans.push(Plan { cron, ..plan("hourly run only", 1.0, Shape::Flat) });
    }
    let nightly = [
        (60.0, 2, 500.0, 1),
        (300.0, 0, 10_000.0, 8),
        (2_000.0, 3, 40_000.0, 25),
        (0.5, 4, 3_000.0, 3),
        (900.0, 23, 2_000.0, 5),
    ];
    for (level, hour, calls, spread) in nightly {
        let cron = Some(cron(Every::Day(hour), 58, calls, spread));
        plans.push(Plan { cron, noise: (8.0, 30.0), ..plan("nightly run", level, WAVE) });
    }
    for (level, calls, spread) in
        [(60.0, 800.0, 1), (500.0, 5_000.0, 5), (3_000.0, 60_000.0, 12), (200.0, 20_000.0, 90)]
    {
        let cron = Some(cron(Every::Monday(6), 30, calls, spread));
        plans.push(Plan { cron, noise: (8.0, 30.0), ..plan("Monday run", level, WAVE) });
    }
    for (level, times, hours) in
        [(100.0, 20.0, 2), (500.0, 12.0, 5), (3_000.0, 30.0, 1), (20_000.0, 8.0, 4)]
    {
        let month_end = Some((times, hours));
        plans.push(Plan { month_end, noise: (8.0, 30.0), ..plan("month-end batch", level, WAVE) });
    }
    plans
}

fn noisy() -> Vec<Plan> {
    let mut plans = Vec::new();
    for (level, minute) in
        [(60.0, 0.5), (300.0, 0.3), (1_000.0, 1.0), (5_000.0, 0.5), (40_000.0, 2.0)]
    {
        plans.push(Plan { noise: (minute, EVEN), ..plan("noisy minutes", level, WAVE) });
    }
    for (level, hour) in
        [(60.0, 4.0), (300.0, 3.0), (1_500.0, 6.0), (8_000.0, 3.0), (50_000.0, 4.0)]
    {
        plans.push(Plan { noise: (5.0, hour), ..plan("noisy hours", level, WAVE) });
    }
    plans
}

fn interrupted() -> Vec<Plan> {
    let mut plans = Vec::new();
    let gaps = [
        vec![(-300, 48), (200, 5), (700, 48), (1_500, 9)],
        vec![(-168, 40), (100, 48), (436, 12), (1_000, 3), (1_900, 48)],
        vec![(-700, 20), (24, 30), (800, 2), (820, 2), (1_300, 48)],
        vec![(-24, 24), (500, 48), (668, 48), (1_600, 7)],
        vec![(300, 48), (980, 36), (2_000, 6)],
    ];
    let shapes = [WAVE, Shape::Flat, BUSINESS, WAVE, WAVE];
    for ((gaps, shape), level) in
        gaps.into_iter().zip(shapes).zip([60.0, 500.0, 3_000.0, 9_000.0, 50_000.0])
    {
        plans.push(Plan { gaps, noise: (8.0, 30.0), ..plan("gaps", level, shape) });
    }
    for (level, shape, history_days) in [
        (200.0, WAVE, 0),
        (1_500.0, BUSINESS, 0),
        (5_000.0, WAVE, 2),
        (900.0, BUSINESS, 5),
        (30_000.0, WAVE, 12),
    ] {
        plans.push(Plan { history_days, noise: (8.0, 30.0), ..plan("young", level, shape) });
    }
    plans
}
