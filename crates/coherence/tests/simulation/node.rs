//! A node: what the server does around the core, with the connections it has to the database.

use std::collections::BTreeMap;
use std::time::Duration;

use keyway_coherence::chain::{self, Next};
use keyway_coherence::{Boot, Holder, Lease, NodeId, Observer, Position, Renewal, Terms};

use crate::database::{Entry, Key, Level, Levels, Renew, Written, join};

const POLL_EVERY: Duration = Duration::from_millis(200);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A way to get it wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mistake {
    ReturnAtCommit,
    LeaseFromReply,
    NoHeadRead,
    TrustAfterFailOver,
}

/// One connection each, so that one thing does not wait for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channel {
    Lease,
    Log,
    Wait,
    Change,
}

pub(crate) const CHANNELS: [Channel; 4] =
    [Channel::Lease, Channel::Log, Channel::Wait, Channel::Change];

#[derive(Debug, Clone)]
pub(crate) enum Ask {
    Load,
    Renew(Renew),
    Acknowledge(Position),
    ReadLog(Position),
    Change { change: u64, edits: Levels },
    Look(Vec<(u64, Position)>),
    Fence(Vec<(NodeId, i64, i64)>),
    Leave,
}

#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Loaded {
        levels: Levels,
        position: Position,
    },
    Renewed {
        written: Written,
        head: Position,
    },
    Acknowledged {
        written: Written,
        position: Position,
    },
    Log(Option<Vec<Entry>>),
    Hint(Entry),
    Changed {
        change: u64,
        position: Position,
    },
    Looked {
        rows: Vec<Lease>,
        gone: Vec<u64>,
        changes: Vec<(u64, Position)>,
        timeline: u64,
    },
    /// The connection is broken.
    Reset,
}

/// What is sent: on which connection, and which one of that kind.
pub(crate) type Sent = (Channel, u64, Ask);

#[derive(Debug, Default, Clone, Copy)]
struct Connection {
    number: u64,
    busy_since: Option<Boot>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Loading,
    Serving,
    /// Its history is gone: it says again what it knows to be taken away, then loads.
    Reasserting,
}

struct Change {
    edits: Levels,
    sent: Option<Boot>,
    position: Option<Position>,
    reasserts: bool,
}

/// A change that holds on every node.
pub(crate) struct Returned {
    pub(crate) edits: Levels,
    /// Whether some node was silent, and its lease was waited out.
    pub(crate) waited: bool,
    /// Whether it only says again what a fail-over had lost.
    pub(crate) reasserts: bool,
}

pub(crate) struct Setting {
    pub(crate) terms: Terms,
    pub(crate) timeout: Duration,
    pub(crate) mistake: Option<Mistake>,
    /// Whether a fail-over may lose commits.
    pub(crate) lossy: bool,
}

pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) holder: Holder,
    pub(crate) index: Levels,
    /// Changes that have returned since the world last looked.
    pub(crate) returned: Vec<Returned>,
    setting: Setting,
    observer: Observer,
    mode: Mode,
    connections: [Connection; 4],
    renewal: Option<Renewal>,
    begun_at: Boot,
    inc: i64,
    has_row: bool,
    acknowledged: i64,
    behind: bool,
    polled_at: Boot,
    looked_at: Boot,
    timeline: Option<u64>,
    changes: BTreeMap<u64, Change>,
    changes_made: u64,
    fences: Vec<(NodeId, i64, i64)>,
}

impl Node {
    pub(crate) fn new(id: NodeId, setting: Setting) -> Self {
        Self {
            id,
            holder: Holder::new(setting.terms, Position::default()),
            index: Levels::new(),
            returned: Vec::new(),
            observer: Observer::new(setting.terms),
            setting,
            mode: Mode::Loading,
            connections: [Connection::default(); 4],
            renewal: None,
            begun_at: Boot::ZERO,
            inc: 0,
            has_row: false,
            acknowledged: 0,
            behind: false,
            polled_at: Boot::ZERO,
            looked_at: Boot::ZERO,
            timeline: None,
            changes: BTreeMap::new(),
            changes_made: 0,
            fences: Vec::new(),
        }
    }

    pub(crate) fn connection(&self, channel: Channel) -> u64 {
        self.connections[channel as usize].number
    }

    pub(crate) fn has_lease(&self, now: Boot) -> bool {
        now < self.holder.valid_until()
    }

    pub(crate) fn level(&self, key: Key) -> Level {
        self.index.get(&key).copied().unwrap_or(0)
    }

    /// A client asks for a change.
    pub(crate) fn change(&mut self, edits: Levels) {
        self.add(edits, false);
    }

    fn add(&mut self, edits: Levels, reasserts: bool) {
        self.changes_made += 1;
        let change = Change { edits, sent: None, position: None, reasserts };
        self.changes.insert(self.changes_made, change);
    }

    /// Stops in good order: from here on it accepts nothing, and nobody need wait for it.
    pub(crate) fn leave(&mut self, out: &mut Vec<Sent>) {
        self.holder.leave();
        out.push((Channel::Lease, self.connection(Channel::Lease), Ask::Leave));
    }

    /// Sends what is due.
    pub(crate) fn drive(&mut self, now: Boot, out: &mut Vec<Sent>) {
        for channel in CHANNELS {
            let busy = self.connections[channel as usize].busy_since;
            if busy.is_some_and(|since| now.since(since) > self.setting.timeout) {
                self.renew_connection(channel);
            }
        }
        if self.mode == Mode::Loading && self.is_idle(Channel::Log) {
            self.send(Channel::Log, now, Ask::Load, out);
        }
        if self.mode == Mode::Serving {
            self.drive_lease(now, out);
            self.drive_log(now, out);
        }
        self.drive_waits(now, out);
        self.drive_changes(now, out);
    }

    fn drive_lease(&mut self, now: Boot, out: &mut Vec<Sent>) {
        if !self.is_idle(Channel::Lease) {
            return;
        }
        let is_due = !self.has_lease(now)
            || !self.has_row
            || now.since(self.begun_at) >= self.setting.terms.renew_every;
        let position = self.holder.position();
        if is_due && self.holder.may_renew() {
            let anew = !self.has_row;
            self.inc += i64::from(anew);
            self.begun_at = now;
            self.renewal = Some(self.holder.begin(now));
            let renew = Renew { inc: self.inc, anew, position };
            self.send(Channel::Lease, now, Ask::Renew(renew), out);
        } else if position.seq > self.acknowledged && self.has_row {
            self.send(Channel::Lease, now, Ask::Acknowledge(position), out);
        }
    }

    fn drive_log(&mut self, now: Boot, out: &mut Vec<Sent>) {
        let is_due = self.behind || now.since(self.polled_at) >= POLL_EVERY;
        if is_due && self.is_idle(Channel::Log) {
            self.polled_at = now;
            self.behind = false;
            self.send(Channel::Log, now, Ask::ReadLog(self.holder.position()), out);
        }
    }

    fn drive_waits(&mut self, now: Boot, out: &mut Vec<Sent>) {
        let waits: Vec<(u64, Position)> = self
            .changes
            .iter()
            .filter_map(|(number, change)| Some((*number, change.position?)))
            .collect();
        let every = if waits.is_empty() { POLL_EVERY } else { LOOK_EVERY };
        if self.is_idle(Channel::Wait) && now.since(self.looked_at) >= every {
            self.looked_at = now;
            if !self.fences.is_empty() {
                let fences = std::mem::take(&mut self.fences);
                out.push((Channel::Wait, self.connection(Channel::Wait), Ask::Fence(fences)));
            }
            self.send(Channel::Wait, now, Ask::Look(waits), out);
        }
    }

    fn drive_changes(&mut self, now: Boot, out: &mut Vec<Sent>) {
        let timeout = self.setting.timeout;
        let number = self.connection(Channel::Change);
        for (change, state) in &mut self.changes {
            let on_its_way = state.sent.is_some_and(|sent| now.since(sent) <= timeout);
            if state.position.is_none() && !on_its_way {
                state.sent = Some(now);
                let ask = Ask::Change { change: *change, edits: state.edits.clone() };
                out.push((Channel::Change, number, ask));
            }
        }
    }

    fn is_idle(&self, channel: Channel) -> bool {
        self.connections[channel as usize].busy_since.is_none()
    }

    fn send(&mut self, channel: Channel, now: Boot, ask: Ask, out: &mut Vec<Sent>) {
        let connection = &mut self.connections[channel as usize];
        connection.busy_since = Some(now);
        out.push((channel, connection.number, ask));
    }

    /// What was sent on the old connection may still arrive; its answers are not heard.
    fn renew_connection(&mut self, channel: Channel) {
        let connection = &mut self.connections[channel as usize];
        connection.number += 1;
        connection.busy_since = None;
        match channel {
            Channel::Lease => self.renewal = None,
            Channel::Log => self.behind = true,
            Channel::Wait => self.observer.forget(),
            Channel::Change => self.changes.values_mut().for_each(|change| change.sent = None),
        }
    }

    /// Takes in an answer; what is due because of it is for [`Self::drive`].
    pub(crate) fn take(&mut self, channel: Channel, number: u64, answer: Answer, now: Boot) {
        if let Answer::Hint(entry) = answer {
            return self.take_hint(&entry);
        }
        if number != self.connection(channel) {
            return;
        }
        self.connections[channel as usize].busy_since = None;
        match answer {
            Answer::Loaded { levels, position } => self.loaded(&levels, position),
            Answer::Renewed { written, head } => self.renewed(written, head, now),
            Answer::Acknowledged { written, position } => self.acked(written, position),
            Answer::Log(Some(entries)) => entries.iter().for_each(|entry| self.apply(entry)),
            Answer::Log(None) => self.diverge(),
            Answer::Changed { change, position } => self.changed(change, position),
            Answer::Looked { rows, gone, changes, timeline } => {
                self.meet(timeline, now);
                self.observer.look(&rows, now);
                self.judge(&rows, &gone, &changes, now);
            }
            Answer::Reset => self.renew_connection(channel),
            Answer::Hint(_) => {}
        }
    }

    fn loaded(&mut self, levels: &Levels, position: Position) {
        if self.mode != Mode::Loading {
            return;
        }
        // What was taken away stays so; what else it knew may be of the lost history.
        self.index.retain(|_, level| *level > 1);
        join(&mut self.index, levels);
        self.holder.reloaded(position);
        self.mode = Mode::Serving;
        self.has_row = false;
        self.acknowledged = position.seq;
    }

    fn renewed(&mut self, written: Written, head: Position, now: Boot) {
        let Some(renewal) = self.renewal.take().filter(|_| self.mode == Mode::Serving) else {
            return;
        };
        match written {
            Written::Kept => {
                self.has_row = true;
                match self.setting.mistake {
                    Some(Mistake::LeaseFromReply) => {
                        let late = self.holder.begin(now);
                        self.holder.kept(late, head);
                    }
                    Some(Mistake::NoHeadRead) => {
                        self.holder.kept(renewal, self.holder.position());
                    }
                    _ => self.holder.kept(renewal, head),
                }
                self.behind |= !self.holder.may_renew();
            }
            Written::NoRow => {
                self.holder.lost();
                self.has_row = false;
            }
            Written::Unknown => self.diverge(),
        }
    }

    fn acked(&mut self, written: Written, position: Position) {
        match written {
            Written::Kept => self.acknowledged = self.acknowledged.max(position.seq),
            Written::NoRow => self.has_row = false,
            Written::Unknown => self.diverge(),
        }
    }

    fn take_hint(&mut self, entry: &Entry) {
        if self.mode == Mode::Serving {
            let Position { seq, nonce } = entry.at;
            match chain::next(self.holder.position(), seq, nonce, entry.prev) {
                Next::Take => self.apply(entry),
                Next::Old => {}
                Next::Gap | Next::Broken => self.behind = true,
            }
        }
    }

    fn apply(&mut self, entry: &Entry) {
        let Position { seq, nonce } = entry.at;
        let next = chain::next(self.holder.position(), seq, nonce, entry.prev);
        if self.mode == Mode::Serving && next == Next::Take {
            join(&mut self.index, &entry.edits);
            self.holder.applied(entry.at);
        }
    }

    /// The log here is not the one that was applied.
    fn diverge(&mut self) {
        if self.mode != Mode::Serving {
            return;
        }
        self.holder.lost();
        self.mode = Mode::Reasserting;
        let taken_away = self.index.iter().filter(|(_, level)| **level > 1);
        let edits = taken_away.map(|(key, level)| (*key, *level)).collect();
        self.add(edits, true);
    }

    fn changed(&mut self, number: u64, position: Position) {
        let Some(change) = self.changes.get_mut(&number) else { return };
        change.position.get_or_insert(position);
        if change.reasserts && self.mode == Mode::Reasserting {
            self.mode = Mode::Loading;
            // An answer to what was asked of the old history must not be heard.
            self.renew_connection(Channel::Log);
        }
        if self.setting.mistake == Some(Mistake::ReturnAtCommit) {
            self.give_back(number, false);
        }
    }

    /// A database of another history has forgotten leases. One that starts cannot know.
    fn meet(&mut self, timeline: u64, now: Boot) {
        let is_new = self.timeline != Some(timeline);
        let trusts = self.setting.mistake == Some(Mistake::TrustAfterFailOver);
        self.timeline = Some(timeline);
        if is_new && self.setting.lossy && !trusts {
            self.observer.distrust(now);
        }
    }

    fn judge(&mut self, rows: &[Lease], gone: &[u64], changes: &[(u64, Position)], now: Boot) {
        for (number, position) in changes {
            let Some(change) = self.changes.get_mut(number) else { continue };
            if change.position != Some(*position) {
                continue;
            }
            if gone.contains(number) {
                // The commit was lost: once more.
                (change.position, change.sent) = (None, None);
                continue;
            }
            let judged = self.observer.judge(position.seq, rows, now);
            if judged.done {
                self.give_back(*number, judged.refusing < judged.of);
            }
            self.fences.extend(judged.fence);
        }
    }

    fn give_back(&mut self, number: u64, waited: bool) {
        if let Some(Change { edits, reasserts, .. }) = self.changes.remove(&number) {
            self.returned.push(Returned { edits, waited, reasserts });
        }
    }
}
