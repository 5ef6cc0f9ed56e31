//! Accounts: one merchant each.

use keyway_domain::Environment;
use keyway_domain::id::AccountId;
use keyway_domain::time::Time;
use keyway_secret::RowSealer;

use crate::audit;
use crate::changes::Change;
use crate::db::Tx;
use crate::value::{Columns, DbError, Value};

/// A merchant of the platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// The platform's own id of it.
    pub external_id: Option<String>,
    /// Its name.
    pub name: String,
    /// Whether all its credentials are refused for now.
    pub suspended: bool,
    /// When it was made.
    pub created_at: Time,
}

/// The account that holds the operator's own tokens. No merchant has it, no list shows it.
pub const OPERATOR: AccountId = AccountId(0);

const COLUMNS: &str = "id, external_id, name, suspended, created_at";

pub(crate) fn read(row: &dyn Columns) -> Result<Account, DbError> {
    Ok(Account {
        id: AccountId::parse(row.text(0)?).ok_or_else(|| DbError::broken("an account's id"))?,
        external_id: row.maybe_text(1)?.map(str::to_owned),
        name: row.text(2)?.to_owned(),
        suspended: row.integer(3)? != 0,
        created_at: Time(row.integer(4)?),
    })
}

/// Adds an account, and begins its audit log. A taken external id is a duplicate.
pub fn insert(tx: &mut Tx<'_>, keys: &RowSealer, account: &Account) -> Result<(), DbError> {
    tx.run(
        "INSERT INTO accounts (id, external_id, name, suspended, created_at)
         VALUES ($1, $2, $3, $4, $5)",
        &[
            account.id.to_string().into(),
            account.external_id.clone().into(),
            account.name.as_str().into(),
            account.suspended.into(),
            account.created_at.0.into(),
        ],
    )?;
    audit::begin(tx, keys, account.id)?;
    tx.changed(Change::Account(account.clone()));
    Ok(())
}

/// Writes an account's name, external id and suspension.
pub fn save(tx: &mut Tx<'_>, account: &Account) -> Result<(), DbError> {
    tx.run(
        "UPDATE accounts SET external_id = $2, name = $3, suspended = $4 WHERE id = $1",
        &[
            account.id.to_string().into(),
            account.external_id.clone().into(),
            account.name.as_str().into(),
            account.suspended.into(),
        ],
    )?;
    tx.changed(Change::Account(account.clone()));
    Ok(())
}

/// Reads an account.
pub fn find(tx: &mut Tx<'_>, id: AccountId) -> Result<Option<Account>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM accounts WHERE id = $1");
    tx.first(&sql, &[id.to_string().into()], read)
}

/// Reads an account and holds it until the transaction ends.
pub fn lock(tx: &mut Tx<'_>, id: AccountId) -> Result<Option<Account>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM accounts WHERE id = $1 {}", tx.lock());
    tx.first(&sql, &[id.to_string().into()], read)
}

/// Reads an account by the platform's own id.
pub fn find_external(tx: &mut Tx<'_>, external_id: &str) -> Result<Option<Account>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM accounts WHERE external_id = $1");
    tx.first(&sql, &[external_id.into()], read)
}

/// A page of accounts, newest first, those before `before`.
pub fn page(
    tx: &mut Tx<'_>,
    before: Option<AccountId>,
    limit: u32,
) -> Result<Vec<Account>, DbError> {
    let before = before.unwrap_or(AccountId(u128::MAX)).to_string();
    let sql = format!(
        "SELECT {COLUMNS} FROM accounts WHERE id < $1 AND id <> $2 ORDER BY id DESC LIMIT $3"
    );
    let values = [before.into(), OPERATOR.to_string().into(), i64::from(limit).into()];
    tx.all(&sql, &values, read)
}

/// An account as it was read; of a row that can't be, its id and why.
pub type Found = Result<Account, (String, DbError)>;

fn found(row: &dyn Columns) -> Result<Found, DbError> {
    let id = row.text(0)?;
    Ok(read(row).map_err(|error| (id.to_owned(), error)))
}

/// Reads every account, one at a time.
pub fn each(tx: &mut Tx<'_>, mut each: impl FnMut(Found)) -> Result<(), DbError> {
    tx.each(&format!("SELECT {COLUMNS} FROM accounts"), &[], |row| {
        each(found(row)?);
        Ok(())
    })
}

/// Reads the accounts that the entries of the change log between two places name.
pub fn logged(tx: &mut Tx<'_>, (after, until): (i64, i64)) -> Result<Vec<Found>, DbError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM accounts WHERE id IN (
             SELECT subject FROM change_log WHERE seq > $1 AND seq <= $2)"
    );
    tx.all(&sql, &[after.into(), until.into()], found)
}

/// The public id that the account's credentials share in the environment.
pub fn client_id(
    tx: &mut Tx<'_>,
    id: AccountId,
    environment: Environment,
) -> Result<Option<String>, DbError> {
    tx.first(
        "SELECT client_id FROM client_ids WHERE account_id = $1 AND environment = $2",
        &[id.to_string().into(), environment.as_str().into()],
        |row| Ok(row.text(0)?.to_owned()),
    )
}

/// Keeps the public id that the account's credentials share from now on.
pub fn save_client_id(
    tx: &mut Tx<'_>,
    id: AccountId,
    environment: Environment,
    client_id: &str,
) -> Result<(), DbError> {
    let values: [Value; 3] = [id.to_string().into(), environment.as_str().into(), client_id.into()];
    tx.run(
        "INSERT INTO client_ids (account_id, environment, client_id) VALUES ($1, $2, $3)",
        &values,
    )?;
    Ok(())
}
