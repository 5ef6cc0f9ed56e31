//! A credential and its secrets over time.

use std::net::IpAddr;

use ipnet::IpNet;
use keyway_secret::{Digest, Environment};

use crate::canonical::Canonical;
use crate::grant::Grant;
use crate::id::{AccountId, CredentialId};
use crate::time::Time;

/// A thing that authenticates. Its id never changes; its secrets do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Its id.
    pub id: CredentialId,
    /// Whose it is.
    pub account: AccountId,
    /// Where it works.
    pub environment: Environment,
    /// Its kind's name in the scheme.
    pub kind: String,
    /// What its owner calls it.
    pub name: String,
    /// What it may do.
    pub grant: Grant,
    /// Where requests may come from; empty means anywhere.
    pub addresses: Vec<IpNet>,
    /// What becomes of a request from elsewhere. An empty list is never one that only reports.
    pub address_mode: AddressMode,
    /// A limit of its own, in place of the scheme's.
    pub rate: Option<RateLimit>,
    /// The public id that its secrets share, where the kind has one per credential or account.
    pub client_id: Option<String>,
    /// When it stops by itself.
    pub expires_at: Option<Time>,
    /// Whether it still lives.
    pub status: Status,
    /// When it was made.
    pub created_at: Time,
    /// Counts its changes.
    pub version: i64,
    /// Newest first. The first is current while the credential lives.
    pub secrets: Vec<Secret>,
}

/// What an address list does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum AddressMode {
    /// It refuses what comes from elsewhere.
    #[default]
    Enforce,
    /// It lets that pass, and counts it: to see what a list would refuse before it does.
    Report,
}

impl AddressMode {
    /// The word in JSON and SQL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Report => "report",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Enforce, Self::Report].into_iter().find(|mode| mode.as_str() == text)
    }
}

/// Whether a credential lives. Expiry is not here: it follows from the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It does.
    Live,
    /// It was revoked, for ever.
    Revoked {
        /// When.
        at: Time,
    },
    /// It was revoked and left the list; it is kept for the audit.
    Deleted {
        /// When.
        at: Time,
    },
}

/// One accepted string of a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// Its number within the credential, from 1, never used twice.
    pub number: u32,
    /// What is kept of it.
    pub digest: Digest,
    /// The public id that belongs to this secret alone, where the kind has one per secret.
    pub public_id: Option<String>,
    /// The secret itself, sealed, for kinds that must recover it.
    pub sealed: Option<Vec<u8>>,
    /// What may be shown of it: its first characters and its last four.
    pub hint: String,
    /// When it was made.
    pub created_at: Time,
    /// Where it is in its life.
    pub state: SecretState,
}

/// Where a secret is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretState {
    /// The one to use.
    Current,
    /// Replaced, and accepted until then.
    Retiring {
        /// The first instant at which it is refused.
        until: Time,
    },
    /// Refused for ever.
    Ended {
        /// Since when.
        at: Time,
        /// Why.
        why: EndedBecause,
    },
}

/// Why a secret ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndedBecause {
    /// Its overlap ran out, was finished early, or was none.
    Replaced,
    /// The rotation that made it was rolled back.
    RolledBack,
    /// Its credential was revoked or deleted.
    Revoked,
}

/// Whether an address is in one of these ranges. One that is not known is in none.
pub fn is_in(ranges: &[IpNet], address: Option<IpAddr>) -> bool {
    address.is_some_and(|address| {
        // A v4 client on a v6 socket is the v4 client that the list names.
        let address = address.to_canonical();
        ranges.iter().any(|range| range.contains(&address))
    })
}

/// So many requests a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RateLimit {
    /// Requests.
    pub requests: u32,
    /// The window, in milliseconds.
    pub window_ms: u32,
}

impl Secret {
    /// Whether it is accepted at `now`, as far as its own state says.
    pub fn is_live(&self, now: Time) -> bool {
        match self.state {
            SecretState::Current => true,
            SecretState::Retiring { until } => now < until,
            SecretState::Ended { .. } => false,
        }
    }

    /// Its state at `now`: an overlap that ran out has ended, whether or not that was written down.
    pub fn state_at(&self, now: Time) -> SecretState {
        match self.state {
            SecretState::Retiring { until } if until <= now => {
                SecretState::Ended { at: until, why: EndedBecause::Replaced }
            }
            state => state,
        }
    }
}

impl Credential {
    /// Sets where requests may come from. A list of nothing has nothing to report.
    pub fn set_addresses(&mut self, addresses: Vec<IpNet>, mode: AddressMode) {
        self.address_mode = if addresses.is_empty() { AddressMode::Enforce } else { mode };
        self.addresses = addresses;
    }

    /// The list that refuses what comes from elsewhere; empty if there is none, or it only reports.
    pub fn enforced_addresses(&self) -> &[IpNet] {
        match self.address_mode {
            AddressMode::Enforce => &self.addresses,
            AddressMode::Report => &[],
        }
    }

    /// Whether its expiry has come.
    pub fn has_expired(&self, now: Time) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    /// The secret to use.
    pub fn current(&self) -> Option<&Secret> {
        self.secrets.iter().find(|secret| secret.state == SecretState::Current)
    }

    /// The previous secret, while its overlap runs, and when that ends.
    pub fn retiring(&self, now: Time) -> Option<(&Secret, Time)> {
        self.secrets.iter().find_map(|secret| match secret.state {
            SecretState::Retiring { until } if now < until => Some((secret, until)),
            _ => None,
        })
    }

    /// Everything that a row seal covers, in one unambiguous run of bytes.
    pub fn sealed_bytes(&self, resources: &[String]) -> Vec<u8> {
        let mut bytes = Canonical::with_capacity(512);
        // The version of this layout; the second differs by the mode of the address list, so that
        // the seals of before still fit.
        bytes.number(if self.address_mode == AddressMode::Report { 2 } else { 1 });
        bytes.big(self.id.0);
        bytes.big(self.account.0);
        bytes.text(self.environment.as_str());
        bytes.text(&self.kind);
        bytes.text(&self.grant.to_column(resources));
        bytes.number(i64::try_from(self.addresses.len()).unwrap_or(i64::MAX));
        for address in &self.addresses {
            bytes.text(&address.to_string());
        }
        bytes.number(self.rate.map_or(-1, |rate| i64::from(rate.requests)));
        bytes.number(self.rate.map_or(-1, |rate| i64::from(rate.window_ms)));
        bytes.text(self.client_id.as_deref().unwrap_or(""));
        bytes.number(self.expires_at.map_or(-1, |at| at.0));
        let (status, at) = match self.status {
            Status::Live => (0, 0),
            Status::Revoked { at } => (1, at.0),
            Status::Deleted { at } => (2, at.0),
        };
        bytes.number(status);
        bytes.number(at);
        bytes.number(self.version);
        for secret in &self.secrets {
            bytes.number(i64::from(secret.number));
            bytes.bytes(&secret.digest.0);
            bytes.text(secret.public_id.as_deref().unwrap_or(""));
            bytes.bytes(secret.sealed.as_deref().unwrap_or(b""));
            let (state, at) = match secret.state {
                SecretState::Current => (0, 0),
                SecretState::Retiring { until } => (1, until.0),
                SecretState::Ended { at, why } => (2 + why as i64, at.0),
            };
            bytes.number(state);
            bytes.number(at);
        }
        bytes.into_bytes()
    }
}
