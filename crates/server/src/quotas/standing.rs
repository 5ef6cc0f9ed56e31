//! How much of its quotas a credential and its account have used.

use std::sync::atomic::Ordering;

use keyway_domain::quota::{Period, Quota};
use keyway_domain::time::Time;
use keyway_store::quotas::{Counted, reserved};
use keyway_store::{DbError, Tx};

use super::{Quotas, Subject};

/// A quota in its present period, as its owner sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The quota.
    pub quota: Quota,
    /// The period.
    pub period: Period,
    /// Requests that it has counted, and never fewer. What other nodes have reserved is among them.
    pub used: u64,
}

impl Quotas {
    /// How a subject's quotas stand.
    pub fn standings(
        &self,
        tx: &mut Tx<'_>,
        subject: Subject,
        now: Time,
    ) -> Result<Vec<Standing>, DbError> {
        let standing = |(place, quota): (usize, &Quota)| {
            let (quota, period) = (*quota, quota.per.period(now));
            let counted = Counted { subject: subject.name(quota.of), quota, period };
            let stored = reserved(tx, &counted)?;
            // What the transaction sees may be older than what has come here since.
            let cell = self.known(place, subject.id(quota.of));
            let (known, held) = cell.map_or((0, 0), |cell| {
                let held = cell.left(&period);
                let unreserved = cell.unreserved.load(Ordering::Acquire);
                let known = if held > 0 { quota.requests.saturating_sub(unreserved) } else { 0 };
                (known, held.into())
            });
            Ok(Standing { quota, period, used: stored.max(known).saturating_sub(held) })
        };
        self.of_subject(subject).map(standing).collect()
    }
}
