//! Everything that is done to credentials.

mod checks;

use ipnet::IpNet;
use keyway_domain::Environment;
use keyway_domain::credential::{AddressMode, Credential, RateLimit, Secret, SecretState, Status};
use keyway_domain::event::{Happened, Kind as Fact};
use keyway_domain::grant::Grant;
use keyway_domain::id::{AccountId, CredentialId};
use keyway_domain::lifecycle::{Changed, Edit, Refusal};
use keyway_domain::limits;
use keyway_domain::scheme::{Act, IdScope, Kept, Kind};
use keyway_domain::time::Time;
use keyway_secret::{OsEntropy, SecretText};
use keyway_store::{DbError, Tx, accounts, credentials, usage};
use serde_json::json;

use super::{Error, Moment, checked_name};
use crate::codes::Code;
use crate::verify::sealing_place;
pub(super) use checks::{checked_expiry, checked_grant};
use checks::{checked_overlap, single_taken};

/// What a new credential should be.
#[derive(Debug, Clone)]
pub struct NewCredential {
    /// Its kind's name.
    pub kind: String,
    /// Where it works.
    pub environment: Environment,
    /// Its name.
    pub name: String,
    /// What it may do; `None` for what the kind always has.
    pub grant: Option<Grant>,
    /// From where.
    pub addresses: Vec<IpNet>,
    /// What that list does.
    pub address_mode: AddressMode,
    /// A limit of its own.
    pub rate: Option<RateLimit>,
    /// When it stops.
    pub expires_at: Option<Time>,
}

impl Default for NewCredential {
    fn default() -> Self {
        Self {
            kind: String::new(),
            environment: Environment::Test,
            name: String::new(),
            grant: None,
            addresses: Vec::new(),
            address_mode: AddressMode::Enforce,
            rate: None,
            expires_at: None,
        }
    }
}

/// The strings of a secret, to be shown once.
#[derive(Clone)]
pub struct Shown {
    /// The public id that goes with it.
    pub public_id: Option<String>,
    /// The secret.
    pub secret: SecretText,
}

/// Makes a credential; its strings exist nowhere else.
pub fn create(
    tx: &mut Tx<'_>,
    moment: &Moment,
    account: AccountId,
    new: NewCredential,
) -> Result<(Credential, Shown), Error> {
    let scheme = &moment.realm.rules.scheme;
    let kind = scheme.kind(&new.kind).ok_or_else(|| {
        let known: Vec<_> = scheme.kinds.iter().map(|kind| kind.name.as_str()).collect();
        Error::invalid("kind", format!("`{}` is no kind; use {}", new.kind, known.join(", ")))
    })?;
    moment.permit(kind, Act::Create)?;
    create_one(tx, moment, account, kind, new, Fact::Created)
}

pub(super) fn create_one(
    tx: &mut Tx<'_>,
    moment: &Moment,
    account: AccountId,
    kind: &Kind,
    new: NewCredential,
    fact: Fact,
) -> Result<(Credential, Shown), Error> {
    let rules = &moment.realm.rules;
    room_for_one(tx, account)?;
    let id = CredentialId::new(moment.now, &mut OsEntropy);
    let mut credential = Credential {
        id,
        account,
        environment: new.environment,
        kind: kind.name.clone(),
        name: checked_name("name", &new.name)?,
        grant: checked_grant(kind, new.grant, rules.scheme.resource_names())?,
        addresses: Vec::new(),
        address_mode: AddressMode::Enforce,
        rate: new.rate,
        client_id: None,
        expires_at: checked_expiry(kind, new.expires_at, moment.now)?,
        status: Status::Live,
        created_at: moment.now,
        version: 1,
        secrets: Vec::new(),
    };
    credential.set_addresses(new.addresses, new.address_mode);
    super::rules::check_new(tx, moment, kind, &credential)?;
    // Nothing is written before this: what waits for a second person has changed nothing.
    super::rules::check_second(tx, moment, None, &credential)?;
    credential.client_id = shared_id(tx, account, kind, new.environment)?;
    let shared_id = credential.client_id.as_deref();
    let (secret, shown) = draw_secret(moment, kind, new.environment, id, 1, shared_id);
    credential.secrets.push(secret);
    credentials::insert(tx, rules, &credential).map_err(|error| single_taken(error, kind))?;
    let after = json!({
        "kind": credential.kind,
        "name": credential.name,
        "environment": credential.environment.as_str(),
        "grant": credential.grant.to_names(rules.scheme.resource_names()),
        "addresses": credential.addresses,
        "address_mode": credential.address_mode.as_str(),
        "expires_at": credential.expires_at,
    });
    moment.record(tx, account, id.to_string(), Happened::new(fact, json!({}), after))?;
    Ok((credential, shown))
}

/// Makes a second credential like one there is, with the same or another grant.
pub fn duplicate(
    tx: &mut Tx<'_>,
    moment: &Moment,
    account: AccountId,
    id: CredentialId,
    name: Option<String>,
    grant: Option<Grant>,
) -> Result<(Credential, Shown), Error> {
    let original = lock(tx, moment, account, id)?;
    let kind = kind_of(moment, &original)?;
    moment.permit(kind, Act::Duplicate)?;
    if original.status != Status::Live {
        return Err(Refusal::Revoked.into());
    }
    if let Some(at) = original.expires_at.filter(|at| *at <= moment.now) {
        return Err(Refusal::Expired(at).into());
    }
    let name = name.unwrap_or_else(|| {
        let room = limits::NAME_CHARS_MAX - " (copy)".len();
        original.name.chars().take(room).collect::<String>() + " (copy)"
    });
    let new = NewCredential {
        kind: original.kind.clone(),
        environment: original.environment,
        name,
        grant: grant.or(Some(original.grant)),
        addresses: original.addresses.clone(),
        address_mode: original.address_mode,
        rate: original.rate,
        expires_at: original.expires_at,
    };
    create_one(tx, moment, account, kind, new, Fact::Duplicated)
}

/// Gives a credential a new secret; the one before stays for the overlap.
pub fn rotate(
    tx: &mut Tx<'_>,
    moment: &Moment,
    account: AccountId,
    id: CredentialId,
    overlap_ms: Option<i64>,
) -> Result<(Credential, Shown), Error> {
    let credential = lock(tx, moment, account, id)?;
    let kind = kind_of(moment, &credential)?;
    let permit = moment.permit(kind, Act::Rotate)?;
    let rule = kind.act(Act::Rotate).and_then(|rule| rule.overlap.as_ref());
    let overlap_ms = super::rules::overlap(tx, moment, account, rule, overlap_ms)?;
    let overlap_ms = checked_overlap(rule, overlap_ms)?;
    let (next, shown) = next_secret(moment, kind, &credential);
    let changed = credential.rotate(&permit, next, overlap_ms, moment.now)?;
    super::rules::check_second(tx, moment, None, &changed.0)?;
    Ok((save(tx, moment, changed)?, shown))
}

/// Replaces a credential's secret at once.
pub fn regenerate(
    tx: &mut Tx<'_>,
    moment: &Moment,
    account: AccountId,
    id: CredentialId,
) -> Result<(Credential, Shown), Error> {
    let credential = lock(tx, moment, account, id)?;
    let kind = kind_of(moment, &credential)?;
    let permit = moment.permit(kind, Act::Regenerate)?;
    let (next, shown) = next_secret(moment, kind, &credential);
    let changed = credential.rotate(&permit, next, 0, moment.now)?;
    super::rules::check_second(tx, moment, None, &changed.0)?;
    Ok((save(tx, moment, changed)?, shown))
}

/// A change that makes no secret.
#[derive(Debug, Clone)]
pub enum Change {
    /// End the overlap now.
    Finish,
    /// More time for the previous secret.
    Extend(Time),
    /// Undo the rotation.
    RollBack,
    /// Another name.
    Rename(String),
    /// Other access.
    Edit(Edit),
    /// Another expiry.
    Expire(Option<Time>),
    /// End it. Ending it twice is no mistake.
    Revoke,
    /// End it and take it off the list.
    Delete,
}

impl Change {
    fn act(&self) -> Act {
        match self {
            Self::Finish => Act::Finish,
            Self::Extend(_) => Act::Extend,
            Self::RollBack => Act::Rollback,
            Self::Rename(_) => Act::Rename,
            Self::Edit(_) => Act::Edit,
            Self::Expire(_) => Act::Expire,
            Self::Revoke => Act::Revoke,
            Self::Delete => Act::Delete,
        }
    }
}

/// Changes a credential.
pub fn change(
    tx: &mut Tx<'_>,
    moment: &Moment,
    account: AccountId,
    id: CredentialId,
    change: Change,
) -> Result<Credential, Error> {
    let credential = lock(tx, moment, account, id)?;
    let kind = kind_of(moment, &credential)?;
    let permit = moment.permit(kind, change.act())?;
    let scheme = &moment.realm.rules.scheme;
    let now = moment.now;
    let changed = match change {
        Change::Revoke if matches!(credential.status, Status::Revoked { .. }) => {
            return Ok(credential);
        }
        Change::Finish => credential.finish(&permit, now),
        Change::Extend(until) => {
            let began = credential.current().map_or(now, |current| current.created_at);
            super::rules::check_overlap(tx, moment, account, until.0 - began.0)?;
            let up_to = kind.act(Act::Extend).and_then(|rule| rule.up_to_ms).unwrap_or(0);
            credential.extend(&permit, until, up_to, now)
        }
        Change::RollBack => credential.roll_back(&permit, now),
        Change::Rename(name) => credential.rename(&permit, checked_name("name", &name)?, now),
        Change::Edit(mut edit) => {
            if let Some(grant) = edit.grant {
                edit.grant = Some(checked_grant(kind, Some(grant), scheme.resource_names())?);
            }
            let is_relisted = edit.addresses.is_some() || edit.address_mode.is_some();
            let before = credential.clone();
            let changed = credential.edit(&permit, edit, scheme, now)?;
            super::rules::check_access(tx, moment, &changed.0)?;
            super::rules::check_second(tx, moment, Some(&before), &changed.0)?;
            if is_relisted {
                usage::forget_reports(tx, id)?;
            }
            Ok(changed)
        }
        Change::Expire(at) => {
            let before = credential.clone();
            let changed = credential.set_expiry(&permit, checked_expiry(kind, at, now)?, now)?;
            super::rules::check_expiry(tx, moment, kind, &changed.0)?;
            super::rules::check_second(tx, moment, Some(&before), &changed.0)?;
            Ok(changed)
        }
        Change::Revoke => credential.revoke(&permit, now),
        Change::Delete => credential.delete(&permit, now),
    };
    save(tx, moment, changed?)
}

/// Shows a readable credential again.
pub fn reveal(
    tx: &mut Tx<'_>,
    moment: &Moment,
    account: AccountId,
    id: CredentialId,
) -> Result<(Credential, Shown), Error> {
    let credential = lock(tx, moment, account, id)?;
    let kind = kind_of(moment, &credential)?;
    moment.permit(kind, Act::Reveal)?;
    let current = credential.current().ok_or(Refusal::Revoked)?;
    let sealed = current.sealed.as_deref().filter(|_| kind.kept == Kept::Readable);
    let place = sealing_place(&id.to_string(), current.number);
    let secret = sealed.and_then(|sealed| moment.keys.secrets.unseal(sealed, &place).ok());
    let secret = secret.ok_or_else(|| Error::Conflict {
        code: Code::NotReadable,
        message: "this credential can't be shown again".to_owned(),
    })?;
    let shown = Shown { public_id: current.public_id.clone(), secret };
    let after = json!({ "secret": current.number });
    let happened = Happened::new(Fact::Revealed, json!({}), after);
    moment.record(tx, account, id.to_string(), happened)?;
    Ok((credential, shown))
}

fn lock(
    tx: &mut Tx<'_>,
    moment: &Moment,
    account: AccountId,
    id: CredentialId,
) -> Result<Credential, Error> {
    let found = credentials::lock(tx, &moment.realm.rules, account, id)?;
    let listed = found.filter(|found| !matches!(found.status, Status::Deleted { .. }));
    listed.ok_or(Error::NotFound("credential"))
}

pub(super) fn kind_of<'m>(moment: &'m Moment, credential: &Credential) -> Result<&'m Kind, Error> {
    moment.realm.rules.scheme.kind(&credential.kind).ok_or_else(|| Error::Conflict {
        code: Code::KindUnknown,
        message: format!("the scheme no longer has the kind `{}`", credential.kind),
    })
}

fn save(tx: &mut Tx<'_>, moment: &Moment, changed: Changed) -> Result<Credential, Error> {
    let (credential, happened) = changed;
    credentials::save(tx, &moment.realm.rules, &credential)?;
    moment.record(tx, credential.account, credential.id.to_string(), happened)?;
    Ok(credential)
}

/// Refuses when the account has as many credentials as it may.
pub(super) fn room_for_one(tx: &mut Tx<'_>, account: AccountId) -> Result<(), Error> {
    accounts::lock(tx, account)?.ok_or(Error::NotFound("account"))?;
    if credentials::count_live(tx, account)? >= limits::CREDENTIALS_PER_ACCOUNT_MAX {
        let max = limits::CREDENTIALS_PER_ACCOUNT_MAX;
        return Err(Error::Conflict {
            code: Code::TooManyCredentials,
            message: format!("an account has at most {max} live credentials; delete some first"),
        });
    }
    Ok(())
}

/// The public id that is not the secret's own: the account's (made when first needed), or a new one.
fn shared_id(
    tx: &mut Tx<'_>,
    account: AccountId,
    kind: &Kind,
    environment: Environment,
) -> Result<Option<String>, DbError> {
    let Some(public_id) = &kind.public_id else { return Ok(None) };
    let draw = || public_id.template.generate(environment, &mut OsEntropy).reveal().to_owned();
    match public_id.scope {
        IdScope::Secret => Ok(None),
        IdScope::Credential => Ok(Some(draw())),
        IdScope::Account => {
            if let Some(known) = accounts::client_id(tx, account, environment)? {
                return Ok(Some(known));
            }
            let new = draw();
            accounts::save_client_id(tx, account, environment, &new)?;
            Ok(Some(new))
        }
    }
}

fn next_secret(moment: &Moment, kind: &Kind, credential: &Credential) -> (Secret, Shown) {
    let number = credential.next_number();
    let shared = credential.client_id.as_deref();
    draw_secret(moment, kind, credential.environment, credential.id, number, shared)
}

fn draw_secret(
    moment: &Moment,
    kind: &Kind,
    environment: Environment,
    id: CredentialId,
    number: u32,
    shared_id: Option<&str>,
) -> (Secret, Shown) {
    let keys = &moment.keys;
    let secret = kind.secret.generate(environment, &mut OsEntropy);
    let own_id =
        kind.public_id.as_ref().filter(|public_id| public_id.scope == IdScope::Secret).map(
            |public_id| {
                public_id.template.generate(environment, &mut OsEntropy).reveal().to_owned()
            },
        );
    let digest = match (&own_id, shared_id) {
        // A signature names its secret by the id, so the id is what is looked up.
        (Some(own), _) => keys.pepper.digest(own),
        (None, Some(shared)) => keys.pepper.digest_pair(shared, secret.reveal()),
        (None, None) => keys.pepper.digest(secret.reveal()),
    };
    let sealed = match kind.kept {
        Kept::Digest => None,
        Kept::Sealed | Kept::Readable => {
            let place = sealing_place(&id.to_string(), number);
            Some(keys.secrets.seal(&secret, &place, &mut OsEntropy))
        }
    };
    let stored = Secret {
        number,
        digest,
        public_id: own_id.clone(),
        sealed,
        hint: secret.hint(),
        created_at: moment.now,
        state: SecretState::Current,
    };
    (stored, Shown { public_id: own_id.or_else(|| shared_id.map(str::to_owned)), secret })
}
