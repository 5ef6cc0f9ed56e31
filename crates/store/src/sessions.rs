//! Sessions: browsers that are signed in, and browsers that somebody signed in from before.

use keyway_domain::canonical::Canonical;
use keyway_domain::id::{AccountId, MemberId, SessionId};
use keyway_domain::time::Time;
use keyway_secret::RowSealer;

use crate::db::Tx;
use crate::sealed;
use crate::value::{Columns, DbError};

/// How far a sign-in has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The password was right; the code is still asked for.
    Password,
    /// All of it was right.
    Whole,
}

impl Stage {
    fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Whole => "whole",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Password, Self::Whole].into_iter().find(|stage| stage.as_str() == text)
    }
}

/// A member's browser, signed in. What the browser shows for it is kept as a digest only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub member: MemberId,
    /// The account that they were in when it began.
    pub account: AccountId,
    /// How far the sign-in has come.
    pub stage: Stage,
    /// The browser, as a digest in hex.
    pub device: String,
    /// When it began.
    pub created_at: Time,
    /// When something was last asked in it.
    pub seen_at: Time,
    /// When it was ended.
    pub ended_at: Option<Time>,
    /// Where it began.
    pub address: Option<String>,
    /// What the browser called itself.
    pub client: Option<String>,
}

const SELECT: &str = "SELECT digest, id, member_id, account_id, stage, device, created_at, \
    seen_at, ended_at, address, client, seal FROM sessions";

/// A session that was ended has no seal any more: taking the mark away by hand revives nothing.
const NO_SEAL: &[u8] = b"";

/// What the seal covers. Being seen needs none: it lets nobody in.
fn sealed_bytes(digest: &[u8], session: &Session) -> Vec<u8> {
    let mut bytes = Canonical::of("sessions");
    bytes.bytes(digest);
    bytes.big(session.id.0);
    bytes.big(session.member.0);
    bytes.big(session.account.0);
    bytes.text(session.stage.as_str());
    bytes.text(&session.device);
    bytes.number(session.created_at.0);
    bytes.into_bytes()
}

fn read(seals: &RowSealer, row: &dyn Columns) -> Result<Session, DbError> {
    let broken = |what: &str| DbError::broken(what);
    let session = Session {
        id: SessionId::parse(row.text(1)?).ok_or_else(|| broken("a session's id"))?,
        member: MemberId::parse(row.text(2)?).ok_or_else(|| broken("a session's member"))?,
        account: AccountId::parse(row.text(3)?).ok_or_else(|| broken("a session's account"))?,
        stage: Stage::parse(row.text(4)?).ok_or_else(|| broken("a session's stage"))?,
        device: row.text(5)?.to_owned(),
        created_at: Time(row.integer(6)?),
        seen_at: Time(row.integer(7)?),
        ended_at: row.maybe_integer(8)?.map(Time),
        address: row.maybe_text(9)?.map(str::to_owned),
        client: row.maybe_text(10)?.map(str::to_owned),
    };
    if session.ended_at.is_none() {
        sealed::check(seals, &sealed_bytes(row.blob(0)?, &session), row.blob(11)?, session.id)?;
    }
    Ok(session)
}

/// Adds a session, under the digest of what its browser shows.
pub fn insert(
    tx: &mut Tx<'_>,
    seals: &RowSealer,
    digest: &[u8],
    session: &Session,
) -> Result<(), DbError> {
    tx.run(
        "INSERT INTO sessions (digest, id, member_id, account_id, stage, device, created_at,
             seen_at, ended_at, address, client, seal)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        &[
            digest.into(),
            session.id.to_string().into(),
            session.member.to_string().into(),
            session.account.to_string().into(),
            session.stage.as_str().into(),
            session.device.as_str().into(),
            session.created_at.0.into(),
            session.seen_at.0.into(),
            session.ended_at.map(|at| at.0).into(),
            session.address.clone().into(),
            session.client.clone().into(),
            sealed::seal(seals, &sealed_bytes(digest, session)),
        ],
    )?;
    Ok(())
}

/// Reads the session of a digest, also one that ended: a page wants to say whose it was.
pub fn find(tx: &mut Tx<'_>, seals: &RowSealer, digest: &[u8]) -> Result<Option<Session>, DbError> {
    tx.first(&format!("{SELECT} WHERE digest = $1"), &[digest.into()], |row| read(seals, row))
}

/// A member's whole sessions that began at or after `since` and were not ended, newest first.
pub fn list(
    tx: &mut Tx<'_>,
    seals: &RowSealer,
    member: MemberId,
    since: Time,
) -> Result<Vec<Session>, DbError> {
    let sql = format!(
        "{SELECT} WHERE member_id = $1 AND created_at >= $2 AND stage = 'whole'
             AND ended_at IS NULL
         ORDER BY created_at DESC, id DESC"
    );
    tx.all(&sql, &[member.to_string().into(), since.0.into()], |row| read(seals, row))
}

/// Notes that something was asked in a session. It never goes back, and an ended one stays as it
/// was.
pub fn seen(tx: &mut Tx<'_>, id: SessionId, now: Time) -> Result<(), DbError> {
    tx.run(
        "UPDATE sessions SET seen_at = $2 WHERE id = $1 AND ended_at IS NULL AND seen_at < $2",
        &[id.to_string().into(), now.0.into()],
    )?;
    Ok(())
}

/// Ends a session of a member; whether there was one to end.
pub fn end(tx: &mut Tx<'_>, member: MemberId, id: SessionId, now: Time) -> Result<bool, DbError> {
    let ended = tx.run(
        "UPDATE sessions SET ended_at = $3, seal = $4
         WHERE member_id = $1 AND id = $2 AND ended_at IS NULL",
        &[member.to_string().into(), id.to_string().into(), now.0.into(), NO_SEAL.into()],
    )?;
    Ok(ended == 1)
}

/// Ends a member's sessions, half-way ones too, except one; how many.
pub fn end_all(
    tx: &mut Tx<'_>,
    member: MemberId,
    except: Option<SessionId>,
    now: Time,
) -> Result<u64, DbError> {
    tx.run(
        "UPDATE sessions SET ended_at = $3, seal = $4
         WHERE member_id = $1 AND ended_at IS NULL AND (id <> $2 OR $2 IS NULL)",
        &[
            member.to_string().into(),
            except.map(|id| id.to_string()).into(),
            now.0.into(),
            NO_SEAL.into(),
        ],
    )
}

/// Forgets sessions that began before `before`, and browsers last seen before `devices_before`;
/// how many of both.
pub fn prune(tx: &mut Tx<'_>, before: Time, devices_before: Time) -> Result<u64, DbError> {
    let sessions = tx.run("DELETE FROM sessions WHERE created_at < $1", &[before.0.into()])?;
    let devices = tx.run("DELETE FROM devices WHERE seen_at < $1", &[devices_before.0.into()])?;
    Ok(sessions + devices)
}

/// Makes a browser known to a member, or notes that it was there again.
pub fn know(tx: &mut Tx<'_>, digest: &[u8], member: MemberId, now: Time) -> Result<(), DbError> {
    tx.run(
        "INSERT INTO devices (digest, member_id, seen_at) VALUES ($1, $2, $3)
         ON CONFLICT (digest, member_id) DO UPDATE SET seen_at = excluded.seen_at
         WHERE excluded.seen_at > devices.seen_at",
        &[digest.into(), member.to_string().into(), now.0.into()],
    )?;
    Ok(())
}

/// Whether a member signed in from a browser since an instant.
pub fn knows(
    tx: &mut Tx<'_>,
    digest: &[u8],
    member: MemberId,
    since: Time,
) -> Result<bool, DbError> {
    let found = tx.first(
        "SELECT seen_at FROM devices WHERE digest = $1 AND member_id = $2 AND seen_at >= $3",
        &[digest.into(), member.to_string().into(), since.0.into()],
        |row| row.integer(0),
    )?;
    Ok(found.is_some())
}

/// Whether a member signed in from any browser since an instant.
pub fn knows_any(tx: &mut Tx<'_>, member: MemberId, since: Time) -> Result<bool, DbError> {
    let found = tx.first(
        "SELECT seen_at FROM devices WHERE member_id = $1 AND seen_at >= $2 LIMIT 1",
        &[member.to_string().into(), since.0.into()],
        |row| row.integer(0),
    )?;
    Ok(found.is_some())
}

/// Forgets every browser that a member signed in from.
pub fn forget_devices(tx: &mut Tx<'_>, member: MemberId) -> Result<(), DbError> {
    tx.run("DELETE FROM devices WHERE member_id = $1", &[member.to_string().into()])?;
    Ok(())
}
