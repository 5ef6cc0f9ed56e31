//! A row of the list, and where its credential is in its life.

use std::sync::Arc;

use keyway_domain::Environment;
use keyway_domain::credential::{Credential, SecretState, Status};
use keyway_domain::due::Ages;
use keyway_domain::grant::Grant;
use keyway_domain::id::{CredentialId, MemberId};
use keyway_domain::time::{DAY_MS, Time};
use keyway_store::usage::Seen;

use super::{DAYS, EXPIRING_MS, UNUSED_MS};

/// A row of the list.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The credential.
    pub id: CredentialId,
    /// Its kind's name.
    pub kind: Arc<str>,
    /// Where it works.
    pub environment: Environment,
    /// Its name.
    pub name: Box<str>,
    /// What may be shown of its secret.
    pub hint: Box<str>,
    /// Its public id, if it has one.
    pub public_id: Option<Box<str>>,
    /// What it may do.
    pub grant: Grant,
    /// When it was made.
    pub created_at: Time,
    /// When its current secret was made.
    pub secret_since: Time,
    /// Until when the previous secret is accepted, if a rotation was left open.
    pub retiring_until: Option<Time>,
    /// When it stops by itself.
    pub expires_at: Option<Time>,
    /// Whether it lives.
    pub status: Status,
    /// Who has care of it.
    pub owner: Option<MemberId>,
    /// When and from where it was last used.
    pub last_used: Option<Seen>,
    /// What is searched: name, hint and public id in lower case.
    pub(super) text: Box<str>,
    pub(super) version: i64,
    last_day: i64,
    days: [u32; DAYS],
}

impl Entry {
    pub(super) fn new(credential: &Credential) -> Self {
        let current = credential.current().or_else(|| credential.secrets.first());
        let hint = current.map_or("", |secret| secret.hint.as_str());
        let own_id = current.and_then(|secret| secret.public_id.as_deref());
        let public_id = own_id.or(credential.client_id.as_deref());
        let text = format!("{} {hint} {}", credential.name, public_id.unwrap_or("")).to_lowercase();
        let retiring = credential.secrets.iter().find_map(|secret| match secret.state {
            SecretState::Retiring { until } => Some(until),
            _ => None,
        });
        Self {
            id: credential.id,
            kind: credential.kind.as_str().into(),
            environment: credential.environment,
            name: credential.name.as_str().into(),
            hint: hint.into(),
            public_id: public_id.map(Into::into),
            grant: credential.grant,
            created_at: credential.created_at,
            secret_since: current.map_or(credential.created_at, |secret| secret.created_at),
            retiring_until: retiring,
            expires_at: credential.expires_at,
            status: credential.status,
            owner: None,
            last_used: None,
            text: text.into(),
            version: credential.version,
            last_day: 0,
            days: [0; DAYS],
        }
    }

    /// Takes over what is no part of the credential itself.
    pub(super) fn with_use_of(mut self, other: &Self) -> Self {
        self.owner = other.owner;
        self.last_used.clone_from(&other.last_used);
        (self.last_day, self.days) = (other.last_day, other.days);
        self
    }

    /// Whether it is accepted, as far as its own life says.
    pub fn is_live(&self, now: Time) -> bool {
        self.status == Status::Live && self.expires_at.is_none_or(|at| now < at)
    }

    /// Whether two secrets are accepted.
    pub fn is_rotating(&self, now: Time) -> bool {
        self.is_live(now) && self.retiring_until.is_some_and(|until| now < until)
    }

    /// Whether it stops within the days in which that is called out.
    pub fn is_expiring(&self, now: Time) -> bool {
        self.is_live(now) && self.expires_at.is_some_and(|at| at <= now.plus_ms(EXPIRING_MS))
    }

    /// Whether nothing uses it: it never was used, or not for long.
    pub fn is_unused(&self, now: Time) -> bool {
        let since = now.plus_ms(-UNUSED_MS);
        self.is_live(now) && self.last_used.as_ref().is_none_or(|seen| seen.at <= since)
    }

    /// Whether its secret is due for renewal.
    pub fn is_old(&self, now: Time, ages: Ages) -> bool {
        self.is_live(now) && ages.is_old(self.secret_since, now)
    }

    /// Requests on each of the last days, today last.
    pub fn days(&self, now: Time) -> [u32; DAYS] {
        let mut days = [0; DAYS];
        let shift = usize::try_from((day(now) - self.last_day).max(0)).unwrap_or(DAYS);
        if shift < DAYS {
            days[..DAYS - shift].copy_from_slice(&self.days[shift..]);
        }
        days
    }

    pub(super) fn add(&mut self, on: i64, requests: u64) {
        if on > self.last_day {
            self.days = self.days(Time(on * DAY_MS));
            self.last_day = on;
        }
        let back = usize::try_from(self.last_day - on).unwrap_or(DAYS);
        if back < DAYS {
            let slot = &mut self.days[DAYS - 1 - back];
            *slot = slot.saturating_add(u32::try_from(requests).unwrap_or(u32::MAX));
        }
    }
}

pub(super) fn day(at: Time) -> i64 {
    at.0.div_euclid(DAY_MS)
}
