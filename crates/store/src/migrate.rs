//! Migrations: written once, applied in order, never edited afterwards.

use std::sync::Arc;
use std::time::Duration;

use crate::connection::Connection;
use crate::postgres::{Postgres, Target};
use crate::sqlite::Sqlite;
use crate::value::{DbError, Trouble, Value};

/// The migrations, each with the oldest schema that a version must know to run after it.
const MIGRATIONS: &[(&str, i64)] = &[
    (include_str!("../migrations/0001_start.sql"), 1),
    (include_str!("../migrations/0002_people.sql"), 2),
    (include_str!("../migrations/0003_telling.sql"), 3),
    (include_str!("../migrations/0004_nodes.sql"), 4),
    (include_str!("../migrations/0005_scopes.sql"), 4),
    (include_str!("../migrations/0006_requests.sql"), 4),
    // A version without tokens would accept one that was revoked.
    (include_str!("../migrations/0007_tokens.sql"), 7),
    // To a version that does not know of it, the seal of a credential whose list only reports does
    // not fit: it refuses that one, and accepts nothing that it should not.
    (include_str!("../migrations/0008_address_reports.sql"), 7),
    // A version that does not know of second persons would wait for none.
    (include_str!("../migrations/0009_approvals.sql"), 9),
    (include_str!("../migrations/0010_operator.sql"), 9),
    // A version without quotas can't read a scheme that has some.
    (include_str!("../migrations/0011_quotas.sql"), 9),
];

/// The newest schema this build knows.
pub const SCHEMA_VERSION: i64 = 11;

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS keyway_schema (
    version INTEGER PRIMARY KEY, applied INTEGER NOT NULL
) STRICT";

/// Brings a file to the newest schema; refuses one from a newer Keyway or another program.
pub(crate) fn file(connection: &mut Sqlite) -> Result<(), DbError> {
    connection.batch("BEGIN IMMEDIATE")?;
    let done = connection.batch(SCHEMA).and_then(|()| apply(connection, str::to_owned));
    connection.batch(if done.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
    done.map(drop)
}

/// What a migration did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migrated {
    /// The schema that was found; 0 in an empty database.
    pub from: i64,
    /// The schema that is there now.
    pub to: i64,
}

/// A migration may rewrite a large table.
const PATIENCE: Duration = Duration::from_hours(1);

/// Brings a PostgreSQL to the newest schema, as its owner, and lets `role` read and write its rows.
pub fn migrate(target: &Arc<Target>, role: Option<&str>) -> Result<Migrated, DbError> {
    // Connecting waits, which a thread of an async runtime must not.
    std::thread::scope(|scope| {
        let done = scope.spawn(|| migrate_server(target, role)).join();
        done.unwrap_or_else(|_| Err(DbError::other("the migration panicked")))
    })
}

fn migrate_server(target: &Target, role: Option<&str>) -> Result<Migrated, DbError> {
    let mut connection = Postgres::open(target, PATIENCE)?;
    connection.batch("BEGIN")?;
    // Of two that migrate at the same moment the second waits here, and finds nothing to do.
    connection.batch("SELECT pg_advisory_xact_lock(7410)")?;
    connection.batch(&for_postgres(SCHEMA))?;
    let migrated = apply(&mut connection, for_postgres)?;
    if let Some(role) = role {
        let role = format!("\"{}\"", role.replace('"', "\"\""));
        connection.batch(&format!(
            "GRANT USAGE ON SCHEMA public TO {role};
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}"
        ))?;
    }
    connection.batch("COMMIT")?;
    Ok(migrated)
}

/// The same text in PostgreSQL's words. Texts are compared byte by byte, as SQLite does.
fn for_postgres(sql: &str) -> String {
    sql.replace("INTEGER", "BIGINT")
        .replace("BLOB", "BYTEA")
        .replace(" TEXT", " TEXT COLLATE \"C\"")
        .replace(") STRICT, WITHOUT ROWID", ")")
        .replace(") STRICT", ")")
}

fn apply(
    connection: &mut dyn Connection,
    translate: fn(&str) -> String,
) -> Result<Migrated, DbError> {
    let found = version(connection)?;
    if found > SCHEMA_VERSION {
        return Err(newer(found));
    }
    let applied = usize::try_from(found).map_err(DbError::broken)?;
    for (version, (migration, oldest)) in (1_i64..).zip(MIGRATIONS).skip(applied) {
        connection.batch(&translate(migration))?;
        connection.run(
            "INSERT INTO keyway_schema (version, applied) VALUES ($1, 1)",
            &[Value::Integer(version)],
        )?;
        if version >= COMPATIBLE_SINCE {
            connection.run(
                "UPDATE keyway_schema SET oldest = $2 WHERE version = $1",
                &[Value::Integer(version), Value::Integer(*oldest)],
            )?;
        }
    }
    Ok(Migrated { from: found, to: SCHEMA_VERSION })
}

/// Since this schema it is written down which versions may run on it.
const COMPATIBLE_SINCE: i64 = 4;

fn version(connection: &mut dyn Connection) -> Result<i64, DbError> {
    first(connection, "SELECT COALESCE(MAX(version), 0) FROM keyway_schema")
}

fn first(connection: &mut dyn Connection, sql: &str) -> Result<i64, DbError> {
    let mut found = 0;
    connection.query(sql, &[], &mut |row| {
        found = row.integer(0)?;
        Ok(())
    })?;
    Ok(found)
}

fn newer(found: i64) -> DbError {
    let message = format!(
        "this database has schema {found}, made by a newer Keyway; this one knows {SCHEMA_VERSION}"
    );
    DbError::new(Trouble::Other, message)
}

/// Whether this version can serve a PostgreSQL as it is: migrated far enough, and by a newer version
/// only if that one said that this one may go on.
pub(crate) fn fits(connection: &mut dyn Connection) -> Result<(), DbError> {
    let found = version(connection).map_err(|error| match error.trouble {
        Trouble::Schema => DbError::new(Trouble::Schema, "the database is empty"),
        _ => error,
    })?;
    if found < SCHEMA_VERSION {
        let message =
            format!("the database has schema {found}; this version needs {SCHEMA_VERSION}");
        return Err(DbError::new(Trouble::Schema, message));
    }
    if found > SCHEMA_VERSION
        && first(connection, "SELECT MAX(oldest) FROM keyway_schema")? > SCHEMA_VERSION
    {
        return Err(newer(found));
    }
    Ok(())
}
