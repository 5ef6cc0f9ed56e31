//! Imports over HTTP: a batch is one transaction, all or none.

use http::StatusCode;
use keyway_domain::id::CredentialId;
use keyway_domain::limits::BATCH_MAX;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Call, Caller, Done, Problem, Reply, value};
use crate::commands::Error;
use crate::commands::credentials::NewCredential;
use crate::commands::imports::{self, Algorithm, KnownHash};
use crate::http::body::{self, GrantBody, OnBehalfOf};
use crate::http::openapi::shapes as shape;

/// Keys to take over.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "ImportCredentials")]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// Which.
    #[schemars(length(min = 1, max = BATCH_MAX))]
    #[serde(deserialize_with = "body::objects")]
    keys: Vec<Key>,
    /// The member for whom the platform acts.
    #[serde(default, deserialize_with = "body::object")]
    on_behalf_of: Option<OnBehalfOf>,
}

/// A key that another system issued.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "ImportedKey")]
#[serde(deny_unknown_fields)]
struct Key {
    /// A kind of the scheme that is presented as one string.
    #[schemars(with = "shape::KindName")]
    kind: String,
    /// The environment that it belongs to.
    #[schemars(with = "shape::Environment")]
    environment: String,
    /// What its owner calls it.
    #[schemars(with = "shape::Name")]
    name: String,
    /// How the whole key was hashed.
    #[schemars(with = "shape::Algorithm")]
    algorithm: String,
    /// The hash in hex: 64 digits of `sha256`, 128 of `sha512`.
    #[schemars(with = "shape::Digest")]
    hash: String,
    /// A few characters of the key by which its owner knows it.
    #[serde(default)]
    #[schemars(with = "shape::Hint")]
    hint: String,
    /// What it may do, for kinds whose grant is chosen.
    #[serde(default)]
    grant: Option<GrantBody>,
    /// When it stops.
    #[serde(default)]
    #[schemars(with = "Option<shape::Expiry>")]
    expires_at: Option<String>,
}

/// What was taken over.
#[derive(Serialize, JsonSchema)]
pub struct Imported {
    /// How many.
    #[schemars(example = 1)]
    imported: usize,
    /// Their ids, in the order of the batch.
    #[schemars(with = "Vec<shape::CredentialId>")]
    credentials: Vec<CredentialId>,
}

/// `POST …/credentials/import`
pub async fn import(call: Call, caller: Caller) -> Result<Reply, Problem> {
    let account = call.account()?;
    let body: Batch = body::read(&call.body)?;
    if body.keys.is_empty() || body.keys.len() > BATCH_MAX {
        return Err(Problem::invalid("keys", format!("a batch has 1 to {BATCH_MAX} keys")));
    }
    let realm = call.app.platform.clone();
    let scheme = &realm.rules.scheme;
    let mut keys = Vec::with_capacity(body.keys.len());
    for (place, key) in body.keys.iter().enumerate() {
        let at = |problem: Problem| {
            let field = problem.field.unwrap_or_default();
            Problem { field: Some(format!("keys[{place}].{field}")), ..problem }
        };
        let algorithm = match key.algorithm.as_str() {
            "sha256" => Algorithm::Sha256,
            "sha512" => Algorithm::Sha512,
            _ => {
                let message = "use `sha256` or `sha512`; salted hashes such as bcrypt can't be \
                               looked up, give those merchants new keys";
                return Err(at(Problem::invalid("algorithm", message)));
            }
        };
        let grant = key.grant.as_ref().map(|grant| grant.resolve(scheme)).transpose();
        let new = NewCredential {
            kind: key.kind.clone(),
            environment: body::environment(&key.environment).map_err(at)?,
            name: key.name.clone(),
            grant: grant.map_err(at)?,
            expires_at: key.expires_at.as_deref().map(body::expiry).transpose().map_err(at)?,
            ..NewCredential::default()
        };
        let (hash, hint) = (key.hash.clone(), key.hint.clone());
        keys.push((new, KnownHash { algorithm, hash, hint }));
    }
    let app = std::sync::Arc::clone(&call.app);
    let reply = call
        .mutate(&caller, &realm, body.on_behalf_of, StatusCode::CREATED, move |tx, moment| {
            let mut ids = Vec::with_capacity(keys.len());
            for (place, (new, known)) in keys.iter().enumerate() {
                let made = imports::import(tx, moment, account, new.clone(), known);
                ids.push(made.map_err(|error| placed(error, place))?.id);
            }
            let imported = Imported { imported: ids.len(), credentials: ids };
            Ok(Done { body: value(&imported), shown: None })
        })
        .await?;
    app.platform.engine.set_imported();
    Ok(reply)
}

/// Names the key of the batch that is wrong.
fn placed(error: Error, place: usize) -> Error {
    match error {
        Error::Invalid { field, message } => {
            Error::Invalid { field: format!("keys[{place}].{field}"), message }
        }
        Error::Conflict { code, message } => {
            Error::Conflict { code, message: format!("keys[{place}]: {message}") }
        }
        other => other,
    }
}
