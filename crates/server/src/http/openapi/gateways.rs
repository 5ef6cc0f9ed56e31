//! The operations of gateways: the same question, as each family asks it.

use http::Method;
use keyway_domain::scheme::Scheme;
use serde_json::{Value, json};

use super::answers::Answers;
use super::operation::Operation;
use super::parameters::{of_path, parameter};
use crate::codes::Code;
use crate::http::authz;

const GATEWAYS: &str = "Gateways";
const JSON: &str = "application/json";

/// What every question of a gateway can be refused for.
const QUESTION: &[Code] = &[
    Code::BodyIncomplete,
    Code::BodyTooSlow,
    Code::BodyTooLarge,
    Code::LoginMisdirected,
    Code::GatewayMisconfigured,
    Code::Unavailable,
];

/// The operations, with the refusals of a scheme.
pub(super) fn operations(scheme: &Scheme) -> Vec<Operation> {
    let header = |name: &str, about: &str, example: &str| {
        let schema = json!({ "type": "string", "minLength": 1, "examples": [example] });
        parameter(name, ("header", true), about, schema)
    };
    let address = || {
        let forms = json!([{ "format": "ipv4" }, { "format": "ipv6" }]);
        let schema = json!({ "type": "string", "anyOf": forms, "examples": ["203.0.113.7"] });
        parameter("X-Original-Address", ("header", true), "The client's address.", schema)
    };
    let of_nginx = vec![
        header("X-Original-Method", "The request's method.", "GET"),
        header("X-Original-URI", "Its path and query.", "/v1/invoices"),
        address(),
    ];
    let of_forward = vec![
        header("X-Forwarded-Method", "The request's method.", "GET"),
        header("X-Forwarded-Uri", "Its path and query.", "/v1/invoices"),
    ];
    let nginx = ask(scheme, "/authz/nginx", ("askAsNginx", "As nginx and HAProxy ask."), of_nginx);
    let forward = ("askAsForward", "As Caddy, Traefik and APISIX ask.");
    let forward = ask(scheme, "/authz/forward", forward, of_forward);
    let envoy = ("askAsEnvoy", "As Envoy asks over HTTP: the request's own path after the prefix.");
    let envoy = Operation {
        parameters: of_path("/authz/envoy/{path}").chain([address()]).collect(),
        ..ask(scheme, "/authz/envoy/{path}", envoy, Vec::new())
    };
    vec![settable(nginx), settable(forward), envoy, denial(scheme), keys()]
}

/// What the configuration of a gateway may set in the query.
fn settable(mut operation: Operation) -> Operation {
    let environment = json!({ "type": "string", "enum": ["test", "live"] });
    let about = "What the endpoint serves.";
    operation.parameters.push(parameter("environment", ("query", false), about, environment));
    let about =
        "`plain`: refusals are 401 or 403 only; `X-Keyway-Status` has the status that was meant.";
    let statuses = json!({ "type": "string", "enum": ["plain"] });
    operation.parameters.push(parameter("statuses", ("query", false), about, statuses));
    operation
}

fn ask(
    scheme: &Scheme,
    path: &str,
    (id, about): (&'static str, &str),
    parameters: Vec<Value>,
) -> Operation {
    let allowed = "The request may pass: who it is stands in the `X-Keyway-` headers.";
    let answers = Answers::default().empty(200, allowed).in_dialect(scheme);
    Operation {
        description:
            "Asked with any method. The client's own headers come along; its credential is \
            among them."
                .to_owned(),
        security: vec![vec![], vec!["gatewayToken"]],
        parameters,
        ..Operation::open(
            Method::GET,
            path,
            id,
            (GATEWAYS, about),
            answers.token().problems(QUESTION),
        )
    }
}

fn denial(scheme: &Scheme) -> Operation {
    let schema = json!({ "type": "string" });
    let about = "The header of the refusal.";
    let header = parameter("X-Keyway-Denial", ("header", false), about, schema);
    let about = "Shows nginx's client the refusal that nginx itself throws away.";
    let answers = Answers::default().in_dialect(scheme).token().problems(&[Code::Unavailable]);
    let path = authz::DENIAL;
    Operation {
        security: vec![vec![], vec!["gatewayToken"]],
        parameters: vec![header],
        ..Operation::open(Method::GET, path, "showDenial", (GATEWAYS, about), answers)
    }
}

fn keys() -> Operation {
    let key = json!({
        "type": "object",
        "required": ["kty"],
        "properties": { "kty": { "type": "string" } },
        "additionalProperties": { "type": "string" },
    });
    let schema = json!({
        "type": "object",
        "required": ["keys"],
        "properties": { "keys": { "type": "array", "items": key } },
    });
    let example =
        json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": "1", "x": "(public)" }] });
    let answers = Answers::default()
        .given(200, "The keys.", (JSON, schema), example)
        .problems(&[Code::Unavailable]);
    let about = "The public keys that check `X-Keyway-Context` (RFC 7517 §5).";
    Operation::open(Method::GET, authz::JWKS, "getKeys", (GATEWAYS, about), answers)
}
