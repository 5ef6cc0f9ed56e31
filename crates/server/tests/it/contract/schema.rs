//! As much of JSON Schema 2020-12 as the documents use, and no more: a keyword that is not known
//! here fails.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use keyway_domain::time::Time;
use regex::Regex;
use serde_json::{Map, Value};

/// Checks values against the schemas of a document.
pub(super) struct Checker<'d> {
    document: &'d Value,
    /// Whether a field must be named by its schema, though clients must bear with more.
    is_strict: bool,
}

/// What says something of a schema, and nothing of its values.
const SAID: [&str; 6] = ["title", "description", "examples", "default", "deprecated", "$comment"];

impl<'d> Checker<'d> {
    pub(super) fn new(document: &'d Value) -> Self {
        Self { document, is_strict: false }
    }

    pub(super) fn strict(document: &'d Value) -> Self {
        Self { document, is_strict: true }
    }

    /// What a `$ref` leads to, or the thing itself.
    pub(super) fn referred<'v>(&self, value: &'v Value) -> &'v Value
    where
        'd: 'v,
    {
        match value["$ref"].as_str() {
            Some(to) => self.at(to).unwrap_or_else(|| panic!("{to} is nowhere")),
            None => value,
        }
    }

    fn at(&self, to: &str) -> Option<&'d Value> {
        self.document.pointer(to.strip_prefix('#')?)
    }

    /// References that lead nowhere.
    pub(super) fn broken_references(&self) -> Vec<String> {
        fn collect(value: &Value, found: &mut Vec<String>) {
            match value {
                Value::Object(fields) => {
                    found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
                    fields.values().for_each(|field| collect(field, found));
                }
                Value::Array(all) => all.iter().for_each(|one| collect(one, found)),
                _ => {}
            }
        }
        let mut all = Vec::new();
        collect(self.document, &mut all);
        all.retain(|to| self.at(to).is_none());
        all
    }

    /// What does not fit, each with its place.
    pub(super) fn check(&self, value: &Value, schema: &Value) -> Vec<String> {
        let mut found = Vec::new();
        self.visit("$", value, schema, &mut found);
        found
    }

    fn visit(&self, place: &str, value: &Value, schema: &Value, found: &mut Vec<String>) {
        let rules = match schema {
            Value::Object(rules) => rules,
            Value::Bool(true) => return,
            _ => return found.push(format!("{place}: nothing may be here")),
        };
        let mut fails = |what: String| found.push(format!("{place}: {what}: {value}"));
        for (keyword, rule) in rules {
            match (keyword.as_str(), value) {
                ("type", _) if !is_of(value, rule) => fails(format!("it is not of {rule}")),
                ("enum", _) if !rule.as_array().is_some_and(|all| all.contains(value)) => {
                    fails(format!("it is none of {rule}"));
                }
                ("const", _) if rule != value => fails(format!("it is not {rule}")),
                ("pattern", Value::String(text)) => {
                    if !is_match(rule.as_str().expect("a pattern is a text"), text) {
                        fails(format!("it does not match {rule}"));
                    }
                }
                ("format", Value::String(text)) if !has_format(text, rule) => {
                    fails(format!("it is no {rule}"));
                }
                ("minLength", Value::String(text)) if below(text.chars().count(), rule) => {
                    fails(format!("it is shorter than {rule}"));
                }
                ("maxLength", Value::String(text)) if above(text.chars().count(), rule) => {
                    fails(format!("it is longer than {rule}"));
                }
                ("minItems", Value::Array(all)) if below(all.len(), rule) => {
                    fails(format!("there are fewer than {rule}"));
                }
                ("maxItems", Value::Array(all)) if above(all.len(), rule) => {
                    fails(format!("there are more than {rule}"));
                }
                ("minProperties", Value::Object(all)) if below(all.len(), rule) => {
                    fails(format!("there are fewer fields than {rule}"));
                }
                ("minimum", Value::Number(_)) if value.as_f64() < rule.as_f64() => {
                    fails(format!("it is less than {rule}"));
                }
                ("maximum", Value::Number(_)) if value.as_f64() > rule.as_f64() => {
                    fails(format!("it is more than {rule}"));
                }
                ("anyOf", _) if self.fitting(value, rule) == 0 => {
                    fails("no choice fits".to_owned());
                }
                ("oneOf", _) if self.fitting(value, rule) != 1 => {
                    fails("not one choice fits".to_owned());
                }
                ("required", Value::Object(fields)) => {
                    let names = rule.as_array().into_iter().flatten().filter_map(Value::as_str);
                    for name in names.filter(|name| !fields.contains_key(*name)) {
                        fails(format!("`{name}` is missing"));
                    }
                }
                _ => assert!(is_known(keyword), "`{keyword}` is not known here"),
            }
        }
        if let Some(to) = rules.get("$ref").and_then(Value::as_str) {
            match self.at(to) {
                Some(schema) => self.visit(place, value, schema, found),
                None => found.push(format!("{place}: {to} is nowhere")),
            }
        }
        match value {
            Value::Array(all) => {
                for (number, one) in all.iter().enumerate() {
                    let items = rules.get("items").unwrap_or(&Value::Bool(true));
                    self.visit(&format!("{place}[{number}]"), one, items, found);
                }
            }
            Value::Object(fields) => self.visit_fields(place, fields, rules, found),
            _ => {}
        }
    }

    fn visit_fields(
        &self,
        place: &str,
        fields: &Map<String, Value>,
        rules: &Map<String, Value>,
        found: &mut Vec<String>,
    ) {
        let known = rules.get("properties").and_then(Value::as_object);
        let others = rules.get("additionalProperties");
        // Whoever only refers, or only chooses, leaves the fields to what that leads to.
        let leaves =
            ["$ref", "anyOf", "oneOf", "allOf"].iter().any(|word| rules.contains_key(*word));
        for (name, field) in fields {
            let place = format!("{place}.{name}");
            match (known.and_then(|known| known.get(name)), others) {
                (Some(schema), _) | (None, Some(schema)) => {
                    self.visit(&place, field, schema, found);
                }
                (None, None) if self.is_strict && !leaves && rules.contains_key("type") => {
                    let is_free = known.is_none() && !rules.contains_key("required");
                    if !is_free {
                        found.push(format!("{place}: its schema does not name it"));
                    }
                }
                (None, None) => {}
            }
        }
    }

    fn fitting(&self, value: &Value, choices: &Value) -> usize {
        let choices = choices.as_array().expect("choices are a list").iter();
        choices.filter(|choice| self.check(value, choice).is_empty()).count()
    }
}

/// Whether a text matches; a pattern is read once.
fn is_match(pattern: &str, text: &str) -> bool {
    static READ: LazyLock<Mutex<BTreeMap<String, Regex>>> = LazyLock::new(Mutex::default);
    let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    if !read.contains_key(pattern) {
        let regex = Regex::new(pattern).expect("a pattern can be read");
        read.insert(pattern.to_owned(), regex);
    }
    read[pattern].is_match(text)
}

fn is_known(keyword: &str) -> bool {
    const RULES: [&str; 20] = [
        "$ref",
        "type",
        "enum",
        "const",
        "pattern",
        "format",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "minProperties",
        "minimum",
        "maximum",
        "anyOf",
        "oneOf",
        "required",
        "properties",
        "additionalProperties",
        "items",
        "uniqueItems",
    ];
    RULES.contains(&keyword) || SAID.contains(&keyword)
}

fn below(count: usize, rule: &Value) -> bool {
    rule.as_u64().is_some_and(|min| (count as u64) < min)
}

fn above(count: usize, rule: &Value) -> bool {
    rule.as_u64().is_some_and(|max| count as u64 > max)
}

fn is_of(value: &Value, rule: &Value) -> bool {
    let is = |kind: &str| match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        _ => value.is_object(),
    };
    match rule {
        Value::String(kind) => is(kind),
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).any(is),
        _ => false,
    }
}

fn has_format(text: &str, rule: &Value) -> bool {
    match rule.as_str() {
        Some("date-time") => Time::parse(text).is_some(),
        Some("date") => Time::parse_date(text).is_some(),
        Some("uri") => text.parse::<http::Uri>().is_ok_and(|uri| uri.scheme().is_some()),
        Some("email") => text.contains('@'),
        // Widths of numbers.
        _ => true,
    }
}
