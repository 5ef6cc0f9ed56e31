//! Followers, messages that are lost or late, clocks that are wrong: whatever a node has said it
//! has, each follower that answers has.

use std::time::Duration;

use crate::{Boot, FollowerId, Followers, Terms};

const FOLLOWERS: usize = 3;
const STEPS: usize = 4_000;
const SEEDS: u64 = 200;

/// A small generator: the same every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, count: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % count
    }
}

/// A follower as it sees itself. Its clock runs by `rate` millionths too fast, or too slow.
struct Process {
    id: FollowerId,
    rate: i64,
    applied: u64,
    until: u64,
    /// When it asked, by its own clock, and how far it was.
    asked: Option<(u64, u64)>,
    reply: Option<Reply>,
    has_joined: bool,
    /// What the node has told it, whether it arrived or not.
    told: u64,
}

#[derive(Clone, Copy)]
struct Reply {
    is_known: bool,
    place: u64,
    loan: Duration,
}

impl Process {
    fn clock(&self, now: u64) -> u64 {
        let drift = i128::from(now) * i128::from(self.rate) / 1_000_000;
        u64::try_from(i128::from(now) + drift).unwrap_or(0)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    Nothing,
    /// What it was told is taken as applied.
    Assumes,
    /// It counts its loan from the answer.
    CountsFromAnswer,
    /// The node does not wait for who is silent.
    WaitsNot,
}

fn said(process: &Process, applied: u64, wrong: Wrong) -> u64 {
    if wrong == Wrong::Assumes { process.told } else { applied }
}

/// Runs one history; whether some follower could answer without what the node has said it has.
fn is_stale(seed: u64, wrong: Wrong) -> bool {
    let terms = Terms { ttl: Duration::from_secs(1), ..Terms::default() };
    let mut dice = Dice(seed);
    let mut node = Followers::new(terms);
    let (mut now, mut place, mut shown) = (0_u64, 0_u64, 0_u64);
    let mut all: Vec<Process> = (0..FOLLOWERS)
        .map(|number| Process {
            id: FollowerId(number as u128 + 1),
            rate: [5_000, -5_000, 0][number],
            applied: 0,
            until: 0,
            asked: None,
            reply: None,
            has_joined: false,
            told: 0,
        })
        .collect();
    for _ in 0..STEPS {
        let one = usize::try_from(dice.below(FOLLOWERS as u64)).unwrap();
        match dice.below(10) {
            0 => place += 1,
            1 | 2 => now += dice.below(400_000_000),
            3 => {
                // Its request, or the answer, is lost; it asks again, or goes on as it is.
                all[one].asked = None;
                all[one].reply = None;
            }
            4 | 5 => {
                let asked = all[one].clock(now);
                let applied = all[one].applied;
                all[one].asked.get_or_insert((asked, applied));
            }
            6 | 7 => {
                let process = &mut all[one];
                let Some((_, applied)) = process.asked.filter(|_| process.reply.is_none()) else {
                    continue;
                };
                if !process.has_joined {
                    node.join(process.id, place);
                } else if !node.hear(process.id, said(process, applied, wrong)) {
                    process.reply = Some(Reply { is_known: false, place, loan: Duration::ZERO });
                    continue;
                }
                let left = Duration::from_millis(dice.below(2_500));
                let loan = node.lend(process.id, place, left, Boot(now));
                process.reply = Some(Reply { is_known: true, place, loan });
                process.told = place;
            }
            8 => {
                let process = &mut all[one];
                let (Some((asked, _)), Some(reply)) = (process.asked, process.reply.take()) else {
                    continue;
                };
                process.asked = None;
                process.has_joined = reply.is_known;
                if !reply.is_known {
                    process.until = 0;
                    continue;
                }
                let from =
                    if wrong == Wrong::CountsFromAnswer { process.clock(now) } else { asked };
                let held = Terms { ttl: reply.loan, ..terms }.held_for();
                process.applied = reply.place;
                process.until = process.until.max(Boot(from).plus(held).0);
            }
            _ => {
                let least = node.least(Boot(now)).unwrap_or(place);
                shown = shown.max(if wrong == Wrong::WaitsNot { place } else { least });
            }
        }
        let answers = |process: &&Process| process.clock(now) < process.until;
        if all.iter().filter(answers).any(|process| process.applied < shown) {
            return true;
        }
    }
    false
}

#[test]
fn a_follower_that_answers_has_what_the_node_has_said_it_has() {
    for seed in 0..SEEDS {
        assert!(!is_stale(seed, Wrong::Nothing), "seed {seed}");
    }
}

#[test]
fn each_part_is_needed() {
    for wrong in [Wrong::Assumes, Wrong::CountsFromAnswer, Wrong::WaitsNot] {
        assert!((0..SEEDS).any(|seed| is_stale(seed, wrong)), "{wrong:?}");
    }
}

#[test]
fn who_says_less_or_more_than_it_was_told_is_not_heard() {
    let mut node = Followers::new(Terms::default());
    let (one, second) = (FollowerId(1), Duration::from_secs(1));
    assert!(!node.hear(one, 0), "it has not joined");
    node.join(one, 7);
    assert_eq!(node.lend(one, 9, second, Boot(0)), second);
    assert!(!node.hear(one, 7));
    assert!(!node.hear(one, 10));
    assert_eq!(node.least(Boot(0)), Some(7), "what was lent is waited out all the same");
    assert!(node.hear(one, 9));
    assert_eq!(node.least(Boot(0)), Some(9));
    assert_eq!(node.least(Boot(2_000_000_000)), None);
    assert!(node.is_empty() && !node.hear(one, 9), "it is forgotten then");
}

#[test]
fn no_loan_is_longer_than_the_node_may_answer_itself() {
    let mut node = Followers::new(Terms::default());
    node.join(FollowerId(1), 0);
    let left = Duration::from_millis(30);
    assert_eq!(node.lend(FollowerId(1), 0, left, Boot(0)), left);
    assert_eq!(node.lend(FollowerId(2), 0, left, Boot(0)), Duration::ZERO, "a stranger");
    assert_eq!(node.len(), 1);
}
