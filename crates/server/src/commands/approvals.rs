//! What waits for a second person. A member's form is one [`What`]; it is done at once, or, where a
//! rule wants a second person, written down to be approved, and then done by the same function.
//!
//! A new secret is made when who asked takes it, not when it is approved: so that it goes to them
//! alone, is kept nowhere meanwhile, and no running secret ends while nobody has the next.

use ipnet::IpNet;
use keyway_domain::Environment;
use keyway_domain::actor::{Actor, Role};
use keyway_domain::approval::{Approval, State, Undecidable};
use keyway_domain::credential::{AddressMode, Credential};
use keyway_domain::event::{Happened, Kind as Fact};
use keyway_domain::grant::Grant;
use keyway_domain::id::{AccountId, ApprovalId, CredentialId, MemberId};
use keyway_domain::lifecycle::Edit;
use keyway_domain::limits::{APPROVAL_MS, APPROVALS_OPEN_MAX};
use keyway_domain::member::Member;
use keyway_domain::rules::Rules;
use keyway_domain::scheme::{Act, Scheme, StepUpRule};
use keyway_domain::time::Time;
use keyway_secret::OsEntropy;
use keyway_store::{Tx, accounts, approvals, credentials, members, owners, replacements};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::credentials::{self as commands, Change, NewCredential, Shown};
use super::{Error, Moment, Second, checked_words, rules, team};
use crate::codes::Code;

/// What a member wants done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum What {
    /// A new credential.
    Create {
        kind: String,
        environment: String,
        name: String,
        /// As a row has it; `None` for what the kind always has.
        grant: Option<String>,
        addresses: Vec<IpNet>,
        mode: String,
        expires_at: Option<Time>,
        owner: MemberId,
    },
    /// One like it.
    Duplicate { id: CredentialId, name: String, grant: Option<String>, owner: MemberId },
    /// One that takes its place.
    Replace { id: CredentialId, name: String },
    /// A new secret.
    Rotate { id: CredentialId, overlap_ms: Option<i64> },
    /// A new secret, at once.
    Regenerate { id: CredentialId },
    /// Other access.
    Edit {
        id: CredentialId,
        grant: Option<String>,
        addresses: Option<Vec<IpNet>>,
        mode: Option<String>,
    },
    /// Another end.
    Expire { id: CredentialId, at: Option<Time> },
    /// Other rules of the account.
    Rules { own: Rules },
}

/// What is kept of it: with what it was based on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Asked {
    /// What.
    pub what: What,
    /// The kind of the credential.
    pub kind: Option<String>,
    /// What it is about, by name.
    pub name: String,
    /// The credential's version.
    pub version: Option<i64>,
    /// The rules that the account had.
    pub rules: Option<Rules>,
}

/// What came of it.
pub enum Done {
    /// A secret, to be shown to who acts.
    Made(Box<Credential>, Shown),
    /// A credential was changed.
    Changed(Box<Credential>),
    /// The rules are so.
    Ruled,
    /// It waits for a second person.
    Asked(ApprovalId),
}

impl Done {
    /// Where to go on: there, or where it is waited for.
    pub fn leads_to(&self, there: &str) -> String {
        match self {
            Self::Asked(id) => format!("/approvals/{id}?done=asked"),
            _ => there.to_owned(),
        }
    }
}

impl What {
    /// What it is to credentials; `None` for what it is to the account.
    pub fn act(&self) -> Option<Act> {
        Some(match self {
            Self::Create { .. } | Self::Replace { .. } => Act::Create,
            Self::Duplicate { .. } => Act::Duplicate,
            Self::Rotate { .. } => Act::Rotate,
            Self::Regenerate { .. } => Act::Regenerate,
            Self::Edit { .. } => Act::Edit,
            Self::Expire { .. } => Act::Expire,
            Self::Rules { .. } => return None,
        })
    }

    /// The credential that it starts from.
    pub fn credential(&self) -> Option<CredentialId> {
        match self {
            Self::Duplicate { id, .. }
            | Self::Replace { id, .. }
            | Self::Rotate { id, .. }
            | Self::Regenerate { id }
            | Self::Edit { id, .. }
            | Self::Expire { id, .. } => Some(*id),
            Self::Create { .. } | Self::Rules { .. } => None,
        }
    }

    /// Whether a secret comes of it.
    pub fn makes_secret(&self) -> bool {
        !matches!(self, Self::Edit { .. } | Self::Expire { .. } | Self::Rules { .. })
    }
}

impl Asked {
    /// Reads what was kept.
    pub fn of(approval: &Approval) -> Option<Self> {
        serde_json::from_str(&approval.what).ok()
    }

    /// Whether a role may do it, and so decide on it.
    pub fn may(&self, scheme: &Scheme, role: Role) -> bool {
        match self.what.act() {
            None => scheme.people.settings.contains(&role),
            Some(act) => {
                let kind = self.kind.as_deref().and_then(|kind| scheme.kind(kind));
                kind.and_then(|kind| kind.act(act)).is_some_and(|rule| rule.by.contains(&role))
            }
        }
    }

    /// The proof that it asks for, of whoever does it.
    pub fn step_up(&self, scheme: &Scheme) -> StepUpRule {
        let Some(act) = self.what.act() else { return StepUpRule::Password };
        let kind = self.kind.as_deref().and_then(|kind| scheme.kind(kind));
        kind.and_then(|kind| kind.act(act)).map_or(StepUpRule::None, |rule| rule.step_up)
    }

    /// It in a few words.
    pub fn say(&self) -> String {
        let verb = match &self.what {
            What::Create { .. } => "Create",
            What::Duplicate { .. } => "Duplicate",
            What::Replace { .. } => "Replace",
            What::Rotate { .. } => "Rotate",
            What::Regenerate { .. } => "Regenerate",
            What::Edit { .. } => "Change the access of",
            What::Expire { .. } => "Change the end of",
            What::Rules { .. } => return "Change the security rules".to_owned(),
        };
        format!("{verb} “{}”", self.name)
    }
}

/// Does what a member wants, or asks for it where a second person is needed.
pub fn go(tx: &mut Tx<'_>, moment: &Moment, account: AccountId, what: What) -> Result<Done, Error> {
    match perform(tx, moment, account, &what) {
        // The platform's own backend, which speaks for a member, asks in the dashboard.
        Err(Error::SecondPerson(_)) if is_signed_in(moment).is_some() => {
            ask(tx, moment, account, what).map(Done::Asked)
        }
        done => done,
    }
}

fn is_signed_in(moment: &Moment) -> Option<MemberId> {
    match &moment.actor {
        Actor::Member { id, token: None, .. } => *id,
        _ => None,
    }
}

/// A grant as a row has it.
pub fn grant_text(moment: &Moment, grant: Option<Grant>) -> Option<String> {
    grant.map(|grant| grant.to_column(moment.realm.rules.scheme.resource_names()))
}

fn grant_of(moment: &Moment, text: Option<&String>) -> Result<Option<Grant>, Error> {
    let scheme = &moment.realm.rules.scheme;
    let read = |text: &String| Grant::from_column(text, |name| scheme.resource(name));
    match text {
        Some(text) => {
            read(text).map(Some).ok_or_else(|| Undecidable::Stale("the scheme has changed").into())
        }
        None => Ok(None),
    }
}

fn mode_of(text: &str) -> AddressMode {
    AddressMode::parse(text).unwrap_or_default()
}

fn perform(
    tx: &mut Tx<'_>,
    moment: &Moment,
    account: AccountId,
    what: &What,
) -> Result<Done, Error> {
    let made = |(credential, shown)| Done::Made(Box::new(credential), shown);
    match what {
        What::Create { kind, environment, name, grant, addresses, mode, expires_at, owner } => {
            let new = NewCredential {
                kind: kind.clone(),
                environment: Environment::parse(environment)
                    .ok_or_else(|| Error::invalid("environment", "there is no such one"))?,
                name: name.clone(),
                grant: grant_of(moment, grant.as_ref())?,
                addresses: addresses.clone(),
                address_mode: mode_of(mode),
                rate: None,
                expires_at: *expires_at,
            };
            let (credential, shown) = commands::create(tx, moment, account, new)?;
            give_care(tx, moment, &credential, *owner)?;
            Ok(made((credential, shown)))
        }
        What::Duplicate { id, name, grant, owner } => {
            let (name, grant) = (Some(name.clone()), grant_of(moment, grant.as_ref())?);
            let (credential, shown) = commands::duplicate(tx, moment, account, *id, name, grant)?;
            give_care(tx, moment, &credential, *owner)?;
            Ok(made((credential, shown)))
        }
        What::Replace { id, name } => replace(tx, moment, account, *id, name).map(made),
        What::Rotate { id, overlap_ms } => {
            commands::rotate(tx, moment, account, *id, *overlap_ms).map(made)
        }
        What::Regenerate { id } => commands::regenerate(tx, moment, account, *id).map(made),
        What::Edit { id, grant, addresses, mode } => {
            let edit = Edit {
                grant: grant_of(moment, grant.as_ref())?,
                addresses: addresses.clone(),
                address_mode: mode.as_deref().map(mode_of),
                rate: None,
            };
            let changed = commands::change(tx, moment, account, *id, Change::Edit(edit))?;
            Ok(Done::Changed(Box::new(changed)))
        }
        What::Expire { id, at } => {
            let changed = commands::change(tx, moment, account, *id, Change::Expire(*at))?;
            Ok(Done::Changed(Box::new(changed)))
        }
        What::Rules { own } => rules::set(tx, moment, account, *own).map(|()| Done::Ruled),
    }
}

/// Puts what was made into somebody's care, who may have left since it was asked for.
fn give_care(
    tx: &mut Tx<'_>,
    moment: &Moment,
    made: &Credential,
    owner: MemberId,
) -> Result<(), Error> {
    let left = || Undecidable::Stale("who was to have care of it has left").into();
    team::give_care(tx, moment, made.account, made.id, owner).map_err(|error| match error {
        Error::NotFound("member") if moment.second.is_some() => left(),
        error => error,
    })
}

fn replace(
    tx: &mut Tx<'_>,
    moment: &Moment,
    account: AccountId,
    id: CredentialId,
    name: &str,
) -> Result<(Credential, Shown), Error> {
    let found = credentials::find(tx, &moment.realm.rules, account, id)?;
    let old = found.ok_or(Error::NotFound("credential"))?;
    let new = NewCredential {
        kind: old.kind.clone(),
        environment: old.environment,
        name: name.to_owned(),
        grant: Some(old.grant),
        addresses: old.addresses.clone(),
        address_mode: old.address_mode,
        rate: old.rate,
        expires_at: None,
    };
    let (made, shown) = commands::create(tx, moment, account, new)?;
    if let Some(owner) = owners::of(tx, id)?.or_else(|| is_signed_in(moment)) {
        owners::set(tx, made.id, owner)?;
    }
    replacements::add(tx, id, made.id, moment.now)?;
    Ok((made, shown))
}

fn ask(
    tx: &mut Tx<'_>,
    moment: &Moment,
    account: AccountId,
    what: What,
) -> Result<ApprovalId, Error> {
    let asked_by = is_signed_in(moment).ok_or(Error::NotFound("member"))?;
    if approvals::count_open(tx, account, moment.now)? >= APPROVALS_OPEN_MAX {
        let message = format!("{APPROVALS_OPEN_MAX} things wait for approval already");
        return Err(Error::Conflict { code: Code::TooManyApprovals, message });
    }
    let on = match what.credential() {
        Some(id) => credentials::find(tx, &moment.realm.rules, account, id)?,
        None => None,
    };
    let (kind, name) = match (&what, &on) {
        (What::Create { kind, name, .. }, _) => (Some(kind.clone()), name.trim().to_owned()),
        (_, Some(on)) => (Some(on.kind.clone()), on.name.clone()),
        _ => (None, String::new()),
    };
    let own = rules::standing(tx, &moment.realm.rules.scheme, account)?.own;
    let asked = Asked {
        kind,
        name,
        version: on.map(|on| on.version),
        rules: matches!(what, What::Rules { .. }).then_some(own),
        what,
    };
    let approval = Approval {
        id: ApprovalId::new(moment.now, &mut OsEntropy),
        account,
        asked_by,
        credential: asked.what.credential(),
        what: json!(asked).to_string(),
        state: State::Waiting,
        asked_at: moment.now,
        expires_at: moment.now.plus_ms(APPROVAL_MS),
        decided_by: None,
        decided_at: None,
        why: String::new(),
    };
    approvals::insert(tx, &moment.realm.rules.seals, &approval)?;
    record(tx, moment, &approval, &asked, Fact::ApprovalAsked)?;
    Ok(approval.id)
}

fn record(
    tx: &mut Tx<'_>,
    moment: &Moment,
    approval: &Approval,
    asked: &Asked,
    fact: Fact,
) -> Result<(), Error> {
    let mut after = json!({ "asked": asked.say(), "until": approval.expires_at });
    if fact == Fact::ApprovalAsked {
        after["what"] = json!(asked.what);
    }
    if !approval.why.is_empty() {
        after["why"] = json!(approval.why);
    }
    let happened = Happened::new(fact, json!({}), after);
    Ok(moment.record(tx, approval.account, approval.id.to_string(), happened)?)
}

fn lock(
    tx: &mut Tx<'_>,
    moment: &Moment,
    account: AccountId,
    id: ApprovalId,
) -> Result<(Approval, Asked), Error> {
    let found = approvals::lock(tx, &moment.realm.rules.seals, account, id)?;
    let approval = found.ok_or(Error::NotFound("approval"))?;
    let asked = Asked::of(&approval).ok_or(Error::NotFound("approval"))?;
    Ok((approval, asked))
}

/// A member who is still here and may still do it.
fn still(
    tx: &mut Tx<'_>,
    moment: &Moment,
    approval: &Approval,
    (asked, id): (&Asked, MemberId),
) -> Result<Member, Error> {
    let rules = &moment.realm.rules;
    let found = members::find(tx, &rules.seals, approval.account, id)?;
    let able = found.filter(|m| m.removed_at.is_none() && asked.may(&rules.scheme, m.role));
    able.ok_or_else(|| Undecidable::Stale("what one of the two may do has changed").into())
}

/// Why it can't be done as it was asked for: something that it was based on is not as it was.
pub fn stale(
    tx: &mut Tx<'_>,
    moment: &Moment,
    approval: &Approval,
    asked: &Asked,
) -> Result<Option<Undecidable>, Error> {
    if let Some(id) = approval.credential {
        let found = credentials::find(tx, &moment.realm.rules, approval.account, id)?;
        if found.map(|found| found.version) != asked.version {
            return Ok(Some(Undecidable::Stale("the credential has changed")));
        }
    }
    if let Some(before) = asked.rules {
        let standing = rules::standing(tx, &moment.realm.rules.scheme, approval.account)?;
        if standing.own != before {
            return Ok(Some(Undecidable::Stale("the rules have changed")));
        }
    }
    Ok(None)
}

fn check_fresh(
    tx: &mut Tx<'_>,
    moment: &Moment,
    approval: &Approval,
    asked: &Asked,
) -> Result<(), Error> {
    // Held until it is done: what is looked at here is what is changed then.
    if let Some(id) = approval.credential {
        credentials::lock(tx, &moment.realm.rules, approval.account, id)?;
    }
    if asked.rules.is_some() {
        accounts::lock(tx, approval.account)?;
    }
    stale(tx, moment, approval, asked)?.map_or(Ok(()), |stale| Err(stale.into()))
}

/// Approves what another member asked for, and does it, unless a secret comes of it.
pub fn approve(
    tx: &mut Tx<'_>,
    moment: &Moment,
    by: &Member,
    id: ApprovalId,
) -> Result<Option<Done>, Error> {
    let (approval, asked) = lock(tx, moment, by.account, id)?;
    let makes_secret = asked.what.makes_secret();
    let approved = approval.approve(by.id, makes_secret, moment.now)?;
    still(tx, moment, &approved, (&asked, by.id))?;
    let asker = still(tx, moment, &approved, (&asked, approved.asked_by))?;
    check_fresh(tx, moment, &approved, &asked)?;
    approvals::save(tx, &moment.realm.rules.seals, &approved)?;
    record(tx, moment, &approved, &asked, Fact::ApprovalGiven)?;
    if makes_secret {
        return Ok(None);
    }
    let second = Some(Second::AskedBy(asker.email.to_string()));
    let moment = Moment { second, ..moment.clone() };
    perform(tx, &moment, by.account, &asked.what).map(Some)
}

/// Declines what another member asked for.
pub fn decline(
    tx: &mut Tx<'_>,
    moment: &Moment,
    by: &Member,
    id: ApprovalId,
    why: &str,
) -> Result<(), Error> {
    let why = checked_words("why", why)?;
    let (approval, asked) = lock(tx, moment, by.account, id)?;
    let declined = approval.decline(by.id, why, moment.now)?;
    still(tx, moment, &declined, (&asked, by.id))?;
    approvals::save(tx, &moment.realm.rules.seals, &declined)?;
    record(tx, moment, &declined, &asked, Fact::ApprovalDeclined)
}

/// Takes back what one asked for oneself.
pub fn withdraw(
    tx: &mut Tx<'_>,
    moment: &Moment,
    by: &Member,
    id: ApprovalId,
) -> Result<(), Error> {
    let (approval, asked) = lock(tx, moment, by.account, id)?;
    let withdrawn = approval.withdraw(by.id, moment.now)?;
    approvals::save(tx, &moment.realm.rules.seals, &withdrawn)?;
    record(tx, moment, &withdrawn, &asked, Fact::ApprovalWithdrawn)
}

/// Does what was approved, for who asked: the secret is theirs.
pub fn take(tx: &mut Tx<'_>, moment: &Moment, by: &Member, id: ApprovalId) -> Result<Done, Error> {
    let (approval, asked) = lock(tx, moment, by.account, id)?;
    let taken = approval.take(by.id, moment.now)?;
    let approver = taken.decided_by.ok_or(Undecidable::NotApproved)?;
    // An approval is worth what its giver may do now: one who was removed approves nothing.
    let approver = still(tx, moment, &taken, (&asked, approver))?;
    check_fresh(tx, moment, &taken, &asked)?;
    approvals::save(tx, &moment.realm.rules.seals, &taken)?;
    let second = Some(Second::ApprovedBy(approver.email.to_string()));
    let moment = Moment { second, ..moment.clone() };
    perform(tx, &moment, by.account, &asked.what)
}
