//! Requests that an address list would have refused, if it did not only report.

use keyway_domain::id::CredentialId;
use keyway_domain::limits::PLACES_PER_SECRET_MAX;
use keyway_domain::time::Time;

use super::Batch;
use crate::db::Tx;
use crate::value::{DbError, Value};

/// Requests from one address, or from those that are not listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The address; empty where it is not known or no longer listed.
    pub address: String,
    /// How many.
    pub requests: i64,
    /// The first of them, to the minute.
    pub first_at: Time,
    /// The last of them, to the minute.
    pub last_at: Time,
}

/// Adds the reports of a batch.
pub(super) fn add(tx: &mut Tx<'_>, batch: &Batch) -> Result<(), DbError> {
    for ((credential, address), (requests, at)) in &batch.reports {
        let requests = i64::try_from(*requests).unwrap_or(i64::MAX);
        let report = Report { address: address.clone(), requests, first_at: *at, last_at: *at };
        add_one(tx, *credential, &report)?;
        list_newest(tx, *credential)?;
    }
    Ok(())
}

fn add_one(tx: &mut Tx<'_>, id: CredentialId, report: &Report) -> Result<(), DbError> {
    tx.run(
        "INSERT INTO address_reports (credential_id, address, requests, first_at, last_at)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (credential_id, address) DO UPDATE SET
             requests = address_reports.requests + excluded.requests,
             first_at = CASE WHEN excluded.first_at < address_reports.first_at
                 THEN excluded.first_at ELSE address_reports.first_at END,
             last_at = CASE WHEN excluded.last_at > address_reports.last_at
                 THEN excluded.last_at ELSE address_reports.last_at END",
        &[
            id.to_string().into(),
            report.address.as_str().into(),
            report.requests.into(),
            report.first_at.0.into(),
            report.last_at.0.into(),
        ],
    )?;
    Ok(())
}

/// Adds those that were longest unseen, beyond those that are listed, to the unlisted.
fn list_newest(tx: &mut Tx<'_>, id: CredentialId) -> Result<(), DbError> {
    let listed = usize::try_from(PLACES_PER_SECRET_MAX).unwrap_or(usize::MAX);
    let named = reports(tx, id)?.into_iter().filter(|report| !report.address.is_empty());
    for report in named.skip(listed) {
        let unlisted = Report { address: String::new(), ..report.clone() };
        add_one(tx, id, &unlisted)?;
        tx.run(
            "DELETE FROM address_reports WHERE credential_id = $1 AND address = $2",
            &[id.to_string().into(), report.address.into()],
        )?;
    }
    Ok(())
}

/// What was reported of a credential since its list was last changed, the newest first.
pub fn reports(tx: &mut Tx<'_>, id: CredentialId) -> Result<Vec<Report>, DbError> {
    tx.all(
        "SELECT address, requests, first_at, last_at FROM address_reports
         WHERE credential_id = $1 ORDER BY last_at DESC, requests DESC, address",
        &[id.to_string().into()],
        |row| {
            Ok(Report {
                address: row.text(0)?.to_owned(),
                requests: row.integer(1)?,
                first_at: Time(row.integer(2)?),
                last_at: Time(row.integer(3)?),
            })
        },
    )
}

/// Forgets what was reported of a credential: it was about another list.
pub fn forget_reports(tx: &mut Tx<'_>, id: CredentialId) -> Result<(), DbError> {
    let id: Value = id.to_string().into();
    tx.run("DELETE FROM address_reports WHERE credential_id = $1", &[id])?;
    Ok(())
}
