//! The parameters of paths and queries, by their names: a name means the same wherever it is.

use keyway_domain::id;
use keyway_domain::limits;
use keyway_domain::verdict::Reason;
use keyway_store::deliveries::State;
use serde_json::{Value, json};

use super::shapes;
use crate::http::api::usage::HOURS_MAX;

/// The parameters of a path: its placeholders.
pub(super) fn of_path(path: &str) -> impl Iterator<Item = Value> {
    path.split('/').filter_map(|segment| {
        let name = segment.strip_prefix('{')?.strip_suffix('}')?;
        let (about, schema) = match name {
            "account" => ("An account's id.", shapes::id(id::AccountId::PREFIX)),
            "credential" => ("A credential's id.", shapes::id(id::CredentialId::PREFIX)),
            "member" => ("A person's id.", shapes::id(id::MemberId::PREFIX)),
            "endpoint" => ("An endpoint's id.", shapes::id(id::EndpointId::PREFIX)),
            "delivery" => ("A delivery's id.", shapes::id(id::DeliveryId::PREFIX)),
            "request" => {
                let example = "req_shown-in-every-answer";
                let schema = json!({
                    "type": "string", "minLength": 1, "maxLength": 128, "examples": [example],
                });
                ("A `Request-Id`.", schema)
            }
            _ => ("The rest of the path.", json!({ "type": "string" })),
        };
        Some(parameter(name, ("path", true), about, schema))
    })
}

/// A parameter of a query.
pub(super) fn of_query(name: &str) -> Value {
    let instant =
        || json!({ "type": "string", "format": "date-time", "examples": [shapes::INSTANT] });
    let within = |max: i64, default: i64| json!({ "type": "integer", "minimum": 1, "maximum": max, "default": default });
    let text = || json!({ "type": "string" });
    let (about, schema) = match name {
        "limit" => {
            let (max, default) = (limits::PAGE_MAX.into(), limits::PAGE_DEFAULT.into());
            ("How many entries.", within(max, default))
        }
        "cursor" => ("The `next_cursor` of the page before.", text()),
        "wait" => {
            let all = ["everywhere", "commit"];
            let about = "`everywhere` answers when no node acts on what was before; `commit` when \
                the change is kept, with status 202 and the instant by which it is everywhere.";
            (about, json!({ "type": "string", "enum": all, "default": "everywhere" }))
        }
        "external_id" => ("Only the account with this id of the platform's.", text()),
        "subject" => ("Only events of this thing: an id.", text()),
        "type" => ("Only events whose names begin so, such as `api_key.`.", text()),
        "since" => ("At this instant or later.", instant()),
        "until" => ("Before this instant.", instant()),
        "credential" => ("Only of this credential.", shapes::id(id::CredentialId::PREFIX)),
        "outcome" => {
            let reasons = Reason::ALL.iter().map(|reason| reason.as_str());
            let more = ["allowed", "address_reported", "refused"];
            let all: Vec<&str> = more.into_iter().chain(reasons).collect();
            let about = "Only what was decided so: `allowed`, `address_reported` (allowed, and not \
                from the list), `refused`, or one reason.";
            (about, json!({ "type": "string", "enum": all }))
        }
        "route" => ("Only requests of this route, by its pattern.", text()),
        "address" => ("Only requests from this address.", text()),
        "environment" => {
            ("Only of this environment.", json!({ "type": "string", "enum": ["test", "live"] }))
        }
        "kind" => ("Only of this kind.", text()),
        "revoked" => (
            "Whether revoked ones are listed, too.",
            json!({
                "type": "boolean", "default": false,
            }),
        ),
        "state" => {
            let all = State::ALL.map(State::as_str);
            ("Only those in this state.", json!({ "type": "string", "enum": all }))
        }
        "hours" => ("How many hours back.", within(HOURS_MAX, 24)),
        "days" => ("How many days back.", within(limits::USAGE_DAYS_KEPT, 30)),
        "format" => {
            let all = json!({ "type": "string", "enum": ["json", "csv"], "default": "json" });
            ("What is answered with.", all)
        }
        _ => ("", text()),
    };
    parameter(name, ("query", false), about, schema)
}

/// The key that makes a call repeatable.
pub(super) fn idempotency_key() -> Value {
    let about = "Names this call: sent again with the same key and body within 24 hours, it changes \
        nothing and gets the first answer, without a secret.";
    let schema = json!({
        "type": "string",
        "minLength": 1,
        "maxLength": limits::IDEMPOTENCY_KEY_MAX,
        "pattern": "^[!-~]+$",
        "examples": ["5b1f5c1e-rename"],
    });
    parameter("Idempotency-Key", ("header", false), about, schema)
}

/// A parameter.
pub(super) fn parameter(
    name: &str,
    (place, is_required): (&str, bool),
    about: &str,
    schema: Value,
) -> Value {
    let mut parameter = json!({
        "name": name, "in": place, "required": is_required, "description": about,
    });
    parameter["schema"] = schema;
    parameter
}
