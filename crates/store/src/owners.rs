//! In whose care a credential is.

use std::collections::HashMap;

use keyway_domain::id::{AccountId, CredentialId, MemberId};

use crate::db::Tx;
use crate::value::{Columns, DbError};

fn credential(row: &dyn Columns, column: usize) -> Result<CredentialId, DbError> {
    CredentialId::parse(row.text(column)?).ok_or_else(|| DbError::broken("a credential's id"))
}

fn member(row: &dyn Columns, column: usize) -> Result<MemberId, DbError> {
    MemberId::parse(row.text(column)?).ok_or_else(|| DbError::broken("an owner's id"))
}

/// Puts a credential into a member's care.
pub fn set(tx: &mut Tx<'_>, id: CredentialId, owner: MemberId) -> Result<(), DbError> {
    tx.run(
        "INSERT INTO credential_owners (credential_id, member_id) VALUES ($1, $2)
         ON CONFLICT (credential_id) DO UPDATE SET member_id = excluded.member_id",
        &[id.to_string().into(), owner.to_string().into()],
    )?;
    Ok(())
}

/// In whose care a credential is.
pub fn of(tx: &mut Tx<'_>, id: CredentialId) -> Result<Option<MemberId>, DbError> {
    let sql = "SELECT member_id FROM credential_owners WHERE credential_id = $1";
    tx.first(sql, &[id.to_string().into()], |row| member(row, 0))
}

/// The credentials in a member's care, oldest first.
pub fn of_member(tx: &mut Tx<'_>, owner: MemberId) -> Result<Vec<CredentialId>, DbError> {
    let sql = "SELECT credential_id FROM credential_owners
               WHERE member_id = $1 ORDER BY credential_id";
    tx.all(sql, &[owner.to_string().into()], |row| credential(row, 0))
}

/// Puts everything in one member's care into another's; how many credentials.
pub fn hand_over(tx: &mut Tx<'_>, from: MemberId, to: MemberId) -> Result<u64, DbError> {
    tx.run(
        "UPDATE credential_owners SET member_id = $2 WHERE member_id = $1",
        &[from.to_string().into(), to.to_string().into()],
    )
}

/// In whose care each credential of an account is.
pub fn all(
    tx: &mut Tx<'_>,
    account: AccountId,
) -> Result<HashMap<CredentialId, MemberId>, DbError> {
    let rows = tx.all(
        "SELECT o.credential_id, o.member_id
         FROM credential_owners o JOIN credentials c ON c.id = o.credential_id
         WHERE c.account_id = $1",
        &[account.to_string().into()],
        |row| Ok((credential(row, 0)?, member(row, 1)?)),
    )?;
    Ok(rows.into_iter().collect())
}
