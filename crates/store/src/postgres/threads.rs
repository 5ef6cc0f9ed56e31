//! PostgreSQL's threads: some writers, some readers, each with a connection of its own.
//!
//! Each write is a transaction of its own, and locks the head of the change log last: one that did
//! several would hold the locks of the first for as long as all of them take. A write that loses a
//! race is done again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keyway_coherence::Position;
use keyway_domain::time::Time;

use super::{Postgres, Target};
use crate::changes::{self, Change};
use crate::connection::Connection as _;
use crate::db::{
    Followed, Locking, Options, Read, Report, Tx, Write, failed, refuse, refuse_read, spawn,
};
use crate::migrate;
use crate::value::{DbError, Trouble};

/// How often a write is done that others are in the way of.
const TRIES_MAX: u64 = 8;
/// A call of a writer ends within this.
const WRITE_PATIENCE: Duration = Duration::from_secs(8);
/// A call of a reader ends within this: it may walk a million rows.
const READ_PATIENCE: Duration = Duration::from_mins(1);

/// The channel that says that the change log has grown.
pub const LOG_CHANNEL: &str = "keyway_log";

/// Starts the threads, once the database was seen to be one that this version can serve.
pub(crate) fn start(
    target: &Arc<Target>,
    options: &Options,
    origin: &str,
    writes: Receiver<Write>,
    reads: Receiver<Read>,
    follower: &Followed,
) -> Result<(), DbError> {
    migrate::fits(&mut Postgres::open(target, WRITE_PATIENCE)?)?;
    let writes = Arc::new(Mutex::new(writes));
    for _ in 0..options.writers.max(1) {
        let (writes, follower) = (Arc::clone(&writes), Arc::clone(follower));
        let connection = Reconnecting::new(target, WRITE_PATIENCE);
        let commit = format!("NOTIFY {LOG_CHANNEL}, '{origin}'; COMMIT");
        spawn("keyway-writer", move || write_loop(connection, &commit, &writes, &follower))?;
    }
    let reads = Arc::new(Mutex::new(reads));
    for _ in 0..options.readers.max(1) {
        let reads = Arc::clone(&reads);
        let connection = Reconnecting::new(target, READ_PATIENCE);
        spawn("keyway-reader", move || read_loop(connection, &reads))?;
    }
    Ok(())
}

/// A connection that is made when it is needed, and anew when it was lost.
struct Reconnecting {
    target: Arc<Target>,
    patience: Duration,
    connection: Option<Postgres>,
}

impl Reconnecting {
    fn new(target: &Arc<Target>, patience: Duration) -> Self {
        Self { target: Arc::clone(target), patience, connection: None }
    }

    /// Begins a transaction, with its first statement, over a new connection if the one there was is
    /// gone.
    fn begin(&mut self, sql: &str) -> Result<&mut Postgres, DbError> {
        let open = self.connection.take().filter(|connection| !connection.is_lost());
        let mut connection = match open {
            Some(connection) => connection,
            None => Postgres::open(&self.target, self.patience)?,
        };
        connection.batch_later(sql);
        Ok(self.connection.insert(connection))
    }
}

fn write_loop(
    mut connection: Reconnecting,
    logged: &str,
    waiting: &Mutex<Receiver<Write>>,
    follower: &Followed,
) {
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(mut write) = next else { return };
        for tried in 1.. {
            let turn = || run(&mut connection, logged, write, tried, follower);
            match catch_unwind(AssertUnwindSafe(turn)) {
                Ok(None) => break,
                Ok(Some(again)) => write = again,
                Err(_) => {
                    tracing::error!("a writer panicked; its caller is told, and it goes on");
                    connection.connection = None;
                    break;
                }
            }
            // Whoever was in the way is given time to be gone.
            std::thread::park_timeout(Duration::from_millis(2 * tried));
        }
    }
}

/// Does a write in a transaction of its own, and answers it; the write if it is to be done again.
fn run(
    connection: &mut Reconnecting,
    logged: &str,
    mut write: Write,
    tried: u64,
    follower: &Followed,
) -> Option<Write> {
    let now = write.now;
    let postgres = match connection.begin("BEGIN") {
        Ok(postgres) => postgres,
        Err(error) => {
            refuse(write.work, error, now)(Ok(None));
            return None;
        }
    };
    postgres.take_trouble();
    let mut tx = Tx::new(postgres, now, Locking::Rows);
    let (keep, report) = (write.work)(&mut tx);
    let changes = std::mem::take(&mut tx.changes);
    let done = if keep { commit(postgres, logged, now, &changes).map(Some) } else { Ok(None) };
    let done = match done {
        Ok(Some(position)) => {
            answer(report, position, follower);
            return None;
        }
        refused => refused.map(drop),
    };
    let trouble =
        done.as_ref().map_or_else(|error| Some(error.trouble), |()| postgres.take_trouble());
    // The part that went wrong, and what was to be run with it, stands nowhere.
    postgres.forget_later();
    if postgres.batch("ROLLBACK").is_err() {
        connection.connection = None;
    }
    // Who read before another's commit may find a row in the way that it will see the next time.
    let times = match trouble {
        Some(Trouble::Again) => TRIES_MAX,
        Some(Trouble::Duplicate | Trouble::Away) => 2,
        _ => 1,
    };
    if tried < times {
        return Some(write);
    }
    match done {
        Ok(()) => report(Ok(None)),
        Err(error) => failed(report, error)(Ok(None)),
    }
    None
}

/// Logs what changed, tells the nodes to look, and commits.
fn commit(
    postgres: &mut Postgres,
    logged: &str,
    now: Time,
    changes: &[Change],
) -> Result<Option<Position>, DbError> {
    let position = changes::log(&mut Tx::new(postgres, now, Locking::Rows), changes)?;
    match postgres.batch(if position.is_some() { logged } else { "COMMIT" }) {
        Ok(()) => Ok(position),
        Err(error) if error.trouble == Trouble::Away => Err(DbError::new(
            Trouble::Unknown,
            "the database went away while it was asked to commit",
        )),
        Err(error) => Err(error),
    }
}

/// Tells the caller, once the index of this process has what they changed.
fn answer(report: Report, position: Option<Position>, follower: &Followed) {
    let follower = follower.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match (follower, position) {
        (Some(follower), Some(at)) => {
            follower.reached(at, Box::new(move || report(Ok(position))));
        }
        _ => report(Ok(position)),
    }
}

fn read_loop(mut connection: Reconnecting, waiting: &Mutex<Receiver<Read>>) {
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(read) = next else { return };
        match connection.begin("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY") {
            Err(error) => refuse_read(read, error),
            Ok(postgres) => {
                read(&mut Tx::new(postgres, Time::NEVER, Locking::None));
                if postgres.batch("ROLLBACK").is_err() {
                    connection.connection = None;
                }
            }
        }
    }
}
