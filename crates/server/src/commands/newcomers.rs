//! How people come in: by signing up an account, or by a link that is good once.

use keyway_domain::actor::{Actor, Role};
use keyway_domain::event::{Happened, Kind};
use keyway_domain::id::{AccountId, LinkId, MemberId};
use keyway_domain::limits::{INVITATION_MS, MEMBERS_PER_ACCOUNT_MAX, RESET_MS};
use keyway_domain::member::{Email, Member, may_give};
use keyway_secret::{Entropy as _, OsEntropy, SecretText};
use keyway_store::accounts::Account;
use keyway_store::links::{Link, Purpose};
use keyway_store::{DbError, Tx, accounts, links, members, sessions};
use serde_json::json;

use super::{Error, Moment, accounts as account_commands, checked_name};
use crate::codes::Code;

/// A person who comes in.
#[derive(Debug, Clone)]
pub struct Newcomer {
    /// What they will sign in with.
    pub email: Email,
    /// What they are called.
    pub name: String,
    /// The hash of their password.
    pub password: String,
}

/// Registers an account with its owner, and what the scheme gives at registration (X04).
pub fn sign_up(
    tx: &mut Tx<'_>,
    moment: &Moment,
    company: &str,
    owner: &Newcomer,
) -> Result<(Account, Member), Error> {
    let named = |error| match error {
        Error::Invalid { message, .. } => Error::invalid("company", message),
        error => error,
    };
    let account = account_commands::create(tx, moment, company, None).map_err(named)?;
    let member = add(tx, moment, account.id, Role::Owner, owner)?;
    Ok((account, member))
}

fn add(
    tx: &mut Tx<'_>,
    moment: &Moment,
    account: AccountId,
    role: Role,
    new: &Newcomer,
) -> Result<Member, Error> {
    let member = Member {
        id: MemberId::new(moment.now, &mut OsEntropy),
        account,
        email: new.email.clone(),
        name: checked_name("name", &new.name)?,
        role,
        password: new.password.clone(),
        totp: None,
        created_at: moment.now,
        last_active_at: Some(moment.now),
        removed_at: None,
    };
    members::insert(tx, &moment.realm.rules.seals, &member).map_err(email_taken)?;
    let after = json!({ "email": member.email.as_str(), "name": member.name, "role": role });
    let happened = Happened::new(Kind::MemberJoined, json!({}), after);
    // Whoever lets themselves in by a link acts as who they become.
    let own = moment.acting_as(&member);
    own.record(tx, account, member.id.to_string(), happened)?;
    Ok(member)
}

fn email_taken(error: DbError) -> Error {
    if error.is_duplicate() {
        Error::invalid("email", "this address signs in to an account already; use another one")
    } else {
        error.into()
    }
}

/// A link that is good once; its text exists nowhere else.
pub struct NewLink {
    /// What is kept of it.
    pub link: Link,
    /// What its bearer shows.
    pub token: SecretText,
}

/// Characters of a link's token: 160 bits.
const TOKEN_BYTES: usize = 20;

fn new_link(moment: &Moment, purpose: Purpose, lives_ms: i64) -> NewLink {
    use base64::Engine as _;
    let mut bytes = [0; TOKEN_BYTES];
    OsEntropy.fill(&mut bytes);
    let token = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
    let link = Link {
        id: LinkId::new(moment.now, &mut OsEntropy),
        purpose,
        account: None,
        member: None,
        email: None,
        role: None,
        created_at: moment.now,
        expires_at: moment.now.plus_ms(lives_ms),
        used_at: None,
    };
    NewLink { link, token: SecretText::new(token) }
}

/// What is kept of a link's token.
pub fn link_digest(moment: &Moment, token: &str) -> [u8; 32] {
    moment.keys.browsers.digest_parts(&[b"link/", token.as_bytes()]).0
}

fn keep(tx: &mut Tx<'_>, moment: &Moment, new: &NewLink) -> Result<(), DbError> {
    let digest = link_digest(moment, new.token.reveal());
    links::insert(tx, &moment.realm.rules.seals, &digest, &new.link)
}

/// Invites a person. Whether the address signs in elsewhere already is nobody's business here.
pub fn invite(
    tx: &mut Tx<'_>,
    moment: &Moment,
    account: AccountId,
    email: &Email,
    role: Role,
) -> Result<NewLink, Error> {
    accounts::find(tx, account)?.ok_or(Error::NotFound("account"))?;
    let seals = &moment.realm.rules.seals;
    let there = members::list(tx, seals, account)?;
    if there.iter().any(|member| member.email == *email) {
        return Err(Error::invalid("email", "this person is in the team already"));
    }
    let open = links::open_invitations(tx, seals, account, moment.now)?;
    let count = u64::try_from(there.len() + open.len()).unwrap_or(u64::MAX);
    if count >= MEMBERS_PER_ACCOUNT_MAX {
        let message = format!("an account has at most {MEMBERS_PER_ACCOUNT_MAX} people");
        return Err(Error::Conflict { code: Code::TooManyMembers, message });
    }
    for older in open.iter().filter(|link| link.email.as_ref() == Some(email)) {
        links::withdraw(tx, account, older.id, moment.now)?;
    }
    let mut new = new_link(moment, Purpose::Invitation, INVITATION_MS);
    new.link.account = Some(account);
    new.link.email = Some(email.clone());
    new.link.role = Some(role);
    if let Actor::Member { id, .. } = &moment.actor {
        new.link.member = *id;
    }
    keep(tx, moment, &new)?;
    let after = json!({ "email": email.as_str(), "role": role });
    let happened = Happened::new(Kind::MemberInvited, json!({}), after);
    moment.record(tx, account, new.link.id.to_string(), happened)?;
    Ok(new)
}

/// Withdraws an invitation.
pub fn withdraw(
    tx: &mut Tx<'_>,
    moment: &Moment,
    account: AccountId,
    id: LinkId,
) -> Result<(), Error> {
    let seals = &moment.realm.rules.seals;
    let open = links::open_invitations(tx, seals, account, moment.now)?;
    let link = open.into_iter().find(|link| link.id == id).ok_or(Error::NotFound("invitation"))?;
    links::withdraw(tx, account, id, moment.now)?;
    let before = json!({ "email": link.email.map(|email| email.to_string()), "role": link.role });
    let happened = Happened::new(Kind::InvitationWithdrawn, before, json!({}));
    Ok(moment.record(tx, account, id.to_string(), happened)?)
}

/// A link that is still good for its purpose.
fn open_link(
    tx: &mut Tx<'_>,
    moment: &Moment,
    token: &str,
    purpose: Purpose,
) -> Result<Link, Error> {
    let digest = link_digest(moment, token);
    let found = links::find(tx, &moment.realm.rules.seals, &digest)?;
    let good = found.filter(|link| {
        link.purpose == purpose && link.used_at.is_none() && moment.now < link.expires_at
    });
    good.ok_or(Error::NotFound("link"))
}

/// What a page says of a link that is still good.
pub struct Open {
    /// The account it leads into; empty for the first one.
    pub account: String,
    /// Whom it is for.
    pub email: String,
    /// As what.
    pub role: Option<Role>,
    /// Whether they have an authenticator.
    pub has_factor: bool,
}

/// Looks at a link without spending it: opening it does nothing.
pub fn open(
    tx: &mut Tx<'_>,
    moment: &Moment,
    token: &str,
    purpose: Purpose,
) -> Result<Open, Error> {
    let link = open_link(tx, moment, token, purpose)?;
    let account = link.account.map(|id| accounts::find(tx, id)).transpose()?.flatten();
    let seals = &moment.realm.rules.seals;
    let member = match (link.account, link.member) {
        (Some(account), Some(id)) => members::find(tx, seals, account, id)?,
        _ => None,
    };
    let email = link.email.or_else(|| member.as_ref().map(|member| member.email.clone()));
    Ok(Open {
        account: account.map_or_else(String::new, |account| account.name),
        email: email.map_or_else(String::new, |email| email.to_string()),
        role: link.role,
        has_factor: member.is_some_and(|member| member.totp.is_some()),
    })
}

fn spend(tx: &mut Tx<'_>, moment: &Moment, token: &str, purpose: Purpose) -> Result<Link, Error> {
    let link = open_link(tx, moment, token, purpose)?;
    let spent = links::spend(tx, &link_digest(moment, token), moment.now)?;
    if spent { Ok(link) } else { Err(Error::NotFound("link")) }
}

/// Joins an account by an invitation.
pub fn join(
    tx: &mut Tx<'_>,
    moment: &Moment,
    token: &str,
    name: &str,
    password: &str,
) -> Result<Member, Error> {
    let link = spend(tx, moment, token, Purpose::Invitation)?;
    let (Some(account), Some(email), Some(role)) = (link.account, link.email, link.role) else {
        return Err(Error::NotFound("link"));
    };
    // An invitation is worth what its sender is: nobody comes back by their own.
    if let Some(sender) = link.member {
        let sender = members::find(tx, &moment.realm.rules.seals, account, sender)?;
        let holds = sender.filter(|sender| sender.removed_at.is_none());
        let holds = holds.filter(|sender| moment.may_manage(sender.role));
        holds
            .filter(|sender| may_give(sender.role, role).is_ok())
            .ok_or(Error::NotFound("link"))?;
    }
    let new = Newcomer { email, name: name.to_owned(), password: password.to_owned() };
    add(tx, moment, account, role, &new)
}

/// Makes the link that a fresh deployment is set up by.
pub fn set_up_link(tx: &mut Tx<'_>, moment: &Moment) -> Result<Option<NewLink>, Error> {
    if members::any(tx)? {
        return Ok(None);
    }
    let new = new_link(moment, Purpose::SetUp, INVITATION_MS);
    keep(tx, moment, &new)?;
    Ok(Some(new))
}

/// Registers the first account, by the link that the server printed.
pub fn set_up(
    tx: &mut Tx<'_>,
    moment: &Moment,
    token: &str,
    company: &str,
    owner: &Newcomer,
) -> Result<(Account, Member), Error> {
    spend(tx, moment, token, Purpose::SetUp)?;
    if members::any(tx)? {
        return Err(Error::NotFound("link"));
    }
    sign_up(tx, moment, company, owner)
}

/// Makes a link to set a new password. Those made before stay good, for their hour: whoever asks
/// for another makes no letter useless that its reader has yet to open.
pub fn ask_reset(tx: &mut Tx<'_>, moment: &Moment, member: &Member) -> Result<NewLink, Error> {
    let mut new = new_link(moment, Purpose::Password, RESET_MS);
    new.link.account = Some(member.account);
    new.link.member = Some(member.id);
    keep(tx, moment, &new)?;
    let after = json!({ "email": member.email.as_str() });
    let happened = Happened::new(Kind::PasswordResetAsked, json!({}), after);
    moment.record(tx, member.account, member.id.to_string(), happened)?;
    Ok(new)
}

/// Sets a new password by a link. Every session of the member ends; the authenticator stays, so
/// that a mailbox alone does not sign in.
pub fn reset(
    tx: &mut Tx<'_>,
    moment: &Moment,
    token: &str,
    password: &str,
    device: &[u8],
) -> Result<Member, Error> {
    let link = spend(tx, moment, token, Purpose::Password)?;
    let (Some(account), Some(id)) = (link.account, link.member) else {
        return Err(Error::NotFound("link"));
    };
    let seals = &moment.realm.rules.seals;
    let locked = members::lock(tx, seals, account, id)?;
    let mut member = locked.filter(|m| m.removed_at.is_none()).ok_or(Error::NotFound("link"))?;
    password.clone_into(&mut member.password);
    members::save(tx, seals, &member)?;
    links::spend_all(tx, member.id, Purpose::Password, moment.now)?;
    sessions::end_all(tx, member.id, None, moment.now)?;
    sessions::forget_devices(tx, member.id)?;
    sessions::know(tx, device, member.id, moment.now)?;
    let after = json!({ "email": member.email.as_str() });
    let happened = Happened::new(Kind::PasswordReset, json!({}), after);
    moment.acting_as(&member).record(tx, account, id.to_string(), happened)?;
    Ok(member)
}
