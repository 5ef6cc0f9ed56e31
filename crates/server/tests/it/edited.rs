//! Rows that somebody edited by hand on a server: each makes what it is about fail closed, with an
//! alarm, and nothing else; at nodes that run, and at one that starts.

use keyway_testbed::Editor;
use serde_json::json;

use crate::harness::{Answer, Keyway, bearer, send, until};

const SCHEME: &str = "enterprise";

async fn key(keyway: &Keyway, account: &str) -> Answer {
    let body = json!({ "kind": "key", "environment": "live", "name": "K", "grant": "everything" });
    keyway.create(account, body).await.expect(201)
}

async fn asked(keyway: &Keyway, key: &Answer) -> u16 {
    bearer(keyway.api, "GET", "/mfi/invoices", &key.shown("key")).await.status
}

/// Has every node read a subject again, as after a change of it.
fn announce(editor: &Editor, nonce: i64, subject: &str) {
    editor.must(&format!(
        "INSERT INTO change_log (seq, nonce, prev, subject, at)
         SELECT seq + 1, {nonce}, nonce, '{subject}', 0 FROM change_head;
         UPDATE change_head SET seq = seq + 1, nonce = {nonce}"
    ));
}

/// What the tables say against it goes first: the owner of a database can do that.
const UNGUARD: [&str; 6] = [
    "ALTER TABLE credentials DROP CONSTRAINT credentials_status_check",
    "ALTER TABLE credentials DROP CONSTRAINT credentials_environment_check",
    "ALTER TABLE credentials ALTER COLUMN name DROP NOT NULL",
    "ALTER TABLE secrets DROP CONSTRAINT secrets_state_check",
    "ALTER TABLE secrets ALTER COLUMN digest DROP NOT NULL",
    "ALTER TABLE accounts ALTER COLUMN name DROP NOT NULL",
];

/// What somebody does to a credential's rows.
const EDITS: [(&str, &str); 6] = [
    ("a status nobody knows", "UPDATE credentials SET status = 'frozen' WHERE id = THIS"),
    ("an environment nobody knows", "UPDATE credentials SET environment = 'moon' WHERE id = THIS"),
    ("nothing for a name", "UPDATE credentials SET name = NULL WHERE id = THIS"),
    ("a state nobody knows", "UPDATE secrets SET state = 'asleep' WHERE credential_id = THIS"),
    ("nothing for a digest", "UPDATE secrets SET digest = NULL WHERE credential_id = THIS"),
    ("a grant that is no list", "UPDATE credentials SET grants = '{\"no' WHERE id = THIS"),
];

#[tokio::test]
async fn a_row_edited_by_hand_fails_by_itself_at_nodes_that_run_and_at_one_that_starts() {
    let one = Keyway::start(SCHEME).await;
    if !one.database.is_on_server() {
        return;
    }
    let other = one.beside(SCHEME).await;
    let (account, theirs) = (one.account().await, one.account().await);
    let editor = one.database.editor();
    for sql in UNGUARD {
        editor.must(sql);
    }
    let mut refused = Vec::new();
    for (_, edit) in EDITS {
        let made = key(&one, &account).await;
        editor.must(&edit.replace("THIS", &format!("'{}'", made.id())));
        refused.push(made);
    }
    // Two digests that changed places: each would open the other's door.
    let (swapped, with) = (key(&one, &account).await, key(&one, &account).await);
    let digest = |id: &str| {
        editor.rows(&format!(
            "SELECT encode(digest, 'hex') FROM secrets WHERE credential_id = '{id}'"
        ))[0][0]
            .clone()
    };
    let (first, second) = (digest(&swapped.id()), digest(&with.id()));
    for (id, digest) in
        [(swapped.id(), "00"), (with.id(), first.as_str()), (swapped.id(), second.as_str())]
    {
        editor.must(&format!(
            "UPDATE secrets SET digest = '\\x{digest}' WHERE credential_id = '{id}'"
        ));
    }
    refused.extend([swapped, with]);
    let (whole, suspended) = (key(&one, &account).await, key(&one, &theirs).await);
    editor.must(&format!("UPDATE accounts SET name = NULL WHERE id = '{theirs}'"));
    editor.must(&format!(
        "UPDATE events SET actor = '{{\"no', after = '[' WHERE subject = '{}'",
        whole.id()
    ));
    let subjects = refused.iter().map(Answer::id).chain([theirs.clone()]);
    for (nonce, subject) in (1..).zip(subjects) {
        announce(&editor, nonce, &subject);
    }
    for node in [&one, &other] {
        for made in &refused {
            until(async || asked(node, made).await == 401).await;
        }
        until(async || asked(node, &suspended).await == 403).await;
    }
    let third = one.beside(SCHEME).await;
    for node in [&one, &other, &third] {
        for (number, made) in refused.iter().enumerate() {
            let what = EDITS.get(number).map_or("a swapped digest", |(what, _)| what);
            assert_eq!(asked(node, made).await, 401, "{what}");
        }
        assert_eq!(asked(node, &suspended).await, 403, "an account that can't be read");
        assert_eq!(asked(node, &whole).await, 200, "the others are untouched");
        let said = send(node.internal, "GET", "/readyz", &[], "").await.expect(200).json();
        assert!(said["rows_refused"].as_u64() >= Some(9), "{said}");
        let metrics = send(node.internal, "GET", "/metrics", &[], "").await.text;
        assert!(!metrics.contains("keyway_rows_refused 0\n"), "{metrics}");
        node.get("/v1/nodes").await.expect(200);
        // What can't be read of an event is called unknown, and hides no other.
        node.get(&format!("/v1/accounts/{account}/events")).await.expect(200);
    }
    // Everything else goes on, in that very account too.
    let made = key(&third, &account).await;
    other.act(&account, &made.id(), "revoke", json!({})).await.expect(200);
    assert_eq!(asked(&one, &made).await, 401);
}

#[tokio::test]
async fn an_entry_of_the_log_that_names_nothing_known_has_everything_read_anew() {
    let one = Keyway::start(SCHEME).await;
    if !one.database.is_on_server() {
        return;
    }
    let account = one.account().await;
    let (revoked, live) = (key(&one, &account).await, key(&one, &account).await);
    let editor = one.database.editor();
    // A revocation whose entry somebody made unreadable.
    let other = one.beside(SCHEME).await;
    other.act(&account, &revoked.id(), "revoke", json!({})).await.expect(200);
    announce(&editor, 7, "nonsense");
    until(async || one.histories() == 1).await;
    until(async || asked(&one, &live).await == 200).await;
    assert_eq!(asked(&one, &revoked).await, 401);
}
