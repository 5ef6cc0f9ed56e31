//! Why a request that passed the guard is not carried out. The dialects put it into words on the wire.

/// A request that is not carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("This API serves guarded requests only.")]
    Unguarded,
    #[error("The body is not a JSON object: {0}.")]
    Malformed(String),
    #[error("{field} {why}.")]
    Invalid { field: String, why: String },
    #[error("There is no {noun} with the id {id}.")]
    NotFound { noun: &'static str, id: String },
    #[error("There is nothing at this path.")]
    NoRoute,
    #[error("This path does not take this method.")]
    Method,
    #[error("The resource belongs to another account.")]
    NotYours,
    #[error("A body has at most {0} bytes.")]
    TooLarge(usize),
    #[error("The body did not arrive in time.")]
    TooSlow,
    #[error("The {noun} is {status} and cannot become {wanted}.")]
    State { noun: &'static str, status: String, wanted: &'static str },
    #[error("This idempotency key was used with another body.")]
    Mismatch,
    /// The reason is for the operator; the client is told that it is our side.
    #[error("Something went wrong on our side.")]
    Broken(String),
}

impl Refusal {
    /// A field of the body or the query that cannot be accepted.
    pub(crate) fn invalid(field: &str, why: impl Into<String>) -> Self {
        Self::Invalid { field: field.to_owned(), why: why.into() }
    }
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Self::Broken(error.to_string())
    }
}
