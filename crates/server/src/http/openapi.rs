//! The table of routes as an OpenAPI 3.1 document.

use std::sync::LazyLock;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::routes::{Route, routes};

/// The document as text, made once.
pub fn text() -> Bytes {
    static TEXT: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(document().to_string()));
    TEXT.clone()
}

/// The document.
pub fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in routes() {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(object) = path.as_object_mut() {
            object.insert(route.method.as_str().to_ascii_lowercase(), operation(route));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Keyway management API",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
            "description": "Accounts, credentials and what happens to them. Every answer carries \
                a Request-Id. A secret is in the answer that made it and nowhere else.",
        },
        "security": [{ "operatorToken": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "operatorToken": { "type": "http", "scheme": "bearer" },
            },
            "schemas": { "Problem": problem() },
        },
    })
}

fn operation(route: &Route) -> Value {
    let in_path = route.path.split('/').filter_map(|segment| {
        let name = segment.strip_prefix('{')?.strip_suffix('}')?;
        Some(json!({
            "name": name, "in": "path", "required": true, "schema": { "type": "string" },
        }))
    });
    let in_query = route.query.iter().map(|name| {
        json!({ "name": name, "in": "query", "required": false, "schema": { "type": "string" } })
    });
    let mut parameters: Vec<Value> = in_path.chain(in_query).collect();
    if route.body.is_some() {
        parameters.push(json!({
            "name": "Idempotency-Key", "in": "header", "required": false,
            "schema": { "type": "string", "minLength": 1, "maxLength": 255 },
        }));
    }
    let success = json!({
        "description": "Done.",
        "content": { "application/json": { "schema": { "type": "object" } } },
    });
    let problem = json!({
        "description": "Not done; the body says why.",
        "content": {
            "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } },
            "application/json": { "schema": { "type": "object" } },
        },
    });
    let mut operation = json!({
        "operationId": route.operation,
        "summary": route.summary,
        "description": format!("Needs `{}:{}`.", route.resource, route.action().as_str()),
        "parameters": parameters,
        "responses": { route.status.to_string(): success, "4XX": problem, "5XX": problem },
    });
    if let (Some(schema), Some(object)) = (route.body, operation.as_object_mut()) {
        let content = json!({ "application/json": { "schema": schema() } });
        object.insert("requestBody".to_owned(), json!({ "required": false, "content": content }));
    }
    operation
}

fn problem() -> Value {
    let text = json!({ "type": "string" });
    json!({
        "type": "object",
        "description": "RFC 9457. `code` is stable; `detail` is for people.",
        "required": ["type", "title", "status", "detail", "code", "request_id"],
        "properties": {
            "type": text, "title": text, "detail": text, "code": text, "request_id": text,
            "status": { "type": "integer" },
            "field": { "type": ["string", "null"] },
        },
    })
}
