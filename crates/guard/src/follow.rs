//! The JSON of `POST /v1/follow`: one definition for the server and for every follower of it.

use serde::{Deserialize, Serialize};

/// What a follower says to its node.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// Who asks, as it was called when it joined; nothing to join.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follower: Option<String>,
    /// It has applied everything before this place.
    #[serde(default)]
    pub applied: u64,
    /// Counts its questions from 1: what one of them says it decided is counted once, however often it
    /// is sent.
    #[serde(default)]
    pub turn: u64,
    /// What it decided since it said so last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub used: Vec<Used>,
    /// Whether it stops answering now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub leaves: bool,
}

/// Requests with one secret, of one minute, for one scope, from one address and client.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Used {
    /// Where the node counts the secret's requests.
    pub slot: u32,
    /// The credential's id.
    pub credential: String,
    /// Which of its secrets.
    pub secret: u32,
    /// How many.
    pub requests: u32,
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// Whether they were refused because the rate limit was used up; otherwise they were let through.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_limited: bool,
    /// What they were for.
    pub needed: Needed,
    /// Where they came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// What the client calls itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
}

/// What a request needed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Needed {
    /// Nothing but a valid credential.
    Identity,
    /// A route that no list names.
    Unlisted,
    /// An action on a resource.
    Scope(String, String),
}

/// What a node says to a follower.
#[derive(Debug, Serialize, Deserialize)]
pub struct Told {
    /// What the follower is called.
    pub follower: String,
    /// What changed since it was told last: of this, nothing that it knows counts any more.
    pub changed: Vec<Changed>,
    /// It has applied everything before this place then.
    pub place: u64,
    /// For how long it may answer then, in milliseconds from before it asked.
    pub loan_ms: u64,
    /// The instant, in milliseconds since 1970: by this clock, credentials end.
    pub now: i64,
}

/// Something that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Changed {
    /// A credential, by its id.
    Credential(String),
    /// An account, and so all that it has.
    Account(String),
    /// An access token.
    Token(String),
    /// It may be anything.
    Everything,
}
