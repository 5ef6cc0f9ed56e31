//! Connections as threads: one writer that commits in groups, a few readers.
//!
//! Writes that wait at the same moment share one commit, and so one flush to the disk; each runs in
//! a savepoint of its own, so that one that is refused leaves nothing behind. After the commit, and
//! before any caller hears of it, the [`Follower`] is told what changed: when a call returns, the
//! index of this process already knows.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use keyway_domain::time::Time;
use tokio::sync::oneshot;

use crate::changes::{self, Change, Follower};
use crate::migrate;
use crate::sqlite::Sqlite;
use crate::value::{Columns, DbError, Trouble, Value};

/// What an engine can do. Everything above it is engine-free.
pub(crate) trait Connection {
    fn run(&mut self, sql: &str, values: &[Value]) -> Result<u64, DbError>;
    fn query(
        &mut self,
        sql: &str,
        values: &[Value],
        each: &mut dyn FnMut(&dyn Columns) -> Result<(), DbError>,
    ) -> Result<(), DbError>;
    fn batch(&mut self, sql: &str) -> Result<(), DbError>;
    /// Whether a transaction is open. A full disk can end one from within.
    fn in_transaction(&self) -> bool;
}

/// A transaction in progress.
pub struct Tx<'c> {
    connection: &'c mut dyn Connection,
    /// The transaction's one instant.
    pub(crate) now: Time,
    pub(crate) changes: Vec<Change>,
}

impl Tx<'_> {
    /// Runs a statement; how many rows it touched.
    pub(crate) fn run(&mut self, sql: &str, values: &[Value]) -> Result<u64, DbError> {
        self.connection.run(sql, values)
    }

    /// Reads rows, one at a time.
    pub(crate) fn each(
        &mut self,
        sql: &str,
        values: &[Value],
        mut each: impl FnMut(&dyn Columns) -> Result<(), DbError>,
    ) -> Result<(), DbError> {
        self.connection.query(sql, values, &mut each)
    }

    /// Reads all rows of a short answer.
    pub(crate) fn all<T>(
        &mut self,
        sql: &str,
        values: &[Value],
        read: impl Fn(&dyn Columns) -> Result<T, DbError>,
    ) -> Result<Vec<T>, DbError> {
        let mut rows = Vec::new();
        self.each(sql, values, |row| {
            rows.push(read(row)?);
            Ok(())
        })?;
        Ok(rows)
    }

    /// Reads the first row, if there is one.
    pub(crate) fn first<T>(
        &mut self,
        sql: &str,
        values: &[Value],
        read: impl Fn(&dyn Columns) -> Result<T, DbError>,
    ) -> Result<Option<T>, DbError> {
        Ok(self.all(sql, values, read)?.into_iter().next())
    }

    /// Does a part of the transaction that may fail without the rest: then nothing of the part
    /// stands, and the transaction goes on.
    pub fn apart<T, E: From<DbError>>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<Result<T, E>, DbError> {
        self.connection.batch("SAVEPOINT part")?;
        let changes = self.changes.len();
        let done = catch_unwind(AssertUnwindSafe(|| work(self)))
            .unwrap_or_else(|_| Err(panicked().into()));
        if done.is_err() {
            self.changes.truncate(changes);
        }
        let end = if done.is_ok() { "RELEASE part" } else { "ROLLBACK TO part; RELEASE part" };
        self.connection.batch(end)?;
        Ok(done)
    }

    /// What a locking read ends with: nothing where there is one writer anyway.
    #[expect(clippy::unused_self, reason = "an engine with several writers answers FOR UPDATE")]
    pub(crate) fn lock(&self) -> &'static str {
        ""
    }
}

/// How a database is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// Connections for reading.
    pub readers: usize,
    /// Whether a commit waits for the disk. Only benchmarks and throw-away data say no.
    pub durable: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { readers: 2, durable: true }
    }
}

/// Writes that may wait; beyond it callers are told to come back.
const WAITING_MAX: usize = 4_096;
/// Writes in one commit: enough to share the flush, few enough to answer soon.
const GROUP_MAX: usize = 256;

type Report = Box<dyn FnOnce(Result<(), DbError>) + Send>;
type Work = Box<dyn FnOnce(&mut Tx<'_>) -> (bool, Report) + Send>;
type Read = Box<dyn FnOnce(&mut Tx<'_>) + Send>;

/// A write that waits for its turn.
struct Write {
    now: Time,
    work: Work,
}

/// The database.
#[derive(Clone)]
pub struct Db {
    writes: SyncSender<Write>,
    reads: SyncSender<Read>,
    follower: Arc<Mutex<Option<Arc<dyn Follower>>>>,
}

impl Db {
    /// Opens the file, creating and migrating it as needed, and starts the connection threads.
    pub fn open(path: &Path, options: &Options) -> Result<Self, DbError> {
        let mut connection = Sqlite::open(path, options.durable)?;
        migrate::run(&mut connection)?;
        let follower = Arc::new(Mutex::new(None));
        let (writes, waiting) = sync_channel(WAITING_MAX);
        let followed = Arc::clone(&follower);
        spawn("keyway-writer", move || write_loop(&mut connection, &waiting, &followed))?;
        let (reads, waiting) = sync_channel(WAITING_MAX);
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..options.readers.max(1) {
            let path: PathBuf = path.to_owned();
            let mut connection = Sqlite::open(&path, options.durable)?;
            let waiting = Arc::clone(&waiting);
            spawn("keyway-reader", move || read_loop(&mut connection, &waiting))?;
        }
        Ok(Self { writes, reads, follower })
    }

    /// Names who is told of changes, after each commit and before its callers.
    pub fn follow(&self, follower: Arc<dyn Follower>) {
        *self.follower.lock().unwrap_or_else(PoisonError::into_inner) = Some(follower);
    }

    /// Runs a transaction that may change things. All of it happens, durably, or nothing.
    ///
    /// The closure is `Fn`, because an engine with several writers may have to run it again.
    pub async fn write<T, E>(
        &self,
        now: Time,
        work: impl Fn(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        let (tell, told) = oneshot::channel();
        let work: Work = Box::new(move |tx| {
            let result = catch_unwind(AssertUnwindSafe(|| work(tx)))
                .unwrap_or_else(|_| Err(panicked().into()));
            let keep = result.is_ok();
            let report: Report = Box::new(move |committed| {
                let result = match committed {
                    Err(error) if result.is_ok() => Err(error.into()),
                    _ => result,
                };
                // A caller that has gone away does not undo what was committed.
                let _ = tell.send(result);
            });
            (keep, report)
        });
        self.writes.try_send(Write { now, work }).map_err(|error| overloaded(&error))?;
        told.await.map_err(|_| DbError::new(Trouble::Other, "the writer has stopped"))?
    }

    /// Looks through the whole database for damage; `ok` if there is none.
    pub async fn check(&self) -> Result<String, DbError> {
        self.read(|tx| {
            let found =
                tx.first("PRAGMA quick_check(1)", &[], |row| Ok(row.text(0)?.to_owned()))?;
            Ok(found.unwrap_or_default())
        })
        .await
    }

    /// Runs a transaction that only reads, on one snapshot.
    pub async fn read<T, E>(
        &self,
        work: impl Fn(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        let (tell, told) = oneshot::channel();
        let read: Read = Box::new(move |tx| {
            let result = catch_unwind(AssertUnwindSafe(|| work(tx)))
                .unwrap_or_else(|_| Err(panicked().into()));
            let _ = tell.send(result);
        });
        self.reads.try_send(read).map_err(|error| overloaded(&error))?;
        told.await.map_err(|_| DbError::new(Trouble::Other, "the readers have stopped"))?
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<(), DbError> {
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(body);
    spawned.map(drop).map_err(|error| DbError::new(Trouble::Other, error.to_string()))
}

fn panicked() -> DbError {
    DbError::new(Trouble::Other, "a transaction panicked; nothing of it was kept")
}

fn overloaded<T>(error: &TrySendError<T>) -> DbError {
    match error {
        TrySendError::Full(_) => DbError::new(Trouble::Busy, "too many transactions are waiting"),
        TrySendError::Disconnected(_) => DbError::new(Trouble::Other, "the database is closed"),
    }
}

fn write_loop(
    connection: &mut Sqlite,
    waiting: &Receiver<Write>,
    follower: &Mutex<Option<Arc<dyn Follower>>>,
) {
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
        for report in reports {
            report(outcome.clone());
        }
    }
}

fn commit_group(
    connection: &mut Sqlite,
    group: Vec<Write>,
) -> (Vec<Report>, Result<Vec<Change>, DbError>) {
    let mut reports = Vec::with_capacity(group.len());
    let mut changes = Vec::new();
    let mut lost = connection.batch("BEGIN IMMEDIATE").err();
    for Write { now, work } in group {
        if let Some(error) = &lost {
            reports.push(refuse(work, error.clone(), now));
            continue;
        }
        let (report, made) = run_one(connection, work, now);
        reports.push(report);
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

/// Runs one write in a savepoint of its own: its report, and what it changed if it stands.
fn run_one(connection: &mut Sqlite, work: Work, now: Time) -> (Report, Vec<Change>) {
    if let Err(error) = connection.batch("SAVEPOINT one") {
        return (refuse(work, error, now), Vec::new());
    }
    let mut tx = Tx { connection, now, changes: Vec::new() };
    let (keep, report) = work(&mut tx);
    let logged = if keep { changes::log(&mut tx) } else { Ok(()) };
    let made = std::mem::take(&mut tx.changes);
    let stands = keep && logged.is_ok();
    let end = if stands { "RELEASE one" } else { "ROLLBACK TO one; RELEASE one" };
    let ended = tx.connection.batch(end);
    match logged.and(ended) {
        Ok(()) if stands => (report, made),
        Ok(()) => (report, Vec::new()),
        Err(error) => (failed(report, error), Vec::new()),
    }
}

/// Runs the work against a connection that refuses everything, so that it makes its report.
fn refuse(work: Work, error: DbError, now: Time) -> Report {
    let mut refusing = Refusing(error);
    work(&mut Tx { connection: &mut refusing, now, changes: Vec::new() }).1
}

/// A report of a write whose savepoint broke, whatever the commit says.
fn failed(report: Report, error: DbError) -> Report {
    Box::new(move |_| report(Err(error)))
}

/// Stands in for a connection that could not begin.
struct Refusing(DbError);

impl Connection for Refusing {
    fn run(&mut self, _: &str, _: &[Value]) -> Result<u64, DbError> {
        Err(self.0.clone())
    }

    fn query(
        &mut self,
        _: &str,
        _: &[Value],
        _: &mut dyn FnMut(&dyn Columns) -> Result<(), DbError>,
    ) -> Result<(), DbError> {
        Err(self.0.clone())
    }

    fn batch(&mut self, _: &str) -> Result<(), DbError> {
        Err(self.0.clone())
    }

    fn in_transaction(&self) -> bool {
        false
    }
}

fn read_loop(connection: &mut Sqlite, waiting: &Mutex<Receiver<Read>>) {
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(read) = next else { return };
        if let Err(error) = connection.batch("BEGIN") {
            let mut refusing = Refusing(error);
            read(&mut Tx { connection: &mut refusing, now: Time::NEVER, changes: Vec::new() });
            continue;
        }
        read(&mut Tx { connection, now: Time::NEVER, changes: Vec::new() });
        if let Err(error) = connection.batch("ROLLBACK") {
            tracing::warn!(error = %error, "a read could not be ended");
        }
    }
}
