//! What goes into calls and comes out of them.

use std::collections::BTreeMap;
use std::fmt;

use keyway_secret::SecretText;
use serde::{Deserialize, Deserializer, Serialize};

/// What may be done: everything, or actions on resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grant {
    /// Everything there is and will be.
    Everything,
    /// Resource or group → `none`, `read`, `write`, or what else the scheme calls its levels.
    Levels(BTreeMap<String, String>),
    /// Single scopes: `invoices:read`.
    Scopes(Vec<String>),
}

impl Serialize for Grant {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Everything => serializer.serialize_str("everything"),
            Self::Levels(levels) => levels.serialize(serializer),
            Self::Scopes(scopes) => scopes.serialize(serializer),
        }
    }
}

/// A merchant.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Account {
    /// Its id (`acct_…`).
    pub id: String,
    /// The platform's own id of it.
    pub external_id: Option<String>,
    /// Its name.
    pub name: String,
    /// `active` or `suspended`.
    pub status: String,
    /// When it was registered (RFC 3339).
    pub created_at: String,
    /// The credentials that the scheme gives at registration; in the answer of the registration only.
    #[serde(default)]
    pub credentials: Vec<Made>,
    /// How far the change came, in the answer of one that takes something away.
    #[serde(flatten)]
    pub reach: Reach,
}

/// A merchant to register.
#[derive(Debug, Clone, Default, Serialize)]
pub struct NewAccount {
    /// Its name.
    pub name: String,
    /// The platform's own id of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
}

/// How far a change came that takes something away.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Reach {
    /// `everywhere`: no node answers from before it. `pending`: some may until `effective_by`.
    pub effective: Option<String>,
    /// How many nodes there are.
    pub nodes: Option<u64>,
    /// How long it took, in milliseconds.
    pub effective_ms: Option<u64>,
    /// By when it is true everywhere, where it is pending.
    pub effective_by: Option<String>,
}

impl Reach {
    /// Whether no node answers from before the change any more.
    pub fn is_everywhere(&self) -> bool {
        self.effective.as_deref() == Some("everywhere")
    }
}

/// A credential. Never a secret.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Credential {
    /// Its id (`cred_…`).
    pub id: String,
    /// Whose it is.
    pub account: String,
    /// `test` or `live`.
    pub environment: String,
    /// Its kind, as the scheme names it.
    pub kind: String,
    /// What its owner calls it.
    pub name: String,
    /// `active`, `expired`, `revoked` or `deleted`.
    pub status: String,
    /// Resource → actions, or `"*"` → both for everything.
    pub grant: BTreeMap<String, Vec<String>>,
    /// From where it may be used; empty for anywhere.
    pub addresses: Vec<String>,
    /// What becomes of requests from elsewhere: `enforce` refuses them, `report` only counts them.
    pub address_mode: String,
    /// A limit of its own.
    pub rate_limit: Option<RateLimit>,
    /// Its public id, where that is not of a single secret.
    pub client_id: Option<String>,
    /// When it was made (RFC 3339).
    pub created_at: String,
    /// When it ends by itself.
    pub expires_at: Option<String>,
    /// When it was ended.
    pub ended_at: Option<String>,
    /// When it was used last, to the minute.
    pub last_used_at: Option<String>,
    /// Its secrets, newest first.
    pub secrets: Vec<Secret>,
    /// How far the change came, in the answer of one that takes something away.
    #[serde(flatten)]
    pub reach: Reach,
}

/// What is shown of a secret.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Secret {
    /// Its number, from 1.
    pub number: u32,
    /// How it begins and ends.
    pub hint: String,
    /// Its own public id.
    pub public_id: Option<String>,
    /// `current`, `retiring` or `ended`.
    pub state: String,
    /// Until when it is accepted, while it retires.
    pub accepted_until: Option<String>,
    /// When it was used last, to the minute.
    pub last_used_at: Option<String>,
}

/// So many requests a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateLimit {
    /// Requests.
    pub requests: u32,
    /// The window, in seconds.
    pub window_seconds: u32,
}

/// A credential to make.
#[derive(Debug, Clone, Default, Serialize)]
pub struct NewCredential {
    /// A kind of the scheme.
    pub kind: String,
    /// `test` or `live`.
    pub environment: String,
    /// What its owner calls it.
    pub name: String,
    /// What it may do, for kinds whose grant is chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant: Option<Grant>,
    /// Addresses and ranges that may use it; empty for anywhere.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
    /// `enforce`, unless it is said, or `report`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address_mode: Option<String>,
    /// A limit of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
    /// When it ends: a date (00:00:00Z at its start) or an instant (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
}

/// What changes about a credential; what is `None` stays as it is.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Edit {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it may do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant: Option<Grant>,
    /// From where it may be used; empty for anywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub addresses: Option<Vec<String>>,
    /// `enforce` or `report`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address_mode: Option<String>,
    /// When it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
}

/// A credential with the secret that was just made.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Made {
    /// The credential.
    #[serde(flatten)]
    pub credential: Credential,
    /// The strings of its new secret; `None` if this answer repeats an earlier one.
    pub secret: Option<SecretStrings>,
}

/// The strings of a secret under the scheme's names (`key`, or `client_id` and `client_secret` …).
/// They are wiped when dropped, and not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretStrings(BTreeMap<String, SecretText>);

impl SecretStrings {
    /// The string of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(SecretText::reveal)
    }

    /// The names there are.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl fmt::Debug for SecretStrings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl<'de> Deserialize<'de> for SecretStrings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Field {
            Text(String),
            Other(serde::de::IgnoredAny),
        }
        let fields = BTreeMap::<String, Field>::deserialize(deserializer)?;
        let strings = fields.into_iter().filter_map(|(name, field)| match field {
            Field::Text(text) => Some((name, SecretText::new(text))),
            // Beside the strings stand the environment variables they belong in.
            Field::Other(_) => None,
        });
        Ok(Self(strings.collect()))
    }
}

/// A page of a list.
#[derive(Debug, Clone, Deserialize)]
pub struct Page<T> {
    /// What is on it.
    pub data: Vec<T>,
    /// Where the next page begins; `None` on the last.
    #[serde(default)]
    pub next_cursor: Option<String>,
}

/// How much a credential is used.
#[derive(Debug, Clone, Deserialize)]
pub struct Usage {
    /// Requests by outcome: `allowed`, or a reason.
    pub total: BTreeMap<String, u64>,
    /// Requests by hour, secret and outcome.
    pub data: Vec<UsageRow>,
}

/// Requests of one hour with one secret and one outcome.
#[derive(Debug, Clone, Deserialize)]
pub struct UsageRow {
    /// The hour's beginning (RFC 3339).
    pub hour: String,
    /// Which secret.
    pub secret: u32,
    /// `allowed`, or a reason.
    pub outcome: String,
    /// How many.
    pub requests: u64,
}
