//! Routes to the secrets of credentials, and to the operator's own tokens.

use super::{Route, get, patch, post};
use crate::http::api::{credentials, tokens};

/// What is done to a credential's secrets, and its end.
pub(super) fn secret_routes() -> Vec<Route> {
    use credentials::{Act, Duplicate, Extend, Rotate};
    let route = |path, operation, summary, handler| {
        post::<Act>(path, operation, "credentials", summary, handler)
    };
    vec![
        route(
            under!(credential "/reveal"),
            "revealCredential",
            "Shows a public credential again.",
            handler!(credentials::reveal),
        ),
        post::<Rotate>(
            under!(credential "/rotate"),
            "rotateCredential",
            "credentials",
            "Gives a credential a new secret; the one before stays for the overlap.",
            handler!(credentials::rotate),
        )
        .takes_away(),
        route(
            under!(credential "/finish"),
            "finishRotation",
            "Ends the previous secret now.",
            handler!(credentials::finish),
        )
        .takes_away(),
        post::<Extend>(
            under!(credential "/extend"),
            "extendOverlap",
            "credentials",
            "Gives the previous secret more time.",
            handler!(credentials::extend),
        ),
        route(
            under!(credential "/rollback"),
            "rollBackRotation",
            "Undoes a rotation: the new secret ends, the previous one is current again.",
            handler!(credentials::roll_back),
        )
        .takes_away(),
        route(
            under!(credential "/regenerate"),
            "regenerateCredential",
            "Replaces a credential's secret at once.",
            handler!(credentials::regenerate),
        )
        .takes_away(),
        post::<Duplicate>(
            under!(credential "/duplicate"),
            "duplicateCredential",
            "credentials",
            "Makes a second credential like this one.",
            handler!(credentials::duplicate),
        )
        .created(),
        route(
            under!(credential "/revoke"),
            "revokeCredential",
            "Ends a credential for ever, from the answer on.",
            handler!(credentials::revoke),
        )
        .takes_away(),
        route(
            under!(credential "/delete"),
            "deleteCredential",
            "Ends a credential and takes it off the list.",
            handler!(credentials::delete),
        )
        .takes_away(),
    ]
}

pub(super) fn token_routes() -> Vec<Route> {
    use credentials::{Act, Rotate, Update};
    vec![
        get(
            "/v1/operator-tokens",
            "listOperatorTokens",
            "tokens",
            "The operator's tokens.",
            handler!(tokens::list),
        )
        .query(&["limit", "cursor", "revoked"]),
        post::<tokens::Create>(
            "/v1/operator-tokens",
            "createOperatorToken",
            "tokens",
            "Makes an operator token, as wide as its maker's at most.",
            handler!(tokens::create),
        )
        .created(),
        get(
            under!(token ""),
            "getOperatorToken",
            "tokens",
            "One operator token.",
            handler!(tokens::get),
        ),
        patch::<Update>(
            under!(token ""),
            "updateOperatorToken",
            "tokens",
            "Changes a token's name, limits or expiry.",
            handler!(tokens::update),
        )
        .takes_away(),
        post::<Rotate>(
            under!(token "/rotate"),
            "rotateOperatorToken",
            "tokens",
            "Gives a token a new secret; the one before stays for the overlap.",
            handler!(tokens::rotate),
        )
        .takes_away(),
        post::<Act>(
            under!(token "/revoke"),
            "revokeOperatorToken",
            "tokens",
            "Ends a token, from the answer on.",
            handler!(tokens::revoke),
        )
        .takes_away(),
    ]
}
