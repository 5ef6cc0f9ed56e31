//! A refusal in two steps, for nginx: its `auth_request` throws our answer away, so the answer goes
//! along, sealed, in a header, and a second call shows it. That call decides and counts nothing.

use http::HeaderMap;
use keyway_domain::verdict::Reason;
use keyway_guard::Answer;

use super::super::{Reply, answer};
use crate::app::App;
use crate::verify::{Headers as _, One};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Where a refusal is shown.
pub(in crate::http) const PATH: &str = "/authz/nginx/denial";
/// The header that carries it.
pub(super) const HEADER: &str = "x-keyway-denial";

/// A refusal for the second call. Sealed, so that only what Keyway said is ever shown.
pub(super) fn token(app: &App, refusal: &Answer) -> String {
    let bytes = serde_json::to_vec(refusal).unwrap_or_default();
    URL_SAFE_NO_PAD.encode(app.keys.denials.seal_unique(&bytes))
}

/// Shows a refusal. Without one, the gateway got no answer to its question: nobody can be sure.
pub(super) fn shown(app: &App, headers: &HeaderMap) -> Reply {
    let opened = match headers.one(HEADER) {
        One::Value(value) => URL_SAFE_NO_PAD
            .decode(value)
            .ok()
            .and_then(|sealed| app.keys.denials.unseal_unique(&sealed).ok())
            .and_then(|bytes| serde_json::from_slice(&bytes).ok()),
        One::Missing | One::Many => None,
    };
    answer(opened.unwrap_or_else(|| app.platform.engine.refuse(Reason::Unavailable, headers)))
}
