//! The hot path: extract, digest, look up, judge. No await, no query, no lock that another request
//! could hold for long.

mod answer;
mod canonical_json;
mod ended_tokens;
mod in_process;
mod passport;
mod present;
mod request_id;
mod salts;
mod signature;
mod token;
mod weighed;

pub use answer::Answered;
pub use in_process::InProcess;
pub use present::{HeaderPairs, Headers, One};
pub use request_id::{Decision, RequestId};
pub(crate) use signature::{encode as encode_signature, sealing_place};
pub use token::{AccessToken, FoundToken};

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use keyway_domain::Environment;
use keyway_domain::grant::{Action, Grant, Need};
use keyway_domain::quota::QuotaState;
use keyway_domain::rate::RateState;
use keyway_domain::scheme::{Presented, Scheme, Spotter, is_canonical};
use keyway_domain::time::Time;
use keyway_domain::verdict::{Access, Facts, Reason, Wanted, judge};
use keyway_guard::GrantNames;
use keyway_secret::{Keyring, imported_sha256, imported_sha512};

use crate::clock::Clock;
use crate::coherence::Lease;
use crate::index::{Entry, FromWhere, Index, IndexedAccount};
use crate::quotas::{Quotas, Subject};
use crate::request_log::RequestLog;
use crate::usage::Usage;
use ended_tokens::EndedTokens;
use present::{Extracted, Refused};
use salts::Salts;
use weighed::Draft;

/// Everything that verification needs, and nothing that can block it.
pub struct Engine {
    /// The platform's rules.
    pub scheme: Arc<Scheme>,
    /// The keys in use.
    pub keys: Arc<Keyring>,
    /// Every credential.
    pub index: Index,
    /// What was counted since the last flush.
    pub usage: Usage,
    clock: Arc<dyn Clock>,
    salts: Salts,
    /// Access tokens that were revoked.
    ended_tokens: EndedTokens,
    /// Tells the scheme's list of resources from another.
    resources_mark: [u8; token::MARK_BYTES],
    /// Grants that were answered, by names.
    grants: ArcSwap<HashMap<Grant, Arc<GrantNames>>>,
    /// Finds secrets where they do not belong.
    spotter: Spotter,
    /// Whether keys were imported by their hash, so that a miss is looked up under it too.
    imported: AtomicBool,
    /// Where judged requests are noted, if they are.
    log: OnceLock<RequestLog>,
    /// What this node holds of quotas, where the scheme has some.
    quotas: Option<Arc<Quotas>>,
    /// The right to answer, where there are other nodes.
    lease: OnceLock<Arc<Lease>>,
    ready: AtomicBool,
    node: u16,
    sequence: AtomicU32,
}

/// A request to judge.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked<'a> {
    /// Its method; empty when resource and action are named instead.
    pub method: &'a str,
    /// Its path and query as they came over the wire.
    pub target: &'a str,
    /// The resource and action it is about, in place of method and path.
    pub named: Option<(&'a str, Action)>,
    /// The environment that the endpoint serves.
    pub environment: Option<Environment>,
    /// Where it comes from.
    pub address: Option<IpAddr>,
    /// Whose target it is, if the API knows.
    pub account: Option<&'a str>,
    /// Its body, where a signature covers it.
    pub body: Option<&'a [u8]>,
    /// Whether it is none of the requests that quotas count: a call of our own, not of the API.
    pub is_uncounted: bool,
}

/// What was decided, and everything needed to say so.
#[derive(Debug)]
pub struct Judged {
    /// Allowed, or the one reason why not.
    pub verdict: Result<(), Reason>,
    /// The secret, if the credential was recognised.
    pub entry: Option<Entry>,
    /// Finds this decision again.
    pub request: RequestId,
    /// The credential's rate limit after this request.
    pub rate: Option<RateState>,
    /// The quotas that count it, after this request.
    pub quotas: Vec<QuotaState>,
    /// Whether it passes only because the credential's address list does no more than report.
    pub is_reported: bool,
    /// What exactly is malformed.
    pub detail: &'static str,
    /// What the route needs.
    pub need: Option<Need>,
    /// A login's token, when the request was a login.
    pub login: Option<(String, Time)>,
}

impl Engine {
    /// An engine without credentials; not ready until [`Engine::set_ready`].
    pub fn new(
        scheme: Arc<Scheme>,
        keys: Arc<Keyring>,
        clock: Arc<dyn Clock>,
        node: u16,
        room: u64,
    ) -> Self {
        Self {
            index: Index::new(Arc::clone(&scheme), room),
            usage: Usage::new(),
            salts: Salts::new(),
            ended_tokens: EndedTokens::default(),
            resources_mark: token::resources_mark(&keys, &scheme),
            grants: ArcSwap::default(),
            spotter: Spotter::new(&scheme),
            imported: AtomicBool::new(false),
            log: OnceLock::new(),
            quotas: Quotas::of(&scheme),
            lease: OnceLock::new(),
            ready: AtomicBool::new(false),
            sequence: AtomicU32::new(0),
            scheme,
            keys,
            clock,
            node,
        }
    }

    /// Says that every credential is in the index.
    pub fn set_ready(&self) {
        self.ready.store(true, Ordering::Release);
    }

    /// Whether it can judge.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// Makes every answer depend on a lease from now on.
    pub fn set_lease(&self, lease: Arc<Lease>) {
        // A node starts once.
        let _ = self.lease.set(lease);
    }

    /// Notes judged requests from now on.
    pub fn set_log(&self, log: RequestLog) {
        // A node starts once.
        let _ = self.log.set(log);
    }

    /// Where judged requests are noted, if they are.
    pub fn log(&self) -> Option<&RequestLog> {
        self.log.get()
    }

    /// Whether this process may answer: it holds a lease, or is alone.
    pub fn may_answer(&self) -> bool {
        self.lease.get().is_none_or(|lease| lease.holds())
    }

    /// Says that some credentials were imported by their hash.
    pub fn set_imported(&self) {
        self.imported.store(true, Ordering::Release);
    }

    /// Whether some credentials were imported by their hash.
    pub fn has_imported(&self) -> bool {
        self.imported.load(Ordering::Acquire)
    }

    /// The present instant.
    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// What this node holds of quotas, where the scheme has some.
    pub fn quotas(&self) -> Option<&Arc<Quotas>> {
        self.quotas.as_ref()
    }

    /// Judges a request, and waits for nothing: where no block of its quota is here, nobody can be
    /// sure.
    pub fn verify(&self, headers: &impl Headers, asked: &Asked<'_>) -> Judged {
        self.conclude(headers, asked, self.weigh(headers, asked))
    }

    /// A request id for a call of the management API.
    pub fn management_request(&self) -> RequestId {
        RequestId {
            at: self.clock.now(),
            node: self.node,
            sequence: self.sequence.fetch_add(1, Ordering::Relaxed),
            credential: None,
            secret: 0,
            environment: None,
            decision: Decision::Management,
            access: Access::Identity,
            method: 0,
        }
    }

    fn decide(
        &self,
        headers: &impl Headers,
        asked: &Asked<'_>,
        now: Time,
        draft: &mut Draft,
        login: &mut Option<(String, Time)>,
    ) -> Result<(), Reason> {
        let (path, query) = asked.target.split_once('?').unwrap_or((asked.target, ""));
        let owner = self.find_access(asked, path, draft);
        let mut refuse = |refused: Refused| {
            draft.detail = refused.detail;
            refused.reason
        };
        self.check_target(path, query).map_err(&mut refuse)?;
        let is_login = self.is_login(asked.method, path);
        let extracted = self.extract(headers, is_login).map_err(&mut refuse)?;
        let recognised = self.recognise(&extracted, asked, now, &mut draft.entry);
        let entry = recognised.map_err(|refused| {
            draft.detail = refused.detail;
            refused.reason
        })?;
        if let Extracted::Signed(signed) = &extracted
            && !draft.is_again
            && !self.use_up(signed, now)
        {
            return Err(Reason::Replayed);
        }
        if is_login {
            draft.access = Access::Identity;
        }
        let account = self.index.account(&entry).ok_or(Reason::Unavailable)?;
        let from = self.index.from_where(&entry, asked.address);
        draft.is_reported = from == FromWhere::Reported;
        let facts = facts(&entry, account, from != FromWhere::Refused);
        let wanted = Wanted {
            environment: asked.environment,
            access: draft.access,
            own_target: asked.account.is_none_or(|owner| account.is_called(owner))
                && owner.is_none_or(|owner| account.is_called(owner)),
        };
        judge(&facts, &wanted, now)?;
        let subject = Subject {
            credential: entry.credential,
            account: account.id,
            environment: entry.environment,
        };
        let quotas = self.quotas.as_ref().filter(|_| !is_login && !asked.is_uncounted);
        if !draft.is_again {
            match self.index.take_rate(&entry, now) {
                Some(Err(state)) => {
                    draft.rate = Some(state);
                    draft.charge.states =
                        quotas.map_or_else(Vec::new, |quotas| quotas.states(subject, now));
                    return Err(Reason::RateLimited);
                }
                rate => draft.rate = rate.and_then(Result::ok),
            }
        }
        if let Some(quotas) = quotas {
            draft.charge = quotas.charge(subject, now);
            draft.charge.verdict()?;
        }
        if is_login {
            *login = self.issue_token(&extracted, now);
        }
        Ok(())
    }

    /// What the request needs, and the account that its path names as the owner.
    fn find_access<'a>(
        &self,
        asked: &Asked<'a>,
        path: &'a str,
        draft: &mut Draft,
    ) -> Option<&'a str> {
        let found = match asked.named {
            Some((resource, action)) => {
                let resource = self.scheme.resource(resource);
                resource.map(|resource| (Need { resource, action }, None))
            }
            None if asked.target.is_empty() => return None,
            None => {
                let found = self.scheme.routes.find(asked.method, path);
                draft.route = found.map(|found| found.place);
                found.map(|found| (found.need, found.account))
            }
        };
        draft.access = found.map_or(Access::Unlisted, |(need, _)| Access::Needs(need));
        found.and_then(|(_, owner)| owner)
    }

    fn check_target(&self, path: &str, query: &str) -> Result<(), Refused> {
        if path.is_empty() {
            return Ok(());
        }
        if path.len() + query.len() > keyway_domain::limits::TARGET_BYTES_MAX {
            return Err(Refused::malformed("the request target is too long"));
        }
        if self.holds_secret(path) || self.holds_secret(query) {
            return Err(Refused::malformed(
                "a credential was sent in the URL, where logs keep it; replace that credential, and \
                 send it in a header only",
            ));
        }
        if !is_canonical(path) {
            return Err(Refused::malformed(
                "the request path has empty, dotted or encoded segments",
            ));
        }
        Ok(())
    }

    /// Whether text holds something that looks like a secret of this scheme.
    pub fn holds_secret(&self, text: &str) -> bool {
        self.spotter.finds(text)
    }

    /// Whether a request asks for a login's token.
    pub fn is_login(&self, method: &str, path: &str) -> bool {
        self.scheme.login.as_ref().is_some_and(|login| method == "POST" && path == login.path)
    }

    /// From what was presented to the entry it belongs to. `seen` is the entry also where it is
    /// refused, so that the refusal is counted and can be found again.
    fn recognise(
        &self,
        extracted: &Extracted<'_>,
        asked: &Asked<'_>,
        now: Time,
        seen: &mut Option<Entry>,
    ) -> Result<Entry, Refused> {
        match extracted {
            Extracted::Text { secret, how } => {
                let digest = self.keys.pepper.digest(secret);
                let found = self.index.find(&digest).or_else(|| self.find_imported(secret));
                let found = found.ok_or_else(|| self.stranger(secret, *how));
                self.presented_so(found, *how, seen)
            }
            Extracted::Pair { id, secret, how } => {
                let digest = self.keys.pepper.digest_pair(id, secret);
                let found = self.index.find(&digest).ok_or_else(|| self.stranger(secret, *how));
                self.presented_so(found, *how, seen)
            }
            Extracted::Token(text) => self.recognise_token(text, now, seen),
            Extracted::Signed(signed) => self.recognise_signature(signed, asked, now, seen),
        }
    }

    /// A secret that is sent in a way its kind does not have was found, but is not accepted.
    fn presented_so(
        &self,
        found: Result<Entry, Refused>,
        how: Presented,
        seen: &mut Option<Entry>,
    ) -> Result<Entry, Refused> {
        let entry = *seen.insert(found?);
        let kind = self.scheme.kinds.get(usize::from(entry.kind));
        if kind.is_some_and(|kind| kind.is_presented(how)) {
            Ok(entry)
        } else {
            Err(Refused::malformed("this kind of credential is sent in another way"))
        }
    }

    /// A key that another system issued, kept as the digest of its hash.
    fn find_imported(&self, secret: &str) -> Option<Entry> {
        if !self.has_imported() {
            return None;
        }
        [imported_sha256(secret.as_bytes()), imported_sha512(secret.as_bytes())]
            .iter()
            .find_map(|hash| self.index.find(&self.keys.pepper.digest(hash)))
    }

    /// Why a secret that no index knows is refused: mistyped, or well-formed and unknown.
    fn stranger(&self, secret: &str, how: Presented) -> Refused {
        let mut detail = "it does not start like a credential of this platform";
        for kind in self.scheme.kinds.iter().filter(|kind| kind.is_presented(how)) {
            match kind.secret.parse(secret) {
                Ok(_) => return Refused { reason: Reason::Unknown, detail: "" },
                Err(keyway_secret::ParseError::Prefix) => {}
                Err(keyway_secret::ParseError::Length) => detail = "it has the wrong length",
                Err(keyway_secret::ParseError::Character) => {
                    detail = "it holds a character that no credential has";
                }
                Err(keyway_secret::ParseError::Check) => {
                    detail = "its check characters are wrong, it was mistyped or cut";
                }
            }
        }
        Refused::malformed(detail)
    }
}

/// What is known of a secret and its account.
fn facts(entry: &Entry, account: &IndexedAccount, address_allowed: bool) -> Facts {
    Facts {
        environment: entry.environment,
        grant: entry.grant,
        ends_at: entry.over_from(),
        ends_by_expiry: entry.ends_by_expiry,
        suspended: account.is_suspended(),
        address_allowed,
    }
}
