//! The operations of the management API, each made of a route of the table.

use serde_json::{Value, json};

use super::answers::Answers;
use super::operation::Operation;
use super::{Shapes, parameters};
use crate::codes::Code;
use crate::http::routes::{Route, routes};

/// Every route's operation.
pub(super) fn operations(shapes: &mut Shapes) -> Vec<Operation> {
    routes().iter().map(|route| operation(route, shapes)).collect()
}

/// How operators authenticate.
pub(super) fn security() -> Value {
    json!({
        "type": "http",
        "scheme": "bearer",
        "description": "An operator token: `keyway tokens create`. Its grant says what it may do.",
    })
}

fn operation(route: &Route, shapes: &mut Shapes) -> Operation {
    let in_query = route.query.iter().map(|name| parameters::of_query(name));
    let mut parameters: Vec<Value> = parameters::of_path(route.path).chain(in_query).collect();
    if route.body.is_some() {
        parameters.push(parameters::idempotency_key());
    }
    let body = route.body.map(|body| ("application/json", body(&mut shapes.read).to_value()));
    Operation {
        method: route.method.clone(),
        path: route.path.to_owned(),
        id: route.operation,
        tag: tag(route.resource),
        summary: route.summary.to_owned(),
        description: description(route),
        security: vec![vec!["operatorToken"]],
        parameters,
        body: body.into_iter().collect(),
        answers: answers(route, shapes),
    }
}

fn tag(resource: &str) -> &'static str {
    match resource {
        "credentials" => "Credentials",
        "members" => "Members",
        "events" => "Events",
        "requests" => "Requests",
        "webhooks" => "Webhooks",
        "tokens" => "Operator tokens",
        _ => "Accounts",
    }
}

fn description(route: &Route) -> String {
    let mut text = format!("Needs `{}:{}`.", route.resource, route.action().as_str());
    if route.takes_away {
        text.push_str(
            " It may take something away: the answer comes when no node accepts that any more, or \
             with status 202 and `effective: pending` when that could not be seen in time.",
        );
    }
    if route.body_bytes_max > keyway_domain::limits::BODY_BYTES_MAX {
        text.push_str(&format!(" The body has up to {} bytes.", route.body_bytes_max));
    }
    text
}

fn answers(route: &Route, shapes: &mut Shapes) -> Answers {
    let said = (route.answer)(&mut shapes.written).to_value();
    let shows = route.shows_secret;
    let mut answers = Answers::default().json(route.status, "Done.", said.clone(), shows);
    let mut successes = vec![route.status];
    if route.takes_away {
        let about = "Kept, but not everywhere yet: see `effective_by`.";
        answers = answers.json(202, about, said, shows);
        successes.push(202);
    }
    if route.query.contains(&"format") {
        let text = json!({ "type": "string" });
        let example = "credential,day,allowed,refused\r\n";
        answers = answers.given(route.status, "Done.", ("text/csv", text), example);
    }
    for status in successes {
        for header in ["Cache-Control", "RateLimit", "RateLimit-Policy"] {
            answers = answers.header(status, header);
        }
        if route.made_under.is_some() {
            answers = answers.header(status, "Location");
        }
        if route.body.is_some() {
            answers = answers.header(status, "Idempotency-Replayed");
        }
    }
    let answers = answers.token().problems(&problems(route));
    let limited = answers.header(429, "RateLimit").header(429, "RateLimit-Policy");
    limited.problems(route.refusals)
}

/// What can be refused on a route by what it reads.
fn problems(route: &Route) -> Vec<Code> {
    use Code as C;
    let mut codes = vec![
        C::CredentialMisplaced,
        C::BodyIncomplete,
        C::BodyTooSlow,
        C::BodyTooLarge,
        C::UnknownParameter,
        C::StoreUnavailable,
        C::Unavailable,
    ];
    if !route.query.is_empty() {
        codes.extend([C::DoubledParameter, C::InvalidParameter]);
    }
    if route.path.contains('{') {
        codes.push(C::NotFound);
    }
    if route.body.is_some() {
        codes.extend([
            C::NotJson,
            C::JsonTooDeep,
            C::IdempotencyKeyInvalid,
            C::InvalidField,
            C::IdempotencyKeyMismatch,
            C::ChangeLost,
        ]);
    }
    codes
}
