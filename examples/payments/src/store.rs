//! The opened database file: one connection, used from blocking threads only.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::objects;
use crate::refusal::Refusal;

/// How long a write waits for another process that holds the file.
const BUSY_MS: u64 = 2_000;

/// Everything that the API keeps. Clones share it.
#[derive(Clone)]
pub struct Payments {
    connection: Arc<Mutex<Connection>>,
}

/// The database could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("the payments database cannot be opened: {0}")]
pub struct OpenError(#[from] rusqlite::Error);

impl Payments {
    /// Opens the file at `path` and creates it if need be; `None` keeps everything in memory.
    pub fn open(path: Option<&Path>) -> Result<Self, OpenError> {
        let connection = match path {
            Some(path) => Connection::open(path)?,
            None => Connection::open_in_memory()?,
        };
        connection.busy_timeout(std::time::Duration::from_millis(BUSY_MS))?;
        connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")?;
        connection.execute_batch(objects::SCHEMA)?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)) })
    }

    /// Runs `work` in one transaction, off the async threads; it is undone if `work` fails.
    pub(crate) async fn run<T, W>(&self, work: W) -> Result<T, Refusal>
    where
        T: Send + 'static,
        W: FnOnce(&Transaction<'_>) -> Result<T, Refusal> + Send + 'static,
    {
        let connection = Arc::clone(&self.connection);
        let done = tokio::task::spawn_blocking(move || {
            // A panic in an earlier transaction rolled it back: the connection is still good.
            let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let result = work(&tx)?;
            tx.commit()?;
            Ok::<T, Refusal>(result)
        });
        done.await.unwrap_or_else(|panic| Err(Refusal::Broken(panic.to_string())))
    }
}
