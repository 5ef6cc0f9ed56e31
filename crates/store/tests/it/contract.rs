//! What the store promises, through its public door; a second connection plays the database editor.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use keyway_domain::Environment;
use keyway_domain::credential::{AddressMode, Credential, EndedBecause, SecretState, Status};
use keyway_domain::id::{AccountId, CredentialId};
use keyway_domain::time::Time;
use keyway_store::accounts;
use keyway_store::credentials::{self, Realm};
use keyway_store::usage::{self, Batch, Seen};
use keyway_store::{
    Change, Db, DbError, Follower, Position, SCHEMA_VERSION, Tx, idempotency, settings,
};

use crate::house::{House, NOW, account, add_account, audit_key, credential, folder, options};

impl House {
    fn find(&self, credential: &Credential) -> Result<Option<Credential>, DbError> {
        let (rules, account, id) = (self.rules.clone(), credential.account, credential.id);
        self.read(move |tx| credentials::find(tx, &rules, account, id))
    }

    /// Loads everything, as a start does: the ids that load, and those that are refused.
    fn load(&self) -> (Vec<CredentialId>, Vec<String>) {
        let rules = self.rules.clone();
        self.read(move |tx| {
            let (mut loaded, mut refused) = (Vec::new(), Vec::new());
            credentials::each(tx, &rules, Realm::Platform, |found| match found {
                Ok(credential) => loaded.push(credential.id),
                Err((id, _)) => refused.push(id.to_owned()),
            })?;
            Ok((loaded, refused))
        })
        .unwrap()
    }
}

#[test]
fn a_credential_comes_back_as_it_was_kept() {
    let house = House::new("same");
    house.write(|tx| add_account(tx, 1)).unwrap();
    let mut one = credential(1, "restricted");
    house.keep(&one).unwrap();
    assert_eq!(house.find(&one).unwrap().as_ref(), Some(&one));
    one.status = Status::Revoked { at: NOW };
    one.address_mode = AddressMode::Report;
    one.version += 1;
    one.expires_at = None;
    one.secrets.iter_mut().for_each(|secret| {
        secret.state = SecretState::Ended { at: NOW, why: EndedBecause::Revoked };
    });
    let (rules, saved) = (house.rules.clone(), one.clone());
    house.write(move |tx| credentials::save(tx, &rules, &saved)).unwrap();
    assert_eq!(house.find(&one).unwrap(), Some(one));
}

#[test]
fn another_accounts_credential_is_not_found() {
    let house = House::new("tenant");
    house.write(|tx| add_account(tx, 1).and_then(|()| add_account(tx, 2))).unwrap();
    let one = credential(1, "restricted");
    house.keep(&one).unwrap();
    let other = Credential { account: AccountId(2), ..one };
    assert_eq!(house.find(&other).unwrap(), None);
}

#[test]
fn duplicates_are_recognised() {
    let house = House::new("duplicates");
    house.write(|tx| add_account(tx, 1)).unwrap();
    house.write(|tx| accounts::insert(tx, &audit_key(), &account(2, Some("ours")))).unwrap();
    let taken = house.write(|tx| accounts::insert(tx, &audit_key(), &account(3, Some("ours"))));
    assert!(taken.unwrap_err().is_duplicate(), "the external id");
    house.keep(&credential(1, "admin")).unwrap();
    let second = house.keep(&credential(2, "admin")).unwrap_err();
    assert!(second.is_duplicate(), "a second one of a single kind");
    house.keep(&Credential { environment: Environment::Live, ..credential(3, "admin") }).unwrap();
    house.keep(&credential(4, "restricted")).unwrap();
    house.keep(&credential(5, "restricted")).unwrap();
    let mut same = credential(6, "restricted");
    same.secrets[0].digest = credential(5, "restricted").secrets[0].digest;
    assert!(house.keep(&same).unwrap_err().is_duplicate(), "the digest");
    let mut same = credential(7, "restricted");
    same.secrets[0].public_id = Some("id5x3".to_owned());
    assert!(house.keep(&same).unwrap_err().is_duplicate(), "the public id");
    let unknown = Credential { account: AccountId(9), ..credential(8, "restricted") };
    let error = house.keep(&unknown).unwrap_err();
    assert!(!error.is_duplicate(), "an account that is not there is no duplicate: {error}");
    assert_eq!(house.load().0.len(), 4, "what was refused left nothing");
}

type Work<T> = Box<dyn Fn(&mut Tx<'_>) -> Result<T, DbError> + Send>;

/// Fills the writer's queue while the writer is held up, so that all of it shares one commit.
fn in_one_group<T: Send + 'static>(house: &House, works: Vec<Work<T>>) -> Vec<Result<T, DbError>> {
    let (go, gate) = channel::<()>();
    let gate: Mutex<Receiver<()>> = Mutex::new(gate);
    house.runtime.block_on(async {
        let db = house.db.clone();
        let held = tokio::spawn(async move {
            db.write(NOW, move |_| {
                gate.lock().unwrap().recv().unwrap();
                Ok::<_, DbError>(())
            })
            .await
        });
        let waiting: Vec<_> = works
            .into_iter()
            .map(|work| {
                let db = house.db.clone();
                tokio::spawn(async move { db.write(NOW, work).await })
            })
            .collect();
        // On this one thread every task runs up to its wait before this one goes on.
        tokio::task::yield_now().await;
        go.send(()).unwrap();
        // The one that held the others up may share their group, and so its fate.
        let _ = held.await.unwrap();
        let mut results = Vec::new();
        for task in waiting {
            results.push(task.await.unwrap());
        }
        results
    })
}

fn accounts_there(house: &House) -> Vec<u128> {
    let there = house.read(|tx| {
        let mut there = Vec::new();
        accounts::each(tx, |found| there.push(found.unwrap().id.0))?;
        Ok(there)
    });
    let mut there = there.unwrap();
    there.sort_unstable();
    there
}

#[test]
fn a_failed_write_leaves_nothing_and_those_committed_with_it_stand() {
    let house = House::new("group");
    let works: Vec<Work<()>> = vec![
        Box::new(|tx| add_account(tx, 1)),
        // Fails at its end, after it has written.
        Box::new(|tx| add_account(tx, 2).and_then(|()| add_account(tx, 1))),
        Box::new(|tx| add_account(tx, 3)),
        Box::new(|tx| {
            add_account(tx, 4)?;
            panic!("on purpose");
        }),
        // Holds nothing against its own failure: the first statement stands, as it says.
        Box::new(|tx| {
            add_account(tx, 5)?;
            let again = tx.apart(|tx| add_account(tx, 5))?;
            assert!(again.unwrap_err().is_duplicate());
            Ok(())
        }),
        Box::new(|tx| add_account(tx, 6)),
    ];
    let done: Vec<bool> = in_one_group(&house, works).iter().map(Result::is_ok).collect();
    assert_eq!(done, [true, false, true, false, true, true]);
    assert_eq!(accounts_there(&house), [1, 3, 5, 6]);
    let log = house.editor().number("SELECT COUNT(*) FROM change_log");
    assert_eq!(log, 4, "what left nothing is not in the change log either");
    house.write(|tx| add_account(tx, 7)).unwrap();
}

#[test]
fn when_a_transaction_is_lost_on_the_way_no_write_of_its_group_stands_and_each_is_told() {
    let house = House::in_a_file("lost");
    // Rolls back everything under way, as a full disk or a failed read can.
    let trigger = "CREATE TRIGGER lose BEFORE INSERT ON settings
                   BEGIN SELECT RAISE(ROLLBACK, 'lost'); END";
    house.editor().must(trigger);
    let told = Arc::new(Told::default());
    house.db.follow(told.clone());
    let works: Vec<Work<()>> = vec![
        Box::new(|tx| add_account(tx, 1)),
        Box::new(|tx| settings::save(tx, "any", b"thing")),
        Box::new(|tx| add_account(tx, 3)),
        Box::new(|tx| add_account(tx, 4)),
    ];
    let done: Vec<bool> = in_one_group(&house, works).iter().map(Result::is_ok).collect();
    let there = accounts_there(&house);
    let expected: Vec<u128> =
        [1, 0, 3, 4].into_iter().zip(&done).filter(|(_, done)| **done).map(|(id, _)| id).collect();
    assert!(!done[1]);
    assert_eq!(there, expected, "what stands is exactly what was answered so: {done:?}");
    assert_eq!(*told.0.lock().unwrap(), there, "and exactly what the follower was told");
    house.write(|tx| add_account(tx, 9)).unwrap();
}

/// A follower that remembers the accounts it was told of.
#[derive(Default)]
struct Told(Mutex<Vec<u128>>);

impl Follower for Told {
    fn apply(&self, changes: &[Change]) {
        for change in changes {
            if let Change::Account(account) = change {
                self.0.lock().unwrap().push(account.id.0);
            }
        }
    }

    fn reached(&self, _: Position, then: Box<dyn FnOnce() + Send>) {
        then();
    }
}

#[test]
fn the_follower_knows_before_the_caller_is_answered() {
    let house = House::in_a_file("follower");
    let told = Arc::new(Told::default());
    house.db.follow(told.clone());
    for number in 1..=50 {
        house.write(move |tx| add_account(tx, number)).unwrap();
        assert_eq!(told.0.lock().unwrap().last(), Some(&number));
    }
    house.write(|tx| add_account(tx, 50)).unwrap_err();
    assert_eq!(told.0.lock().unwrap().len(), 50, "nothing is told of what did not happen");
}

#[test]
fn sixty_four_writers_at_once_all_land_in_one_unbroken_order() {
    const EACH: u128 = 10;
    let house = House::busy("many");
    let told = Arc::new(Told::default());
    house.db.follow(told.clone());
    house.runtime.block_on(async {
        let writers: Vec<_> = (0..64)
            .map(|writer| {
                let db = house.db.clone();
                tokio::spawn(async move {
                    for number in 0..EACH {
                        let id = writer * EACH + number + 1;
                        db.write(NOW, move |tx| add_account(tx, id)).await.unwrap();
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.await.unwrap();
        }
    });
    assert_eq!(accounts_there(&house).len(), 640);
    let editor = house.editor();
    let log = editor.rows("SELECT seq, nonce, prev, subject FROM change_log ORDER BY seq");
    let number = |text: &String| text.parse::<i64>().unwrap();
    let mut before = 0;
    for (place, row) in (1..).zip(&log) {
        let found = (number(&row[0]), number(&row[2]));
        assert_eq!(found, (place, before), "dense, each naming the one before it");
        before = number(&row[1]);
    }
    let subjects: Vec<String> = log.into_iter().map(|row| row[3].clone()).collect();
    let order: Vec<String> =
        told.0.lock().unwrap().iter().map(|id| AccountId(*id).to_string()).collect();
    if order.is_empty() {
        // On a server the order comes from the log alone.
        assert_eq!(subjects.len(), 640);
    } else {
        assert_eq!(subjects, order, "the follower was told in the order of the log");
    }
    let head = &editor.rows("SELECT seq, nonce FROM change_head")[0];
    assert_eq!((number(&head[0]), number(&head[1])), (640, before));
}

/// Edits of one column each, as someone with write access to the database would make them.
const EDITS: [&str; 27] = [
    "credentials SET environment = 'live'",
    "credentials SET kind = 'admin'",
    "credentials SET grants = '*'",
    "credentials SET grants = 'balances:rw transfers:rw'",
    "credentials SET grants = ''",
    "credentials SET addresses = ''",
    "credentials SET addresses = '0.0.0.0/0'",
    "credentials SET address_mode = 'report'",
    "credentials SET rate_requests = 1000000",
    "credentials SET rate_window_ms = 1",
    "credentials SET rate_requests = NULL",
    "credentials SET client_id = 'other'",
    "credentials SET client_id = NULL",
    "credentials SET expires_at = NULL",
    "credentials SET expires_at = expires_at + 1",
    "credentials SET status = 'revoked', status_at = 1",
    "credentials SET status_at = 1",
    "credentials SET version = version + 1",
    "credentials SET seal = zeroblob(32)",
    "credentials SET account_id = (SELECT MAX(id) FROM accounts)",
    "secrets SET digest = zeroblob(32) WHERE number = 3",
    "secrets SET public_id = 'other' WHERE number = 3",
    "secrets SET sealed = zeroblob(40) WHERE number = 3",
    "secrets SET state_at = state_at + 1 WHERE number = 2",
    "secrets SET state = 'replaced' WHERE number = 2",
    "secrets SET state = 'retiring', state_at = 9999999999999 WHERE number = 1",
    "secrets SET number = 4 WHERE number = 3",
];

#[test]
fn a_row_that_was_edited_in_any_column_that_matters_is_refused() {
    for edit in EDITS {
        let house = House::new("tamper");
        house.write(|tx| add_account(tx, 1).and_then(|()| add_account(tx, 2))).unwrap();
        let one = credential(1, "restricted");
        let other = Credential { account: AccountId(2), ..credential(2, "restricted") };
        house.keep(&one).unwrap();
        house.keep(&other).unwrap();
        let editor = house.editor();
        // Only the first credential is edited; where two states clash, the other secret is in the way.
        let table = edit.split(' ').next().unwrap();
        let column = if table == "secrets" { "credential_id" } else { "id" };
        let join = if edit.contains(" WHERE ") { "AND" } else { "WHERE" };
        if edit.contains("'retiring'") {
            let id = one.id;
            editor
                .must(&format!("DELETE FROM secrets WHERE number = 2 AND credential_id = '{id}'"));
        }
        let sql = format!("UPDATE {edit} {join} {column} = '{}'", one.id);
        assert_eq!(editor.must(&sql), 1, "{edit}");
        let (loaded, refused) = house.load();
        assert_eq!(loaded, [other.id], "{edit}");
        assert_eq!(refused, [one.id.to_string()], "{edit}");
        let account = if edit.contains("account_id") { AccountId(2) } else { AccountId(1) };
        let found = house.find(&Credential { account, ..one });
        assert!(found.is_err(), "{edit}: found all the same");
    }
}

#[test]
fn secrets_cannot_be_taken_from_a_credential_or_given_to_it() {
    let house = House::new("moved");
    house.write(|tx| add_account(tx, 1)).unwrap();
    for number in 1..=3 {
        house.keep(&credential(number, "restricted")).unwrap();
    }
    let id = |number: u8| credential(number, "restricted").id.to_string();
    let editor = house.editor();
    editor.must(&format!("DELETE FROM secrets WHERE number = 2 AND credential_id = '{}'", id(1)));
    editor.must(&format!(
        "UPDATE secrets SET credential_id = '{}', number = 4, state = 'replaced', state_at = 1
         WHERE credential_id = '{}' AND number = 1",
        id(2),
        id(3)
    ));
    let (loaded, refused) = house.load();
    assert_eq!((loaded.len(), refused.len()), (0, 3), "{refused:?}");
}

#[test]
fn what_is_only_shown_may_be_edited_without_harm() {
    let house = House::new("shown");
    house.write(|tx| add_account(tx, 1)).unwrap();
    house.keep(&credential(1, "restricted")).unwrap();
    let editor = house.editor();
    editor.must("UPDATE credentials SET name = 'x', created_at = 1, single = 1");
    editor.must("UPDATE secrets SET hint = 'x', created_at = 1");
    // The complete list of columns that the seal leaves out: whoever adds one decides here.
    assert_eq!(house.load().0.len(), 1);
}

#[test]
fn a_database_of_a_newer_keyway_is_refused_and_left_as_it_is() {
    let house = House::in_a_file("newer");
    house.write(|tx| add_account(tx, 1)).unwrap();
    let newer = SCHEMA_VERSION + 1;
    let add = format!("INSERT INTO keyway_schema (version, applied) VALUES ({newer}, 1)");
    house.editor().must(&add);
    let error = refusal(&house.folder.join("keyway.db"));
    assert!(error.contains("made by a newer Keyway"), "{error}");
    assert_eq!(accounts_there(&house), [1]);
}

fn refusal(path: &Path) -> String {
    match Db::open(path, &options()) {
        Ok(_) => panic!("{} was opened", path.display()),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_damaged_file_is_called_damaged() {
    let folder = folder("damaged");
    let path = folder.join("keyway.db");
    std::fs::write(&path, "this is not a database, and long enough to look at ".repeat(100))
        .unwrap();
    let error = refusal(&path);
    assert!(error.contains("damaged or was edited; restore a backup"), "{error}");
    let house = House::in_a_file("holes");
    house.write(|tx| (1..=500).try_for_each(|number| add_account(tx, number))).unwrap();
    house.editor().must("PRAGMA wal_checkpoint(TRUNCATE)");
    let path = house.folder.join("keyway.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let copy = folder.join("holes.db");
    let pages = bytes.len() / 4096;
    for page in 2..pages {
        bytes[page * 4096..page * 4096 + 16].fill(0xa5);
    }
    std::fs::write(&copy, bytes).unwrap();
    let damaged = match Db::open(&copy, &options()) {
        Ok(db) => {
            let read = house.runtime.block_on(db.read(|tx| accounts::each(tx, drop)));
            let checked = house.runtime.block_on(db.check());
            assert_ne!(checked.as_deref().unwrap_or("refused"), "ok");
            read.expect_err("the rows are gone").to_string()
        }
        Err(error) => error.to_string(),
    };
    assert!(damaged.contains("damaged or was edited; restore a backup"), "{damaged}");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_file_that_cannot_be_written_is_called_read_only() {
    let folder = folder("read-only");
    let error = refusal(&folder.join("missing").join("keyway.db"));
    assert!(error.contains("read-only; fix its permissions"), "{error}");
    // A folder where the file should be: nobody can write it, whoever runs the test.
    let error = refusal(&folder);
    assert!(error.contains("read-only; fix its permissions"), "{error}");
    let path = folder.join("keyway.db");
    drop(Db::open(&path, &options()).unwrap());
    let mut permissions = std::fs::metadata(&path).unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&path, permissions).unwrap();
    // Who runs the tests as root may write all the same; then there is nothing to refuse.
    if std::fs::OpenOptions::new().write(true).open(&path).is_err() {
        let error = refusal(&path);
        assert!(error.contains("read-only; fix its permissions"), "{error}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_batch_of_usage_is_added_exactly_once() {
    let house = House::new("usage");
    let id = CredentialId(1);
    let batch = |number, requests, at| Batch {
        node: "node".to_owned(),
        number,
        counts: BTreeMap::from([((id, 1, 0, "allowed"), requests)]),
        seen: BTreeMap::from([((id, 1), Seen { at: Time(at), address: None, client: None })]),
        ..Batch::default()
    };
    let add = |batch: Batch| house.write(move |tx| usage::add(tx, &batch)).unwrap();
    assert!(add(batch(1, 5, 60_000)));
    assert!(!add(batch(1, 5, 60_000)), "the same again");
    assert!(!add(batch(3, 9, 0)), "one that skips another");
    assert!(add(batch(2, 2, 0)));
    assert!(!add(batch(1, 5, 60_000)), "an old one");
    assert!(add(Batch { node: "other".to_owned(), ..batch(1, 10, 120_000) }));
    let (hours, seen) =
        house.read(move |tx| Ok((usage::hours(tx, id, Time(0))?, usage::seen(tx, id)?))).unwrap();
    assert_eq!(hours.iter().map(|hour| hour.requests).collect::<Vec<_>>(), [17]);
    assert_eq!(seen[&1].at, Time(120_000), "the last use never goes back");
}

#[test]
fn an_answer_is_found_again_by_its_caller_until_it_is_forgotten() {
    let house = House::new("idempotency");
    let given = |body: &str| idempotency::Given {
        fingerprint: vec![1],
        status: 201,
        body: body.to_owned(),
    };
    let save = |caller: &'static str, body: &'static str, at: i64| {
        let given = given(body);
        house.write(move |tx| idempotency::save(tx, caller, "key", &given, Time(at))).unwrap();
    };
    let find = |caller: &'static str, since: i64| {
        let found = house.read(move |tx| idempotency::find(tx, caller, "key", Time(since)));
        found.unwrap().map(|given| given.body)
    };
    save("one", "first", 100);
    save("other", "theirs", 100);
    assert_eq!(find("one", 100).as_deref(), Some("first"));
    assert_eq!(find("one", 101), None, "too old counts as forgotten");
    assert_eq!(find("nobody", 0), None);
    save("one", "second", 200);
    assert_eq!(find("one", 0).as_deref(), Some("second"));
    assert_eq!(house.write(|tx| idempotency::prune(tx, Time(200))).unwrap(), 1);
    assert_eq!(find("other", 0), None);
    assert_eq!(find("one", 0).as_deref(), Some("second"), "what is not old stays");
}

#[test]
fn a_read_sees_one_state_and_cannot_change_it() {
    let house = House::new("snapshot");
    house.write(|tx| add_account(tx, 1)).unwrap();
    // The reader rolls back whatever happens in it.
    let _ = house.read(|tx| add_account(tx, 2));
    assert_eq!(accounts_there(&house), [1]);
}
