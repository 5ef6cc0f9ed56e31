//! Leases: which nodes there are, how far each has read the change log, and how long it may answer.
//!
//! Only on a server, where there are many nodes. What a node writes here stands only while its place
//! in the log is in this database's history: after a restore it writes nothing, and sees so.

use keyway_coherence::{Lease, NodeId, Position, Terms};
use keyway_domain::time::Time;

use crate::db::Tx;
use crate::value::{Columns, DbError, Value};

/// A node's own facts: what it writes when it takes a lease.
#[derive(Debug, Clone)]
pub struct Own {
    /// The process: drawn at its start.
    pub node: NodeId,
    /// What people call it.
    pub name: String,
    /// Its version.
    pub version: String,
    /// How long a lease lasts.
    pub ttl_ms: i64,
    /// How long it answers beyond that.
    pub grace_ms: i64,
}

/// A lease as it is written down, with what people want to know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The lease.
    pub lease: Lease,
    /// What people call the node.
    pub name: String,
    /// Its version.
    pub version: String,
    /// When the lease was taken, by the database's clock.
    pub began_at: Time,
    /// When it was last renewed, by the database's clock.
    pub renewed_at: Time,
}

/// The database's clock, in milliseconds.
const CLOCK: &str = "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)";

/// That a place, given as two parameters, is in this history. The one before the first always is.
fn is_history(seq: &str, nonce: &str) -> String {
    format!(
        "({seq} = 0 OR EXISTS (SELECT 1 FROM change_log l WHERE l.seq = {seq} AND l.nonce = {nonce}))"
    )
}

fn text(node: NodeId) -> Value {
    format!("{:032x}", node.0).into()
}

/// What the database's clock says.
pub fn database_time(tx: &mut Tx<'_>) -> Result<Time, DbError> {
    let now = tx.first(&format!("SELECT {CLOCK}"), &[], |row| Ok(Time(row.integer(0)?)))?;
    now.ok_or_else(|| DbError::broken("the database has no clock"))
}

/// Which renewal of which lease of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// How often the node has asked for a lease anew.
    pub inc: i64,
    /// How often it has tried to renew that one.
    pub renew_no: i64,
}

/// Takes a lease, if the place is in this history. [`kept`] tells.
pub fn take(tx: &mut Tx<'_>, own: &Own, mark: Mark, applied: Position) -> Result<(), DbError> {
    let sql = format!(
        "INSERT INTO node_lease (node, inc, renew_no, applied, ttl_ms, grace_ms, name, version,
             began_at, renewed_at)
         SELECT $1, $2, $9, $3, $5, $6, $7, $8, {CLOCK}, {CLOCK} FROM change_head
         WHERE one = 1 AND {}
         ON CONFLICT (node) DO UPDATE SET inc = excluded.inc, renew_no = excluded.renew_no,
             applied = excluded.applied, began_at = excluded.began_at,
             renewed_at = excluded.renewed_at
         WHERE node_lease.inc < excluded.inc",
        is_history("$3", "$4")
    );
    let values = [
        text(own.node),
        mark.inc.into(),
        applied.seq.into(),
        applied.nonce.into(),
        own.ttl_ms.into(),
        own.grace_ms.into(),
        own.name.as_str().into(),
        own.version.as_str().into(),
        mark.renew_no.into(),
    ];
    tx.run_later(&sql, &values)
}

/// Renews a lease, if it is there and the place is in this history. [`kept`] tells.
pub fn renew(tx: &mut Tx<'_>, node: NodeId, mark: Mark, applied: Position) -> Result<(), DbError> {
    let sql = format!(
        "UPDATE node_lease SET renew_no = $5, renewed_at = {CLOCK},
             applied = CASE WHEN applied < $3 THEN $3 ELSE applied END
         WHERE node = $1 AND inc = $2 AND renew_no < $5 AND {}",
        is_history("$3", "$4")
    );
    let values = [
        text(node),
        mark.inc.into(),
        applied.seq.into(),
        applied.nonce.into(),
        mark.renew_no.into(),
    ];
    tx.run_later(&sql, &values)
}

/// What a node finds after it has written its lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct After {
    /// The database's time when it was written; `None` if it was not: another node ended the lease,
    /// or the node's place is not in this history.
    pub at: Option<Time>,
    /// The newest place of the log.
    pub head: Position,
}

/// Whether a renewal was kept, and where the log is, in one snapshot.
pub fn kept(tx: &mut Tx<'_>, node: NodeId, mark: Mark) -> Result<After, DbError> {
    let found = tx.first(
        "SELECT h.seq, h.nonce, n.renewed_at FROM change_head h
         LEFT JOIN node_lease n ON n.node = $1 AND n.inc = $2 AND n.renew_no = $3
         WHERE h.one = 1",
        &[text(node), mark.inc.into(), mark.renew_no.into()],
        |row| {
            let head = Position { seq: row.integer(0)?, nonce: row.integer(1)? };
            Ok(After { at: row.maybe_integer(2)?.map(Time), head })
        },
    )?;
    found.ok_or_else(|| DbError::broken("the change log has no head"))
}

/// Says that a node has reached a place, as long as its lease and that place are there.
pub fn acknowledge(
    tx: &mut Tx<'_>,
    node: NodeId,
    inc: i64,
    applied: Position,
) -> Result<(), DbError> {
    let sql = format!(
        "UPDATE node_lease SET applied = $3 WHERE node = $1 AND inc = $2 AND applied < $3 AND {}",
        is_history("$3", "$4")
    );
    let values = [text(node), inc.into(), applied.seq.into(), applied.nonce.into()];
    tx.run_later(&sql, &values)
}

/// Every lease.
pub fn all(tx: &mut Tx<'_>) -> Result<Vec<Kept>, DbError> {
    tx.all(
        "SELECT node, inc, renew_no, applied, ttl_ms, grace_ms, name, version, began_at, renewed_at
         FROM node_lease ORDER BY began_at, node",
        &[],
        read,
    )
}

/// A node that is alive and holds its lease by other terms than these, if there is one. After a
/// fail-over that lost leases, a node waits for those by its own terms alone.
pub fn other_terms(tx: &mut Tx<'_>, terms: Terms) -> Result<Option<Kept>, DbError> {
    let now = database_time(tx)?;
    let is_other = |kept: &Kept| {
        let Lease { ttl_ms, grace_ms, .. } = kept.lease;
        let is_alive = now.0 - kept.renewed_at.0 <= ttl_ms.saturating_add(grace_ms);
        is_alive && (ttl_ms, grace_ms) != (terms.ttl_ms(), terms.grace_ms())
    };
    Ok(all(tx)?.into_iter().find(is_other))
}

/// Every lease, with the server's timeline, in one statement: it changes when a standby takes over,
/// also when no entry of the log shows it.
pub fn look(tx: &mut Tx<'_>) -> Result<(Vec<Lease>, String), DbError> {
    let rows = tx.all(
        "SELECT n.node, n.inc, n.renew_no, n.applied, n.ttl_ms, n.grace_ms,
             CAST(substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) AS TEXT)
         FROM change_head h LEFT JOIN node_lease n ON h.one = 1",
        &[],
        |row| {
            let lease = row.maybe_text(0)?.is_some().then(|| read_lease(row)).transpose()?;
            Ok((lease, row.text(6)?.to_owned()))
        },
    )?;
    let timeline = rows.first().map(|(_, timeline)| timeline.clone());
    let timeline = timeline.ok_or_else(|| DbError::broken("the change log has no head"))?;
    Ok((rows.into_iter().filter_map(|(lease, _)| lease).collect(), timeline))
}

fn read_lease(row: &dyn Columns) -> Result<Lease, DbError> {
    let node = u128::from_str_radix(row.text(0)?, 16);
    Ok(Lease {
        node: NodeId(node.map_err(|_| DbError::broken("a node's name"))?),
        inc: row.integer(1)?,
        renew_no: row.integer(2)?,
        applied: row.integer(3)?,
        ttl_ms: row.integer(4)?,
        grace_ms: row.integer(5)?,
    })
}

fn read(row: &dyn Columns) -> Result<Kept, DbError> {
    Ok(Kept {
        lease: read_lease(row)?,
        name: row.text(6)?.to_owned(),
        version: row.text(7)?.to_owned(),
        began_at: Time(row.integer(8)?),
        renewed_at: Time(row.integer(9)?),
    })
}

/// Ends the lease of a node that was silent for longer than it lasts, unless it was renewed
/// meanwhile; whether it did.
pub fn fence(tx: &mut Tx<'_>, node: NodeId, inc: i64, renew_no: i64) -> Result<bool, DbError> {
    let sql = "DELETE FROM node_lease WHERE node = $1 AND inc = $2 AND renew_no = $3";
    Ok(tx.run(sql, &[text(node), inc.into(), renew_no.into()])? > 0)
}

/// Gives a lease back: the node answers no more.
pub fn leave(tx: &mut Tx<'_>, node: NodeId) -> Result<(), DbError> {
    tx.run("DELETE FROM node_lease WHERE node = $1", &[text(node)]).map(drop)
}
