//! What happens by the clock: each thing is told once, at its instant or as soon after it as a
//! process runs.

use std::sync::Arc;

use keyway_domain::credential::Credential;
use keyway_domain::due::{Due, What, holds};
use keyway_domain::event::{Happened, Kind};
use keyway_domain::id::CredentialId;
use keyway_domain::time::{DAY_MS, Time};
use keyway_store::{DbError, Tx, credentials, due, usage};
use serde_json::json;

use crate::app::App;
use crate::commands::Moment;

/// Things that are looked at in one go.
const BATCH: u32 = 100;
/// A thing that can't be told now, because its row is broken, is looked at again after so long.
const AGAIN_MS: i64 = 3_600_000;

/// Tells everything that is due by now.
pub async fn keep(app: &Arc<App>) -> Result<(), DbError> {
    loop {
        let now = app.now();
        let found = app.db.read(move |tx| due::next(tx, now, BATCH)).await?;
        if found.is_empty() {
            return Ok(());
        }
        for (id, due) in found {
            let moment = app.own_moment();
            let told = app.db.write(now, move |tx| tell(tx, &moment, id, &due)).await;
            if let Err(error) = told {
                tracing::error!(credential = %id, %error, what = due.what.word(), "not told");
                app.db
                    .write(now, move |tx| due::delay(tx, id, &due, now.plus_ms(AGAIN_MS)))
                    .await?;
            }
        }
    }
}

fn tell(tx: &mut Tx<'_>, moment: &Moment, id: CredentialId, due: &Due) -> Result<(), DbError> {
    let now = moment.now;
    let found = credentials::find_any(tx, &moment.realm.rules, id)?;
    let Some(credential) = found.filter(|credential| holds(credential, due, now)) else {
        return due::forget(tx, id, due);
    };
    let last_used = last_use(tx, id)?;
    if due.what == What::Idle
        && let Some(last) = last_used.filter(|last| *last > due.of)
    {
        due::forget(tx, id, due)?;
        return due::put_off(tx, id, &Due { of: last, at: at_same_age(due, last), ..*due });
    }
    // After a time without a process several are due at once: people are told once.
    if matches!(due.what, What::Reminder(_)) && due::expiry_was_told(tx, id, due.of, now)? {
        return due::forget(tx, id, due);
    }
    if due::take(tx, id, due, now)? {
        let happened = happened(&credential, due, last_used, now);
        moment.record(tx, credential.account, id.to_string(), happened)?;
    }
    Ok(())
}

fn last_use(tx: &mut Tx<'_>, id: CredentialId) -> Result<Option<Time>, DbError> {
    Ok(usage::seen(tx, id)?.values().map(|seen| seen.at).max())
}

/// As long after the instant as the thing was planned after its own.
fn at_same_age(due: &Due, of: Time) -> Time {
    of.plus_ms(due.at.0.saturating_sub(due.of.0))
}

fn happened(credential: &Credential, due: &Due, last: Option<Time>, now: Time) -> Happened {
    let days = (now.0 - due.of.0).div_euclid(DAY_MS);
    let left = (due.of.0 - now.0).div_euclid(DAY_MS) + i64::from((due.of.0 - now.0) % DAY_MS > 0);
    let secret = credential.current().map(|secret| secret.number);
    let (kind, after) = match due.what {
        What::Expiring => (Kind::Expiring, json!({ "expires_at": due.of, "days": left })),
        What::Reminder(_) => (Kind::ExpiryReminded, json!({ "expires_at": due.of, "days": left })),
        What::Expired => (Kind::Expired, json!({ "expired_at": due.of })),
        What::OverlapEnded => (Kind::OverlapEnded, json!({ "secret": secret, "ended_at": due.of })),
        What::Old => (Kind::Old, json!({ "secret": secret, "made_at": due.of, "days": days })),
        What::Idle => (Kind::Idle, json!({ "last_used_at": last, "days": days })),
    };
    Happened::new(kind, json!({}), after)
}

/// Plans anew for credentials that were called idle and were used since.
pub async fn wake_idle(app: &Arc<App>) -> Result<(), DbError> {
    loop {
        let used = app.db.read(|tx| due::used_again(tx, BATCH)).await?;
        if used.is_empty() {
            return Ok(());
        }
        app.db
            .write(app.now(), move |tx| {
                for (id, due, last) in &used {
                    due::forget(tx, *id, due)?;
                    let again = Due { of: *last, at: at_same_age(due, *last), ..*due };
                    due::put_off(tx, *id, &again)?;
                }
                Ok::<_, DbError>(())
            })
            .await?;
    }
}
