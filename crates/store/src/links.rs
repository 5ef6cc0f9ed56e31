//! Links that are good once: invitations, new passwords, and the first account.

use keyway_domain::actor::Role;
use keyway_domain::canonical::Canonical;
use keyway_domain::id::{AccountId, LinkId, MemberId};
use keyway_domain::member::Email;
use keyway_domain::time::Time;
use keyway_secret::RowSealer;

use crate::db::Tx;
use crate::members::read_email;
use crate::sealed;
use crate::value::{Columns, DbError};

/// What a link is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Joining an account.
    Invitation,
    /// Setting a new password.
    Password,
    /// Registering the first account of a deployment.
    SetUp,
}

impl Purpose {
    fn as_str(self) -> &'static str {
        match self {
            Self::Invitation => "invitation",
            Self::Password => "password",
            Self::SetUp => "set-up",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let all = [Self::Invitation, Self::Password, Self::SetUp];
        all.into_iter().find(|purpose| purpose.as_str() == text)
    }
}

/// A link that is good once. Only the digest of its text is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its id.
    pub id: LinkId,
    /// What it is good for.
    pub purpose: Purpose,
    /// The account it leads into.
    pub account: Option<AccountId>,
    /// The member it is for, if there is one already.
    pub member: Option<MemberId>,
    /// The address it was sent to, if that is nobody's yet.
    pub email: Option<Email>,
    /// The role that it gives.
    pub role: Option<Role>,
    /// When it was made.
    pub created_at: Time,
    /// When it stops being good.
    pub expires_at: Time,
    /// When it was used, or withdrawn.
    pub used_at: Option<Time>,
}

const SELECT: &str = "SELECT digest, id, purpose, account_id, member_id, email, role, \
    created_at, expires_at, used_at, seal FROM links";

/// A link that was used up has no seal any more: taking the mark away by hand makes it good for
/// nothing.
const NO_SEAL: &[u8] = b"";

/// What the seal covers.
fn sealed_bytes(digest: &[u8], link: &Link) -> Vec<u8> {
    // Nothing and the account 0 are two things.
    let maybe = |bytes: &mut Canonical, number: Option<u128>| {
        bytes.number(i64::from(number.is_some()));
        bytes.big(number.unwrap_or(0));
    };
    let mut bytes = Canonical::of("links");
    bytes.bytes(digest);
    bytes.big(link.id.0);
    bytes.text(link.purpose.as_str());
    maybe(&mut bytes, link.account.map(|id| id.0));
    maybe(&mut bytes, link.member.map(|id| id.0));
    // No address and no role is empty.
    bytes.text(link.email.as_ref().map_or("", Email::as_str));
    bytes.text(link.role.map_or("", Role::as_str));
    bytes.number(link.created_at.0);
    bytes.number(link.expires_at.0);
    bytes.into_bytes()
}

fn read(seals: &RowSealer, row: &dyn Columns) -> Result<Link, DbError> {
    let broken = |what: &str| DbError::broken(what);
    let account = row.maybe_text(3)?.map(|text| AccountId::parse(text).ok_or(text));
    let member = row.maybe_text(4)?.map(|text| MemberId::parse(text).ok_or(text));
    let role = row.maybe_text(6)?.map(|text| Role::parse(text).ok_or(text));
    let link = Link {
        id: LinkId::parse(row.text(1)?).ok_or_else(|| broken("a link's id"))?,
        purpose: Purpose::parse(row.text(2)?).ok_or_else(|| broken("a link's purpose"))?,
        account: account.transpose().map_err(|_| broken("a link's account"))?,
        member: member.transpose().map_err(|_| broken("a link's member"))?,
        email: row.maybe_text(5)?.map(read_email).transpose()?,
        role: role.transpose().map_err(|_| broken("a link's role"))?,
        created_at: Time(row.integer(7)?),
        expires_at: Time(row.integer(8)?),
        used_at: row.maybe_integer(9)?.map(Time),
    };
    if link.used_at.is_none() {
        sealed::check(seals, &sealed_bytes(row.blob(0)?, &link), row.blob(10)?, link.id)?;
    }
    Ok(link)
}

/// Adds a link, under the digest of its text.
pub fn insert(
    tx: &mut Tx<'_>,
    seals: &RowSealer,
    digest: &[u8],
    link: &Link,
) -> Result<(), DbError> {
    tx.run(
        "INSERT INTO links (digest, id, purpose, account_id, member_id, email, role, created_at,
             expires_at, used_at, seal)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        &[
            digest.into(),
            link.id.to_string().into(),
            link.purpose.as_str().into(),
            link.account.map(|id| id.to_string()).into(),
            link.member.map(|id| id.to_string()).into(),
            link.email.as_ref().map(Email::as_str).into(),
            link.role.map(Role::as_str).into(),
            link.created_at.0.into(),
            link.expires_at.0.into(),
            link.used_at.map(|at| at.0).into(),
            sealed::seal(seals, &sealed_bytes(digest, link)),
        ],
    )?;
    Ok(())
}

/// Reads the link of a digest, whether or not it is still good.
pub fn find(tx: &mut Tx<'_>, seals: &RowSealer, digest: &[u8]) -> Result<Option<Link>, DbError> {
    tx.first(&format!("{SELECT} WHERE digest = $1"), &[digest.into()], |row| read(seals, row))
}

/// Uses a link up, if it is still good; true exactly once. What it is good for, [`find`] says.
pub fn spend(tx: &mut Tx<'_>, digest: &[u8], now: Time) -> Result<bool, DbError> {
    let spent = tx.run(
        "UPDATE links SET used_at = $2, seal = $3
         WHERE digest = $1 AND used_at IS NULL AND expires_at > $2",
        &[digest.into(), now.0.into(), NO_SEAL.into()],
    )?;
    Ok(spent == 1)
}

/// An account's invitations that are still good, newest first.
pub fn open_invitations(
    tx: &mut Tx<'_>,
    seals: &RowSealer,
    account: AccountId,
    now: Time,
) -> Result<Vec<Link>, DbError> {
    let sql = format!(
        "{SELECT} WHERE account_id = $1 AND purpose = 'invitation' AND used_at IS NULL
             AND expires_at > $2
         ORDER BY created_at DESC, id DESC"
    );
    tx.all(&sql, &[account.to_string().into(), now.0.into()], |row| read(seals, row))
}

/// Withdraws an invitation of an account; whether it was still good.
pub fn withdraw(
    tx: &mut Tx<'_>,
    account: AccountId,
    id: LinkId,
    now: Time,
) -> Result<bool, DbError> {
    let withdrawn = tx.run(
        "UPDATE links SET used_at = $3, seal = $4
         WHERE account_id = $1 AND id = $2 AND purpose = 'invitation' AND used_at IS NULL
             AND expires_at > $3",
        &[account.to_string().into(), id.to_string().into(), now.0.into(), NO_SEAL.into()],
    )?;
    Ok(withdrawn == 1)
}

/// Uses up every link of a member for a purpose: a newer one takes their place. How many.
pub fn spend_all(
    tx: &mut Tx<'_>,
    member: MemberId,
    purpose: Purpose,
    now: Time,
) -> Result<u64, DbError> {
    tx.run(
        "UPDATE links SET used_at = $3, seal = $4
         WHERE member_id = $1 AND purpose = $2 AND used_at IS NULL",
        &[member.to_string().into(), purpose.as_str().into(), now.0.into(), NO_SEAL.into()],
    )
}

/// Forgets links that stopped being good before `before`; how many.
pub fn prune(tx: &mut Tx<'_>, before: Time) -> Result<u64, DbError> {
    tx.run("DELETE FROM links WHERE expires_at < $1", &[before.0.into()])
}
