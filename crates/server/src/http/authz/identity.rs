//! What a gateway passes on to the API about an allowed request: always the same headers.
//!
//! A header that is left out is one that most gateways let the client write, so none ever is; what
//! there is nothing to say of is [`NONE`].

use keyway_guard::Identity;
use url::form_urlencoded::byte_serialize;

/// The value that says nothing.
pub(super) const NONE: &str = "-";

/// Every header of an allowed request, lower-case. Gateways must overwrite, or take away, all.
pub(super) const NAMES: [&str; 10] = [
    "x-keyway-account",
    "x-keyway-external-account",
    "x-keyway-credential",
    "x-keyway-kind",
    "x-keyway-name",
    "x-keyway-environment",
    "x-keyway-secret",
    "x-keyway-scope",
    "x-keyway-request-id",
    "x-keyway-context",
];

/// The headers of an allowed request.
pub(super) fn headers(
    identity: &Identity,
    context: String,
) -> impl Iterator<Item = (&'static str, String)> {
    let values = [
        identity.account.clone(),
        identity.external_id.as_deref().map_or_else(|| NONE.to_owned(), ToOwned::to_owned),
        identity.credential.clone(),
        identity.kind.clone(),
        // A name is anybody's text; a header's is ASCII.
        byte_serialize(identity.name.as_bytes()).collect(),
        identity.environment.clone(),
        identity.secret.to_string(),
        identity.scope(),
        identity.request_id.clone(),
        context,
    ];
    let said = |value: String| if value.is_empty() { NONE.to_owned() } else { value };
    NAMES.into_iter().zip(values.map(said))
}

/// Whether a server that takes underscores for hyphens reads a header as one of ours.
pub(super) fn is_lookalike(name: &str) -> bool {
    let folded = name.to_ascii_lowercase().replace('_', "-");
    folded.starts_with("x-keyway-") && !NAMES.contains(&name)
}
