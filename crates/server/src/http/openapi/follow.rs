//! The operations of processes that verify after a node.

use http::Method;
use serde_json::{Value, json};

use super::answers::Answers;
use super::operation::Operation;
use crate::codes::Code;
use crate::http::internal::{FOLLOW, FOLLOW_SCHEME};

const VERIFICATION: &str = "Verification";
const JSON: &str = "application/json";

/// The operations; `security` is that of verification.
pub(super) fn operations(security: &[Vec<&'static str>]) -> Vec<Operation> {
    [follow(), scheme()]
        .into_iter()
        .map(|operation| Operation { security: security.to_vec(), ..operation })
        .collect()
}

fn number(about: &str, max: u64) -> Value {
    json!({ "type": "integer", "minimum": 0, "maximum": max, "description": about })
}

/// A number that is small for good.
fn small(about: &str) -> Value {
    number(about, u32::MAX.into())
}

fn instant(about: &str) -> Value {
    json!({
        "type": "integer", "minimum": i64::MIN, "maximum": i64::MAX, "description": about,
    })
}

fn used() -> Value {
    let needed = json!({
        "description": "What they were for.",
        "oneOf": [
            { "enum": ["identity", "unlisted"] },
            {
                "type": "object",
                "additionalProperties": false,
                "required": ["scope"],
                "properties": { "scope": {
                    "type": "array", "items": { "type": "string" }, "minItems": 2, "maxItems": 2,
                } },
            },
        ],
    });
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["slot", "credential", "secret", "requests", "at", "needed"],
        "properties": {
            "slot": small("Where the node counts the secret's requests."),
            "credential": {
                "type": "string",
                "description": "The credential's id; one that the slot is not of is not counted.",
            },
            "secret": small("Which of its secrets."),
            "requests": small("How many."),
            "at": instant("When, in milliseconds since 1970."),
            "is_limited": {
                "type": "boolean", "description": "Whether they were refused for the rate limit.",
            },
            "needed": needed,
            "address": { "type": ["string", "null"], "description": "Where they came from." },
            "client": { "type": ["string", "null"], "description": "What the client calls itself." },
        },
    })
}

fn follow() -> Operation {
    let asked = json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "follower": {
                "type": ["string", "null"],
                "description": "Who asks, as it was called when it joined; nothing to join.",
            },
            "applied": number("It has applied everything before this place.", u64::MAX),
            "turn": number("Counts its questions from 1.", u64::MAX),
            "used": {
                "type": "array",
                "items": used(),
                "maxItems": crate::http::follow::USED_MAX,
                "description": "What it decided since it said so last.",
            },
            "leaves": { "type": "boolean", "description": "Whether it stops answering now." },
        },
    });
    let said = json!({
        "type": "object",
        "properties": {
            "follower": { "type": "string", "description": "What the follower is called." },
            "changed": {
                "type": "array",
                "items": true,
                "description": "What changed: `everything`, or an object that names a `credential`, \
                    an `account` or a `token`.",
            },
            "place": number("It has applied everything before this place then.", u64::MAX),
            "loan_ms": number("For how long it may answer then, from before it asked.", u64::MAX),
            "now": instant("The instant, in milliseconds since 1970."),
        },
    });
    let example = json!({
        "follower": "0123456789abcdef0123456789abcdef", "changed": [], "place": 1042,
        "loan_ms": 1800, "now": 1_795_262_400_000_i64,
    });
    let about = "What changed, once something has; nothing to one that leaves.";
    let codes = [
        Code::NotAQuestion,
        Code::BodyIncomplete,
        Code::BodyTooSlow,
        Code::BodyTooLarge,
        Code::InvalidField,
        Code::UnknownFollower,
        Code::TooManyFollowers,
        Code::StoreUnavailable,
        Code::Unavailable,
    ];
    let answers =
        Answers::default().given(200, about, (JSON, said), example).token().problems(&codes);
    let about = "Says how far a process is that verifies after this node, and hears what changed.";
    Operation {
        body: vec![(JSON, asked)],
        ..Operation::open(Method::POST, FOLLOW, "follow", (VERIFICATION, about), answers)
    }
}

fn scheme() -> Operation {
    let text = ("text/plain", json!({ "type": "string" }));
    let answers = Answers::default()
        .given(200, "The scheme, as its file has it.", text, "name = \"platform\"\n")
        .token()
        .problems(&[Code::Unavailable]);
    let about = "The scheme by which a follower judges.";
    Operation::open(Method::GET, FOLLOW_SCHEME, "getFollowScheme", (VERIFICATION, about), answers)
}
