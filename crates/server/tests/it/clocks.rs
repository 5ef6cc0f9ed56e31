//! The clock that all nodes judge by.

use std::time::Duration;

use keyway_coherence::Boot;
use keyway_domain::time::Time;
use keyway_server::clock::{Clock as _, DatabaseClock, boot};

/// What is near enough while other tests run: the looks here are hours apart.
fn shows(clock: &DatabaseClock, wanted: i64) -> bool {
    (wanted..wanted + 60_000).contains(&clock.now().0)
}

#[test]
fn the_databases_clock_goes_on_by_itself_and_the_better_look_counts() {
    const HOUR: i64 = 3_600_000;
    let now = boot();
    let clock = DatabaseClock::new(Time(HOUR), now, now);
    assert!(shows(&clock, HOUR), "whatever this machine's own clock says");
    let long_ago = Boot(boot().0.saturating_sub(1_000_000_000 * 10));
    clock.learn(Time(9 * HOUR), long_ago, boot());
    assert!(shows(&clock, HOUR), "an answer that took ten seconds says little");
    let now = boot();
    clock.learn(Time(2 * HOUR), now, now);
    assert!(shows(&clock, 2 * HOUR), "a quick one counts");
    // What took a while counts as if it had been said when it was asked: ends come early, not late.
    let slow = DatabaseClock::new(Time(HOUR), boot(), boot().plus(Duration::from_secs(5)));
    assert!(shows(&slow, HOUR));
}
