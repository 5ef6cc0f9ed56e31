//! A connection of one's own, for a thread that does one thing all the time.

use std::sync::Arc;
use std::time::Duration;

use keyway_domain::time::Time;
use tokio::sync::Notify;

use super::threads::LOG_CHANNEL;
use super::{Postgres, Target};
use crate::changes;
use crate::connection::Connection as _;
use crate::db::{Locking, Tx};
use crate::value::{DbError, Trouble};

/// A connection of one's own: made when it is first needed, and anew after any trouble with it.
pub struct Line {
    target: Arc<Target>,
    patience: Duration,
    /// The channel whose notices wake it.
    listen: Option<String>,
    connection: Option<Postgres>,
    made: u64,
}

impl Line {
    /// A line on which each call ends within `patience`, and that hears the notices of a channel.
    pub fn new(target: &Arc<Target>, patience: Duration, listen: Option<String>) -> Self {
        Self { target: Arc::clone(target), patience, listen, connection: None, made: 0 }
    }

    /// How often it was made: what was seen over an earlier one may have been another server.
    pub fn made(&self) -> u64 {
        self.made
    }

    fn connected(&mut self) -> Result<&mut Postgres, DbError> {
        if self.connection.as_ref().is_some_and(Postgres::is_lost) {
            self.connection = None;
        }
        if self.connection.is_none() {
            let mut opened = Postgres::open(&self.target, self.patience)?;
            if let Some(channel) = &self.listen {
                opened.batch(&format!("LISTEN {channel}"))?;
            }
            self.made += 1;
            self.connection = Some(opened);
        }
        self.connection.as_mut().ok_or_else(|| DbError::new(Trouble::Away, "no connection"))
    }

    /// Runs a transaction that may change things, and commits it.
    pub fn write<T>(
        &mut self,
        now: Time,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, DbError>,
    ) -> Result<T, DbError> {
        self.transact("BEGIN", "COMMIT", now, Locking::Rows, work)
    }

    /// The same, and what it changed gets its place in the change log.
    pub fn write_logged<T>(
        &mut self,
        now: Time,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, DbError>,
    ) -> Result<T, DbError> {
        let end = format!("NOTIFY {LOG_CHANNEL}; COMMIT");
        self.transact("BEGIN", &end, now, Locking::Rows, |tx| {
            let done = work(tx)?;
            let changes = std::mem::take(&mut tx.changes);
            changes::log(tx, &changes)?;
            Ok(done)
        })
    }

    /// Commits what `write` has run later, and then reads in a snapshot after that commit: all in one
    /// round trip.
    pub fn write_then_read<T>(
        &mut self,
        write: impl FnOnce(&mut Tx<'_>) -> Result<(), DbError>,
        read: impl FnOnce(&mut Tx<'_>) -> Result<T, DbError>,
    ) -> Result<T, DbError> {
        self.connected()?;
        let taken = self.connection.take();
        let mut connection = taken.ok_or_else(|| DbError::new(Trouble::Away, "no connection"))?;
        connection.batch_later("BEGIN");
        write(&mut Tx::new(&mut connection, Time(0), Locking::Rows))?;
        connection.batch_later("COMMIT");
        // A statement by itself has a snapshot of its own, taken when the one before it has ended.
        let done = read(&mut Tx::new(&mut connection, Time::NEVER, Locking::None))?;
        self.connection = Some(connection);
        Ok(done)
    }

    /// Runs a transaction whose commit does not wait for the disk, and then calls channels: what it
    /// wrote may be lost if the server crashes.
    pub fn write_lightly<T>(
        &mut self,
        now: Time,
        channels: &[String],
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, DbError>,
    ) -> Result<T, DbError> {
        let begin = "BEGIN; SET LOCAL synchronous_commit = off";
        let calls: String = channels.iter().map(|channel| format!("NOTIFY {channel}; ")).collect();
        self.transact(begin, &format!("{calls}COMMIT"), now, Locking::Rows, work)
    }

    /// Runs a transaction that only reads, on one snapshot.
    pub fn read<T>(
        &mut self,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, DbError>,
    ) -> Result<T, DbError> {
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        self.transact(begin, "ROLLBACK", Time::NEVER, Locking::None, work)
    }

    fn transact<T>(
        &mut self,
        begin: &str,
        end: &str,
        now: Time,
        locking: Locking,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, DbError>,
    ) -> Result<T, DbError> {
        self.connected()?;
        let taken = self.connection.take();
        let mut connection = taken.ok_or_else(|| DbError::new(Trouble::Away, "no connection"))?;
        connection.batch_later(begin);
        let done = work(&mut Tx::new(&mut connection, now, locking))?;
        connection.batch(end)?;
        // Only now is it kept: after any trouble, a panic too, the next call begins clean.
        self.connection = Some(connection);
        Ok(done)
    }

    /// Waits for a notice, or until it is woken, or as long as is said; what the notices say. Without
    /// a connection it makes one first.
    pub fn wait(&mut self, at_most: Duration, woken: &Notify) -> Result<Vec<String>, DbError> {
        Ok(self.connected()?.wait(at_most, woken))
    }
}
