//! What the platform's clients call on the public listener: the login of the scheme, OAuth where it
//! is on; and what everybody may see.

use http::Method;
use keyway_domain::scheme::{Login, Scheme};
use serde_json::{Map, Value, json};

use super::PATH;
use super::answers::Answers;
use super::operation::Operation;
use crate::codes::{Code, OAuthError};
use crate::http::oauth;
use crate::http::unlisted::HEALTH;

const SERVICE: &str = "Service";
const OAUTH: &str = "OAuth";
const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

/// What a client's strings look like in examples.
const SHOWN_ONCE: &str = "(shown once, when it was made)";

/// The operations of a scheme.
pub(super) fn operations(scheme: &Scheme) -> Vec<Operation> {
    let mut all = Vec::new();
    all.extend(scheme.login.as_ref().map(|login| log_in(login, scheme)));
    if scheme.oauth.is_some() {
        all.extend([token(), introspect(), revoke(), metadata()]);
    }
    all.extend([document(), health()]);
    all
}

/// How the clients of a scheme authenticate.
pub(super) fn security(scheme: &Scheme, schemes: &mut Map<String, Value>) {
    if scheme.oauth.is_some() {
        let about = "A client's id and secret. They may be in the body instead, as `client_id` and \
            `client_secret`; never in both.";
        let pair = json!({ "type": "http", "scheme": "basic", "description": about });
        schemes.insert("clientPair".to_owned(), pair);
    }
    if let Some(login) = &scheme.login {
        for (name, header) in [("loginId", &login.id_header), ("loginSecret", &login.secret_header)]
        {
            let key = json!({ "type": "apiKey", "in": "header", "name": header });
            schemes.insert(name.to_owned(), key);
        }
    }
}

/// What a body that is too much, too slow or broken gets, before anybody looks who calls.
const BODY: &[Code] =
    &[Code::BodyIncomplete, Code::BodyTooSlow, Code::BodyTooLarge, Code::Unavailable];

fn log_in(login: &Login, scheme: &Scheme) -> Operation {
    let body = login
        .body
        .replace("{token}", "(a token for some minutes)")
        .replace("{expires_at}", "2026-11-21T12:30:00+0000");
    let example: Value = serde_json::from_str(&body).unwrap_or_default();
    let object = json!({ "type": "object" });
    let answers = Answers::default()
        .given(login.status, "A token for the platform's API.", (JSON, object), example)
        .header(login.status, "Cache-Control")
        .in_dialect(scheme);
    let about = "A pair for a token.";
    let id = "logIn";
    Operation {
        description: "In the words of the platform's own clients, refusals included.".to_owned(),
        security: vec![vec!["loginId", "loginSecret"]],
        ..Operation::open(Method::POST, &login.path, id, ("Login", about), answers.problems(BODY))
    }
}

/// The parameters of a form that names a client, and more.
fn form(more: &Value, required: &[&str]) -> Vec<(&'static str, Value)> {
    let mut fields = json!({
        "client_id": { "type": "string", "description": "The client's id, if it is not in `Authorization`." },
        "client_secret": {
            "type": "string",
            "description": "The client's secret, if it is not in `Authorization`.",
        },
    });
    if let (Some(fields), Some(more)) = (fields.as_object_mut(), more.as_object()) {
        fields.extend(more.clone());
    }
    let schema = json!({
        "type": "object",
        "required": required,
        "properties": fields,
        "additionalProperties": { "type": "string" },
    });
    vec![(FORM, schema.clone()), (JSON, schema)]
}

fn token_field() -> Value {
    json!({
        "type": "string", "minLength": 1, "examples": [SHOWN_ONCE], "description": "The token.",
    })
}

fn oauth(
    path: &str,
    (id, about): (&'static str, &str),
    body: Vec<(&'static str, Value)>,
    answers: Answers,
    errors: &[OAuthError],
) -> Operation {
    let common = [
        OAuthError::InvalidRequest,
        OAuthError::InvalidClient,
        OAuthError::TooManyRequests,
        OAuthError::TemporarilyUnavailable,
    ];
    let answers = answers.header(200, "Cache-Control").oauth(&common).oauth(errors).problems(BODY);
    Operation {
        security: vec![vec!["clientPair"]],
        body,
        ..Operation::open(Method::POST, path, id, (OAUTH, about), answers)
    }
}

fn token() -> Operation {
    let body = form(
        &json!({
            "grant_type": {
                "const": "client_credentials", "description": "The one grant that there is.",
            },
            "scope": {
                "type": "string",
                "description": "Scopes with spaces between: no more than the client has. Without \
                    it, all that it has.",
            },
        }),
        &["grant_type"],
    );
    let said = json!({
        "type": "object",
        "required": ["access_token", "token_type", "expires_in", "scope"],
        "properties": {
            "access_token": {
                "type": "string", "examples": ["(a token for some minutes)"],
                "description": "What the client presents as Bearer.",
            },
            "token_type": { "const": "Bearer", "description": "How it is presented." },
            "expires_in": { "type": "integer", "examples": [900], "description": "In seconds." },
            "scope": {
                "type": "string", "examples": ["invoices:read"],
                "description": "What the token may do.",
            },
        },
    });
    let answers = Answers::default().json(200, "A token.", said, false);
    let errors = [
        OAuthError::InvalidScope,
        OAuthError::UnauthorizedClient,
        OAuthError::UnsupportedGrantType,
    ];
    let about = "Trades a pair for an access token, which dies with its pair.";
    oauth(oauth::TOKEN, ("issueToken", about), body, answers, &errors)
}

fn introspect() -> Operation {
    let body = form(&json!({ "token": token_field() }), &["token"]);
    let text = |example: &str| json!({ "type": "string", "examples": [example] });
    let said = json!({
        "type": "object",
        "required": ["active"],
        "properties": {
            "active": { "type": "boolean", "examples": [true] },
            "scope": text("invoices:read"),
            "client_id": super::shapes::id("cred_"),
            "token_type": { "const": "Bearer" },
            "exp": { "type": "integer", "examples": [1_795_263_300] },
            "iat": { "type": "integer", "examples": [1_795_262_400] },
            "sub": super::shapes::id("acct_"),
            "iss": text("https://keyway.platform.example"),
            "jti": super::shapes::id("tok_"),
            "environment": { "type": "string", "enum": ["test", "live"] },
            "kind": text("client"),
            "external_account": { "type": ["string", "null"], "examples": ["merchant-1042"] },
        },
    });
    let answers = Answers::default().json(200, "What it is worth now.", said, false);
    let about = "Says what a token is worth now (RFC 7662).";
    let operation = oauth(oauth::INTROSPECT, ("introspectToken", about), body, answers, &[]);
    Operation {
        description: "A client asks about tokens of its account; an operator token with \
            `verification:read`, as Bearer or as the secret of a pair, about any."
            .to_owned(),
        security: vec![vec!["clientPair"], vec!["operatorToken"]],
        ..operation
    }
}

fn revoke() -> Operation {
    let body = form(&json!({ "token": token_field() }), &["token"]);
    let nothing = json!({ "type": "object", "additionalProperties": false, "examples": [{}] });
    let about = "Done: no node accepts it any more.";
    let answers = Answers::default().json(200, about, nothing, false);
    let errors = [OAuthError::UnauthorizedClient, OAuthError::UnsupportedTokenType];
    let about = "Ends a token (RFC 7009).";
    oauth(oauth::REVOKE, ("revokeToken", about), body, answers, &errors)
}

fn metadata() -> Operation {
    let text = || json!({ "type": "string", "format": "uri" });
    let list = || json!({ "type": "array", "items": { "type": "string" } });
    let mut fields = Map::new();
    let urls = ["issuer", "token_endpoint", "introspection_endpoint", "revocation_endpoint"];
    fields.extend(urls.map(|name| (name.to_owned(), text())));
    let lists = [
        "token_endpoint_auth_methods_supported",
        "introspection_endpoint_auth_methods_supported",
        "revocation_endpoint_auth_methods_supported",
        "grant_types_supported",
        "response_types_supported",
        "scopes_supported",
    ];
    fields.extend(lists.map(|name| (name.to_owned(), list())));
    let required: Vec<&String> = fields.keys().collect();
    let schema = json!({ "type": "object", "required": required, "properties": fields });
    let example = json!({
        "issuer": "https://keyway.platform.example",
        "token_endpoint": "https://keyway.platform.example/oauth/token",
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "introspection_endpoint": "https://keyway.platform.example/oauth/introspect",
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic"],
        "revocation_endpoint": "https://keyway.platform.example/oauth/revoke",
        "revocation_endpoint_auth_methods_supported": ["client_secret_basic"],
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": [],
        "scopes_supported": ["invoices:read"],
    });
    let answers = Answers::default()
        .given(200, "Where everything is.", (JSON, schema), example)
        .problems(BODY);
    let about = "Where tokens are had, and how (RFC 8414).";
    Operation::open(Method::GET, oauth::METADATA, "getOauthMetadata", (OAUTH, about), answers)
}

fn document() -> Operation {
    let object = json!({ "type": "object", "required": ["openapi", "info", "paths"], "additionalProperties": true });
    let example = json!({ "openapi": "3.1.0", "info": { "title": "Keyway" }, "paths": {} });
    let answers =
        Answers::default().given(200, "The document.", (JSON, object), example).problems(BODY);
    Operation::open(Method::GET, PATH, "getDocument", (SERVICE, "This document."), answers)
}

fn health() -> Operation {
    let text = json!({ "type": "string" });
    let answers =
        Answers::default().given(200, "It lives.", ("text/plain", text), "ok\n").problems(BODY);
    let about = "Whether the process lives.";
    Operation::open(Method::GET, HEALTH, "getHealth", (SERVICE, about), answers)
}
