//! Credentials with their secrets: one aggregate, saved whole, sealed row by row.

use std::sync::Arc;

use keyway_domain::Environment;
use keyway_domain::credential::{
    AddressMode, Credential, EndedBecause, RateLimit, Secret, SecretState, Status,
};
use keyway_domain::grant::Grant;
use keyway_domain::id::{AccountId, CredentialId};
use keyway_domain::scheme::Scheme;
use keyway_domain::time::Time;
use keyway_secret::{Digest, RowSeal, RowSealer};

use crate::accounts::OPERATOR;
use crate::changes::Change;
use crate::db::{Locking, Tx};
use crate::due;
use crate::value::{Columns, DbError, Trouble, Value};

mod division;
mod load;

pub use division::{Division, Lead};
pub use load::{Found, Realm, each, each_in, each_of_account, each_together, named};

/// What is needed to read and write credentials: names of resources, and the seal's key.
#[derive(Clone)]
pub struct Rules {
    /// The scheme whose credentials they are.
    pub scheme: Arc<Scheme>,
    /// Makes and checks row seals.
    pub seals: RowSealer,
}

const HEAD: &str = "SELECT id, account_id, environment, kind, name, grants, addresses, \
    rate_requests, rate_window_ms, client_id, expires_at, status, status_at, created_at, version, \
    seal, address_mode FROM credentials";

const SECRET: &str = "SELECT number, digest, public_id, sealed, hint, created_at, state, state_at, \
    credential_id FROM secrets";

/// Adds a credential. A second live one of a single kind is a duplicate.
pub fn insert(tx: &mut Tx<'_>, rules: &Rules, credential: &Credential) -> Result<(), DbError> {
    let single = rules.scheme.kind(&credential.kind).is_some_and(|kind| kind.single);
    tx.run(
        "INSERT INTO credentials (id, account_id, environment, kind, single, name, grants,
             addresses, rate_requests, rate_window_ms, client_id, expires_at, status, status_at,
             created_at, version, seal, address_mode)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)",
        &[
            credential.id.to_string().into(),
            credential.account.to_string().into(),
            credential.environment.as_str().into(),
            credential.kind.as_str().into(),
            single.into(),
            credential.name.as_str().into(),
            credential.grant.to_column(rules.scheme.resource_names()).into(),
            addresses(credential).into(),
            credential.rate.map(|rate| i64::from(rate.requests)).into(),
            credential.rate.map(|rate| i64::from(rate.window_ms)).into(),
            credential.client_id.clone().into(),
            credential.expires_at.map(|at| at.0).into(),
            status(credential.status).0.into(),
            status(credential.status).1.into(),
            credential.created_at.0.into(),
            credential.version.into(),
            seal(rules, credential).as_slice().into(),
            credential.address_mode.as_str().into(),
        ],
    )?;
    for secret in &credential.secrets {
        insert_secret(tx, credential.id, secret)?;
    }
    due::replan(tx, &rules.scheme, credential)?;
    tx.changed(Change::Credential(Box::new(credential.clone())));
    Ok(())
}

/// Writes a credential as it is now, its secrets with it.
pub fn save(tx: &mut Tx<'_>, rules: &Rules, credential: &Credential) -> Result<(), DbError> {
    tx.run_later(
        "UPDATE credentials SET name = $2, grants = $3, addresses = $4, rate_requests = $5,
             rate_window_ms = $6, expires_at = $7, status = $8, status_at = $9, version = $10,
             seal = $11, address_mode = $12
         WHERE id = $1",
        &[
            credential.id.to_string().into(),
            credential.name.as_str().into(),
            credential.grant.to_column(rules.scheme.resource_names()).into(),
            addresses(credential).into(),
            credential.rate.map(|rate| i64::from(rate.requests)).into(),
            credential.rate.map(|rate| i64::from(rate.window_ms)).into(),
            credential.expires_at.map(|at| at.0).into(),
            status(credential.status).0.into(),
            status(credential.status).1.into(),
            credential.version.into(),
            seal(rules, credential).as_slice().into(),
            credential.address_mode.as_str().into(),
        ],
    )?;
    // Ended ones first: at no moment may two rows be current, or two retiring.
    let mut secrets: Vec<&Secret> = credential.secrets.iter().collect();
    secrets.sort_by_key(|secret| match secret.state {
        SecretState::Ended { .. } => 0,
        SecretState::Retiring { .. } => 1,
        SecretState::Current => 2,
    });
    for secret in secrets {
        let (state, at) = state(secret.state);
        let updated = tx.run(
            "UPDATE secrets SET state = $3, state_at = $4 WHERE credential_id = $1 AND number = $2",
            &[
                credential.id.to_string().into(),
                i64::from(secret.number).into(),
                state.into(),
                at.into(),
            ],
        )?;
        if updated == 0 {
            insert_secret(tx, credential.id, secret)?;
        }
    }
    forget_missing(tx, credential)?;
    due::replan(tx, &rules.scheme, credential)?;
    tx.changed(Change::Credential(Box::new(credential.clone())));
    Ok(())
}

/// Has a credential read again by everyone who follows the log: what it says has not changed, but
/// what somebody makes of it has. Whether there is one.
pub fn announce(tx: &mut Tx<'_>, rules: &Rules, id: CredentialId) -> Result<bool, DbError> {
    let sql = format!("{HEAD} WHERE id = $1 {}", tx.lock());
    let Some(found) = one(tx, rules, &sql, &[id.to_string().into()])? else { return Ok(false) };
    tx.changed(Change::Credential(Box::new(found)));
    Ok(true)
}

/// Holds an account's live credentials until the transaction ends.
pub fn lock_live(tx: &mut Tx<'_>, account: AccountId) -> Result<(), DbError> {
    if tx.locking == Locking::None {
        return Ok(());
    }
    // Counted there: what is locked need not be sent.
    let sql = format!(
        "SELECT COUNT(*) FROM (
             SELECT id FROM credentials WHERE account_id = $1 AND status = 'live' ORDER BY id {}
         ) AS locked",
        tx.lock()
    );
    tx.each(&sql, &[account.to_string().into()], |_| Ok(()))
}

/// Writes credentials that have ended with all their secrets.
pub fn save_ended(tx: &mut Tx<'_>, rules: &Rules, ended: &[Credential]) -> Result<(), DbError> {
    let heads = ended.iter().map(|credential| {
        let (status, at) = status(credential.status);
        let seal = seal(rules, credential);
        let id = credential.id.to_string();
        vec![id.into(), status.into(), at.into(), credential.version.into(), seal.as_slice().into()]
    });
    let update = (
        "WITH ended (id, status, status_at, version, seal) AS (VALUES",
        ") UPDATE credentials SET status = ended.status, status_at = ended.status_at,
             version = ended.version, seal = ended.seal
         FROM ended WHERE credentials.id = ended.id",
    );
    tx.run_over(update, heads.collect())?;
    let secrets = ended.iter().flat_map(|credential| {
        credential.secrets.iter().map(|secret| {
            let (state, at) = state(secret.state);
            let (id, number) = (credential.id.to_string(), i64::from(secret.number));
            vec![id.into(), number.into(), state.into(), at.into()]
        })
    });
    let update = (
        "WITH ended (id, number, state, state_at) AS (VALUES",
        ") UPDATE secrets SET state = ended.state, state_at = ended.state_at
         FROM ended WHERE secrets.credential_id = ended.id AND secrets.number = ended.number",
    );
    tx.run_over(update, secrets.collect())?;
    due::forget_plans(tx, ended)?;
    for credential in ended {
        tx.changed(Change::Credential(Box::new(credential.clone())));
    }
    Ok(())
}

/// Removes the rows of secrets that the credential no longer remembers.
fn forget_missing(tx: &mut Tx<'_>, credential: &Credential) -> Result<(), DbError> {
    let id = credential.id.to_string();
    let sql = "SELECT number FROM secrets WHERE credential_id = $1";
    let stored = tx.all(sql, &[id.as_str().into()], |row| row.integer(0))?;
    let known =
        |number: i64| credential.secrets.iter().any(|secret| i64::from(secret.number) == number);
    for number in stored.into_iter().filter(|number| !known(*number)) {
        let sql = "DELETE FROM secrets WHERE credential_id = $1 AND number = $2";
        tx.run(sql, &[id.as_str().into(), number.into()])?;
    }
    Ok(())
}

fn insert_secret(tx: &mut Tx<'_>, id: CredentialId, secret: &Secret) -> Result<(), DbError> {
    let (state, at) = state(secret.state);
    tx.run(
        "INSERT INTO secrets (credential_id, number, digest, public_id, sealed, hint, created_at,
             state, state_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        &[
            id.to_string().into(),
            i64::from(secret.number).into(),
            secret.digest.0.as_slice().into(),
            secret.public_id.clone().into(),
            secret.sealed.as_deref().into(),
            secret.hint.as_str().into(),
            secret.created_at.0.into(),
            state.into(),
            at.into(),
        ],
    )?;
    Ok(())
}

/// Reads a credential of an account and holds it until the transaction ends.
pub fn lock(
    tx: &mut Tx<'_>,
    rules: &Rules,
    account: AccountId,
    id: CredentialId,
) -> Result<Option<Credential>, DbError> {
    let sql = format!("{HEAD} WHERE account_id = $1 AND id = $2 {}", tx.lock());
    one(tx, rules, &sql, &[account.to_string().into(), id.to_string().into()])
}

/// Reads a credential of an account.
pub fn find(
    tx: &mut Tx<'_>,
    rules: &Rules,
    account: AccountId,
    id: CredentialId,
) -> Result<Option<Credential>, DbError> {
    let sql = format!("{HEAD} WHERE account_id = $1 AND id = $2");
    one(tx, rules, &sql, &[account.to_string().into(), id.to_string().into()])
}

/// Reads a credential of whatever account, for the operator who has a request id in hand.
pub fn find_any(
    tx: &mut Tx<'_>,
    rules: &Rules,
    id: CredentialId,
) -> Result<Option<Credential>, DbError> {
    let sql = format!("{HEAD} WHERE id = $1 AND account_id <> $2");
    one(tx, rules, &sql, &[id.to_string().into(), OPERATOR.to_string().into()])
}

fn one(
    tx: &mut Tx<'_>,
    rules: &Rules,
    sql: &str,
    values: &[Value],
) -> Result<Option<Credential>, DbError> {
    let Some(mut head) = tx.first(sql, values, |row| Heads::of(rules).read(row))? else {
        return Ok(None);
    };
    add_secrets(tx, &mut head)?;
    checked(rules, head).map(Some)
}

fn add_secrets(tx: &mut Tx<'_>, head: &mut Head) -> Result<(), DbError> {
    let sql = format!("{SECRET} WHERE credential_id = $1 ORDER BY number DESC");
    head.credential.secrets =
        tx.all(&sql, &[head.credential.id.to_string().into()], read_secret)?;
    Ok(())
}

/// Which credentials a page shows.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this environment.
    pub environment: Option<Environment>,
    /// Of this kind.
    pub kind: Option<String>,
    /// Also those that were revoked.
    pub revoked: bool,
    /// Older than this one.
    pub before: Option<CredentialId>,
}

/// A page of an account's credentials, newest first. Deleted ones are on no page.
pub fn page(
    tx: &mut Tx<'_>,
    rules: &Rules,
    account: AccountId,
    filter: &Filter,
    limit: u32,
) -> Result<Vec<Credential>, DbError> {
    let before = filter.before.unwrap_or(CredentialId(u128::MAX)).to_string();
    let sql = format!(
        "{HEAD} WHERE account_id = $1 AND id < $2 AND status <> 'deleted'
             AND (environment = $3 OR $3 IS NULL) AND (kind = $4 OR $4 IS NULL)
             AND (status = 'live' OR $5 = 1)
         ORDER BY id DESC LIMIT $6"
    );
    let values = [
        account.to_string().into(),
        before.into(),
        filter.environment.map(Environment::as_str).into(),
        filter.kind.clone().into(),
        filter.revoked.into(),
        i64::from(limit).into(),
    ];
    let mut page = Vec::new();
    let mut heads = Heads::of(rules);
    let mut found = Vec::new();
    tx.each(&sql, &values, |row| {
        found.push(heads.read(row)?);
        Ok(())
    })?;
    for mut head in found {
        add_secrets(tx, &mut head)?;
        page.push(checked(rules, head)?);
    }
    Ok(page)
}

/// How many live credentials an account has.
pub fn count_live(tx: &mut Tx<'_>, account: AccountId) -> Result<u64, DbError> {
    let count = tx.first(
        "SELECT COUNT(*) FROM credentials WHERE account_id = $1 AND status = 'live'",
        &[account.to_string().into()],
        |row| row.integer(0),
    )?;
    Ok(u64::try_from(count.unwrap_or(0)).unwrap_or(0))
}

/// About how many secrets there are, ended ones included.
pub fn about_secrets(tx: &mut Tx<'_>) -> Result<u64, DbError> {
    tx.about("secrets")
}

/// A credential without its secrets yet, and the seal that must fit it with them.
struct Head {
    credential: Credential,
    seal: RowSeal,
}

fn checked(rules: &Rules, head: Head) -> Result<Credential, DbError> {
    check(rules, &head).map(|()| head.credential)
}

fn check(rules: &Rules, head: &Head) -> Result<(), DbError> {
    let bytes = head.credential.sealed_bytes(rules.scheme.resource_names());
    if rules.seals.holds(&bytes, &head.seal) {
        Ok(())
    } else {
        let message = format!("the seal of {} does not fit", head.credential.id);
        Err(DbError::new(Trouble::Tampered, message))
    }
}

fn seal(rules: &Rules, credential: &Credential) -> [u8; 32] {
    rules.seals.seal(&credential.sealed_bytes(rules.scheme.resource_names())).0
}

fn addresses(credential: &Credential) -> String {
    let ranges: Vec<String> = credential.addresses.iter().map(ToString::to_string).collect();
    ranges.join(" ")
}

fn status(status: Status) -> (&'static str, Option<i64>) {
    match status {
        Status::Live => ("live", None),
        Status::Revoked { at } => ("revoked", Some(at.0)),
        Status::Deleted { at } => ("deleted", Some(at.0)),
    }
}

fn state(state: SecretState) -> (&'static str, Option<i64>) {
    match state {
        SecretState::Current => ("current", None),
        SecretState::Retiring { until } => ("retiring", Some(until.0)),
        SecretState::Ended { at, why } => {
            let word = match why {
                EndedBecause::Replaced => "replaced",
                EndedBecause::RolledBack => "rolled_back",
                EndedBecause::Revoked => "revoked",
            };
            (word, Some(at.0))
        }
    }
}

/// Reads heads, mostly many: whose grant is the one before's is not read anew.
struct Heads<'r> {
    rules: &'r Rules,
    /// The column and what it says.
    grant: (String, Grant),
}

impl<'r> Heads<'r> {
    fn of(rules: &'r Rules) -> Self {
        Self { rules, grant: ("*".to_owned(), Grant::Everything) }
    }

    fn read(&mut self, row: &dyn Columns) -> Result<Head, DbError> {
        let broken = |what: &str| DbError::broken(what);
        let status_at = row.maybe_integer(12)?.map(Time);
        let status = match (row.text(11)?, status_at) {
            ("live", None) => Status::Live,
            ("revoked", Some(at)) => Status::Revoked { at },
            ("deleted", Some(at)) => Status::Deleted { at },
            _ => return Err(broken("a status")),
        };
        let addresses = row.text(6)?.split_ascii_whitespace().map(str::parse);
        let rate = match (row.maybe_integer(7)?, row.maybe_integer(8)?) {
            (Some(requests), Some(window_ms)) => Some(RateLimit {
                requests: u32::try_from(requests).map_err(DbError::broken)?,
                window_ms: u32::try_from(window_ms).map_err(DbError::broken)?,
            }),
            _ => None,
        };
        let credential = Credential {
            id: CredentialId::parse(row.text(0)?).ok_or_else(|| broken("a credential's id"))?,
            account: AccountId::parse(row.text(1)?).ok_or_else(|| broken("an account's id"))?,
            environment: Environment::parse(row.text(2)?)
                .ok_or_else(|| broken("an environment"))?,
            kind: row.text(3)?.to_owned(),
            name: row.text(4)?.to_owned(),
            grant: self.grant(row.text(5)?)?,
            addresses: addresses.collect::<Result<_, _>>().map_err(DbError::broken)?,
            address_mode: AddressMode::parse(row.text(16)?)
                .ok_or_else(|| broken("an address mode"))?,
            rate,
            client_id: row.maybe_text(9)?.map(str::to_owned),
            expires_at: row.maybe_integer(10)?.map(Time),
            status,
            created_at: Time(row.integer(13)?),
            version: row.integer(14)?,
            secrets: Vec::with_capacity(1),
        };
        let seal = <[u8; 32]>::try_from(row.blob(15)?).map_err(|_| broken("a seal"))?;
        Ok(Head { credential, seal: RowSeal(seal) })
    }

    fn grant(&mut self, column: &str) -> Result<Grant, DbError> {
        if self.grant.0 != column {
            let grant = Grant::from_column(column, |name| self.rules.scheme.resource(name));
            let broken = || DbError::broken("a grant (has the scheme lost a resource?)");
            self.grant = (column.to_owned(), grant.ok_or_else(broken)?);
        }
        Ok(self.grant.1)
    }
}

fn read_secret(row: &dyn Columns) -> Result<Secret, DbError> {
    let at = row.maybe_integer(7)?.map(Time);
    let state = match (row.text(6)?, at) {
        ("current", None) => SecretState::Current,
        ("retiring", Some(until)) => SecretState::Retiring { until },
        ("replaced", Some(at)) => SecretState::Ended { at, why: EndedBecause::Replaced },
        ("rolled_back", Some(at)) => SecretState::Ended { at, why: EndedBecause::RolledBack },
        ("revoked", Some(at)) => SecretState::Ended { at, why: EndedBecause::Revoked },
        _ => return Err(DbError::broken("a secret's state")),
    };
    let digest = <[u8; 32]>::try_from(row.blob(1)?);
    Ok(Secret {
        number: u32::try_from(row.integer(0)?).map_err(DbError::broken)?,
        digest: Digest(digest.map_err(|_| DbError::broken("a digest"))?),
        public_id: row.maybe_text(2)?.map(str::to_owned),
        sealed: row.maybe_blob(3)?.map(<[u8]>::to_vec),
        hint: row.text(4)?.to_owned(),
        created_at: Time(row.integer(5)?),
        state,
    })
}
