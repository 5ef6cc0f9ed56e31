//! `POST /oauth/token`: a pair for an access token.

use http::StatusCode;
use http::header::{HeaderName, HeaderValue};
use keyway_domain::grant::Grant;
use serde_json::json;

use super::client::authenticate;
use super::params::Params;
use super::{Call, Refused, Reply, said};
use crate::codes::OAuthError;

pub(super) fn issue(call: &Call, params: &Params) -> Result<Reply, Refused> {
    let engine = &call.app.platform.engine;
    match params.get("grant_type") {
        Some("client_credentials") => {}
        Some(_) => {
            let known = "grant_type is `client_credentials`";
            return Err(Refused::new(OAuthError::UnsupportedGrantType, known));
        }
        None => return Err(Refused::new(OAuthError::InvalidRequest, "grant_type is missing")),
    }
    let client = authenticate(call, params)?;
    let held = client.entry.grant;
    let grant = match params.get("scope") {
        None => held,
        Some(scope) => wanted(call, scope, held)?,
    };
    let now = engine.now();
    let pair = (client.id.as_str(), client.secret.as_str());
    let issued = engine.issue_access_token(pair, client.entry, grant, now);
    let (text, token) = issued.ok_or_else(|| {
        Refused::new(OAuthError::UnauthorizedClient, "this credential is not traded for tokens")
    })?;
    let names = engine.grant_names(token.entry.grant);
    let body = json!({
        "access_token": text,
        "token_type": "Bearer",
        "expires_in": (token.until.0 - now.0) / 1_000,
        "scope": keyway_guard::scope(&names),
    });
    let mut reply = said(StatusCode::OK, &body);
    if let Ok(id) = HeaderValue::try_from(client.request_id) {
        let headers = reply.headers_mut();
        headers.insert(HeaderName::from_static("request-id"), id.clone());
        headers.insert(HeaderName::from_static("x-request-id"), id);
    }
    Ok(reply)
}

/// The grant that is asked for: no more than the client has.
fn wanted(call: &Call, scope: &str, held: Grant) -> Result<Grant, Refused> {
    const EVERYTHING: &str = "*:read *:write";
    if scope == EVERYTHING && held == Grant::Everything {
        return Ok(held);
    }
    let grant = call.app.platform.rules.scheme.scope(scope);
    let grant = grant.filter(|grant| *grant != Grant::NONE && held.covers(*grant));
    grant.ok_or_else(|| {
        Refused::new(OAuthError::InvalidScope, "the scope is unknown, or more than the client has")
    })
}
