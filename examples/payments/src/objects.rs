//! The one table: objects of every kind, each of one account in one environment.
//!
//! Every function takes the owner, and every statement holds it: nothing crosses from one account or
//! environment to another.

use rusqlite::{OptionalExtension, Row, Transaction, params};
use serde_json::{Map, Value};

use crate::caller::Owner;
use crate::page::Page;
use crate::refusal::Refusal;

pub(crate) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS objects (
    sequence INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    environment TEXT NOT NULL,
    resource TEXT NOT NULL,
    id TEXT NOT NULL UNIQUE,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    fields TEXT NOT NULL,
    currency TEXT,
    -- What it added to the balance, in hundredths.
    moved INTEGER NOT NULL DEFAULT 0,
    idempotency_key TEXT,
    -- What was asked with that key: a second request must ask the same.
    request TEXT,
    UNIQUE (account, environment, resource, idempotency_key)
) STRICT;
CREATE INDEX IF NOT EXISTS objects_in_order ON objects (account, environment, resource, sequence);
CREATE INDEX IF NOT EXISTS objects_that_moved ON objects (account, environment, currency)
    WHERE moved <> 0;
";

/// Milliseconds since 1970. The database reads the clock, so that no handler does.
const NOW_MS: &str = "CAST(unixepoch('subsec') * 1000 AS INTEGER)";

/// What an [`Object`] is read from. A day is how long things that expire stay open.
const COLUMNS: &str = "id, fields, created_ms / 1000, \
    strftime('%Y-%m-%dT%H:%M:%fZ', created_ms / 1000.0, 'unixepoch'), \
    strftime('%Y-%m-%dT%H:%M:%fZ', updated_ms / 1000.0, 'unixepoch'), \
    strftime('%Y-%m-%dT%H:%M:%fZ', created_ms / 1000.0, 'unixepoch', '+1 day')";

/// Something that a client made.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) id: String,
    pub(crate) fields: Map<String, Value>,
    pub(crate) created_s: i64,
    pub(crate) created: String,
    pub(crate) updated: String,
    /// A day after it was created.
    pub(crate) expires: String,
}

/// Something to make.
#[derive(Debug)]
pub(crate) struct New {
    pub(crate) resource: &'static str,
    pub(crate) prefix: &'static str,
    pub(crate) fields: Map<String, Value>,
    /// The currency, and what is added to its balance, in hundredths.
    pub(crate) moved: Option<(String, i64)>,
    pub(crate) idempotency_key: Option<String>,
}

/// Makes an object, or finds the one that the same idempotency key made; true says it was found.
pub(crate) fn insert(
    tx: &Transaction<'_>,
    owner: &Owner,
    new: New,
) -> Result<(Object, bool), Refusal> {
    let request = Value::Object(new.fields).to_string();
    if let Some(key) = &new.idempotency_key
        && let Some(found) = find_by_key(tx, owner, new.resource, key, &request)?
    {
        return Ok((found, true));
    }
    let (currency, moved) = new.moved.unzip();
    let sql = format!(
        "INSERT INTO objects (account, environment, resource, id, created_ms, updated_ms, fields, \
             currency, moved, idempotency_key, request) \
         VALUES (?1, ?2, ?3, ?4 || lower(hex(randomblob(12))), {NOW_MS}, {NOW_MS}, ?5, ?6, ?7, ?8, ?9) \
         RETURNING {COLUMNS}"
    );
    let object = tx.query_row(
        &sql,
        params![
            owner.account,
            owner.environment,
            new.resource,
            new.prefix,
            request,
            currency,
            moved.unwrap_or(0),
            new.idempotency_key,
            new.idempotency_key.is_some().then_some(&request),
        ],
        object,
    )?;
    Ok((object, false))
}

fn find_by_key(
    tx: &Transaction<'_>,
    owner: &Owner,
    resource: &str,
    key: &str,
    request: &str,
) -> Result<Option<Object>, Refusal> {
    let sql = format!(
        "SELECT {COLUMNS}, request FROM objects \
         WHERE account = ?1 AND environment = ?2 AND resource = ?3 AND idempotency_key = ?4"
    );
    let found = tx
        .query_row(&sql, params![owner.account, owner.environment, resource, key], |row| {
            Ok((object(row)?, row.get::<_, String>(6)?))
        })
        .optional()?;
    match found {
        Some((_, earlier)) if earlier != request => Err(Refusal::Mismatch),
        found => Ok(found.map(|(object, _)| object)),
    }
}

/// The object with this id, if it is the owner's.
pub(crate) fn find(
    tx: &Transaction<'_>,
    owner: &Owner,
    resource: &str,
    id: &str,
) -> Result<Option<Object>, Refusal> {
    let sql = format!(
        "SELECT {COLUMNS} FROM objects \
         WHERE account = ?1 AND environment = ?2 AND resource = ?3 AND id = ?4"
    );
    let key = params![owner.account, owner.environment, resource, id];
    Ok(tx.query_row(&sql, key, object).optional()?)
}

/// One page, newest first, one object longer than the page if there is more.
pub(crate) fn list(
    tx: &Transaction<'_>,
    owner: &Owner,
    resource: &str,
    page: &Page,
) -> Result<Vec<Object>, Refusal> {
    let sql = format!(
        "SELECT {COLUMNS} FROM objects \
         WHERE account = ?1 AND environment = ?2 AND resource = ?3 \
           AND (?4 IS NULL OR json_extract(fields, ?4) = ?5) \
           AND (?6 IS NULL OR sequence < (SELECT sequence FROM objects \
               WHERE account = ?1 AND environment = ?2 AND resource = ?3 AND id = ?6)) \
         ORDER BY sequence DESC LIMIT ?7 OFFSET ?8"
    );
    let (path, value) = filter(page);
    let mut statement = tx.prepare(&sql)?;
    let rows = statement.query_map(
        params![
            owner.account,
            owner.environment,
            resource,
            path,
            value,
            page.after,
            i64::from(page.limit) + 1,
            page.skip,
        ],
        object,
    )?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// How many there are in the whole list.
pub(crate) fn count(
    tx: &Transaction<'_>,
    owner: &Owner,
    resource: &str,
    page: &Page,
) -> Result<u64, Refusal> {
    let sql = "SELECT count(*) FROM objects \
         WHERE account = ?1 AND environment = ?2 AND resource = ?3 \
           AND (?4 IS NULL OR json_extract(fields, ?4) = ?5)";
    let (path, value) = filter(page);
    let key = params![owner.account, owner.environment, resource, path, value];
    let count: i64 = tx.query_row(sql, key, |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

fn filter(page: &Page) -> (Option<String>, Option<&str>) {
    page.filter.as_ref().map(|(name, value)| (format!("$.{name}"), value.as_str())).unzip()
}

/// Replaces an object's fields.
pub(crate) fn save(
    tx: &Transaction<'_>,
    owner: &Owner,
    id: &str,
    fields: Map<String, Value>,
) -> Result<Object, Refusal> {
    let sql = format!(
        "UPDATE objects SET fields = ?4, updated_ms = {NOW_MS} \
         WHERE account = ?1 AND environment = ?2 AND id = ?3 RETURNING {COLUMNS}"
    );
    let fields = Value::Object(fields).to_string();
    Ok(tx.query_row(&sql, params![owner.account, owner.environment, id, fields], object)?)
}

/// Takes back what an object added to the balance.
pub(crate) fn release(tx: &Transaction<'_>, owner: &Owner, id: &str) -> Result<(), Refusal> {
    let sql = "UPDATE objects SET moved = 0 WHERE account = ?1 AND environment = ?2 AND id = ?3";
    tx.execute(sql, params![owner.account, owner.environment, id])?;
    Ok(())
}

/// Removes an object; false if the owner has none with this id.
pub(crate) fn remove(
    tx: &Transaction<'_>,
    owner: &Owner,
    resource: &str,
    id: &str,
) -> Result<bool, Refusal> {
    let sql = "DELETE FROM objects \
         WHERE account = ?1 AND environment = ?2 AND resource = ?3 AND id = ?4";
    Ok(tx.execute(sql, params![owner.account, owner.environment, resource, id])? > 0)
}

/// The balance of each currency that moved, in hundredths.
pub(crate) fn balances(tx: &Transaction<'_>, owner: &Owner) -> Result<Vec<(String, i64)>, Refusal> {
    let sql = "SELECT currency, sum(moved) FROM objects \
         WHERE account = ?1 AND environment = ?2 AND moved <> 0 AND currency IS NOT NULL \
         GROUP BY currency ORDER BY currency";
    let mut statement = tx.prepare(sql)?;
    let key = params![owner.account, owner.environment];
    let rows = statement.query_map(key, |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn object(row: &Row<'_>) -> rusqlite::Result<Object> {
    let fields: String = row.get(1)?;
    let fields = serde_json::from_str(&fields).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(1, rusqlite::types::Type::Text, Box::new(error))
    })?;
    Ok(Object {
        id: row.get(0)?,
        fields,
        created_s: row.get(2)?,
        created: row.get(3)?,
        updated: row.get(4)?,
        expires: row.get(5)?,
    })
}
