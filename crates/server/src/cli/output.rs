//! What commands print: text for people, one JSON object for programs.

use std::io::Write as _;

use serde_json::{Value, json};

/// Where results go, and in what form.
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Prints a line of text; nothing when JSON is wanted.
    pub(crate) fn line(&self, text: impl AsRef<str>) {
        if !self.json {
            print(text.as_ref());
        }
    }

    /// Prints the JSON form; nothing when text is wanted.
    pub(crate) fn value(&self, value: &Value) {
        if self.json {
            print(&value.to_string());
        }
    }

    /// Prints an object: its fields that have a value, one a line.
    pub(crate) fn object(&self, value: &Value) {
        self.value(value);
        let Some(object) = value.as_object() else { return };
        let shown = object.iter().filter(|(_, value)| !is_empty(value));
        let width = shown.clone().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, value) in shown {
            self.line(format!("{name:width$}  {}", plain(value)));
        }
    }

    /// Prints a list as a table of some of its fields.
    pub(crate) fn table(&self, value: &Value, columns: &[&str]) {
        self.value(value);
        let rows = value["data"].as_array().map_or(&[][..], Vec::as_slice);
        let cells: Vec<Vec<String>> = rows
            .iter()
            .map(|row| columns.iter().map(|column| plain(&row[*column])).collect())
            .collect();
        let width = |column: usize| {
            let of_rows = cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
            of_rows.max(columns[column].len())
        };
        let line = |texts: Vec<String>| {
            let padded = texts.iter().enumerate().map(|(column, text)| {
                format!("{text}{}", " ".repeat(width(column).saturating_sub(text.chars().count())))
            });
            padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        self.line(line(columns.iter().map(|name| name.to_uppercase()).collect()));
        for row in &cells {
            self.line(line(row.clone()));
        }
        if value["next_cursor"].is_string() {
            self.line("(there are more; use --limit)");
        }
    }

    /// Says on standard error what went wrong.
    pub(crate) fn failure(&self, what: &str) {
        let text = if self.json {
            json!({ "error": what }).to_string()
        } else {
            format!("keyway: {what}")
        };
        let _ = writeln!(std::io::stderr(), "{text}");
    }

    /// Says on standard error how far something is.
    #[expect(clippy::unused_self, reason = "progress is part of the output, whatever its form")]
    pub(crate) fn progress(&self, text: &str) {
        let _ = writeln!(std::io::stderr(), "{text}");
    }
}

/// A closed pipe is the reader's choice, not a failure of ours.
fn print(text: &str) {
    let mut out = std::io::stdout();
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(object) => object.is_empty(),
        _ => false,
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(list) if list.iter().all(Value::is_string) => {
            list.iter().map(plain).collect::<Vec<_>>().join(", ")
        }
        Value::Object(object) => {
            let pairs = object.iter().map(|(name, value)| format!("{name}={}", plain(value)));
            pairs.collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}
