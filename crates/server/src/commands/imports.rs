//! Taking over keys that another system issued, by their hashes.

use keyway_domain::credential::{Credential, Secret, SecretState, Status};
use keyway_domain::event::{Happened, Kind as Fact};
use keyway_domain::id::{AccountId, CredentialId};
use keyway_domain::scheme::{Kind, Presented};
use keyway_secret::{OsEntropy, imported_hash};
use keyway_store::{DbError, Tx, credentials, settings};
use serde_json::json;

use super::credentials::{NewCredential, checked_expiry, checked_grant, room_for_one};
use super::{Error, Moment, checked_name};
use crate::codes::Code;

/// What a database remembers once a key was imported.
pub const IMPORTED: &str = "imported";

/// A hash that another system kept of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// SHA-256 of the whole key.
    Sha256,
    /// SHA-512 of the whole key.
    Sha512,
}

/// What another system knew of a key.
#[derive(Debug, Clone)]
pub struct KnownHash {
    /// How it was hashed.
    pub algorithm: Algorithm,
    /// The hash in hex.
    pub hash: String,
    /// A few characters by which its owner knows it.
    pub hint: String,
}

/// Adds a credential whose secret is known by a hash only. The hash is digested again under the
/// pepper, so that the database alone can't be joined with the old one.
pub fn import(
    tx: &mut Tx<'_>,
    moment: &Moment,
    account: AccountId,
    new: NewCredential,
    known: &KnownHash,
) -> Result<Credential, Error> {
    let rules = &moment.realm.rules;
    let kind =
        rules.scheme.kind(&new.kind).filter(|kind| is_importable(kind)).ok_or_else(|| {
            Error::invalid("kind", "only kinds that are presented as one string can be imported")
        })?;
    room_for_one(tx, account)?;
    let (name, length) = match known.algorithm {
        Algorithm::Sha256 => ("sha256", 64),
        Algorithm::Sha512 => ("sha512", 128),
    };
    let hash = known.hash.to_ascii_lowercase();
    if hash.len() != length || !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Error::invalid("hash", format!("a {name} hash has {length} hex digits")));
    }
    let id = CredentialId::new(moment.now, &mut OsEntropy);
    let credential = Credential {
        id,
        account,
        environment: new.environment,
        kind: kind.name.clone(),
        name: checked_name("name", &new.name)?,
        grant: checked_grant(kind, new.grant, rules.scheme.resource_names())?,
        addresses: new.addresses,
        address_mode: new.address_mode,
        rate: new.rate,
        client_id: None,
        expires_at: checked_expiry(kind, new.expires_at, moment.now)?,
        status: Status::Live,
        created_at: moment.now,
        version: 1,
        secrets: vec![Secret {
            number: 1,
            digest: moment.keys.pepper.digest(&imported_hash(name, &hash)),
            public_id: None,
            sealed: None,
            hint: checked_hint(&known.hint)?,
            created_at: moment.now,
            state: SecretState::Current,
        }],
    };
    super::rules::check_second(tx, moment, None, &credential)?;
    credentials::insert(tx, rules, &credential).map_err(taken)?;
    settings::save(tx, IMPORTED, &[1])?;
    let after = json!({ "kind": credential.kind, "name": credential.name, "algorithm": name });
    moment.record(tx, account, id.to_string(), Happened::new(Fact::Imported, json!({}), after))?;
    Ok(credential)
}

fn is_importable(kind: &Kind) -> bool {
    kind.is_presented(Presented::Bearer) || kind.is_presented(Presented::BasicUser)
}

/// What may be shown of an imported key: at most twelve plain characters of it.
fn checked_hint(hint: &str) -> Result<String, Error> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '…');
    if hint.chars().count() > 13 || !hint.chars().all(plain) {
        return Err(Error::invalid("hint", "a hint has at most 12 letters, digits, `_` or `-`"));
    }
    Ok(hint.to_owned())
}

fn taken(error: DbError) -> Error {
    if error.is_duplicate() {
        let message = "a credential with this hash is known already".to_owned();
        Error::Conflict { code: Code::AlreadyImported, message }
    } else {
        error.into()
    }
}
