//! Who verifies after this process: told of each change, and lent the right to answer.
//!
//! What is right is in [`keyway_coherence::Followers`]. Here is what they are told: a ring of what
//! changed last, by places that mean something to this process alone.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use keyway_coherence::{Boot, FollowerId, Terms};
use keyway_domain::id::{AccountId, CredentialId, TokenId};
use keyway_secret::{Entropy as _, OsEntropy};
use tokio::sync::Notify;

use crate::clock::boot;

/// For how long a follower answers without having heard from its node. A revocation waits so long
/// for one that is silent.
const LOAN: Duration = Duration::from_secs(1);
/// A follower that asks is answered after so long, also when nothing has changed.
const POLL: Duration = Duration::from_millis(250);
/// Followers of a node.
pub const FOLLOWERS_MAX: usize = 256;
/// Changes that are remembered for those who have not heard of them.
const REMEMBERED: usize = 16_384;
/// Changes of one answer; who has missed more is told that everything may have changed.
const TOLD_MAX: u64 = 2_048;
/// Who waits for silent followers looks so often whether they are over.
const TICK: Duration = Duration::from_millis(20);

/// The setting that says that somebody has followed a process over this database.
pub const FOLLOWED: &str = "followed";

/// What changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A credential.
    Credential(CredentialId),
    /// An account, and so all that it has.
    Account(AccountId),
    /// An access token.
    Token(TokenId),
    /// It may be anything.
    Everything,
}

/// What a follower is told.
#[derive(Debug)]
pub struct Told {
    /// What changed.
    pub changes: Vec<Subject>,
    /// It has applied everything before this place then.
    pub place: u64,
    /// For how long it may answer then, from before it asked.
    pub loan: Duration,
}

/// The followers of this process.
pub struct Followers {
    state: Mutex<State>,
    /// Whether there is any. While there is none, a change costs a look at this.
    any: AtomicBool,
    expected: AtomicBool,
    /// Something changed.
    changed: Notify,
    /// Somebody has applied something.
    heard: Notify,
}

struct State {
    known: keyway_coherence::Followers,
    /// The number of each one's last question.
    turns: HashMap<FollowerId, u64>,
    /// The latest at the end.
    changes: VecDeque<Subject>,
    /// The place of the next change.
    next: u64,
    /// Until then somebody may answer whom a process before this one let answer.
    strangers_until: Boot,
    /// Whether nothing is lent any more.
    is_closed: bool,
}

impl Default for Followers {
    fn default() -> Self {
        let terms = Terms { ttl: LOAN, grace: Duration::ZERO, ..Terms::default() };
        Self {
            state: Mutex::new(State {
                known: keyway_coherence::Followers::new(terms),
                turns: HashMap::new(),
                changes: VecDeque::new(),
                next: 1,
                strangers_until: Boot::ZERO,
                is_closed: false,
            }),
            any: AtomicBool::new(false),
            expected: AtomicBool::new(false),
            changed: Notify::new(),
            heard: Notify::new(),
        }
    }
}

impl Followers {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is written down that there may be some.
    pub fn is_expected(&self) -> bool {
        self.expected.load(Ordering::Relaxed)
    }

    /// It is written down.
    pub fn set_expected(&self) {
        self.expected.store(true, Ordering::Relaxed);
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.lock().known.len()
    }

    /// Notes a change that the index has by now. Who joins after it was looked whether there is any
    /// looks up what it wants to know after the change.
    pub fn tell(&self, subject: Subject) {
        if !self.any.load(Ordering::SeqCst) {
            return;
        }
        let mut state = self.lock();
        state.next += 1;
        state.changes.push_back(subject);
        if state.changes.len() > REMEMBERED {
            state.changes.pop_front();
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// The place after the latest change: what is looked up from here on is at least as new.
    pub fn place(&self) -> u64 {
        self.lock().next
    }

    /// Takes a new one in, which knows nothing; `None` if there are too many.
    pub fn join(&self, left: Duration) -> Option<(FollowerId, Told)> {
        let mut state = self.lock();
        if state.known.len() >= FOLLOWERS_MAX {
            state.known.least(boot());
        }
        if state.known.len() >= FOLLOWERS_MAX || state.is_closed {
            return None;
        }
        let (id, place) = (FollowerId(OsEntropy.u128()), state.next);
        state.known.join(id, place);
        self.any.store(true, Ordering::SeqCst);
        let loan = state.known.lend(id, place, left, boot());
        Some((id, Told { changes: Vec::new(), place, loan }))
    }

    /// Whether a follower's question, by its number, is one that was not heard before. What is said
    /// in it beside is to be heard once.
    #[must_use]
    pub fn is_new(&self, id: FollowerId, turn: u64) -> bool {
        let mut state = self.lock();
        if !state.known.knows(id) {
            return false;
        }
        let last = state.turns.entry(id).or_default();
        let is_new = turn > *last;
        *last = turn.max(*last);
        is_new
    }

    /// Hears that a follower has applied everything before a place. False if it must join anew.
    #[must_use]
    pub fn hear(&self, id: FollowerId, applied: u64) -> bool {
        let is_known = self.lock().known.hear(id, applied);
        self.heard.notify_waiters();
        is_known
    }

    /// Waits until there is something to tell to one who knows everything before a place, or for
    /// long enough that it must be told that there is nothing.
    pub async fn news_after(&self, place: u64) {
        let wait = async {
            loop {
                let changed = self.changed.notified();
                if self.place() > place {
                    return;
                }
                changed.await;
            }
        };
        // Nothing new is an answer as well.
        let _ = tokio::time::timeout(POLL, wait).await;
    }

    /// What to tell a follower that has applied everything before a place. `left` is for how long
    /// this process may answer itself.
    pub fn news(&self, id: FollowerId, applied: u64, left: Duration) -> Told {
        let mut state = self.lock();
        let place = state.next;
        let missed = place.saturating_sub(applied);
        let known = usize::try_from(missed).ok().filter(|missed| *missed <= state.changes.len());
        let changes = match known {
            Some(missed) if place - applied <= TOLD_MAX => {
                state.changes.range(state.changes.len() - missed..).copied().collect()
            }
            _ => vec![Subject::Everything],
        };
        let left = if state.is_closed { Duration::ZERO } else { left };
        let loan = state.known.lend(id, place, left, boot());
        Told { changes, place, loan }
    }

    /// The place before which everything is applied by all that may still answer; `None` if there
    /// are none.
    pub fn least(&self) -> Option<u64> {
        if !self.any.load(Ordering::SeqCst) {
            return None;
        }
        let mut state = self.lock();
        let least = state.known.least(boot());
        let State { known, turns, .. } = &mut *state;
        if turns.len() > known.len() {
            turns.retain(|id, _| known.knows(*id));
        }
        if state.known.is_empty() {
            state.changes.clear();
            self.any.store(false, Ordering::SeqCst);
        }
        least
    }

    /// A follower stops.
    pub fn leave(&self, id: FollowerId) {
        self.lock().known.leave(id);
        self.heard.notify_waiters();
    }

    /// Waits until everything that changed so far is applied by all of them, or what was lent to
    /// those that are silent is over.
    pub async fn settled(&self) {
        let place = self.place();
        loop {
            let heard = self.heard.notified();
            let has_strangers = self.lock().strangers_until > boot();
            if !has_strangers && self.least().is_none_or(|least| least >= place) {
                return;
            }
            // Who falls silent makes no sound.
            let _ = tokio::time::timeout(TICK, heard).await;
        }
    }

    /// Waits for those whom a process before this one let answer, from now on: it may have been
    /// killed, and they have not heard of it yet. Where there are nodes, its lease is waited for.
    pub fn expect_strangers(&self) {
        self.lock().strangers_until = boot().plus(longest());
    }

    /// Lends nothing from here on, and waits until nobody answers any more.
    pub async fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_waiters();
        while self.least().is_some() {
            tokio::time::sleep(TICK).await;
        }
    }

    /// By how much later than its commit a change may be true everywhere because of them.
    pub fn patience(&self) -> Duration {
        let has_strangers = self.lock().strangers_until > boot();
        if has_strangers || self.least().is_some() { longest() } else { Duration::ZERO }
    }
}

/// After so long, nothing that was lent before is still good.
fn longest() -> Duration {
    Terms::default().waited_for(LOAN, Duration::ZERO)
}
