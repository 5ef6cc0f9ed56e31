//! The database: what it keeps, what it does in one transaction, and what it may lose.

use std::collections::BTreeMap;

use keyway_coherence::{Lease, NodeId, Position, Terms};

pub(crate) type Key = u32;

/// How far a credential is: 0 is unknown, then one more for each rotation. Higher never accepts
/// what lower refused, so of two levels the higher one holds.
pub(crate) type Level = u32;

pub(crate) const REVOKED: Level = 1_000;

pub(crate) type Levels = BTreeMap<Key, Level>;

#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) at: Position,
    pub(crate) prev: i64,
    pub(crate) edits: Levels,
}

/// What is on its disk.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stored {
    log: Vec<Entry>,
    pub(crate) levels: Levels,
    leases: BTreeMap<NodeId, Lease>,
    /// Acknowledgements are not waited for, so a crash may take them back to these.
    synced: BTreeMap<NodeId, i64>,
}

/// A write of a lease.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Renew {
    pub(crate) inc: i64,
    pub(crate) anew: bool,
    pub(crate) position: Position,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    Kept,
    NoRow,
    /// The position is not in the log.
    Unknown,
}

impl Stored {
    pub(crate) fn head(&self) -> Position {
        self.log.last().map_or_else(Position::default, |entry| entry.at)
    }

    pub(crate) fn knows(&self, position: Position) -> bool {
        if position == Position::default() {
            return true;
        }
        let at = usize::try_from(position.seq - 1).ok();
        at.and_then(|at| self.log.get(at)).is_some_and(|entry| entry.at == position)
    }

    pub(crate) fn after(&self, position: Position) -> Option<Vec<Entry>> {
        let from = usize::try_from(position.seq).ok()?;
        self.knows(position).then(|| self.log[from..].to_vec())
    }

    pub(crate) fn change(&mut self, edits: Levels, nonce: i64) -> Entry {
        let head = self.head();
        join(&mut self.levels, &edits);
        let at = Position { seq: head.seq + 1, nonce };
        let entry = Entry { at, prev: head.nonce, edits };
        self.log.push(entry.clone());
        entry
    }

    pub(crate) fn rows(&self) -> Vec<Lease> {
        self.leases.values().copied().collect()
    }

    pub(crate) fn renew(&mut self, node: NodeId, renew: Renew, terms: &Terms) -> Written {
        if !self.knows(renew.position) {
            return Written::Unknown;
        }
        let applied = renew.position.seq;
        let before = self.leases.get(&node).copied();
        let row = match before {
            Some(row) if row.inc == renew.inc => {
                Lease { renew_no: row.renew_no + 1, applied: row.applied.max(applied), ..row }
            }
            Some(row) if row.inc > renew.inc => return Written::NoRow,
            _ if renew.anew => Lease {
                node,
                inc: renew.inc,
                renew_no: 0,
                applied,
                ttl_ms: terms.ttl_ms(),
                grace_ms: terms.grace_ms(),
            },
            _ => return Written::NoRow,
        };
        self.leases.insert(node, row);
        self.synced.insert(node, row.applied);
        Written::Kept
    }

    pub(crate) fn acknowledge(&mut self, node: NodeId, position: Position) -> Written {
        if !self.knows(position) {
            return Written::Unknown;
        }
        let Some(row) = self.leases.get_mut(&node) else { return Written::NoRow };
        row.applied = row.applied.max(position.seq);
        Written::Kept
    }

    pub(crate) fn fence(&mut self, leases: &[(NodeId, i64, i64)]) {
        for (node, inc, renew_no) in leases {
            let is_it = |row: &Lease| (row.inc, row.renew_no) == (*inc, *renew_no);
            if self.leases.get(node).is_some_and(is_it) {
                self.leases.remove(node);
            }
        }
    }

    pub(crate) fn leave(&mut self, node: NodeId) {
        self.leases.remove(&node);
    }

    /// The node's acknowledgements since its last lease are gone.
    pub(crate) fn lose_acks(&mut self, node: NodeId) {
        if let (Some(row), Some(applied)) = (self.leases.get_mut(&node), self.synced.get(&node)) {
            row.applied = *applied;
        }
    }
}

/// Raises `levels` to at least `edits`.
pub(crate) fn join(levels: &mut Levels, edits: &Levels) {
    for (key, level) in edits {
        let known = levels.entry(*key).or_default();
        *known = (*known).max(*level);
    }
}
