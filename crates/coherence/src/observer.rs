//! What a node has seen of the leases of all, by its own clock alone. No two clocks are compared.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::terms::Terms;
use crate::time::Boot;

/// One start of one node. A node that was restarted is another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct NodeId(pub u128);

/// A lease as its row says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lease {
    /// Whose.
    pub node: NodeId,
    /// How often the node has asked for a lease anew.
    pub inc: i64,
    /// How often it was renewed since.
    pub renew_no: i64,
    /// How far its node has applied the log.
    pub applied: i64,
    /// How long it lasts, in milliseconds.
    pub ttl_ms: i64,
    /// How much longer its node may serve in need, in milliseconds.
    pub grace_ms: i64,
}

/// Since when each lease stands still. One for each node, shared by everything that waits there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Observer {
    terms: Terms,
    seen: BTreeMap<NodeId, Seen>,
    /// Until when there may be a lease that has no row.
    distrust_until: Boot,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Seen {
    inc: i64,
    renew_no: i64,
    since: Boot,
}

/// How far a change has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// Whether no node answers from before the change any more.
    pub done: bool,
    /// How many nodes have acknowledged it.
    pub refusing: usize,
    /// How many leases there are.
    pub of: usize,
    /// Leases that are over: node, incarnation, renewal. Delete each if all three still match, so
    /// that the next change need not wait for it.
    pub fence: Vec<(NodeId, i64, i64)>,
    /// When the last of the silent ones is over, if they stay silent.
    pub latest: Boot,
}

impl Observer {
    /// Has seen nothing.
    pub fn new(terms: Terms) -> Self {
        Self { terms, seen: BTreeMap::new(), distrust_until: Boot::ZERO }
    }

    /// Takes in all rows of one look, whose answer came at `received`.
    ///
    /// A lease counts as standing still from here, not from when the look was sent: the row was
    /// read at some instant before the answer came, and a holder's instant is before that.
    pub fn look(&mut self, rows: &[Lease], received: Boot) {
        let before = std::mem::take(&mut self.seen);
        self.seen = rows
            .iter()
            .map(|row| {
                let unchanged = before.get(&row.node).copied().filter(|seen| seen.is_of(row));
                let (inc, renew_no) = (row.inc, row.renew_no);
                (row.node, unchanged.unwrap_or(Seen { inc, renew_no, since: received }))
            })
            .collect();
    }

    /// The connection was made anew: behind it may be a database that was never looked at.
    pub fn forget(&mut self) {
        self.seen.clear();
    }

    /// The database may have lost its last commits: it is of another history, or this is the
    /// first contact of a node that cannot know.
    ///
    /// A lease from the lost end has no row to wait for. All of them were sent before `contact`.
    pub fn distrust(&mut self, contact: Boot) {
        self.forget();
        let longest = self.terms.waited_for(self.terms.ttl, self.terms.grace);
        self.distrust_until = self.distrust_until.max(contact.plus(longest));
    }

    /// Judges the change at `seq` by rows that were read after it was committed.
    pub fn judge(&self, seq: i64, rows: &[Lease], now: Boot) -> Judged {
        let mut judged = Judged {
            done: now >= self.distrust_until,
            refusing: 0,
            of: rows.len(),
            fence: Vec::new(),
            latest: now.max(self.distrust_until),
        };
        for row in rows {
            if row.applied >= seq {
                judged.refusing += 1;
                continue;
            }
            let over = self.over_at(row, now);
            if over <= now {
                judged.fence.push((row.node, row.inc, row.renew_no));
            } else {
                judged.done = false;
                judged.latest = judged.latest.max(over);
            }
        }
        judged
    }

    /// When a lease is over. One that was never looked at stands still from now on.
    fn over_at(&self, row: &Lease, now: Boot) -> Boot {
        let seen = self.seen.get(&row.node).filter(|seen| seen.is_of(row));
        let since = seen.map_or(now, |seen| seen.since);
        since.plus(self.terms.waited_for(millis(row.ttl_ms), millis(row.grace_ms)))
    }
}

impl Seen {
    fn is_of(&self, row: &Lease) -> bool {
        (self.inc, self.renew_no) == (row.inc, row.renew_no)
    }
}

/// A length that makes no sense never ends, which is slow and safe.
fn millis(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(u64::MAX))
}
