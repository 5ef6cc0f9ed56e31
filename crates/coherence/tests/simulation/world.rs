//! Three nodes, a database and the network between them, as one queue of events in true time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use keyway_coherence::{Boot, NodeId, Terms};

use crate::chance::Chance;
use crate::database::{Key, Level, Levels, Stored, Written};
use crate::faults::{Fault, Link};
use crate::history::{Breach, History};
use crate::node::{Answer, Ask, CHANNELS, Channel, Mistake, Node, Returned, Setting};

pub(crate) const MS: u64 = 1_000_000;
pub(crate) const SECOND: u64 = 1_000 * MS;

pub(crate) const NODES: usize = 3;

const FAULTS_END: u64 = 12 * SECOND;
pub(crate) const CHANGES_END: u64 = FAULTS_END + 2 * SECOND;
const END: u64 = CHANGES_END + 3_500 * MS;
const PATIENCE: u64 = 3 * SECOND;

#[derive(Debug, Clone)]
pub(crate) struct Packet {
    pub(crate) slot: usize,
    pub(crate) node: NodeId,
    pub(crate) channel: Channel,
    pub(crate) number: u64,
}

#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// A request arrives at the database, sent when it had started so often.
    Arrive(Packet, Ask, u64),
    /// A write is flushed.
    Commit(Packet, Ask, u64),
    /// After the commit of a lease, in a later snapshot.
    ReadHead(Packet, u64),
    /// An answer arrives at a node.
    Answer(Packet, Answer),
    Drive(usize, NodeId),
    Change,
    Verify,
    /// The second half of a verification that was slow.
    ReadIndex {
        slot: usize,
        node: NodeId,
        key: Key,
        promised: Level,
    },
    Fault(Fault),
}

/// A machine with its clock, and the process that runs on it.
pub(crate) struct Machine {
    offset: u64,
    drift_ppm: i64,
    pub(crate) node: Option<Node>,
    pub(crate) paused_until: u64,
    pub(crate) link: Link,
    /// Until when each connection is busy, so that nothing overtakes on it: there, and back.
    pub(crate) last: [[u64; 2]; 4],
}

pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) chance: Chance,
    pub(crate) machines: Vec<Machine>,
    pub(crate) stored: Stored,
    /// What the replica has.
    pub(crate) replica: Stored,
    pub(crate) starts: u64,
    pub(crate) timeline: u64,
    pub(crate) is_up: bool,
    pub(crate) history: History,
    pub(crate) lossy: bool,
    /// A pooler hands requests to whatever database is there now.
    pooled: bool,
    hints_lost: u64,
    /// The longest time between two changes.
    pub(crate) pace: u64,
    timeout: Duration,
    mistake: Option<Mistake>,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    events: BTreeMap<u64, Event>,
    events_made: u64,
    nodes_made: u128,
    pub(crate) wanted: BTreeMap<Key, Level>,
    /// When each change that has not returned was asked for.
    pub(crate) open: Vec<(u64, NodeId, Levels)>,
}

impl World {
    pub(crate) fn new(seed: u64, mistake: Option<Mistake>) -> Self {
        let mut chance = Chance::new(seed);
        let machines = (0..NODES)
            .map(|_| {
                let extreme = [-5_000, 5_000][chance.below(2)];
                let drift_ppm = if chance.percent(50) {
                    extreme
                } else {
                    i64::try_from(chance.within(0..10_001)).unwrap_or(0) - 5_000
                };
                Machine {
                    offset: chance.within(SECOND..10 * 3_600 * SECOND),
                    drift_ppm,
                    node: None,
                    paused_until: 0,
                    link: Link::default(),
                    last: [[0; 2]; 4],
                }
            })
            .collect();
        let mut world = Self {
            now: 0,
            machines,
            stored: Stored::default(),
            replica: Stored::default(),
            starts: 0,
            timeline: 1,
            is_up: true,
            history: History::default(),
            lossy: chance.percent(35),
            pooled: chance.percent(40),
            hints_lost: [0, 10, 50, 100][chance.below(4)],
            pace: [100 * MS, 100 * MS, 1_500 * MS][chance.below(3)],
            timeout: Duration::from_millis(chance.within(400..5_000)),
            mistake,
            chance,
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            events_made: 0,
            nodes_made: 0,
            wanted: BTreeMap::new(),
            open: Vec::new(),
        };
        (0..NODES).for_each(|slot| world.start_node(slot));
        world.at(50 * MS, Event::Change);
        world.at(50 * MS, Event::Verify);
        world.plan_faults(FAULTS_END);
        world
    }

    /// Runs to the end, or to the first breach; with a mistake, to the first stale accept.
    pub(crate) fn run(mut self) -> History {
        while let Some(Reverse((now, number))) = self.queue.pop() {
            if now >= END || self.has_failed() {
                break;
            }
            let Some(event) = self.events.remove(&number) else { continue };
            self.now = now;
            self.take(event);
        }
        if self.history.breaches.is_empty() {
            self.judge_the_end();
        }
        self.history
    }

    fn has_failed(&self) -> bool {
        match self.mistake {
            None => !self.history.breaches.is_empty(),
            Some(_) => self.history.breaches.last().is_some_and(Breach::is_stale_accept),
        }
    }

    pub(crate) fn at(&mut self, at: u64, event: Event) {
        self.events_made += 1;
        self.queue.push(Reverse((at.max(self.now), self.events_made)));
        self.events.insert(self.events_made, event);
    }

    pub(crate) fn clock(&self, slot: usize) -> Boot {
        let machine = &self.machines[slot];
        let rate = u128::from(1_000_000_u64.saturating_add_signed(machine.drift_ppm));
        let run = u128::from(self.now) * rate / 1_000_000;
        Boot(machine.offset + u64::try_from(run).unwrap_or(u64::MAX))
    }

    pub(crate) fn start_node(&mut self, slot: usize) {
        self.nodes_made += 1;
        let id = NodeId(self.nodes_made);
        let setting = Setting {
            terms: Terms::default(),
            timeout: self.timeout,
            mistake: self.mistake,
            lossy: self.lossy,
        };
        self.machines[slot].node = Some(Node::new(id, setting));
        self.at(self.now, Event::Drive(slot, id));
    }

    pub(crate) fn take(&mut self, event: Event) {
        match event {
            Event::Arrive(packet, ask, starts) => self.arrive(packet, ask, starts),
            Event::Commit(packet, ask, starts) if starts == self.starts && self.is_up => {
                self.commit(packet, ask);
            }
            Event::ReadHead(packet, starts) if starts == self.starts && self.is_up => {
                let answer = Answer::Renewed { written: Written::Kept, head: self.stored.head() };
                self.answer(packet, answer);
            }
            Event::Commit(packet, ..) | Event::ReadHead(packet, _) => {
                self.answer(packet, Answer::Reset);
            }
            Event::Answer(packet, answer) => self.hear(packet, answer),
            Event::Drive(slot, id) => self.tick(slot, id),
            Event::Change => self.ask_for_change(),
            Event::Verify => self.verify(),
            Event::ReadIndex { slot, node, key, promised } => {
                self.read_index(slot, node, key, promised);
            }
            Event::Fault(fault) => self.fail(fault),
        }
    }

    // The network.

    fn delay(&mut self) -> u64 {
        if self.chance.percent(3) {
            self.chance.within(2 * MS..60 * MS)
        } else {
            self.chance.within(100_000..2 * MS)
        }
    }

    fn arrival(&mut self, packet: &Packet, back: usize) -> u64 {
        let wanted = self.now + self.delay();
        let last = &mut self.machines[packet.slot].last[packet.channel as usize][back];
        *last = wanted.max(*last);
        *last
    }

    pub(crate) fn leave(&mut self, slot: usize) {
        let Some(node) = self.machines[slot].node.as_mut() else { return };
        let (id, mut sent) = (node.id, Vec::new());
        node.leave(&mut sent);
        self.send_all(slot, id, sent);
    }

    fn send_all(&mut self, slot: usize, node: NodeId, sent: Vec<(Channel, u64, Ask)>) {
        for (channel, number, ask) in sent {
            let packet = Packet { slot, node, channel, number };
            let at = self.arrival(&packet, 0);
            self.at(at, Event::Arrive(packet, ask, self.starts));
        }
    }

    fn answer(&mut self, packet: Packet, answer: Answer) {
        let at = self.arrival(&packet, 1);
        self.at(at, Event::Answer(packet, answer));
    }

    fn hear(&mut self, packet: Packet, answer: Answer) {
        let machine = &mut self.machines[packet.slot];
        if machine.link.back_is_cut {
            machine.link.held.push(Event::Answer(packet, answer));
            return;
        }
        if machine.paused_until > self.now {
            let until = machine.paused_until;
            self.at(until, Event::Answer(packet, answer));
            return;
        }
        let clock = self.clock(packet.slot);
        let running = self.machines[packet.slot].node.as_mut();
        let Some(node) = running.filter(|node| node.id == packet.node) else { return };
        node.take(packet.channel, packet.number, answer, clock);
        self.drive(packet.slot);
    }

    fn tick(&mut self, slot: usize, id: NodeId) {
        let machine = &self.machines[slot];
        if machine.node.as_ref().is_none_or(|node| node.id != id) {
            return;
        }
        let until = machine.paused_until;
        if until <= self.now {
            self.drive(slot);
        }
        let next = self.now.max(until) + self.chance.within(15 * MS..25 * MS);
        self.at(next, Event::Drive(slot, id));
    }

    pub(crate) fn drive(&mut self, slot: usize) {
        let clock = self.clock(slot);
        let Some(node) = self.machines[slot].node.as_mut() else { return };
        let mut sent = Vec::new();
        node.drive(clock, &mut sent);
        let id = node.id;
        for returned in std::mem::take(&mut node.returned) {
            self.returned(id, &returned);
        }
        self.send_all(slot, id, sent);
    }

    fn returned(&mut self, node: NodeId, returned: &Returned) {
        let edits = &returned.edits;
        self.history.returned(edits, &self.stored);
        if returned.waited {
            self.history.count("returned by waiting");
        }
        if returned.reasserts {
            return self.history.count("said again");
        }
        let Some(at) = self.open.iter().position(|(_, id, open)| *id == node && open == edits)
        else {
            return;
        };
        let (asked, ..) = self.open.remove(at);
        let took = self.now - asked.max(FAULTS_END).min(self.now);
        if took > PATIENCE {
            self.late(format!("a change took {} ms after the faults", took / MS));
        }
    }

    fn late(&mut self, what: String) {
        self.history.breaches.push(Breach::Late(what));
    }

    // The database.

    fn arrive(&mut self, packet: Packet, ask: Ask, starts: u64) {
        let link = &mut self.machines[packet.slot].link;
        if link.there_is_cut {
            link.held.push(Event::Arrive(packet, ask, starts));
            return;
        }
        if !self.is_up || (starts != self.starts && !self.pooled) {
            self.answer(packet, Answer::Reset);
            return;
        }
        match ask {
            Ask::Load => {
                let levels = self.stored.levels.clone();
                let answer = Answer::Loaded { levels, position: self.stored.head() };
                self.answer(packet, answer);
            }
            Ask::ReadLog(position) => {
                let answer = Answer::Log(self.stored.after(position));
                self.answer(packet, answer);
            }
            Ask::Look(changes) => {
                let gone = changes.iter().filter(|(_, position)| !self.stored.knows(*position));
                let gone = gone.map(|(number, _)| *number).collect();
                let (rows, timeline) = (self.stored.rows(), self.timeline);
                self.answer(packet, Answer::Looked { rows, gone, changes, timeline });
            }
            Ask::Renew(_)
            | Ask::Acknowledge(_)
            | Ask::Change { .. }
            | Ask::Fence(_)
            | Ask::Leave => {
                let slow = if self.chance.percent(2) { 80 * MS } else { 5 * MS };
                let flushed = self.now + self.chance.within(MS / 5..slow);
                self.at(flushed, Event::Commit(packet, ask, self.starts));
            }
        }
    }

    fn commit(&mut self, packet: Packet, ask: Ask) {
        match ask {
            Ask::Renew(renew) => match self.stored.renew(packet.node, renew, &Terms::default()) {
                Written::Kept => {
                    let later = self.now + self.chance.within(10_000..3 * MS);
                    self.at(later, Event::ReadHead(packet, self.starts));
                }
                written => {
                    let head = self.stored.head();
                    self.answer(packet, Answer::Renewed { written, head });
                }
            },
            Ask::Acknowledge(position) => {
                let written = self.stored.acknowledge(packet.node, position);
                self.answer(packet, Answer::Acknowledged { written, position });
            }
            Ask::Change { change, edits } => {
                let nonce = i64::from_ne_bytes(self.chance.next().to_ne_bytes());
                let entry = self.stored.change(edits, nonce);
                for slot in 0..NODES {
                    let Some(node) = &self.machines[slot].node else { continue };
                    let (node, channel) = (node.id, Channel::Log);
                    let hint = Packet { slot, node, channel, number: 0 };
                    if !self.chance.percent(self.hints_lost) {
                        self.answer(hint, Answer::Hint(entry.clone()));
                    }
                }
                self.answer(packet, Answer::Changed { change, position: entry.at });
            }
            Ask::Fence(leases) => self.stored.fence(&leases),
            Ask::Leave => self.stored.leave(packet.node),
            Ask::Load | Ask::ReadLog(_) | Ask::Look(_) => {}
        }
    }

    pub(crate) fn reset_connections(&mut self, slot: usize) {
        let Some(node) = &self.machines[slot].node else { return };
        let (id, numbers) = (node.id, CHANNELS.map(|channel| node.connection(channel)));
        for (channel, number) in CHANNELS.into_iter().zip(numbers) {
            self.answer(Packet { slot, node: id, channel, number }, Answer::Reset);
        }
    }

    /// A client whose node is gone gets no answer, and is promised nothing.
    pub(crate) fn abandon(&mut self, node: NodeId) {
        self.open.retain(|(_, id, _)| *id != node);
    }

    fn judge_the_end(&mut self) {
        for slot in 0..NODES {
            let clock = self.clock(slot);
            let running = self.machines[slot].node.as_ref();
            if !running.is_some_and(|node| node.has_lease(clock)) {
                self.late(format!("machine {slot} has no lease after the faults"));
            }
            if let Some(node) = running_apart(self.machines[slot].node.as_ref(), &self.stored) {
                self.history.breaches.push(Breach::Apart { node });
            }
        }
        if let Some((asked, node, edits)) = self.open.first() {
            let what = format!("{edits:?} of {node:?}, asked for at {} ms", asked / MS);
            self.late(format!("has not returned: {what}"));
        }
    }
}

/// A node whose index is not what the database has.
fn running_apart(node: Option<&Node>, stored: &Stored) -> Option<u64> {
    let apart = node.filter(|node| node.index != stored.levels)?;
    u64::try_from(apart.id.0).ok()
}
