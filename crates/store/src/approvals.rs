//! What waits for a second person.

use keyway_domain::approval::{Approval, State};
use keyway_domain::id::{AccountId, ApprovalId, CredentialId, MemberId};
use keyway_domain::time::Time;
use keyway_secret::RowSealer;

use crate::db::Tx;
use crate::sealed;
use crate::value::{Columns, DbError};

const SELECT: &str = "SELECT id, account_id, asked_by, credential_id, what, state, asked_at, \
    expires_at, decided_by, decided_at, why, seal FROM approvals";

fn read(seals: &RowSealer, row: &dyn Columns) -> Result<Approval, DbError> {
    let broken = |what: &str| DbError::broken(what);
    let word = row.text(5)?;
    let credential = match row.maybe_text(3)? {
        Some(id) => Some(CredentialId::parse(id).ok_or_else(|| broken("a credential's id"))?),
        None => None,
    };
    let decided_by = match row.maybe_text(8)? {
        Some(id) => Some(MemberId::parse(id).ok_or_else(|| broken("a member's id"))?),
        None => None,
    };
    let approval = Approval {
        id: ApprovalId::parse(row.text(0)?).ok_or_else(|| broken("an approval's id"))?,
        account: AccountId::parse(row.text(1)?).ok_or_else(|| broken("an account's id"))?,
        asked_by: MemberId::parse(row.text(2)?).ok_or_else(|| broken("a member's id"))?,
        credential,
        what: row.text(4)?.to_owned(),
        state: State::ALL
            .into_iter()
            .find(|state| state.as_str() == word)
            .ok_or_else(|| broken("an approval's state"))?,
        asked_at: Time(row.integer(6)?),
        expires_at: Time(row.integer(7)?),
        decided_by,
        decided_at: row.maybe_integer(9)?.map(Time),
        why: row.text(10)?.to_owned(),
    };
    sealed::check(seals, &approval.sealed_bytes(), row.blob(11)?, approval.id)?;
    Ok(approval)
}

/// Adds one.
pub fn insert(tx: &mut Tx<'_>, seals: &RowSealer, approval: &Approval) -> Result<(), DbError> {
    tx.run(
        "INSERT INTO approvals (id, account_id, asked_by, credential_id, what, state, asked_at,
             expires_at, decided_by, decided_at, why, seal)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        &[
            approval.id.to_string().into(),
            approval.account.to_string().into(),
            approval.asked_by.to_string().into(),
            approval.credential.map(|id| id.to_string()).into(),
            approval.what.as_str().into(),
            approval.state.as_str().into(),
            approval.asked_at.0.into(),
            approval.expires_at.0.into(),
            approval.decided_by.map(|id| id.to_string()).into(),
            approval.decided_at.map(|at| at.0).into(),
            approval.why.as_str().into(),
            sealed::seal(seals, &approval.sealed_bytes()),
        ],
    )
    .map(drop)
}

/// Writes down what became of one.
pub fn save(tx: &mut Tx<'_>, seals: &RowSealer, approval: &Approval) -> Result<(), DbError> {
    tx.run(
        "UPDATE approvals SET state = $2, expires_at = $3, decided_by = $4, decided_at = $5,
             why = $6, seal = $7 WHERE id = $1",
        &[
            approval.id.to_string().into(),
            approval.state.as_str().into(),
            approval.expires_at.0.into(),
            approval.decided_by.map(|id| id.to_string()).into(),
            approval.decided_at.map(|at| at.0).into(),
            approval.why.as_str().into(),
            sealed::seal(seals, &approval.sealed_bytes()),
        ],
    )
    .map(drop)
}

/// Reads one of an account and holds it until the transaction ends.
pub fn lock(
    tx: &mut Tx<'_>,
    seals: &RowSealer,
    account: AccountId,
    id: ApprovalId,
) -> Result<Option<Approval>, DbError> {
    let sql = format!("{SELECT} WHERE account_id = $1 AND id = $2 {}", tx.lock());
    let values = [account.to_string().into(), id.to_string().into()];
    tx.first(&sql, &values, |row| read(seals, row))
}

/// Reads one of an account.
pub fn find(
    tx: &mut Tx<'_>,
    seals: &RowSealer,
    account: AccountId,
    id: ApprovalId,
) -> Result<Option<Approval>, DbError> {
    let sql = format!("{SELECT} WHERE account_id = $1 AND id = $2");
    let values = [account.to_string().into(), id.to_string().into()];
    tx.first(&sql, &values, |row| read(seals, row))
}

/// An account's, the newest first. One whose row was edited outside Keyway is not among them.
pub fn list(
    tx: &mut Tx<'_>,
    seals: &RowSealer,
    account: AccountId,
    limit: u32,
) -> Result<Vec<Approval>, DbError> {
    let sql = format!("{SELECT} WHERE account_id = $1 ORDER BY id DESC LIMIT $2");
    let values = [account.to_string().into(), i64::from(limit).into()];
    let rows = tx.all(&sql, &values, |row| {
        Ok(read(seals, row).map_err(|error| {
            tracing::error!(%account, %error, "an approval is not readable, and so is none");
        }))
    })?;
    Ok(rows.into_iter().flatten().collect())
}

/// How many of an account somebody can still do something about.
pub fn count_open(tx: &mut Tx<'_>, account: AccountId, now: Time) -> Result<u64, DbError> {
    let sql = "SELECT COUNT(*) FROM approvals WHERE account_id = $1
        AND state IN ('waiting', 'approved') AND expires_at > $2";
    let count = tx.first(sql, &[account.to_string().into(), now.0.into()], |row| row.integer(0))?;
    Ok(u64::try_from(count.unwrap_or(0)).unwrap_or(0))
}

/// Forgets those that were over before an instant: what became of them is in the audit log.
pub fn prune(tx: &mut Tx<'_>, before: Time) -> Result<u64, DbError> {
    tx.run("DELETE FROM approvals WHERE expires_at < $1", &[before.0.into()])
}
