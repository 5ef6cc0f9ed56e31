//! The checker sees what is wrong, and only that.

use crate::check::{Rule, percentile, read, recoveries, silences};
use crate::journal::{Break, Door, Outcome, Secret, Verification};

fn secret(shown: u64, ending: Option<u64>, ended: Option<u64>) -> Secret {
    let (request, question, told) = ([].into(), "".into(), "".into());
    Secret { door: Door::Inside, request, question, shown, ending, ended, told }
}

fn asked(node: usize, invoked: u64, returned: u64, outcome: Outcome) -> Verification {
    Verification { secret: 0, node, invoked, returned, outcome }
}

fn broken(node: Option<usize>, from: u64, healed: u64, whole: u64) -> Break {
    Break { class: "cut", node, cut_off: true, from, healed, whole }
}

#[test]
fn an_accept_that_began_after_the_answer_is_stale_and_one_that_ended_after_it_is_not() {
    let secrets = [secret(10, Some(20), Some(30))];
    let accepts = [
        asked(0, 25, 40, Outcome::Accepted),
        asked(0, 30, 40, Outcome::Accepted),
        asked(1, 35, 40, Outcome::Accepted),
        asked(1, 36, 40, Outcome::Refused),
    ];
    let found = read(&secrets, &accepts, &[], Rule::Answered);
    let stale: Vec<(usize, u64)> =
        found.stale.iter().map(|one| (one.accept.node, one.late)).collect();
    assert_eq!((stale, found.after_end), (vec![(1, 5)], 2));
    assert_eq!(read(&secrets, &accepts, &[], Rule::Asked).stale.len(), 3);
}

#[test]
fn a_revocation_without_an_answer_promises_nothing() {
    let secrets = [secret(10, Some(20), None)];
    let found = read(&secrets, &[asked(0, 90, 95, Outcome::Accepted)], &[], Rule::Answered);
    assert!(found.stale.is_empty());
}

#[test]
fn a_refusal_is_wrong_only_while_nobody_had_asked_for_the_end() {
    let secrets = [secret(10, Some(20), Some(30))];
    let refusals = [
        asked(0, 9, 12, Outcome::Refused),
        asked(0, 12, 15, Outcome::Refused),
        asked(0, 15, 25, Outcome::Refused),
    ];
    assert_eq!(read(&secrets, &refusals, &[], Rule::Answered).wrongly_refused, 1);
}

#[test]
fn answers_count_as_whole_outside_of_their_own_nodes_breaks() {
    let secrets = [secret(10, None, None)];
    let breaks = [broken(Some(0), 100, 200, 300), broken(None, 900, 910, 920)];
    let answers = [
        asked(0, 90, 99, Outcome::Accepted),
        asked(0, 90, 100, Outcome::NoAnswer),
        asked(0, 250, 251, Outcome::Unavailable),
        asked(1, 250, 251, Outcome::Unavailable),
        asked(1, 915, 916, Outcome::Unavailable),
    ];
    let found = read(&secrets, &answers, &breaks, Rule::Answered);
    assert_eq!((found.whole, found.whole_ok, found.unavailable), (2, 1, 3));
}

#[test]
fn a_cut_off_node_is_timed_until_its_first_word_that_it_cannot_know() {
    let breaks = [broken(Some(0), 100, 200, 300), broken(Some(1), 100, 200, 300)];
    let answers = [
        asked(0, 90, 99, Outcome::Unavailable),
        asked(0, 120, 125, Outcome::Accepted),
        asked(0, 130, 140, Outcome::Unavailable),
        asked(0, 151, 158, Outcome::Unavailable),
        asked(1, 160, 161, Outcome::Accepted),
        asked(1, 210, 220, Outcome::Unavailable),
    ];
    assert_eq!(silences(&answers, &breaks, 50), [Some(40), None]);
    assert!(silences(&answers, &breaks, 500).is_empty());
}

#[test]
fn a_healed_node_is_timed_until_it_says_yes_or_no_again() {
    let breaks = [broken(Some(0), 100, 200, 300)];
    let answers = [
        asked(0, 190, 205, Outcome::Accepted),
        asked(0, 210, 215, Outcome::Unavailable),
        asked(1, 210, 215, Outcome::Accepted),
        asked(0, 220, 230, Outcome::Refused),
        asked(0, 240, 250, Outcome::Accepted),
    ];
    assert_eq!(recoveries(&answers, &breaks), [30]);
}

#[test]
fn percentiles_are_values_of_the_list() {
    let values: Vec<u64> = (1..=100).collect();
    assert_eq!([500, 990, 1_000].map(|at| percentile(&values, at)), [50, 99, 100]);
    assert_eq!(percentile(&[], 500), 0);
}
