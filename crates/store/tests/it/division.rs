//! Several connections that read all credentials together.

use std::pin::pin;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use futures_util::future::{join, join_all};
use keyway_domain::id::CredentialId;
use keyway_store::credentials::{self, Division, Found, Realm};
use keyway_store::{Db, DbError, Options, Rules, Tx};
use tokio::time::{Duration, timeout};

use crate::house::{House, add_account, credential, options};

const CREDENTIALS: u8 = 24;
const READERS: usize = 4;

/// What was read: of each credential its id, or why not.
type Read = Arc<Mutex<Vec<Result<CredentialId, String>>>>;

fn filled(name: &str) -> (House, Db) {
    let house = House::new(name);
    house.done(|tx| add_account(tx, 1));
    (1..=CREDENTIALS).for_each(|number| house.keep(&credential(number, "restricted")).unwrap());
    let db = house.database.same().open(&Options { readers: READERS, ..options() }).unwrap();
    (house, db)
}

fn read(tx: &mut Tx<'_>, rules: &Rules, division: &Division, into: &Read) -> Result<(), DbError> {
    credentials::each_together(tx, rules, Realm::Platform, division, |some| {
        let ids = some
            .iter()
            .map(Found::credential)
            .map(|found| found.map(|credential| credential.id).map_err(|(id, _)| id.to_owned()));
        into.lock().unwrap().extend(ids);
    })
}

#[test]
fn each_credential_is_read_once_whoever_reads_it_and_a_broken_one_is_told() {
    let (house, db) = filled("division");
    house.editor().run("UPDATE credentials SET grants = '*' WHERE id LIKE '%7'").unwrap();
    for _ in 0..20 {
        let (division, found) = (Arc::new(Division::of_pages(2)), Read::default());
        let led = {
            let (rules, division, found) = (house.rules.clone(), division.clone(), found.clone());
            let lead = division.lead();
            db.read(move |tx| {
                lead.begin(tx)?;
                read(tx, &rules, &division, &found)
            })
        };
        let helped = (1..READERS).map(|_| {
            let (rules, division, found) = (house.rules.clone(), division.clone(), found.clone());
            db.read(
                move |tx| {
                    if division.join(tx)? { read(tx, &rules, &division, &found) } else { Ok(()) }
                },
            )
        });
        let (led, helped) = house.runtime.block_on(join(led, join_all(helped)));
        led.unwrap();
        helped.into_iter().for_each(|done| done.unwrap());
        let mut found = found.lock().unwrap().clone();
        found.sort();
        let mut wanted: Vec<Result<CredentialId, String>> = (1..=CREDENTIALS)
            .map(|number| credential(number, "restricted").id)
            .map(|id| if id.to_string().ends_with('7') { Err(id.to_string()) } else { Ok(id) })
            .collect();
        wanted.sort();
        assert_eq!(found, wanted);
    }
}

/// What is made while they read is none of it. A file has no name for what is read: then who comes
/// late does not help.
#[test]
fn all_of_them_read_what_the_first_does() {
    let (house, db) = filled("division-snapshot");
    let (division, found) = (Arc::new(Division::of_pages(2)), Read::default());
    let ((begun, is_begun), (go, goes)) = (channel(), channel::<()>());
    let led = {
        let (rules, division, found) = (house.rules.clone(), division.clone(), found.clone());
        let (goes, lead) = (Mutex::new(goes), division.lead());
        db.read(move |tx| {
            lead.begin(tx)?;
            begun.send(()).unwrap();
            goes.lock().unwrap().recv().unwrap();
            read(tx, &rules, &division, &found)
        })
    };
    let helped = {
        let (rules, found) = (house.rules.clone(), found.clone());
        db.read(
            move |tx| {
                if division.join(tx)? { read(tx, &rules, &division, &found) } else { Ok(()) }
            },
        )
    };
    let mut led = Box::pin(led);
    let at_once = house.runtime.block_on(async { timeout(Duration::ZERO, &mut led).await.is_ok() });
    assert!(!at_once, "it waits");
    is_begun.recv().unwrap();
    let late = credential(CREDENTIALS + 1, "restricted");
    house.keep(&late).unwrap();
    let helper = std::thread::scope(|scope| {
        let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
        let helping = scope.spawn(move || runtime().block_on(helped));
        if !house.database.is_on_server() {
            // It has looked, and gone.
            let helper = helping.join().unwrap();
            go.send(()).unwrap();
            return helper;
        }
        go.send(()).unwrap();
        helping.join().unwrap()
    });
    house.runtime.block_on(led).unwrap();
    assert_eq!(helper.is_ok(), house.database.is_on_server());
    let found = found.lock().unwrap();
    assert_eq!(found.len(), usize::from(CREDENTIALS));
    assert!(found.iter().all(|one| *one != Ok(late.id)));
}

#[test]
fn what_breaks_while_it_is_taken_fails_the_load_of_all() {
    let (house, db) = filled("division-broken");
    let (division, found) = (Arc::new(Division::of_pages(2)), Read::default());
    let (takes, is_taken) = channel();
    let led = {
        let (rules, division, found) = (house.rules.clone(), division.clone(), found.clone());
        let (is_taken, lead) = (Mutex::new(is_taken), division.lead());
        db.read(move |tx| {
            lead.begin(tx)?;
            is_taken.lock().unwrap().recv().unwrap();
            read(tx, &rules, &division, &found)
        })
    };
    let helped = {
        let rules = house.rules.clone();
        db.read(move |tx| {
            assert!(division.join(tx)?);
            credentials::each_together(tx, &rules, Realm::Platform, &division, |_| {
                takes.send(()).unwrap();
                panic!("as if something were wrong here");
            })
        })
    };
    let (led, helped): (Result<(), DbError>, Result<(), DbError>) =
        house.runtime.block_on(join(led, helped));
    assert!(led.is_err() && helped.is_err());
    assert!(found.lock().unwrap().len() < usize::from(CREDENTIALS));
}

#[test]
fn nobody_waits_for_a_load_that_does_not_begin() {
    let (house, db) = filled("division-unbegun");
    let division = Arc::new(Division::default());
    let lead = division.lead();
    let (begins, has_begun) = channel();
    let helped = db.read(move |tx| {
        begins.send(()).unwrap();
        division.join(tx)
    });
    let helped = house.runtime.block_on(async {
        let mut helped = pin!(helped);
        // It is asked for once it is looked at.
        assert!(timeout(Duration::ZERO, &mut helped).await.is_err());
        has_begun.recv().unwrap();
        drop(lead);
        helped.await
    });
    assert!(!helped.unwrap());
}
