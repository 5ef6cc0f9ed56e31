//! How a platform speaks: its envelope, its errors, its lists, its idempotency.

use serde_json::{Map, Value};

use crate::caller::Caller;
use crate::objects::Object;
use crate::page::Paging;
use crate::refusal::Refusal;

/// What differs between the platforms, and nothing else.
#[derive(Debug)]
pub(crate) struct Dialect {
    /// Wraps one object.
    pub(crate) one: fn(Value, &Caller) -> Value,
    /// The status and the body of a refusal; the text is the request's id.
    pub(crate) refuse: fn(&Refusal, &str) -> (u16, Value),
    pub(crate) paging: Paging,
    pub(crate) idempotency: Idempotency,
}

/// Where a client puts the key that makes a repeated request harmless.
#[derive(Debug)]
pub(crate) enum Idempotency {
    Header(&'static str),
    Field(&'static str),
}

/// An object alone, without an envelope.
pub(crate) fn bare(object: Value, _caller: &Caller) -> Value {
    object
}

/// What the client gave, under its id, with what the platform adds.
pub(crate) fn with(object: &Object, added: Value) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert("id".to_owned(), object.id.clone().into());
    map.extend(object.fields.clone());
    if let Value::Object(added) = added {
        map.extend(added);
    }
    map
}

/// Hundredths as a number of whole units.
pub(crate) fn units(hundredths: i64) -> Value {
    if hundredths % 100 == 0 {
        return (hundredths / 100).into();
    }
    #[expect(clippy::cast_precision_loss, reason = "balances are far below 2^53 hundredths")]
    let units = hundredths as f64 / 100.0;
    units.into()
}
