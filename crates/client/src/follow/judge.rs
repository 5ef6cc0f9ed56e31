//! Judging a request here, by the node's scheme.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::header::{AUTHORIZATION, HeaderValue, USER_AGENT};
use http::{HeaderMap, HeaderName};
use keyway_domain::Environment;
use keyway_domain::credential::{RateLimit, is_in};
use keyway_domain::grant::{Grant, Need};
use keyway_domain::limits::{CREDENTIAL_BYTES_MAX, TARGET_BYTES_MAX};
use keyway_domain::rate::{self, RateState};
use keyway_domain::scheme::{Placeholders, Scheme, Spotter, is_canonical};
use keyway_domain::time::Time;
use keyway_domain::verdict::{Access, Facts, Reason, Wanted, judge};
use keyway_guard::follow::Needed;
use keyway_guard::{
    Answer, Decision, GrantNames, Identity, Passed, Passport, Question, Rate, request_ids,
};
use keyway_secret::{Entropy as _, OsEntropy};

use super::Shared;
use super::clock::Boottime;
use super::counters::Counted;
use super::memory::{Key, Known, Memory};

/// Characters of a client's name that are passed on.
const CLIENT_BYTES_MAX: usize = 80;

/// The node's scheme, and what is made of it.
pub(super) struct Judge {
    scheme: Scheme,
    spotter: Spotter,
    signature: Option<HeaderName>,
    /// What the ids of this process's decisions begin with.
    origin: u64,
    decided: AtomicU64,
}

/// A request, as far as it is judged here.
struct Target<'q> {
    access: Access,
    owner: Option<&'q str>,
    environment: Option<Environment>,
}

impl Judge {
    pub(super) fn new(scheme: Scheme) -> Self {
        let signature = scheme.signature.as_ref();
        let signature = signature.and_then(|rules| rules.headers.signature.parse().ok());
        let origin = u64::try_from(OsEntropy.u128() >> 64).unwrap_or(0);
        let spotter = Spotter::new(&scheme);
        Self { scheme, spotter, signature, origin, decided: AtomicU64::new(0) }
    }

    /// Whether it is the judge of a scheme.
    pub(super) fn is_of(&self, text: &str) -> bool {
        self.scheme.text == text
    }

    pub(super) fn wants_body(&self, headers: &HeaderMap) -> bool {
        self.signature.as_ref().is_some_and(|name| headers.contains_key(name))
    }

    /// By what a request's credential is remembered; nothing if each of its requests is the node's
    /// to judge: signed ones, logins, and those that are odd.
    pub(super) fn key(&self, memory: &Memory, question: &Question<'_>) -> Option<Key> {
        let path = question.uri.path();
        let is_login = self.scheme.login.as_ref().is_some_and(|login| login.path == path);
        if self.signature.is_some() || is_login {
            return None;
        }
        let mut values = question.headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return None };
        (value.len() <= CREDENTIAL_BYTES_MAX).then(|| memory.key(value.as_bytes()))
    }

    /// What the request is for; nothing if that is the node's to say.
    fn target<'q>(&self, question: &Question<'q>) -> Option<Target<'q>> {
        let target = question.uri.path_and_query()?;
        let (path, query) = (target.path(), target.query().unwrap_or(""));
        let is_odd = target.as_str().len() > TARGET_BYTES_MAX
            || self.spotter.finds(path)
            || self.spotter.finds(query)
            || !is_canonical(path);
        if is_odd {
            return None;
        }
        let environment = match question.environment {
            Some(text) => Some(Environment::parse(text)?),
            None => None,
        };
        let found = self.scheme.routes.find(question.method.as_str(), path);
        Some(Target {
            access: found.map_or(Access::Unlisted, |found| Access::Needs(found.need)),
            owner: found.and_then(|found| found.account),
            environment,
        })
    }

    /// Remembers a credential that the node let through.
    pub(super) fn remember(
        &self,
        memory: &Memory,
        (key, session): (Key, u64),
        passport: Passport,
        identity: &Identity,
    ) {
        let addresses: Result<Vec<_>, _> =
            passport.addresses.iter().map(|range| range.parse()).collect();
        let grant = self.grant(&identity.grant);
        let (Ok(addresses), Some(grant)) = (addresses, grant) else {
            tracing::warn!(
                credential = identity.credential,
                "what its node says is not understood"
            );
            return;
        };
        memory.put(key, (session, passport.as_of), |arrival| Known {
            grant,
            slot: passport.slot,
            until: Time(passport.until),
            token: passport.token,
            addresses,
            rate: passport.rate.map(|rate| {
                let rule = RateLimit { requests: rate.requests, window_ms: rate.window_ms };
                (rule, arrival(&identity.credential))
            }),
            // What was reported of this request is not true of the next.
            identity: Identity { rate: None, reported: None, ..identity.clone() },
        });
    }

    fn grant(&self, names: &GrantNames) -> Option<Grant> {
        let mut grant = Grant::NONE;
        for (name, actions) in names {
            if name == "*" {
                return Some(Grant::Everything);
            }
            let resource = self.scheme.resource(name)?;
            for action in actions {
                let action = keyway_domain::grant::Action::parse(action)?;
                grant = grant.with(Need { resource, action });
            }
        }
        Some(grant)
    }

    /// An id for a decision of this process. The node does not know it.
    fn request_id(&self) -> String {
        let number = self.decided.fetch_add(1, Ordering::Relaxed);
        format!("flw_{:016x}{number:016x}", self.origin)
    }

    fn needed(&self, access: Access) -> Needed {
        match access {
            Access::Identity => Needed::Identity,
            Access::Unlisted => Needed::Unlisted,
            Access::Needs(Need { resource, action }) => {
                let name = self.scheme.resources.get(usize::from(resource));
                let name = name.map_or_else(String::new, |resource| resource.name.clone());
                Needed::Scope(name, action.as_str().to_owned())
            }
        }
    }

    fn limited(&self, known: &Known, state: RateState, question: &Question<'_>) -> Decision {
        let request_id = self.request_id();
        let mut headers = ids(&request_id, question);
        self.scheme.dialect.add_limits(Some(state), &[], &mut headers);
        let environment = Environment::parse(&known.identity.environment);
        let facts = Placeholders {
            detail: "",
            missing: "",
            environment: environment.map_or("other", |it| self.scheme.environment_label(it)),
            retry_after: state.reset_ms.div_ceil(1000).max(1),
            request_id: &request_id,
        };
        let rendered = self.scheme.dialect.render(Reason::RateLimited, &facts, headers);
        let (status, headers, body) = (rendered.status, rendered.headers, rendered.body);
        Decision::Answered(Answer { status, headers, body })
    }

    fn passed(&self, known: &Known, state: Option<RateState>, question: &Question<'_>) -> Decision {
        let request_id = self.request_id();
        let mut response_headers = ids(&request_id, question);
        self.scheme.dialect.add_limits(state, &[], &mut response_headers);
        let rate = state.map(|state| Rate {
            limit: state.limit,
            remaining: state.remaining,
            reset_ms: state.reset_ms,
        });
        let identity = Identity { request_id, rate, ..known.identity.clone() };
        Decision::Allowed(Box::new(Passed { identity, response_headers }))
    }
}

impl Shared {
    /// Judges a request here, if its credential is known and the request may pass, or is one too
    /// many. Anything else is the node's to say.
    pub(super) fn judge_here(&self, question: &Question<'_>) -> Option<Decision> {
        // The loan before the memory: what is read under a loan is as new as the loan says.
        if !self.loan.holds(Boottime::now()) {
            return None;
        }
        let judge = self.judge.get()?;
        let known = self.memory.find(judge.key(&self.memory, question)?)?;
        let target = judge.target(question)?;
        let now = self.loan.time(Boottime::now());
        known.may(&target, question, now)?;
        let taken = known.rate.as_ref().map(|(rule, arrival)| take(*rule, arrival, now));
        // And once more: a process that stood still in between says nothing old.
        if !self.loan.holds(Boottime::now()) {
            return None;
        }
        self.counters.count(Counted {
            slot: known.slot,
            credential: known.identity.credential.clone(),
            secret: known.identity.secret,
            at: now,
            is_limited: matches!(taken, Some(Err(_))),
            needed: judge.needed(target.access),
            address: question.client_address,
            client: client(question.headers),
        });
        Some(match taken {
            Some(Err(state)) => judge.limited(&known, state, question),
            Some(Ok(state)) => judge.passed(&known, Some(state), question),
            None => judge.passed(&known, None, question),
        })
    }
}

impl Known {
    fn may(&self, target: &Target<'_>, question: &Question<'_>, now: Time) -> Option<()> {
        let allowed =
            |address: Option<IpAddr>| self.addresses.is_empty() || is_in(&self.addresses, address);
        let facts = Facts {
            environment: Environment::parse(&self.identity.environment)?,
            grant: self.grant,
            ends_at: self.until,
            ends_by_expiry: false,
            suspended: false,
            address_allowed: allowed(question.client_address),
        };
        let wanted = Wanted {
            environment: target.environment,
            access: target.access,
            own_target: question.account.is_none_or(|owner| self.is_of(owner))
                && target.owner.is_none_or(|owner| self.is_of(owner)),
        };
        judge(&facts, &wanted, now).ok()
    }

    fn is_of(&self, account: &str) -> bool {
        self.identity.account == account || self.identity.external_id.as_deref() == Some(account)
    }
}

fn take(rule: RateLimit, arrival: &Arc<AtomicU64>, now: Time) -> Result<RateState, RateState> {
    let mut known = arrival.load(Ordering::Relaxed);
    loop {
        let (next, state) = rate::take(rule, known, now)?;
        match arrival.compare_exchange_weak(known, next, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => return Ok(state),
            Err(other) => known = other,
        }
    }
}

fn ids(request_id: &str, question: &Question<'_>) -> Vec<(String, String)> {
    let mut own = question.headers.get_all("x-request-id").iter();
    let own = own.next().filter(|_| own.next().is_none());
    request_ids(request_id, own.map(HeaderValue::as_bytes))
}

fn client(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(USER_AGENT)?.to_str().ok()?;
    Some(text.chars().take(CLIENT_BYTES_MAX).collect())
}
