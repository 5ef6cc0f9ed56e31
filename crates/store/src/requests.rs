//! Requests that were judged, newest first, for some days.

use std::collections::BTreeMap;

use keyway_domain::id::{AccountId, CredentialId};
use keyway_domain::time::Time;

use crate::db::Tx;
use crate::value::{Columns, DbError, Value};

const HOUR_MS: i64 = 3_600_000;

/// Where a request stands among all: its instant, its node and that node's count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(pub u128);

impl Place {
    /// The place of a request.
    pub fn new(at: Time, node: u16, sequence: u32) -> Self {
        let at = u128::from(at.0.max(0).unsigned_abs());
        Self((at << 48) | (u128::from(node) << 32) | u128::from(sequence))
    }

    /// The first place at an instant.
    pub fn first_at(at: Time) -> Self {
        Self::new(at, 0, 0)
    }

    /// When it was.
    pub fn at(self) -> Time {
        Time(i64::try_from(self.0 >> 48).unwrap_or(i64::MAX))
    }

    fn text(self) -> String {
        format!("{:028x}", self.0)
    }

    fn parse(text: &str) -> Option<Self> {
        u128::from_str_radix(text, 16).ok().map(Self)
    }
}

/// A request as it is written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Where it stands.
    pub place: Place,
    /// Its id, as the client has it.
    pub id: String,
    /// The credential it came with.
    pub credential: CredentialId,
    /// Which of its secrets.
    pub secret: u32,
    /// The credential's environment.
    pub environment: String,
    /// `allowed`, `address_reported`, or the reason of the refusal.
    pub outcome: String,
    /// Its method; empty if it named none.
    pub method: String,
    /// The pattern of its route; empty if no list names it.
    pub route: String,
    /// What it needed, such as `invoices:read`.
    pub need: String,
    /// Where it came from, as far as the API said.
    pub address: String,
}

/// The outcome that is no refusal.
pub const ALLOWED: &str = "allowed";
/// The outcome of a request that passed, and that an address list would have refused if it did not
/// only report.
pub const REPORTED: &str = "address_reported";

/// Requests of several accounts, to be added together.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// The requests.
    pub requests: Vec<(AccountId, Request)>,
    /// How many were not written down.
    pub missed: BTreeMap<AccountId, u64>,
    /// When they were missed.
    pub at: Time,
}

impl Batch {
    /// Cuts it into batches of at most so many requests; none where there is nothing in it.
    pub fn split(self, rows: usize) -> Vec<Self> {
        let at = self.at;
        let chunks = self.requests.chunks(rows.max(1));
        let mut batches: Vec<Self> = chunks
            .map(|chunk| Self { requests: chunk.to_vec(), missed: BTreeMap::new(), at })
            .collect();
        if batches.is_empty() && !self.missed.is_empty() {
            batches.push(Self { requests: Vec::new(), missed: BTreeMap::new(), at });
        }
        if let Some(first) = batches.first_mut() {
            first.missed = self.missed;
        }
        batches
    }
}

/// Adds requests. Of an account that has more than so many then, the oldest are forgotten.
pub fn add(tx: &mut Tx<'_>, batch: &Batch, kept_max: u32) -> Result<(), DbError> {
    let insert = (
        "INSERT INTO requests (account_id, place, request_id, credential_id, secret, environment,
             outcome, method, route, need, address) VALUES",
        "ON CONFLICT (account_id, place) DO NOTHING",
    );
    tx.run_over(insert, batch.requests.iter().map(row_of).collect())?;
    let mut added: BTreeMap<AccountId, i64> = BTreeMap::new();
    for (account, _) in &batch.requests {
        *added.entry(*account).or_default() += 1;
    }
    let count = (
        "INSERT INTO request_counts (account_id, kept) VALUES",
        "ON CONFLICT (account_id) DO UPDATE SET kept = request_counts.kept + excluded.kept",
    );
    let rows = added.iter().map(|(id, added)| vec![id.to_string().into(), (*added).into()]);
    tx.run_over(count, rows.collect())?;
    for (account, over) in over(tx, &added, i64::from(kept_max))? {
        // Twice as many as came: it gets back to what may be kept, and no batch takes long.
        forget_oldest(tx, account, over.min(added[&account] * 2))?;
    }
    let hour = batch.at.0 - batch.at.0.rem_euclid(HOUR_MS);
    for (account, missed) in &batch.missed {
        tx.run_later(
            "INSERT INTO request_gaps (account_id, hour, missed) VALUES ($1, $2, $3)
             ON CONFLICT (account_id, hour)
             DO UPDATE SET missed = request_gaps.missed + excluded.missed",
            &[
                account.to_string().into(),
                hour.into(),
                i64::try_from(*missed).unwrap_or(i64::MAX).into(),
            ],
        )?;
    }
    Ok(())
}

fn row_of((account, request): &(AccountId, Request)) -> Vec<Value> {
    vec![
        account.to_string().into(),
        request.place.text().into(),
        request.id.as_str().into(),
        request.credential.to_string().into(),
        i64::from(request.secret).into(),
        request.environment.as_str().into(),
        request.outcome.as_str().into(),
        request.method.as_str().into(),
        request.route.as_str().into(),
        request.need.as_str().into(),
        request.address.as_str().into(),
    ]
}

/// Accounts that are asked about at once.
const ASKED: usize = 64;

/// By how many of these accounts have more than so many.
fn over(
    tx: &mut Tx<'_>,
    accounts: &BTreeMap<AccountId, i64>,
    kept_max: i64,
) -> Result<Vec<(AccountId, i64)>, DbError> {
    let places: Vec<String> = (2..2 + ASKED).map(|place| format!("${place}")).collect();
    let sql = format!(
        "SELECT account_id, kept - $1 FROM request_counts
         WHERE account_id IN ({}) AND kept > $1",
        places.join(", ")
    );
    let ids: Vec<AccountId> = accounts.keys().copied().collect();
    let mut over = Vec::new();
    for some in ids.chunks(ASKED) {
        let mut values: Vec<Value> = vec![kept_max.into()];
        values.extend(some.iter().map(|id| Value::from(id.to_string())));
        values.resize(1 + ASKED, "".into());
        over.extend(tx.all(&sql, &values, |row| {
            let id = AccountId::parse(row.text(0)?);
            Ok((id.ok_or_else(|| DbError::broken("an account's id"))?, row.integer(1)?))
        })?);
    }
    Ok(over)
}

fn forget_oldest(tx: &mut Tx<'_>, account: AccountId, many: i64) -> Result<(), DbError> {
    let id: Value = account.to_string().into();
    let gone = tx.run(
        "DELETE FROM requests WHERE account_id = $1 AND place IN
             (SELECT place FROM requests WHERE account_id = $1 ORDER BY place LIMIT $2)",
        &[id.clone(), many.into()],
    )?;
    count_gone(tx, id, gone)
}

fn count_gone(tx: &mut Tx<'_>, account: Value, gone: u64) -> Result<(), DbError> {
    tx.run(
        "UPDATE request_counts SET kept = kept - $2 WHERE account_id = $1",
        &[account, i64::try_from(gone).unwrap_or(0).into()],
    )?;
    Ok(())
}

/// Which requests of an account. All that is said must hold.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Before this one: the page after it.
    pub before: Option<Place>,
    /// This one only.
    pub only: Option<Place>,
    /// At this instant or later.
    pub since: Option<Time>,
    /// Before this instant.
    pub until: Option<Time>,
    /// With this credential.
    pub credential: Option<CredentialId>,
    /// With this outcome.
    pub outcome: Option<String>,
    /// Refused, whatever for.
    pub is_refused: bool,
    /// On this route.
    pub route: Option<String>,
    /// From this address.
    pub address: Option<String>,
}

impl Filter {
    fn values(&self, account: AccountId) -> Vec<Value> {
        let upper = [
            self.before.unwrap_or(Place(u128::MAX >> 16)),
            self.until.map_or(Place(u128::MAX >> 16), Place::first_at),
            self.only.map_or(Place(u128::MAX >> 16), |only| Place(only.0.saturating_add(1))),
        ];
        let upper = upper.into_iter().min().unwrap_or(Place(0));
        let lower = self.since.map_or(Place(0), Place::first_at).max(self.only.unwrap_or(Place(0)));
        vec![
            account.to_string().into(),
            upper.text().into(),
            lower.text().into(),
            self.credential.map(|id| id.to_string()).into(),
            self.outcome.clone().into(),
            self.is_refused.into(),
            self.route.clone().into(),
            self.address.clone().into(),
        ]
    }
}

/// Requests of an account, the newest first.
pub fn page(
    tx: &mut Tx<'_>,
    account: AccountId,
    filter: &Filter,
    limit: u32,
) -> Result<Vec<Request>, DbError> {
    let mut values = filter.values(account);
    values.push(i64::from(limit).into());
    tx.all(
        "SELECT place, request_id, credential_id, secret, environment, outcome, method, route,
             need, address
         FROM requests
         WHERE account_id = $1 AND place < $2 AND place >= $3
             AND (credential_id = $4 OR $4 IS NULL)
             AND (outcome = $5 OR $5 IS NULL)
             AND ($6 = 0 OR outcome NOT IN ('allowed', 'address_reported'))
             AND (route = $7 OR $7 IS NULL)
             AND (address = $8 OR $8 IS NULL)
         ORDER BY place DESC LIMIT $9",
        &values,
        read,
    )
}

fn read(row: &dyn Columns) -> Result<Request, DbError> {
    let text = |column| Ok::<_, DbError>(row.text(column)?.to_owned());
    Ok(Request {
        place: Place::parse(row.text(0)?).ok_or_else(|| DbError::broken("a request's place"))?,
        id: text(1)?,
        credential: CredentialId::parse(row.text(2)?)
            .ok_or_else(|| DbError::broken("a credential's id"))?,
        secret: u32::try_from(row.integer(3)?).map_err(DbError::broken)?,
        environment: text(4)?,
        outcome: text(5)?,
        method: text(6)?,
        route: text(7)?,
        need: text(8)?,
        address: text(9)?,
    })
}

/// How many of an account's requests were not written down since an instant.
pub fn missed(tx: &mut Tx<'_>, account: AccountId, since: Time) -> Result<i64, DbError> {
    let hour = since.0 - since.0.rem_euclid(HOUR_MS);
    let found = tx.first(
        "SELECT CAST(COALESCE(SUM(missed), 0) AS BIGINT) FROM request_gaps
         WHERE account_id = $1 AND hour >= $2",
        &[account.to_string().into(), hour.into()],
        |row| row.integer(0),
    )?;
    Ok(found.unwrap_or(0))
}

/// Accounts that have requests written down.
pub fn accounts(tx: &mut Tx<'_>) -> Result<Vec<AccountId>, DbError> {
    tx.all("SELECT account_id FROM request_counts ORDER BY account_id", &[], |row| {
        AccountId::parse(row.text(0)?).ok_or_else(|| DbError::broken("an account's id"))
    })
}

/// Forgets some of an account's requests from before an instant; how many.
pub fn prune(
    tx: &mut Tx<'_>,
    account: AccountId,
    before: Time,
    limit: u32,
) -> Result<u64, DbError> {
    let id: Value = account.to_string().into();
    // The count first, as who adds does: so that two nodes never wait for each other.
    count_gone(tx, id.clone(), 0)?;
    let gone = tx.run(
        "DELETE FROM requests WHERE account_id = $1 AND place IN
             (SELECT place FROM requests WHERE account_id = $1 AND place < $2
              ORDER BY place LIMIT $3)",
        &[id.clone(), Place::first_at(before).text().into(), i64::from(limit).into()],
    )?;
    count_gone(tx, id.clone(), gone)?;
    tx.run(
        "DELETE FROM request_gaps WHERE account_id = $1 AND hour < $2",
        &[id.clone(), before.0.into()],
    )?;
    if gone < u64::from(limit) {
        let sql = "DELETE FROM request_counts WHERE account_id = $1 AND kept <= 0";
        tx.run(sql, std::slice::from_ref(&id))?;
    }
    Ok(gone)
}
