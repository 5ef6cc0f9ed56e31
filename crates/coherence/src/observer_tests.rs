//! When a change is done, as one node sees it.

use crate::observer::{Lease, NodeId, Observer};
use crate::terms::Terms;
use crate::time::Boot;

const SECOND: u64 = 1_000_000_000;
const WAITED: u64 = 2_020_000_000;

fn lease(node: u128, renew_no: i64, applied: i64) -> Lease {
    Lease { node: NodeId(node), inc: 1, renew_no, applied, ttl_ms: 2_000, grace_ms: 0 }
}

fn observer() -> Observer {
    Observer::new(Terms::default())
}

#[test]
fn a_change_is_done_when_every_lease_has_acknowledged_it() {
    let rows = [lease(1, 0, 8), lease(2, 0, 9), lease(3, 0, 7)];
    let judged = observer().judge(8, &rows, Boot(SECOND));
    assert!(!judged.done);
    assert_eq!((judged.refusing, judged.of), (2, 3));
    assert!(judged.fence.is_empty());
    let judged = observer().judge(7, &rows, Boot(SECOND));
    assert!(judged.done);
    assert_eq!((judged.refusing, judged.latest), (3, Boot(SECOND)));
}

#[test]
fn nobody_holds_a_lease_so_nobody_is_waited_for() {
    assert!(observer().judge(8, &[], Boot(SECOND)).done);
}

#[test]
fn a_lease_that_stands_still_is_over_after_the_wait_and_fenced() {
    let rows = [lease(1, 4, 8), lease(2, 4, 7)];
    let mut observer = observer();
    observer.look(&rows, Boot(SECOND));
    observer.look(&rows, Boot(2 * SECOND));
    let early = observer.judge(8, &rows, Boot(SECOND + WAITED - 1));
    assert!(!early.done && early.fence.is_empty());
    assert_eq!(early.latest, Boot(SECOND + WAITED));
    let late = observer.judge(8, &rows, Boot(SECOND + WAITED));
    assert!(late.done);
    assert_eq!(late.fence, [(NodeId(2), 1, 4)]);
}

#[test]
fn every_renewal_and_every_new_lease_begins_the_wait_anew() {
    let mut observer = observer();
    observer.look(&[lease(1, 4, 7)], Boot(SECOND));
    let renewed = [lease(1, 5, 7)];
    observer.look(&renewed, Boot(2 * SECOND));
    assert!(!observer.judge(8, &renewed, Boot(SECOND + WAITED)).done);
    let anew = [Lease { inc: 2, ..lease(1, 5, 7) }];
    observer.look(&anew, Boot(3 * SECOND));
    assert!(!observer.judge(8, &anew, Boot(2 * SECOND + WAITED)).done);
    assert!(observer.judge(8, &anew, Boot(3 * SECOND + WAITED)).done);
}

#[test]
fn a_row_that_was_not_looked_at_stands_still_from_now() {
    let mut observer = observer();
    observer.look(&[lease(1, 4, 7)], Boot(SECOND));
    let newer = [lease(1, 5, 7)];
    let judged = observer.judge(8, &newer, Boot(9 * SECOND));
    assert!(!judged.done);
    assert_eq!(judged.latest, Boot(9 * SECOND + WAITED));
}

#[test]
fn what_was_seen_is_forgotten_with_the_row_and_with_the_connection() {
    let rows = [lease(1, 4, 7)];
    let mut observer = observer();
    observer.look(&rows, Boot(SECOND));
    observer.look(&[], Boot(2 * SECOND));
    observer.look(&rows, Boot(3 * SECOND));
    assert!(!observer.judge(8, &rows, Boot(SECOND + WAITED)).done);
    observer.forget();
    observer.look(&rows, Boot(4 * SECOND));
    assert!(!observer.judge(8, &rows, Boot(3 * SECOND + WAITED)).done);
    assert!(observer.judge(8, &rows, Boot(4 * SECOND + WAITED)).done);
}

#[test]
fn a_database_that_may_have_lost_leases_is_waited_for_without_rows() {
    let mut observer = observer();
    observer.distrust(Boot(SECOND));
    let judged = observer.judge(8, &[], Boot(2 * SECOND));
    assert!(!judged.done);
    assert_eq!(judged.latest, Boot(SECOND + WAITED));
    assert!(observer.judge(8, &[lease(1, 0, 8)], Boot(SECOND + WAITED)).done);
}

#[test]
fn the_lease_itself_says_how_long_it_is_waited_for() {
    let rows = [Lease { ttl_ms: 4_000, grace_ms: 6_000, ..lease(1, 0, 7) }];
    let mut observer = observer();
    observer.look(&rows, Boot(SECOND));
    let judged = observer.judge(8, &rows, Boot(SECOND + WAITED));
    assert_eq!(judged.latest, Boot(SECOND + 10_060_000_000));
}

#[test]
fn a_length_that_makes_no_sense_is_never_over() {
    let rows = [Lease { ttl_ms: -1, ..lease(1, 0, 7) }];
    let mut observer = observer();
    observer.look(&rows, Boot(SECOND));
    assert!(!observer.judge(8, &rows, Boot(u64::MAX - 1)).done);
}
