//! Transactions as closures on connections that are threads.
//!
//! A write is a plain closure: all of it happens, durably, or nothing. Writes that wait at the same
//! moment share one commit, and so one flush to the disk. When a call returns, the index of this
//! process knows what it changed: see [`Follower`].

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use keyway_coherence::Position;
use keyway_domain::time::Time;
use tokio::sync::oneshot;

use crate::changes::{self, Change, Follower};
use crate::connection::Connection;
use crate::postgres::{self, Target};
use crate::sqlite;
use crate::value::{Columns, DbError, Trouble, Value};

/// How one transaction keeps another off a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Locking {
    /// It need not: there is one writer, or this one only reads.
    None,
    /// By locking the rows that it reads.
    Rows,
}

/// A transaction in progress.
pub struct Tx<'c> {
    pub(crate) connection: &'c mut dyn Connection,
    /// The transaction's one instant.
    pub(crate) now: Time,
    pub(crate) changes: Vec<Change>,
    pub(crate) locking: Locking,
}

impl<'c> Tx<'c> {
    pub(crate) fn new(connection: &'c mut dyn Connection, now: Time, locking: Locking) -> Self {
        Self { connection, now, changes: Vec::new(), locking }
    }

    /// Runs a statement; how many rows it touched.
    pub(crate) fn run(&mut self, sql: &str, values: &[Value]) -> Result<u64, DbError> {
        self.connection.run(sql, values)
    }

    /// Runs a statement of which nothing is asked but that it goes through, by the end of the
    /// transaction at the latest. Not for one whose trouble means something, such as a duplicate.
    pub(crate) fn run_later(&mut self, sql: &str, values: &[Value]) -> Result<(), DbError> {
        self.connection.run_later(sql, values)
    }

    /// Runs a statement once for each row of values.
    pub(crate) fn run_each(&mut self, sql: &str, rows: &[Vec<Value>]) -> Result<(), DbError> {
        self.connection.run_each(sql, rows)
    }

    /// Runs a statement over many rows of values at once, by the end of the transaction at the latest:
    /// `before`, the rows, `after`. Where the rows are a table of the statement's own, none of their
    /// values may be NULL, which has no type.
    pub(crate) fn run_over(
        &mut self,
        (before, after): (&str, &str),
        mut rows: Vec<Vec<Value>>,
    ) -> Result<(), DbError> {
        if rows.len() <= FEW {
            let width = rows.first().map_or(0, Vec::len);
            return self.run_each(&format!("{before} {} {after}", places(1, width)), &rows);
        }
        // Statements of a few lengths only, which are prepared once.
        while !rows.is_empty() {
            let length = LENGTHS.into_iter().find(|length| *length <= rows.len()).unwrap_or(1);
            let width = rows.first().map_or(0, Vec::len);
            let some: Vec<Value> = rows.drain(..length).flatten().collect();
            self.run_later(&format!("{before} {} {after}", places(length, width)), &some)?;
        }
        Ok(())
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

    /// About how many rows a table has: few of them are counted, many may be estimated.
    pub(crate) fn about(&mut self, table: &'static str) -> Result<u64, DbError> {
        let counted = match self.connection.estimate(table)? {
            Some(rows) if rows >= COUNTED => return Ok(u64::try_from(rows).unwrap_or(0)),
            // Of one that the engine knows nothing of it may take long.
            Some(_) => format!("(SELECT 1 FROM {table} LIMIT {COUNTED}) AS few"),
            None => table.to_owned(),
        };
        let sql = format!("SELECT COUNT(*) FROM {counted}");
        let rows = self.first(&sql, &[], |row| row.integer(0))?;
        Ok(rows.map_or(0, |rows| u64::try_from(rows).unwrap_or(0)))
    }

    /// Lets the transaction, which only reads, stop between two statements for longer than others may.
    pub fn takes_long(&mut self) {
        self.connection.takes_long();
    }

    /// Names what this transaction reads, so that others can read the same while it goes on.
    pub(crate) fn share(&mut self) -> Result<Snapshot, DbError> {
        self.takes_long();
        Ok(Snapshot { name: self.connection.share_snapshot()?, head: changes::head(self)? })
    }

    /// Reads what another transaction reads; this one must have read nothing yet.
    pub(crate) fn join(&mut self, snapshot: &Snapshot) -> Result<(), DbError> {
        if let Some(name) = &snapshot.name {
            self.connection.join_snapshot(name)?;
        }
        self.takes_long();
        // Where they have no names, what verification must know is the same as long as the log is.
        if changes::head(self)? != snapshot.head {
            return Err(DbError::new(Trouble::Again, "something was changed meanwhile"));
        }
        Ok(())
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
            self.connection.forget_later();
        }
        let end = if done.is_ok() { "RELEASE part" } else { "ROLLBACK TO part; RELEASE part" };
        let trouble = self.connection.trouble();
        self.connection.batch(end)?;
        // Somebody in the way is no fault of the part: the whole is done again.
        match trouble.filter(|_| done.is_err()) {
            Some(trouble @ (Trouble::Again | Trouble::Busy | Trouble::Away)) => {
                Err(DbError::new(trouble, "a part of a transaction met another's lock"))
            }
            _ => Ok(done),
        }
    }

    /// What a locking read ends with.
    pub(crate) fn lock(&self) -> &'static str {
        match self.locking {
            Locking::None => "",
            // Not FOR UPDATE: a row that refers to this one may be added meanwhile.
            Locking::Rows => "FOR NO KEY UPDATE",
        }
    }

    /// What a locking read ends with that leaves out what another transaction has locked.
    pub(crate) fn lock_unclaimed(&self) -> &'static str {
        match self.locking {
            Locking::None => "",
            Locking::Rows => "FOR NO KEY UPDATE SKIP LOCKED",
        }
    }
}

/// What a transaction reads.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    name: Option<String>,
    head: Position,
}

/// So few rows are sent one by one, with whatever is sent next.
const FEW: usize = 16;
/// Fewer rows than this are counted: it takes no time.
const COUNTED: i64 = 100_000;
/// Rows of one statement. Engines have a bound on its parameters.
const LENGTHS: [usize; 3] = [256, 16, 1];

/// The places of some rows of parameters: `($1, $2), ($3, $4)`.
fn places(rows: usize, width: usize) -> String {
    let row = |row: usize| {
        let places: Vec<String> =
            (1..=width).map(|column| format!("${}", row * width + column)).collect();
        format!("({})", places.join(", "))
    };
    (0..rows).map(row).collect::<Vec<_>>().join(", ")
}

/// How a database is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// Connections for reading.
    pub readers: usize,
    /// Connections for writing. SQLite has one.
    pub writers: usize,
    /// Whether a commit waits for the disk. Only benchmarks and throw-away data say no.
    pub durable: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { readers: 2, writers: 4, durable: true }
    }
}

/// Transactions that may wait; beyond it callers are told to come back.
pub(crate) const WAITING_MAX: usize = 4_096;
/// Nobody waits longer for a transaction: what hangs is answered as not known.
const PATIENCE: Duration = Duration::from_secs(15);

/// Says how a write ended, once it is known whether and where it stands.
pub(crate) type Report = Box<dyn FnOnce(Result<Option<Position>, DbError>) + Send>;
/// Does the work of a write: whether it is to be kept, and who reports of it. It may be done again,
/// in another transaction; only the last report is given.
pub(crate) type Work = Box<dyn FnMut(&mut Tx<'_>) -> (bool, Report) + Send>;
pub(crate) type Read = Box<dyn FnOnce(&mut Tx<'_>) + Send>;

/// A write that waits for its turn.
pub(crate) struct Write {
    pub(crate) now: Time,
    pub(crate) work: Work,
}

/// Who is told of what was committed, once there is somebody.
pub(crate) type Followed = Arc<Mutex<Option<Arc<dyn Follower>>>>;

/// The database.
#[derive(Clone)]
pub struct Db {
    writes: SyncSender<Write>,
    reads: SyncSender<Read>,
    /// Transactions that may read at once.
    readers: usize,
    follower: Followed,
    server: Option<Server>,
}

/// A PostgreSQL that others write to as well.
#[derive(Clone)]
struct Server {
    target: Arc<Target>,
    origin: String,
}

impl Db {
    /// Opens the file, creating and migrating it as needed, and starts the connection threads.
    pub fn open(path: &Path, options: &Options) -> Result<Self, DbError> {
        let (db, writes, reads) = Self::idle(None, options);
        sqlite::start(path, options, writes, reads, Arc::clone(&db.follower))?;
        Ok(db)
    }

    /// Connects to a PostgreSQL that was migrated, and starts the connection threads. They connect
    /// anew whenever the server goes away and comes back.
    pub fn connect(target: &Arc<Target>, options: &Options) -> Result<Self, DbError> {
        let origin =
            format!("{:032x}", keyway_secret::Entropy::u128(&mut keyway_secret::OsEntropy));
        let server = Server { target: Arc::clone(target), origin: origin.clone() };
        let (db, writes, reads) = Self::idle(Some(server), options);
        let follower = Arc::clone(&db.follower);
        // Connecting waits, which a thread of an async runtime must not.
        thread::scope(|scope| {
            let start = || postgres::start(target, options, &origin, writes, reads, &follower);
            let started = scope.spawn(start).join();
            started.unwrap_or_else(|_| Err(DbError::other("connecting panicked")))
        })?;
        Ok(db)
    }

    fn idle(server: Option<Server>, options: &Options) -> (Self, Receiver<Write>, Receiver<Read>) {
        let (writes, waiting_writes) = sync_channel(WAITING_MAX);
        let (reads, waiting_reads) = sync_channel(WAITING_MAX);
        let readers = options.readers.max(1);
        let db = Self { writes, reads, readers, follower: Arc::default(), server };
        (db, waiting_writes, waiting_reads)
    }

    /// Where the PostgreSQL is, for lines of one's own; `None` with a file.
    pub fn target(&self) -> Option<&Arc<Target>> {
        self.server.as_ref().map(|server| &server.target)
    }

    /// How many transactions may read at once.
    pub fn readers(&self) -> usize {
        self.readers
    }

    /// What the notices of this process's changes say: who else hears of them.
    pub fn origin(&self) -> &str {
        self.server.as_ref().map_or("", |server| &server.origin)
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
        self.write_placed(now, work).await.map(|(done, _)| done)
    }

    /// The same, with the place in the change log that it got if verification must know of it.
    pub async fn write_placed<T, E>(
        &self,
        now: Time,
        work: impl Fn(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<(T, Option<Position>), E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        let (tell, told) = oneshot::channel();
        let tell = Arc::new(Mutex::new(Some(tell)));
        let work: Work = Box::new(move |tx| {
            let result = catch_unwind(AssertUnwindSafe(|| work(tx)))
                .unwrap_or_else(|_| Err(panicked().into()));
            let keep = result.is_ok();
            let tell = Arc::clone(&tell);
            let report: Report = Box::new(move |committed| {
                let result = match (committed, result) {
                    (Ok(position), Ok(done)) => Ok((done, position)),
                    (Err(error), Ok(_)) => Err(error.into()),
                    (_, Err(refused)) => Err(refused),
                };
                let tell = tell.lock().unwrap_or_else(PoisonError::into_inner).take();
                // A caller that has gone away does not undo what was committed.
                drop(tell.map(|tell| tell.send(result)));
            });
            (keep, report)
        });
        self.writes.try_send(Write { now, work }).map_err(|error| overloaded(&error))?;
        patiently(told).await?
    }

    /// Looks through the whole database for damage; `ok` if there is none. A server looks after
    /// itself.
    pub async fn check(&self) -> Result<String, DbError> {
        if self.server.is_some() {
            let answers = |tx: &mut Tx<'_>| tx.first("SELECT 1", &[], |_| Ok("ok".to_owned()));
            return self.read(answers).await.map(Option::unwrap_or_default);
        }
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

/// Waits for a write, but not for ever.
async fn patiently<T>(told: oneshot::Receiver<T>) -> Result<T, DbError> {
    match tokio::time::timeout(PATIENCE, told).await {
        Ok(told) => told.map_err(|_| DbError::new(Trouble::Other, "the writer has stopped")),
        Err(_) => Err(DbError::new(
            Trouble::Unknown,
            "the database did not answer in time; it may have been done",
        )),
    }
}

pub(crate) fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<(), DbError> {
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

/// Runs the work against a connection that refuses everything, so that it makes its report.
pub(crate) fn refuse(mut work: Work, error: DbError, now: Time) -> Report {
    let mut refusing = Refusing(error);
    work(&mut Tx::new(&mut refusing, now, Locking::None)).1
}

/// The same for a read, which reports by itself.
pub(crate) fn refuse_read(read: Read, error: DbError) {
    read(&mut Tx::new(&mut Refusing(error), Time::NEVER, Locking::None));
}

/// A report of a write that does not stand, whatever the commit says.
pub(crate) fn failed(report: Report, error: DbError) -> Report {
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
}
