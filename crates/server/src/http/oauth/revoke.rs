//! `POST /oauth/revoke`: a client is done with a token, or fears for it (RFC 7009).

use http::StatusCode;
use keyway_domain::actor::Actor;
use keyway_store::DbError;
use keyway_store::tokens::EndedToken;
use serde_json::json;

use super::client::authenticate;
use super::params::Params;
use super::{Call, Refused, Reply, said};
use crate::codes::OAuthError;
use crate::coherence::{Effect, Reach};
use crate::commands::Moment;
use crate::commands::access_tokens;
use crate::usage::client as client_name;
use crate::verify::FoundToken;

pub(super) async fn revoke(call: &Call, params: &Params) -> Result<Reply, Refused> {
    let engine = &call.app.platform.engine;
    let client = authenticate(call, params)?;
    let text = params.get("token");
    let text = text.ok_or_else(|| Refused::new(OAuthError::InvalidRequest, "token is missing"))?;
    let token = match engine.find_token(text) {
        FoundToken::Access(token) => token,
        // Whatever is no token is none any more (RFC 7009 §2.2).
        FoundToken::None => return Ok(done()),
        FoundToken::Login => {
            let which = "a token of the login ends with its time or its credential";
            return Err(Refused::new(OAuthError::UnsupportedTokenType, which));
        }
        // This node may hear of its secret later: the token must not come back then.
        FoundToken::Astray => return Err(Refused::unavailable("the token is not known here yet")),
    };
    if token.entry.credential != client.entry.credential {
        let whose = "the token was not issued to this client";
        return Err(Refused::new(OAuthError::UnauthorizedClient, whose));
    }
    let moment = Moment {
        actor: Actor::Credential { credential: client.entry.credential },
        request_id: client.request_id.clone(),
        address: call.address.map(|address| address.to_string()),
        client: client_name(&call.headers),
        ..call.app.own_moment()
    };
    let account = engine.index.account(&token.entry).map(|account| account.id);
    let account = account.ok_or_else(|| Refused::unavailable("the token is of no account"))?;
    let whose = (account, token.entry.credential);
    let ended = EndedToken { id: token.id, until: token.until };
    let written = call
        .app
        .db
        .write_placed(moment.now, move |tx| access_tokens::end(tx, &moment, whose, ended));
    let away = |_: DbError| Refused::unavailable("the token could not be revoked");
    let ((), position) = written.await.map_err(away)?;
    let reached = call.app.reach(position, Reach::Everywhere).await.map_err(away)?;
    match reached.effect {
        Effect::Everywhere { .. } => Ok(done()),
        // The client must not think that it is done (RFC 7009 §2.2.1).
        Effect::Pending { .. } | Effect::Lost => {
            Err(Refused::unavailable("the token is not revoked on every node yet"))
        }
    }
}

/// The body says nothing (RFC 7009 §2.2), in JSON: of two clients that read it, one gives up on an empty
/// one, the other on one of no type.
fn done() -> Reply {
    said(StatusCode::OK, &json!({}))
}
