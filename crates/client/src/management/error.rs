//! Why a call of the management API came to nothing.

use std::fmt;

use http::StatusCode;
use keyway_guard::NodeError;
use serde::Deserialize;

/// Why a call came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ManagementError {
    /// The server refuses, and says why.
    #[error("{0}")]
    Refused(Box<Problem>),
    /// Nothing says whether it was done: ask again with the same idempotency key.
    #[error(transparent)]
    Unknown(#[from] NodeError),
    /// An id holds characters that none has.
    #[error("an id holds letters, digits and underscores only")]
    NoId,
    /// What was given can't be sent as JSON.
    #[error("what was given is not JSON: {0}")]
    NotJson(serde_json::Error),
}

/// What the server says of a refusal (RFC 9457).
#[derive(Debug, Clone, Deserialize)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// A stable word: `invalid_field`, `not_in_scheme`, `overlap_active` …
    #[serde(default)]
    pub code: String,
    /// What happened, for people.
    #[serde(default)]
    pub detail: String,
    /// The field that is wrong, if one is.
    #[serde(default)]
    pub field: Option<String>,
    /// Finds the call again.
    #[serde(default)]
    pub request_id: String,
}

impl Problem {
    pub(super) fn read(status: StatusCode, body: &str) -> Self {
        serde_json::from_str(body).unwrap_or_else(|_| Self {
            status: status.as_u16(),
            code: "unknown".to_owned(),
            // Whatever stands before the server answers in its own way.
            detail: "the answer is not one of Keyway's".to_owned(),
            field: None,
            request_id: String::new(),
        })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.code, self.status, self.detail)?;
        if let Some(field) = &self.field {
            write!(f, " (field `{field}`)")?;
        }
        if !self.request_id.is_empty() {
            write!(f, " [{}]", self.request_id)?;
        }
        Ok(())
    }
}
