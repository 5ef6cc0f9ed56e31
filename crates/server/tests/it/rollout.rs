//! How a deployment is put up and renewed while it serves.

use keyway_testbed::free_port;
use serde_json::Value;

use crate::process::{Deployment, said};

#[tokio::test(flavor = "multi_thread")]
async fn a_node_needs_no_right_to_make_tables_and_can_take_none() {
    let Some(deployment) = Deployment::start() else { return };
    let run = deployment.url.replace("//keyway@", "//keyway_run@");
    let refused = deployment.keyway(&["migrate", "--database", &run]);
    assert!(!refused.status.success());
    let granted =
        deployment.keyway(&["migrate", "--database", &deployment.url, "--grant-to", "keyway_run"]);
    assert!(granted.status.success(), "{}", said(&granted));
    let editor = deployment.editor();
    let may = "SELECT has_schema_privilege('keyway_run', 'public', 'CREATE'),
        has_table_privilege('keyway_run', 'credentials', 'TRUNCATE'),
        has_table_privilege('keyway_run', 'credentials', 'UPDATE')";
    assert_eq!(editor.rows(may), [["f", "f", "t"]]);
    let deployment = deployment.with_role("keyway_run");
    let (one, _before_one) = deployment.node("one", &[]).await;
    let (other, _before_other) = deployment.node("other", &[]).await;
    let operator = deployment.operator(&one).await;
    let (id, key) = operator.key(&one).await;
    assert_eq!(other.refuses(&key).await, None);
    operator.revoke(&other, &id).await.expect(200);
    assert_eq!(one.refuses(&key).await.as_deref(), Some("revoked"));
    let users = "SELECT DISTINCT usename FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'keyway'";
    assert_eq!(editor.rows(users), [["keyway_run"]]);
}

/// What `keyway migrate` of a version after this one does, in its one transaction: it adds, and says
/// which versions may go on.
fn migrate_to_the_next(deployment: &Deployment, oldest: &str) {
    deployment.editor().must(&format!(
        "BEGIN;
         ALTER TABLE credentials ADD COLUMN later_{oldest} BIGINT NOT NULL DEFAULT 0;
         ALTER TABLE node_lease ADD COLUMN later_{oldest} TEXT;
         CREATE TABLE later_{oldest} (id TEXT PRIMARY KEY);
         INSERT INTO keyway_schema (version, applied, oldest)
         SELECT MAX(version) + 1, 1, {oldest} FROM keyway_schema;
         COMMIT"
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_go_on_while_the_schema_takes_a_step_and_those_it_is_not_for_are_refused() {
    let Some(deployment) = Deployment::start() else { return };
    let (mut one, _before_one) = deployment.node("one", &[]).await;
    let (other, _before_other) = deployment.node("other", &[]).await;
    let operator = deployment.operator(&one).await;
    let schema = deployment.editor().number("SELECT MAX(version) FROM keyway_schema");
    let (before_id, before) = operator.key(&one).await;
    let migrating = async {
        // Between two changes that nodes are in the middle of.
        tokio::task::block_in_place(|| migrate_to_the_next(&deployment, &schema.to_string()));
    };
    let changing = async {
        for _ in 0..20 {
            let (id, key) = operator.key(&one).await;
            operator.revoke(&other, &id).await.expect(200);
            assert_eq!(one.refuses(&key).await.as_deref(), Some("revoked"));
            assert_eq!(other.refuses(&before).await, None);
        }
    };
    tokio::join!(changing, migrating);
    operator.revoke(&one, &before_id).await.expect(200);
    assert_eq!(other.refuses(&before).await.as_deref(), Some("revoked"));
    assert!(one.runs() && one.readiness().await.1["rows_refused"] == 0, "{}", one.log());
    // A node of this version starts on the schema of the next, and one is replaced by another.
    assert!(other.stop().await);
    let (third, _before_third) = deployment.node("third", &[]).await;
    let (id, key) = operator.key(&one).await;
    let answer: Value = operator.revoke(&third, &id).await.expect(200).json();
    assert_eq!((&answer["effective"], &answer["nodes"]), (&"everywhere".into(), &2.into()));
    assert_eq!(one.refuses(&key).await.as_deref(), Some("revoked"));
    // The step after that is not for this version: who runs goes on, nobody else begins.
    migrate_to_the_next(&deployment, &(schema + 1).to_string());
    let proxy = keyway_testbed::Proxy::start_at(free_port(), deployment.server()).await;
    let proxy = proxy.expect("a free port");
    let refused = deployment.launch("late", proxy.port(), &[]);
    let log = refused.until_it_ends().await;
    assert!(log.contains("made by a newer Keyway"), "{log}");
    operator.key(&one).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_of_other_terms_do_not_start_beside_each_other() {
    let Some(deployment) = Deployment::start() else { return };
    let (one, _before_one) = deployment.node("one", &[]).await;
    let port = deployment.server().port();
    for (name, terms) in [("lease", ["--lease-ms", "3000"]), ("grace", ["--grace-ms", "500"])] {
        let log = deployment.launch(name, port, &terms).until_it_ends().await;
        assert!(log.contains("`one` runs with --lease-ms 2000 and --grace-ms 0"), "{log}");
    }
    assert!(one.stop().await);
    let (changed, _before_changed) = deployment.node("changed", &["--lease-ms", "3000"]).await;
    assert!(deployment.status(&changed).await.0);
}
