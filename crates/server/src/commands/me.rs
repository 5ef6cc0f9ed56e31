//! What people change of themselves, and what the operator may reset for them.

use keyway_domain::event::{Happened, Kind};
use keyway_domain::id::SessionId;
use keyway_domain::member::Member;
use keyway_domain::totp::Totp;
use keyway_secret::{OsEntropy, SecretText};
use keyway_store::{Tx, links, members, sessions};
use serde_json::{Value, json};

use super::sessions::end_others;
use super::{Error, Moment, checked_name};
use crate::authenticator;
use crate::codes::Code;

fn lock(tx: &mut Tx<'_>, moment: &Moment, member: &Member) -> Result<Member, Error> {
    let found = members::lock(tx, &moment.realm.rules.seals, member.account, member.id)?;
    found.filter(|found| found.removed_at.is_none()).ok_or(Error::NotFound("member"))
}

fn save(
    tx: &mut Tx<'_>,
    moment: &Moment,
    member: &Member,
    kind: Kind,
    after: Value,
) -> Result<(), Error> {
    members::save(tx, &moment.realm.rules.seals, member)?;
    let happened = Happened::new(kind, json!({ "email": member.email.as_str() }), after);
    Ok(moment.record(tx, member.account, member.id.to_string(), happened)?)
}

/// Gives the member another name.
pub fn rename(tx: &mut Tx<'_>, moment: &Moment, member: &Member, name: &str) -> Result<(), Error> {
    let mut member = lock(tx, moment, member)?;
    member.name = checked_name("name", name)?;
    let after = json!({ "name": member.name });
    save(tx, moment, &member, Kind::MemberRenamed, after)
}

/// Gives the member another password. Every other session of theirs ends.
pub fn change_password(
    tx: &mut Tx<'_>,
    moment: &Moment,
    member: &Member,
    hash: &str,
    session: SessionId,
) -> Result<(), Error> {
    let mut member = lock(tx, moment, member)?;
    hash.clone_into(&mut member.password);
    save(tx, moment, &member, Kind::PasswordChanged, json!({}))?;
    sessions::forget_devices(tx, member.id)?;
    links::spend_all(tx, member.id, links::Purpose::Password, moment.now)?;
    end_others(tx, moment, &member, Some(session))?;
    Ok(())
}

/// Adds an authenticator, shown to work by a code, with recovery codes beside it. Every other
/// session of the member ends.
pub fn add_factor(
    tx: &mut Tx<'_>,
    moment: &Moment,
    member: &Member,
    seed: &SecretText,
    code: &str,
    session: SessionId,
) -> Result<(), Error> {
    let mut member = lock(tx, moment, member)?;
    if member.totp.is_some() {
        let message = "there is an authenticator app already; remove it first".to_owned();
        return Err(Error::Conflict { code: Code::Outdated, message });
    }
    let matched = authenticator::matched_step(seed, code, moment.now);
    let place = authenticator::sealing_place(member.id);
    let sealed = moment.keys.secrets.seal(seed, &place, &mut OsEntropy);
    let totp = Totp::enrol(sealed, matched, moment.now)
        .map_err(|_| Error::invalid("code", "the code is not right for now"))?;
    member.totp = Some(totp);
    save(tx, moment, &member, Kind::FactorAdded, json!({}))?;
    links::spend_all(tx, member.id, links::Purpose::Password, moment.now)?;
    end_others(tx, moment, &member, Some(session))?;
    Ok(())
}

/// Removes the authenticator and its recovery codes.
pub fn remove_factor(tx: &mut Tx<'_>, moment: &Moment, member: &Member) -> Result<(), Error> {
    let mut member = lock(tx, moment, member)?;
    if member.totp.take().is_none() {
        let message = "there is no authenticator app".to_owned();
        return Err(Error::Conflict { code: Code::NoFactor, message });
    }
    members::forget_codes(tx, member.id)?;
    links::spend_all(tx, member.id, links::Purpose::Password, moment.now)?;
    save(tx, moment, &member, Kind::FactorRemoved, json!({}))
}

/// Replaces the recovery codes.
pub fn keep_codes(
    tx: &mut Tx<'_>,
    moment: &Moment,
    member: &Member,
    hashes: &[String],
) -> Result<(), Error> {
    let member = lock(tx, moment, member)?;
    if member.totp.is_none() {
        let message = "recovery codes stand in for an authenticator app; add one first".to_owned();
        return Err(Error::Conflict { code: Code::NoFactor, message });
    }
    members::save_codes(tx, member.id, hashes)?;
    let after = json!({ "codes": hashes.len() });
    save(tx, moment, &member, Kind::RecoveryCodesMade, after)
}
