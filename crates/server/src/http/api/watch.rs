//! What is unusual, and how the work beside requests goes, over HTTP.

use keyway_domain::id::{AlertId, CredentialId};
use keyway_domain::time::Time;
use keyway_store::alerts::{self, Alert};
use keyway_store::{Tx, accounts};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::{Call, Caller, Problem, Reply, said, view};
use crate::commands::Error;
use crate::http::openapi::shapes as shape;
use crate::telling::Telling;

/// Alerts of a page.
const ALERTS: u32 = 200;

/// Something that is or was unusual about a credential.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Alert")]
pub struct Shown {
    /// Its id.
    #[schemars(with = "shape::AlertId")]
    id: AlertId,
    /// About which credential.
    #[schemars(with = "shape::CredentialId")]
    credential: CredentialId,
    /// What, in a word.
    #[serde(rename = "type")]
    #[schemars(example = &"usage_spike")]
    kind: String,
    /// Since when.
    #[schemars(with = "shape::Instant")]
    began_at: Time,
    /// When it was last so.
    #[schemars(with = "shape::Instant")]
    last_at: Time,
    /// When it was over.
    #[schemars(with = "Option<shape::Instant>")]
    ended_at: Option<Time>,
    /// Its figures.
    #[schemars(with = "shape::Figures")]
    detail: Value,
}

impl From<&Alert> for Shown {
    fn from(alert: &Alert) -> Self {
        Self {
            id: alert.id,
            credential: alert.credential,
            kind: alert.what.split(' ').next().unwrap_or_default().to_owned(),
            began_at: alert.began_at,
            last_at: alert.last_at,
            ended_at: alert.ended_at,
            detail: serde_json::from_str(&alert.detail).unwrap_or_default(),
        }
    }
}

/// How the work beside requests goes.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Status")]
pub struct Status {
    /// The present instant.
    #[schemars(with = "shape::Instant")]
    now: Time,
    /// Secrets in memory.
    secrets: u64,
    /// Whether the last write reached the database.
    store_well: bool,
    /// Stored rows that failed their seal.
    refused_rows: u64,
    /// Events that are still to be told.
    events_waiting: u64,
    /// How webhooks go.
    webhooks: Webhooks,
    /// How mail goes.
    mail: Mail,
}

/// How webhooks go.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "WebhooksStatus")]
struct Webhooks {
    /// Deliveries that wait.
    waiting: u64,
    /// Since when the longest due of them is due.
    #[schemars(with = "Option<shape::Instant>")]
    due_since: Option<Time>,
    /// Endpoints that were switched off because nothing arrived there.
    endpoints_off: u64,
    /// Why this server can't call URLs.
    trouble: Option<String>,
}

/// How mail goes.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MailStatus")]
struct Mail {
    /// Where letters go: to a mail `server`, into a `folder`, or nowhere (`none`).
    #[schemars(example = &"server")]
    to: &'static str,
    /// Letters that should have gone by now.
    waiting: u64,
    /// Letters that were given up.
    given_up: u64,
    /// Those of them that the mail server said it would never take.
    refused: u64,
    /// Why the newest that did not go did not.
    trouble: Option<String>,
}

/// `GET /v1/accounts/{account}/alerts`
pub async fn alerts(call: Call, _: Caller) -> Result<Reply, Problem> {
    let account = call.account()?;
    let read = move |tx: &mut Tx<'_>| {
        accounts::find(tx, account)?.ok_or(Error::NotFound("account"))?;
        Ok::<_, Error>(alerts::list(tx, account, ALERTS)?)
    };
    let data = call.app.db.read(read).await?.iter().map(Shown::from).collect();
    Ok(said(&view::Page { data, next_cursor: None }))
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
    let relaxed = std::sync::atomic::Ordering::Relaxed;
    Ok(said(&Status {
        now,
        secrets: call.app.platform.engine.index.len(),
        store_well: call.app.store_well.load(relaxed),
        refused_rows: call.app.refused_rows.load(relaxed),
        events_waiting: telling.events_waiting,
        webhooks: Webhooks {
            waiting: telling.webhooks_waiting,
            due_since: telling.webhooks_due_since,
            endpoints_off: telling.endpoints_off,
            trouble: call.app.outbound.as_ref().err().map(ToString::to_string),
        },
        mail: Mail {
            to: mail,
            waiting: telling.mail.waiting,
            given_up: telling.mail.given_up,
            refused: telling.mail.refused,
            trouble: telling.mail.trouble,
        },
    }))
}
