//! The right to answer: renewed twice a second, checked at every verification.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use keyway_coherence::Boot;
use keyway_store::leases::Mark;
use keyway_store::{DbError, Line, Tx, changes, leases};
use tokio::sync::Notify;

use super::health::Part;
use super::{Node, caught, lock};
use crate::clock::boot;

/// Until when this process may answer. Verification reads it before it looks anything up, and again
/// before it says yes.
#[derive(Default)]
pub struct Lease {
    valid_until: AtomicU64,
    grace_until: AtomicU64,
    /// Somebody found it over.
    missed: Notify,
    /// It is there again.
    back: Notify,
}

impl Lease {
    /// Whether this process may answer now.
    pub fn holds(&self) -> bool {
        boot().0 < self.grace_until.load(Ordering::SeqCst)
    }

    /// For how long it holds without the database.
    pub fn left(&self) -> Duration {
        Boot(self.grace_until.load(Ordering::SeqCst)).since(boot())
    }

    /// Whether it is over, and only the declared grace is left.
    pub fn is_in_grace(&self) -> bool {
        let now = boot().0;
        now >= self.valid_until.load(Ordering::SeqCst)
            && now < self.grace_until.load(Ordering::SeqCst)
    }

    /// Waits a little for a lease that is over: mostly the database answers within milliseconds.
    pub async fn hold(&self, at_most: Duration) {
        if self.holds() {
            return;
        }
        let back = self.back.notified();
        self.missed.notify_one();
        if !self.holds() {
            // An answer without a lease is the same whether it was waited for or not.
            let _ = tokio::time::timeout(at_most, back).await;
        }
    }

    /// Has it renewed at once.
    pub(super) fn hurry(&self) {
        self.missed.notify_one();
    }

    pub(super) fn set(&self, valid_until: Boot, grace_until: Boot) {
        self.valid_until.store(valid_until.0, Ordering::SeqCst);
        self.grace_until.store(grace_until.0, Ordering::SeqCst);
        if grace_until > Boot::ZERO {
            self.back.notify_waiters();
        }
    }
}

/// What a renewal came to.
enum Renewed {
    Kept,
    /// There is no such row any more, but the history is the same: a new one is taken at once.
    Again,
    /// Nothing more can be done now.
    Waits,
}

pub(super) fn run(node: &Arc<Node>) {
    // Half a lease: a call that hangs longer has no worth.
    let mut line = Line::new(&node.target, node.terms.ttl / 2, None);
    while !node.stops() {
        let begun = boot();
        let renewed = caught("keyway-lease", || renew(node, &mut line));
        let is_news = node.note(Part::Lease, renewed.as_ref().map(drop));
        match &renewed {
            Ok(Renewed::Again) => {
                std::thread::park_timeout(RETRY / 10);
                continue;
            }
            Err(error) if is_news => {
                tracing::warn!(%error, "the lease was not renewed; it is tried again");
            }
            Ok(_) | Err(_) => {}
        }
        note_loss(node);
        let left = node.terms.renew_every.saturating_sub(boot().since(begun));
        let pause = if renewed.is_err() { left.min(RETRY) } else { left };
        // Somebody who misses the lease does not wait for the next turn.
        if line.wait(pause, &node.lease.missed).is_err() {
            std::thread::park_timeout(pause.min(RETRY));
        }
    }
    let node_id = node.own.node;
    if let Err(error) = line.write(keyway_domain::time::Time(0), |tx| leases::leave(tx, node_id)) {
        tracing::warn!(%error, "the lease was not given back; it lapses");
    }
}

/// How soon a renewal that failed is tried again.
const RETRY: Duration = Duration::from_millis(50);

fn note_loss(node: &Node) {
    if node.lease.left().is_zero() {
        let mut state = lock(&node.state);
        if state.holder.valid_until() > Boot::ZERO {
            // Over by time: the next one begins anew.
            state.holder.lost();
            node.publish(&state);
            node.figures.lost.fetch_add(1, Ordering::Relaxed);
            tracing::error!(
                "the lease is over: this node answers no verification until it has one"
            );
        }
    }
}

fn renew(node: &Node, line: &mut Line) -> Result<Renewed, DbError> {
    let shown = lock(&node.shown).at();
    let (renewal, mark, has_row, applied) = {
        let mut state = lock(&node.state);
        if !state.holder.may_renew() {
            node.wake.follow.notify_one();
            return Ok(Renewed::Waits);
        }
        if state.has_row {
            // Its own number shows whether this very renewal was kept.
            state.renew_no += 1;
        } else {
            // A take that arrives late must not undo a later one.
            (state.inc, state.renew_no) = (state.inc + 1, 0);
        }
        let renewal = state.holder.begin(boot());
        let mark = Mark { inc: state.inc, renew_no: state.renew_no };
        (renewal, mark, state.has_row, state.holder.position())
    };
    let asked = boot();
    let write = |tx: &mut Tx<'_>| {
        if has_row {
            leases::renew(tx, node.own.node, mark, shown)
        } else {
            leases::take(tx, &node.own, mark, shown)
        }
    };
    // The head is read in a snapshot of its own, after the commit: what is not in it yet will see
    // this lease. Both go in one round trip, so that a lease is worth having far from the database.
    let found = line.write_then_read(write, |tx| leases::kept(tx, node.own.node, mark))?;
    let Some(said) = found.at else { return lost(node, line, applied) };
    if let Some(app) = node.app.upgrade() {
        app.learn_time(said, asked, boot());
    }
    let head = found.head;
    node.head.store(head.seq, Ordering::Release);
    let mut state = lock(&node.state);
    state.has_row = true;
    state.holder.kept(renewal, head);
    node.publish(&state);
    if !state.holder.may_renew() {
        node.wake.follow.notify_one();
    }
    Ok(Renewed::Kept)
}

/// The lease hit no row: somebody waited it out, or this is another history.
fn lost(
    node: &Node,
    line: &mut Line,
    applied: keyway_coherence::Position,
) -> Result<Renewed, DbError> {
    {
        let mut state = lock(&node.state);
        state.holder.lost();
        state.has_row = false;
        node.publish(&state);
    }
    node.figures.lost.fetch_add(1, Ordering::Relaxed);
    if line.read(|tx| changes::holds(tx, applied))? {
        tracing::warn!("the lease was ended by another node, which did not hear of this one");
        return Ok(Renewed::Again);
    }
    let state = lock(&node.state);
    // Meanwhile the index may have been loaded anew, as of a place that is there.
    if state.holder.position() == applied {
        node.is_broken.store(true, Ordering::SeqCst);
    }
    drop(state);
    node.wake.follow.notify_one();
    Ok(Renewed::Waits)
}
