//! SQL text is in `crates/store` and nowhere else, but for tests, the sample API and this check.

use super::Problem;
use crate::mentions;
use crate::tree::Tree;

pub(super) const HOLDS: &str = "SQL only in crates/store";

const ALLOWED: [&str; 4] = ["crates/store/", "crates/testbed/", "examples/payments/", "xtask/"];

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for source in tree.rust() {
        if source.is_test() || ALLOWED.iter().any(|folder| source.path.starts_with(folder)) {
            continue;
        }
        for string in mentions::strings(source.tokens()) {
            if is_sql(&string.text) {
                let what = format!("SQL outside the store: {:?}", opening(&string.text));
                let right = "write a function in crates/store and call it";
                problems.push(Problem::at(source, string.line, what, right));
            }
        }
    }
    problems
}

/// Asks for the second word too: `DELETE /v1/credentials/{id}` and "CREATE" are not SQL.
fn is_sql(text: &str) -> bool {
    let mut words = text.split_whitespace();
    let (first, second) = (words.next().unwrap_or_default(), words.next());
    match first {
        "BEGIN" | "SAVEPOINT" => true,
        "SELECT" | "PRAGMA" => second.is_some(),
        "INSERT" => matches!(second, Some("INTO" | "OR")),
        "DELETE" => second == Some("FROM"),
        "UPDATE" => text.split_whitespace().any(|word| word == "SET"),
        "CREATE" | "DROP" | "ALTER" => {
            matches!(second, Some("TABLE" | "INDEX" | "UNIQUE" | "TRIGGER" | "VIEW" | "TEMP"))
        }
        _ => false,
    }
}

fn opening(text: &str) -> String {
    text.split_whitespace().take(4).collect::<Vec<_>>().join(" ")
}
