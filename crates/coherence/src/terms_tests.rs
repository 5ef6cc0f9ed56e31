//! The margins between the holder and the observer.

use std::time::Duration;

use crate::terms::Terms;
use crate::time::Boot;

#[test]
fn the_holder_stops_early_and_the_observer_waits_long() {
    let terms = Terms::default();
    assert_eq!(terms.held_for(), Duration::from_millis(1_990));
    assert_eq!(terms.waited_for(terms.ttl, terms.grace), Duration::from_millis(2_020));
}

#[test]
fn the_grace_of_a_lease_is_waited_for_too() {
    let terms = Terms { grace: Duration::from_secs(30), ..Terms::default() };
    assert_eq!(terms.grace_for(), Duration::from_millis(29_850));
    assert_eq!(terms.waited_for(terms.ttl, terms.grace), Duration::from_millis(32_170));
}

#[test]
fn clocks_that_are_wrong_in_opposite_directions_by_the_whole_drift_are_allowed_for() {
    for drift_ppm in [1, 100, 5_000, 50_000, 333_333] {
        for nanos in [1, 999, 1_000_001, 2_000_000_000, 86_400_000_000_003] {
            let ttl = Duration::from_nanos(nanos);
            let terms = Terms { ttl, drift_ppm, slack: Duration::ZERO, ..Terms::default() };
            // In true time: the slowest holder, and the fastest observer.
            let rate = u128::from(drift_ppm);
            let held = terms.held_for().as_nanos() * 1_000_000;
            let waited = terms.waited_for(ttl, Duration::ZERO).as_nanos() * 1_000_000;
            assert!(held <= ttl.as_nanos() * (1_000_000 - rate));
            assert!(waited >= ttl.as_nanos() * (1_000_000 + rate));
        }
    }
}

#[test]
fn a_row_never_says_less_than_what_is_held() {
    let terms = Terms { ttl: Duration::from_micros(1_500), ..Terms::default() };
    assert_eq!(terms.ttl_ms(), 2);
    assert_eq!(terms.grace_ms(), 0);
}

#[test]
fn lengths_beyond_all_measure_saturate() {
    let terms = Terms::default();
    assert_eq!(Boot(5).plus(Duration::MAX), Boot(u64::MAX));
    assert_eq!(terms.waited_for(Duration::MAX, Duration::ZERO).as_secs(), u64::MAX / 1_000_000_000);
    assert_eq!(Boot(5).since(Boot(7)), Duration::ZERO);
}
