//! How a credential changes: pure transitions, with every race settled.
//!
//! | when | then |
//! |---|---|
//! | rotating while an overlap runs | refused, unless the new overlap is zero: then both old ones end |
//! | rolling back after the overlap ended | refused; an ended secret never comes back |
//! | anything against a revoked credential | refused; revoking wins every race |
//! | an expired credential | comes back only by an act that was confirmed |

use ipnet::IpNet;
use serde_json::{Value, json};

use crate::actor::Permit;
use crate::credential::{
    AddressMode, Credential, EndedBecause, RateLimit, Secret, SecretState, Status,
};
use crate::event::{Happened, Kind};
use crate::grant::Grant;
use crate::limits::ENDED_SECRETS_KEPT;
use crate::scheme::{Act, Scheme};
use crate::time::Time;

/// Why a transition does not happen. Nothing has changed then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The credential was revoked.
    #[error("this credential was revoked; nothing brings it back")]
    Revoked,
    /// The credential was deleted.
    #[error("this credential was deleted")]
    Deleted,
    /// The credential has expired.
    #[error("this credential expired at {0}; give it a later expiry first, or create a new one")]
    Expired(Time),
    /// An overlap runs already.
    #[error(
        "the previous secret is still accepted until {0}; finish or roll back that rotation first, \
         or rotate with no overlap, which ends both older secrets"
    )]
    OverlapRunning(Time),
    /// There is no previous secret that still lives.
    #[error("there is no previous secret that is still accepted")]
    NoOverlap,
    /// More time means later.
    #[error("the previous secret is accepted until {0} already; choose a later time")]
    NotLater(Time),
    /// More time than the scheme gives.
    #[error("the previous secret can be kept until {0} at most")]
    TooLate(Time),
}

/// A credential after a change, and what happened.
pub type Changed = (Credential, Happened);

impl Credential {
    fn open(mut self, now: Time) -> Result<Self, Refusal> {
        match self.status {
            Status::Live => {}
            Status::Revoked { .. } => return Err(Refusal::Revoked),
            Status::Deleted { .. } => return Err(Refusal::Deleted),
        }
        self.version += 1;
        for secret in &mut self.secrets {
            secret.state = secret.state_at(now);
        }
        Ok(self)
    }

    fn open_unexpired(self, now: Time) -> Result<Self, Refusal> {
        match self.expires_at {
            Some(at) if at <= now => match self.status {
                Status::Live => Err(Refusal::Expired(at)),
                _ => self.open(now),
            },
            _ => self.open(now),
        }
    }

    fn secret_mut(&mut self, wanted: fn(&SecretState) -> bool) -> Option<&mut Secret> {
        self.secrets.iter_mut().find(|secret| wanted(&secret.state))
    }

    /// Forgets the oldest ended secrets beyond those that are kept. One that ended just now stays,
    /// however old it is: whoever follows the changes has yet to hear that it ended.
    fn forget_oldest(&mut self, now: Time) {
        let mut ended = 0;
        self.secrets.retain(|secret| match secret.state {
            SecretState::Ended { at, .. } => {
                ended += 1;
                ended <= ENDED_SECRETS_KEPT || at >= now
            }
            SecretState::Current | SecretState::Retiring { .. } => true,
        });
    }

    /// The number that the next secret gets.
    pub fn next_number(&self) -> u32 {
        self.secrets.iter().map(|secret| secret.number).max().unwrap_or(0) + 1
    }

    /// Makes `next` the current secret; the one before it stays accepted for `overlap_ms`.
    pub fn rotate(
        self,
        permit: &Permit,
        next: Secret,
        overlap_ms: i64,
        now: Time,
    ) -> Result<Changed, Refusal> {
        assert!(matches!(permit.act(), Act::Rotate | Act::Regenerate));
        assert!(next.state == SecretState::Current);
        let mut credential = self.open_unexpired(now)?;
        let running = credential.retiring(now).map(|(_, until)| until);
        if let Some(until) = running
            && overlap_ms > 0
        {
            return Err(Refusal::OverlapRunning(until));
        }
        let old = if overlap_ms > 0 {
            SecretState::Retiring { until: now.plus_ms(overlap_ms) }
        } else {
            SecretState::Ended { at: now, why: EndedBecause::Replaced }
        };
        let mut from = 0;
        for secret in credential.secrets.iter_mut().filter(|secret| secret.is_live(now)) {
            from = from.max(secret.number);
            secret.state = old;
        }
        let to = next.number;
        credential.secrets.insert(0, next);
        credential.forget_oldest(now);
        let until = (overlap_ms > 0).then(|| now.plus_ms(overlap_ms));
        let kind = if permit.act() == Act::Regenerate { Kind::Regenerated } else { Kind::Rotated };
        let happened = Happened::new(
            kind,
            json!({ "secret": from }),
            json!({ "secret": to, "previous_accepted_until": until }),
        );
        Ok((credential, happened))
    }

    /// Ends the previous secret now, before its overlap runs out.
    pub fn finish(self, permit: &Permit, now: Time) -> Result<Changed, Refusal> {
        assert!(permit.act() == Act::Finish);
        let mut credential = self.open(now)?;
        let secret = credential
            .secret_mut(|state| matches!(state, SecretState::Retiring { .. }))
            .ok_or(Refusal::NoOverlap)?;
        let before = json!({ "secret": secret.number, "accepted_until": until_of(secret) });
        secret.state = SecretState::Ended { at: now, why: EndedBecause::Replaced };
        let after = json!({ "secret": secret.number, "accepted_until": now });
        Ok((credential, Happened::new(Kind::RotationFinished, before, after)))
    }

    /// Gives the previous secret more time, up to `latest`.
    pub fn extend(
        self,
        permit: &Permit,
        until: Time,
        up_to_ms: i64,
        now: Time,
    ) -> Result<Changed, Refusal> {
        assert!(permit.act() == Act::Extend);
        let mut credential = self.open(now)?;
        let rotated_at = credential.current().map_or(now, |current| current.created_at);
        let secret = credential
            .secret_mut(|state| matches!(state, SecretState::Retiring { .. }))
            .ok_or(Refusal::NoOverlap)?;
        let SecretState::Retiring { until: before } = secret.state else {
            return Err(Refusal::NoOverlap);
        };
        if until <= before {
            return Err(Refusal::NotLater(before));
        }
        let latest = rotated_at.plus_ms(up_to_ms);
        if until > latest {
            return Err(Refusal::TooLate(latest));
        }
        secret.state = SecretState::Retiring { until };
        let number = secret.number;
        let happened = Happened::new(
            Kind::OverlapExtended,
            json!({ "secret": number, "accepted_until": before }),
            json!({ "secret": number, "accepted_until": until }),
        );
        Ok((credential, happened))
    }

    /// Undoes a rotation: the new secret ends at once, the previous one is current again.
    pub fn roll_back(self, permit: &Permit, now: Time) -> Result<Changed, Refusal> {
        assert!(permit.act() == Act::Rollback);
        let mut credential = self.open_unexpired(now)?;
        if credential.retiring(now).is_none() {
            return Err(Refusal::NoOverlap);
        }
        let mut before = 0;
        if let Some(new) = credential.secret_mut(|state| *state == SecretState::Current) {
            before = new.number;
            new.state = SecretState::Ended { at: now, why: EndedBecause::RolledBack };
        }
        let old = credential
            .secret_mut(|state| matches!(state, SecretState::Retiring { .. }))
            .ok_or(Refusal::NoOverlap)?;
        old.state = SecretState::Current;
        let after = old.number;
        let happened = Happened::new(
            Kind::RolledBack,
            json!({ "secret": before }),
            json!({ "secret": after }),
        );
        Ok((credential, happened))
    }

    /// Ends the credential and every secret of it, for ever.
    pub fn revoke(self, permit: &Permit, now: Time) -> Result<Changed, Refusal> {
        assert!(permit.act() == Act::Revoke);
        let credential = self.open(now)?.ended(Status::Revoked { at: now }, now);
        let happened = Happened::new(
            Kind::Revoked,
            json!({ "status": "active" }),
            json!({ "status": "revoked" }),
        );
        Ok((credential, happened))
    }

    /// Revokes it, if it still lives, and takes it off the list.
    pub fn delete(mut self, permit: &Permit, now: Time) -> Result<Changed, Refusal> {
        assert!(permit.act() == Act::Delete);
        let before = match self.status {
            Status::Live => "active",
            Status::Revoked { .. } => {
                // Only its place in the list changes; what ended stays ended as it did.
                self.status = Status::Live;
                "revoked"
            }
            Status::Deleted { .. } => return Err(Refusal::Deleted),
        };
        let credential = self.open(now)?.ended(Status::Deleted { at: now }, now);
        let happened = Happened::new(
            Kind::Deleted,
            json!({ "status": before }),
            json!({ "status": "deleted" }),
        );
        Ok((credential, happened))
    }

    fn ended(mut self, status: Status, now: Time) -> Self {
        self.status = status;
        for secret in &mut self.secrets {
            if !matches!(secret.state, SecretState::Ended { .. }) {
                secret.state = SecretState::Ended { at: now, why: EndedBecause::Revoked };
            }
        }
        self
    }

    /// Gives it another name.
    pub fn rename(self, permit: &Permit, name: String, now: Time) -> Result<Changed, Refusal> {
        assert!(permit.act() == Act::Rename);
        let mut credential = self.open(now)?;
        let before = std::mem::replace(&mut credential.name, name);
        let after = json!({ "name": credential.name });
        Ok((credential, Happened::new(Kind::Updated, json!({ "name": before }), after)))
    }

    /// Changes what it may do, from where, and how often. Its secrets stay.
    pub fn edit(
        self,
        permit: &Permit,
        edit: Edit,
        scheme: &Scheme,
        now: Time,
    ) -> Result<Changed, Refusal> {
        assert!(permit.act() == Act::Edit);
        let mut credential = self.open(now)?;
        let before = credential.access(scheme);
        if let Some(grant) = edit.grant {
            credential.grant = grant;
        }
        let addresses = edit.addresses.unwrap_or_else(|| credential.addresses.clone());
        let mode = edit.address_mode.unwrap_or(credential.address_mode);
        credential.set_addresses(addresses, mode);
        if let Some(rate) = edit.rate {
            credential.rate = rate;
        }
        let after = credential.access(scheme);
        Ok((credential, Happened::new(Kind::Updated, before, after)))
    }

    fn access(&self, scheme: &Scheme) -> Value {
        json!({
            "grant": self.grant.to_names(scheme.resource_names()),
            "addresses": self.addresses,
            "address_mode": self.address_mode.as_str(),
            "rate_limit": self.rate.map(|rate| {
                json!({ "requests": rate.requests, "window_seconds": rate.window_ms / 1000 })
            }),
        })
    }

    /// Changes when it stops by itself. What has expired comes back only by a confirmed act.
    pub fn set_expiry(
        self,
        permit: &Permit,
        expires_at: Option<Time>,
        now: Time,
    ) -> Result<Changed, Refusal> {
        assert!(permit.act() == Act::Expire);
        let mut credential =
            if permit.is_confirmed() { self.open(now)? } else { self.open_unexpired(now)? };
        let before = std::mem::replace(&mut credential.expires_at, expires_at);
        let happened = Happened::new(
            Kind::Updated,
            json!({ "expires_at": before }),
            json!({ "expires_at": expires_at }),
        );
        Ok((credential, happened))
    }
}

/// What an edit changes; `None` leaves a thing as it is.
#[derive(Debug, Clone, Default)]
pub struct Edit {
    /// The new grant.
    pub grant: Option<Grant>,
    /// The new address list.
    pub addresses: Option<Vec<IpNet>>,
    /// What the list does.
    pub address_mode: Option<AddressMode>,
    /// The new limit; `Some(None)` goes back to the scheme's.
    pub rate: Option<Option<RateLimit>>,
}

impl Edit {
    /// Whether anything is to change.
    pub fn is_something(&self) -> bool {
        self.grant.is_some()
            || self.addresses.is_some()
            || self.address_mode.is_some()
            || self.rate.is_some()
    }
}

fn until_of(secret: &Secret) -> Option<Time> {
    match secret.state {
        SecretState::Retiring { until } => Some(until),
        _ => None,
    }
}
