//! Routes to the secrets of credentials, and to the operator's own tokens.

use super::refusals::{
    CHANGING, DUPLICATING, ENDING, EXTENDING, IN_OVERLAP, REVEALING, ROLLING_BACK, ROTATING,
};
use super::{CREDENTIALS, Handler, Route, get, patch, post};
use crate::codes::Code;
use crate::http::api::accounts::Nothing;
use crate::http::api::view::{Credential, Page};
use crate::http::api::{Changed, credentials, operator_links, tokens};

/// What is done to a credential without knowing more than which.
fn act(
    path: &'static str,
    operation: &'static str,
    summary: &'static str,
    handler: Handler,
) -> Route {
    post::<credentials::Act, Changed<Credential>>(path, operation, "credentials", summary, handler)
}

/// What is done to a credential's secrets.
pub(super) fn secret_routes() -> Vec<Route> {
    use credentials::{Extend, Rotate};
    vec![
        act(
            under!(credential "/reveal"),
            "revealCredential",
            "Shows a public credential again.",
            handler!(credentials::reveal),
        )
        .shows_secret()
        .refuses(REVEALING),
        post::<Rotate, Changed<Credential>>(
            under!(credential "/rotate"),
            "rotateCredential",
            "credentials",
            "Gives a credential a new secret; the one before stays for the overlap.",
            handler!(credentials::rotate),
        )
        .shows_secret()
        .takes_away()
        .refuses(ROTATING),
        act(
            under!(credential "/finish"),
            "finishRotation",
            "Ends the previous secret now.",
            handler!(credentials::finish),
        )
        .takes_away()
        .refuses(IN_OVERLAP),
        post::<Extend, Changed<Credential>>(
            under!(credential "/extend"),
            "extendOverlap",
            "credentials",
            "Gives the previous secret more time.",
            handler!(credentials::extend),
        )
        .refuses(EXTENDING),
        act(
            under!(credential "/rollback"),
            "rollBackRotation",
            "Undoes a rotation: the new secret ends, the previous one is current again.",
            handler!(credentials::roll_back),
        )
        .takes_away()
        .refuses(ROLLING_BACK),
        act(
            under!(credential "/regenerate"),
            "regenerateCredential",
            "Replaces a credential's secret at once.",
            handler!(credentials::regenerate),
        )
        .shows_secret()
        .takes_away()
        .refuses(CHANGING),
    ]
}

/// A second credential like one, and the end of one.
pub(super) fn end_routes() -> Vec<Route> {
    use credentials::Duplicate;
    vec![
        post::<Duplicate, Changed<Credential>>(
            under!(credential "/duplicate"),
            "duplicateCredential",
            "credentials",
            "Makes a second credential like this one.",
            handler!(credentials::duplicate),
        )
        .shows_secret()
        .created_under(CREDENTIALS)
        .refuses(DUPLICATING),
        act(
            under!(credential "/revoke"),
            "revokeCredential",
            "Ends a credential for ever, from the answer on.",
            handler!(credentials::revoke),
        )
        .takes_away()
        .refuses(ENDING),
        act(
            under!(credential "/delete"),
            "deleteCredential",
            "Ends a credential and takes it off the list.",
            handler!(credentials::delete),
        )
        .takes_away()
        .refuses(ENDING),
    ]
}

pub(super) fn token_routes() -> Vec<Route> {
    use credentials::{Act, Rotate, Update};
    vec![
        get::<Page<Credential>>(
            "/v1/operator-tokens",
            "listOperatorTokens",
            "tokens",
            "The operator's tokens.",
            handler!(tokens::list),
        )
        .query(&["limit", "cursor", "revoked"]),
        post::<tokens::Create, Changed<Credential>>(
            "/v1/operator-tokens",
            "createOperatorToken",
            "tokens",
            "Makes an operator token, as wide as its maker's at most.",
            handler!(tokens::create),
        )
        .shows_secret()
        .created_under("/v1/operator-tokens")
        .refuses(&[Code::TooManyCredentials]),
        get::<Credential>(
            under!(token ""),
            "getOperatorToken",
            "tokens",
            "One operator token.",
            handler!(tokens::get),
        ),
        patch::<Update, Changed<Credential>>(
            under!(token ""),
            "updateOperatorToken",
            "tokens",
            "Changes a token's name, limits or expiry.",
            handler!(tokens::update),
        )
        .takes_away()
        .refuses(&[Code::RoleNotAllowed, Code::CredentialRevoked]),
        post::<Rotate, Changed<Credential>>(
            under!(token "/rotate"),
            "rotateOperatorToken",
            "tokens",
            "Gives a token a new secret; the one before stays for the overlap.",
            handler!(tokens::rotate),
        )
        .shows_secret()
        .takes_away()
        .refuses(&[
            Code::RoleNotAllowed,
            Code::CredentialRevoked,
            Code::CredentialExpired,
            Code::OverlapRunning,
        ]),
        post::<Act, Changed<Credential>>(
            under!(token "/revoke"),
            "revokeOperatorToken",
            "tokens",
            "Ends a token, from the answer on.",
            handler!(tokens::revoke),
        )
        .takes_away()
        .refuses(&[Code::RoleNotAllowed]),
        post::<Nothing, operator_links::Made>(
            "/v1/operator-links",
            "createOperatorLink",
            "accounts",
            "Makes a link to the operator's pages, for a browser that then may what the token may.",
            handler!(operator_links::create),
        )
        .shows_secret()
        .only_looks()
        .created(),
    ]
}
