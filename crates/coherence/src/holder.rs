//! What a node knows of its own lease. It believes less than the database would grant.

use std::collections::VecDeque;

use crate::chain::Position;
use crate::terms::Terms;
use crate::time::Boot;

/// How many entries back a head is recognised. A renewal whose head is older is made again.
const RECENT_MAX: usize = 1_024;

/// A node's own lease, and how far the node has applied the log.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Holder {
    terms: Terms,
    /// What was applied last, the latest at the end; never empty.
    recent: VecDeque<Position>,
    valid_until: Boot,
    waiting: Option<Waiting>,
    /// How often everything before came to count for nothing.
    losses: u64,
    left: bool,
}

/// A renewal that was kept while the node was behind the head of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Waiting {
    sent: Boot,
    head: Position,
}

/// A renewal on its way. It counts from before it was sent: how long the database had it, and how
/// long the answer took, the node cannot know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[must_use = "a renewal that is not sent renews nothing"]
pub struct Renewal {
    sent: Boot,
    losses: u64,
}

impl Holder {
    /// A node that has loaded the index as of `applied`, and has no lease yet.
    pub fn new(terms: Terms, applied: Position) -> Self {
        Self {
            terms,
            recent: VecDeque::from([applied]),
            valid_until: Boot::ZERO,
            waiting: None,
            losses: 0,
            left: false,
        }
    }

    /// How far the node has applied the log: what a lease and an acknowledgement carry.
    pub fn position(&self) -> Position {
        *self.recent.back().expect("something was applied last")
    }

    /// When the lease is over: what every verification compares with.
    ///
    /// It only grows, but for a loss and for leaving.
    pub fn valid_until(&self) -> Boot {
        self.valid_until
    }

    /// Until when the node may serve at most, if it was declared that it may serve on in need.
    pub fn grace_until(&self) -> Boot {
        match self.valid_until {
            Boot::ZERO => Boot::ZERO,
            until => until.plus(self.terms.grace_for()),
        }
    }

    /// Whether to renew at all.
    ///
    /// A node that has not yet applied what the last renewal found must not: whoever waits for it
    /// would see a lease that changes and never acknowledges, and would wait for ever.
    pub fn may_renew(&self) -> bool {
        !self.left && self.waiting.is_none()
    }

    /// Starts a renewal. Call it before anything is sent.
    pub fn begin(&self, sent: Boot) -> Renewal {
        Renewal { sent, losses: self.losses }
    }

    /// The lease was written and committed, and a later snapshot had the log end at `head`.
    ///
    /// Later is what makes it safe. Either a change is in the head, and then it is applied before
    /// the lease counts; or it came after, and then its waiter sees this lease. The nonce of the
    /// head tells whether it is the same log: behind a pooler, a renewal may reach a database that
    /// has lost what the node has applied, and has given those numbers to other changes.
    pub fn kept(&mut self, renewal: Renewal, head: Position) {
        if self.left || renewal.losses != self.losses {
            return;
        }
        if head.seq > self.position().seq {
            let latest = self.waiting.is_none_or(|waiting| waiting.sent < renewal.sent);
            if latest {
                self.waiting = Some(Waiting { sent: renewal.sent, head });
            }
            return;
        }
        match self.recent.iter().rev().find(|position| position.seq == head.seq) {
            Some(position) if *position == head => self.extend(renewal.sent),
            Some(_) => self.lost(),
            None => {}
        }
    }

    /// The lease hit no row: it was fenced, or the position is not in this database's history.
    ///
    /// Renewals that are still on their way count for nothing, whatever comes back.
    pub fn lost(&mut self) {
        self.valid_until = Boot::ZERO;
        self.waiting = None;
        self.losses += 1;
    }

    /// The index now has the next entry of the log, at `position`.
    pub fn applied(&mut self, position: Position) {
        assert!(position.seq == self.position().seq + 1, "the log is applied entry by entry");
        if self.recent.len() == RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(position);
        if let Some(waiting) = self.waiting.filter(|waiting| position.seq == waiting.head.seq) {
            self.waiting = None;
            self.kept(Renewal { sent: waiting.sent, losses: self.losses }, waiting.head);
        }
    }

    /// The index was loaded anew as of `position`, which may be of another history.
    pub fn reloaded(&mut self, position: Position) {
        self.lost();
        self.recent = VecDeque::from([position]);
    }

    /// The node stops: it accepts nothing from here on. Its row may be deleted after this.
    pub fn leave(&mut self) {
        self.lost();
        self.left = true;
    }

    fn extend(&mut self, sent: Boot) {
        self.valid_until = self.valid_until.max(sent.plus(self.terms.held_for()));
    }
}
