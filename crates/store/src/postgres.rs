//! PostgreSQL: connecting, binding, reading.

mod line;
mod target;
mod threads;

pub use line::Line;
pub use target::{Target, TargetError};
pub use threads::LOG_CHANNEL;
pub(crate) use threads::start;

use std::collections::HashMap;
use std::error::Error as StdError;
use std::future::poll_fn;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use futures_util::future::{join, try_join_all};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{AsyncMessage, Client, Connection as Wire, Row, Statement};

use crate::connection::Connection;
use crate::value::{Columns, DbError, Trouble, Value, ValueRef};

/// So many of one sort go with the next call.
const FEW: usize = 16;
/// Statements that are kept for the next call.
const LATER_MAX: usize = 64;
/// Statements that are sent before the first is answered.
const UNDER_WAY_MAX: usize = 512;
/// Rows that are taken from an answer at once.
const ROWS_AT_ONCE: usize = 64;
/// Prepared statements of one connection. There are some hundred texts.
const STATEMENTS_KEPT: usize = 512;

/// A connection, driven by a runtime of its own thread. Every call ends within the patience that it
/// was opened with; one that did not leaves the connection unusable.
pub(crate) struct Postgres {
    runtime: Runtime,
    client: Client,
    statements: HashMap<String, Statement>,
    notices: UnboundedReceiver<String>,
    patience: Duration,
    /// What goes to the server with the next call: a round trip costs more than most statements.
    pending: Vec<Pending>,
    /// Why the last statement that failed did.
    last_trouble: Option<Trouble>,
    is_lost: bool,
}

impl Postgres {
    pub(crate) fn open(target: &Target, patience: Duration) -> Result<Self, DbError> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| DbError::new(Trouble::Other, error.to_string()))?;
        let (client, notices) = runtime.block_on(async {
            let connecting = tokio::time::timeout(patience, connect(target));
            connecting.await.unwrap_or_else(|_| Err(too_slow()))
        })?;
        let mut opened = Self {
            runtime,
            client,
            statements: HashMap::new(),
            notices,
            patience,
            pending: Vec::new(),
            last_trouble: None,
            is_lost: false,
        };
        // The server gives up after us: what it was asked to commit, it says nothing of too early.
        let ms = patience.as_millis() + 2_000;
        // A plan is made once, mostly while its tables are still empty: one that reads them whole
        // would be kept until they are next analyzed.
        opened.batch(&format!(
            "SET statement_timeout = {ms}; SET lock_timeout = {};
             SET idle_in_transaction_session_timeout = {}; SET client_min_messages = warning;
             SET synchronous_commit = {}; SET enable_seqscan = off; SET jit = off",
            LOCK_MS.min(ms),
            IDLE_MS,
            if target.is_durable() { "on" } else { "off" },
        ))?;
        Ok(opened)
    }

    /// Why the last statement that failed did, if one did since this was asked.
    pub(crate) fn take_trouble(&mut self) -> Option<Trouble> {
        self.last_trouble.take()
    }

    /// Whether nothing can be done with it any more.
    pub(crate) fn is_lost(&self) -> bool {
        // Lets the wire see first whether the server has hung up meanwhile.
        self.runtime.block_on(async {
            for _ in 0..2 {
                tokio::task::yield_now().await;
            }
        });
        self.is_lost || self.client.is_closed()
    }

    /// Waits for a notice, or until it is woken, or as long as is said; what the notices say.
    pub(crate) fn wait(&mut self, at_most: Duration, woken: &Notify) -> Vec<String> {
        let Self { runtime, notices, is_lost, .. } = self;
        let first = runtime.block_on(async {
            tokio::select! {
                notice = notices.recv() => {
                    *is_lost |= notice.is_none();
                    notice
                }
                () = woken.notified() => None,
                () = tokio::time::sleep(at_most) => None,
            }
        });
        let mut said: Vec<String> = first.into_iter().collect();
        while let Ok(next) = self.notices.try_recv() {
            said.push(next);
        }
        said
    }

    /// Has a batch sent with the next call.
    pub(crate) fn batch_later(&mut self, sql: impl Into<String>) {
        self.pending.push(Pending::Batch(sql.into()));
    }

    /// Calls the server, with everything that is pending before it. The order in which futures are
    /// polled first is the order on the wire.
    fn call<T>(
        &mut self,
        work: impl AsyncFnOnce(&Client) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, DbError> {
        let pending = std::mem::take(&mut self.pending);
        let Self { runtime, client, patience, .. } = self;
        let done = runtime.block_on(async {
            let both = async {
                let before = try_join_all(pending.iter().map(|one| one.send(client)));
                let (before, done) = join(before, work(client)).await;
                before.and(done)
            };
            tokio::time::timeout(*patience, both).await.map(|done| done.map_err(DbError::from))
        });
        let done = done.unwrap_or_else(|_| {
            self.is_lost = true;
            Err(too_slow())
        });
        self.noted(done)
    }

    fn noted<T>(&mut self, done: Result<T, DbError>) -> Result<T, DbError> {
        if let Err(error) = &done {
            self.last_trouble = Some(error.trouble);
            // A primary that became a standby is none any more.
            self.is_lost |= matches!(error.trouble, Trouble::Away | Trouble::ReadOnly);
            if error.trouble == Trouble::Again {
                // A statement of a table that was changed meanwhile is prepared anew.
                self.statements.clear();
            }
        }
        done
    }

    /// Statements are prepared with the types of the values, so that `$1 - 1` is no small number.
    fn statement(&mut self, sql: &str, values: &[Value]) -> Result<Statement, DbError> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let types: Vec<Type> = values.iter().map(type_of).collect();
        let prepared = self.call(async |client| client.prepare_typed(sql, &types).await)?;
        if self.statements.len() >= STATEMENTS_KEPT {
            self.statements.clear();
        }
        self.statements.insert(sql.to_owned(), prepared.clone());
        Ok(prepared)
    }
}

/// Something that is sent with the next call.
enum Pending {
    Batch(String),
    Run(Statement, Vec<Value>),
}

impl Pending {
    async fn send(&self, client: &Client) -> Result<(), tokio_postgres::Error> {
        match self {
            Self::Batch(sql) => client.batch_execute(sql).await,
            Self::Run(statement, values) => {
                client.execute_raw(statement, values.iter()).await.map(drop)
            }
        }
    }
}

/// A transaction that was begun and then heard of no more is ended by the server after so long:
/// who is cut off with a lock in hand must not keep everybody else from revoking.
const IDLE_MS: u128 = 1_000;
/// Who reads everything holds no lock, and has much to do with each page: it may take a while.
const LOAD_IDLE_MS: u32 = 600_000;
/// What is estimated to be more is taken for this much: room is made for it.
const ESTIMATE_MAX: i64 = 100_000_000;
/// A row's lock is waited for so long.
const LOCK_MS: u128 = 3_000;

fn too_slow() -> DbError {
    DbError::new(Trouble::Away, "the database server did not answer in time")
}

async fn connect(target: &Target) -> Result<(Client, UnboundedReceiver<String>), DbError> {
    if let Some(tls) = target.tls() {
        let (client, wire) = target.config().connect(tls).await?;
        return Ok((client, drive(wire)));
    }
    let (client, wire) = target.config().connect(tokio_postgres::NoTls).await?;
    Ok((client, drive(wire)))
}

/// Drives the wire beside the calls, and passes on that there was a notice.
fn drive<S, T>(mut wire: Wire<S, T>) -> UnboundedReceiver<String>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (tell, notices) = unbounded_channel();
    tokio::spawn(async move {
        loop {
            match poll_fn(|context| wire.poll_message(context)).await {
                Some(Ok(AsyncMessage::Notification(notice))) => {
                    if tell.send(notice.payload().to_owned()).is_err() {
                        return;
                    }
                }
                Some(Ok(AsyncMessage::Notice(notice))) => {
                    tracing::debug!(notice = notice.message(), "the database says");
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            }
        }
    });
    notices
}

impl Connection for Postgres {
    fn run(&mut self, sql: &str, values: &[Value]) -> Result<u64, DbError> {
        let statement = self.statement(sql, values)?;
        self.call(async |client| client.execute_raw(&statement, values.iter()).await)
    }

    fn run_later(&mut self, sql: &str, values: &[Value]) -> Result<(), DbError> {
        let has_nul = |value: &Value| matches!(value, Value::Text(text) if text.contains('\0'));
        if values.iter().any(has_nul) {
            // Found later it would not keep the rest from being committed.
            return self.noted(Err(DbError::other("text with a NUL, which no column holds")));
        }
        let statement = self.statement(sql, values)?;
        self.pending.push(Pending::Run(statement, values.to_vec()));
        if self.pending.len() < LATER_MAX {
            return Ok(());
        }
        // The patience is one call's, and must do for the commit as well.
        self.call(async |_| Ok(()))
    }

    fn trouble(&self) -> Option<Trouble> {
        self.last_trouble
    }

    fn forget_later(&mut self) {
        self.pending.retain(|one| matches!(one, Pending::Batch(_)));
    }

    fn run_each(&mut self, sql: &str, rows: &[Vec<Value>]) -> Result<(), DbError> {
        let Some(first) = rows.first() else { return Ok(()) };
        if rows.len() <= FEW {
            return rows.iter().try_for_each(|values| self.run_later(sql, values));
        }
        let statement = self.statement(sql, first)?;
        for some in rows.chunks(UNDER_WAY_MAX) {
            self.call(async |client| {
                let sent = some.iter().map(|values| client.execute_raw(&statement, values.iter()));
                try_join_all(sent).await
            })?;
        }
        Ok(())
    }

    fn query(
        &mut self,
        sql: &str,
        values: &[Value],
        each: &mut dyn FnMut(&dyn Columns) -> Result<(), DbError>,
    ) -> Result<(), DbError> {
        let statement = self.statement(sql, values)?;
        let rows = self.call(async |client| client.query_raw(&statement, values.iter()).await)?;
        let mut rows = Box::pin(rows);
        loop {
            // Some at once: entering the runtime for each costs more than reading it.
            let some = self.call(async |_| {
                let mut some = Vec::with_capacity(ROWS_AT_ONCE);
                while some.len() < ROWS_AT_ONCE {
                    let Some(row) = rows.try_next().await? else { break };
                    some.push(row);
                }
                Ok(some)
            })?;
            some.iter().try_for_each(|row| each(&PostgresRow(row)))?;
            if some.len() < ROWS_AT_ONCE {
                return Ok(());
            }
        }
    }

    fn batch(&mut self, sql: &str) -> Result<(), DbError> {
        self.call(async |client| client.batch_execute(sql).await)
    }

    fn estimate(&mut self, table: &str) -> Result<Option<i64>, DbError> {
        let mut known = None;
        // As of when it was last analyzed; -1 if it never was.
        let sql =
            "SELECT CAST(LEAST(reltuples, $2) AS BIGINT) FROM pg_class WHERE oid = to_regclass($1)";
        self.query(sql, &[table.into(), ESTIMATE_MAX.into()], &mut |row| {
            known = Some(row.integer(0)?);
            Ok(())
        })?;
        Ok(known)
    }

    fn takes_long(&mut self) {
        self.batch_later(format!("SET LOCAL idle_in_transaction_session_timeout = {LOAD_IDLE_MS}"));
    }

    fn share_snapshot(&mut self) -> Result<Option<String>, DbError> {
        let mut name = None;
        self.query("SELECT pg_export_snapshot()", &[], &mut |row| {
            name = Some(row.text(0)?.to_owned());
            Ok(())
        })?;
        Ok(name)
    }

    fn join_snapshot(&mut self, name: &str) -> Result<(), DbError> {
        self.batch(&format!("SET TRANSACTION SNAPSHOT '{name}'"))
    }
}

struct PostgresRow<'r>(&'r Row);

impl Columns for PostgresRow<'_> {
    fn value(&self, column: usize) -> Result<ValueRef<'_>, DbError> {
        let found: Option<Raw<'_>> = self.0.try_get(column).map_err(DbError::broken)?;
        let Some(Raw(bytes)) = found else { return Ok(ValueRef::Null) };
        value_of(self.0.columns()[column].type_(), bytes)
    }
}

/// A value of a type, from its bytes.
fn value_of<'r>(kind: &Type, bytes: &'r [u8]) -> Result<ValueRef<'r>, DbError> {
    let number = || DbError::broken("a number of another length");
    Ok(match *kind {
        Type::INT8 => {
            ValueRef::Integer(i64::from_be_bytes(bytes.try_into().map_err(|_| number())?))
        }
        Type::INT4 => {
            let bytes = bytes.try_into().map_err(|_| number())?;
            ValueRef::Integer(i64::from(i32::from_be_bytes(bytes)))
        }
        Type::TEXT | Type::VARCHAR | Type::UNKNOWN => {
            ValueRef::Text(std::str::from_utf8(bytes).map_err(DbError::broken)?)
        }
        Type::BYTEA => ValueRef::Blob(bytes),
        ref other => return Err(DbError::broken(format_args!("a value of the type {other}"))),
    })
}

/// A value as it came over the wire.
struct Raw<'r>(&'r [u8]);

impl<'r> FromSql<'r> for Raw<'r> {
    fn from_sql(_: &Type, raw: &'r [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Self(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

fn type_of(value: &Value) -> Type {
    match value {
        Value::Null => Type::UNKNOWN,
        Value::Integer(_) => Type::INT8,
        Value::Text(_) => Type::TEXT,
        Value::Blob(_) => Type::BYTEA,
    }
}

impl ToSql for Value {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match (self, kind) {
            (Self::Null, _) => Ok(IsNull::Yes),
            (Self::Integer(number), &Type::INT8) => number.to_sql(kind, out),
            (Self::Integer(number), &Type::INT4) => i32::try_from(*number)?.to_sql(kind, out),
            (Self::Text(text), &Type::TEXT | &Type::VARCHAR) => {
                if text.contains('\0') {
                    return Err("text with a NUL, which no column holds".into());
                }
                text.as_str().to_sql(kind, out)
            }
            (Self::Blob(bytes), &Type::BYTEA) => bytes.as_slice().to_sql(kind, out),
            _ => Err(format!("a value does not fit the type {kind}").into()),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl From<tokio_postgres::Error> for DbError {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(failure) = error.as_db_error() else {
            let inner = error.source().map_or_else(|| error.to_string(), ToString::to_string);
            let said = error.to_string();
            let trouble = if said.contains("serializing") {
                Trouble::Other
            } else if said.contains("TLS") {
                Trouble::Untrusted
            } else {
                Trouble::Away
            };
            return Self::new(trouble, inner);
        };
        // What the server says beside the message may hold values of rows.
        Self::new(trouble_of(failure.code()), failure.message())
    }
}

fn trouble_of(code: &SqlState) -> Trouble {
    match *code {
        SqlState::UNIQUE_VIOLATION => Trouble::Duplicate,
        SqlState::T_R_SERIALIZATION_FAILURE
        | SqlState::T_R_DEADLOCK_DETECTED
        | SqlState::LOCK_NOT_AVAILABLE
        // A table was changed by a newer version: the statement is prepared anew.
        | SqlState::FEATURE_NOT_SUPPORTED => Trouble::Again,
        SqlState::QUERY_CANCELED
        | SqlState::TOO_MANY_CONNECTIONS
        | SqlState::OUT_OF_MEMORY
        | SqlState::CONFIGURATION_LIMIT_EXCEEDED => Trouble::Busy,
        SqlState::DISK_FULL => Trouble::Full,
        SqlState::READ_ONLY_SQL_TRANSACTION => Trouble::ReadOnly,
        SqlState::INSUFFICIENT_PRIVILEGE => Trouble::Denied,
        SqlState::UNDEFINED_TABLE | SqlState::UNDEFINED_COLUMN => Trouble::Schema,
        SqlState::DATA_CORRUPTED | SqlState::INDEX_CORRUPTED => Trouble::Corrupt,
        SqlState::ADMIN_SHUTDOWN
        | SqlState::CRASH_SHUTDOWN
        | SqlState::CANNOT_CONNECT_NOW
        | SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT => Trouble::Away,
        _ if code.code().starts_with("08") => Trouble::Away,
        _ => Trouble::Other,
    }
}
