//! The words of the document that a table can't give: what groups of operations are about, and what
//! the running scheme calls things.

use keyway_domain::grant::{Action, Grant, Need};
use keyway_domain::scheme::{KindGrant, Scheme};
use serde_json::{Map, Value, json};

/// What the operations under a tag are about.
pub(super) fn of_tag(tag: &str) -> &'static str {
    match tag {
        "Accounts" => "The platform's merchants. Nothing crosses from one to another.",
        "Credentials" => "What authenticates a merchant's programs: their life and their secrets.",
        "Members" => "The people of an account.",
        "Events" => "What happened, what is unusual, and whether the log of it is whole.",
        "Requests" => "What was asked with a merchant's credentials, and what was decided.",
        "Webhooks" => "Where an account's programs hear of events, and what was sent there.",
        "Operator tokens" => "The tokens with which the platform's programs call this API.",
        "OAuth" => "A pair traded for an access token (RFC 6749 §4.4), and what becomes of it.",
        "Login" => "The platform's own login, in the words of its clients.",
        "Verification" => "Whether a request may pass.",
        "Gateways" => "The same question, as each family of gateways asks it.",
        _ => "Whether the process lives, and what it says of itself.",
    }
}

/// Puts the scheme's kinds and scopes into the schemas that take them.
pub(super) fn of_scheme(scheme: &Scheme, schemas: &mut Map<String, Value>) {
    let kinds: Vec<&str> = scheme.kinds.iter().map(|kind| kind.name.as_str()).collect();
    let chosen = scheme.kinds.iter().find_map(|kind| match kind.grants {
        KindGrant::Chosen { widest, .. } => Some((kind, widest)),
        KindGrant::Everything | KindGrant::Fixed(_) => None,
    });
    let first = chosen.map_or_else(|| kinds.first().copied(), |(kind, _)| Some(&*kind.name));
    if let Some(schema) = schemas.get_mut("KindName") {
        *schema = json!({ "type": "string", "enum": kinds, "examples": [first] });
    }
    let scope = chosen.and_then(|(_, widest)| scope_within(scheme, widest));
    if let (Some(schema), Some(scope)) = (schemas.get_mut("WantedGrant"), scope) {
        schema["examples"] = json!([[scope]]);
    }
}

fn scope_within(scheme: &Scheme, widest: Grant) -> Option<String> {
    let resources = 0..u8::try_from(scheme.resources.len()).unwrap_or(u8::MAX);
    let needs = resources.map(|resource| Need { resource, action: Action::Read });
    needs.into_iter().find(|need| widest.allows(*need)).map(|need| scheme.say_need(need))
}
