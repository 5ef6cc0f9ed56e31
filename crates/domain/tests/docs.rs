//! What the documents say of events and reasons is what the code says.

use keyway_domain::event::Kind;
use keyway_domain::verdict::Reason;

fn document(name: &str) -> String {
    let path = format!("{}/../../docs/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).expect("the document is in the repository")
}

#[test]
fn every_event_is_in_the_document_with_its_meaning() {
    let document = document("events.md");
    for kind in Kind::ALL {
        let row = format!("| `{}` | {} |\n", kind.as_str(), kind.meaning());
        assert!(document.contains(&row), "docs/events.md lacks: {row}");
    }
    assert_eq!(document.matches("| `").count(), Kind::ALL.len(), "and no other");
}

#[test]
fn every_reason_is_in_the_document_with_its_status() {
    let document = document("verify.md");
    for reason in Reason::ALL {
        let row = format!("| `{reason}` | {} | {} |\n", reason.status(), reason.message());
        assert!(document.contains(&row), "docs/verify.md lacks: {row}");
    }
}
