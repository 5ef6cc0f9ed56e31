//! What the log of requests costs a verification: while there is room for it, and when there is not.

use std::hint::black_box;

use keyway_server::request_log::RequestLog;
use keyway_server::verify::HeaderPairs;

use crate::engine::{ASKED, Full, add_hits, headers};
use crate::report::Report;
use crate::stats::{count, processor_time};
use crate::{Failure, Plan};

/// Verifications in a round.
const OPERATIONS: usize = 200_000;
/// Verifications between two looks into the ring: fewer than it has room for.
const BETWEEN: usize = 2_000;

/// Measures hits; the engine has a log from then on.
pub(crate) fn measure(
    plan: &Plan,
    full: &Full,
    size: usize,
    report: &mut Report,
) -> Result<(), Failure> {
    let mut cases = vec![("without a log", rounds(plan, full, &mut || {}))];
    full.engine.set_log(RequestLog::new());
    let log = full.engine.log().ok_or("the engine has a log")?;
    let mut empty = || drop(black_box(log.take(&full.engine.index, usize::MAX)));
    cases.push(("noted in the log", rounds(plan, full, &mut empty)));
    cases.push(("the log is full", rounds(plan, full, &mut || {})));
    for (what, rounds) in cases {
        add_hits(report, what, size, rounds);
    }
    Ok(())
}

/// Rounds of hits with something done between them that is not measured.
fn rounds(plan: &Plan, full: &Full, between: &mut impl FnMut()) -> Vec<f64> {
    let round = |between: &mut dyn FnMut()| {
        let mut spent = std::time::Duration::ZERO;
        let mut values = full.hits.iter().cycle();
        for _ in 0..OPERATIONS / BETWEEN {
            let started = processor_time();
            for value in values.by_ref().take(BETWEEN) {
                let pairs = headers(value);
                black_box(full.engine.verify(&HeaderPairs(&pairs), &ASKED));
            }
            spent += processor_time().saturating_sub(started);
            between();
        }
        spent.as_secs_f64() / count(OPERATIONS)
    };
    (0..plan.rounds()).map(|_| round(between)).collect()
}
