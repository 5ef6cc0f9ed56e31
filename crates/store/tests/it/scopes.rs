//! Use by scope: summed by the day, and forgotten after some.

use std::collections::BTreeMap;

use keyway_domain::id::CredentialId;
use keyway_domain::time::{DAY_MS, Time};
use keyway_store::usage::{self, Batch, UNLISTED};

use crate::house::{House, NOW};

fn batch(number: i64, at: Time, needs: &[(u128, &str, u64)]) -> Batch {
    let needs = needs
        .iter()
        .map(|(id, need, requests)| ((CredentialId(*id), (*need).to_owned()), *requests));
    Batch { node: "node".to_owned(), number, at, needs: needs.collect(), ..Batch::default() }
}

fn by_need(house: &House, since: Time) -> BTreeMap<String, i64> {
    house.done(move |tx| usage::allowed_by_need(tx, CredentialId(1), since))
}

#[test]
fn requests_are_summed_by_what_they_needed_and_counted_once() {
    let house = House::new("scopes");
    let yesterday = NOW.plus_ms(-DAY_MS);
    let first = batch(1, yesterday, &[(1, "a:read", 3), (1, UNLISTED, 4), (2, "a:read", 9)]);
    let again = first.clone();
    let second = batch(2, NOW, &[(1, "a:read", 10), (1, "b:write", 0)]);
    for batch in [first, again, second] {
        house.done(move |tx| usage::add(tx, &batch));
    }
    let of = |pairs: &[(&str, i64)]| -> BTreeMap<String, i64> {
        pairs.iter().map(|(need, requests)| ((*need).to_owned(), *requests)).collect()
    };
    let today = Time(NOW.0 - NOW.0.rem_euclid(DAY_MS));
    assert_eq!(by_need(&house, today.plus_ms(-DAY_MS)), of(&[("*", 4), ("a:read", 13)]));
    assert_eq!(by_need(&house, today), of(&[("a:read", 10)]));
    // What no list names is no scope that was used; what was used and not counted is one.
    let used = house.done(|tx| usage::needs(tx, CredentialId(1)));
    assert_eq!(used.into_keys().collect::<Vec<_>>(), ["a:read", "b:write"]);
    let prune = |before: Time, limit| house.done(move |tx| usage::prune_needs(tx, before, limit));
    assert_eq!(prune(today.plus_ms(-DAY_MS), 10), 0);
    assert_eq!((prune(today, 2), prune(today, 2)), (2, 1));
    assert_eq!(by_need(&house, Time(0)), of(&[("a:read", 10)]));
}
