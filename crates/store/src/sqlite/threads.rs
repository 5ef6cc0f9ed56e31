//! SQLite's threads: one writer that commits in groups, a few readers.
//!
//! Each write of a group runs in a savepoint of its own, so that one that is refused leaves nothing
//! behind. After the commit, and before any caller hears of it, the [`Follower`] is told what
//! changed.

use std::path::Path;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};

use keyway_coherence::Position;
use keyway_domain::time::Time;

use super::Sqlite;
use crate::changes::{self, Change};
use crate::connection::Connection as _;
use crate::db::{
    Followed, Locking, Options, Read, Report, Tx, Work, Write, failed, refuse, refuse_read, spawn,
};
use crate::migrate;
use crate::value::{DbError, Trouble};

/// Writes in one commit: enough to share the flush, few enough to answer soon.
const GROUP_MAX: usize = 256;

/// Opens the file, creating and migrating it as needed, and starts the threads.
pub(crate) fn start(
    path: &Path,
    options: &Options,
    writes: Receiver<Write>,
    reads: Receiver<Read>,
    follower: Followed,
) -> Result<(), DbError> {
    let mut connection = Sqlite::open(path, options.durable)?;
    migrate::file(&mut connection)?;
    spawn("keyway-writer", move || write_loop(&mut connection, &writes, &follower))?;
    let reads = Arc::new(Mutex::new(reads));
    for _ in 0..options.readers.max(1) {
        let mut connection = Sqlite::open(path, options.durable)?;
        let reads = Arc::clone(&reads);
        spawn("keyway-reader", move || read_loop(&mut connection, &reads))?;
    }
    Ok(())
}

fn write_loop(connection: &mut Sqlite, waiting: &Receiver<Write>, follower: &Followed) {
    while let Ok(first) = waiting.recv() {
        let mut group = vec![first];
        while group.len() < GROUP_MAX
            && let Ok(next) = waiting.try_recv()
        {
            group.push(next);
        }
        let (reports, outcome) = commit_group(connection, group);
        let outcome = outcome.map(|changes| {
            let follower = follower.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Some(follower) = follower
                && !changes.is_empty()
            {
                follower.apply(&changes);
            }
        });
        for (report, position) in reports {
            report(outcome.clone().map(|()| position));
        }
    }
}

/// Reports with the places in the change log of what they report.
type Reports = Vec<(Report, Option<Position>)>;

fn commit_group(
    connection: &mut Sqlite,
    group: Vec<Write>,
) -> (Reports, Result<Vec<Change>, DbError>) {
    let mut reports = Vec::with_capacity(group.len());
    let mut changes = Vec::new();
    let mut lost = connection.batch("BEGIN IMMEDIATE").err();
    for Write { now, work } in group {
        if let Some(error) = &lost {
            reports.push((refuse(work, error.clone(), now), None));
            continue;
        }
        let (report, position, made) = run_one(connection, work, now);
        reports.push((report, position));
        changes.extend(made);
        if !connection.in_transaction() {
            // Going on would start another transaction, and commit by surprise.
            lost = Some(DbError::new(Trouble::Full, "the transaction was lost on the way"));
        }
    }
    let done = match lost {
        Some(error) => Err(error),
        None => connection.batch("COMMIT"),
    };
    if done.is_err() && connection.in_transaction() {
        // After a failed commit nothing of the group may stand.
        if let Err(error) = connection.batch("ROLLBACK") {
            tracing::error!(%error, "a failed commit could not be rolled back");
        }
    }
    (reports, done.map(|()| changes))
}

/// Runs one write in a savepoint of its own: its report, and what it changed, and where, if it
/// stands.
fn run_one(
    connection: &mut Sqlite,
    mut work: Work,
    now: Time,
) -> (Report, Option<Position>, Vec<Change>) {
    if let Err(error) = connection.batch("SAVEPOINT one") {
        return (refuse(work, error, now), None, Vec::new());
    }
    let mut tx = Tx::new(connection, now, Locking::None);
    let (keep, report) = work(&mut tx);
    let made = std::mem::take(&mut tx.changes);
    let logged = if keep { changes::log(&mut tx, &made) } else { Ok(None) };
    let stands = keep && logged.is_ok();
    let end = if stands { "RELEASE one" } else { "ROLLBACK TO one; RELEASE one" };
    let ended = tx.connection.batch(end);
    match logged.and_then(|position| ended.map(|()| position)) {
        Ok(position) if stands => (report, position, made),
        Ok(_) => (report, None, Vec::new()),
        Err(error) => (failed(report, error), None, Vec::new()),
    }
}

fn read_loop(connection: &mut Sqlite, waiting: &Mutex<Receiver<Read>>) {
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(read) = next else { return };
        if let Err(error) = connection.batch("BEGIN") {
            refuse_read(read, error);
            continue;
        }
        read(&mut Tx::new(connection, Time::NEVER, Locking::None));
        if let Err(error) = connection.batch("ROLLBACK") {
            tracing::warn!(error = %error, "a read could not be ended");
        }
    }
}
