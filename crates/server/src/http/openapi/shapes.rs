//! The texts that the API is made of, as JSON Schema: types that exist to be named by fields.

use std::borrow::Cow;

use keyway_domain::actor::Role;
use keyway_domain::event::Kind as EventKind;
use keyway_domain::id;
use keyway_domain::limits;
use keyway_domain::verdict::Reason;
use keyway_store::deliveries::State;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

/// An instant in examples.
pub(crate) const INSTANT: &str = "2026-11-21T12:00:00Z";
/// An account's id in examples.
pub(crate) const ACCOUNT: &str = "acct_01kb3zd9c0f8m2q7n4x5w6r1ta";

/// The schema of an id: the digits are those of Crockford's base 32.
pub(crate) fn id(prefix: &str) -> Value {
    serde_json::json!({
        "type": "string",
        "pattern": format!("^{prefix}[0-7][0-9a-hjkmnp-tv-z]{{25}}$"),
        "examples": [format!("{prefix}01kb3zd9c0f8m2q7n4x5w6r1ta")],
    })
}

/// The schema of a name: no control characters, none that turn the direction of writing, and not
/// only spaces.
fn name() -> Value {
    let free = r"[^\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]";
    let ink = r"[^\s\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]";
    serde_json::json!({
        "type": "string",
        "minLength": 1,
        "maxLength": limits::NAME_CHARS_MAX,
        "pattern": format!("^{free}*{ink}{free}*$"),
        "examples": ["Checkout server"],
    })
}

fn schema(value: Value) -> Schema {
    Schema::try_from(value).expect("a schema is an object")
}

macro_rules! shapes {
    ($($(#[$doc:meta])* $name:ident = $schema:expr;)*) => {$(
        $(#[$doc])*
        pub(crate) struct $name;

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    )*};
}

shapes! {
    /// An account's id.
    AccountId = schema(id(id::AccountId::PREFIX));
    /// A credential's id.
    CredentialId = schema(id(id::CredentialId::PREFIX));
    /// An event's id.
    EventId = schema(id(id::EventId::PREFIX));
    /// A person's id.
    MemberId = schema(id(id::MemberId::PREFIX));
    /// The id of what waits for a second person.
    ApprovalId = schema(id(id::ApprovalId::PREFIX));
    /// The id of an operator's session in a browser.
    OperatorSessionId = schema(id(id::OperatorSessionId::PREFIX));
    /// An invitation's id.
    LinkId = schema(id(id::LinkId::PREFIX));
    /// An endpoint's id.
    EndpointId = schema(id(id::EndpointId::PREFIX));
    /// A delivery's id.
    DeliveryId = schema(id(id::DeliveryId::PREFIX));
    /// An alert's id.
    AlertId = schema(id(id::AlertId::PREFIX));
    /// By which a request is found again.
    RequestId = json_schema!({
        "type": "string", "minLength": 1, "maxLength": 128,
        "examples": ["req_shown-in-every-answer"],
    });
    /// An instant (RFC 3339).
    Instant = json_schema!({ "type": "string", "format": "date-time", "examples": [INSTANT] });
    /// A day in UTC.
    Day = json_schema!({ "type": "string", "format": "date", "examples": ["2026-11-21"] });
    /// A date, which means 00:00:00Z at its start, or an instant.
    Expiry = json_schema!({
        "anyOf": [
            { "type": "string", "format": "date" },
            { "type": "string", "format": "date-time" },
        ],
        "examples": ["2027-06-30"],
    });
    /// A length of time: a number and `s`, `m`, `h` or `d`.
    Duration = json_schema!({
        "type": "string", "pattern": "^[0-9]{1,9}[smhd]$", "examples": ["24h"],
    });
    /// The sandbox, or production.
    Environment = json_schema!({
        "type": "string", "enum": ["test", "live"], "examples": ["live"],
    });
    /// A kind of the scheme.
    KindName = json_schema!({ "type": "string", "minLength": 1 });
    /// A role in an account.
    RoleName = schema(serde_json::json!({
        "type": "string", "enum": Role::ALL.map(Role::as_str), "examples": ["developer"],
    }));
    /// The proof that a member gave.
    StepUpName = json_schema!({ "type": "string", "enum": ["password", "otp"] });
    /// A wanted grant: `"everything"`, a list of scopes, or resource → access.
    WantedGrant = json_schema!({
        "description": "`\"everything\"`, a list of scopes, or resource → access.",
        "anyOf": [
            { "const": "everything" },
            { "type": "array", "items": { "type": "string", "pattern": "^[^:]+:[^:]+$" } },
            {
                "type": "object",
                "additionalProperties": {
                    "anyOf": [
                        { "type": "string" },
                        { "type": "array", "items": { "type": "string" } },
                    ],
                },
            },
        ],
    });
    /// Resource → actions; `"*"` stands for everything.
    GrantNames = json_schema!({
        "type": "object",
        "additionalProperties": {
            "type": "array", "items": { "type": "string", "enum": ["read", "write"] },
        },
        "examples": [{ "*": ["read", "write"] }],
    });
    /// A name as people write it.
    Name = schema(name());
    /// An address, or a range of addresses (CIDR), IPv4 or IPv6.
    AddressRange = json_schema!({ "type": "string", "examples": ["203.0.113.0/24"] });
    /// What an address list does: `enforce` refuses requests from elsewhere, `report` lets them pass and
    /// counts them.
    AddressModeName = json_schema!({
        "type": "string", "enum": ["enforce", "report"], "examples": ["enforce"],
    });
    /// An email address.
    EmailAddress = json_schema!({
        "type": "string", "format": "email", "minLength": 3, "maxLength": 254,
        "examples": ["ada@shop.example"],
    });
    /// The platform's own id of an account.
    ExternalId = json_schema!({
        "type": "string", "pattern": "^[!-~]{1,100}$", "examples": ["merchant-1042"],
    });
    /// Where messages go.
    EndpointUrl = schema(serde_json::json!({
        "type": "string", "format": "uri", "maxLength": limits::OUTBOUND_URL_BYTES_MAX,
        "examples": ["https://hooks.shop.example/keyway"],
    }));
    /// An event by its name.
    EventName = schema(serde_json::json!({
        "type": "string",
        "examples": [EventKind::Created.as_str()],
        "description": "What happened: see docs/events.md. More can come with a new version.",
    }));
    /// `allowed`, `address_reported` (allowed, and not from the list), or the reason of the refusal.
    Outcome = schema({
        let reasons = Reason::ALL.iter().map(|reason| reason.as_str());
        let all: Vec<&str> = ["allowed", "address_reported"].into_iter().chain(reasons).collect();
        serde_json::json!({ "type": "string", "enum": all, "examples": ["allowed"] })
    });
    /// The strings of a secret under the scheme's names, and `variables`: the environment variables
    /// that they belong into. In the one answer that made it.
    ShownOnce = json_schema!({
        "type": "object",
        "additionalProperties": true,
        "examples": [{
            "key": "(shown in this answer and nowhere else)",
            "variables": { "key": "PLATFORM_API_KEY" },
        }],
    });
    /// The part of a thing that changed.
    Changed = json_schema!({
        "type": "object", "additionalProperties": true, "examples": [{ "name": "Checkout server" }],
    });
    /// The figures of an alert, which depend on its type.
    Figures = json_schema!({
        "type": ["object", "null"], "additionalProperties": true, "examples": [{ "requests": 512 }],
    });
    /// A hash in hex.
    Digest = json_schema!({
        "type": "string", "pattern": "^([0-9a-fA-F]{64}|[0-9a-fA-F]{128})$",
        // That of the empty text.
        "examples": ["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
    });
    /// How a key was hashed.
    Algorithm = json_schema!({
        "type": "string", "enum": ["sha256", "sha512"], "examples": ["sha256"],
    });
    /// A few characters by which the owner of a key knows it.
    Hint = json_schema!({
        "type": "string", "maxLength": 13, "pattern": "^[0-9A-Za-z_.…-]*$", "examples": ["…7Qx2"],
    });
    /// What an endpoint is for.
    About = json_schema!({
        "type": "string", "maxLength": 200, "pattern": r"^[^\u0000-\u001f\u007f-\u009f]*$",
        "examples": ["The shop's backend"],
    });
    /// An event by name, or the start of some and `*`.
    EventChoice = json_schema!({
        "type": "string", "pattern": r"^[a-z_.]*\*?$", "minLength": 1, "examples": ["api_key.*"],
    });
    /// How far a delivery is.
    DeliveryState = schema(serde_json::json!({
        "type": "string", "enum": State::ALL.map(State::as_str), "examples": ["delivered"],
    }));
    /// Where a change is true.
    Effect = json_schema!({
        "type": "string", "enum": ["everywhere", "pending"], "examples": ["everywhere"],
    });
    /// The id of a process: another one after each start.
    NodeId = json_schema!({
        "type": "string", "pattern": "^[0-9a-f]{32}$",
        "examples": ["0123456789abcdef0123456789abcdef"],
    });
    /// A member, as the platform names him.
    MemberName = json_schema!({
        "type": "string", "minLength": 1, "maxLength": 254,
        "pattern": r"^[^\u0000-\u001f\u007f-\u009f]*$", "examples": ["ada@shop.example"],
    });
    /// A wanted grant of an operator token, in any of the forms of a grant.
    WantedTokenGrant = json_schema!({
        "description": "`\"everything\"`, a list of scopes, or resource → access.",
        "anyOf": [{ "$ref": "#/components/schemas/WantedGrant" }],
        "examples": [["accounts:read", "events:read"]],
    });
    /// The cursor of the next page; `null` on the last one.
    Cursor = json_schema!({ "type": "string", "minLength": 1, "maxLength": 200 });
}
