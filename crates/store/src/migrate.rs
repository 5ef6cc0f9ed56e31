//! Migrations: written once, applied in order, never edited afterwards.

use crate::db::Connection;
use crate::sqlite::Sqlite;
use crate::value::{DbError, Trouble, Value};

const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_start.sql"),
    include_str!("../migrations/0002_people.sql"),
    include_str!("../migrations/0003_telling.sql"),
];

/// The newest schema this build knows.
pub const SCHEMA_VERSION: i64 = 3;

/// Brings the database to the newest schema; refuses one from a newer Keyway or another program.
pub(crate) fn run(connection: &mut Sqlite) -> Result<(), DbError> {
    connection.batch("BEGIN IMMEDIATE")?;
    let done = apply(connection);
    connection.batch(if done.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
    done
}

fn apply(connection: &mut Sqlite) -> Result<(), DbError> {
    connection.batch(
        "CREATE TABLE IF NOT EXISTS keyway_schema (
             version INTEGER PRIMARY KEY, applied INTEGER NOT NULL
         ) STRICT",
    )?;
    let mut found = 0;
    connection.query("SELECT COALESCE(MAX(version), 0) FROM keyway_schema", &[], &mut |row| {
        found = row.integer(0)?;
        Ok(())
    })?;
    if found > SCHEMA_VERSION {
        let message = format!(
            "this database has schema {found}, made by a newer Keyway; this one knows {SCHEMA_VERSION}"
        );
        return Err(DbError::new(Trouble::Other, message));
    }
    let applied = usize::try_from(found).map_err(DbError::broken)?;
    for (version, migration) in (1_i64..).zip(MIGRATIONS).skip(applied) {
        connection.batch(migration)?;
        connection.run(
            "INSERT INTO keyway_schema (version, applied) VALUES ($1, 1)",
            &[Value::Integer(version)],
        )?;
    }
    Ok(())
}
