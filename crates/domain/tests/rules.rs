//! Security rules: of both sides the stricter one holds, and what breaks it says which and whose.

use keyway_domain::rules::{Rule, Rules, SetBy, Standing};
use keyway_domain::time::{DAY_MS, Time};

const NOW: Time = Time(1_780_000_000_000);
const HOUR: i64 = 3_600_000;

fn standing(platform: Rules, own: Rules) -> Standing {
    Standing { platform, own }
}

#[test]
fn of_two_limits_the_lower_one_holds_whoever_set_it() {
    let days = |lifetime_days_max| Rules { lifetime_days_max, ..Rules::default() };
    for (platform, own, holds) in [
        (None, None, None),
        (Some(90), None, Some((90, SetBy::Platform))),
        (None, Some(30), Some((30, SetBy::Account))),
        (Some(90), Some(30), Some((30, SetBy::Account))),
        (Some(90), Some(90), Some((90, SetBy::Platform))),
        (Some(90), Some(120), Some((90, SetBy::Platform))),
    ] {
        assert_eq!(standing(days(platform), days(own)).lifetime_days_max(), holds);
    }
    let looser = standing(days(Some(90)), days(Some(120)));
    assert_eq!(looser.looser(), Some(Rule::Lifetime));
    assert_eq!(standing(days(Some(90)), days(None)).looser(), None);
}

#[test]
fn what_breaks_a_rule_says_which_and_who_set_it() {
    let own = Rules {
        overlap_ms_max: Some(24 * HOUR),
        lifetime_days_max: Some(30),
        addresses_for_money: true,
        ..Rules::default()
    };
    let rules = standing(Rules::default(), own);
    assert_eq!(rules.check_overlap(24 * HOUR), Ok(()));
    let broken = rules.check_overlap(24 * HOUR + 1).expect_err("it is longer");
    assert!(broken.say("Acme").contains("this account has set the rule “Longest rotation window”"));
    assert_eq!(rules.check_lifetime(NOW, Some(NOW.plus_ms(30 * DAY_MS))), Ok(()));
    for ends in [None, Some(NOW.plus_ms(30 * DAY_MS + 1))] {
        assert_eq!(rules.check_lifetime(NOW, ends).expect_err("too long").rule, Rule::Lifetime);
    }
    assert_eq!(rules.check_addresses(true, 1), Ok(()));
    assert_eq!(rules.check_addresses(false, 0), Ok(()));
    let broken = rules.check_addresses(true, 0).expect_err("no address");
    assert_eq!(broken.rule, Rule::AddressesForMoney);
    let by_platform = standing(own, Rules::default());
    let broken = by_platform.check_addresses(true, 0).expect_err("no address");
    assert!(broken.say("Acme").contains("Acme has set the rule"), "{broken}");
    let nothing = Standing::default();
    assert_eq!(nothing.check_overlap(i64::MAX), Ok(()));
    assert_eq!(nothing.check_lifetime(NOW, None), Ok(()));
    assert_eq!(nothing.check_addresses(true, 0), Ok(()));
}
