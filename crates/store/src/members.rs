//! Members: the people of an account, and the codes that stand in for their authenticators.

use keyway_domain::actor::Role;
use keyway_domain::id::{AccountId, MemberId};
use keyway_domain::member::{Email, Member};
use keyway_domain::time::Time;
use keyway_domain::totp::Totp;
use keyway_secret::RowSealer;

use crate::db::Tx;
use crate::sealed;
use crate::value::{Columns, DbError, Value};

const SELECT: &str = "SELECT id, account_id, email, name, role, password, totp_sealed, \
    totp_drift, totp_last_step, totp_near_step, totp_near_drift, totp_added_at, created_at, \
    last_active_at, removed_at, seal FROM members";

fn read(seals: &RowSealer, row: &dyn Columns) -> Result<Member, DbError> {
    let broken = |what: &str| DbError::broken(what);
    let member = Member {
        id: MemberId::parse(row.text(0)?).ok_or_else(|| broken("a member's id"))?,
        account: AccountId::parse(row.text(1)?).ok_or_else(|| broken("a member's account"))?,
        email: read_email(row.text(2)?)?,
        name: row.text(3)?.to_owned(),
        role: Role::parse(row.text(4)?).ok_or_else(|| broken("a member's role"))?,
        password: row.text(5)?.to_owned(),
        totp: read_totp(row)?,
        created_at: Time(row.integer(12)?),
        last_active_at: row.maybe_integer(13)?.map(Time),
        removed_at: row.maybe_integer(14)?.map(Time),
    };
    sealed::check(seals, &member.sealed_bytes(), row.blob(15)?, member.id)?;
    Ok(member)
}

fn read_totp(row: &dyn Columns) -> Result<Option<Totp>, DbError> {
    let Some(seed) = row.maybe_blob(6)? else { return Ok(None) };
    let added_at = row.maybe_integer(11)?;
    Ok(Some(Totp {
        sealed: seed.to_vec(),
        drift: row.integer(7)?,
        last_step: row.integer(8)?,
        near_miss: row.maybe_integer(9)?.zip(row.maybe_integer(10)?),
        added_at: Time(added_at.ok_or_else(|| DbError::broken("an authenticator's age"))?),
    }))
}

/// Reads an address. Only in its one spelling: a seal covers the address as it is parsed, and must
/// not fit another text.
pub(crate) fn read_email(text: &str) -> Result<Email, DbError> {
    let email = Email::parse(text).filter(|email| email.as_str() == text);
    email.ok_or_else(|| DbError::broken("an email address"))
}

/// The columns of the authenticator, in the order of the table.
fn totp(member: &Member) -> [Value; 6] {
    let totp = member.totp.as_ref();
    let near_miss = totp.and_then(|totp| totp.near_miss);
    [
        totp.map(|totp| totp.sealed.as_slice()).into(),
        totp.map_or(0, |totp| totp.drift).into(),
        totp.map_or(0, |totp| totp.last_step).into(),
        near_miss.map(|(step, _)| step).into(),
        near_miss.map(|(_, drift)| drift).into(),
        totp.map(|totp| totp.added_at.0).into(),
    ]
}

/// Adds a member. An address that signs in somewhere already is a duplicate.
pub fn insert(tx: &mut Tx<'_>, seals: &RowSealer, member: &Member) -> Result<(), DbError> {
    let [seed, drift, last_step, near_step, near_drift, added_at] = totp(member);
    tx.run(
        "INSERT INTO members (id, account_id, email, name, role, password, totp_sealed, totp_drift,
             totp_last_step, totp_near_step, totp_near_drift, totp_added_at, created_at,
             last_active_at, removed_at, seal)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
        &[
            member.id.to_string().into(),
            member.account.to_string().into(),
            member.email.as_str().into(),
            member.name.as_str().into(),
            member.role.as_str().into(),
            member.password.as_str().into(),
            seed,
            drift,
            last_step,
            near_step,
            near_drift,
            added_at,
            member.created_at.0.into(),
            member.last_active_at.map(|at| at.0).into(),
            member.removed_at.map(|at| at.0).into(),
            sealed::seal(seals, &member.sealed_bytes()),
        ],
    )?;
    Ok(())
}

/// Writes a member as they are now, but for when they were last active: see [`set_active`].
pub fn save(tx: &mut Tx<'_>, seals: &RowSealer, member: &Member) -> Result<(), DbError> {
    let [seed, drift, last_step, near_step, near_drift, added_at] = totp(member);
    tx.run(
        "UPDATE members SET email = $3, name = $4, role = $5, password = $6, totp_sealed = $7,
             totp_drift = $8, totp_last_step = $9, totp_near_step = $10, totp_near_drift = $11,
             totp_added_at = $12, removed_at = $13, seal = $14
         WHERE account_id = $1 AND id = $2",
        &[
            member.account.to_string().into(),
            member.id.to_string().into(),
            member.email.as_str().into(),
            member.name.as_str().into(),
            member.role.as_str().into(),
            member.password.as_str().into(),
            seed,
            drift,
            last_step,
            near_step,
            near_drift,
            added_at,
            member.removed_at.map(|at| at.0).into(),
            sealed::seal(seals, &member.sealed_bytes()),
        ],
    )?;
    Ok(())
}

/// Reads a member of an account, also one who was removed, and holds them until the transaction
/// ends.
pub fn lock(
    tx: &mut Tx<'_>,
    seals: &RowSealer,
    account: AccountId,
    id: MemberId,
) -> Result<Option<Member>, DbError> {
    let sql = format!("{SELECT} WHERE account_id = $1 AND id = $2 {}", tx.lock());
    tx.first(&sql, &[account.to_string().into(), id.to_string().into()], |row| read(seals, row))
}

/// Reads a member of an account, also one who was removed.
pub fn find(
    tx: &mut Tx<'_>,
    seals: &RowSealer,
    account: AccountId,
    id: MemberId,
) -> Result<Option<Member>, DbError> {
    let sql = format!("{SELECT} WHERE account_id = $1 AND id = $2");
    tx.first(&sql, &[account.to_string().into(), id.to_string().into()], |row| read(seals, row))
}

/// Reads a member of whatever account, also one who was removed: for the operator, and for who
/// knows the id from a row that names no account.
pub fn find_by_id(
    tx: &mut Tx<'_>,
    seals: &RowSealer,
    id: MemberId,
) -> Result<Option<Member>, DbError> {
    let sql = format!("{SELECT} WHERE id = $1");
    tx.first(&sql, &[id.to_string().into()], |row| read(seals, row))
}

/// Reads who signs in with an address.
pub fn find_by_email(
    tx: &mut Tx<'_>,
    seals: &RowSealer,
    email: &Email,
) -> Result<Option<Member>, DbError> {
    let sql = format!("{SELECT} WHERE email = $1 AND removed_at IS NULL");
    tx.first(&sql, &[email.as_str().into()], |row| read(seals, row))
}

/// The people of an account, owners first, then by name.
pub fn list(
    tx: &mut Tx<'_>,
    seals: &RowSealer,
    account: AccountId,
) -> Result<Vec<Member>, DbError> {
    let sql = format!(
        "{SELECT} WHERE account_id = $1 AND removed_at IS NULL
         ORDER BY CASE role WHEN 'owner' THEN 0 ELSE 1 END, name, id"
    );
    tx.all(&sql, &[account.to_string().into()], |row| read(seals, row))
}

/// How many people an account has, without those who are only invited.
pub fn count(tx: &mut Tx<'_>, account: AccountId) -> Result<u64, DbError> {
    let sql = "SELECT COUNT(*) FROM members WHERE account_id = $1 AND removed_at IS NULL";
    let count = tx.first(sql, &[account.to_string().into()], |row| row.integer(0))?;
    Ok(u64::try_from(count.unwrap_or(0)).unwrap_or(0))
}

/// How many owners an account has.
pub fn owners(tx: &mut Tx<'_>, account: AccountId) -> Result<u64, DbError> {
    let sql = "SELECT COUNT(*) FROM members
               WHERE account_id = $1 AND role = 'owner' AND removed_at IS NULL";
    let count = tx.first(sql, &[account.to_string().into()], |row| row.integer(0))?;
    Ok(u64::try_from(count.unwrap_or(0)).unwrap_or(0))
}

/// Whether there is, or ever was, a member in any account.
pub fn any(tx: &mut Tx<'_>) -> Result<bool, DbError> {
    Ok(tx.first("SELECT 1 FROM members LIMIT 1", &[], |row| row.integer(0))?.is_some())
}

/// Notes that a member was active. It never goes back.
pub fn set_active(tx: &mut Tx<'_>, id: MemberId, now: Time) -> Result<(), DbError> {
    tx.run(
        "UPDATE members SET last_active_at = $2
         WHERE id = $1 AND (last_active_at IS NULL OR last_active_at < $2)",
        &[id.to_string().into(), now.0.into()],
    )?;
    Ok(())
}

/// Keeps the hashes of new recovery codes. Those there were are good no longer.
pub fn save_codes(tx: &mut Tx<'_>, id: MemberId, hashes: &[String]) -> Result<(), DbError> {
    forget_codes(tx, id)?;
    for hash in hashes {
        tx.run(
            "INSERT INTO recovery_codes (member_id, hash, used_at) VALUES ($1, $2, NULL)",
            &[id.to_string().into(), hash.as_str().into()],
        )?;
    }
    Ok(())
}

/// The hashes of the recovery codes that are still good.
pub fn codes(tx: &mut Tx<'_>, id: MemberId) -> Result<Vec<String>, DbError> {
    tx.all(
        "SELECT hash FROM recovery_codes WHERE member_id = $1 AND used_at IS NULL ORDER BY hash",
        &[id.to_string().into()],
        |row| Ok(row.text(0)?.to_owned()),
    )
}

/// Uses up a recovery code; true exactly once.
pub fn use_code(tx: &mut Tx<'_>, id: MemberId, hash: &str, now: Time) -> Result<bool, DbError> {
    let used = tx.run(
        "UPDATE recovery_codes SET used_at = $3, hash = hash || '#used'
         WHERE member_id = $1 AND hash = $2 AND used_at IS NULL",
        &[id.to_string().into(), hash.into(), now.0.into()],
    )?;
    Ok(used == 1)
}

/// Forgets a member's recovery codes.
pub fn forget_codes(tx: &mut Tx<'_>, id: MemberId) -> Result<(), DbError> {
    tx.run("DELETE FROM recovery_codes WHERE member_id = $1", &[id.to_string().into()])?;
    Ok(())
}
