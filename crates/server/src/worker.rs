//! What happens beside requests: counters are flushed, old answers and ended secrets forgotten.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use keyway_domain::limits::{
    DEVICE_MS, ENDED_REMEMBERED_DAYS, IDEMPOTENCY_HOURS, PROOF_MS, SESSION_MS, TRIES_WINDOW_MS,
};
use keyway_domain::time::DAY_MS;
use keyway_store::usage::{self, Batch};
use keyway_store::{DbError, idempotency, links, proofs, reveals, sessions, tries};
use tokio::sync::watch;

use crate::app::App;
use crate::mail;

const FLUSH_EVERY: Duration = Duration::from_secs(5);
const TIDY_EVERY: Duration = Duration::from_hours(1);
const MAIL_EVERY: Duration = Duration::from_secs(1);

/// The counters on their way to the database, in batches: one keeps its number until it has
/// arrived, so that it is added once, however often it is sent.
#[derive(Default)]
pub struct Flusher {
    pending: VecDeque<Batch>,
    sent: i64,
}

/// Rows of one batch: a change that waits behind it waits a few milliseconds.
const BATCH_ROWS: usize = 1_000;

/// An ended session is remembered so long, so that a page can say whose it was.
const SESSIONS_KEPT_MS: i64 = DAY_MS;
/// A link that is good no longer is remembered so long.
const LINKS_KEPT_MS: i64 = 30 * DAY_MS;

/// Works until told to stop, then flushes once more.
pub async fn run(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let mut flush_tick = tokio::time::interval(FLUSH_EVERY);
    let mut mail_tick = tokio::time::interval(MAIL_EVERY);
    let mut tidy_tick = tokio::time::interval(TIDY_EVERY);
    loop {
        let stopped = async { drop(stop.wait_for(|stop| *stop).await) };
        tokio::select! {
            () = stopped => break,
            _ = flush_tick.tick() => log(flush(&app).await, "usage was not flushed; it is kept"),
            _ = mail_tick.tick() => log(mail::deliver(&app).await, "mail waits"),
            _ = tidy_tick.tick() => log(tidy(&app).await, "old rows were not removed"),
        }
    }
    log(flush(&app).await, "the last usage was not flushed");
}

fn log(done: Result<(), DbError>, what: &str) {
    if let Err(error) = done {
        tracing::warn!(%error, "{what}");
    }
}

/// Writes what was counted since the last flush.
pub async fn flush(app: &Arc<App>) -> Result<(), DbError> {
    let mut flusher = app.flusher.lock().await;
    if flusher.pending.is_empty() {
        let taken = app.platform.engine.usage.take(&app.platform.engine.index, app.now());
        let first = flusher.sent + 1;
        flusher.pending.extend(taken.into_iter().flat_map(|batch| batch.split(BATCH_ROWS)));
        for (number, batch) in (first..).zip(&mut flusher.pending) {
            batch.node.clone_from(&app.node);
            batch.number = number;
        }
    }
    while let Some(batch) = flusher.pending.front().cloned() {
        let counted = batch.clone();
        let written = app.db.write(app.now(), move |tx| usage::add(tx, &batch)).await;
        app.store_well.store(written.is_ok(), Ordering::Relaxed);
        if written? {
            app.rosters.count(&counted);
        }
        flusher.pending.pop_front();
        flusher.sent += 1;
    }
    Ok(())
}

/// Forgets what is past its time.
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
            reveals::prune(tx, now)
        })
        .await?;
    let before = now.plus_ms(-ENDED_REMEMBERED_DAYS * DAY_MS);
    app.platform.engine.index.forget_ended(before);
    Ok(())
}
