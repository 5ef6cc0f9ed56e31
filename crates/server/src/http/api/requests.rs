//! Finding a decision again by its request id (X11).

use http::StatusCode;
use keyway_domain::verdict::Access;
use keyway_store::credentials;
use serde_json::json;

use super::{Call, Caller, Problem, Reply, json_reply};
use crate::verify::{Decision, RequestId};

/// `GET /v1/requests/{request}`
pub async fn get(call: Call, _: Caller) -> Result<Reply, Problem> {
    let text = call.params.get("request").map_or("", String::as_str);
    let request = RequestId::open(text, &call.app.keys.requests);
    let request = request.ok_or_else(|| Problem::not_found("request"))?;
    let rules = call.app.platform.rules.clone();
    let found = match request.credential {
        Some(id) => call.app.db.read(move |tx| credentials::find_any(tx, &rules, id)).await?,
        None => None,
    };
    let scheme = &call.app.platform.rules.scheme;
    let (decision, reason) = match request.decision {
        Decision::Allowed => ("allowed", None),
        Decision::Refused(reason) => ("refused", Some(reason.as_str())),
        Decision::Management => ("management", None),
    };
    let needed = match request.access {
        Access::Needs(need) => Some(scheme.say_need(need)),
        Access::Unlisted => Some("an unlisted route".to_owned()),
        Access::Identity => None,
    };
    let body = json!({
        "id": text,
        "at": request.at,
        "decision": decision,
        "reason": reason,
        "method": request.method_name(),
        "needed": needed,
        "account": found.as_ref().map(|credential| credential.account),
        "credential": request.credential,
        "credential_name": found.as_ref().map(|credential| credential.name.as_str()),
        "kind": found.as_ref().map(|credential| credential.kind.as_str()),
        "secret": request.credential.map(|_| request.secret),
        "environment": request.environment.map(keyway_domain::Environment::as_str),
    });
    Ok(json_reply(StatusCode::OK, body.to_string()))
}
