//! The API as OpenAPI 3.1 documents, made of the table of routes, the types of bodies and answers,
//! and the list of errors. Each listener describes itself: they differ in address, in who may call,
//! and in who reads about them.

mod answers;
mod example;
mod follow;
mod gateways;
mod internal;
mod management;
mod operation;
mod parameters;
mod platform;
pub(crate) mod shapes;
mod words;

use bytes::Bytes;
use keyway_domain::scheme::Scheme;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value, json};

use crate::app::App;
use operation::Operation;

/// Where a listener describes itself.
pub const PATH: &str = "/openapi.json";

/// What the public listener says of itself, as text made once.
pub(super) fn public(app: &App) -> Bytes {
    let make = || Bytes::from(public_document(&app.platform.rules.scheme).to_string());
    app.described.public.get_or_init(make).clone()
}

/// What the internal listener says of itself.
pub(super) fn internal(app: &App) -> Bytes {
    let make = || Bytes::from(internal_document(&app.platform.rules.scheme).to_string());
    app.described.internal.get_or_init(make).clone()
}

/// The document of the public listener, where a scheme runs.
pub fn public_document(scheme: &Scheme) -> Value {
    let mut shapes = Shapes::new();
    let mut operations = management::operations(&mut shapes);
    operations.extend(platform::operations(scheme));
    let about = "Accounts, credentials and what happens to them, for the platform's own programs; \
        and what the platform's clients call themselves.\n\n\
        Every answer carries a `Request-Id`. Errors are problems (RFC 9457): `code` is a stable \
        word, `detail` is for people. A secret is in the answer that made it and nowhere else. A \
        call with an `Idempotency-Key` can be sent again. What takes something away is answered \
        when no node accepts it any more.";
    let mut schemes = Map::new();
    schemes.insert("operatorToken".to_owned(), management::security());
    platform::security(scheme, &mut schemes);
    assemble("Keyway", about, operations, shapes.definitions(scheme), &schemes)
}

/// The document of the internal listener.
pub fn internal_document(scheme: &Scheme) -> Value {
    let mut operations = internal::operations();
    operations.extend(gateways::operations(scheme));
    let about = "Questions about requests, for the platform's own machines.\n\n\
        On this machine's own addresses nobody needs a token here; beyond it, an operator token \
        with `verification:read` is needed, or a certificate. Envoy asks over gRPC, too: \
        `envoy.service.auth.v3.Authorization/Check`.";
    let shapes = Shapes::new().definitions(scheme);
    assemble("Keyway, internal listener", about, operations, shapes, &internal::security())
}

fn assemble(
    title: &str,
    about: &str,
    operations: Vec<Operation>,
    mut schemas: Map<String, Value>,
    schemes: &Map<String, Value>,
) -> Value {
    schemas.extend(answers::schemas());
    let mut tags: Vec<&str> = Vec::new();
    let mut paths: Map<String, Value> = Map::new();
    for operation in operations {
        if !tags.contains(&operation.tag) {
            tags.push(operation.tag);
        }
        let path = paths.entry(operation.path.clone()).or_insert_with(|| json!({}));
        path[operation.method.as_str().to_ascii_lowercase()] = operation.to_json(&schemas);
    }
    let tags: Vec<Value> = tags
        .into_iter()
        .map(|tag| json!({ "name": tag, "description": words::of_tag(tag) }))
        .collect();
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": title,
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
            "description": about,
        },
        "servers": [{ "url": "/", "description": "The listener that gave this document." }],
        "tags": tags,
        "paths": paths,
        "components": {
            "securitySchemes": schemes,
            "headers": answers::headers(),
            "examples": answers::examples(),
            "schemas": schemas,
        },
    });
    answers::share(&mut document);
    keep_what_is_used(&mut document);
    document
}

/// The types of bodies, which are read, and of answers, which are written: a field that may be left
/// out of the one is always in the other.
struct Shapes {
    read: SchemaGenerator,
    written: SchemaGenerator,
}

impl Shapes {
    fn new() -> Self {
        let settings = || {
            SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = "/components/schemas".into();
                settings.meta_schema = None;
            })
        };
        Self {
            read: settings().for_deserialize().into_generator(),
            written: settings().for_serialize().into_generator(),
        }
    }

    /// All types that were named, with the words of the scheme that runs.
    fn definitions(mut self, scheme: &Scheme) -> Map<String, Value> {
        self.read.subschema_for::<shapes::WantedGrant>();
        let mut all = self.read.take_definitions(true);
        all.extend(self.written.take_definitions(true));
        words::of_scheme(scheme, &mut all);
        all
    }
}

/// Takes out the components that nothing refers to.
fn keep_what_is_used(document: &mut Value) {
    loop {
        let mut used = Vec::new();
        collect_references(document, &mut used);
        let mut is_whole = true;
        for section in ["schemas", "examples", "headers"] {
            let Some(all) = document["components"][section].as_object_mut() else { continue };
            let before = all.len();
            all.retain(|name, _| used.contains(&format!("#/components/{section}/{name}")));
            is_whole &= all.len() == before;
        }
        if is_whole {
            return;
        }
    }
}

fn collect_references(value: &Value, used: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(to) = fields.get("$ref").and_then(Value::as_str) {
                used.push(to.to_owned());
            }
            fields.values().for_each(|field| collect_references(field, used));
        }
        Value::Array(entries) => entries.iter().for_each(|entry| collect_references(entry, used)),
        _ => {}
    }
}
