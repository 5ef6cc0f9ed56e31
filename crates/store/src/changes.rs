//! The change log: every change that verification must know, in one order.
//!
//! The head of the log is one row, which a transaction that changes something locks as the last
//! thing before it commits: so the order of the log is the order of the commits, and a reader that
//! has seen a place has seen all before it. Each entry has a random nonce and names the one before:
//! a history that was restored, or lost its newest part, has other nonces in the same places.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use keyway_coherence::Position;
use keyway_domain::credential::Credential;
use keyway_domain::id::{AccountId, CredentialId, TokenId};
use keyway_domain::time::Time;

use crate::accounts::Account;
use crate::db::Tx;
use crate::tokens::EndedToken;
use crate::value::{DbError, Value};

/// What changed, as it is after the commit.
#[derive(Debug, Clone)]
pub enum Change {
    /// A credential.
    Credential(Box<Credential>),
    /// An account.
    Account(Account),
    /// An access token that was ended.
    Token(EndedToken),
}

impl Change {
    fn subject(&self) -> String {
        match self {
            Self::Credential(credential) => credential.id.to_string(),
            Self::Account(account) => account.id.to_string(),
            // All there is to know of it: nothing is read again.
            Self::Token(token) => format!("{}/{}", token.id, token.until.0),
        }
    }
}

/// Someone who keeps a picture of the stored state.
pub trait Follower: Send + Sync {
    /// Takes the changes of one commit over, before the commit's callers are answered. Where other
    /// nodes write too, changes come from the log instead.
    fn apply(&self, changes: &[Change]);

    /// Calls `then` once the picture has reached a place of the log.
    fn reached(&self, position: Position, then: Box<dyn FnOnce() + Send>);
}

impl Tx<'_> {
    /// Notes a change for the log and the follower.
    pub(crate) fn changed(&mut self, change: Change) {
        self.changes.push(change);
    }
}

/// Changes of one transaction that are logged one by one.
const SUBJECTS_MAX: usize = 8;

/// The places that a transaction's changes take: one each, or, of a bulk act, one for all
/// credentials of an account between the first and the last that changed.
fn subjects(changes: &[Change]) -> Vec<String> {
    let mut subjects: Vec<String> = Vec::new();
    if changes.len() <= SUBJECTS_MAX {
        subjects.extend(changes.iter().map(Change::subject));
    } else {
        let mut ranges: BTreeMap<AccountId, Range> = BTreeMap::new();
        for change in changes {
            match change {
                Change::Account(_) | Change::Token(_) => subjects.push(change.subject()),
                Change::Credential(credential) => {
                    let (account, id) = (credential.account, credential.id);
                    let range =
                        ranges.entry(account).or_insert(Range { account, first: id, last: id });
                    range.first = range.first.min(id);
                    range.last = range.last.max(id);
                }
            }
        }
        subjects.extend(ranges.values().map(ToString::to_string));
    }
    subjects.sort_unstable();
    subjects.dedup();
    subjects
}

/// The credentials of an account between two, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Range {
    /// The account.
    pub account: AccountId,
    /// The first.
    pub first: CredentialId,
    /// The last.
    pub last: CredentialId,
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.account, self.first, self.last)
    }
}

/// Gives a transaction's changes their place in the log: the last, if there are several.
pub(crate) fn log(tx: &mut Tx<'_>, changes: &[Change]) -> Result<Option<Position>, DbError> {
    if changes.is_empty() {
        return Ok(None);
    }
    let mut head = locked_head(tx)?;
    for subject in subjects(changes) {
        let next = Position { seq: head.seq + 1, nonce: nonce() };
        let values = [
            next.seq.into(),
            next.nonce.into(),
            head.nonce.into(),
            subject.into(),
            tx.now.0.into(),
        ];
        tx.run_later(
            "INSERT INTO change_log (seq, nonce, prev, subject, at) VALUES ($1, $2, $3, $4, $5)",
            &values,
        )?;
        head = next;
    }
    tx.run_later(
        "UPDATE change_head SET seq = $1, nonce = $2 WHERE one = 1",
        &[head.seq.into(), head.nonce.into()],
    )?;
    Ok(Some(head))
}

fn locked_head(tx: &mut Tx<'_>) -> Result<Position, DbError> {
    let sql = format!("SELECT seq, nonce FROM change_head WHERE one = 1 {}", tx.lock());
    read_head(tx, &sql)
}

fn read_head(tx: &mut Tx<'_>, sql: &str) -> Result<Position, DbError> {
    let head =
        tx.first(sql, &[], |row| Ok(Position { seq: row.integer(0)?, nonce: row.integer(1)? }))?;
    head.ok_or_else(|| DbError::broken("the change log has no head"))
}

/// The newest place of the log.
pub fn head(tx: &mut Tx<'_>) -> Result<Position, DbError> {
    read_head(tx, "SELECT seq, nonce FROM change_head WHERE one = 1")
}

/// Whether a place is in this database's history. The one before the first is in all of them.
pub fn holds(tx: &mut Tx<'_>, position: Position) -> Result<bool, DbError> {
    if position.seq == 0 {
        return Ok(true);
    }
    let sql = "SELECT 1 FROM change_log WHERE seq = $1 AND nonce = $2";
    let values: [Value; 2] = [position.seq.into(), position.nonce.into()];
    Ok(tx.first(sql, &values, |_| Ok(()))?.is_some())
}

/// Which of some places are in this database's history, in their order.
pub fn which_hold(tx: &mut Tx<'_>, positions: &[Position]) -> Result<Vec<bool>, DbError> {
    /// So far apart they are looked up one by one.
    const APART: i64 = 4_096;
    let numbers = || positions.iter().map(|position| position.seq);
    let (Some(first), Some(last)) = (numbers().min(), numbers().max()) else {
        return Ok(Vec::new());
    };
    if last - first > APART {
        return positions.iter().map(|position| holds(tx, *position)).collect();
    }
    let known: HashSet<(i64, i64)> = tx
        .all(
            "SELECT seq, nonce FROM change_log WHERE seq >= $1 AND seq <= $2",
            &[first.into(), last.into()],
            |row| Ok((row.integer(0)?, row.integer(1)?)),
        )?
        .into_iter()
        .collect();
    let holds =
        |position: &Position| position.seq == 0 || known.contains(&(position.seq, position.nonce));
    Ok(positions.iter().map(holds).collect())
}

/// An entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place.
    pub position: Position,
    /// The nonce of the one before.
    pub prev: i64,
    /// What changed.
    pub subject: String,
}

impl Entry {
    /// The access token that was ended, if it is about one.
    pub fn token(&self) -> Option<EndedToken> {
        let (id, until) = self.subject.split_once('/')?;
        Some(EndedToken { id: TokenId::parse(id)?, until: Time(until.parse().ok()?) })
    }

    /// The credentials that are to be read again, if a bulk act changed them.
    pub fn range(&self) -> Option<Range> {
        let mut parts = self.subject.split('/');
        let account = AccountId::parse(parts.next()?)?;
        let (first, last) =
            (CredentialId::parse(parts.next()?)?, CredentialId::parse(parts.next()?)?);
        Some(Range { account, first, last })
    }
}

/// The entries after a place, oldest first.
pub fn after(tx: &mut Tx<'_>, seq: i64, limit: u32) -> Result<Vec<Entry>, DbError> {
    tx.all(
        "SELECT seq, nonce, prev, subject FROM change_log WHERE seq > $1 ORDER BY seq LIMIT $2",
        &[seq.into(), i64::from(limit).into()],
        |row| {
            Ok(Entry {
                position: Position { seq: row.integer(0)?, nonce: row.integer(1)? },
                prev: row.integer(2)?,
                subject: row.text(3)?.to_owned(),
            })
        },
    )
}

/// Forgets some entries from before an instant, never the newest ten thousand; how many.
pub fn prune(tx: &mut Tx<'_>, before: Time, limit: u32) -> Result<u64, DbError> {
    tx.run(
        "DELETE FROM change_log WHERE seq IN (
             SELECT l.seq FROM change_log l WHERE l.at < $1
                 AND l.seq < (SELECT h.seq - 10000 FROM change_head h WHERE h.one = 1)
             ORDER BY l.seq LIMIT $2)",
        &[before.0.into(), i64::from(limit).into()],
    )
}

fn nonce() -> i64 {
    use keyway_secret::Entropy as _;
    let mut bytes = [0; 8];
    keyway_secret::OsEntropy.fill(&mut bytes);
    i64::from_be_bytes(bytes)
}
