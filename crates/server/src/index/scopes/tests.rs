//! Requests by scope: each counted apart, none lost.

use std::sync::atomic::AtomicU32;

use keyway_domain::grant::{Action, Need};
use keyway_domain::verdict::Access;

use super::Scopes;

fn need(resource: u8, action: Action) -> Access {
    Access::Needs(Need { resource, action })
}

#[test]
fn each_scope_of_each_record_has_a_counter_of_its_own() {
    let scopes = Scopes::new(3);
    let blocks = [AtomicU32::new(0), AtomicU32::new(0)];
    let needs = || (0..3).flat_map(|r| Action::ALL.into_iter().map(move |a| need(r, a)));
    let every = || needs().chain([Access::Unlisted]);
    for (of, block) in blocks.iter().enumerate() {
        for (nth, scope) in every().enumerate() {
            for before in 0..=(of * 10 + nth) {
                assert_eq!(scopes.count(block, scope, 1), u32::try_from(before).ok());
            }
        }
    }
    for (of, block) in blocks.iter().enumerate() {
        for (nth, scope) in every().enumerate() {
            let counted = u32::try_from(of * 10 + nth + 1).expect("a small number");
            assert_eq!(scopes.take(block, scope), counted);
            assert_eq!(scopes.take(block, scope), 0, "it was taken");
        }
    }
}

#[test]
fn a_record_that_was_never_used_has_nothing_and_a_wrong_scope_counts_nowhere() {
    let scopes = Scopes::new(2);
    let (unused, used) = (AtomicU32::new(0), AtomicU32::new(0));
    assert_eq!(scopes.take(&unused, need(0, Action::Read)), 0);
    assert_eq!(scopes.count(&used, need(3, Action::Read), 1), None);
    assert_eq!(scopes.count(&used, Access::Identity, 1), None);
    assert_eq!(scopes.count(&used, need(1, Action::Write), 1), Some(0));
}

#[test]
fn nothing_is_lost_when_many_count_at_once() {
    let (scopes, block) = (Scopes::new(1), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10_000 {
                    scopes.count(&block, need(0, Action::Read), 1).expect("there is room");
                }
            });
        }
    });
    assert_eq!(scopes.take(&block, need(0, Action::Read)), 40_000);
}
