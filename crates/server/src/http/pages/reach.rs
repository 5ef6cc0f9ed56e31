//! How far an act came, told on the page after it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyway_domain::time::Time;

use super::visit::Visit;
use crate::coherence::Effect;
use crate::http::api::Reached;

/// What of it is told: on how many nodes of how many, after how long, or by when on all.
struct Seen {
    reached: u32,
    nodes: u32,
    took_ms: u32,
    by: i64,
}

const BYTES: usize = 20;

impl Seen {
    fn of(reached: &Reached) -> Self {
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let took_ms = u32::try_from(reached.took_ms).unwrap_or(u32::MAX);
        match reached.effect {
            Effect::Everywhere { nodes } => {
                Self { reached: number(nodes), nodes: number(nodes), took_ms, by: 0 }
            }
            Effect::Pending { reached, nodes, by } => {
                Self { reached: number(reached), nodes: number(nodes), took_ms, by: by.0 }
            }
            Effect::Lost => Self { reached: 0, nodes: 0, took_ms, by: 0 },
        }
    }

    fn to_bytes(&self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        let parts = [self.reached, self.nodes, self.took_ms];
        for (place, part) in bytes.chunks_exact_mut(4).zip(parts) {
            place.copy_from_slice(&part.to_be_bytes());
        }
        bytes[12..].copy_from_slice(&self.by.to_be_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8; BYTES]) -> Self {
        let part = |at: usize| {
            u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let mut by = [0; 8];
        by.copy_from_slice(&bytes[12..]);
        Self { reached: part(0), nodes: part(4), took_ms: part(8), by: i64::from_be_bytes(by) }
    }

    fn say(&self, is: &str) -> String {
        let (reached, nodes) = (self.reached, self.nodes);
        if self.by == 0 {
            return format!("{is} on {reached} of {nodes} nodes, {} ms.", self.took_ms);
        }
        let by = Time(self.by).to_string();
        format!("{is} on {reached} of {nodes} nodes so far, and on all of them by {by}.")
    }
}

impl Visit {
    /// The address with how far the act came, where there are nodes. Sealed: nobody else can make a
    /// page say so.
    pub(super) fn with_reach(&self, to: String, reached: &Reached) -> String {
        let has_words = to.contains("?done=");
        if !has_words || self.app().coherence.get().is_none() {
            return to;
        }
        let sealed = self.app().keys.cursors.seal_unique(&Seen::of(reached).to_bytes());
        format!("{to}&reach={}", URL_SAFE_NO_PAD.encode(sealed))
    }

    /// How far the act came that led here, in a sentence that begins with what it is there.
    pub(super) fn reach(&self, is: &str) -> Option<String> {
        let text = self.fields.text("reach");
        let sealed = URL_SAFE_NO_PAD.decode(text).ok().filter(|sealed| !sealed.is_empty())?;
        let bytes = self.app().keys.cursors.unseal_unique(&sealed).ok()?;
        Some(Seen::from_bytes(&<[u8; BYTES]>::try_from(bytes).ok()?).say(is))
    }
}
