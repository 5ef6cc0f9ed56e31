//! Examples, made of schemas: whatever a field gives as its own example, put together.

use serde_json::{Map, Value, json};

/// How deep schemas may lead: those of the API end long before.
const DEPTH_MAX: usize = 16;

/// What somebody may send: what must be there, and what has an example.
pub(super) fn asked(schema: &Value, schemas: &Map<String, Value>) -> Value {
    Examples { schemas, whole: false, shows_secret: false }.of(schema, DEPTH_MAX)
}

/// What is answered: every field, and a secret only where one is shown.
pub(super) fn said(schema: &Value, schemas: &Map<String, Value>, shows_secret: bool) -> Value {
    Examples { schemas, whole: true, shows_secret }.of(schema, DEPTH_MAX)
}

struct Examples<'s> {
    schemas: &'s Map<String, Value>,
    /// Whether fields are named that may be left out and have no example.
    whole: bool,
    /// Whether this is an answer that shows a secret.
    shows_secret: bool,
}

impl Examples<'_> {
    fn of(&self, schema: &Value, depth: usize) -> Value {
        if depth == 0 {
            return Value::Null;
        }
        if let Some(own) = own(schema) {
            return own.clone();
        }
        if let Some(schema) = self.referred(schema) {
            return self.of(schema, depth - 1);
        }
        for any in ["anyOf", "oneOf"] {
            if let Some(first) = schema[any].as_array().and_then(|all| all.first()) {
                let is_nullable = schema[any][1]["type"] == "null";
                let is_silent = is_nullable && self.found(first, depth - 1).is_none();
                return if is_silent { Value::Null } else { self.of(first, depth - 1) };
            }
        }
        let kind = match &schema["type"] {
            Value::Array(kinds) if kinds.iter().any(|kind| kind == "null") => "null",
            Value::String(kind) => kind,
            _ => "object",
        };
        match kind {
            "object" => self.object(schema, depth),
            "array" if schema["items"].is_null() => json!([]),
            "array" => json!([self.of(&schema["items"], depth - 1)]),
            "string" if schema["format"] == "date-time" => json!(super::shapes::INSTANT),
            "string" => json!("text"),
            "integer" | "number" => schema.get("minimum").cloned().unwrap_or_else(|| json!(0)),
            "boolean" => json!(false),
            _ => Value::Null,
        }
    }

    fn object(&self, schema: &Value, depth: usize) -> Value {
        let required = schema["required"].as_array().map_or(&[][..], Vec::as_slice);
        let fields = schema["properties"].as_object().into_iter().flatten();
        let named = fields.filter(|(name, field)| {
            self.whole
                || required.iter().any(|required| required == *name)
                || self.found(field, depth).is_some()
        });
        let example = |name: &str, field: &Value| match name {
            "secret" if field["anyOf"].is_array() && !self.shows_secret => Value::Null,
            "secret_shown" => json!(self.shows_secret),
            _ => self.of(field, depth - 1),
        };
        named.map(|(name, field)| (name.clone(), example(name, field))).collect()
    }

    fn referred<'a>(&'a self, schema: &Value) -> Option<&'a Value> {
        let name = schema["$ref"].as_str()?.rsplit('/').next()?;
        self.schemas.get(name)
    }

    /// An example that somebody wrote for a schema, for what it refers to, or for what may be null.
    fn found<'a>(&'a self, schema: &'a Value, depth: usize) -> Option<&'a Value> {
        if depth == 0 {
            return None;
        }
        own(schema)
            .or_else(|| self.referred(schema).and_then(|schema| self.found(schema, depth - 1)))
            .or_else(|| {
                let first = schema["anyOf"].as_array()?.first()?;
                self.found(first, depth - 1)
            })
    }
}

/// What a schema itself says by way of example.
fn own(schema: &Value) -> Option<&Value> {
    let first = |name: &str| schema[name].as_array().and_then(|all| all.first());
    first("examples").or_else(|| schema.get("const")).or_else(|| first("enum"))
}
