//! The nodes over HTTP: who there is, how far each has read, and how long this one may answer.

use std::sync::atomic::Ordering;
use std::time::Duration;

use http::StatusCode;
use keyway_store::{Tx, changes, leases};
use serde_json::{Value, json};

use super::{Call, Caller, Problem, Reply, json_reply};
use crate::coherence::Node;

/// The database is not waited for longer than this.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// `GET /v1/nodes`
pub async fn list(call: Call, _: Caller) -> Result<Reply, Problem> {
    let now = call.now();
    let Some(node) = call.app.coherence.get() else {
        let alone = json!({
            "now": now, "head": null, "this": null, "nodes": [],
            "alone": "the database is a file: this process is the only one",
        });
        return Ok(json_reply(StatusCode::OK, alone.to_string()));
    };
    let read = |tx: &mut Tx<'_>| {
        Ok::<_, keyway_store::DbError>((
            changes::head(tx)?,
            leases::database_time(tx)?,
            leases::all(tx)?,
        ))
    };
    let asked = tokio::time::timeout(ANSWER_WITHIN, call.app.db.read(read)).await;
    let asked = asked.map_or_else(
        |_| Err("the database does not answer".to_owned()),
        |read| read.map_err(|error| error.to_string()),
    );
    let (head, database_now, kept) = match asked {
        Ok(read) => read,
        // Who asks why nothing works is told what this node knows by itself.
        Err(trouble) => {
            let body = json!({
                "now": now, "database_now": null, "head": null, "this": this(&call, node),
                "nodes": [], "trouble": trouble,
            });
            return Ok(json_reply(StatusCode::OK, body.to_string()));
        }
    };
    let nodes: Vec<Value> = kept
        .iter()
        .map(|kept| {
            let lease = kept.lease;
            let silent_ms = (database_now.0 - kept.renewed_at.0).max(0);
            json!({
                "id": format!("{:032x}", lease.node.0),
                "name": kept.name,
                "version": kept.version,
                "is_this": node.id() == lease.node,
                "since": kept.began_at,
                "renewed_ms_ago": silent_ms,
                "is_silent": silent_ms > lease.ttl_ms,
                "applied": lease.applied,
                "lag": (head.seq - lease.applied).max(0),
                "lease_ms": lease.ttl_ms,
                "grace_ms": lease.grace_ms,
            })
        })
        .collect();
    let body = json!({
        "now": now,
        "database_now": database_now,
        "head": head.seq,
        "this": this(&call, node),
        "nodes": nodes,
        "trouble": null,
    });
    Ok(json_reply(StatusCode::OK, body.to_string()))
}

fn this(call: &Call, node: &Node) -> Value {
    let ((applied, head), health) = (node.places(), node.health());
    let figures = &node.figures;
    let read = |figure: &std::sync::atomic::AtomicU64| figure.load(Ordering::Relaxed);
    json!({
        "id": format!("{:032x}", node.id().0),
        "may_answer": node.lease.holds(),
        "state": health.state,
        "reason": health.reason,
        "rows_refused": call.app.refused_rows.load(Ordering::Relaxed),
        "in_grace": node.lease.is_in_grace(),
        "lease_left_ms": u64::try_from(node.lease.left().as_millis()).unwrap_or(u64::MAX),
        "applied": applied,
        "lag": head - applied,
        "everywhere": read(&figures.everywhere),
        "pending": read(&figures.pending),
        "leases_lost": read(&figures.lost),
        "silent_nodes_ended": read(&figures.fenced),
        "histories": read(&figures.histories),
    })
}
