//! What goes wrong, and when it is over.

use crate::node::CHANNELS;
use crate::world::{Event, MS, NODES, SECOND, World};

/// The way between a machine and the database.
#[derive(Default)]
pub(crate) struct Link {
    pub(crate) there_is_cut: bool,
    pub(crate) back_is_cut: bool,
    /// What waits for the cut to end, in order.
    pub(crate) held: Vec<Event>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    Cut {
        slot: usize,
        there: bool,
        back: bool,
    },
    /// What was held arrives late, or its connections are broken.
    Heal {
        slot: usize,
        resets: bool,
    },
    Pause {
        slot: usize,
        until: u64,
    },
    /// It stops in good order, and is killed soon.
    Leave {
        slot: usize,
    },
    Kill {
        slot: usize,
    },
    Start {
        slot: usize,
    },
    Crash,
    Replicate,
    /// The replica takes over as it was.
    FailOver,
    Recover,
}

impl World {
    pub(crate) fn plan_faults(&mut self, end: u64) {
        let mut at = SECOND;
        while at < end - SECOND {
            self.plan_fault(at, end);
            at += self.chance.within(100 * MS..1_800 * MS);
        }
        for slot in 0..NODES {
            self.at(end, Event::Fault(Fault::Heal { slot, resets: false }));
        }
        self.at(end, Event::Fault(Fault::Recover));
    }

    fn plan_fault(&mut self, at: u64, end: u64) {
        let slot = self.chance.below(NODES);
        match self.chance.within(0..100) {
            0..50 => {
                // Answers that are late are the worst: what they tell has taken place.
                let ways = [(true, true), (true, false), (false, true), (false, true)];
                let (there, back) = ways[self.chance.below(4)];
                let over = (at + self.chance.within(100 * MS..5 * SECOND)).min(end);
                self.at(at, Event::Fault(Fault::Cut { slot, there, back }));
                let resets = self.chance.percent(25);
                self.at(over, Event::Fault(Fault::Heal { slot, resets }));
            }
            50..65 => {
                let until = (at + self.chance.within(300 * MS..10 * SECOND)).min(end);
                self.at(at, Event::Fault(Fault::Pause { slot, until }));
            }
            65..80 => {
                let over = (at + self.chance.within(100 * MS..3 * SECOND)).min(end);
                if self.chance.percent(40) {
                    let before = at.saturating_sub(self.chance.within(0..300 * MS));
                    self.at(before, Event::Fault(Fault::Leave { slot }));
                }
                self.at(at, Event::Fault(Fault::Kill { slot }));
                self.at(over, Event::Fault(Fault::Start { slot }));
            }
            _ => {
                let over = (at + self.chance.within(50 * MS..1_500 * MS)).min(end);
                let fails_over = self.lossy && self.chance.percent(75);
                if fails_over {
                    let lag = self.chance.within(0..SECOND);
                    self.at(at - lag, Event::Fault(Fault::Replicate));
                }
                let fault = if fails_over { Fault::FailOver } else { Fault::Crash };
                self.at(at, Event::Fault(fault));
                self.at(over, Event::Fault(Fault::Recover));
            }
        }
    }

    pub(crate) fn fail(&mut self, fault: Fault) {
        match fault {
            Fault::Cut { slot, there, back } => {
                let link = &mut self.machines[slot].link;
                link.there_is_cut |= there;
                link.back_is_cut |= back;
            }
            Fault::Heal { slot, resets } => self.heal(slot, resets),
            Fault::Pause { slot, until } => {
                let machine = &mut self.machines[slot];
                machine.paused_until = machine.paused_until.max(until);
            }
            // A paused machine does nothing, so it does not leave either.
            Fault::Leave { slot } if self.machines[slot].paused_until > self.now => {}
            Fault::Leave { slot } => self.leave(slot),
            Fault::Kill { slot } => {
                if let Some(node) = self.machines[slot].node.take() {
                    self.abandon(node.id);
                }
            }
            Fault::Start { slot } => {
                // What was killed twice starts once.
                if self.machines[slot].node.is_none() {
                    self.start_node(slot);
                }
            }
            Fault::Crash => self.crash(),
            Fault::Replicate => self.replica = self.stored.clone(),
            Fault::FailOver => {
                self.history.count("fail-overs");
                self.crash();
                self.stored = self.replica.clone();
                self.timeline += 1;
                self.history.failed_over(&self.stored);
            }
            Fault::Recover => self.is_up = true,
        }
    }

    fn heal(&mut self, slot: usize, resets: bool) {
        let link = std::mem::take(&mut self.machines[slot].link);
        if resets {
            self.reset_connections(slot);
            return;
        }
        // The connections come back one after the other.
        let slow = if self.chance.percent(50) { 500 * MS } else { 2 * MS };
        let arrivals = CHANNELS.map(|_| self.now + self.chance.within(0..slow));
        for event in link.held {
            let (channel, back) = match &event {
                Event::Answer(packet, _) => (packet.channel, 1),
                Event::Arrive(packet, ..) => (packet.channel, 0),
                _ => continue,
            };
            let last = &mut self.machines[slot].last[channel as usize][back];
            *last = arrivals[channel as usize].max(*last);
            let at = *last;
            self.at(at, event);
        }
    }

    fn crash(&mut self) {
        self.starts += 1;
        self.is_up = false;
        for row in self.stored.rows() {
            if self.chance.percent(50) {
                self.stored.lose_acks(row.node);
            }
        }
        for slot in 0..NODES {
            self.reset_connections(slot);
        }
    }
}
