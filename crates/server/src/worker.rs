//! What happens beside requests: counters are flushed and watched, events told, letters and
//! webhooks sent, the clock's doings done, and what is past its time forgotten.
//!
//! Each sort of work has a task of its own: a mail server that hangs holds up letters only.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use keyway_domain::limits::REPEATS_WINDOW_MS;
use keyway_secret::{Entropy, OsEntropy};
use keyway_store::usage::{self, Batch};
use keyway_store::{
    DbError, Tx, credentials, deliveries, events, messages, repeats as stored_repeats, requests,
    settings,
};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use crate::alerts::Telling;
use crate::app::{App, Refused};
use crate::commands::repeats;
use crate::webhooks::Deliverer;
use crate::{alerts, mail, request_log, telling, timekeeper};

pub use forgetting::tidy;

mod forgetting;

const FLUSH_EVERY: Duration = Duration::from_secs(5);
const LOG_EVERY: Duration = Duration::from_secs(1);
const WATCH_EVERY: Duration = Duration::from_secs(15);
const TELL_EVERY: Duration = Duration::from_secs(1);
const MAIL_EVERY: Duration = Duration::from_secs(1);
const CLOCK_EVERY: Duration = Duration::from_secs(1);
/// What is under way when the process is to stop has so long to end; a mail server that hangs must
/// not keep it. Each duty can be cut off anywhere: what it had begun is begun again.
const STOP_WITHIN: Duration = Duration::from_secs(3);
/// A key that is denied while the database is gone is refused within so long.
const DENIED_EVERY: Duration = Duration::from_secs(1);
const TIDY_EVERY: Duration = Duration::from_hours(1);
/// Tasks that send webhooks, unless the operator says otherwise.
pub const DELIVERERS: usize = 2;

/// The counters on their way to the database, in batches: one keeps its number until it has
/// arrived, so that it is added once, however often it is sent.
#[derive(Default)]
pub struct Flusher {
    pending: VecDeque<Batch>,
    sent: i64,
    /// What batches that have arrived say by themselves, and nobody was alerted of yet.
    told: VecDeque<Telling>,
}

/// Rows of one batch: a change that waits behind it waits a few milliseconds.
const BATCH_ROWS: usize = 1_000;

/// Logged requests of one batch.
const REQUEST_ROWS: usize = 250;

/// And of one where other nodes write to the same rows.
const SHARED_BATCH_ROWS: usize = 40;

/// Alerts of one transaction, and where there are other nodes: then the log of an account, which
/// an alert is written in, is not held while others are looked at. A revocation waits for it.
const ALERTS: usize = 100;
const SHARED_ALERTS: usize = 1;

/// The setting that is written to see whether anything can be.
const WRITTEN: &str = "written";
/// Works until told to stop, then flushes once more.
pub async fn run(app: Arc<App>, stop: watch::Receiver<bool>, deliverers: usize) {
    if let Err(error) = release_claims(&app).await {
        tracing::warn!(%error, "claims of the process before are left to lapse");
    }
    let mut tasks = JoinSet::new();
    for number in 0..deliverers.max(1) {
        tasks.spawn(Deliverer::new(&app, number).run(stop.clone()));
    }
    let every = |period, what| Every { app: Arc::clone(&app), period, what, stop: stop.clone() };
    tasks.spawn(every(FLUSH_EVERY, "usage was not flushed; it is kept").run(flush));
    tasks.spawn(every(LOG_EVERY, "requests were not logged; they are kept").run(log_requests));
    tasks.spawn(every(WATCH_EVERY, "use was not watched").run(alerts::watch));
    tasks.spawn(every(TELL_EVERY, "events wait to be told").run(telling::tell));
    tasks.spawn(every(WATCH_EVERY, "it was not looked how telling goes").run(telling::look));
    tasks.spawn(every(TELL_EVERY, "counts wait to be told").run(count_repeats));
    tasks.spawn(every(MAIL_EVERY, "mail waits").run(mail::deliver));
    tasks.spawn(every(CLOCK_EVERY, "what is due waits").run(timekeeper::keep));
    tasks.spawn(every(DENIED_EVERY, "what is denied was not read").run(look_at_denied));
    tasks.spawn(every(TIDY_EVERY, "old rows were not removed").run(tidy));
    while let Some(done) = tasks.join_next().await {
        if let Err(error) = done {
            tracing::error!(%error, "a worker ended badly");
        }
    }
    log(flush(&app).await, "the last usage was not flushed");
    log(log_requests(&app).await, "the last requests were not logged");
    let given_back = tokio::time::timeout(STOP_WITHIN, give_back_quotas(&app)).await;
    log(given_back.unwrap_or(Ok(())), "what was reserved of quotas was not given back");
}

/// Lets other processes have what this one has reserved of quotas, and does not use any more.
pub async fn give_back_quotas(app: &Arc<App>) -> Result<(), DbError> {
    match app.platform.engine.quotas() {
        Some(quotas) => quotas.give_back(&app.db, app.now()).await,
        None => Ok(()),
    }
}

/// Where one process has the database, what the one before it had claimed is free. Of many nodes
/// each has its own claims, and those of one that is gone lapse.
async fn release_claims(app: &Arc<App>) -> Result<(), DbError> {
    let is_alone = app.coherence.get().is_none();
    app.db
        .write(app.now(), move |tx| {
            if is_alone {
                deliveries::release_all(tx)?;
                messages::release_all(tx)?;
            }
            // A newer version may know what the one before it did not.
            events::release_held(tx).map(drop)
        })
        .await
}

/// Work that is done again and again.
struct Every {
    app: Arc<App>,
    period: Duration,
    what: &'static str,
    stop: watch::Receiver<bool>,
}

/// A part of one, at random.
fn share(entropy: &mut impl Entropy) -> f64 {
    let mut byte = [0];
    entropy.fill(&mut byte);
    f64::from(byte[0]) / 256.0
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that nobody can say so any more, which stops it too.
    drop(stop.wait_for(|stop| *stop).await);
}

impl Every {
    async fn run(mut self, work: impl AsyncFn(&Arc<App>) -> Result<(), DbError>) {
        // Processes that were started together would else write at the same moments.
        let late = self.period.min(FLUSH_EVERY).mul_f64(share(&mut OsEntropy));
        let mut tick = tokio::time::interval_at(Instant::now() + late, self.period);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stopped(&mut self.stop) => return,
                _ = tick.tick() => {}
            }
            let late = async {
                stopped(&mut self.stop).await;
                tokio::time::sleep(STOP_WITHIN).await;
            };
            let done = tokio::select! {
                () = late => return,
                done = caught(work(&self.app)) => done,
            };
            if let Some(done) = done {
                log(done, self.what);
            } else {
                tracing::error!("{}: it panicked, and is tried again", self.what);
            }
        }
    }
}

/// Does a piece of work; `None` if it panicked. The panic itself is said by its hook.
async fn caught<T>(work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context)));
        polled.map_or(Poll::Ready(None), |polled| polled.map(Some))
    })
    .await
}

fn log(done: Result<(), DbError>, what: &str) {
    if let Err(error) = done {
        tracing::warn!(%error, "{what}");
    }
}

/// Refuses what the operator of this machine denies, and takes back what they deny no more.
pub async fn look_at_denied(app: &Arc<App>) -> Result<(), DbError> {
    let (added, gone) = app.denied.look(&app.keys.rows);
    for id in added {
        tracing::warn!(credential = %id, "it is denied on this machine");
        for realm in [&app.platform, &app.operator] {
            realm.engine.index.end_where(app.now(), |entry| entry.credential == id);
        }
    }
    for id in gone {
        // In the order of the log: a revocation that comes meanwhile must not be undone.
        for realm in [&app.platform, &app.operator] {
            let rules = realm.rules.clone();
            let again = move |tx: &mut Tx<'_>| credentials::announce(tx, &rules, id);
            match app.db.write(app.now(), again).await {
                Ok(true) => break,
                Ok(false) => {}
                Err(error) => tracing::warn!(credential = %id, %error, "it is not read again"),
            }
        }
    }
    Ok(())
}

/// Writes what was counted since the last flush.
pub async fn flush(app: &Arc<App>) -> Result<(), DbError> {
    let mut flusher = app.flusher.lock().await;
    let is_shared = app.coherence.get().is_some();
    if flusher.pending.is_empty() {
        let engine = &app.platform.engine;
        let taken = engine.usage.take(&engine.index, &engine.scheme, app.now());
        let first = flusher.sent + 1;
        let rows = if is_shared { SHARED_BATCH_ROWS } else { BATCH_ROWS };
        flusher.pending.extend(taken.into_iter().flat_map(|batch| batch.split(rows)));
        for (number, batch) in (first..).zip(&mut flusher.pending) {
            batch.node.clone_from(&app.node);
            batch.number = number;
        }
    }
    if flusher.pending.is_empty() && !app.store_well.load(Ordering::Relaxed) {
        // Nothing else may be written for hours: it is tried whether it works again.
        app.db.write(app.now(), |tx| settings::save(tx, WRITTEN, b"1")).await?;
        app.store_well.store(true, Ordering::Relaxed);
    }
    while let Some(batch) = flusher.pending.front().cloned() {
        let (counted, moment) = (batch.clone(), app.own_moment());
        let written = app
            .db
            .write(app.now(), move |tx| {
                let added = usage::add(tx, &batch)?;
                if added {
                    alerts::note_networks(tx, &moment, &batch)?;
                }
                Ok::<_, DbError>(added)
            })
            .await;
        app.store_well.store(written.is_ok(), Ordering::Relaxed);
        if written? {
            app.rosters.count(&counted);
        }
        flusher.told.extend(alerts::telling(&counted));
        flusher.pending.pop_front();
        flusher.sent += 1;
    }
    while !flusher.told.is_empty() {
        let some: Vec<Telling> = flusher.told.iter().take(ALERTS).cloned().collect();
        let count = some.len();
        let new = alerts::untold(app, some).await?;
        for some in new.chunks(if is_shared { SHARED_ALERTS } else { ALERTS }) {
            let (some, moment) = (some.to_vec(), app.own_moment());
            app.db.write(moment.now, move |tx| alerts::note(tx, &moment, &some)).await?;
        }
        flusher.told.drain(..count);
    }
    Ok(())
}

/// Writes down the requests that were judged since the last time, as many as a node may.
pub async fn log_requests(app: &Arc<App>) -> Result<(), DbError> {
    let engine = &app.platform.engine;
    let Some(log) = engine.log() else { return Ok(()) };
    let mut pending = app.requests_pending.lock().await;
    let terms = app.site.request_log;
    if pending.is_empty() {
        let most = usize::try_from(terms.per_second).unwrap_or(usize::MAX);
        let taken = log.take(&engine.index, most);
        let with = (&engine.index, &*engine.scheme, &app.keys.requests);
        pending.extend(request_log::to_batch(taken, with, app.now()).split(REQUEST_ROWS));
    }
    while let Some(batch) = pending.front().cloned() {
        let add = move |tx: &mut Tx<'_>| requests::add(tx, &batch, terms.rows);
        app.db.write(app.now(), add).await?;
        pending.pop_front();
    }
    Ok(())
}

/// Writes down who was refused what, and tells the counts of what came again and again once its
/// window is over. What could not be written down waits for the next turn.
pub async fn count_repeats(app: &Arc<App>) -> Result<(), DbError> {
    let refused = app.take_refused();
    let written = record_refused(app, refused.clone()).await;
    if written.is_err() {
        app.put_back(refused);
    }
    written
}

async fn record_refused(app: &Arc<App>, refused: Vec<Refused>) -> Result<(), DbError> {
    let moment = app.own_moment();
    let before = moment.now.plus_ms(-REPEATS_WINDOW_MS);
    if refused.is_empty() && !app.db.read(move |tx| stored_repeats::any(tx, before)).await? {
        return Ok(());
    }
    app.db
        .write(moment.now, move |tx| {
            for one in &refused {
                let record = |tx: &mut Tx<'_>| {
                    let (account, subject) = (one.account, one.subject.clone());
                    repeats::record(tx, &one.moment, account, subject, one.happened.clone())
                };
                // Where one account's rows are damaged, the others' refusals must not wait.
                if let Err(error) = tx.apart(record)? {
                    tracing::error!(account = %one.account, %error, "a refusal is not recorded");
                }
            }
            repeats::close(tx, &moment).map(drop)
        })
        .await
}

#[cfg(test)]
mod tests;
