//! Use by scope: how many requests needed what, and when it was last needed.

use std::collections::BTreeMap;

use keyway_domain::id::CredentialId;
use keyway_domain::time::{DAY_MS, Time};

use super::Batch;
use crate::db::Tx;
use crate::value::DbError;

/// What is needed for a route that no list names.
pub const UNLISTED: &str = "*";

/// Adds the scopes of a batch.
pub(super) fn add(tx: &mut Tx<'_>, batch: &Batch) -> Result<(), DbError> {
    let day = batch.at.0 - batch.at.0.rem_euclid(DAY_MS);
    for ((credential, need), requests) in &batch.needs {
        if need != UNLISTED {
            tx.run_later(
                "INSERT INTO usage_needs (credential_id, need, last_day) VALUES ($1, $2, $3)
                 ON CONFLICT (credential_id, need) DO UPDATE SET last_day = excluded.last_day
                 WHERE excluded.last_day > usage_needs.last_day",
                &[credential.to_string().into(), need.as_str().into(), day.into()],
            )?;
        }
        if *requests > 0 {
            tx.run_later(
                "INSERT INTO usage_need_days (credential_id, need, day, requests)
                 VALUES ($1, $2, $3, $4)
                 ON CONFLICT (credential_id, need, day)
                 DO UPDATE SET requests = usage_need_days.requests + excluded.requests",
                &[
                    credential.to_string().into(),
                    need.as_str().into(),
                    day.into(),
                    i64::try_from(*requests).unwrap_or(i64::MAX).into(),
                ],
            )?;
        }
    }
    Ok(())
}

/// Scopes that a credential has used, with the day of their last use.
pub fn needs(tx: &mut Tx<'_>, id: CredentialId) -> Result<BTreeMap<String, Time>, DbError> {
    let rows = tx.all(
        "SELECT need, last_day FROM usage_needs WHERE credential_id = $1",
        &[id.to_string().into()],
        |row| Ok((row.text(0)?.to_owned(), Time(row.integer(1)?))),
    )?;
    Ok(rows.into_iter().collect())
}

/// A credential's allowed requests since an instant, by what they needed.
pub fn allowed_by_need(
    tx: &mut Tx<'_>,
    id: CredentialId,
    since: Time,
) -> Result<BTreeMap<String, i64>, DbError> {
    let rows = tx.all(
        "SELECT need, CAST(SUM(requests) AS BIGINT) FROM usage_need_days
         WHERE credential_id = $1 AND day >= $2 GROUP BY need",
        &[id.to_string().into(), since.0.into()],
        |row| Ok((row.text(0)?.to_owned(), row.integer(1)?)),
    )?;
    Ok(rows.into_iter().collect())
}

/// Forgets some of the use by scope from before an instant; how many rows.
pub fn prune_needs(tx: &mut Tx<'_>, before: Time, limit: u32) -> Result<u64, DbError> {
    tx.run(
        "DELETE FROM usage_need_days WHERE (credential_id, need, day) IN
             (SELECT credential_id, need, day FROM usage_need_days WHERE day < $1 LIMIT $2)",
        &[before.0.into(), i64::from(limit).into()],
    )
}
