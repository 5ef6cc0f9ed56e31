//! How requests, and messages to endpoints, are signed in the platform's own form.

use keyway_secret::SecretText;

/// How requests are signed.
#[derive(Debug, Clone)]
pub struct Signature {
    /// Header names.
    pub headers: SignatureHeaders,
    /// What is signed, in order.
    pub message: Vec<SignedPart>,
    /// How the HMAC is written.
    pub encoding: SignatureEncoding,
    /// Which forms of the body are tried, in order.
    pub bodies: Vec<SignedBody>,
    /// Where in the request's path the signed path begins: its first segment. `None` for all of it.
    pub path_from: Option<String>,
    /// How old a timestamp may be, in milliseconds.
    pub past_ms: i64,
    /// How far ahead it may be.
    pub future_ms: i64,
}

/// The headers of a signed request.
#[derive(Debug, Clone)]
pub struct SignatureHeaders {
    /// The public id.
    pub id: String,
    /// The signature.
    pub signature: String,
    /// The salt, never the same twice.
    pub salt: String,
    /// Unix seconds.
    pub timestamp: String,
}

/// A part of the signed message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedPart {
    /// The method in lower case.
    MethodLower,
    /// The path and query.
    Path,
    /// The salt.
    Salt,
    /// The timestamp as sent.
    Timestamp,
    /// The public id.
    Id,
    /// The secret itself.
    Secret,
    /// The body.
    Body,
    /// For messages to endpoints: the endpoint's whole URL.
    Url,
}

/// The values of a signed message's parts.
#[derive(Debug, Clone, Copy, Default)]
pub struct SignedValues<'v> {
    /// The method in lower case.
    pub method: &'v str,
    /// The path and query.
    pub path: &'v str,
    /// The endpoint's URL.
    pub url: &'v str,
    /// The salt.
    pub salt: &'v str,
    /// The timestamp.
    pub timestamp: &'v str,
    /// The public id.
    pub id: &'v str,
    /// The body.
    pub body: &'v [u8],
}

impl SignedPart {
    /// The part's bytes, given the message's values and its secret.
    pub fn of<'v>(self, values: &SignedValues<'v>, secret: &'v SecretText) -> &'v [u8] {
        match self {
            Self::MethodLower => values.method.as_bytes(),
            Self::Path => values.path.as_bytes(),
            Self::Salt => values.salt.as_bytes(),
            Self::Timestamp => values.timestamp.as_bytes(),
            Self::Id => values.id.as_bytes(),
            Self::Secret => secret.reveal().as_bytes(),
            Self::Body => values.body,
            Self::Url => values.url.as_bytes(),
        }
    }
}

/// How an HMAC is written into its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureEncoding {
    /// Lower-case hex.
    Hex,
    /// Base64 of the lower-case hex text.
    Base64OfHex,
}

/// A form of the body that clients sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedBody {
    /// The bytes as sent; an empty object counts as nothing.
    Raw,
    /// JSON without white space, in UTF-8.
    Compact,
    /// JSON without white space, everything beyond ASCII escaped.
    CompactAscii,
    /// As JavaScript would write it: numbers without trailing zeros.
    CompactJs,
}
