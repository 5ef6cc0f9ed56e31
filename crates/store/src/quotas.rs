//! Quotas: how much of each the nodes have reserved together, in each period.

use keyway_domain::quota::{Period, Quota, block};
use keyway_domain::time::Time;

use crate::db::Tx;
use crate::value::{DbError, Value};

/// One subject's quota in one period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// The credential's or the account's id.
    pub subject: String,
    /// The quota.
    pub quota: Quota,
    /// The period.
    pub period: Period,
}

/// What was reserved, and what is left then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reserved {
    /// Requests that are the caller's now; 0 if there were none.
    pub block: u64,
    /// Requests that nobody has reserved.
    pub left: u64,
}

impl Counted {
    fn key(&self) -> [Value; 4] {
        let environment = self.quota.environment.map_or("", |environment| environment.as_str());
        [
            self.subject.as_str().into(),
            environment.into(),
            self.quota.per.as_str().into(),
            self.period.starts_at.0.into(),
        ]
    }

    /// Quotas are locked in the order of this: no two transactions wait for each other.
    pub fn order(&self) -> (&str, Option<usize>, &'static str, i64) {
        let environment = self.quota.environment.map(|environment| environment as usize);
        (&self.subject, environment, self.quota.per.as_str(), self.period.starts_at.0)
    }
}

/// Reserves a block, for which so many requests wait.
pub fn reserve(tx: &mut Tx<'_>, counted: &Counted, waiting: u64) -> Result<Reserved, DbError> {
    let [subject, environment, per, starts_at] = counted.key();
    let key = [subject.clone(), environment.clone(), per.clone(), starts_at.clone()];
    tx.run(
        "INSERT INTO quotas (subject, environment, per, starts_at, ends_at, reserved)
         VALUES ($1, $2, $3, $4, $5, 0) ON CONFLICT DO NOTHING",
        &[subject, environment, per, starts_at, counted.period.ends_at.0.into()],
    )?;
    let sql = format!(
        "SELECT reserved FROM quotas
         WHERE subject = $1 AND environment = $2 AND per = $3 AND starts_at = $4 {}",
        tx.lock()
    );
    let reserved = tx.first(&sql, &key, |row| row.integer(0))?;
    let reserved = reserved.ok_or_else(|| DbError::broken("a quota is gone"))?;
    let reserved = u64::try_from(reserved).map_err(DbError::broken)?;
    let left = counted.quota.requests.saturating_sub(reserved);
    let block = block(left, waiting);
    if block > 0 {
        change(tx, counted, i64::try_from(block).map_err(DbError::broken)?)?;
    }
    Ok(Reserved { block, left: left - block })
}

/// Notes that nothing is left to reserve of a quota; whether that was not noted before.
pub fn exhaust(tx: &mut Tx<'_>, counted: &Counted, now: Time) -> Result<bool, DbError> {
    let [subject, environment, per, starts_at] = counted.key();
    let noted = tx.run(
        "UPDATE quotas SET exhausted_at = $5
         WHERE subject = $1 AND environment = $2 AND per = $3 AND starts_at = $4
             AND exhausted_at IS NULL",
        &[subject, environment, per, starts_at, now.0.into()],
    )?;
    Ok(noted > 0)
}

/// Gives back what is left of blocks: the caller uses none of it any more.
pub fn give_back(tx: &mut Tx<'_>, counted: &Counted, requests: u64) -> Result<(), DbError> {
    change(tx, counted, -i64::try_from(requests).map_err(DbError::broken)?)
}

fn change(tx: &mut Tx<'_>, counted: &Counted, by: i64) -> Result<(), DbError> {
    let [subject, environment, per, starts_at] = counted.key();
    tx.run(
        "UPDATE quotas SET reserved = reserved + $5
         WHERE subject = $1 AND environment = $2 AND per = $3 AND starts_at = $4",
        &[subject, environment, per, starts_at, by.into()],
    )?;
    Ok(())
}

/// How much of a quota is reserved.
pub fn reserved(tx: &mut Tx<'_>, counted: &Counted) -> Result<u64, DbError> {
    let reserved = tx.first(
        "SELECT reserved FROM quotas
         WHERE subject = $1 AND environment = $2 AND per = $3 AND starts_at = $4",
        &counted.key(),
        |row| row.integer(0),
    )?;
    u64::try_from(reserved.unwrap_or(0)).map_err(DbError::broken)
}

/// Forgets periods that ended before an instant, at most so many; how many.
pub fn prune(tx: &mut Tx<'_>, before: Time, limit: u32) -> Result<u64, DbError> {
    tx.run(
        "DELETE FROM quotas WHERE (subject, environment, per, starts_at) IN
             (SELECT subject, environment, per, starts_at FROM quotas
              WHERE ends_at < $1 ORDER BY ends_at LIMIT $2)",
        &[before.0.into(), i64::from(limit).into()],
    )
}
