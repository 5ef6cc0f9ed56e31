//! What is unusual, and how the work beside requests goes, over HTTP.

use http::StatusCode;
use keyway_store::alerts::{self, Alert};
use keyway_store::{Tx, accounts};
use serde_json::{Value, json};

use super::{Call, Caller, Problem, Reply, json_reply};
use crate::commands::Error;
use crate::telling::Telling;

/// Alerts of a page.
const ALERTS: u32 = 200;

fn shown(alert: &Alert) -> Value {
    let detail: Value = serde_json::from_str(&alert.detail).unwrap_or_default();
    json!({
        "id": alert.id,
        "credential": alert.credential,
        "type": alert.what.split(' ').next(),
        "began_at": alert.began_at,
        "last_at": alert.last_at,
        "ended_at": alert.ended_at,
        "detail": detail,
    })
}

/// `GET /v1/accounts/{account}/alerts`
pub async fn alerts(call: Call, _: Caller) -> Result<Reply, Problem> {
    let account = call.account()?;
    let read = move |tx: &mut Tx<'_>| {
        accounts::find(tx, account)?.ok_or(Error::NotFound("account"))?;
        Ok::<_, Error>(alerts::list(tx, account, ALERTS)?)
    };
    let data: Vec<Value> = call.app.db.read(read).await?.iter().map(shown).collect();
    Ok(json_reply(StatusCode::OK, json!({ "data": data, "next_cursor": null }).to_string()))
}

/// `GET /v1/status`
pub async fn status(call: Call, _: Caller) -> Result<Reply, Problem> {
    let now = call.now();
    let telling = call.app.db.read(move |tx| Telling::look(tx, now)).await?;
    let mail = match (&call.app.site.post.server, &call.app.site.post.folder) {
        (Some(_), _) => "server",
        (None, Some(_)) => "folder",
        (None, None) => "none",
    };
    let body = json!({
        "now": now,
        "secrets": call.app.platform.engine.index.len(),
        "store_well": call.app.store_well.load(std::sync::atomic::Ordering::Relaxed),
        "refused_rows": call.app.refused_rows.load(std::sync::atomic::Ordering::Relaxed),
        "events_waiting": telling.events_waiting,
        "webhooks": {
            "waiting": telling.webhooks_waiting,
            "due_since": telling.webhooks_due_since,
            "endpoints_off": telling.endpoints_off,
            "trouble": call.app.outbound.as_ref().err().map(ToString::to_string),
        },
        "mail": {
            "to": mail,
            "waiting": telling.mail.waiting,
            "given_up": telling.mail.given_up,
            "refused": telling.mail.refused,
            "trouble": telling.mail.trouble,
        },
    });
    Ok(json_reply(StatusCode::OK, body.to_string()))
}
