//! The ring of requests: in order, whole, and never more than it has room for.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};

use super::lane::{Lane, WORDS};

fn entry(number: u64) -> [u64; WORDS] {
    std::array::from_fn(|word| number * 10 + u64::try_from(word).expect("a small number"))
}

#[test]
fn a_ring_gives_back_what_was_put_in_in_its_order() {
    let lane = Lane::new(3);
    assert_eq!(lane.take(), None);
    for round in 0..10 {
        for number in 0..3 {
            assert!(lane.put(&entry(round * 3 + number), 0));
        }
        assert!(!lane.put(&entry(999), 0), "it is full");
        for number in 0..3 {
            assert_eq!(lane.take(), Some(entry(round * 3 + number)));
        }
        assert_eq!(lane.take(), None);
    }
}

#[test]
fn what_is_kept_free_is_for_who_needs_it() {
    let lane = Lane::new(4);
    assert!(lane.put(&entry(1), 1) && lane.put(&entry(2), 1) && lane.put(&entry(3), 1));
    assert!(!lane.put(&entry(4), 1), "the last place is kept free");
    assert!(lane.put(&entry(5), 0));
    assert!(!lane.put(&entry(6), 0));
    lane.take().expect("the oldest");
    assert!(!lane.put(&entry(7), 1));
    lane.take().expect("the next");
    assert!(lane.put(&entry(8), 1));
}

#[test]
fn with_many_writers_nothing_is_lost_doubled_or_mixed() {
    const EACH: u64 = 20_000;
    let (lane, over) = (Lane::new(64), AtomicBool::new(false));
    let mut seen = HashSet::new();
    std::thread::scope(|scope| {
        let (lane, over) = (&lane, &over);
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                scope.spawn(move || {
                    for number in 0..EACH {
                        while !lane.put(&entry(writer * EACH + number), 0) {
                            std::thread::yield_now();
                        }
                    }
                })
            })
            .collect();
        let reader = scope.spawn(move || {
            let mut seen = HashSet::new();
            loop {
                let last = over.load(Ordering::Acquire);
                let Some(words) = lane.take() else {
                    if last {
                        return seen;
                    }
                    std::thread::yield_now();
                    continue;
                };
                assert_eq!(words, entry(words[0] / 10), "an entry is whole");
                assert!(seen.insert(words[0]), "an entry comes once");
            }
        });
        for writer in writers {
            writer.join().expect("it writes");
        }
        over.store(true, Ordering::Release);
        seen = reader.join().expect("it reads");
    });
    assert_eq!(u64::try_from(seen.len()), Ok(4 * EACH));
}
