//! Waits until a change is true on every node: acknowledged, or the node's lease is surely over.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use keyway_coherence::{Boot, Observer, Position};
use keyway_domain::time::Time;
use keyway_store::{DbError, Line, changes, leases};
use tokio::sync::oneshot;

use super::follow::ack_channel;
use super::health::Part;
use super::{Node, caught, lock};
use crate::clock::boot;

/// How far a change must have come before its caller is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// To every node: it takes something away.
    Everywhere,
    /// To every node that answers soon: it gives something.
    Soon,
}

impl Reach {
    fn patience(self) -> Duration {
        match self {
            Self::Everywhere => Duration::from_secs(5),
            Self::Soon => Duration::from_millis(250),
        }
    }
}

/// How far a change has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// No node answers from before it.
    Everywhere {
        /// How many nodes there are.
        nodes: usize,
    },
    /// Some node may still, until an instant at the latest.
    Pending {
        /// How many nodes have it.
        reached: usize,
        /// How many there are.
        nodes: usize,
        /// When it is true everywhere.
        by: Time,
    },
    /// The database that was asked has lost the change.
    Lost,
}

/// A change that is waited for.
pub(super) struct Wait {
    position: Position,
    committed: Boot,
    until: Boot,
    tell: oneshot::Sender<Effect>,
}

impl Wait {
    fn answer(self, effect: Effect) {
        // A caller that has gone away has its change all the same.
        let _ = self.tell.send(effect);
    }
}

impl Node {
    /// Waits until a change has come as far as it must, and says how far it came.
    pub async fn reach(&self, position: Position, reach: Reach, now: Time) -> Effect {
        if !self.control.waits() {
            return Effect::Everywhere { nodes: 1 };
        }
        let (tell, told) = oneshot::channel();
        let committed = boot();
        let until = committed.plus(reach.patience());
        lock(&self.waits).push(Wait { position, committed, until, tell });
        self.wake.waits.notify_one();
        let pending = Effect::Pending { reached: 0, nodes: 0, by: self.effective_by(now) };
        // The thread answers by then; a second more is for a database that hangs.
        let patience = reach.patience() + Duration::from_secs(1);
        let effect = tokio::time::timeout(patience, told).await;
        let effect = effect.ok().and_then(Result::ok).unwrap_or(pending);
        if matches!(effect, Effect::Pending { .. }) && reach == Reach::Everywhere {
            self.figures.pending.fetch_add(1, Ordering::Relaxed);
        }
        effect
    }
}

/// Without anything to wait for, the leases are looked at so often: then it is known since when a
/// silent one stands still.
const TICK: Duration = Duration::from_millis(200);
/// While something is waited for, at least so often: a notice may be lost.
const BUSY_TICK: Duration = Duration::from_millis(20);

pub(super) fn run(node: &Arc<Node>) {
    let mut line = Line::new(&node.target, node.terms.ttl / 2, Some(ack_channel(&node.origin)));
    let mut observer = Observer::new(node.terms);
    let mut waits: Vec<Wait> = Vec::new();
    let (mut made, mut looked) = (0, Boot::ZERO);
    let mut timeline = String::new();
    while !node.stops() {
        let tick = if waits.is_empty() { TICK } else { BUSY_TICK };
        if line.wait(tick, &node.wake.waits).is_err() {
            std::thread::park_timeout(BUSY_TICK);
        }
        waits.append(&mut lock(&node.waits));
        // Acknowledgements wake every node; who waits for none looks by the tick.
        if waits.is_empty() && boot().since(looked) < TICK {
            continue;
        }
        looked = boot();
        if node.is_distrusted.swap(false, Ordering::SeqCst) {
            observer.distrust(boot());
        }
        let mut seen = Seen { observer: &mut observer, timeline: &mut timeline, made: &mut made };
        match caught("keyway-waits", || look(node, &mut line, &mut seen, &mut waits)) {
            Ok(()) => {
                node.note(Part::Waits, Ok(()));
            }
            Err(error) => {
                if node.note(Part::Waits, Err(&error)) {
                    tracing::warn!(%error, "the leases can't be looked at; it is tried again");
                }
                give_up_late(node, &mut waits, 0, 0);
            }
        }
    }
}

/// What was seen of the leases, over which connection, of which server.
struct Seen<'s> {
    observer: &'s mut Observer,
    timeline: &'s mut String,
    made: &'s mut u64,
}

/// Looks at all leases once, for everything that waits.
fn look(
    node: &Node,
    line: &mut Line,
    seen: &mut Seen<'_>,
    waits: &mut Vec<Wait>,
) -> Result<(), DbError> {
    let positions: Vec<Position> = waits.iter().map(|wait| wait.position).collect();
    let (rows, held, found) = line.read(|tx| {
        let (rows, timeline) = leases::look(tx)?;
        Ok((rows, changes::which_hold(tx, &positions)?, timeline))
    })?;
    let received = boot();
    let Seen { observer, timeline, made } = seen;
    if line.made() != **made {
        **made = line.made();
        observer.forget();
    }
    if found != **timeline {
        // Also at the first look: what another server gave before, nobody here has seen.
        if !timeline.is_empty() {
            tracing::warn!("another server has taken over: leases it may have lost are waited for");
        }
        observer.distrust(received);
        **timeline = found;
    }
    observer.look(&rows, received);
    let mut over = Vec::new();
    let mut least = rows.len();
    let mut still = Vec::new();
    for (wait, holds) in std::mem::take(waits).into_iter().zip(held) {
        let judged = observer.judge(wait.position.seq, &rows, received);
        over.extend(judged.fence);
        if !holds {
            tracing::error!(seq = wait.position.seq, "the database lost a change it had committed");
            wait.answer(Effect::Lost);
        } else if judged.done {
            count(node, received.since(wait.committed));
            wait.answer(Effect::Everywhere { nodes: judged.of });
        } else {
            least = least.min(judged.refusing);
            still.push(wait);
        }
    }
    *waits = still;
    give_up_late(node, waits, least, rows.len());
    over.sort_unstable();
    over.dedup();
    for (id, inc, renew_no) in over {
        if line.write(Time(0), |tx| leases::fence(tx, id, inc, renew_no))? {
            node.figures.fenced.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(node = format!("{:032x}", id.0), "a silent node's lease is over");
        }
    }
    Ok(())
}

/// Answers those that waited long enough.
fn give_up_late(node: &Node, waits: &mut Vec<Wait>, reached: usize, nodes: usize) {
    let now = boot();
    let by = node.app.upgrade().map_or(Time::NEVER, |app| node.effective_by(app.now()));
    let (late, still) = std::mem::take(waits).into_iter().partition(|wait| wait.until <= now);
    *waits = still;
    for wait in late {
        wait.answer(Effect::Pending { reached, nodes, by });
    }
}

fn count(node: &Node, took: Duration) {
    let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    node.figures.everywhere.fetch_add(1, Ordering::Relaxed);
    node.figures.everywhere_ms.fetch_add(ms, Ordering::Relaxed);
    node.figures.longest_ms.fetch_max(ms, Ordering::Relaxed);
}
