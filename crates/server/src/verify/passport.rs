//! What a follower of this process needs to judge the next request with the same credential.

use keyway_guard::{Passport, PassportRate};

use super::present::{Extracted, Headers};
use super::{Engine, Judged};

impl Engine {
    /// The passport of an allowed request's credential, as of a place that was read before the
    /// request was judged. `None` where each request must come here: signed ones, logins, and those
    /// that a quota counts.
    pub fn passport(
        &self,
        judged: &Judged,
        headers: &impl Headers,
        as_of: u64,
    ) -> Option<Passport> {
        let entry = judged.entry.filter(|_| judged.verdict.is_ok() && judged.login.is_none())?;
        if self.quotas.as_ref().is_some_and(|quotas| quotas.count(entry.environment)) {
            return None;
        }
        let (until, token) = match self.extract(headers, false).ok()? {
            Extracted::Text { .. } | Extracted::Pair { .. } => (entry.ends_at, None),
            Extracted::Token(text) => {
                let (until, id) = self.token_end(text)?;
                (entry.ends_at.min(until), id.map(|id| id.to_string()))
            }
            Extracted::Signed(_) => return None,
        };
        let rate = self.index.rate(&entry);
        Some(Passport {
            as_of,
            slot: entry.slot,
            until: until.0,
            token,
            addresses: self.index.addresses(&entry).iter().map(ToString::to_string).collect(),
            rate: rate
                .map(|rate| PassportRate { requests: rate.requests, window_ms: rate.window_ms }),
        })
    }
}
