//! Usage: counters per secret and hour, and per day; when a secret was last used, and from where.

use std::collections::{BTreeMap, HashMap};

use keyway_domain::id::{AccountId, CredentialId};
use keyway_domain::limits::PLACES_PER_SECRET_MAX;
use keyway_domain::time::{DAY_MS, Time};

use crate::db::Tx;
use crate::value::{Columns, DbError, Value};

mod reports;
mod scopes;
mod watched;

pub use reports::{Report, forget_reports, reports};
pub use scopes::{UNLISTED, allowed_by_need, needs, prune_needs};
pub use watched::{
    Learning, Minute, busy_since, hour_sums, knows_network, learn_network, minutes, told_network,
};

const MINUTE_MS: i64 = 60_000;

/// A batch of counters, frozen; written at most once.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Which process counted.
    pub node: String,
    /// Its number within that process, from 1.
    pub number: i64,
    /// When it was taken: the minute that its requests count for.
    pub at: Time,
    /// Requests by credential, secret, hour (milliseconds of its start) and outcome.
    pub counts: BTreeMap<(CredentialId, u32, i64, &'static str), u64>,
    /// Last uses by credential and secret.
    pub seen: BTreeMap<(CredentialId, u32), Seen>,
    /// Other addresses that a secret was used from.
    pub places: Vec<(CredentialId, u32, Seen)>,
    /// Allowed requests by what they needed, such as `invoices:read`; 0 where it was used and the
    /// requests were not counted by it.
    pub needs: BTreeMap<(CredentialId, String), u64>,
    /// Requests that an address list would have refused, by address, and the minute of the last; the
    /// address is empty where it is not known.
    pub reports: BTreeMap<(CredentialId, String), (u64, Time)>,
    /// The newest refusal of each secret. Nothing is written down of it; alerts say it.
    pub refused: BTreeMap<(CredentialId, u32), Seen>,
}

impl Batch {
    /// Cuts it into batches of at most so many rows of each sort. What is known of a secret's
    /// refusals goes with every batch that counts some of them.
    pub fn split(self, rows: usize) -> Vec<Self> {
        let mut counts = self.counts.into_iter().peekable();
        let mut seen = self.seen.into_iter().peekable();
        let mut places = self.places.into_iter().peekable();
        let mut needs = self.needs.into_iter().peekable();
        let mut reports = self.reports.into_iter().peekable();
        let mut batches = Vec::new();
        while counts.peek().is_some()
            || seen.peek().is_some()
            || places.peek().is_some()
            || needs.peek().is_some()
            || reports.peek().is_some()
        {
            let counts: BTreeMap<_, _> = counts.by_ref().take(rows).collect();
            let secrets = counts.keys().map(|(credential, secret, ..)| (*credential, *secret));
            let refused = secrets.filter_map(|of| Some((of, self.refused.get(&of)?.clone())));
            batches.push(Self {
                node: self.node.clone(),
                number: self.number,
                at: self.at,
                refused: refused.collect(),
                counts,
                seen: seen.by_ref().take(rows).collect(),
                places: places.by_ref().take(rows).collect(),
                needs: needs.by_ref().take(rows).collect(),
                reports: reports.by_ref().take(rows).collect(),
            });
        }
        batches
    }
}

/// A use of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// When, to the minute.
    pub at: Time,
    /// From where.
    pub address: Option<String>,
    /// By what, as it called itself.
    pub client: Option<String>,
}

/// Adds a batch, unless it was added before; whether it was added now.
pub fn add(tx: &mut Tx<'_>, batch: &Batch) -> Result<bool, DbError> {
    let node: Value = batch.node.as_str().into();
    tx.run(
        "INSERT INTO usage_batches (node, batch) VALUES ($1, 0) ON CONFLICT (node) DO NOTHING",
        std::slice::from_ref(&node),
    )?;
    let moved = tx.run(
        "UPDATE usage_batches SET batch = $2 WHERE node = $1 AND batch = $2 - 1",
        &[node, batch.number.into()],
    )?;
    if moved == 0 {
        return Ok(false);
    }
    add_hours(tx, batch)?;
    add_days(tx, batch)?;
    add_minutes(tx, batch)?;
    scopes::add(tx, batch)?;
    reports::add(tx, batch)?;
    for (credential, secret, seen) in &batch.places {
        if let Some(address) = &seen.address {
            let client = seen.client.as_deref().unwrap_or_default();
            add_place(tx, (*credential, *secret), address, client, seen.at)?;
        }
    }
    for ((credential, secret), seen) in &batch.seen {
        add_seen(tx, *credential, *secret, seen)?;
        if let Some(address) = &seen.address {
            let client = seen.client.as_deref().unwrap_or_default();
            add_place(tx, (*credential, *secret), address, client, seen.at)?;
        }
    }
    Ok(true)
}

fn add_hours(tx: &mut Tx<'_>, batch: &Batch) -> Result<(), DbError> {
    let rows = batch.counts.iter().map(|((credential, secret, hour, outcome), requests)| {
        vec![
            credential.to_string().into(),
            i64::from(*secret).into(),
            (*hour).into(),
            (*outcome).into(),
            i64::try_from(*requests).unwrap_or(i64::MAX).into(),
        ]
    });
    let insert = (
        "INSERT INTO usage_hours (credential_id, secret, hour, outcome, requests) VALUES",
        "ON CONFLICT (credential_id, secret, hour, outcome)
         DO UPDATE SET requests = usage_hours.requests + excluded.requests",
    );
    tx.run_over(insert, rows.collect())
}

/// The outcome that is no refusal.
const ALLOWED: &str = "allowed";

fn add_days(tx: &mut Tx<'_>, batch: &Batch) -> Result<(), DbError> {
    add_sums(tx, batch, ("usage_days", "day"), |hour| hour - hour.rem_euclid(DAY_MS))
}

/// One row for each credential and minute, whatever its secrets and outcomes.
fn add_minutes(tx: &mut Tx<'_>, batch: &Batch) -> Result<(), DbError> {
    let minute = batch.at.0 - batch.at.0.rem_euclid(MINUTE_MS);
    add_sums(tx, batch, ("usage_minutes", "minute"), |_| minute)
}

/// Adds a batch to a table that has a row for each credential and time; `time_of` says which time
/// an hour's counts belong to.
fn add_sums(
    tx: &mut Tx<'_>,
    batch: &Batch,
    (table, column): (&str, &str),
    time_of: impl Fn(i64) -> i64,
) -> Result<(), DbError> {
    // A batch has many rows of one time: summed here, each is written once.
    let mut sums: BTreeMap<(CredentialId, i64), (i64, i64)> = BTreeMap::new();
    for ((credential, _, hour, outcome), requests) in &batch.counts {
        let (allowed, refused) = sums.entry((*credential, time_of(*hour))).or_default();
        let sum = if *outcome == ALLOWED { allowed } else { refused };
        *sum = sum.saturating_add(i64::try_from(*requests).unwrap_or(i64::MAX));
    }
    let insert = format!("INSERT INTO {table} (credential_id, {column}, allowed, refused) VALUES");
    let add = format!(
        "ON CONFLICT (credential_id, {column}) DO UPDATE SET
             allowed = {table}.allowed + excluded.allowed,
             refused = {table}.refused + excluded.refused"
    );
    let rows = sums.into_iter().map(|((credential, time), (allowed, refused))| {
        vec![credential.to_string().into(), time.into(), allowed.into(), refused.into()]
    });
    tx.run_over((&insert, &add), rows.collect())
}

fn add_seen(
    tx: &mut Tx<'_>,
    credential: CredentialId,
    secret: u32,
    seen: &Seen,
) -> Result<(), DbError> {
    tx.run_later(
        "INSERT INTO last_used (credential_id, secret, at, address, client)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (credential_id, secret) DO UPDATE SET
             at = excluded.at, address = excluded.address, client = excluded.client
         WHERE excluded.at >= last_used.at",
        &[
            credential.to_string().into(),
            i64::from(secret).into(),
            seen.at.0.into(),
            seen.address.clone().into(),
            seen.client.clone().into(),
        ],
    )?;
    Ok(())
}

/// Notes a minute in which a secret was used from a place. The same minute from another process,
/// and one that comes late, is not counted again.
fn add_place(
    tx: &mut Tx<'_>,
    (credential, secret): (CredentialId, u32),
    address: &str,
    client: &str,
    at: Time,
) -> Result<(), DbError> {
    let place: [Value; 5] = [
        credential.to_string().into(),
        i64::from(secret).into(),
        address.into(),
        client.into(),
        at.0.into(),
    ];
    let known = tx.run(
        "UPDATE usage_places SET
             first_at = CASE WHEN $5 < first_at THEN $5 ELSE first_at END,
             last_at = CASE WHEN $5 > last_at THEN $5 ELSE last_at END,
             minutes = CASE WHEN $5 > last_at THEN minutes + 1 ELSE minutes END
         WHERE credential_id = $1 AND secret = $2 AND address = $3 AND client = $4",
        &place,
    )?;
    if known > 0 {
        return Ok(());
    }
    tx.run(
        "INSERT INTO usage_places
             (credential_id, secret, address, client, first_at, last_at, minutes)
         VALUES ($1, $2, $3, $4, $5, $5, 1)",
        &place,
    )?;
    let [credential, secret, ..] = place;
    forget_places(tx, credential, secret)
}

/// Forgets the places longest unseen, beyond those that are kept.
fn forget_places(tx: &mut Tx<'_>, credential: Value, secret: Value) -> Result<(), DbError> {
    let of_secret = [credential, secret];
    let places = tx.all(
        "SELECT address, client FROM usage_places WHERE credential_id = $1 AND secret = $2
         ORDER BY last_at DESC, first_at DESC, address, client",
        &of_secret,
        |row| Ok((row.text(0)?.to_owned(), row.text(1)?.to_owned())),
    )?;
    let [credential, secret] = of_secret;
    let kept = usize::try_from(PLACES_PER_SECRET_MAX).unwrap_or(usize::MAX);
    for (address, client) in places.into_iter().skip(kept) {
        tx.run(
            "DELETE FROM usage_places
             WHERE credential_id = $1 AND secret = $2 AND address = $3 AND client = $4",
            &[credential.clone(), secret.clone(), address.into(), client.into()],
        )?;
    }
    Ok(())
}

/// Requests of one hour with one outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hour {
    /// Which secret.
    pub secret: u32,
    /// The hour's start.
    pub hour: Time,
    /// `allowed`, or the reason of the refusal.
    pub outcome: String,
    /// How many.
    pub requests: i64,
}

/// A credential's counters since an instant, oldest first.
pub fn hours(tx: &mut Tx<'_>, id: CredentialId, since: Time) -> Result<Vec<Hour>, DbError> {
    tx.all(
        "SELECT secret, hour, outcome, requests FROM usage_hours
         WHERE credential_id = $1 AND hour >= $2 ORDER BY hour, secret, outcome",
        &[id.to_string().into(), since.0.into()],
        |row| {
            Ok(Hour {
                secret: u32::try_from(row.integer(0)?).map_err(DbError::broken)?,
                hour: Time(row.integer(1)?),
                outcome: row.text(2)?.to_owned(),
                requests: row.integer(3)?,
            })
        },
    )
}

/// Allowed requests of each of an account's credentials since an instant.
pub fn allowed_since(
    tx: &mut Tx<'_>,
    account: AccountId,
    since: Time,
) -> Result<HashMap<CredentialId, i64>, DbError> {
    let rows = tx.all(
        "SELECT h.credential_id, CAST(SUM(h.requests) AS BIGINT)
         FROM credentials c JOIN usage_hours h ON h.credential_id = c.id
         WHERE c.account_id = $1 AND h.hour >= $2 AND h.outcome = 'allowed'
         GROUP BY h.credential_id",
        &[account.to_string().into(), since.0.into()],
        |row| Ok((credential(row)?, row.integer(1)?)),
    )?;
    Ok(rows.into_iter().collect())
}

/// Requests of one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day {
    /// The day's start, in UTC.
    pub day: Time,
    /// How many were allowed.
    pub allowed: i64,
    /// How many were refused.
    pub refused: i64,
}

/// Reads a day from three columns, of which it is given the first.
fn read_day(row: &dyn Columns, column: usize) -> Result<Day, DbError> {
    Ok(Day {
        day: Time(row.integer(column)?),
        allowed: row.integer(column + 1)?,
        refused: row.integer(column + 2)?,
    })
}

/// The days on which an account's credentials were used, since an instant, oldest first.
pub fn days(
    tx: &mut Tx<'_>,
    account: AccountId,
    since: Time,
) -> Result<HashMap<CredentialId, Vec<Day>>, DbError> {
    let mut days: HashMap<CredentialId, Vec<Day>> = HashMap::new();
    tx.each(
        "SELECT d.credential_id, d.day, d.allowed, d.refused
         FROM credentials c JOIN usage_days d ON d.credential_id = c.id
         WHERE c.account_id = $1 AND d.day >= $2 ORDER BY c.id, d.day",
        &[account.to_string().into(), since.0.into()],
        |row| {
            days.entry(credential(row)?).or_default().push(read_day(row, 1)?);
            Ok(())
        },
    )?;
    Ok(days)
}

/// The days on which a credential was used, since an instant, oldest first.
pub fn days_of(tx: &mut Tx<'_>, id: CredentialId, since: Time) -> Result<Vec<Day>, DbError> {
    tx.all(
        "SELECT day, allowed, refused FROM usage_days
         WHERE credential_id = $1 AND day >= $2 ORDER BY day",
        &[id.to_string().into(), since.0.into()],
        |row| read_day(row, 0),
    )
}

/// Where a secret is used from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Which secret.
    pub secret: u32,
    /// The address.
    pub address: String,
    /// What used it, as it called itself; empty if it did not.
    pub client: String,
    /// When it was first seen there.
    pub first_at: Time,
    /// When it was last seen there.
    pub last_at: Time,
    /// In how many minutes it was seen there, of those that were sampled.
    pub minutes: i64,
}

/// Where a credential's secrets are used from, the newest first.
pub fn places(tx: &mut Tx<'_>, id: CredentialId) -> Result<Vec<Place>, DbError> {
    tx.all(
        "SELECT secret, address, client, first_at, last_at, minutes FROM usage_places
         WHERE credential_id = $1 ORDER BY last_at DESC, secret DESC, address, client",
        &[id.to_string().into()],
        |row| {
            Ok(Place {
                secret: u32::try_from(row.integer(0)?).map_err(DbError::broken)?,
                address: row.text(1)?.to_owned(),
                client: row.text(2)?.to_owned(),
                first_at: Time(row.integer(3)?),
                last_at: Time(row.integer(4)?),
                minutes: row.integer(5)?,
            })
        },
    )
}

fn credential(row: &dyn Columns) -> Result<CredentialId, DbError> {
    CredentialId::parse(row.text(0)?).ok_or_else(|| DbError::broken("a credential's id"))
}

/// Reads a last use from the columns `secret, at, address, client`, of which it is given the first.
fn read_seen(row: &dyn Columns, column: usize) -> Result<(u32, Seen), DbError> {
    let seen = Seen {
        at: Time(row.integer(column + 1)?),
        address: row.maybe_text(column + 2)?.map(str::to_owned),
        client: row.maybe_text(column + 3)?.map(str::to_owned),
    };
    Ok((u32::try_from(row.integer(column)?).map_err(DbError::broken)?, seen))
}

/// When each secret of a credential was last used.
pub fn seen(tx: &mut Tx<'_>, id: CredentialId) -> Result<BTreeMap<u32, Seen>, DbError> {
    let rows = tx.all(
        "SELECT secret, at, address, client FROM last_used WHERE credential_id = $1",
        &[id.to_string().into()],
        |row| read_seen(row, 0),
    )?;
    Ok(rows.into_iter().collect())
}

/// When each credential of an account was last used, and by which of its secrets.
pub fn last_seen(
    tx: &mut Tx<'_>,
    account: AccountId,
) -> Result<HashMap<CredentialId, (u32, Seen)>, DbError> {
    let rows = tx.all(
        "SELECT l.credential_id, l.secret, l.at, l.address, l.client
         FROM credentials c JOIN last_used l ON l.credential_id = c.id
         WHERE c.account_id = $1 ORDER BY c.id, l.at, l.secret",
        &[account.to_string().into()],
        |row| Ok((credential(row)?, read_seen(row, 1)?)),
    )?;
    // Of each credential the last row stays, and that is the newest.
    Ok(rows.into_iter().collect())
}

/// Forgets some of the use to the minute from before an instant; how many rows.
pub fn prune_minutes(tx: &mut Tx<'_>, before: Time, limit: u32) -> Result<u64, DbError> {
    tx.run(
        "DELETE FROM usage_minutes WHERE (credential_id, minute) IN
             (SELECT credential_id, minute FROM usage_minutes WHERE minute < $1 LIMIT $2)",
        &[before.0.into(), i64::from(limit).into()],
    )
}

/// Forgets use to the hour and to the day from before two instants, of some credentials after one;
/// the last of them, or `None` when there are no more. So no change waits long behind it.
pub fn prune(
    tx: &mut Tx<'_>,
    after: Option<CredentialId>,
    (hours_before, days_before): (Time, Time),
    limit: u32,
) -> Result<Option<CredentialId>, DbError> {
    let after = after.map_or_else(String::new, |id| id.to_string());
    let some = tx.all(
        "SELECT DISTINCT credential_id FROM usage_days WHERE credential_id > $1
         ORDER BY credential_id LIMIT $2",
        &[after.into(), i64::from(limit).into()],
        credential,
    )?;
    for id in &some {
        let id: Value = id.to_string().into();
        tx.run(
            "DELETE FROM usage_hours WHERE credential_id = $1 AND hour < $2",
            &[id.clone(), hours_before.0.into()],
        )?;
        tx.run(
            "DELETE FROM usage_days WHERE credential_id = $1 AND day < $2",
            &[id, days_before.0.into()],
        )?;
    }
    Ok(some.last().copied())
}
