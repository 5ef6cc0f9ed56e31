//! The one table: rows as they are measured, printed as Markdown or JSON.

use serde_json::{Value, json};

/// A measured line.
#[derive(Default)]
pub(crate) struct Row {
    /// The section it belongs to.
    pub(crate) section: &'static str,
    /// What was measured.
    pub(crate) what: String,
    /// The figure.
    pub(crate) figure: String,
    /// Half of all took at most this.
    pub(crate) p50: String,
    /// All but a hundredth took at most this.
    pub(crate) p99: String,
    /// Against the baseline of the same run.
    pub(crate) ratio: String,
    /// What else to know.
    pub(crate) note: String,
}

/// All of a run.
pub(crate) struct Report {
    environment: Vec<(&'static str, String)>,
    rows: Vec<Row>,
}

impl Report {
    pub(crate) fn new(environment: Vec<(&'static str, String)>) -> Self {
        Self { environment, rows: Vec::new() }
    }

    /// Adds a line, and shows it at once to whoever waits.
    pub(crate) fn add(&mut self, row: Row) {
        use std::io::Write as _;
        let Row { section, what, figure, p50, p99, ratio, note } = &row;
        let shown = [section, what.as_str(), figure, p50, p99, ratio, note].join(" | ");
        let _ = writeln!(std::io::stderr(), "  {shown}");
        self.rows.push(row);
    }

    pub(crate) fn to_markdown(&self) -> String {
        let mut lines: Vec<String> =
            self.environment.iter().map(|(name, value)| format!("- {name}: {value}")).collect();
        lines.push(String::new());
        lines.push("| section | what | figure | p50 | p99 | ratio | note |".to_owned());
        lines.push("|---|---|--:|--:|--:|--:|---|".to_owned());
        for row in &self.rows {
            let cells =
                [row.section, &row.what, &row.figure, &row.p50, &row.p99, &row.ratio, &row.note];
            lines.push(format!("| {} |", cells.join(" | ")));
        }
        lines.join("\n")
    }

    pub(crate) fn to_json(&self) -> String {
        let environment: serde_json::Map<String, Value> = self
            .environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect();
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                json!({
                    "section": row.section, "what": row.what, "figure": row.figure,
                    "p50": row.p50, "p99": row.p99, "ratio": row.ratio, "note": row.note,
                })
            })
            .collect();
        json!({ "environment": environment, "rows": rows }).to_string()
    }
}
