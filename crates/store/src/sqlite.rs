//! SQLite: opening, binding, reading.

mod threads;

pub(crate) use threads::start;

use std::path::Path;
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, ValueRef as Cell};
use rusqlite::{ErrorCode, OpenFlags, ToSql, params_from_iter};

use crate::connection::Connection;
use crate::value::{Columns, DbError, Trouble, Value, ValueRef};

/// Before 3.51.3 a checkpoint racing a commit could corrupt a WAL database.
const VERSION_MIN: i32 = 3_051_003;
const BUSY_MS: u64 = 5_000;
const STATEMENTS_KEPT: usize = 128;

pub(crate) struct Sqlite(rusqlite::Connection);

impl Sqlite {
    pub(crate) fn open(path: &Path, durable: bool) -> Result<Self, DbError> {
        if rusqlite::version_number() < VERSION_MIN {
            let message = format!("SQLite {} is too old", rusqlite::version());
            return Err(DbError::new(Trouble::Other, message));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = rusqlite::Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(Duration::from_millis(BUSY_MS))?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
        let synchronous = if durable { "FULL" } else { "OFF" };
        connection.execute_batch(&format!(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous};
             PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;
             PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY;
             PRAGMA cache_size = -65536; PRAGMA mmap_size = 1073741824;"
        ))?;
        Ok(Self(connection))
    }

    /// Whether a transaction is open. A full disk can end one from within.
    fn in_transaction(&self) -> bool {
        !self.0.is_autocommit()
    }
}

impl Connection for Sqlite {
    fn run(&mut self, sql: &str, values: &[Value]) -> Result<u64, DbError> {
        let mut statement = self.0.prepare_cached(&numbered(sql))?;
        Ok(statement.execute(params_from_iter(values))? as u64)
    }

    fn query(
        &mut self,
        sql: &str,
        values: &[Value],
        each: &mut dyn FnMut(&dyn Columns) -> Result<(), DbError>,
    ) -> Result<(), DbError> {
        let mut statement = self.0.prepare_cached(&numbered(sql))?;
        let mut rows = statement.query(params_from_iter(values))?;
        while let Some(row) = rows.next()? {
            each(&SqliteRow(row))?;
        }
        Ok(())
    }

    fn batch(&mut self, sql: &str) -> Result<(), DbError> {
        Ok(self.0.execute_batch(sql)?)
    }
}

/// To SQLite `$2` is a name, numbered by where it is first used; `?2` is the second value.
fn numbered(sql: &str) -> String {
    sql.replace('$', "?")
}

struct SqliteRow<'r>(&'r rusqlite::Row<'r>);

impl Columns for SqliteRow<'_> {
    fn value(&self, column: usize) -> Result<ValueRef<'_>, DbError> {
        Ok(match self.0.get_ref(column)? {
            Cell::Null => ValueRef::Null,
            Cell::Integer(number) => ValueRef::Integer(number),
            Cell::Text(bytes) => {
                ValueRef::Text(std::str::from_utf8(bytes).map_err(DbError::broken)?)
            }
            Cell::Blob(bytes) => ValueRef::Blob(bytes),
            Cell::Real(_) => return Err(DbError::broken("a fraction, which no column holds")),
        })
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => Cell::Null,
            Self::Integer(number) => Cell::Integer(*number),
            Self::Text(text) => Cell::Text(text.as_bytes()),
            Self::Blob(bytes) => Cell::Blob(bytes),
        }))
    }
}

impl From<rusqlite::Error> for DbError {
    fn from(error: rusqlite::Error) -> Self {
        let trouble = match error.sqlite_error() {
            None => Trouble::Other,
            Some(failure) => match failure.code {
                ErrorCode::ConstraintViolation if is_unique(failure.extended_code) => {
                    Trouble::Duplicate
                }
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Trouble::Busy,
                ErrorCode::DiskFull => Trouble::Full,
                ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied => {
                    Trouble::ReadOnly
                }
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Trouble::Corrupt,
                _ => Trouble::Other,
            },
        };
        Self::new(trouble, error.to_string())
    }
}

fn is_unique(extended: i32) -> bool {
    extended == rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE
        || extended == rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY
}
