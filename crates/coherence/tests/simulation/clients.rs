//! What clients ask of the nodes: changes, and verifications that may be slow.

use crate::database::{Key, Level, Levels, REVOKED};
use crate::world::{CHANGES_END, Event, MS, NODES, SECOND, World};
use keyway_coherence::NodeId;

/// Mostly the latest keys are used: what was changed long ago is known to all.
const KEYS_RECENT: u64 = 9;

impl World {
    pub(crate) fn ask_for_change(&mut self) {
        if self.now >= CHANGES_END {
            return;
        }
        let next = self.now + self.chance.within(5 * MS..self.pace);
        self.at(next, Event::Change);
        let slot = self.chance.below(NODES);
        let machine = &self.machines[slot];
        if machine.paused_until > self.now || machine.node.is_none() {
            return;
        }
        let key = if self.chance.percent(40) { self.keys_made() } else { self.recent_key() };
        let level = match self.wanted.get(&key) {
            None => 1,
            Some(&REVOKED) => return,
            Some(_) if self.chance.percent(50) => REVOKED,
            Some(level) => level + 1,
        };
        self.wanted.insert(key, level);
        let edits = Levels::from([(key, level)]);
        if let Some(node) = self.machines[slot].node.as_mut() {
            node.change(edits.clone());
            let id = node.id;
            self.open.push((self.now, id, edits));
        }
        self.drive(slot);
    }

    fn keys_made(&self) -> Key {
        u32::try_from(self.wanted.len()).unwrap_or(Key::MAX)
    }

    fn recent_key(&mut self) -> Key {
        let recent = if self.chance.percent(50) { KEYS_RECENT } else { 10 * KEYS_RECENT };
        let back = self.chance.within(1..recent);
        self.keys_made().saturating_sub(u32::try_from(back).unwrap_or(0))
    }

    pub(crate) fn verify(&mut self) {
        let next = self.now + self.chance.within(MS / 2..3 * MS);
        self.at(next, Event::Verify);
        let slot = self.chance.below(NODES);
        let (clock, key) = (self.clock(slot), self.recent_key());
        let machine = &self.machines[slot];
        let Some(node) = machine.node.as_ref().filter(|_| machine.paused_until <= self.now) else {
            return;
        };
        let id = node.id;
        if !node.has_lease(clock) {
            return self.history.count("refused for want of a lease");
        }
        let promised = self.history.promised(key);
        let read = Event::ReadIndex { slot, node: id, key, promised };
        match self.chance.within(0..100) {
            0..90 => self.take(read),
            90..97 => {
                let later = self.now + self.chance.within(0..20 * MS);
                self.at(later, read);
            }
            _ => {
                let later = self.now + self.chance.within(0..3 * SECOND);
                self.at(later, read);
            }
        }
    }

    pub(crate) fn read_index(&mut self, slot: usize, id: NodeId, key: Key, promised: Level) {
        let until = self.machines[slot].paused_until;
        if until > self.now {
            return self.at(until, Event::ReadIndex { slot, node: id, key, promised });
        }
        let clock = self.clock(slot);
        let running = self.machines[slot].node.as_ref();
        let Some(node) = running.filter(|node| node.id == id && node.has_lease(clock)) else {
            return;
        };
        let found = node.level(key);
        let name = u64::try_from(id.0).unwrap_or(0);
        self.history.answered(self.now, name, key, found, promised);
    }
}
