//! Moves a deployment from a file to a server: every table, row by row, in the order of its key.
//!
//! It can be broken off anywhere and begun again: what is there already is gone on from. In the end
//! each table is read once more on both sides, and its rows and a digest over them are compared.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use keyway_domain::canonical::Canonical;
use keyway_domain::time::Time;
use sha2::{Digest as _, Sha256};

use crate::connection::Connection;
use crate::db::{Locking, Tx};
use crate::migrate;
use crate::postgres::{Postgres, Target};
use crate::settings;
use crate::sqlite::Sqlite;
use crate::value::{Columns, DbError, Trouble, Value, ValueRef};

/// Every table that is moved, each after those that it refers to.
pub const TABLES: &[&str] = &[
    "settings",
    "accounts",
    "client_ids",
    "credentials",
    "secrets",
    "events",
    "change_log",
    "idempotency",
    "usage_hours",
    "last_used",
    "usage_batches",
    "members",
    "recovery_codes",
    "sessions",
    "devices",
    "tries",
    "proofs",
    "links",
    "reveals",
    "credential_owners",
    "replacements",
    "account_settings",
    "messages",
    "usage_days",
    "usage_places",
    "audit_ends",
    "outbox",
    "repeats",
    "due",
    "endpoints",
    "endpoint_secrets",
    "deliveries",
    "attempts",
    "usage_minutes",
    "usage_needs",
    "usage_need_days",
    "address_reports",
    "ended_tokens",
    "requests",
    "request_counts",
    "request_gaps",
    "usage_networks",
    "usage_learning",
    "alerts",
    "approvals",
    "operator_sessions",
    "quotas",
];

/// Tables that are not: a migration fills them, or they are about processes.
pub const STAY: &[&str] = &["keyway_schema", "change_head", "node_lease", "turns"];

/// The setting that says that a move is not finished: no node starts on such a database.
pub const UNFINISHED: &str = "transfer_unfinished";

/// Rows of one transaction.
const ROWS: usize = 4_096;
const PATIENCE: Duration = Duration::from_mins(5);

/// How far a move is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Which table.
    pub table: &'static str,
    /// Its rows that are there.
    pub done: u64,
    /// Its rows in the file.
    pub of: u64,
}

/// A table that was moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// Which.
    pub table: &'static str,
    /// Its rows, the same on both sides.
    pub rows: u64,
    /// The digest over them, the same on both sides.
    pub digest: [u8; 32],
}

/// Moves the file at `from` to the server at `to`, which was migrated and is empty or holds an
/// earlier attempt. Nobody may write to either meanwhile.
pub fn transfer(
    from: &Path,
    to: &Arc<Target>,
    mut tell: impl FnMut(Progress) + Send,
) -> Result<Vec<Moved>, DbError> {
    // Connecting waits, which a thread of an async runtime must not.
    std::thread::scope(|scope| {
        let done = scope.spawn(|| transfer_all(from, to, &mut tell)).join();
        done.unwrap_or_else(|_| Err(DbError::other("the move panicked")))
    })
}

fn transfer_all(
    from: &Path,
    to: &Target,
    tell: &mut dyn FnMut(Progress),
) -> Result<Vec<Moved>, DbError> {
    let mut file = Sqlite::open(from, true)?;
    migrate::file(&mut file)?;
    let mut server = Postgres::open(to, PATIENCE)?;
    migrate::fits(&mut server)?;
    begin(&mut server)?;
    for table in TABLES {
        copy(&mut file, &mut server, table, tell)?;
    }
    copy_head(&mut file, &mut server)?;
    let mut moved = Vec::with_capacity(TABLES.len());
    for table in TABLES {
        let columns = Table::read(&mut file, table)?;
        let (here, there) = (columns.digest(&mut file)?, columns.digest(&mut server)?);
        if here != there {
            let message = format!(
                "{table}: {} rows in the file, {} on the server, and not the same; nothing was \
                 removed anywhere",
                here.0, there.0
            );
            return Err(DbError::other(message));
        }
        moved.push(Moved { table, rows: here.0, digest: here.1 });
    }
    tidy_up(&mut server);
    server.run("DELETE FROM settings WHERE name = $1", &[UNFINISHED.into()])?;
    Ok(moved)
}

/// Does before the first start what the server would do by itself beside it. A role that may not has
/// it left to the server.
fn tidy_up(server: &mut Postgres) {
    for table in TABLES {
        if let Err(error) = server.batch(&format!("VACUUM (ANALYZE) {table}")) {
            tracing::warn!(table, %error, "the server is left to tidy up after the move by itself");
            return;
        }
    }
}

/// Sees that the server is empty or holds an earlier attempt, and marks it.
fn begin(server: &mut Postgres) -> Result<(), DbError> {
    server.batch("BEGIN")?;
    let mut tx = Tx::new(server, Time(0), Locking::Rows);
    let is_earlier = settings::find(&mut tx, UNFINISHED)?.is_some();
    let has_accounts = tx.first("SELECT 1 FROM accounts LIMIT 1", &[], |_| Ok(()))?.is_some();
    if has_accounts && !is_earlier {
        server.batch("ROLLBACK")?;
        return Err(DbError::other("this database is in use: it holds accounts already"));
    }
    settings::save(&mut tx, UNFINISHED, b"1")?;
    server.batch("COMMIT")
}

/// What is needed to read a table in the order of its key.
struct Table {
    name: &'static str,
    columns: Vec<String>,
    key: Vec<String>,
}

impl Table {
    fn read(file: &mut Sqlite, name: &'static str) -> Result<Self, DbError> {
        let (mut columns, mut key) = (Vec::new(), Vec::new());
        file.query(&format!("PRAGMA table_info({name})"), &[], &mut |row| {
            columns.push(row.text(1)?.to_owned());
            let place = row.integer(5)?;
            if place > 0 {
                key.push((place, row.text(1)?.to_owned()));
            }
            Ok(())
        })?;
        key.sort_unstable();
        if key.is_empty() {
            return Err(DbError::broken(format_args!("the table {name}")));
        }
        Ok(Self { name, columns, key: key.into_iter().map(|(_, column)| column).collect() })
    }

    /// Rows after a key, in its order. The mark of the move itself is no row.
    fn select(&self, is_first: bool) -> String {
        let (columns, key) = (self.columns.join(", "), self.key.join(", "));
        let mut conditions = Vec::new();
        if self.name == "settings" {
            conditions.push(format!("name <> '{UNFINISHED}'"));
        }
        if !is_first {
            let places: Vec<String> =
                (1..=self.key.len()).map(|place| format!("${place}")).collect();
            conditions.push(format!("({key}) > ({})", places.join(", ")));
        }
        let condition = if conditions.is_empty() {
            String::new()
        } else {
            format!(" WHERE {}", conditions.join(" AND "))
        };
        format!("SELECT {columns} FROM {}{condition} ORDER BY {key}", self.name)
    }

    fn key_of(&self, row: &[Value]) -> Vec<Value> {
        let place = |name: &String| self.columns.iter().position(|column| column == name);
        self.key.iter().filter_map(|name| row.get(place(name)?).cloned()).collect()
    }

    /// How many rows there are, and a digest over all of them.
    fn digest(&self, connection: &mut dyn Connection) -> Result<(u64, [u8; 32]), DbError> {
        let (mut rows, mut sum) = (0, [0; 32]);
        let width = self.columns.len();
        connection.query(&self.select(true), &[], &mut |row| {
            let mut bytes = Canonical::of(self.name);
            bytes.bytes(&sum);
            for value in values(row, width)? {
                match value {
                    Value::Null => bytes.number(0),
                    Value::Integer(number) => {
                        bytes.number(1);
                        bytes.number(number);
                    }
                    Value::Text(text) => {
                        bytes.number(2);
                        bytes.text(&text);
                    }
                    Value::Blob(blob) => {
                        bytes.number(3);
                        bytes.bytes(&blob);
                    }
                }
            }
            sum = Sha256::digest(bytes.into_bytes()).into();
            rows += 1;
            Ok(())
        })?;
        Ok((rows, sum))
    }
}

fn values(row: &dyn Columns, width: usize) -> Result<Vec<Value>, DbError> {
    let value = |column| {
        Ok(match row.value(column)? {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(number) => Value::Integer(number),
            ValueRef::Text(text) => Value::Text(text.to_owned()),
            ValueRef::Blob(blob) => Value::Blob(blob.to_vec()),
        })
    };
    (0..width).map(value).collect()
}

fn count(connection: &mut dyn Connection, table: &str) -> Result<u64, DbError> {
    let mut count = 0;
    connection.query(&format!("SELECT COUNT(*) FROM {table}"), &[], &mut |row| {
        count = u64::try_from(row.integer(0)?).unwrap_or(0);
        Ok(())
    })?;
    Ok(count)
}

fn copy(
    file: &mut Sqlite,
    server: &mut Postgres,
    name: &'static str,
    tell: &mut dyn FnMut(Progress),
) -> Result<(), DbError> {
    let table = Table::read(file, name)?;
    let of = count(file, name)?;
    let mut last = last_key(&table, server)?;
    let mut done = if last.is_some() { count(server, name)? } else { 0 };
    let insert = format!("INSERT INTO {name} ({}) VALUES", table.columns.join(", "));
    loop {
        let mut rows = Vec::with_capacity(ROWS);
        let after = last.clone().unwrap_or_default();
        let sql = format!("{} LIMIT {ROWS}", table.select(after.is_empty()));
        file.query(&sql, &after, &mut |row| {
            rows.push(values(row, table.columns.len())?);
            Ok(())
        })?;
        let Some(newest) = rows.last() else { break };
        last = Some(table.key_of(newest));
        done += rows.len() as u64;
        server.batch("BEGIN")?;
        Tx::new(server, Time(0), Locking::Rows)
            .run_over((&insert, "ON CONFLICT DO NOTHING"), rows)
            .and_then(|()| server.batch("COMMIT"))
            .map_err(|error| DbError::new(Trouble::Other, format!("{name}: {error}")))?;
        tell(Progress { table: name, done: done.min(of), of });
    }
    Ok(())
}

/// The newest key that an earlier attempt has written: rows are written in its order.
fn last_key(table: &Table, server: &mut Postgres) -> Result<Option<Vec<Value>>, DbError> {
    // What the mark is among is few: it is begun anew.
    if table.name == "settings" {
        return Ok(None);
    }
    let key = table.key.join(", ");
    let order: Vec<String> = table.key.iter().map(|column| format!("{column} DESC")).collect();
    let sql = format!("SELECT {key} FROM {} ORDER BY {} LIMIT 1", table.name, order.join(", "));
    let mut last = None;
    server.query(&sql, &[], &mut |row| {
        last = Some(values(row, table.key.len())?);
        Ok(())
    })?;
    Ok(last)
}

/// The head of the change log is one row, which a migration made.
fn copy_head(file: &mut Sqlite, server: &mut Postgres) -> Result<(), DbError> {
    let mut head = Vec::new();
    file.query("SELECT seq, nonce FROM change_head WHERE one = 1", &[], &mut |row| {
        head = values(row, 2)?;
        Ok(())
    })?;
    server.run("UPDATE change_head SET seq = $1, nonce = $2 WHERE one = 1", &head).map(drop)
}
