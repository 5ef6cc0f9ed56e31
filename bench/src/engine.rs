//! Verification in this process, on one core: hits, forged, malformed and revoked keys.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use http::{HeaderMap, HeaderValue};
use keyway_domain::Environment;
use keyway_domain::credential::Status;
use keyway_domain::time::Time;
use keyway_domain::verdict::Reason;
use keyway_secret::SeededEntropy;
use keyway_server::clock::{Clock as _, SystemClock};
use keyway_server::verify::{Asked, Engine, HeaderPairs};

use crate::fill::Maker;
use crate::logged;
use crate::report::{Report, Row};
use crate::stats::{
    best, count, median, nanoseconds, percentile, processor_time, say_nanoseconds, say_rate,
};
use crate::{Failure, Plan};

/// Verifications in a round.
const OPERATIONS: usize = 1_000_000;
/// Verifications of a round with header maps.
const MAPPED: usize = 100_000;
/// Keys that are not live, of each sort.
const OTHERS: usize = 10_000;

/// An engine full of credentials, and what to present to it.
pub(crate) struct Full {
    pub(crate) engine: Engine,
    /// `Authorization` values of live keys, in an order that has nothing to do with the index.
    pub(crate) hits: Vec<String>,
    pub(crate) revoked: Vec<String>,
    pub(crate) unknown: Vec<String>,
    pub(crate) malformed: Vec<String>,
}

pub(crate) const SCHEME: &str = "enterprise";
pub(crate) const ASKED: Asked<'static> = Asked {
    method: "GET",
    target: "/mfi/invoices",
    named: None,
    environment: Some(Environment::Live),
    address: None,
    account: None,
    body: None,
    is_uncounted: false,
};

/// An engine with so many live credentials.
pub(crate) fn full(size: usize) -> Result<Full, Failure> {
    let mut maker = Maker::new(SCHEME)?;
    let now = SystemClock.now();
    let room = u64::try_from(size)?;
    let (scheme, keys) = (Arc::clone(&maker.scheme), Arc::clone(&maker.keys));
    let engine = Engine::new(scheme, keys, Arc::new(SystemClock), 1, room);
    let (mut hits, mut revoked) = (Vec::with_capacity(size), Vec::new());
    for place in 0..size + OTHERS {
        let (account, is_new) = maker.account_of(place);
        if is_new {
            engine.index.apply_account(&account);
        }
        let is_live = place < size;
        let status = if is_live { Status::Live } else { Status::Revoked { at: now } };
        let made = maker.make(place, account.id, status);
        engine.index.apply(&made.credential, now);
        if is_live { &mut hits } else { &mut revoked }.push(format!("Bearer {}", made.secret));
    }
    engine.set_ready();
    shuffle(&mut hits);
    let mut entropy = SeededEntropy::new(99);
    let template = &maker.kind().secret;
    let unknown: Vec<String> = (0..OTHERS)
        .map(|_| format!("Bearer {}", template.generate(Environment::Live, &mut entropy).reveal()))
        .collect();
    let mistyped = |value: &String| {
        let (before, last) = value.split_at(value.len() - 1);
        format!("{before}{}", if last == "x" { "y" } else { "x" })
    };
    let malformed = unknown.iter().map(mistyped).collect();
    Ok(Full { engine, hits, revoked, unknown, malformed })
}

/// The order of multiples of a large prime: random enough for caches, and the same every time.
fn shuffle(values: &mut [String]) {
    let size = values.len() as u64;
    for at in (1..values.len()).rev() {
        let other = (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        values.swap(at, usize::try_from(other % size.min(at as u64 + 1)).unwrap_or(0));
    }
}

/// The headers of an ordinary request, and the credential in it.
pub(crate) fn headers(authorization: &str) -> [(&'static str, &str); 5] {
    [
        ("host", "api.example.com"),
        ("user-agent", "example-node/4.2.0"),
        ("accept", "application/json"),
        ("content-type", "application/json"),
        ("authorization", authorization),
    ]
}

pub(crate) fn measure(plan: &Plan, report: &mut Report) -> Result<(), Failure> {
    let mut baseline = None;
    for size in plan.sizes() {
        let full = full(*size)?;
        let cases: [(&str, &[String], Result<(), Reason>); 4] = [
            ("hit", &full.hits, Ok(())),
            ("unknown", &full.unknown, Err(Reason::Unknown)),
            ("malformed", &full.malformed, Err(Reason::Malformed)),
            ("revoked", &full.revoked, Err(Reason::Revoked)),
        ];
        for (name, values, expected) in cases {
            // The first pass also notes each secret's first use; it is told apart.
            let first = once(&full.engine, values, expected)?;
            let mut rounds = Vec::new();
            for _ in 0..plan.rounds() {
                let values = values.iter().cycle().take(OPERATIONS.max(values.len()));
                let started = processor_time();
                let mut operations = 0_usize;
                for value in values {
                    let pairs = headers(value);
                    let judged = full.engine.verify(&HeaderPairs(&pairs), &ASKED);
                    if judged.verdict != expected {
                        return Err(format!("{name}: {:?}", judged.verdict).into());
                    }
                    black_box(&judged);
                    operations += 1;
                }
                let spent = processor_time().saturating_sub(started);
                rounds.push(spent.as_secs_f64() / count(operations));
            }
            let fastest = best(&rounds);
            let seconds = median(rounds);
            let base = *baseline.get_or_insert(seconds);
            report.add(Row {
                section: "engine",
                what: format!("verify, {name}, {size} credentials"),
                figure: say_rate(1.0 / seconds),
                p50: say_nanoseconds(p50(&full.engine, values)),
                ratio: format!("{:.2}× time of hit at 1000", seconds / base),
                note: format!(
                    "mean {}, of the best round {}, first pass {}",
                    say_nanoseconds(seconds * 1e9),
                    say_nanoseconds(fastest * 1e9),
                    say_nanoseconds(first * 1e9)
                ),
                ..Row::default()
            });
        }
        map_headers(plan, &full, *size, report)?;
        logged::measure(plan, &full, *size, report)?;
    }
    Ok(())
}

/// The same with the header map of an HTTP library, and with the answer made.
fn map_headers(plan: &Plan, full: &Full, size: usize, report: &mut Report) -> Result<(), Failure> {
    let maps: Vec<HeaderMap> = full
        .hits
        .iter()
        .take(100_000)
        .map(|value| {
            let mut map = HeaderMap::new();
            for (name, value) in headers(value) {
                map.insert(name, HeaderValue::from_str(value)?);
            }
            Ok(map)
        })
        .collect::<Result<_, http::header::InvalidHeaderValue>>()?;
    let mut rounds = [Vec::new(), Vec::new()];
    for _ in 0..plan.rounds() {
        for (with_answer, rounds) in [false, true].into_iter().zip(&mut rounds) {
            let started = processor_time();
            for map in maps.iter().cycle().take(MAPPED) {
                let judged = full.engine.verify(map, &ASKED);
                if with_answer {
                    black_box(full.engine.answer(&judged, map));
                }
                black_box(judged);
            }
            let spent = processor_time().saturating_sub(started);
            rounds.push(spent.as_secs_f64() / count(MAPPED));
        }
    }
    for (what, rounds) in ["HeaderMap", "HeaderMap, with answer"].into_iter().zip(rounds) {
        add_hits(report, what, size, rounds);
    }
    Ok(())
}

/// Tells how fast hits were, of rounds in seconds for each.
pub(crate) fn add_hits(report: &mut Report, what: &str, size: usize, rounds: Vec<f64>) {
    let fastest = best(&rounds);
    let seconds = median(rounds);
    report.add(Row {
        section: "engine",
        what: format!("verify, hit, {what}, {size} credentials"),
        figure: say_rate(1.0 / seconds),
        note: format!(
            "mean {}, of the best round {}",
            say_nanoseconds(seconds * 1e9),
            say_nanoseconds(fastest * 1e9)
        ),
        ..Row::default()
    });
}

fn once(engine: &Engine, values: &[String], expected: Result<(), Reason>) -> Result<f64, Failure> {
    let started = processor_time();
    for value in values {
        let pairs = headers(value);
        let judged = engine.verify(&HeaderPairs(&pairs), &ASKED);
        if judged.verdict != expected {
            return Err(format!("{:?} in place of {expected:?}", judged.verdict).into());
        }
    }
    Ok(processor_time().saturating_sub(started).as_secs_f64() / count(values.len()))
}

/// The median of single verifications, without the time of reading the clock.
fn p50(engine: &Engine, values: &[String]) -> f64 {
    let time = |work: &mut dyn FnMut(&String)| {
        let mut times: Vec<u64> = values
            .iter()
            .take(100_000)
            .map(|value| {
                let started = Instant::now();
                work(value);
                nanoseconds(started.elapsed())
            })
            .collect();
        times.sort_unstable();
        percentile(&times, 50)
    };
    let clock = time(&mut |value| {
        black_box(value);
    });
    let whole = time(&mut |value| {
        let pairs = headers(value);
        black_box(engine.verify(&HeaderPairs(&pairs), &ASKED));
    });
    crate::stats::float(whole.saturating_sub(clock))
}

/// An instant for tests of pieces.
pub(crate) fn now() -> Time {
    SystemClock.now()
}
