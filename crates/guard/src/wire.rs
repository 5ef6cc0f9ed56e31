//! The JSON of `POST /v1/verify`: one definition for the server and for every client of it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The body of `POST /v1/verify`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuestionBody<'a> {
    /// The method of the request to judge.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub method: Option<Cow<'a, str>>,
    /// Its path and query, as they came over the wire.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Cow<'a, str>>,
    /// Its headers, in their order, doubled ones twice.
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// Its body in base64, needed only for request signatures.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Cow<'a, str>>,
    /// The resource it is about, in place of method and path.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<Cow<'a, str>>,
    /// `read` or `write`, beside `resource`.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Cow<'a, str>>,
    /// `test` or `live`: what the endpoint serves.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Cow<'a, str>>,
    /// The client's address.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub client_address: Option<Cow<'a, str>>,
    /// The account that owns the target.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Cow<'a, str>>,
    /// Whether to answer with a [`Passport`]: for who follows the node, and judges by itself then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub passport: bool,
}

/// The body of the answer to `POST /v1/verify`.
#[derive(Debug, Serialize, Deserialize)]
pub struct AnswerBody {
    /// Whether the request may pass.
    pub allowed: bool,
    /// Why not: a stable word (`missing`, `revoked`, `insufficient_scope` …), or `answered` for a
    /// request that Keyway answers itself (a login).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Finds this decision again.
    pub request_id: String,
    /// Who asks; present when allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// Headers to put on the API's own answer; present when allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub response_headers: Vec<(String, String)>,
    /// What to tell the client when the request may not pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
    /// What else to know of the credential, if that was asked for and it can be judged elsewhere:
    /// not if each request is signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passport: Option<Passport>,
}

/// What a follower of a node needs beside the identity to judge the next request by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passport {
    /// The place, in what the node tells its followers, up to which this is as new as can be.
    pub as_of: u64,
    /// Where the node counts the secret's requests.
    pub slot: u32,
    /// The first instant at which what was presented is refused, in milliseconds since 1970.
    pub until: i64,
    /// The access token that was presented, if it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The ranges from which requests may come; empty for any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
    /// The credential's rate limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<PassportRate>,
}

/// So many requests a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassportRate {
    /// Requests.
    pub requests: u32,
    /// The window, in milliseconds.
    pub window_ms: u32,
}

/// Resource → actions.
pub type GrantNames = BTreeMap<String, Vec<String>>;

/// Who is behind an allowed request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The account's id (`acct_…`).
    pub account: String,
    /// The platform's own id of the account, if it gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// The credential's id (`cred_…`).
    pub credential: String,
    /// The credential's kind, as the scheme names it.
    pub kind: String,
    /// The credential's name.
    pub name: String,
    /// `test` or `live`.
    pub environment: String,
    /// Resource → actions, or `"*"` → both for everything.
    pub grant: Arc<GrantNames>,
    /// Which of the credential's secrets was used: its number, from 1.
    pub secret: u32,
    /// Finds this decision again.
    pub request_id: String,
    /// The credential's rate limit after this request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// Why it would have been refused, if that were not only reported: `address_not_allowed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported: Option<String>,
}

impl Identity {
    /// Its grant as [`scope`] writes it.
    pub fn scope(&self) -> String {
        scope(&self.grant)
    }
}

/// A grant as a list of `resource:action` with spaces between (RFC 6749 §3.3); everything is
/// `*:read *:write`.
pub fn scope(grant: &GrantNames) -> String {
    let mut scope = String::new();
    for (resource, actions) in grant {
        for action in actions {
            if !scope.is_empty() {
                scope.push(' ');
            }
            scope.push_str(resource);
            scope.push(':');
            scope.push_str(action);
        }
    }
    scope
}

/// A rate limit after one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// Requests a window.
    pub limit: u32,
    /// Requests left now.
    pub remaining: u32,
    /// Milliseconds until the limit is whole again.
    pub reset_ms: u64,
}

/// A complete HTTP answer to the client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Its headers.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: String,
}

/// A request that may pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// Who asks.
    pub identity: Identity,
    /// Headers that belong on the API's answer: the request id and the rate limit, as the platform
    /// spells them.
    pub response_headers: Vec<(String, String)>,
}

/// What was decided about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It may pass.
    Allowed(Box<Passed>),
    /// It may not, or Keyway answers it itself: send this.
    Answered(Answer),
}

/// The headers that tell the id of a request: ours, and beside it the client's own `X-Request-Id`,
/// if that is one that can be passed on.
pub fn request_ids(request_id: &str, own: Option<&[u8]>) -> Vec<(String, String)> {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._:-".contains(byte);
    let own = own.filter(|own| (1..=128).contains(&own.len()) && own.iter().all(plain));
    let own = own.and_then(|own| std::str::from_utf8(own).ok()).unwrap_or(request_id);
    vec![
        ("request-id".to_owned(), request_id.to_owned()),
        ("x-request-id".to_owned(), own.to_owned()),
    ]
}
