//! Periods of the calendar, and how much of a quota is reserved at once.

use keyway_domain::limits::QUOTA_BLOCK_MAX;
use keyway_domain::quota::{Per, Period, block};
use keyway_domain::time::{DAY_MS, Time};

fn time(text: &str) -> Time {
    Time::parse(text).expect("an instant")
}

#[track_caller]
fn check(per: Per, now: &str, from: &str, to: &str) {
    let start = |date: &str| Time::parse_date(date).expect("a date");
    let wanted = Period { starts_at: start(from), ends_at: start(to) };
    assert_eq!(per.period(time(now)), wanted, "{now}");
}

#[test]
fn a_day_is_from_midnight_to_midnight() {
    check(Per::Day, "2026-11-26T00:00:00Z", "2026-11-26", "2026-11-27");
    check(Per::Day, "2026-11-26T23:59:59.999Z", "2026-11-26", "2026-11-27");
    check(Per::Day, "2026-12-31T12:00:00Z", "2026-12-31", "2027-01-01");
    check(Per::Day, "2026-11-26T23:30:00-02:00", "2026-11-27", "2026-11-28");
    check(Per::Day, "1969-12-31T23:00:00Z", "1969-12-31", "1970-01-01");
}

#[test]
fn a_month_has_its_own_days() {
    check(Per::Month, "2026-11-30T23:59:59.999Z", "2026-11-01", "2026-12-01");
    check(Per::Month, "2026-12-01T00:00:00Z", "2026-12-01", "2027-01-01");
    check(Per::Month, "2026-12-31T23:59:59.999Z", "2026-12-01", "2027-01-01");
    check(Per::Month, "2026-02-28T12:00:00Z", "2026-02-01", "2026-03-01");
    check(Per::Month, "2028-02-29T12:00:00Z", "2028-02-01", "2028-03-01");
    check(Per::Month, "2100-02-28T23:59:59Z", "2100-02-01", "2100-03-01");
    let days = |now: &str| Per::Month.period(time(now)).seconds() / 86_400;
    assert_eq!(days("2026-01-05T00:00:00Z"), 31);
    assert_eq!(days("2026-04-05T00:00:00Z"), 30);
    assert_eq!(days("2026-02-05T00:00:00Z"), 28);
    assert_eq!(days("2028-02-05T00:00:00Z"), 29);
    assert_eq!(days("2100-02-05T00:00:00Z"), 28, "no leap year");
    assert_eq!(days("2000-02-05T00:00:00Z"), 29, "but this was one");
}

#[test]
fn every_instant_is_in_its_period_and_periods_follow_one_another() {
    for per in [Per::Day, Per::Month] {
        let mut at = per.period(time("1999-11-15T00:00:00Z"));
        for _ in 0..2_000 {
            assert_eq!(per.period(at.starts_at), at);
            assert_eq!(per.period(at.ends_at.plus_ms(-1)), at);
            assert_eq!(Time(i64::from(at.day()) * DAY_MS), at.starts_at);
            let next = per.period(at.ends_at);
            assert_eq!(next.starts_at, at.ends_at);
            at = next;
        }
    }
    let never = Per::Month.period(Time(i64::MAX));
    assert!(never.starts_at <= Time(i64::MAX) && never.ends_at == Time::NEVER);
}

#[test]
fn a_block_is_a_share_of_what_is_left_and_never_more() {
    let cases = [
        (0, 0, 0),
        (0, 9, 0),
        (1, 0, 1),
        (31, 0, 1),
        (64, 0, 2),
        (1_000, 0, 31),
        (1_000, 100, 100),
        (1_000, 5_000, 500),
        (1, 5_000, 1),
        (3, 5_000, 2),
        (10_000_000, 0, QUOTA_BLOCK_MAX),
        (10_000_000, u64::MAX, QUOTA_BLOCK_MAX),
    ];
    for (left, waiting, wanted) in cases {
        assert_eq!(block(left, waiting), wanted, "{left} left, {waiting} waiting");
    }
}
