//! One node, one database and one revoker, each with a clock of its own, as a machine of small
//! steps that can be taken in any order. Nodes do not depend on each other, so one is enough.
//!
//! What the node and the revoker decide is decided by the crate itself. Here is only what surrounds
//! it: messages that take any time, a database that orders what it commits, and clocks that drift.

use std::time::Duration;

use keyway_coherence::chain::{self, Next};
use keyway_coherence::{Boot, Holder, Lease, NodeId, Observer, Position, Renewal, Terms};
use stateright::{Model, Property};

pub(crate) const STALE: &str = "nothing that began after the return is accepted";

const TICK: Duration = Duration::from_secs(1);
const NODE: NodeId = NodeId(7);
const REVOCATION: Position = Position { seq: 1, nonce: 11 };

/// The clocks may be apart by so many ticks either way. Within a wait of five ticks that is as much
/// as two clocks can drift that are each wrong by a quarter.
const APART_MAX: u64 = 1;

/// A way to get it wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mistake {
    ReturnAtCommit,
    LeaseFromReply,
    NoHeadRead,
    HeadFromOwnSnapshot,
    NoDriftMargin,
    RowsFromBeforeCommit,
    ReapByDatabaseClock,
    AcknowledgeFirst,
}

/// What is explored.
pub(crate) struct Protocol {
    pub(crate) mistake: Option<Mistake>,
    /// How far each clock goes.
    pub(crate) ticks_max: u64,
    /// How often the node asks for its lease.
    pub(crate) renewals_max: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    head: i64,
    row: Option<Lease>,
    node: Node,
    requests: Vec<Request>,
    revoker: Revoker,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Node {
    clock: Boot,
    holder: Holder,
    index_has_it: bool,
    ack: Ack,
    inc: i64,
    has_row: bool,
    begun: usize,
    verification: Verification,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Ack {
    Unsent,
    Sent,
    Written,
}

/// `late` says that it began after the revocation had returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Verification {
    Idle,
    Checked { late: bool },
    Accepted { late: bool },
}

/// A lease on its way to the database and back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Request {
    renewal: Renewal,
    inc: i64,
    anew: bool,
    applied: i64,
    head: Option<Position>,
    /// Whether there was a row to write, once it was tried.
    hit: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Revoker {
    clock: Boot,
    observer: Observer,
    phase: Phase,
    look: Option<Look>,
    fence: Option<(i64, i64)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Phase {
    Before,
    Committed,
    Returned { acknowledged: bool },
}

/// Rows on their way to the revoker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Look {
    row: Option<Lease>,
    committed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    TickNode,
    TickRevoker,
    Renew,
    WriteLease(usize),
    ReadHead(usize),
    Answer(usize),
    ChangeIndex,
    PublishApplied,
    Acknowledge,
    WriteAck,
    CheckLease,
    ReadIndex,
    Commit,
    Look,
    TakeLook,
    Fence,
    Reap,
}

const STEPS: [Step; 14] = [
    Step::TickNode,
    Step::TickRevoker,
    Step::Renew,
    Step::ChangeIndex,
    Step::PublishApplied,
    Step::Acknowledge,
    Step::WriteAck,
    Step::CheckLease,
    Step::ReadIndex,
    Step::Commit,
    Step::Look,
    Step::TakeLook,
    Step::Fence,
    Step::Reap,
];

impl Model for Protocol {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        let terms = self.terms();
        let node = Node {
            clock: Boot::ZERO.plus(TICK),
            holder: Holder::new(terms, Position::default()),
            index_has_it: false,
            ack: Ack::Unsent,
            inc: 0,
            has_row: false,
            begun: 0,
            verification: Verification::Idle,
        };
        let revoker = Revoker {
            clock: Boot::ZERO.plus(TICK),
            observer: Observer::new(terms),
            phase: Phase::Before,
            look: None,
            fence: None,
        };
        vec![State { head: 0, row: None, node, requests: Vec::new(), revoker }]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        steps.extend(STEPS);
        for at in 0..state.requests.len() {
            steps.extend([Step::WriteLease(at), Step::ReadHead(at), Step::Answer(at)]);
        }
    }

    /// Nothing comes back from a step that cannot be taken.
    fn next_state(&self, last: &State, step: Step) -> Option<State> {
        let mut state = last.clone();
        let taken = match step {
            Step::TickNode => self.tick(&mut state.node.clock, last.revoker.clock),
            Step::TickRevoker => self.tick(&mut state.revoker.clock, last.node.clock),
            Step::Renew => self.renew(&mut state),
            Step::WriteLease(at) => self.write_lease(&mut state, at),
            Step::ReadHead(at) => self.read_head(&mut state, at),
            Step::Answer(at) => self.answer(&mut state, at),
            Step::ChangeIndex => change_index(&mut state),
            Step::PublishApplied => publish_applied(&mut state),
            Step::Acknowledge => self.acknowledge(&mut state),
            Step::WriteAck => write_ack(&mut state),
            Step::CheckLease => check_lease(&mut state),
            Step::ReadIndex => read_index(&mut state),
            Step::Commit => self.commit(&mut state),
            Step::Look => look(&mut state),
            Step::TakeLook => self.take_look(&mut state),
            Step::Fence => fence(&mut state),
            Step::Reap => self.reap(&mut state),
        };
        taken.then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always(STALE, |_, state: &State| {
                state.node.verification != Verification::Accepted { late: true }
            }),
            Property::sometimes("something is accepted before", |_, state: &State| {
                state.node.verification == Verification::Accepted { late: false }
            }),
            Property::sometimes("it returns by acknowledgement", |_, state: &State| {
                state.revoker.phase == Phase::Returned { acknowledged: true }
            }),
            Property::sometimes("it returns by waiting", |_, state: &State| {
                state.revoker.phase == Phase::Returned { acknowledged: false }
            }),
        ];
        // The first lease, the renewal that finds it gone, and the lease anew.
        if self.renewals_max >= 3 {
            properties.push(Property::sometimes(
                "a fenced node has its lease back",
                |_, state: &State| {
                    let has_lease = state.node.clock < state.node.holder.valid_until();
                    state.node.inc == 2 && has_lease
                },
            ));
        }
        properties
    }
}

impl Protocol {
    fn has(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }

    fn terms(&self) -> Terms {
        let drift_ppm = if self.has(Mistake::NoDriftMargin) { 0 } else { 250_000 };
        Terms {
            ttl: TICK * 4,
            renew_every: TICK,
            drift_ppm,
            slack: Duration::ZERO,
            grace: Duration::ZERO,
        }
    }

    fn tick(&self, clock: &mut Boot, other: Boot) -> bool {
        let next = clock.plus(TICK);
        *clock = next;
        next.0.saturating_sub(other.0) <= Boot::ZERO.plus(TICK).0 * APART_MAX
            && next.since(Boot::ZERO).as_secs() <= self.ticks_max
    }

    fn renew(&self, state: &mut State) -> bool {
        let node = &mut state.node;
        if !node.holder.may_renew() || node.begun == self.renewals_max {
            return false;
        }
        node.begun += 1;
        let anew = !node.has_row;
        if anew {
            node.inc += 1;
            node.has_row = true;
        }
        let renewal = node.holder.begin(node.clock);
        let applied = node.holder.position().seq;
        let request = Request { renewal, inc: node.inc, anew, applied, head: None, hit: None };
        state.requests.push(request);
        true
    }

    /// The position that a lease carries is always in the log: there is only one history here.
    fn write_lease(&self, state: &mut State, at: usize) -> bool {
        let request = &mut state.requests[at];
        let snapshot_first = self.has(Mistake::HeadFromOwnSnapshot);
        if request.hit.is_some() || (snapshot_first && request.head.is_none()) {
            return false;
        }
        let (inc, applied) = (request.inc, request.applied);
        let written = match state.row {
            Some(row) if row.inc == inc => {
                Some(Lease { renew_no: row.renew_no + 1, applied: row.applied.max(applied), ..row })
            }
            Some(row) if row.inc > inc => None,
            _ if request.anew => {
                let ttl_ms = self.terms().ttl_ms();
                Some(Lease { node: NODE, inc, renew_no: 0, applied, ttl_ms, grace_ms: 0 })
            }
            _ => None,
        };
        request.hit = Some(written.is_some());
        state.row = written.or(state.row);
        true
    }

    fn read_head(&self, state: &mut State, at: usize) -> bool {
        let request = &mut state.requests[at];
        let in_time = request.hit == Some(true)
            || (self.has(Mistake::HeadFromOwnSnapshot) && request.hit.is_none());
        if !in_time || request.head.is_some() {
            return false;
        }
        let has_it = state.head == REVOCATION.seq && !self.has(Mistake::NoHeadRead);
        request.head = Some(if has_it { REVOCATION } else { Position::default() });
        true
    }

    fn answer(&self, state: &mut State, at: usize) -> bool {
        let node = &mut state.node;
        let request = state.requests.remove(at);
        match (request.hit, request.head) {
            (Some(false), _) => {
                // What was lost is the lease of then; the node may have asked anew since.
                if request.inc == node.inc {
                    node.holder.lost();
                    node.has_row = false;
                }
                true
            }
            (Some(true), Some(head)) => {
                let renewal = match self.mistake {
                    Some(Mistake::LeaseFromReply) => node.holder.begin(node.clock),
                    _ => request.renewal,
                };
                node.holder.kept(renewal, head);
                true
            }
            _ => false,
        }
    }

    fn acknowledge(&self, state: &mut State) -> bool {
        let node = &mut state.node;
        let knows = match self.mistake {
            Some(Mistake::AcknowledgeFirst) => state.head == REVOCATION.seq,
            _ => node.holder.position() == REVOCATION,
        };
        let sends = knows && node.ack == Ack::Unsent;
        node.ack = Ack::Sent;
        sends
    }

    fn commit(&self, state: &mut State) -> bool {
        let revoker = &mut state.revoker;
        if revoker.phase != Phase::Before {
            return false;
        }
        state.head = REVOCATION.seq;
        revoker.phase = match self.mistake {
            Some(Mistake::ReturnAtCommit) => Phase::Returned { acknowledged: false },
            _ => Phase::Committed,
        };
        true
    }

    fn take_look(&self, state: &mut State) -> bool {
        let revoker = &mut state.revoker;
        let Some(look) = revoker.look.take() else { return false };
        let rows: Vec<Lease> = look.row.into_iter().collect();
        revoker.observer.look(&rows, revoker.clock);
        let may_judge = look.committed || self.has(Mistake::RowsFromBeforeCommit);
        if revoker.phase == Phase::Committed && may_judge {
            let judged = revoker.observer.judge(REVOCATION.seq, &rows, revoker.clock);
            if judged.done {
                let acknowledged = judged.of > 0 && judged.refusing == judged.of;
                revoker.phase = Phase::Returned { acknowledged };
                revoker.fence = judged.fence.first().map(|(_, inc, renew_no)| (*inc, *renew_no));
            }
        }
        true
    }

    /// The database's clock has jumped ahead, so every lease looks old to it.
    fn reap(&self, state: &mut State) -> bool {
        self.has(Mistake::ReapByDatabaseClock) && state.row.take().is_some()
    }
}

fn change_index(state: &mut State) -> bool {
    let node = &mut state.node;
    let Position { seq, nonce } = REVOCATION;
    let is_next = chain::next(node.holder.position(), seq, nonce, 0) == Next::Take;
    let changes = state.head == seq && is_next && !node.index_has_it;
    node.index_has_it = true;
    changes
}

fn publish_applied(state: &mut State) -> bool {
    let node = &mut state.node;
    if !node.index_has_it || node.holder.position() == REVOCATION {
        return false;
    }
    node.holder.applied(REVOCATION);
    true
}

fn write_ack(state: &mut State) -> bool {
    if state.node.ack != Ack::Sent {
        return false;
    }
    state.node.ack = Ack::Written;
    if let Some(row) = &mut state.row {
        row.applied = row.applied.max(REVOCATION.seq);
    }
    true
}

fn check_lease(state: &mut State) -> bool {
    let late = matches!(state.revoker.phase, Phase::Returned { .. });
    let node = &mut state.node;
    let is_free = !matches!(node.verification, Verification::Checked { .. });
    node.verification = Verification::Checked { late };
    is_free && node.clock < node.holder.valid_until()
}

fn read_index(state: &mut State) -> bool {
    let node = &mut state.node;
    let Verification::Checked { late } = node.verification else { return false };
    let accepts = !node.index_has_it && node.clock < node.holder.valid_until();
    node.verification = if accepts { Verification::Accepted { late } } else { Verification::Idle };
    true
}

fn look(state: &mut State) -> bool {
    let revoker = &mut state.revoker;
    let is_free = revoker.look.is_none() && !matches!(revoker.phase, Phase::Returned { .. });
    revoker.look = Some(Look { row: state.row, committed: state.head == REVOCATION.seq });
    is_free
}

fn fence(state: &mut State) -> bool {
    let Some((inc, renew_no)) = state.revoker.fence.take() else { return false };
    if state.row.is_some_and(|row| (row.inc, row.renew_no) == (inc, renew_no)) {
        state.row = None;
    }
    true
}
