//! A deployment moved from a file to a server.

use std::collections::BTreeSet;

use keyway_store::transfer::{STAY, TABLES, transfer};
use keyway_store::{Db, accounts, credentials, settings};
use keyway_testbed::Database;

use crate::house::{House, add_account, credential, folder, options};

#[test]
fn every_table_is_moved_or_stays_for_a_reason() {
    let house = House::in_a_file("tables");
    let sql = "SELECT name FROM sqlite_master WHERE type = 'table'";
    let there: BTreeSet<String> =
        house.editor().rows(sql).into_iter().map(|row| row[0].clone()).collect();
    let named: BTreeSet<String> =
        TABLES.iter().chain(STAY).map(|name| (*name).to_owned()).collect();
    assert_eq!(there, named);
}

#[test]
fn a_deployment_goes_to_a_server_whole_and_on_from_where_it_was_broken_off() {
    let folder = folder("moved-to");
    let server = Database::of(&folder);
    let Some(target) = server.target() else { return };
    let house = House::in_a_file("moved-from");
    house.done(|tx| (1..=1_200).try_for_each(|number| add_account(tx, number)));
    for number in 1..=20 {
        house.keep(&credential(number, "restricted")).unwrap();
    }
    house.done(|tx| settings::save(tx, "any", b"thing"));
    let from = house.folder.join("keyway.db");
    // Broken off: a part of it is there, marked as unfinished.
    let editor = server.editor();
    editor.must("INSERT INTO settings (name, value) VALUES ('transfer_unfinished', x'01')");
    editor.must("INSERT INTO accounts (id, name, suspended, created_at) VALUES ('a', 'A', 0, 0)");
    let mut told = 0;
    let refused = transfer(&from, &target, |_| told += 1).unwrap_err().to_string();
    assert!(refused.contains("accounts: 1200 rows in the file, 1201 on the server"), "{refused}");
    editor.must("DELETE FROM accounts WHERE id = 'a'");
    let moved = transfer(&from, &target, |_| told += 1).unwrap();
    let rows = |name: &str| moved.iter().find(|table| table.table == name).unwrap().rows;
    assert_eq!((rows("accounts"), rows("credentials"), rows("secrets")), (1_200, 20, 60));
    assert!(told > 0);
    let db = Db::connect(&target, &options()).unwrap();
    let rules = house.rules.clone();
    let loaded = house.runtime.block_on(db.read(move |tx| {
        let (mut count, mut all) = (0, 0);
        accounts::each(tx, |_| count += 1)?;
        credentials::each(tx, &rules, credentials::Realm::Platform, |found| {
            found.unwrap();
            all += 1;
        })?;
        Ok::<_, keyway_store::DbError>((count, all))
    }));
    assert_eq!(loaded.unwrap(), (1_200, 20), "every seal fits");
    let known = "SELECT CAST(reltuples AS BIGINT) FROM pg_class WHERE relname = 'accounts'";
    assert_eq!(server.editor().number(known), 1_200, "what it knows of what has come");
    let head = |editor: keyway_testbed::Editor| editor.rows("SELECT seq, nonce FROM change_head");
    assert_eq!(head(server.editor()), head(house.editor()), "the history goes on");
    let again = transfer(&from, &target, |_| {}).unwrap_err().to_string();
    assert!(again.contains("in use"), "{again}");
    drop(db);
    server.remove();
    std::fs::remove_dir_all(folder).unwrap();
}
