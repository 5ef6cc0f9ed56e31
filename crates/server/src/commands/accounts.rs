//! Accounts: registration, suspension, names.

use keyway_domain::Environment;
use keyway_domain::event::{Happened, Kind};
use keyway_domain::id::AccountId;
use keyway_secret::OsEntropy;
use keyway_store::accounts::{self, Account};
use keyway_store::{DbError, Tx};
use serde_json::json;

use super::credentials::{NewCredential, create_one};
use super::{Error, Moment, checked_name, checked_words};
use crate::codes::Code;

/// The longest external id: a UUID with room.
const EXTERNAL_ID_CHARS_MAX: usize = 100;

/// Registers a merchant, with the credentials that the scheme gives at registration.
pub fn create(
    tx: &mut Tx<'_>,
    moment: &Moment,
    name: &str,
    external_id: Option<&str>,
) -> Result<Account, Error> {
    let account = Account {
        id: AccountId::new(moment.now, &mut OsEntropy),
        external_id: external_id.map(checked_external_id).transpose()?,
        name: checked_name("name", name)?,
        suspended: false,
        created_at: moment.now,
    };
    accounts::insert(tx, &moment.keys.audit, &account).map_err(external_id_taken)?;
    let after = json!({ "name": account.name, "external_id": account.external_id });
    let happened = Happened::new(Kind::AccountCreated, json!({}), after);
    moment.record(tx, account.id, account.id.to_string(), happened)?;
    for kind in moment.realm.rules.scheme.kinds.iter().filter(|kind| kind.at_registration) {
        for environment in Environment::ALL {
            let new = NewCredential {
                kind: kind.name.clone(),
                environment,
                name: kind.label.clone(),
                ..NewCredential::default()
            };
            create_one(tx, moment, account.id, kind, new, Kind::Created)?;
        }
    }
    Ok(account)
}

/// Renames a merchant or gives it another external id.
pub fn update(
    tx: &mut Tx<'_>,
    moment: &Moment,
    id: AccountId,
    name: Option<&str>,
    external_id: Option<Option<&str>>,
) -> Result<Account, Error> {
    let mut account = accounts::lock(tx, id)?.ok_or(Error::NotFound("account"))?;
    let before = json!({ "name": account.name, "external_id": account.external_id });
    if let Some(name) = name {
        account.name = checked_name("name", name)?;
    }
    if let Some(external_id) = external_id {
        account.external_id = external_id.map(checked_external_id).transpose()?;
    }
    accounts::save(tx, &account).map_err(external_id_taken)?;
    let after = json!({ "name": account.name, "external_id": account.external_id });
    let happened = Happened::new(Kind::AccountUpdated, before, after);
    moment.record(tx, id, id.to_string(), happened)?;
    Ok(account)
}

/// Suspends a merchant, or lets it in again, with a reason that the merchant reads. Says nothing
/// new if it is so already.
pub fn set_suspended(
    tx: &mut Tx<'_>,
    moment: &Moment,
    id: AccountId,
    (suspended, reason): (bool, Option<&str>),
) -> Result<Account, Error> {
    let reason = reason.map(|reason| checked_words("reason", reason)).transpose()?;
    let mut account = accounts::lock(tx, id)?.ok_or(Error::NotFound("account"))?;
    if account.suspended == suspended {
        return Ok(account);
    }
    account.suspended = suspended;
    accounts::save(tx, &account)?;
    let kind = if suspended { Kind::AccountSuspended } else { Kind::AccountResumed };
    let mut after = json!({ "suspended": suspended });
    if let Some(reason) = reason {
        after["reason"] = reason.into();
    }
    let happened = Happened::new(kind, json!({ "suspended": !suspended }), after);
    moment.record(tx, id, id.to_string(), happened)?;
    Ok(account)
}

fn checked_external_id(id: &str) -> Result<String, Error> {
    let plain = |c: char| c.is_ascii_graphic();
    if id.is_empty() || id.len() > EXTERNAL_ID_CHARS_MAX || !id.chars().all(plain) {
        let message =
            format!("an external id has 1 to {EXTERNAL_ID_CHARS_MAX} visible ASCII characters");
        return Err(Error::invalid("external_id", message));
    }
    Ok(id.to_owned())
}

fn external_id_taken(error: DbError) -> Error {
    if error.is_duplicate() {
        let message = "another account has this external id".to_owned();
        Error::Conflict { code: Code::ExternalIdTaken, message }
    } else {
        error.into()
    }
}
