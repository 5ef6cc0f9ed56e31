//! Judging in two steps: a request is weighed, and what was decided is counted and noted.
//!
//! Between them it may wait for a block of a quota; then it is weighed anew.

use std::sync::atomic::Ordering;

use keyway_domain::rate::RateState;
use keyway_domain::time::Time;
use keyway_domain::verdict::{Access, Reason};

use super::{Asked, Decision, Engine, Headers, Judged, RequestId, request_id};
use crate::index::Entry;
use crate::quotas::Charge;
use crate::request_log::Noted;
use crate::usage::Use;

/// What the judging steps pass along.
pub(super) struct Draft {
    pub(super) entry: Option<Entry>,
    pub(super) rate: Option<RateState>,
    pub(super) charge: Charge,
    pub(super) is_reported: bool,
    pub(super) detail: &'static str,
    pub(super) access: Access,
    pub(super) route: Option<u16>,
    /// Whether it was judged before: then what it uses up is used up.
    pub(super) is_again: bool,
}

/// A request that was judged, of which nothing was said or written down yet.
pub(crate) struct Weighed {
    now: Time,
    verdict: Result<(), Reason>,
    login: Option<(String, Time)>,
    draft: Draft,
}

impl Weighed {
    /// What the quotas say.
    pub(crate) fn charge(&mut self) -> &mut Charge {
        &mut self.draft.charge
    }
}

impl Engine {
    /// Judges a request; what [`Engine::conclude`] is to be given.
    pub(crate) fn weigh(&self, headers: &impl Headers, asked: &Asked<'_>) -> Weighed {
        self.weigh_draft(headers, asked, None)
    }

    /// Judges a request once more that had to wait: it may have been revoked meanwhile. What it has
    /// used up by then, of its rate limit or its salt, it does not use up again.
    pub(crate) fn weigh_again(
        &self,
        headers: &impl Headers,
        asked: &Asked<'_>,
        before: Weighed,
    ) -> Weighed {
        self.weigh_draft(headers, asked, Some(before))
    }

    fn weigh_draft(
        &self,
        headers: &impl Headers,
        asked: &Asked<'_>,
        before: Option<Weighed>,
    ) -> Weighed {
        let now = self.clock.now();
        let mut draft = Draft {
            entry: None,
            is_again: before.is_some(),
            rate: before.and_then(|before| before.draft.rate),
            charge: Charge::default(),
            is_reported: false,
            detail: "",
            access: Access::Identity,
            route: None,
        };
        let mut login = None;
        // The lease before the index: what is looked up under a lease is as new as the lease says.
        let verdict = if self.is_ready() && self.may_answer() {
            self.decide(headers, asked, now, &mut draft, &mut login)
        } else {
            Err(Reason::Unavailable)
        };
        Weighed { now, verdict, login, draft }
    }

    /// Counts and notes what was judged.
    pub(crate) fn conclude(
        &self,
        headers: &impl Headers,
        asked: &Asked<'_>,
        weighed: Weighed,
    ) -> Judged {
        let Weighed { now, verdict, login, mut draft } = weighed;
        // And once more: a process that stood still in between says nothing old.
        let verdict = match verdict {
            Ok(()) if !self.may_answer() => Err(Reason::Unavailable),
            verdict => verdict,
        };
        if verdict.is_err() {
            draft.charge.give_back();
        }
        let need = match draft.access {
            Access::Needs(need) => Some(need),
            Access::Unlisted | Access::Identity => None,
        };
        if let Some(entry) = &draft.entry {
            let (access, address) = (draft.access, asked.address);
            let use_ = Use { requests: 1, now, address, headers, access };
            match verdict {
                Ok(()) => {
                    self.usage.allowed(&self.index, entry, &use_);
                    if draft.is_reported {
                        self.usage.reported(entry, &use_);
                    }
                }
                Err(reason) => self.usage.refused(entry, reason, &use_),
            }
        }
        let request = RequestId {
            at: now,
            node: self.node,
            sequence: self.sequence.fetch_add(1, Ordering::Relaxed),
            credential: draft.entry.map(|entry| entry.credential),
            secret: draft.entry.map_or(0, |entry| entry.secret),
            environment: draft.entry.map(|entry| entry.environment),
            decision: match verdict {
                Ok(()) if draft.is_reported => Decision::Reported,
                Ok(()) => Decision::Allowed,
                Err(reason) => Decision::Refused(reason),
            },
            access: draft.access,
            method: request_id::method_code(asked.method),
        };
        if let Some((log, entry)) = self.log.get().zip(draft.entry.as_ref()) {
            let (account, route, address) = (entry.account, draft.route, asked.address);
            log.put(&self.index, entry, &Noted { request, account, route, address });
        }
        let Draft { entry, rate, charge, is_reported, detail, .. } = draft;
        let (quotas, is_reported) = (charge.states, is_reported && verdict.is_ok());
        Judged { verdict, entry, request, rate, quotas, is_reported, detail, need, login }
    }
}
