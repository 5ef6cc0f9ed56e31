//! Usage: counters per secret and hour, and when and from where a secret was last used.

use std::collections::BTreeMap;

use keyway_domain::id::CredentialId;
use keyway_domain::time::Time;

use crate::db::Tx;
use crate::value::{DbError, Value};

/// A batch of counters, frozen; written at most once.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Which process counted.
    pub node: String,
    /// Its number within that process, from 1.
    pub number: i64,
    /// Requests by credential, secret, hour (milliseconds of its start) and outcome.
    pub counts: BTreeMap<(CredentialId, u32, i64, &'static str), u64>,
    /// Last uses by credential and secret.
    pub seen: BTreeMap<(CredentialId, u32), Seen>,
}

impl Batch {
    /// Cuts it into batches of at most so many rows of each sort.
    pub fn split(self, rows: usize) -> Vec<Self> {
        let mut counts = self.counts.into_iter().peekable();
        let mut seen = self.seen.into_iter().peekable();
        let mut batches = Vec::new();
        while counts.peek().is_some() || seen.peek().is_some() {
            batches.push(Self {
                node: self.node.clone(),
                number: self.number,
                counts: counts.by_ref().take(rows).collect(),
                seen: seen.by_ref().take(rows).collect(),
            });
        }
        batches
    }
}

/// A use of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// When, to the minute.
    pub at: Time,
    /// From where.
    pub address: Option<String>,
    /// By what, as it called itself.
    pub client: Option<String>,
}

/// Adds a batch, unless it was added before; whether it was added now.
pub fn add(tx: &mut Tx<'_>, batch: &Batch) -> Result<bool, DbError> {
    let node: Value = batch.node.as_str().into();
    tx.run(
        "INSERT INTO usage_batches (node, batch) VALUES ($1, 0) ON CONFLICT (node) DO NOTHING",
        std::slice::from_ref(&node),
    )?;
    let moved = tx.run(
        "UPDATE usage_batches SET batch = $2 WHERE node = $1 AND batch = $2 - 1",
        &[node, batch.number.into()],
    )?;
    if moved == 0 {
        return Ok(false);
    }
    for ((credential, secret, hour, outcome), requests) in &batch.counts {
        tx.run(
            "INSERT INTO usage_hours (credential_id, secret, hour, outcome, requests)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (credential_id, secret, hour, outcome)
             DO UPDATE SET requests = usage_hours.requests + excluded.requests",
            &[
                credential.to_string().into(),
                i64::from(*secret).into(),
                (*hour).into(),
                (*outcome).into(),
                i64::try_from(*requests).unwrap_or(i64::MAX).into(),
            ],
        )?;
    }
    for ((credential, secret), seen) in &batch.seen {
        tx.run(
            "INSERT INTO last_used (credential_id, secret, at, address, client)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (credential_id, secret) DO UPDATE SET
                 at = excluded.at, address = excluded.address, client = excluded.client
             WHERE excluded.at >= last_used.at",
            &[
                credential.to_string().into(),
                i64::from(*secret).into(),
                seen.at.0.into(),
                seen.address.clone().into(),
                seen.client.clone().into(),
            ],
        )?;
    }
    Ok(true)
}

/// Requests of one hour with one outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hour {
    /// Which secret.
    pub secret: u32,
    /// The hour's start.
    pub hour: Time,
    /// `allowed`, or the reason of the refusal.
    pub outcome: String,
    /// How many.
    pub requests: i64,
}

/// A credential's counters since an instant, oldest first.
pub fn hours(tx: &mut Tx<'_>, id: CredentialId, since: Time) -> Result<Vec<Hour>, DbError> {
    tx.all(
        "SELECT secret, hour, outcome, requests FROM usage_hours
         WHERE credential_id = $1 AND hour >= $2 ORDER BY hour, secret, outcome",
        &[id.to_string().into(), since.0.into()],
        |row| {
            Ok(Hour {
                secret: u32::try_from(row.integer(0)?).map_err(DbError::broken)?,
                hour: Time(row.integer(1)?),
                outcome: row.text(2)?.to_owned(),
                requests: row.integer(3)?,
            })
        },
    )
}

/// When each secret of a credential was last used.
pub fn seen(tx: &mut Tx<'_>, id: CredentialId) -> Result<BTreeMap<u32, Seen>, DbError> {
    let rows = tx.all(
        "SELECT secret, at, address, client FROM last_used WHERE credential_id = $1",
        &[id.to_string().into()],
        |row| {
            let seen = Seen {
                at: Time(row.integer(1)?),
                address: row.maybe_text(2)?.map(str::to_owned),
                client: row.maybe_text(3)?.map(str::to_owned),
            };
            Ok((u32::try_from(row.integer(0)?).map_err(DbError::broken)?, seen))
        },
    )?;
    Ok(rows.into_iter().collect())
}
