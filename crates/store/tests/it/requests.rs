//! The log of requests: added once, cut to what may be kept, and filtered within its account.

use std::collections::BTreeMap;

use keyway_domain::id::{AccountId, CredentialId};
use keyway_domain::time::Time;
use keyway_store::requests::{self, Batch, Filter, Place, Request};

use crate::house::{House, NOW};

const OURS: AccountId = AccountId(1);
const THEIRS: AccountId = AccountId(2);

fn request(number: u32) -> Request {
    let outcome = if number.is_multiple_of(2) { "allowed" } else { "expired" };
    Request {
        place: Place::new(NOW.plus_ms(i64::from(number)), 7, number),
        id: format!("req_{number}"),
        credential: CredentialId(u128::from(number % 3)),
        secret: 1,
        environment: "live".to_owned(),
        outcome: outcome.to_owned(),
        method: "GET".to_owned(),
        route: "/a/{id}".to_owned(),
        need: "a:read".to_owned(),
        address: "192.0.2.1".to_owned(),
    }
}

fn add(house: &House, account: AccountId, numbers: std::ops::Range<u32>, kept_max: u32) {
    let requests = numbers.map(|number| (account, request(number))).collect();
    let batch = Batch { requests, missed: BTreeMap::new(), at: NOW };
    house.done(move |tx| requests::add(tx, &batch, kept_max));
}

fn ids(house: &House, filter: Filter, limit: u32) -> Vec<String> {
    let page = house.done(move |tx| requests::page(tx, OURS, &filter, limit));
    page.into_iter().map(|request| request.id).collect()
}

#[test]
fn a_request_is_read_back_as_it_was_added_and_added_once() {
    let house = House::new("requests");
    add(&house, OURS, 0..3, 100);
    add(&house, OURS, 0..3, 100);
    add(&house, THEIRS, 3..4, 100);
    let page = house.done(|tx| requests::page(tx, OURS, &Filter::default(), 10));
    assert_eq!(page, [request(2), request(1), request(0)]);
    let places: Vec<Time> = page.iter().map(|request| request.place.at()).collect();
    assert_eq!(places, [NOW.plus_ms(2), NOW.plus_ms(1), NOW]);
}

#[test]
fn a_filter_holds_in_all_its_parts_and_pages_go_on_where_the_last_one_ended() {
    let house = House::new("requests-filter");
    add(&house, OURS, 0..9, 100);
    add(&house, THEIRS, 0..9, 100);
    let all = Filter::default;
    let first = ids(&house, all(), 4);
    assert_eq!(first, ["req_8", "req_7", "req_6", "req_5"]);
    let before = Some(request(5).place);
    assert_eq!(ids(&house, Filter { before, ..all() }, 2), ["req_4", "req_3"]);
    let only = Some(request(4).place);
    assert_eq!(ids(&house, Filter { only, ..all() }, 9), ["req_4"]);
    let is_refused = Filter { is_refused: true, ..all() };
    assert_eq!(ids(&house, is_refused, 9), ["req_7", "req_5", "req_3", "req_1"]);
    let of_one = Filter {
        outcome: Some("expired".to_owned()),
        credential: Some(CredentialId(1)),
        since: Some(NOW.plus_ms(2)),
        until: Some(NOW.plus_ms(8)),
        ..all()
    };
    assert_eq!(ids(&house, of_one, 9), ["req_7"]);
    let elsewhere = Filter { address: Some("192.0.2.2".to_owned()), ..all() };
    assert_eq!(ids(&house, elsewhere, 9), Vec::<String>::new());
    let other = Filter { route: Some("/b".to_owned()), ..all() };
    assert_eq!(ids(&house, other, 9), Vec::<String>::new());
}

#[test]
fn of_an_account_only_so_many_are_kept_and_what_was_missed_is_told() {
    let house = House::new("requests-kept");
    add(&house, OURS, 0..10, 10);
    add(&house, THEIRS, 0..10, 10);
    add(&house, OURS, 10..14, 10);
    let kept = ids(&house, Filter::default(), 99);
    assert_eq!((kept.len(), kept.last().map(String::as_str)), (10, Some("req_4")));
    // A lower limit is reached step by step, and no batch takes long.
    add(&house, OURS, 14..15, 5);
    assert_eq!(ids(&house, Filter::default(), 99).len(), 9);
    let theirs = house.done(|tx| requests::page(tx, THEIRS, &Filter::default(), 99));
    assert_eq!(theirs.len(), 10);
    let missed = BTreeMap::from([(OURS, 5), (THEIRS, 7)]);
    let batch = Batch { requests: Vec::new(), missed, at: NOW };
    for batch in batch.clone().split(10).into_iter().chain(batch.split(10)) {
        house.done(move |tx| requests::add(tx, &batch, 10));
    }
    let missed = |since: Time| house.done(move |tx| requests::missed(tx, OURS, since));
    assert_eq!((missed(NOW), missed(NOW.plus_ms(2 * 3_600_000))), (10, 0));
}

#[test]
fn old_ones_are_forgotten_with_the_count_of_their_account() {
    let house = House::new("requests-old");
    add(&house, OURS, 0..10, 100);
    let prune = |before: i64, limit| {
        house.done(move |tx| requests::prune(tx, OURS, NOW.plus_ms(before), limit))
    };
    assert_eq!((prune(6, 4), prune(6, 4), prune(6, 4)), (4, 2, 0));
    assert_eq!(ids(&house, Filter::default(), 99).len(), 4);
    assert_eq!(house.done(requests::accounts), [OURS]);
    assert_eq!(prune(100, 99), 4);
    assert_eq!(house.done(requests::accounts), []);
}
