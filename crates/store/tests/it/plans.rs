//! How a server comes by rows: by an index, whatever it thought of the tables when it planned.

use std::time::{Duration, Instant};

use keyway_domain::id::CredentialId;
use keyway_store::credentials::{self, Realm};
use keyway_store::{Db, DbError};

use crate::house::{House, add_account, credential, options};

const CREDENTIALS: u8 = 20;
const LOOKS: i64 = 100;

fn look(house: &House, db: &Db) {
    let rules = house.rules.clone();
    let read = db.read(move |tx| {
        credentials::named(tx, &rules, Realm::Platform, &[CredentialId(1)], |_| {})?;
        Ok::<_, DbError>(())
    });
    house.runtime.block_on(read).unwrap();
}

#[test]
fn a_statement_that_was_planned_over_empty_tables_does_not_read_full_ones_whole() {
    let house = House::new("plans");
    if !house.database.is_on_server() {
        return;
    }
    house.done(|tx| add_account(tx, 1));
    house.keep(&credential(1, "restricted")).unwrap();
    let db = house.database.same().open(&options()).unwrap();
    // After some times the server keeps the plan it has.
    (0..10).for_each(|_| look(&house, &db));
    (2..CREDENTIALS).for_each(|number| house.keep(&credential(number, "restricted")).unwrap());
    (0..LOOKS).for_each(|_| look(&house, &db));
    // The server counts what a connection did when it ends.
    drop(db);
    let editor = house.editor();
    let counted = |what: &str| {
        let tables = "pg_stat_user_tables WHERE relname IN ('credentials', 'secrets')";
        editor.number(&format!("SELECT CAST(COALESCE(SUM({what}), 0) AS BIGINT) FROM {tables}"))
    };
    let until = Instant::now() + Duration::from_secs(30);
    while counted("seq_scan + idx_scan") < 2 * LOOKS {
        assert!(Instant::now() < until, "the server has not counted");
        std::thread::yield_now();
    }
    assert_eq!(counted("seq_tup_read"), 0, "rows that were read to find others");
}

#[test]
fn few_rows_are_counted_and_many_are_what_the_server_thinks() {
    let house = House::new("about");
    house.done(|tx| add_account(tx, 1));
    (1..4).for_each(|number| house.keep(&credential(number, "restricted")).unwrap());
    let about = || house.runtime.block_on(house.db.read(credentials::about_secrets)).unwrap();
    assert_eq!(about(), 9);
    if !house.database.is_on_server() {
        return;
    }
    let editor = house.editor();
    editor.must("ALTER TABLE secrets SET (autovacuum_enabled = off); ANALYZE secrets");
    assert_eq!(about(), 9);
    editor.must(
        "INSERT INTO secrets (credential_id, number, digest, hint, created_at, state, state_at)
         SELECT id, 1000 + n, decode(md5('a' || n) || md5('b' || n), 'hex'), '', 0, 'replaced', 0
         FROM (SELECT MIN(id) AS id FROM credentials) AS first, generate_series(1, 100000) AS n;
         ANALYZE secrets; DELETE FROM secrets WHERE number > 1000",
    );
    assert_eq!(about(), 100_009, "as of when it last looked");
}
