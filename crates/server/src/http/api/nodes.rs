//! The nodes over HTTP: who there is, how far each has read, and how long this one may answer.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use keyway_domain::time::Time;
use keyway_store::leases::Kept;
use keyway_store::{DbError, Tx, changes, leases};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Call, Caller, Problem, Reply, said};
use crate::coherence::Node;
use crate::http::openapi::shapes as shape;

/// The database is not waited for longer than this.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// The nodes over the database.
#[derive(Default, Serialize, JsonSchema)]
pub struct Nodes {
    /// The present instant, by this node's clock.
    #[schemars(with = "shape::Instant")]
    now: Time,
    /// And by the database's, if it answers.
    #[schemars(with = "Option<shape::Instant>")]
    database_now: Option<Time>,
    /// The newest place of the change log.
    #[schemars(example = 1042)]
    head: Option<i64>,
    /// The node that answers.
    this: Option<This>,
    /// All nodes, as the database has them.
    nodes: Vec<Row>,
    /// Why the database does not answer.
    trouble: Option<String>,
    /// That there are no nodes, because the database is a file.
    alone: Option<&'static str>,
}

/// A node, as the database has it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Node")]
struct Row {
    /// Its id: another one after each start.
    #[schemars(with = "shape::NodeId")]
    id: String,
    /// What it calls itself.
    #[schemars(example = &"node-1")]
    name: String,
    /// Its version of Keyway.
    #[schemars(example = &"1.0.0")]
    version: String,
    /// Whether it is the one that answers.
    is_this: bool,
    /// Since when it is there.
    #[schemars(with = "shape::Instant")]
    since: Time,
    /// How long ago it renewed its lease, in milliseconds.
    renewed_ms_ago: i64,
    /// Whether it should have renewed it by now.
    is_silent: bool,
    /// The place in the change log that it has reached.
    #[schemars(example = 1042)]
    applied: i64,
    /// Changes that it has not read yet.
    lag: i64,
    /// How long a lease lasts, in milliseconds.
    #[schemars(example = 2000)]
    lease_ms: i64,
    /// For how long it answers without one, in milliseconds.
    grace_ms: i64,
}

/// What the node that answers knows by itself.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ThisNode")]
struct This {
    /// Its id.
    #[schemars(with = "shape::NodeId")]
    id: String,
    /// Whether it may answer questions.
    may_answer: bool,
    /// How it is, in a word: `ready`, `in_grace`, `no_lease` or `another_history`.
    #[schemars(example = &"ready")]
    state: &'static str,
    /// What is wrong, if anything is.
    reason: Option<String>,
    /// Stored rows that failed their seal.
    rows_refused: u64,
    /// Whether it answers without a lease, as it was allowed to for a while.
    in_grace: bool,
    /// For how long its lease holds, in milliseconds.
    #[schemars(example = 1800)]
    lease_left_ms: u64,
    /// The place in the change log that it has reached.
    #[schemars(example = 1042)]
    applied: i64,
    /// Changes that it has not read yet.
    lag: i64,
    /// Changes that it has seen true everywhere.
    everywhere: u64,
    /// Changes that it has not, in time.
    pending: u64,
    /// Times at which it had no lease.
    leases_lost: u64,
    /// Silent nodes that it has ended.
    silent_nodes_ended: u64,
    /// Times at which the database had another history.
    histories: u64,
}

/// `GET /v1/nodes`
pub async fn list(call: Call, _: Caller) -> Result<Reply, Problem> {
    let now = call.now();
    let Some(node) = call.app.coherence.get() else {
        let alone = Some("the database is a file: this process is the only one");
        return Ok(said(&Nodes { now, alone, ..Nodes::default() }));
    };
    let read = |tx: &mut Tx<'_>| {
        Ok::<_, DbError>((changes::head(tx)?, leases::database_time(tx)?, leases::all(tx)?))
    };
    let asked = tokio::time::timeout(ANSWER_WITHIN, call.app.db.read(read)).await;
    let asked = asked.map_or_else(
        |_| Err("the database does not answer".to_owned()),
        |read| read.map_err(|error| error.to_string()),
    );
    let this = Some(this(&call, node));
    let (head, database_now, kept) = match asked {
        Ok(read) => read,
        // Who asks why nothing works is told what this node knows by itself.
        Err(trouble) => {
            let trouble = Some(trouble);
            return Ok(said(&Nodes { now, this, trouble, ..Nodes::default() }));
        }
    };
    let nodes = kept.iter().map(|kept| row(kept, node, head.seq, database_now)).collect();
    Ok(said(&Nodes {
        now,
        database_now: Some(database_now),
        head: Some(head.seq),
        this,
        nodes,
        trouble: None,
        alone: None,
    }))
}

fn row(kept: &Kept, node: &Node, head: i64, database_now: Time) -> Row {
    let lease = kept.lease;
    let silent_ms = (database_now.0 - kept.renewed_at.0).max(0);
    Row {
        id: format!("{:032x}", lease.node.0),
        name: kept.name.clone(),
        version: kept.version.clone(),
        is_this: node.id() == lease.node,
        since: kept.began_at,
        renewed_ms_ago: silent_ms,
        is_silent: silent_ms > lease.ttl_ms,
        applied: lease.applied,
        lag: (head - lease.applied).max(0),
        lease_ms: lease.ttl_ms,
        grace_ms: lease.grace_ms,
    }
}

fn this(call: &Call, node: &Node) -> This {
    let ((applied, head), health) = (node.places(), node.health());
    let figures = &node.figures;
    let read = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
    This {
        id: format!("{:032x}", node.id().0),
        may_answer: node.lease.holds(),
        state: health.state,
        reason: health.reason,
        rows_refused: call.app.refused_rows.load(Ordering::Relaxed),
        in_grace: node.lease.is_in_grace(),
        lease_left_ms: u64::try_from(node.lease.left().as_millis()).unwrap_or(u64::MAX),
        applied,
        lag: head - applied,
        everywhere: read(&figures.everywhere),
        pending: read(&figures.pending),
        leases_lost: read(&figures.lost),
        silent_nodes_ended: read(&figures.fenced),
        histories: read(&figures.histories),
    }
}
