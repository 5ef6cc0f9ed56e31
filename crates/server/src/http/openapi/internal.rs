//! The operations of the internal listener: verification, health, figures.

use http::Method;
use keyway_domain::limits::BATCH_MAX;
use keyway_domain::verdict::Reason;
use serde_json::{Map, Value, json};

use super::answers::Answers;
use super::operation::Operation;
use super::{PATH, follow, shapes};
use crate::codes::Code;
use crate::http::internal::{METRICS, READY, VERIFY, VERIFY_BATCH};
use crate::http::unlisted::HEALTH;

const VERIFICATION: &str = "Verification";
const SERVICE: &str = "Service";
const JSON: &str = "application/json";

/// The operations, but for those of gateways.
pub(super) fn operations() -> Vec<Operation> {
    let mut all = vec![verify(), batch()];
    all.extend(follow::operations(&by_token()));
    all.extend([health(), ready(), metrics(), document()]);
    all
}

/// How the platform's machines authenticate, where they must.
pub(super) fn security() -> Map<String, Value> {
    let about = "An operator token with `verification:read`; not needed on this machine's own \
        addresses.";
    let token = json!({ "type": "http", "scheme": "bearer", "description": about });
    let about = "The same for gateways, whose `Authorization` is their client's.";
    let header = crate::http::authz::GATEWAY_TOKEN;
    let gateway = json!({ "type": "apiKey", "in": "header", "name": header, "description": about });
    Map::from_iter([("operatorToken".to_owned(), token), ("gatewayToken".to_owned(), gateway)])
}

/// Nobody needs a token on this machine.
fn by_token() -> Vec<Vec<&'static str>> {
    vec![vec![], vec!["operatorToken"]]
}

fn question() -> Value {
    let text = |about: &str, example: Option<&str>| {
        let mut schema = json!({ "type": ["string", "null"], "description": about });
        if let Some(example) = example {
            schema["examples"] = json!([example]);
        }
        schema
    };
    let header = json!({
        "type": "array", "items": { "type": "string" }, "minItems": 2, "maxItems": 2,
    });
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "method": text("The request's method.", Some("GET")),
            "path": text("Its path and query, as they came over the wire.", Some("/v1/invoices")),
            "headers": {
                "type": "array",
                "items": header,
                "description": "Its headers as `[name, value]`, in their order, doubled ones twice.",
                "examples": [[["authorization", "Bearer (the client's credential)"]]],
            },
            "body": text("Its body in base64, for request signatures.", None),
            "resource": text("What it is about, in place of method and path.", None),
            "action": text("`read` or `write`, beside `resource`.", None),
            "environment": text("What the endpoint serves: `test` or `live`.", Some("live")),
            "client_address": text("The client's address.", Some("203.0.113.7")),
            "account": text("The account that owns the target: Keyway's id or yours.", None),
            "passport": {
                "type": "boolean",
                "description": "Whether to answer with a passport: for who follows the node.",
            },
        },
    })
}

/// An answer for the client, as Keyway would give it.
fn client_answer() -> Value {
    let header = json!({
        "type": "array", "items": { "type": "string" }, "minItems": 2, "maxItems": 2,
    });
    json!({
        "type": "object",
        "description": "What to tell the client.",
        "required": ["status", "headers", "body"],
        "properties": {
            "status": { "type": "integer" },
            "headers": { "type": "array", "items": header },
            "body": { "type": "string" },
        },
    })
}

fn answer() -> Value {
    let reasons = Reason::ALL.iter().map(|reason| reason.as_str()).chain(["answered"]);
    let rate = json!({
        "type": "object",
        "description": "The credential's rate limit after this request.",
        "required": ["limit", "remaining", "reset_ms"],
        "properties": {
            "limit": { "type": "integer" },
            "remaining": { "type": "integer" },
            "reset_ms": { "type": "integer", "description": "Milliseconds until it is whole again." },
        },
    });
    let identity = json!({
        "type": "object",
        "description": "Who asks, when it is allowed.",
        "required": [
            "account", "credential", "kind", "name", "environment", "grant", "secret", "request_id",
        ],
        "properties": {
            "account": shapes::id("acct_"),
            "external_id": { "type": "string" },
            "credential": shapes::id("cred_"),
            "kind": { "type": "string" },
            "name": { "type": "string" },
            "environment": { "type": "string", "enum": ["test", "live"] },
            "grant": {
                "type": "object",
                "additionalProperties": { "type": "array", "items": { "type": "string" } },
            },
            "secret": { "type": "integer", "description": "Which of its secrets, from 1." },
            "request_id": { "type": "string" },
            "rate": rate,
            "reported": {
                "type": "string",
                "description": "Why it would have been refused, if that were not only reported.",
            },
        },
    });
    let header = json!({
        "type": "array", "items": { "type": "string" }, "minItems": 2, "maxItems": 2,
    });
    json!({
        "type": "object",
        "required": ["allowed", "request_id"],
        "properties": {
            "allowed": { "type": "boolean", "description": "Whether the request may pass." },
            "reason": {
                "type": "string",
                "enum": reasons.collect::<Vec<_>>(),
                "description": "Why not; `answered` for a login, whose reply `answer` is.",
            },
            "request_id": { "type": "string", "description": "Finds this decision again." },
            "identity": identity,
            "response_headers": {
                "type": "array",
                "items": header,
                "description": "Headers to put on the API's own answer.",
            },
            "answer": client_answer(),
            "passport": {
                "type": "object",
                "additionalProperties": true,
                "description": "What else a follower of the node must know to judge by itself.",
            },
        },
    })
}

fn allowed() -> Value {
    json!({
        "allowed": true,
        "request_id": "req_shown-in-every-answer",
        "identity": {
            "account": shapes::ACCOUNT,
            "external_id": "merchant-1042",
            "credential": "cred_01kb3zd9c0f8m2q7n4x5w6r1ta",
            "kind": "key",
            "name": "Checkout server",
            "environment": "live",
            "grant": { "invoices": ["read"] },
            "secret": 1,
            "request_id": "req_shown-in-every-answer",
        },
        "response_headers": [["request-id", "req_shown-in-every-answer"]],
    })
}

/// What a question can be refused for.
const QUESTION: &[Code] = &[
    Code::NotAQuestion,
    Code::BodyIncomplete,
    Code::BodyTooSlow,
    Code::BodyTooLarge,
    Code::InvalidField,
    Code::Unavailable,
];

fn verify() -> Operation {
    let said = (JSON, answer());
    let answers = Answers::default()
        .given(200, "What was decided: a \"no\" is an answer, too.", said, allowed())
        .token()
        .problems(QUESTION);
    let about = "Whether a request may pass, and who it is.";
    Operation {
        description:
            "With neither `method` and `path` nor `resource` and `action`, the question is \
            only who it is."
                .to_owned(),
        security: by_token(),
        body: vec![(JSON, question())],
        ..Operation::open(Method::POST, VERIFY, "verify", (VERIFICATION, about), answers)
    }
}

fn batch() -> Operation {
    let asked = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["questions"],
        "properties": {
            "questions": {
                "type": "array", "items": question(), "minItems": 1, "maxItems": BATCH_MAX,
            },
        },
    });
    let said = json!({
        "type": "object",
        "required": ["answers"],
        "properties": { "answers": { "type": "array", "items": answer() } },
    });
    let example = json!({ "answers": [allowed()] });
    let answers = Answers::default()
        .given(200, "The answers, in the order of the questions.", (JSON, said), example)
        .token()
        .problems(QUESTION);
    let about = "Many questions at once.";
    Operation {
        security: by_token(),
        body: vec![(JSON, asked)],
        ..Operation::open(Method::POST, VERIFY_BATCH, "verifyBatch", (VERIFICATION, about), answers)
    }
}

fn health() -> Operation {
    let text = ("text/plain", json!({ "type": "string" }));
    let answers = Answers::default().given(200, "It lives.", text, "ok\n");
    let about = "Whether the process lives.";
    Operation::open(Method::GET, HEALTH, "getHealth", (SERVICE, about), answers)
}

fn ready() -> Operation {
    let schema = || {
        json!({
            "type": "object",
            "required": ["ready", "state", "reason"],
            "properties": {
                "ready": { "type": "boolean" },
                "state": { "type": "string" },
                "reason": { "type": ["string", "null"] },
                "applied": { "type": "integer" },
                "behind": { "type": "integer" },
                "loaded": { "type": "integer" },
                "of": { "type": "integer" },
                "rows_refused": { "type": "integer" },
            },
        })
    };
    let yes = json!({ "ready": true, "state": "ready", "reason": null, "rows_refused": 0 });
    let no = json!({
        "ready": false, "state": "loading", "reason": "500 of 1000 secrets are loaded",
        "loaded": 500, "of": 1000,
    });
    let answers = Answers::default()
        .given(200, "It answers questions.", (JSON, schema()), yes)
        .given(503, "It does not, and why.", (JSON, schema()), no);
    let about = "Whether this process answers questions.";
    Operation::open(Method::GET, READY, "getReady", (SERVICE, about), answers)
}

fn metrics() -> Operation {
    let text = ("text/plain", json!({ "type": "string" }));
    let example = "# TYPE keyway_store_well gauge\nkeyway_store_well 1\n";
    let answers = Answers::default()
        .given(200, "Figures for Prometheus.", text, example)
        .token()
        .problems(&[Code::Unavailable]);
    let about = "Figures in the Prometheus text format.";
    Operation {
        security: by_token(),
        ..Operation::open(Method::GET, METRICS, "getMetrics", (SERVICE, about), answers)
    }
}

fn document() -> Operation {
    let object = json!({ "type": "object", "required": ["openapi", "info", "paths"], "additionalProperties": true });
    let example = json!({ "openapi": "3.1.0", "info": { "title": "Keyway" }, "paths": {} });
    let answers = Answers::default()
        .given(200, "The document.", (JSON, object), example)
        .problems(&[Code::Unavailable]);
    Operation::open(Method::GET, PATH, "getDocument", (SERVICE, "This document."), answers)
}
