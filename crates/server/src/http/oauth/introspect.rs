//! `POST /oauth/introspect`: what a token is worth now (RFC 7662).

use http::StatusCode;
use serde_json::json;

use super::client::{Asker, asker};
use super::params::Params;
use super::{Call, Refused, Reply, said};
use crate::codes::OAuthError;
use crate::verify::FoundToken;

pub(super) fn introspect(call: &Call, params: &Params) -> Result<Reply, Refused> {
    let engine = &call.app.platform.engine;
    let asker = asker(call, params)?;
    let text = params.get("token");
    let text = text.ok_or_else(|| Refused::new(OAuthError::InvalidRequest, "token is missing"))?;
    if !engine.may_answer() {
        return Err(Refused::unavailable("the token could not be verified"));
    }
    let now = engine.now();
    let token = match engine.find_token(text) {
        FoundToken::Access(token) => Some(token).filter(|token| engine.is_good(token, now)),
        FoundToken::None | FoundToken::Login | FoundToken::Astray => None,
    };
    // And once more, as for a verdict: a node that lost its lease in between says nothing.
    if !engine.may_answer() {
        return Err(Refused::unavailable("the token could not be verified"));
    }
    // Unknown, ended and another account's are the same to who asks (RFC 7662 §2.2).
    let token = token.filter(|token| match &asker {
        Asker::Operator => true,
        Asker::Client(client) => client.entry.account == token.entry.account,
    });
    let account = token.as_ref().and_then(|token| engine.index.account(&token.entry));
    let (Some(token), Some(account)) = (token, account) else {
        return Ok(said(StatusCode::OK, &json!({ "active": false })));
    };
    let entry = &token.entry;
    let kind = engine.scheme.kinds.get(usize::from(entry.kind));
    let body = json!({
        "active": true,
        "scope": keyway_guard::scope(&engine.grant_names(entry.grant)),
        "client_id": entry.credential.to_string(),
        "token_type": "Bearer",
        "exp": token.until.min(entry.ends_at).0.div_euclid(1_000),
        "iat": token.issued.0.div_euclid(1_000),
        "sub": account.id.to_string(),
        "iss": call.app.site.base_url(),
        "jti": token.id.to_string(),
        "environment": entry.environment.as_str(),
        "kind": kind.map(|kind| kind.name.as_str()),
        "external_account": account.external_id.load().as_deref(),
    });
    Ok(said(StatusCode::OK, &body))
}
