//! What docs/errors.md says of errors is what the code says.

use std::fmt::Write as _;

use keyway_server::codes::{Code, Entry, OAuthError, token_refusals};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors.md");

/// How each table begins.
const HEAD: &str = "| code | status | meaning | what to do |\n|---|---|---|---|\n";

#[expect(clippy::disallowed_methods, reason = "as the snapshots of expect-test are rewritten")]
fn updates() -> bool {
    std::env::var("UPDATE_EXPECT").is_ok()
}

fn table(entries: impl Iterator<Item = Entry>) -> String {
    let mut table = HEAD.to_owned();
    for Entry { word, status, meaning, advice } in entries {
        writeln!(table, "| `{word}` | {status} | {meaning} | {advice} |")
            .expect("a String takes it");
    }
    table
}

/// The tables in the order in which they stand.
fn tables() -> [String; 3] {
    [
        table(Code::ALL.iter().copied().map(Entry::from)),
        table(token_refusals().into_iter()),
        table(OAuthError::ALL.iter().copied().map(Entry::from)),
    ]
}

#[test]
fn every_error_is_in_the_document_with_what_to_do() {
    let document = std::fs::read_to_string(PATH).expect("the document is in the repository");
    if updates() {
        let mut parts = document.split(HEAD);
        let mut whole = parts.next().unwrap_or_default().to_owned();
        for (part, table) in parts.zip(tables()) {
            whole.push_str(&table);
            // The old table ends at the first line that is none of its rows.
            let rest = part.lines().skip_while(|line| line.starts_with('|'));
            rest.for_each(|line| whole.extend([line, "\n"]));
        }
        std::fs::write(PATH, whole).expect("it can be written");
        return;
    }
    for table in tables() {
        assert!(document.contains(&table), "docs/errors.md is old; run this with UPDATE_EXPECT=1");
    }
}

#[test]
fn a_code_means_one_thing() {
    let mut words: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    words.sort_unstable();
    let count = words.len();
    words.dedup();
    assert_eq!(words.len(), count);
    for code in Code::ALL {
        assert!(code.meaning().ends_with('.') && code.advice().ends_with('.'), "{code:?}");
    }
}
