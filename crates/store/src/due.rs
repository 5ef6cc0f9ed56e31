//! What the clock will do to credentials. Planned when one is saved, taken when its time has come.

use keyway_domain::credential::Credential;
use keyway_domain::due::{Ages, Due, What, plan};
use keyway_domain::id::{AccountId, CredentialId};
use keyway_domain::scheme::{Kept, Scheme};
use keyway_domain::time::{DAY_MS, Time};

use crate::account_settings;
use crate::accounts::OPERATOR;
use crate::credentials::{self, Rules};
use crate::db::Tx;
use crate::value::{Columns, DbError, Value};

/// The setting of an account that says after how many days a secret is old; 0 for never.
pub const OLD_DAYS: &str = "old_days";
/// The setting of an account that says after how many days without use a credential is idle.
pub const IDLE_DAYS: &str = "idle_days";

/// What an account says itself of the ages at which its credentials are called out; 0 for never,
/// `None` for what the scheme says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OwnDays {
    /// Since the secret was made.
    pub old: Option<i64>,
    /// Without use.
    pub idle: Option<i64>,
}

impl OwnDays {
    /// Reads them.
    pub fn of(tx: &mut Tx<'_>, account: AccountId) -> Result<Self, DbError> {
        let mut days = |name| {
            let found = account_settings::find(tx, account, name)?;
            Ok::<_, DbError>(found.and_then(|text| text.parse().ok()))
        };
        Ok(Self { old: days(OLD_DAYS)?, idle: days(IDLE_DAYS)? })
    }

    /// When the account's credentials of a kind are called old and idle.
    pub fn ages(self, scheme: &Scheme, kind: &str) -> Ages {
        let Some(kind) = scheme.kind(kind) else { return Ages::default() };
        // A public one belongs into pages and apps: it is used where nobody counts, and never
        // renewed.
        if kind.kept == Kept::Readable {
            return Ages::default();
        }
        let old = self.old.or_else(|| kind.old_after_days.map(i64::from));
        let idle = self.idle.or_else(|| scheme.idle_after_days.map(i64::from));
        let on = |days: Option<i64>| days.filter(|days| *days > 0);
        Ages { old: on(old), idle: on(idle) }
    }
}

/// Plans what the clock will do to a credential as it is now. What was told stays told.
pub(crate) fn replan(
    tx: &mut Tx<'_>,
    scheme: &Scheme,
    credential: &Credential,
) -> Result<(), DbError> {
    // The operator's own tokens are nobody's to be told of.
    if credential.account == OPERATOR {
        return Ok(());
    }
    let ages = OwnDays::of(tx, credential.account)?.ages(scheme, &credential.kind);
    let mut planned = plan(credential, ages, tx.now);
    let id = credential.id.to_string();
    let known = tx.all(
        "SELECT what, of FROM due WHERE credential_id = $1 AND told_at IS NULL",
        &[id.as_str().into()],
        |row| Ok((row.text(0)?.to_owned(), row.integer(1)?)),
    )?;
    for (what, of) in known {
        let found = planned.iter().position(|due| {
            // A credential that was used is idle from its last use on, which no plan knows.
            let is_later_use = due.what == What::Idle && due.of.0 < of;
            due.what.word() == what && (due.of.0 == of || is_later_use)
        });
        if let Some(place) = found {
            planned.remove(place);
        } else {
            tx.run_later(
                "DELETE FROM due
                 WHERE credential_id = $1 AND what = $2 AND of = $3 AND told_at IS NULL",
                &[id.as_str().into(), what.into(), of.into()],
            )?;
        }
    }
    for due in planned {
        insert(tx, credential.id, &due)?;
    }
    Ok(())
}

/// Forgets what was planned for credentials that have ended.
pub(crate) fn forget_plans(tx: &mut Tx<'_>, ended: &[Credential]) -> Result<(), DbError> {
    let ids: Vec<Vec<Value>> = ended.iter().map(|of| vec![of.id.to_string().into()]).collect();
    let delete = ("DELETE FROM due WHERE told_at IS NULL AND credential_id IN (VALUES", ")");
    tx.run_over(delete, ids)
}

/// Plans what the clock will do to credentials that were kept before there were plans. What has
/// ended already is nobody's news.
pub fn adopt(tx: &mut Tx<'_>, scheme: &Scheme, credential: &Credential) -> Result<(), DbError> {
    replan(tx, scheme, credential)?;
    tx.run(
        "UPDATE due SET told_at = $2 WHERE credential_id = $1 AND told_at IS NULL AND of <= $2
             AND what IN ('expired', 'overlap_ended')",
        &[credential.id.to_string().into(), tx.now.0.into()],
    )?;
    Ok(())
}

fn insert(tx: &mut Tx<'_>, id: CredentialId, due: &Due) -> Result<(), DbError> {
    tx.run_later(
        "INSERT INTO due (credential_id, what, of, at, told_at) VALUES ($1, $2, $3, $4, NULL)
         ON CONFLICT (credential_id, what, of) DO NOTHING",
        &[id.to_string().into(), due.what.word().into(), due.of.0.into(), due.at.0.into()],
    )?;
    Ok(())
}

fn read(row: &dyn Columns) -> Result<(CredentialId, Due), DbError> {
    let id = CredentialId::parse(row.text(0)?);
    let what = What::parse(row.text(1)?);
    Ok((
        id.ok_or_else(|| DbError::broken("a credential's id"))?,
        Due {
            what: what.ok_or_else(|| DbError::broken("a word for what is due"))?,
            of: Time(row.integer(2)?),
            at: Time(row.integer(3)?),
        },
    ))
}

/// The words for what is due that this version knows: another version's wait for it.
fn known_words() -> String {
    What::all().map(|what| format!("'{}'", what.word())).collect::<Vec<_>>().join(", ")
}

/// What is due by now, the longest due first.
pub fn next(tx: &mut Tx<'_>, now: Time, limit: u32) -> Result<Vec<(CredentialId, Due)>, DbError> {
    let sql = format!(
        "SELECT credential_id, what, of, at FROM due
         WHERE told_at IS NULL AND at <= $1 AND what IN ({})
         ORDER BY at, credential_id, what LIMIT $2",
        known_words()
    );
    tx.all(&sql, &[now.0.into(), i64::from(limit).into()], read)
}

/// Whether people were told of an expiry within the day before `now`.
pub fn expiry_was_told(
    tx: &mut Tx<'_>,
    id: CredentialId,
    of: Time,
    now: Time,
) -> Result<bool, DbError> {
    let sql = "SELECT 1 FROM due WHERE credential_id = $1 AND of = $2 AND told_at > $3
        AND (what = 'expiring' OR what LIKE 'reminder_%')";
    let values = [id.to_string().into(), of.0.into(), now.plus_ms(-DAY_MS).0.into()];
    Ok(tx.first(sql, &values, |_| Ok(()))?.is_some())
}

/// Takes a thing that is due; whether it was still to be told. Whoever gets `true` tells it, in
/// this transaction.
pub fn take(tx: &mut Tx<'_>, id: CredentialId, due: &Due, now: Time) -> Result<bool, DbError> {
    let taken = tx.run(
        "UPDATE due SET told_at = $4
         WHERE credential_id = $1 AND what = $2 AND of = $3 AND told_at IS NULL",
        &[id.to_string().into(), due.what.word().into(), due.of.0.into(), now.0.into()],
    )?;
    Ok(taken == 1)
}

/// Plans a thing anew: about another instant.
pub fn put_off(tx: &mut Tx<'_>, id: CredentialId, due: &Due) -> Result<(), DbError> {
    insert(tx, id, due)
}

/// Looks at a thing again later.
pub fn delay(tx: &mut Tx<'_>, id: CredentialId, due: &Due, until: Time) -> Result<(), DbError> {
    tx.run(
        "UPDATE due SET at = $4
         WHERE credential_id = $1 AND what = $2 AND of = $3 AND told_at IS NULL",
        &[id.to_string().into(), due.what.word().into(), due.of.0.into(), until.0.into()],
    )?;
    Ok(())
}

/// Forgets a thing that came to nothing.
pub fn forget(tx: &mut Tx<'_>, id: CredentialId, due: &Due) -> Result<(), DbError> {
    tx.run(
        "DELETE FROM due WHERE credential_id = $1 AND what = $2 AND of = $3",
        &[id.to_string().into(), due.what.word().into(), due.of.0.into()],
    )?;
    Ok(())
}

/// Plans anew for all of an account's credentials: its number of days has changed. What a credential
/// was put off for stays as far from its instant as the new number says.
pub fn replan_account(tx: &mut Tx<'_>, rules: &Rules, account: AccountId) -> Result<(), DbError> {
    let mut all = Vec::new();
    credentials::each_of_account(tx, rules, account, |found| all.extend(found.ok()))?;
    for credential in &all {
        tx.run(
            "DELETE FROM due WHERE credential_id = $1 AND what IN ('old', 'idle')
                 AND told_at IS NULL",
            &[credential.id.to_string().into()],
        )?;
        replan(tx, &rules.scheme, credential)?;
    }
    Ok(())
}

/// Credentials that were told to be idle and were used since: the instant of their last use.
pub fn used_again(tx: &mut Tx<'_>, limit: u32) -> Result<Vec<(CredentialId, Due, Time)>, DbError> {
    tx.all(
        "SELECT d.credential_id, d.what, d.of, d.at, MAX(l.at) FROM due d
         JOIN last_used l ON l.credential_id = d.credential_id
         WHERE d.what = 'idle' AND d.told_at IS NOT NULL
         GROUP BY d.credential_id, d.what, d.of, d.at
         HAVING MAX(l.at) > MAX(d.told_at) LIMIT $1",
        &[i64::from(limit).into()],
        |row| {
            let (id, due) = read(row)?;
            Ok((id, due, Time(row.integer(4)?)))
        },
    )
}
