//! Schemas as tables: each field with what it may be.

use maud::{Markup, html};
use serde_json::Value;

use super::{rich, text};

/// How deep fields are listed under fields.
const DEPTH_MAX: usize = 2;

struct Row<'d> {
    name: String,
    is_required: bool,
    schema: &'d Value,
    about: &'d str,
}

/// What a `$ref` leads to, or the thing itself.
pub(super) fn referred<'d>(document: &'d Value, value: &'d Value) -> &'d Value {
    let to = value["$ref"].as_str().and_then(|to| document.pointer(to.strip_prefix('#')?));
    to.unwrap_or(value)
}

/// The parameters of an operation.
pub(super) fn parameters(document: &Value, parameters: &[Value], label: &str) -> Markup {
    let rows: Vec<Row<'_>> = parameters
        .iter()
        .map(|parameter| Row {
            name: text(&parameter["name"]).to_owned(),
            is_required: parameter["required"] == true,
            schema: &parameter["schema"],
            about: text(&parameter["description"]),
        })
        .collect();
    table(document, &rows, label)
}

/// The fields of a body or an answer.
pub(super) fn of(document: &Value, schema: &Value, label: &str) -> Markup {
    let mut rows = Vec::new();
    collect(document, schema, ("", DEPTH_MAX), &mut rows);
    html! { @if !rows.is_empty() { (table(document, &rows, label)) } }
}

fn collect<'d>(
    document: &'d Value,
    schema: &'d Value,
    (prefix, depth): (&str, usize),
    rows: &mut Vec<Row<'d>>,
) {
    let schema = inside(document, schema);
    let required = schema["required"].as_array().map_or(&[][..], Vec::as_slice);
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let is_required = required.iter().any(|required| required == name);
        let about = text(&field["description"]);
        let name = format!("{prefix}{name}");
        let (inner, list) = match inside(document, field) {
            inner if inner["type"] == "array" => (&inner["items"], "[]"),
            inner => (inner, ""),
        };
        rows.push(Row { name: name.clone(), is_required, schema: field, about });
        if depth > 0 {
            collect(document, inner, (&format!("{name}{list}."), depth - 1), rows);
        }
    }
}

/// A schema without what it is wrapped in: a reference, or a choice between itself and null.
fn inside<'d>(document: &'d Value, schema: &'d Value) -> &'d Value {
    let schema = referred(document, schema);
    match schema["anyOf"].as_array().and_then(|choices| choices.first()) {
        Some(first) if schema["anyOf"][1]["type"] == "null" => referred(document, first),
        _ => schema,
    }
}

fn table(document: &Value, rows: &[Row<'_>], label: &str) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label=(label) {
            table.flip role="table" aria-label=(label) {
                thead role="rowgroup" { tr role="row" {
                    th role="columnheader" scope="col" { "Name" }
                    th role="columnheader" scope="col" { "What it may be" }
                    th role="columnheader" scope="col" { "Meaning" }
                } }
                tbody role="rowgroup" { @for row in rows { tr role="row" {
                    td.full role="cell" { code.wrap { (row.name) } @if row.is_required { " " span.tag { "required" } } }
                    td.small.full role="cell" { (rich(&kind(document, row.schema))) }
                    td.full role="cell" { (rich(row.about)) }
                } } }
            }
        }
    }
}

/// What a value may be, in words.
fn kind(document: &Value, schema: &Value) -> String {
    let outer = referred(document, schema);
    let is_nullable = outer["anyOf"][1]["type"] == "null"
        || outer["type"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == "null"));
    let schema = inside(document, outer);
    let mut said = match choices(schema) {
        Some(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
        None => plain(document, schema),
    };
    if is_nullable {
        said.push_str(", or `null`");
    }
    said
}

/// The words that a value may be one of.
fn choices(schema: &Value) -> Option<Vec<&str>> {
    if let Some(word) = schema["const"].as_str() {
        return Some(vec![word]);
    }
    let consts = schema["oneOf"]
        .as_array()
        .map(|all| all.iter().filter_map(|one| one["const"].as_str()).collect::<Vec<_>>());
    let words = schema["enum"].as_array();
    let words = words.map(|all| all.iter().filter_map(Value::as_str).collect());
    words.or(consts).filter(|words: &Vec<&str>| !words.is_empty())
}

/// What an id begins with.
fn id_prefix(schema: &Value) -> Option<&str> {
    let pattern = schema["pattern"].as_str()?.strip_prefix('^')?;
    pattern.split_once("[0-7]").map(|(prefix, _)| prefix).filter(|prefix| prefix.ends_with('_'))
}

fn plain(document: &Value, schema: &Value) -> String {
    let kind = match &schema["type"] {
        Value::String(kind) => kind.as_str(),
        Value::Array(kinds) => kinds.iter().find_map(|kind| kind.as_str()).unwrap_or("value"),
        _ => "value",
    };
    let number = |name: &str| schema[name].as_u64();
    let range = |unit: &str, (min, max): (Option<u64>, Option<u64>)| match (min, max) {
        (Some(min), Some(max)) => format!(", {min} to {max}{unit}"),
        (None, Some(max)) => format!(", up to {max}{unit}"),
        (Some(min), None) if min > 0 => format!(", from {min}{unit}"),
        _ => String::new(),
    };
    match kind {
        "string" if id_prefix(schema).is_some() => {
            format!("`{}…`", id_prefix(schema).unwrap_or_default())
        }
        "string" => {
            let format = schema["format"].as_str().map_or("text", |format| match format {
                "date-time" => "instant",
                other => other,
            });
            let lengths = (number("minLength"), number("maxLength"));
            format!("{format}{}", range(" characters", lengths))
        }
        "integer" => format!("whole number{}", range("", (number("minimum"), number("maximum")))),
        "array" => {
            let entries = range(" entries", (number("minItems"), number("maxItems")));
            format!("list of {}{entries}", self::kind(document, &schema["items"]))
        }
        "value" if schema["anyOf"].is_array() && schema["description"].is_null() => {
            let choices = schema["anyOf"].as_array().into_iter().flatten();
            choices.map(|choice| self::kind(document, choice)).collect::<Vec<_>>().join(" or ")
        }
        "value" => {
            schema["description"].as_str().unwrap_or("value").trim_end_matches('.').to_owned()
        }
        other => other.to_owned(),
    }
}
