//! What the documents say of events and reasons is what the code says.

use keyway_domain::event::Kind;
use keyway_domain::verdict::Reason;

fn document(name: &str) -> String {
    let path = format!("{}/../../docs/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).expect("the document is in the repository")
}

/// How the table of events begins.
const HEAD: &str = "| event | meaning | webhooks |\n|---|---|---|\n";

#[expect(clippy::disallowed_methods, reason = "as the snapshots of expect-test are rewritten")]
fn updates() -> bool {
    std::env::var("UPDATE_EXPECT").is_ok()
}

#[test]
fn every_event_is_in_the_document_with_its_meaning() {
    let document = document("events.md");
    let programs = |kind: &Kind| if kind.is_for_programs() { "yes" } else { "" };
    let rows = Kind::ALL
        .iter()
        .map(|kind| format!("| `{}` | {} | {} |\n", kind.as_str(), kind.meaning(), programs(kind)));
    let table = format!("{HEAD}{}", rows.collect::<String>());
    if updates() {
        let before = document.split(HEAD).next().unwrap_or_default();
        let after = document.split(HEAD).nth(1).unwrap_or_default();
        let rest = after.split_once("\n\n").map_or("", |(_, rest)| rest);
        let path = format!("{}/../../docs/events.md", env!("CARGO_MANIFEST_DIR"));
        std::fs::write(path, format!("{before}{table}\n{rest}")).expect("it can be written");
        return;
    }
    assert!(document.contains(&table), "docs/events.md is old; run this with UPDATE_EXPECT=1");
}

#[test]
fn every_reason_is_in_the_document_with_its_status() {
    let document = document("verify.md");
    for reason in Reason::ALL {
        let row = format!("| `{reason}` | {} | {} |\n", reason.status(), reason.message());
        assert!(document.contains(&row), "docs/verify.md lacks: {row}");
    }
}
