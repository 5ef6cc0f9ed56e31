//! OAuth 2.0 for clients that want it: client credentials (RFC 6749 §4.4), introspection (RFC 7662),
//! revocation (RFC 7009) and the metadata document (RFC 8414).
//!
//! A pair is traded for an access token, which carries what it says, sealed, and dies with its pair.

mod client;
mod introspect;
mod issue;
mod params;
mod revoke;

use http::header::{CACHE_CONTROL, HeaderValue, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Method, StatusCode};
use keyway_domain::grant::{Action, Need};
use serde_json::{Value, json};

use super::{Call, Reply, json as json_reply};
use crate::codes::OAuthError;
use params::Params;

pub(super) const TOKEN: &str = "/oauth/token";
pub(super) const INTROSPECT: &str = "/oauth/introspect";
pub(super) const REVOKE: &str = "/oauth/revoke";
pub(super) const METADATA: &str = "/.well-known/oauth-authorization-server";

/// Whether a call of the public listener is answered here.
pub(super) fn is_ours(call: &Call) -> bool {
    call.app.platform.rules.scheme.oauth.is_some()
        && matches!(call.uri.path(), TOKEN | INTROSPECT | REVOKE | METADATA)
}

/// The method of a path of ours.
pub(super) fn method(path: &str) -> Method {
    if path == METADATA { Method::GET } else { Method::POST }
}

/// Answers a call with that method.
pub(super) async fn serve(call: Call) -> Reply {
    let path = call.uri.path().to_owned();
    if path == METADATA {
        return json_reply(StatusCode::OK, metadata(&call).to_string());
    }
    let target = call.uri.path_and_query().map_or("", |target| target.as_str());
    let engines = [&call.app.platform.engine, &call.app.operator.engine];
    if engines.iter().any(|engine| engine.holds_secret(target)) {
        let where_ = "a credential was sent in the URL, where logs keep it; replace it";
        return Refused::new(OAuthError::InvalidRequest, where_).reply();
    }
    let params = match Params::read(&call) {
        Ok(params) => params,
        Err(refused) => return refused.reply(),
    };
    let answered = match path.as_str() {
        TOKEN => issue::issue(&call, &params),
        INTROSPECT => introspect::introspect(&call, &params),
        _ => revoke::revoke(&call, &params).await,
    };
    answered.unwrap_or_else(|refused| refused.reply())
}

/// Why a call is refused (RFC 6749 §5.2).
#[derive(Debug, Clone)]
struct Refused {
    error: OAuthError,
    description: String,
    /// A challenge goes only to who tried the header: some clients read nothing else once there is one.
    challenge: bool,
    retry_after: Option<u64>,
}

impl Refused {
    fn new(error: OAuthError, description: impl Into<String>) -> Self {
        Self { error, description: description.into(), challenge: false, retry_after: None }
    }

    /// Nobody can be sure now.
    fn unavailable(description: &str) -> Self {
        Self { retry_after: Some(1), ..Self::new(OAuthError::TemporarilyUnavailable, description) }
    }

    fn reply(&self) -> Reply {
        let body = json!({ "error": self.error.as_str(), "error_description": self.description });
        let mut reply = said(self.error.status(), &body);
        let headers = reply.headers_mut();
        if self.challenge {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"Keyway\""));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        reply
    }
}

/// An answer that no cache keeps (RFC 6749 §5.1).
fn said(status: StatusCode, body: &Value) -> Reply {
    let mut reply = json_reply(status, body.to_string());
    let headers = reply.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    reply
}

fn metadata(call: &Call) -> Value {
    let base = call.app.site.base_url();
    let scheme = &call.app.platform.rules.scheme;
    let resources = 0..u8::try_from(scheme.resource_names().len()).unwrap_or(u8::MAX);
    let needs = resources
        .flat_map(|resource| Action::ALL.into_iter().map(move |action| Need { resource, action }));
    let scopes: Vec<String> = needs.map(|need| scheme.say_need(need)).collect();
    let ways = json!(["client_secret_basic", "client_secret_post"]);
    json!({
        "issuer": base,
        "token_endpoint": format!("{base}{TOKEN}"),
        "token_endpoint_auth_methods_supported": ways,
        "introspection_endpoint": format!("{base}{INTROSPECT}"),
        "introspection_endpoint_auth_methods_supported": ways,
        "revocation_endpoint": format!("{base}{REVOKE}"),
        "revocation_endpoint_auth_methods_supported": ways,
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": [],
        "scopes_supported": scopes,
    })
}
