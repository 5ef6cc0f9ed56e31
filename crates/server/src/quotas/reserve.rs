//! Blocks of quotas, reserved where all nodes see it.
//!
//! One task at a time does it for the whole node, for as many cells as wait: at the start of a period
//! they come together.

use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use keyway_domain::Environment;
use keyway_domain::event::{Happened, Kind};
use keyway_domain::id::AccountId;
use keyway_domain::time::Time;
use keyway_store::quotas::{Counted, exhaust, give_back, reserve};
use keyway_store::{Db, DbError, Tx};
use serde_json::json;

use super::{Cell, Quotas};
use crate::app::App;
use crate::commands::Moment;

/// Cells of one transaction.
const CELLS: usize = 256;

impl Quotas {
    /// Fetches blocks for all cells that wait for one, unless somebody is at it.
    pub fn fetch(self: &Arc<Self>, app: &Arc<App>) {
        {
            let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
            if wanted.is_served || wanted.cells.is_empty() {
                return;
            }
            wanted.is_served = true;
        }
        // A task of its own: who waits may go away, and what was reserved must not be lost with them.
        let (quotas, app) = (Arc::clone(self), Arc::clone(app));
        tokio::spawn(async move {
            while let Some(cells) = quotas.next() {
                fetch(&app, &cells).await;
            }
        });
    }

    /// Gives back what is left of all blocks, so that the other nodes have it. What the database does
    /// not take is lost: nobody may have it twice.
    pub async fn give_back(&self, db: &Db, now: Time) -> Result<(), DbError> {
        let mut left = self.take_all(now);
        left.sort_by(|(one, _), (other, _)| one.order().cmp(&other.order()));
        for some in left.chunks(CELLS) {
            let some = some.to_vec();
            let give = move |tx: &mut Tx<'_>| {
                some.iter().try_for_each(|(counted, left)| give_back(tx, counted, *left))
            };
            db.write(now, give).await?;
        }
        Ok(())
    }

    /// The next cells that wait; when there are none, nobody is at it any more.
    fn next(&self) -> Option<Vec<Arc<Cell>>> {
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        wanted.is_served = !wanted.cells.is_empty();
        let some = wanted.cells.len().min(CELLS);
        wanted.is_served.then(|| wanted.cells.drain(..some).collect())
    }
}

/// A cell that waits, as the transaction needs it.
struct Asked {
    /// Its place among the cells.
    place: usize,
    counted: Counted,
    account: AccountId,
    waiting: u64,
}

async fn fetch(app: &Arc<App>, cells: &[Arc<Cell>]) {
    let moment = app.own_moment();
    let now = moment.now;
    let ask = |(place, cell): (usize, &Arc<Cell>)| Asked {
        place,
        counted: Counted {
            subject: cell.subject.clone(),
            quota: cell.quota,
            period: cell.period(now),
        },
        account: cell.account,
        waiting: cell.waiting.load(Ordering::Relaxed).into(),
    };
    let mut asked: Vec<Asked> = cells.iter().enumerate().map(ask).collect();
    asked.sort_by(|one, other| one.counted.order().cmp(&other.counted.order()));
    let asked = Arc::new(asked);
    let work = {
        let asked = Arc::clone(&asked);
        move |tx: &mut Tx<'_>| {
            let each = asked.iter().map(|asked| reserve(tx, &asked.counted, asked.waiting));
            let reserved = each.collect::<Result<Vec<_>, DbError>>()?;
            // Audit logs are locked after all quotas.
            for (asked, reserved) in asked.iter().zip(&reserved) {
                if reserved.block == 0 {
                    tell(tx, &moment, asked)?;
                }
            }
            Ok(reserved)
        }
    };
    let reserved = app.db.write::<_, DbError>(now, work).await;
    if let Err(error) = &reserved {
        tracing::warn!(%error, quotas = cells.len(), "no requests could be reserved");
    }
    for (number, Asked { place, counted, .. }) in asked.iter().enumerate() {
        let reserved = reserved.as_ref().ok().and_then(|all| all.get(number)).copied();
        cells[*place].fetched(&counted.period, reserved, now);
    }
}

/// Records that there is nothing left to reserve of a quota, once a period. Where an audit log is damaged, its
/// account goes on without.
fn tell(tx: &mut Tx<'_>, moment: &Moment, asked: &Asked) -> Result<(), DbError> {
    let Counted { subject, quota, period } = &asked.counted;
    let told = tx.apart(|tx| {
        if !exhaust(tx, &asked.counted, moment.now)? {
            return Ok(());
        }
        let after = json!({
            "quota": quota.name(),
            "environment": quota.environment.map(Environment::as_str),
            "requests": quota.requests,
            "per": quota.per.as_str(),
            "renews_at": period.ends_at,
        });
        let happened = Happened::new(Kind::QuotaExhausted, json!({}), after);
        moment.record(tx, asked.account, subject.clone(), happened)
    })?;
    if let Err(error) = told {
        let error: DbError = error;
        tracing::error!(account = %asked.account, %error, "a quota's end is not recorded");
    }
    Ok(())
}

impl Cell {
    /// Waits until it is known whether there is a block; whether that could be asked.
    pub async fn fetched_by(&self, deadline: impl Future<Output = ()>) -> bool {
        let mut told = pin!(self.told.notified());
        // Before it is looked: what comes in between is heard.
        told.as_mut().enable();
        if self.is_wanted.load(Ordering::Acquire) {
            self.waiting.fetch_add(1, Ordering::Relaxed);
            let came = tokio::select! {
                () = told => true,
                () = deadline => false,
            };
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            if !came {
                return false;
            }
        }
        !self.has_failed.load(Ordering::Relaxed)
    }
}
