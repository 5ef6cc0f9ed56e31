//! Processes that verify after a node, and never look at the log themselves.
//!
//! A node tells each of its followers what has changed, and lends it the right to answer for a
//! while. To everybody else it speaks for them: it says that it has applied a change when each of
//! them has, or when what it lent to them is surely over.
//!
//! Why that is right: whoever made a change waits for the node, whose acknowledgement waits for its
//! followers ([`Followers::least`]), or for the end of the node's lease, which no loan outlives
//! ([`Followers::lend`]). And a follower that answers has applied what the node has said it had: a
//! loan is given only to who has applied all it was told ([`Followers::hear`]), together with the
//! rest, which is to be applied before the loan counts.
//!
//! What drives it owes this: the index is changed before the change is told; the follower counts its
//! loan from before it asked, and shortens it for its clock ([`Terms::held_for`] of a lease as long
//! as the loan).

use std::collections::HashMap;
use std::time::Duration;

use crate::terms::Terms;
use crate::time::Boot;

/// A follower, from when it joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FollowerId(pub u128);

/// The followers of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followers {
    terms: Terms,
    known: HashMap<FollowerId, Follower>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Follower {
    /// It has applied everything before this place.
    applied: u64,
    /// It was told everything before this place.
    told: u64,
    /// What was lent to it is surely over then.
    over: Boot,
}

impl Followers {
    /// None yet. The terms' `ttl` is the longest loan.
    pub fn new(terms: Terms) -> Self {
        Self { terms, known: HashMap::new() }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Whether one may still answer, as far as was looked.
    pub fn knows(&self, id: FollowerId) -> bool {
        self.known.contains_key(&id)
    }

    /// Takes one in that knows nothing yet: what changed before `place` it need not hear.
    pub fn join(&mut self, id: FollowerId, place: u64) {
        self.known.insert(id, Follower { applied: place, told: place, over: Boot::ZERO });
    }

    /// A follower says that it has applied everything before `applied`. False of one that is not
    /// known, or says less than it was told, or more: it must forget everything and join again. What
    /// was lent to it is waited out.
    #[must_use]
    pub fn hear(&mut self, id: FollowerId, applied: u64) -> bool {
        match self.known.get_mut(&id) {
            Some(follower) if follower.told == applied => {
                follower.applied = applied;
                true
            }
            _ => false,
        }
    }

    /// What to lend to a follower that is told everything before `place` now. `left` is for how long
    /// the node itself may answer.
    pub fn lend(&mut self, id: FollowerId, place: u64, left: Duration, now: Boot) -> Duration {
        let Some(follower) = self.known.get_mut(&id) else { return Duration::ZERO };
        let loan = self.terms.ttl.min(left);
        follower.told = place;
        follower.over = follower.over.max(now.plus(self.terms.waited_for(loan, Duration::ZERO)));
        loan
    }

    /// The place before which every follower that may still answer has applied everything; `None`
    /// if there is none. Forgets those that may not.
    pub fn least(&mut self, now: Boot) -> Option<u64> {
        self.known.retain(|_, follower| follower.over > now);
        self.known.values().map(|follower| follower.applied).min()
    }

    /// A follower has stopped answering for good.
    pub fn leave(&mut self, id: FollowerId) {
        self.known.remove(&id);
    }
}
