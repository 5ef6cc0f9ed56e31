//! The protocol explored exhaustively, and every way to weaken it caught.
//!
//! `KEYWAY_MODEL=full` lets the node also come back after it was fenced: 38 million states,
//! some minutes with `--release`.

mod protocol;

use std::time::Instant;

use protocol::{Mistake, Protocol, STALE};
use stateright::{Checker, HasDiscoveries, Model};

/// A wait is five ticks from the first.
const SMALL: Protocol = Protocol { mistake: None, ticks_max: 7, renewals_max: 2 };
const FULL: Protocol = Protocol { mistake: None, ticks_max: 6, renewals_max: 3 };

#[expect(clippy::disallowed_methods, reason = "how long a test takes is for whoever runs it")]
fn is_full() -> bool {
    std::env::var("KEYWAY_MODEL").is_ok_and(|word| word == "full")
}

#[test]
fn no_accept_begins_after_the_return_in_any_order_of_steps() {
    let start = Instant::now();
    let protocol = if is_full() { FULL } else { SMALL };
    let checker = protocol.checker().threads(2).spawn_dfs().join();
    eprintln!(
        "faithful: {} states, {} different, depth {}, {:.1} s",
        checker.state_count(),
        checker.unique_state_count(),
        checker.max_depth(),
        start.elapsed().as_secs_f64()
    );
    assert!(checker.is_done());
    // That nothing stale is accepted, and that what makes it worth saying happens at all.
    checker.assert_properties();
}

fn is_caught(mistake: Mistake) {
    let start = Instant::now();
    let wanted = HasDiscoveries::AnyOf([STALE].into());
    let protocol = Protocol { mistake: Some(mistake), renewals_max: 1, ..SMALL };
    let checker = protocol.checker().finish_when(wanted).spawn_bfs().join();
    eprintln!(
        "{mistake:?}: {} states, {} different, {:.1} s",
        checker.state_count(),
        checker.unique_state_count(),
        start.elapsed().as_secs_f64()
    );
    let path = checker.assert_any_discovery(STALE).into_actions();
    eprintln!("  {path:?}");
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
fn reading_the_head_in_the_snapshot_of_the_lease_is_caught() {
    is_caught(Mistake::HeadFromOwnSnapshot);
}

#[test]
fn leaving_no_margin_for_drift_is_caught() {
    is_caught(Mistake::NoDriftMargin);
}

#[test]
fn judging_by_rows_from_before_the_commit_is_caught() {
    is_caught(Mistake::RowsFromBeforeCommit);
}

#[test]
fn reaping_leases_by_the_database_clock_is_caught() {
    is_caught(Mistake::ReapByDatabaseClock);
}

#[test]
fn acknowledging_before_applying_is_caught() {
    is_caught(Mistake::AcknowledgeFirst);
}
