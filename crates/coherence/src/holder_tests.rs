//! What a node may believe of its own lease.

use std::time::Duration;

use crate::chain::Position;
use crate::holder::Holder;
use crate::terms::Terms;
use crate::time::Boot;

const SECOND: u64 = 1_000_000_000;
const HELD: u64 = 1_990_000_000;

fn at(seq: i64) -> Position {
    Position { seq, nonce: seq * 10 }
}

fn node(seq: i64) -> Holder {
    Holder::new(Terms::default(), at(seq))
}

#[test]
fn a_lease_counts_from_before_it_was_sent() {
    let mut holder = node(3);
    assert_eq!(holder.valid_until(), Boot::ZERO);
    let renewal = holder.begin(Boot(5 * SECOND));
    assert_eq!(holder.valid_until(), Boot::ZERO);
    holder.kept(renewal, at(3));
    assert_eq!(holder.valid_until(), Boot(5 * SECOND + HELD));
}

#[test]
fn a_node_behind_the_head_has_no_lease_until_it_has_caught_up_and_renews_nothing() {
    let mut holder = node(3);
    let renewal = holder.begin(Boot(SECOND));
    holder.kept(renewal, at(5));
    assert_eq!(holder.valid_until(), Boot::ZERO);
    assert!(!holder.may_renew());
    holder.applied(at(4));
    assert_eq!(holder.valid_until(), Boot::ZERO);
    assert!(!holder.may_renew());
    holder.applied(at(5));
    assert_eq!(holder.valid_until(), Boot(SECOND + HELD));
    assert!(holder.may_renew());
}

#[test]
fn an_answer_that_comes_late_takes_nothing_back() {
    let mut holder = node(3);
    let early = holder.begin(Boot(SECOND));
    let late = holder.begin(Boot(2 * SECOND));
    holder.kept(late, at(3));
    holder.kept(early, at(3));
    assert_eq!(holder.valid_until(), Boot(2 * SECOND + HELD));
}

#[test]
fn of_two_renewals_that_wait_the_later_one_counts() {
    let mut holder = node(3);
    let early = holder.begin(Boot(SECOND));
    let late = holder.begin(Boot(2 * SECOND));
    holder.kept(late, at(5));
    holder.kept(early, at(4));
    holder.applied(at(4));
    assert!(!holder.may_renew());
    holder.applied(at(5));
    assert_eq!(holder.valid_until(), Boot(2 * SECOND + HELD));
}

#[test]
fn a_loss_ends_the_lease_and_everything_on_its_way() {
    let mut holder = node(3);
    let kept = holder.begin(Boot(SECOND));
    let waits = holder.begin(Boot(2 * SECOND));
    let on_its_way = holder.begin(Boot(3 * SECOND));
    holder.kept(kept, at(3));
    holder.kept(waits, at(4));
    holder.lost();
    assert_eq!(holder.valid_until(), Boot::ZERO);
    assert!(holder.may_renew());
    holder.kept(on_its_way, at(3));
    holder.applied(at(4));
    assert_eq!(holder.valid_until(), Boot::ZERO);
    let anew = holder.begin(Boot(4 * SECOND));
    holder.kept(anew, at(4));
    assert_eq!(holder.valid_until(), Boot(4 * SECOND + HELD));
}

#[test]
fn a_reload_may_go_back_in_number_and_has_no_lease() {
    let mut holder = node(9);
    let renewal = holder.begin(Boot(SECOND));
    holder.kept(renewal, at(9));
    holder.reloaded(at(4));
    assert_eq!(holder.position(), at(4));
    assert_eq!(holder.valid_until(), Boot::ZERO);
}

#[test]
#[should_panic(expected = "the log is applied entry by entry")]
fn applying_anything_but_the_next_entry_is_refused() {
    node(9).applied(at(11));
}

#[test]
fn a_node_that_is_ahead_of_the_head_recognises_it() {
    let mut holder = node(3);
    let renewal = holder.begin(Boot(SECOND));
    holder.applied(at(4));
    holder.applied(at(5));
    holder.kept(renewal, at(4));
    assert_eq!(holder.valid_until(), Boot(SECOND + HELD));
}

#[test]
fn a_head_of_another_history_is_no_lease_but_a_loss() {
    let other = Position { seq: 5, nonce: 51 };
    let mut holder = node(4);
    let kept = holder.begin(Boot(SECOND));
    holder.kept(kept, at(4));
    let ahead = holder.begin(Boot(2 * SECOND));
    holder.applied(at(5));
    holder.applied(at(6));
    holder.kept(ahead, other);
    assert_eq!(holder.valid_until(), Boot::ZERO);

    let mut holder = node(4);
    let kept = holder.begin(Boot(SECOND));
    holder.kept(kept, at(4));
    let behind = holder.begin(Boot(2 * SECOND));
    holder.kept(behind, other);
    assert_eq!(holder.valid_until(), Boot(SECOND + HELD));
    holder.applied(at(5));
    assert_eq!(holder.valid_until(), Boot::ZERO);
}

#[test]
fn a_head_that_is_too_old_to_be_recognised_renews_nothing() {
    let mut holder = node(3);
    let renewal = holder.begin(Boot(SECOND));
    (4..2_000).for_each(|seq| holder.applied(at(seq)));
    holder.kept(renewal, at(4));
    assert_eq!(holder.valid_until(), Boot::ZERO);
    assert!(holder.may_renew());
}

#[test]
fn who_has_left_stays_away() {
    let mut holder = node(3);
    let renewal = holder.begin(Boot(SECOND));
    holder.leave();
    holder.kept(renewal, at(3));
    assert!(!holder.may_renew());
    let renewal = holder.begin(Boot(2 * SECOND));
    holder.kept(renewal, at(3));
    assert_eq!(holder.valid_until(), Boot::ZERO);
}

#[test]
fn grace_lengthens_a_lease_that_there_was_and_no_other() {
    let terms = Terms { grace: Duration::from_secs(10), ..Terms::default() };
    let mut holder = Holder::new(terms, at(3));
    assert_eq!(holder.grace_until(), Boot::ZERO);
    let renewal = holder.begin(Boot(SECOND));
    holder.kept(renewal, at(3));
    assert_eq!(holder.grace_until(), Boot(SECOND + HELD + 9_950_000_000));
    holder.lost();
    assert_eq!(holder.grace_until(), Boot::ZERO);
}
