//! Who is in an account, as what, and who has care of its credentials.

use keyway_domain::actor::Role;
use keyway_domain::event::{Happened, Kind};
use keyway_domain::id::{AccountId, CredentialId, MemberId};
use keyway_domain::member::{Member, may_give};
use keyway_store::{Tx, accounts, credentials, links, members, owners, reveals, sessions};
use serde_json::json;

use super::{Error, Moment};

/// Someone who is there.
pub fn present(
    tx: &mut Tx<'_>,
    moment: &Moment,
    account: AccountId,
    id: MemberId,
) -> Result<Member, Error> {
    let found = members::lock(tx, &moment.realm.rules.seals, account, id)?;
    found.filter(|member| member.removed_at.is_none()).ok_or(Error::NotFound("member"))
}

/// Gives a member another role. What they may do changes from the answer on.
pub fn change_role(
    tx: &mut Tx<'_>,
    moment: &Moment,
    account: AccountId,
    id: MemberId,
    role: Role,
    by: Role,
) -> Result<Member, Error> {
    let member = present(tx, moment, account, id)?;
    if member.role == role {
        return Ok(member);
    }
    // Two owners who step down at the same moment must not both find the other.
    accounts::lock(tx, account)?;
    let owners = members::owners(tx, account)?;
    let (member, happened) = member.change_role(role, by, owners)?;
    members::save(tx, &moment.realm.rules.seals, &member)?;
    moment.record(tx, account, id.to_string(), happened)?;
    Ok(member)
}

/// Takes a member out. Their sessions end; their credentials go to `heir`, and live on.
pub fn remove(
    tx: &mut Tx<'_>,
    moment: &Moment,
    account: AccountId,
    id: MemberId,
    heir: Option<MemberId>,
    by: Role,
) -> Result<(), Error> {
    let member = present(tx, moment, account, id)?;
    may_give(by, member.role)?;
    let kept = owners::of_member(tx, id)?;
    if !kept.is_empty() {
        let heir = heir.filter(|heir| *heir != id);
        let heir = heir.ok_or_else(|| {
            Error::invalid("owner", "say who takes over the credentials in their care")
        })?;
        let heir = present(tx, moment, account, heir)?;
        owners::hand_over(tx, id, heir.id)?;
        for credential in kept {
            let (before, after) = (member.email.as_str(), heir.email.as_str());
            let happened = Happened::new(
                Kind::OwnerChanged,
                json!({ "owner": before }),
                json!({ "owner": after }),
            );
            moment.record(tx, account, credential.to_string(), happened)?;
        }
    }
    accounts::lock(tx, account)?;
    let owners_now = members::owners(tx, account)?;
    let (member, happened) = member.remove(by, owners_now, moment.now)?;
    members::save(tx, &moment.realm.rules.seals, &member)?;
    for session in sessions::list(tx, &moment.realm.rules.seals, id, keyway_domain::time::Time(0))?
    {
        reveals::forget_session(tx, session.id)?;
    }
    sessions::end_all(tx, id, None, moment.now)?;
    links::spend_all(tx, id, links::Purpose::Password, moment.now)?;
    Ok(moment.record(tx, account, id.to_string(), happened)?)
}

/// Puts a credential into somebody's care.
pub fn give_care(
    tx: &mut Tx<'_>,
    moment: &Moment,
    account: AccountId,
    credential: CredentialId,
    to: MemberId,
) -> Result<(), Error> {
    let to = present(tx, moment, account, to)?;
    let rules = &moment.realm.rules;
    credentials::find(tx, rules, account, credential)?.ok_or(Error::NotFound("credential"))?;
    let before = owners::of(tx, credential)?;
    owners::set(tx, credential, to.id)?;
    if let Some(before) = before.filter(|before| *before != to.id) {
        let before = members::find(tx, &rules.seals, account, before)?;
        let before = before.map(|member| member.email.to_string());
        let happened = Happened::new(
            Kind::OwnerChanged,
            json!({ "owner": before }),
            json!({ "owner": to.email.as_str() }),
        );
        moment.record(tx, account, credential.to_string(), happened)?;
    }
    Ok(())
}
