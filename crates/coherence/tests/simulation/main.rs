//! Three nodes over the core of the protocol under everything that goes wrong, replayable by seed.
//!
//! `KEYWAY_SEEDS=10000 cargo test --release -p keyway-coherence --test simulation` runs more of
//! them, and `KEYWAY_SEED=n` runs one alone.

mod chance;
mod clients;
mod database;
mod faults;
mod history;
mod node;
mod world;

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Instant;

use history::Breach;
use node::Mistake;
use world::World;

const SEEDS: u64 = 200;

/// A mistake that so many seeds do not find would not be found by chance either.
const MISTAKE_SEEDS: u64 = 3_000;

#[expect(clippy::disallowed_methods, reason = "how long a test takes is for whoever runs it")]
fn wanted(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}

fn seeds() -> Range<u64> {
    match wanted("KEYWAY_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..wanted("KEYWAY_SEEDS").unwrap_or(SEEDS),
    }
}

#[test]
fn every_promise_is_kept_whatever_goes_wrong() {
    let start = Instant::now();
    let mut figures = BTreeMap::new();
    for seed in seeds() {
        let history = World::new(seed, None).run();
        assert!(
            history.breaches.is_empty(),
            "{:?}\nrun this alone: KEYWAY_SEED={seed} cargo test --release -p keyway-coherence --test simulation",
            history.breaches
        );
        for (what, count) in history.figures {
            *figures.entry(what).or_default() += count;
        }
        *figures.entry("lost by fail-overs").or_insert(0) += history.lost.len() as u64;
    }
    if seeds().end - seeds().start >= SEEDS {
        for what in ["returned by waiting", "said again", "lost by fail-overs"] {
            assert!(figures.get(what).is_some_and(|count| *count > 0), "never happened: {what}");
        }
    }
    eprintln!("seeds {:?}: {figures:?}, {:.1} s", seeds(), start.elapsed().as_secs_f64());
}

/// That the simulation can fail at all.
fn is_caught(mistake: Mistake) {
    let stale = |seed: &u64| {
        let breaches = World::new(*seed, Some(mistake)).run().breaches;
        breaches.iter().any(Breach::is_stale_accept)
    };
    let found = (0..MISTAKE_SEEDS).find(stale);
    eprintln!("{mistake:?} is caught by seed {found:?}");
    assert!(found.is_some(), "{mistake:?} was not caught");
}

#[test]
fn returning_at_the_commit_is_caught() {
    is_caught(Mistake::ReturnAtCommit);
}

#[test]
fn counting_a_lease_from_its_reply_is_caught() {
    is_caught(Mistake::LeaseFromReply);
}

#[test]
fn not_reading_the_head_is_caught() {
    is_caught(Mistake::NoHeadRead);
}

#[test]
fn trusting_a_database_that_failed_over_is_caught() {
    is_caught(Mistake::TrustAfterFailOver);
}
