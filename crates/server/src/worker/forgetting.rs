//! What is past its time is forgotten: rows a part at a time, so that no change waits long behind
//! them, and what is remembered of secrets that ended long ago.

use std::sync::Arc;

use keyway_domain::id::CredentialId;
use keyway_domain::limits::{
    DELIVERIES_KEPT_DAYS, DEVICE_MS, ENDED_REMEMBERED_DAYS, HELD_KEPT_DAYS, IDEMPOTENCY_HOURS,
    LETTERS_KEPT_DAYS, PROOF_MS, SESSION_MS, TRIES_WINDOW_MS, USAGE_DAYS_KEPT,
    USAGE_HOURS_KEPT_DAYS, USAGE_MINUTES_KEPT_MS, USAGE_NEEDS_KEPT_DAYS,
};
use keyway_domain::time::{DAY_MS, Time};
use keyway_store::{
    DbError, Tx, accounts, alerts as kept_alerts, approvals, audit, changes, deliveries, events,
    idempotency, links, messages, operators, proofs, quotas, requests, reveals, sessions, tokens,
    tries, usage,
};
use tokio::task::spawn_blocking;

use super::flush;
use crate::app::App;
use crate::{alerts, timekeeper};

/// An ended session is remembered so long, so that a page can say whose it was.
const SESSIONS_KEPT_MS: i64 = DAY_MS;
/// Revoked tokens are remembered so long after their time: a clock may go back.
const TOKENS_KEPT_MS: i64 = DAY_MS;
/// A link that is good no longer is remembered so long.
const LINKS_KEPT_MS: i64 = 30 * DAY_MS;
/// Entries of the change log are remembered so long.
const CHANGES_KEPT_MS: i64 = 7 * DAY_MS;
/// Alerts that are over are remembered so long.
const ALERTS_KEPT_MS: i64 = 400 * DAY_MS;
/// What waited for a second person is forgotten so long after it was over.
const APPROVALS_KEPT_MS: i64 = 400 * DAY_MS;
/// Periods of quotas that are over are remembered so long: a clock may go back.
const QUOTAS_KEPT_MS: i64 = DAY_MS;
/// Rows that are forgotten in one transaction: no change waits long behind it.
const FORGET_ROWS: u32 = 500;
/// The same of minutes: their rows are small, and there may be a million in an hour.
const FORGET_MINUTES: u32 = 2_000;

/// Forgets what is past its time, and tells what was counted till now.
pub async fn tidy(app: &Arc<App>) -> Result<(), DbError> {
    let now = app.now();
    let until = now.plus_ms(-IDEMPOTENCY_HOURS * 3_600_000);
    app.db
        .write(now, move |tx| {
            idempotency::prune(tx, until)?;
            sessions::prune(
                tx,
                now.plus_ms(-SESSION_MS - SESSIONS_KEPT_MS),
                now.plus_ms(-DEVICE_MS),
            )?;
            tries::prune(tx, now.plus_ms(-TRIES_WINDOW_MS))?;
            proofs::prune(tx, now.plus_ms(-PROOF_MS))?;
            links::prune(tx, now.plus_ms(-LINKS_KEPT_MS))?;
            messages::prune(tx, now.plus_ms(-LETTERS_KEPT_DAYS * DAY_MS))?;
            kept_alerts::prune(tx, now.plus_ms(-ALERTS_KEPT_MS))?;
            tokens::prune(tx, now.plus_ms(-TOKENS_KEPT_MS))?;
            approvals::prune(tx, now.plus_ms(-APPROVALS_KEPT_MS))?;
            operators::prune(tx, now.plus_ms(-SESSIONS_KEPT_MS))?;
            reveals::prune(tx, now)
        })
        .await?;
    // The log is for nodes that follow it; one that was away for longer loads everything anew.
    in_parts(app, (now, CHANGES_KEPT_MS), FORGET_ROWS, changes::prune).await?;
    app.platform.engine.forget_ended_tokens(now.plus_ms(-TOKENS_KEPT_MS));
    alerts::close_quiet(app).await?;
    timekeeper::wake_idle(app).await?;
    let deliveries_ms = DELIVERIES_KEPT_DAYS * DAY_MS;
    in_parts(app, (now, deliveries_ms), FORGET_ROWS, deliveries::prune).await?;
    // An hour has a row for each credential and minute in which it was used, a day one for each
    // credential and what it did.
    in_parts(app, (now, USAGE_MINUTES_KEPT_MS), FORGET_MINUTES, usage::prune_minutes).await?;
    forget_quotas(app, now).await?;
    let needs_ms = USAGE_NEEDS_KEPT_DAYS * DAY_MS;
    in_parts(app, (now, needs_ms), FORGET_MINUTES, usage::prune_needs).await?;
    forget_requests(app, now).await?;
    forget_use(app, now).await?;
    release_held(app, now).await?;
    forget_events(app, now).await?;
    forget_ended(app, now).await
}

/// Frees the slots of secrets that ended long ago, for others to take from the next time on.
async fn forget_ended(app: &Arc<App>, now: Time) -> Result<(), DbError> {
    // What is noted by slots that were freed the last time is written down while they are still
    // their owners': first what waited for the database, then the rest.
    flush(app).await?;
    flush(app).await?;
    let before = now.plus_ms(-ENDED_REMEMBERED_DAYS * DAY_MS);
    let of = Arc::clone(app);
    // Among millions it takes a while, which no task that answers is to wait for.
    let forgotten = spawn_blocking(move || of.platform.engine.index.forget_ended(before)).await;
    forgotten.map(drop).map_err(|_| DbError::other("forgetting what ended long ago panicked"))
}

/// Forgets what is kept for so many milliseconds, so many rows at a time.
async fn in_parts(
    app: &Arc<App>,
    (now, kept_ms): (Time, i64),
    rows: u32,
    prune: impl Fn(&mut Tx<'_>, Time, u32) -> Result<u64, DbError> + Copy + Send + 'static,
) -> Result<(), DbError> {
    let before = now.plus_ms(-kept_ms);
    while app.db.write(now, move |tx| prune(tx, before, rows)).await? == u64::from(rows) {}
    Ok(())
}

/// Lets what could not be told be tried again; what could not be told for long is given up.
async fn release_held(app: &Arc<App>, now: Time) -> Result<(), DbError> {
    let before = now.plus_ms(-HELD_KEPT_DAYS * DAY_MS);
    loop {
        let give_up = move |tx: &mut Tx<'_>| events::give_up_held(tx, before, FORGET_ROWS);
        let given_up = app.db.write(now, give_up).await?;
        if given_up > 0 {
            tracing::error!(
                events = given_up,
                "events that this version does not know are not told"
            );
        }
        if given_up < u64::from(FORGET_ROWS) {
            break;
        }
    }
    app.db.write(now, |tx| events::release_held(tx).map(drop)).await
}

/// Each subject of a quota has a row in each period.
async fn forget_quotas(app: &Arc<App>, now: Time) -> Result<(), DbError> {
    if let Some(held) = app.platform.engine.quotas() {
        held.forget(now);
    }
    in_parts(app, (now, QUOTAS_KEPT_MS), FORGET_MINUTES, quotas::prune).await
}

async fn forget_requests(app: &Arc<App>, now: Time) -> Result<(), DbError> {
    let kept_ms = i64::from(app.site.request_log.days) * DAY_MS;
    for account in app.db.read(requests::accounts).await? {
        let prune = move |tx: &mut Tx<'_>, before, rows| requests::prune(tx, account, before, rows);
        in_parts(app, (now, kept_ms), FORGET_ROWS, prune).await?;
    }
    Ok(())
}

async fn forget_use(app: &Arc<App>, now: Time) -> Result<(), DbError> {
    let hours = now.plus_ms(-USAGE_HOURS_KEPT_DAYS * DAY_MS);
    let days = now.plus_ms(-USAGE_DAYS_KEPT * DAY_MS);
    let mut after: Option<CredentialId> = None;
    loop {
        let prune = move |tx: &mut Tx<'_>| usage::prune(tx, after, (hours, days), FORGET_ROWS);
        after = app.db.write(now, prune).await?;
        if after.is_none() {
            return Ok(());
        }
    }
}

/// The audit log is kept for ever, unless the scheme says for how long.
async fn forget_events(app: &Arc<App>, now: Time) -> Result<(), DbError> {
    let Some(days) = app.platform.rules.scheme.audit_kept_days else { return Ok(()) };
    let before = now.plus_ms(-i64::from(days) * DAY_MS);
    let read = |tx: &mut Tx<'_>| {
        let mut all = Vec::new();
        accounts::each(tx, |found| all.extend(found.ok().map(|account| account.id)))?;
        Ok::<_, DbError>(all)
    };
    let all = app.db.read(read).await?;
    for account in all {
        loop {
            let keys = app.keys.audit.clone();
            let prune =
                move |tx: &mut Tx<'_>| audit::prune(tx, &keys, account, before, FORGET_ROWS);
            if app.db.write(now, prune).await? < u64::from(FORGET_ROWS) {
                break;
            }
        }
    }
    Ok(())
}
