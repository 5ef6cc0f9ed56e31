//! What matters and may come again and again: told once, then counted for a while.

use keyway_domain::id::AccountId;
use keyway_domain::time::Time;

use crate::db::Tx;
use crate::value::DbError;

/// Something that came again since it was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeated {
    /// In whose account.
    pub account: AccountId,
    /// The event's name.
    pub kind: String,
    /// What it happened to.
    pub subject: String,
    /// Since when it is counted.
    pub since: Time,
    /// How often it came again.
    pub more: i64,
    /// The newest, as JSON.
    pub last: String,
}

/// Notes that something happened; whether it is the first of its window, and so to be told now.
pub fn note(
    tx: &mut Tx<'_>,
    account: AccountId,
    (kind, subject): (&str, &str),
    last: &str,
    now: Time,
) -> Result<bool, DbError> {
    let added = tx.run(
        "INSERT INTO repeats (account_id, kind, subject, since, more, last)
         VALUES ($1, $2, $3, $4, 0, $5)
         ON CONFLICT (account_id, kind, subject) DO NOTHING",
        &[account.to_string().into(), kind.into(), subject.into(), now.0.into(), last.into()],
    )?;
    if added == 1 {
        return Ok(true);
    }
    tx.run(
        "UPDATE repeats SET more = more + 1, last = $4
         WHERE account_id = $1 AND kind = $2 AND subject = $3",
        &[account.to_string().into(), kind.into(), subject.into(), last.into()],
    )?;
    Ok(false)
}

/// Takes the windows that began before an instant: no count is lost, and none is told twice.
pub fn take(tx: &mut Tx<'_>, before: Time, limit: u32) -> Result<Vec<Repeated>, DbError> {
    let sql = format!(
        "SELECT account_id, kind, subject, since, more, last FROM repeats
         WHERE since < $1 ORDER BY since LIMIT $2 {}",
        tx.lock_unclaimed()
    );
    let found = tx.all(&sql, &[before.0.into(), i64::from(limit).into()], |row| {
        Ok(Repeated {
            account: AccountId::parse(row.text(0)?)
                .ok_or_else(|| DbError::broken("an account's id"))?,
            kind: row.text(1)?.to_owned(),
            subject: row.text(2)?.to_owned(),
            since: Time(row.integer(3)?),
            more: row.integer(4)?,
            last: row.text(5)?.to_owned(),
        })
    })?;
    for repeated in &found {
        tx.run(
            "DELETE FROM repeats WHERE account_id = $1 AND kind = $2 AND subject = $3",
            &[
                repeated.account.to_string().into(),
                repeated.kind.as_str().into(),
                repeated.subject.as_str().into(),
            ],
        )?;
    }
    Ok(found)
}

/// Whether a window began before an instant.
pub fn any(tx: &mut Tx<'_>, before: Time) -> Result<bool, DbError> {
    let sql = "SELECT since FROM repeats WHERE since < $1 LIMIT 1";
    Ok(tx.first(sql, &[before.0.into()], |row| row.integer(0))?.is_some())
}
