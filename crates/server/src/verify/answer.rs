//! From a decision to what goes over the wire: an identity, or the platform's own refusal.

use std::collections::HashMap;
use std::sync::Arc;

use keyway_domain::grant::Grant;
use keyway_domain::quota::QuotaState;
use keyway_domain::scheme::Placeholders;
use keyway_domain::verdict::Reason;
use keyway_guard::{Answer, GrantNames, Identity, Passed, Rate, request_ids};

use super::{Engine, Headers, Judged, One};

/// A decision as it goes over the wire.
#[derive(Debug)]
pub enum Answered {
    /// The request may pass.
    Passed(Box<Passed>),
    /// It may not: this is the refusal.
    Refused(Reason, Answer),
    /// It was a login, and this is its reply.
    LoggedIn(Answer),
}

impl Engine {
    /// Renders a decision. The request's headers are asked for its own request id.
    pub fn answer(&self, judged: &Judged, headers: &impl Headers) -> Answered {
        let request_id = judged.request.seal(&self.keys.requests);
        let mut added = ids(&request_id, headers);
        self.scheme.dialect.add_limits(judged.rate, &judged.quotas, &mut added);
        match (judged.verdict, &judged.login, &judged.entry) {
            (Ok(()), Some((token, until)), _) => {
                let login = self.scheme.login.as_ref();
                let body = login.map_or_else(String::new, |login| {
                    login
                        .body
                        .replace("{token}", token)
                        .replace("{expires_at}", &until.to_offset_text())
                });
                let status = login.map_or(200, |login| login.status);
                added.push(json_type());
                added.push(no_store());
                Answered::LoggedIn(Answer { status, headers: added, body })
            }
            (Ok(()), None, Some(entry)) => {
                let kind = self.scheme.kinds.get(usize::from(entry.kind));
                let account = self.index.account(entry);
                let identity = Identity {
                    account: account.map_or_else(String::new, |account| account.id.to_string()),
                    external_id: account
                        .and_then(|account| account.external_id.load().as_deref().cloned()),
                    credential: entry.credential.to_string(),
                    kind: kind.map_or_else(String::new, |kind| kind.name.clone()),
                    name: self.index.name(entry),
                    environment: entry.environment.as_str().to_owned(),
                    grant: self.grant_names(entry.grant),
                    secret: entry.secret,
                    request_id,
                    rate: judged.rate.map(|rate| Rate {
                        limit: rate.limit,
                        remaining: rate.remaining,
                        reset_ms: rate.reset_ms,
                    }),
                    reported: judged
                        .is_reported
                        .then(|| Reason::AddressNotAllowed.as_str().to_owned()),
                };
                Answered::Passed(Box::new(Passed { identity, response_headers: added }))
            }
            // An allow without an entry cannot be; if it were, it would not be an allow.
            (Ok(()), None, None) => {
                let reason = Reason::Unavailable;
                Answered::Refused(reason, self.refusal(reason, judged, &request_id, added))
            }
            (Err(reason), _, _) => {
                Answered::Refused(reason, self.refusal(reason, judged, &request_id, added))
            }
        }
    }

    /// The refusal of a request that was not judged, in the words of the platform's clients.
    pub fn refuse(&self, reason: Reason, headers: &impl Headers) -> Answer {
        let judged = Judged {
            verdict: Err(reason),
            entry: None,
            request: self.management_request(),
            rate: None,
            quotas: Vec::new(),
            is_reported: false,
            detail: "",
            need: None,
            login: None,
        };
        let request_id = judged.request.seal(&self.keys.requests);
        let added = ids(&request_id, headers);
        self.refusal(reason, &judged, &request_id, added)
    }

    /// A grant by names. Credentials share few different grants, so those seen are remembered.
    pub(crate) fn grant_names(&self, grant: Grant) -> Arc<GrantNames> {
        const REMEMBERED_MAX: usize = 4_096;
        let known = self.grants.load();
        if let Some(names) = known.get(&grant) {
            return Arc::clone(names);
        }
        let names = Arc::new(grant.to_names(self.scheme.resource_names()));
        if known.len() >= REMEMBERED_MAX {
            return names;
        }
        self.grants.rcu(|known| {
            let mut known = HashMap::clone(known);
            if known.len() < REMEMBERED_MAX {
                known.insert(grant, Arc::clone(&names));
            }
            known
        });
        names
    }

    fn refusal(
        &self,
        reason: Reason,
        judged: &Judged,
        request_id: &str,
        headers: Vec<(String, String)>,
    ) -> Answer {
        let missing = judged
            .need
            .map_or_else(|| "to reach this route".to_owned(), |need| self.scheme.say_need(need));
        let environment =
            judged.entry.map_or("other", |entry| self.scheme.environment_label(entry.environment));
        let retry_after = match (reason, judged.rate) {
            (Reason::RateLimited, Some(rate)) => rate.reset_ms.div_ceil(1000).max(1),
            // When all of them have some again.
            (Reason::QuotaExceeded, _) => {
                let spent = judged.quotas.iter().filter(|state| state.remaining == 0);
                spent.map(QuotaState::retry_after).max().unwrap_or(1)
            }
            _ => 1,
        };
        let facts = Placeholders {
            detail: judged.detail,
            missing: &missing,
            environment,
            retry_after,
            request_id,
        };
        let rendered = self.scheme.dialect.render(reason, &facts, headers);
        Answer { status: rendered.status, headers: rendered.headers, body: rendered.body }
    }
}

/// The ids of an answer.
fn ids(request_id: &str, headers: &impl Headers) -> Vec<(String, String)> {
    let own = match headers.one("x-request-id") {
        One::Value(value) => Some(value),
        One::Missing | One::Many => None,
    };
    request_ids(request_id, own)
}

fn json_type() -> (String, String) {
    ("content-type".to_owned(), "application/json".to_owned())
}

fn no_store() -> (String, String) {
    ("cache-control".to_owned(), "no-store".to_owned())
}
