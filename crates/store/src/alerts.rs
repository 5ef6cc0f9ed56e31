//! Alerts: what is unusual about a credential, from when it was told until it was over.

use std::collections::BTreeMap;

use keyway_domain::id::{AccountId, AlertId, CredentialId};
use keyway_domain::time::Time;

use crate::db::Tx;
use crate::value::{Columns, DbError, Value};

/// Something unusual.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// Its id.
    pub id: AlertId,
    /// In whose account.
    pub account: AccountId,
    /// About which credential.
    pub credential: CredentialId,
    /// What, in a word.
    pub what: String,
    /// Since when.
    pub began_at: Time,
    /// When it was last so.
    pub last_at: Time,
    /// When it was over.
    pub ended_at: Option<Time>,
    /// Figures, as JSON.
    pub detail: String,
}

const SELECT: &str = "SELECT id, account_id, credential_id, what, began_at, last_at, ended_at, \
    detail FROM alerts";

/// That an alert is of the sort `$2`. What it is about beside, such as a network, follows a space.
const OF_SORT: &str = "(what = $2 OR substr(what, 1, length($2) + 1) = $2 || ' ')";

fn read(row: &dyn Columns) -> Result<Alert, DbError> {
    let broken = |what: &str| DbError::broken(what);
    Ok(Alert {
        id: AlertId::parse(row.text(0)?).ok_or_else(|| broken("an alert's id"))?,
        account: AccountId::parse(row.text(1)?).ok_or_else(|| broken("an alert's account"))?,
        credential: CredentialId::parse(row.text(2)?)
            .ok_or_else(|| broken("an alert's credential"))?,
        what: row.text(3)?.to_owned(),
        began_at: Time(row.integer(4)?),
        last_at: Time(row.integer(5)?),
        ended_at: row.maybe_integer(6)?.map(Time),
        detail: row.text(7)?.to_owned(),
    })
}

/// Credentials that one statement asks about: it is the same one however many there are.
const ASKED: usize = 100;

/// Which credentials a statement is about: its placeholders after `values`, and their values.
fn about(credentials: &[CredentialId], mut values: Vec<Value>) -> (String, Vec<Value>) {
    let first = values.len() + 1;
    let places: Vec<String> = (first..first + ASKED).map(|place| format!("${place}")).collect();
    let last = credentials.last().map(CredentialId::to_string).unwrap_or_default();
    values.extend(credentials.iter().map(|id| Value::from(id.to_string())));
    values.resize_with(first - 1 + ASKED, || last.as_str().into());
    (places.join(", "), values)
}

/// Which of these credentials have an open alert of a sort, and when it was last so.
pub fn open_among(
    tx: &mut Tx<'_>,
    what: &str,
    credentials: &[CredentialId],
) -> Result<BTreeMap<CredentialId, Time>, DbError> {
    let mut found = BTreeMap::new();
    for some in credentials.chunks(ASKED) {
        let (places, values) = about(some, vec![what.into()]);
        let sql = format!(
            "SELECT credential_id, last_at FROM alerts
             WHERE ended_at IS NULL AND what = $1 AND credential_id IN ({places})"
        );
        found.extend(tx.all(&sql, &values, |row| {
            let id = CredentialId::parse(row.text(0)?);
            let id = id.ok_or_else(|| DbError::broken("an alert's credential"))?;
            Ok((id, Time(row.integer(1)?)))
        })?);
    }
    Ok(found)
}

/// Notes that open alerts of a sort were seen again.
pub fn seen_again(
    tx: &mut Tx<'_>,
    what: &str,
    credentials: &[CredentialId],
    now: Time,
) -> Result<(), DbError> {
    for some in credentials.chunks(ASKED) {
        let (places, values) = about(some, vec![what.into(), now.0.into()]);
        let sql = format!(
            "UPDATE alerts SET last_at = $2 WHERE ended_at IS NULL AND last_at < $2
                 AND what = $1 AND credential_id IN ({places})"
        );
        tx.run(&sql, &values)?;
    }
    Ok(())
}

/// Opens an alert, unless one of the sort is open for the credential: then that one was seen
/// again. Whether it was opened, and so is to be told.
pub fn open(tx: &mut Tx<'_>, alert: &Alert) -> Result<bool, DbError> {
    let seen = tx.run(
        "UPDATE alerts SET last_at = CASE WHEN $3 > last_at THEN $3 ELSE last_at END
         WHERE credential_id = $1 AND what = $2 AND ended_at IS NULL",
        &[alert.credential.to_string().into(), alert.what.as_str().into(), alert.last_at.0.into()],
    )?;
    if seen > 0 {
        return Ok(false);
    }
    tx.run(
        "INSERT INTO alerts (id, account_id, credential_id, what, began_at, last_at, ended_at,
             detail)
         VALUES ($1, $2, $3, $4, $5, $6, NULL, $7)",
        &[
            alert.id.to_string().into(),
            alert.account.to_string().into(),
            alert.credential.to_string().into(),
            alert.what.as_str().into(),
            alert.began_at.0.into(),
            alert.last_at.0.into(),
            alert.detail.as_str().into(),
        ],
    )?;
    Ok(true)
}

/// The newest open alert of a sort of a credential, whatever it is about beside.
pub fn newest_open(
    tx: &mut Tx<'_>,
    credential: CredentialId,
    sort: &str,
) -> Result<Option<Alert>, DbError> {
    let sql = format!(
        "{SELECT} WHERE credential_id = $1 AND {OF_SORT} AND ended_at IS NULL
         ORDER BY began_at DESC, id DESC LIMIT 1"
    );
    tx.first(&sql, &[credential.to_string().into(), sort.into()], read)
}

/// Saves what is counted into an alert that lasts: its figures, and when it was last so.
pub fn count_into(tx: &mut Tx<'_>, alert: &Alert) -> Result<(), DbError> {
    tx.run(
        "UPDATE alerts SET detail = $2, last_at = $3 WHERE id = $1",
        &[alert.id.to_string().into(), alert.detail.as_str().into(), alert.last_at.0.into()],
    )?;
    Ok(())
}

/// Closes the open alerts of a sort, whatever they are about beside, that were last so before an
/// instant; how many.
pub fn close_quiet(
    tx: &mut Tx<'_>,
    what: &str,
    last_before: Time,
    now: Time,
) -> Result<u64, DbError> {
    let sql = format!(
        "UPDATE alerts SET ended_at = $3 WHERE last_at < $1 AND {OF_SORT} AND ended_at IS NULL"
    );
    tx.run(&sql, &[last_before.0.into(), what.into(), now.0.into()])
}

/// Closes an alert of a credential; whether one was open.
pub fn close(
    tx: &mut Tx<'_>,
    credential: CredentialId,
    what: &str,
    now: Time,
) -> Result<bool, DbError> {
    let closed = tx.run(
        "UPDATE alerts SET ended_at = $3
         WHERE credential_id = $1 AND what = $2 AND ended_at IS NULL",
        &[credential.to_string().into(), what.into(), now.0.into()],
    )?;
    Ok(closed > 0)
}

/// The open alerts of a sort, of every account.
pub fn open_of(tx: &mut Tx<'_>, what: &str) -> Result<Vec<Alert>, DbError> {
    tx.all(&format!("{SELECT} WHERE what = $1 AND ended_at IS NULL"), &[what.into()], read)
}

/// When alerts of two sorts began for a credential, since an instant.
pub fn began(
    tx: &mut Tx<'_>,
    credential: CredentialId,
    sorts: [&str; 2],
    since: Time,
) -> Result<Vec<Time>, DbError> {
    tx.all(
        "SELECT began_at FROM alerts WHERE credential_id = $1 AND what IN ($2, $3)
             AND began_at >= $4",
        &[credential.to_string().into(), sorts[0].into(), sorts[1].into(), since.0.into()],
        |row| Ok(Time(row.integer(0)?)),
    )
}

/// An account's alerts that were told, the newest first.
pub fn list(tx: &mut Tx<'_>, account: AccountId, limit: u32) -> Result<Vec<Alert>, DbError> {
    let sql = format!(
        "{SELECT} WHERE account_id = $1 AND what LIKE 'api_key.%'
         ORDER BY began_at DESC, id DESC LIMIT $2"
    );
    tx.all(&sql, &[account.to_string().into(), i64::from(limit).into()], read)
}

/// Forgets alerts that were over before an instant; how many.
pub fn prune(tx: &mut Tx<'_>, before: Time) -> Result<u64, DbError> {
    tx.run("DELETE FROM alerts WHERE ended_at < $1", &[before.0.into()])
}
