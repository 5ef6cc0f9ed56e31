//! Proving that it is really them: tries are counted before they are looked at, a code passes once,
//! and a proof serves one act.
//!
//! Looking at a password takes a hash, which no transaction waits for; so a proof takes two: one
//! notes the try and stands whatever comes after, one keeps the proof. A process that dies between
//! them has counted the try.

use std::net::IpAddr;

use keyway_domain::actor::StepUp;
use keyway_domain::event::{Happened, Kind};
use keyway_domain::id::SessionId;
use keyway_domain::limits::{PROOF_MS, TRIES_MAX, TRIES_PER_ADDRESS_MAX, TRIES_WINDOW_MS};
use keyway_domain::member::Member;
use keyway_domain::time::Time;
use keyway_domain::totp::Judged;
use keyway_secret::Pepper;
use keyway_store::{DbError, Tx, members, proofs, sessions, tries, turns};
use serde_json::json;

use super::{Error, Moment};
use crate::authenticator;

/// The counters that a try goes into.
#[derive(Debug, Clone)]
pub struct Lane {
    subject: [u8; 32],
    lane: [u8; 32],
    /// Where it comes from, unless the browser is a known one: an office or a proxy is one address
    /// to us, and whoever guesses behind it must not lock out those who are known.
    address: Option<[u8; 32]>,
}

/// What is tried. Each is counted apart: a right password says nothing of the codes before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A password.
    Password,
    /// A code.
    Code,
    /// Something that is asked for, not tried: an account, a link.
    Asking(&'static str),
}

/// Whether a try is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tried {
    /// It is; so many are left after it.
    Go {
        /// Tries left.
        left: u32,
    },
    /// It is not, until then.
    Locked {
        /// When the next one is.
        until: Time,
    },
}

impl Lane {
    /// The counters of tries that are meant for `subject`, an address or a member's id, whether or
    /// not there is such a person. A browser that they signed in from before has a counter of its
    /// own, so that nobody else can lock them out.
    pub fn new(
        keys: &Pepper,
        what: What,
        subject: &str,
        known_device: Option<&str>,
        address: Option<IpAddr>,
    ) -> Self {
        let digest = |parts: &[&str]| {
            let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
            keys.digest_parts(&parts).0
        };
        let what = match what {
            What::Password => "password/",
            What::Code => "code/",
            What::Asking(what) => what,
        };
        let from = address.filter(|_| known_device.is_none()).map(network);
        Self {
            subject: digest(&["try/", what, subject]),
            lane: match known_device {
                Some(device) => digest(&["lane/device/", device]),
                None => digest(&["lane/anyone"]),
            },
            address: from.map(|from| digest(&["try/address/", &from])),
        }
    }
}

/// The part of an address that one subscriber has: all of IPv4, the first 64 bits of IPv6.
fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

/// Notes a try before it is looked at.
pub fn note(tx: &mut Tx<'_>, lane: &Lane, now: Time) -> Result<Tried, DbError> {
    take_turn(tx, lane)?;
    let since = now.plus_ms(-TRIES_WINDOW_MS);
    let used = tries::count(tx, &lane.subject, &lane.lane, since)?;
    let over = used >= TRIES_MAX;
    let mut locked_by = over.then_some((&lane.subject, &lane.lane));
    if let Some(address) = &lane.address
        && tries::count(tx, address, address, since)? >= TRIES_PER_ADDRESS_MAX
    {
        locked_by = Some((address, address));
    }
    if let Some((subject, of)) = locked_by {
        let oldest = tries::oldest(tx, subject, of, since)?.unwrap_or(now);
        return Ok(Tried::Locked { until: oldest.plus_ms(TRIES_WINDOW_MS) });
    }
    tries::note(tx, &lane.subject, &lane.lane, now)?;
    if let Some(address) = &lane.address {
        tries::note(tx, address, address, now)?;
    }
    Ok(Tried::Go { left: TRIES_MAX - used - 1 })
}

/// Notes that something was asked, unless it was `max` times within the window.
pub fn note_few(tx: &mut Tx<'_>, lane: &Lane, max: u32, now: Time) -> Result<bool, DbError> {
    take_turn(tx, lane)?;
    let since = now.plus_ms(-TRIES_WINDOW_MS);
    if tries::count(tx, &lane.subject, &lane.lane, since)? >= max {
        return Ok(false);
    }
    tries::note(tx, &lane.subject, &lane.lane, now)?;
    Ok(true)
}

/// Tries are counted before one is added: two at once must see each other.
fn take_turn(tx: &mut Tx<'_>, lane: &Lane) -> Result<(), DbError> {
    let mut of: Vec<&[u8]> = vec![&lane.subject];
    of.extend(lane.address.as_ref().map(<[u8; 32]>::as_slice));
    turns::take_all(tx, &of)
}

/// Forgets the tries of a lane: the last one was right. Of those from its address, that one.
pub fn forget_tries(tx: &mut Tx<'_>, lane: &Lane) -> Result<(), DbError> {
    tries::forget(tx, &lane.subject, &lane.lane)?;
    match &lane.address {
        Some(address) => tries::forget_newest(tx, address, address),
        None => Ok(()),
    }
}

/// Tells the account that somebody used up the tries at one of its people.
pub fn record_exhausted(tx: &mut Tx<'_>, moment: &Moment, member: &Member) -> Result<(), DbError> {
    let after = json!({ "email": member.email.as_str(), "minutes": TRIES_WINDOW_MS / 60_000 });
    let happened = Happened::new(Kind::ProofsExhausted, json!({}), after);
    moment.record(tx, member.account, member.id.to_string(), happened)
}

/// Judges an authenticator's code of a member and keeps what comes of it. The tries are noted by
/// the caller in the same transaction, which must stand whatever the judgement is.
pub fn judge_code(
    tx: &mut Tx<'_>,
    moment: &Moment,
    member: &Member,
    code: &str,
) -> Result<Judged, Error> {
    let seals = &moment.realm.rules.seals;
    let locked = members::lock(tx, seals, member.account, member.id)?;
    let mut member = locked.ok_or(Error::NotFound("member"))?;
    let Some(totp) = member.totp.take() else { return Ok(Judged::Wrong) };
    let place = authenticator::sealing_place(member.id);
    let seed = moment.keys.secrets.unseal(&totp.sealed, &place).map_err(DbError::broken)?;
    let matched = authenticator::matched_step(&seed, code, moment.now);
    let (totp, judged) = totp.judge(matched, moment.now);
    member.totp = Some(totp);
    members::save(tx, seals, &member)?;
    Ok(judged)
}

/// What a proof is for: an act, and what it is done to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purpose {
    /// The act's word.
    pub act: String,
    /// What it is done to.
    pub subject: String,
}

impl Purpose {
    /// A purpose.
    pub fn new(act: impl Into<String>, subject: impl Into<String>) -> Self {
        Self { act: act.into(), subject: subject.into() }
    }
}

/// Keeps a proof for its purpose, for some minutes.
pub fn keep(
    tx: &mut Tx<'_>,
    moment: &Moment,
    session: SessionId,
    purpose: &Purpose,
    method: StepUp,
) -> Result<(), DbError> {
    let seals = &moment.realm.rules.seals;
    let proof = proofs::Proof {
        session,
        act: purpose.act.clone(),
        subject: purpose.subject.clone(),
        method,
        at: moment.now,
    };
    proofs::save(tx, seals, &proof)
}

/// Uses up the proof that was kept for a purpose, if it is fresh. Inside the act's own transaction:
/// an act that does not happen uses nothing up.
pub fn take(
    tx: &mut Tx<'_>,
    moment: &Moment,
    session: SessionId,
    purpose: &Purpose,
) -> Result<Option<StepUp>, DbError> {
    let since = moment.now.plus_ms(-PROOF_MS);
    let seals = &moment.realm.rules.seals;
    proofs::take(tx, seals, session, &purpose.act, &purpose.subject, since)
}

/// Whether a proof is kept that [`take`] would use.
pub fn is_kept(
    tx: &mut Tx<'_>,
    moment: &Moment,
    session: SessionId,
    purpose: &Purpose,
) -> Result<bool, DbError> {
    let since = moment.now.plus_ms(-PROOF_MS);
    let seals = &moment.realm.rules.seals;
    let found = proofs::find(tx, seals, session, &purpose.act, &purpose.subject, since)?;
    Ok(found.is_some())
}

/// Notes that a recovery code was used, exactly once.
pub fn use_recovery_code(
    tx: &mut Tx<'_>,
    moment: &Moment,
    member: &Member,
    hash: &str,
) -> Result<bool, Error> {
    if !members::use_code(tx, member.id, hash, moment.now)? {
        return Ok(false);
    }
    let left = members::codes(tx, member.id)?.len();
    let after = json!({ "email": member.email.as_str(), "codes_left": left });
    let happened = Happened::new(Kind::RecoveryCodeUsed, json!({}), after);
    moment.record(tx, member.account, member.id.to_string(), happened)?;
    Ok(true)
}

/// Whether a browser is one that the member signed in from before.
pub fn knows_device(
    tx: &mut Tx<'_>,
    moment: &Moment,
    member: &Member,
    device: &[u8],
) -> Result<bool, DbError> {
    let since = moment.now.plus_ms(-keyway_domain::limits::DEVICE_MS);
    sessions::knows(tx, device, member.id, since)
}
