//! The scheme over HTTP: what a program needs to know before it makes a credential.

use http::StatusCode;
use keyway_domain::scheme::{Act, Kind, KindGrant};
use serde_json::{Value, json};

use super::{Call, Caller, Problem, Reply, json_reply};

/// `GET /v1/scheme`
pub async fn get(call: Call, _: Caller) -> Result<Reply, Problem> {
    let scheme = &call.app.platform.rules.scheme;
    let kinds: Vec<Value> = scheme
        .kinds
        .iter()
        .map(|kind| {
            let acts: Vec<&str> = kind.acts().map(|(act, _)| act.verb()).collect();
            json!({
                "name": kind.name,
                "label": kind.label,
                "format": kind.secret.pattern(),
                "grant_chosen": matches!(kind.grants, KindGrant::Chosen { .. }),
                "single": kind.single,
                "acts": acts,
                "strings": strings(kind),
                "overlap_seconds": overlap(kind),
            })
        })
        .collect();
    let resources: Vec<Value> = scheme
        .resources
        .iter()
        .map(|resource| {
            let group = resource.group.and_then(|group| scheme.groups.get(group));
            json!({
                "name": resource.name,
                "label": resource.label,
                "group": group.map(|group| group.name.as_str()),
            })
        })
        .collect();
    let body = json!({
        "name": scheme.name,
        "title": scheme.title,
        "summary": scheme.summary,
        "access_labels": scheme.levels.labels,
        "kinds": kinds,
        "resources": resources,
    });
    Ok(json_reply(StatusCode::OK, body.to_string()))
}

/// What a secret of the kind is made of, in the order in which it is shown: an id, if there is one,
/// and the secret.
fn strings(kind: &Kind) -> Vec<Value> {
    let id = kind.public_id.as_ref().map(|id| (&id.field, &id.variable));
    let names = id.into_iter().chain([(&kind.secret_field, &kind.secret_variable)]);
    names.map(|(field, variable)| json!({ "field": field, "variable": variable })).collect()
}

/// How long a rotation's previous secret may stay.
fn overlap(kind: &Kind) -> Option<Value> {
    let overlap = kind.act(Act::Rotate)?.overlap.as_ref()?;
    let seconds = |ms: i64| ms / 1000;
    Some(json!({
        "from": seconds(overlap.from_ms),
        "to": seconds(overlap.to_ms),
        "default": seconds(overlap.default_ms),
    }))
}
