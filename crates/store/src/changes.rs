//! The change log: every change that verification must know, in one order.

use keyway_domain::credential::Credential;
use keyway_domain::id::AccountId;

use crate::accounts::Account;
use crate::db::Tx;
use crate::value::DbError;

/// What changed, as it is after the commit.
#[derive(Debug, Clone)]
pub enum Change {
    /// A credential.
    Credential(Box<Credential>),
    /// An account.
    Account(Account),
}

/// Someone who keeps a picture of the stored state, told of every change in order.
pub trait Follower: Send + Sync {
    /// Takes the changes of one commit over. Called before the commit's callers are answered.
    fn apply(&self, changes: &[Change]);
}

impl Tx<'_> {
    /// Notes a change for the log and the follower.
    pub(crate) fn changed(&mut self, change: Change) {
        self.changes.push(change);
    }
}

/// Gives a transaction's changes one position in the log.
pub(crate) fn log(tx: &mut Tx<'_>) -> Result<(), DbError> {
    if tx.changes.is_empty() {
        return Ok(());
    }
    let subject = match tx.changes.as_slice() {
        [Change::Credential(credential)] => credential.id.to_string(),
        [Change::Account(account)] => account.id.to_string(),
        _ => account_of(&tx.changes),
    };
    let nonce = nonce();
    let sql = format!("SELECT seq, nonce FROM change_head WHERE one = 1 {}", tx.lock());
    let head = tx.first(&sql, &[], |row| Ok((row.integer(0)?, row.integer(1)?)))?;
    let (seq, prev) = head.ok_or_else(|| DbError::broken("the change log has no head"))?;
    tx.run(
        "UPDATE change_head SET seq = $1, nonce = $2 WHERE one = 1",
        &[(seq + 1).into(), nonce.into()],
    )?;
    let values = [(seq + 1).into(), nonce.into(), prev.into(), subject.into(), tx.now.0.into()];
    tx.run(
        "INSERT INTO change_log (seq, nonce, prev, subject, at) VALUES ($1, $2, $3, $4, $5)",
        &values,
    )?;
    Ok(())
}

/// A bulk change is named after its account; one over several accounts has no single subject.
fn account_of(changes: &[Change]) -> String {
    let account = |change: &Change| -> AccountId {
        match change {
            Change::Credential(credential) => credential.account,
            Change::Account(account) => account.id,
        }
    };
    let mut accounts = changes.iter().map(account);
    let first = accounts.next();
    match first {
        Some(first) if accounts.all(|other| other == first) => first.to_string(),
        _ => "*".to_owned(),
    }
}

fn nonce() -> i64 {
    use keyway_secret::Entropy as _;
    let mut bytes = [0; 8];
    keyway_secret::OsEntropy.fill(&mut bytes);
    i64::from_be_bytes(bytes)
}
