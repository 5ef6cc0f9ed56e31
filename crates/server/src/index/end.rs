//! When a secret ends, as its credential's own state says.

use keyway_domain::credential::{Credential, Secret, SecretState, Status};
use keyway_domain::time::Time;

/// The end of a secret.
pub(super) struct End {
    pub(super) at: Time,
    /// Whether that is its credential's expiry.
    pub(super) by_expiry: bool,
    /// Whether an act has ended it.
    pub(super) ended: bool,
}

impl End {
    pub(super) fn of(credential: &Credential, secret: &Secret) -> Self {
        let is_live = credential.status == Status::Live;
        let own = match secret.state {
            SecretState::Current => Time::NEVER,
            SecretState::Retiring { until } => until,
            SecretState::Ended { at, .. } => at,
        };
        let own = match credential.status {
            Status::Live => own,
            Status::Revoked { at } | Status::Deleted { at } => own.min(at),
        };
        let ended = !is_live || matches!(secret.state, SecretState::Ended { .. });
        match credential.expires_at {
            Some(at) if at <= own => Self { at, by_expiry: true, ended },
            _ => Self { at: own, by_expiry: false, ended },
        }
    }
}
