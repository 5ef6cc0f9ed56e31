//! PostgreSQL's threads: some writers, some readers, each with a connection of its own.
//!
//! A writer takes what waits into one transaction, each write in a savepoint of its own; the change
//! log is locked last. A write that meets another's lock, or loses a race, is done again alone: no
//! writer holds locks while it waits for more than the first of its group.

use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keyway_coherence::Position;
use keyway_domain::time::Time;

use super::{Postgres, Target};
use crate::changes::{self, Change};
use crate::db::{
    Connection as _, Followed, Locking, Options, Read, Report, Tx, Write, failed, refuse,
    refuse_read, spawn,
};
use crate::migrate;
use crate::value::{DbError, Trouble};

/// Writes in one commit.
const GROUP_MAX: usize = 64;
/// How often a write is done that others are in the way of.
const TRIES_MAX: u32 = 8;
/// A write in a group waits so long for a lock before it is put aside.
const GROUP_LOCK_MS: u32 = 20;
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
    writes: Receiver<Write>,
    reads: Receiver<Read>,
    follower: &Followed,
) -> Result<(), DbError> {
    migrate::fits(&mut Postgres::open(target, WRITE_PATIENCE)?)?;
    let writes = Arc::new(Mutex::new(writes));
    for _ in 0..options.writers.max(1) {
        let (writes, follower) = (Arc::clone(&writes), Arc::clone(follower));
        let connection = Reconnecting::new(target, WRITE_PATIENCE);
        spawn("keyway-writer", move || write_loop(connection, &writes, &follower))?;
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

    /// Begins a transaction, over a new connection if the one there was is gone.
    fn begin(&mut self, sql: &str) -> Result<&mut Postgres, DbError> {
        let begun = self.connection.take().filter(|connection| !connection.is_lost());
        let begun = begun.and_then(|mut connection| {
            let done = connection.batch(sql);
            done.ok().map(|()| connection)
        });
        let connection = if let Some(connection) = begun {
            connection
        } else {
            let mut opened = Postgres::open(&self.target, self.patience)?;
            opened.batch(sql)?;
            opened
        };
        Ok(self.connection.insert(connection))
    }
}

/// A write with how often it was done.
struct Turn {
    write: Write,
    tries: u32,
}

fn write_loop(mut connection: Reconnecting, waiting: &Mutex<Receiver<Write>>, follower: &Followed) {
    loop {
        let Some(mut group) = next_group(waiting) else { return };
        while !group.is_empty() {
            let mut aside = run_group(&mut connection, group, follower);
            // Alone, one after the other.
            group = Vec::new();
            for turn in aside.drain(..) {
                let mut again = vec![turn];
                while let Some(turn) = again.pop() {
                    std::thread::park_timeout(Duration::from_millis(u64::from(turn.tries) * 3));
                    again = run_group(&mut connection, vec![turn], follower);
                }
            }
        }
    }
}

fn next_group(waiting: &Mutex<Receiver<Write>>) -> Option<Vec<Turn>> {
    let waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
    let mut group = vec![Turn { write: waiting.recv().ok()?, tries: 0 }];
    while group.len() < GROUP_MAX
        && let Ok(write) = waiting.try_recv()
    {
        group.push(Turn { write, tries: 0 });
    }
    Some(group)
}

/// A write that was done in a transaction that is still open.
struct Done {
    turn: Turn,
    report: Report,
    changes: Vec<Change>,
}

/// Runs writes in one transaction; those that are to be done again.
fn run_group(connection: &mut Reconnecting, group: Vec<Turn>, follower: &Followed) -> Vec<Turn> {
    let postgres = match connection.begin("BEGIN") {
        Ok(postgres) => postgres,
        Err(error) => {
            for Turn { write: Write { now, work }, .. } in group {
                refuse(work, error.clone(), now)(Ok(None));
            }
            return Vec::new();
        }
    };
    let is_alone = group.len() == 1;
    let (mut done, mut aside) = (Vec::new(), Vec::new());
    for (place, turn) in group.into_iter().enumerate() {
        match run_one(postgres, turn, place, is_alone) {
            Ok(one) => done.push(one),
            Err(turn) => aside.extend(turn),
        }
    }
    match commit(postgres, &done) {
        Ok(positions) => {
            answer(done, positions, follower);
        }
        Err(error) => {
            // A failed statement or commit: nothing of the group stands.
            if postgres.batch("ROLLBACK").is_err() {
                connection.connection = None;
            }
            let goes_again = error.trouble == Trouble::Again;
            for Done { turn, report, .. } in done {
                if goes_again && turn.tries < TRIES_MAX {
                    aside.push(turn);
                } else {
                    failed(report, error.clone())(Ok(None));
                }
            }
        }
    }
    aside
}

/// Does one write. `Err` with the write if it is to be done again, without it if it was answered.
fn run_one(
    postgres: &mut Postgres,
    mut turn: Turn,
    place: usize,
    is_alone: bool,
) -> Result<Done, Option<Turn>> {
    if !is_alone {
        let wait = if place == 0 {
            String::new()
        } else {
            format!("; SET LOCAL lock_timeout = {GROUP_LOCK_MS}")
        };
        if postgres.batch(&format!("SAVEPOINT one{wait}")).is_err() {
            turn.tries += 1;
            return Err(Some(turn));
        }
    }
    turn.tries += 1;
    postgres.take_trouble();
    let mut tx = Tx::new(postgres, turn.write.now, Locking::Rows);
    let (keep, report) = (turn.write.work)(&mut tx);
    let changes = std::mem::take(&mut tx.changes);
    if keep {
        if !is_alone && postgres.batch("RELEASE one").is_err() {
            return Err(Some(turn));
        }
        return Ok(Done { turn, report, changes });
    }
    let trouble = postgres.take_trouble();
    let undo = if is_alone { "ROLLBACK; BEGIN" } else { "ROLLBACK TO one; RELEASE one" };
    let undone = postgres.batch(undo);
    // Who read before another's commit may find a row in the way that it will see the next time.
    let goes_again = match trouble {
        Some(Trouble::Again) => turn.tries < TRIES_MAX,
        Some(Trouble::Duplicate) => turn.tries < 2,
        Some(Trouble::Away) => turn.tries < 2 && undone.is_err(),
        _ => false,
    };
    if goes_again {
        return Err(Some(turn));
    }
    report(Ok(None));
    Err(None)
}

/// Logs what changed, tells the nodes to look, and commits.
fn commit(postgres: &mut Postgres, done: &[Done]) -> Result<Vec<Option<Position>>, DbError> {
    let changes: Vec<&[Change]> = done.iter().map(|one| one.changes.as_slice()).collect();
    let now = done.first().map_or(Time::NEVER, |one| one.turn.write.now);
    let positions = changes::log(&mut Tx::new(postgres, now, Locking::Rows), &changes)?;
    let logged = positions.iter().any(Option::is_some);
    let end = if logged { format!("NOTIFY {LOG_CHANNEL}; COMMIT") } else { "COMMIT".to_owned() };
    match postgres.batch(&end) {
        Ok(()) => Ok(positions),
        Err(error) if error.trouble == Trouble::Away => Err(DbError::new(
            Trouble::Unknown,
            "the database went away while it was asked to commit",
        )),
        Err(error) => Err(error),
    }
}

/// Tells the callers, once the index of this process has what they changed.
fn answer(done: Vec<Done>, positions: Vec<Option<Position>>, follower: &Followed) {
    let newest = positions.iter().copied().flatten().last();
    let tell = move || {
        for (one, position) in done.into_iter().zip(positions) {
            (one.report)(Ok(position));
        }
    };
    let follower = follower.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match (follower, newest) {
        (Some(follower), Some(newest)) => follower.reached(newest, Box::new(tell)),
        _ => tell(),
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
