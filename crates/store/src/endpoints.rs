//! Endpoints with their secrets: where an account's programs hear of events.

use keyway_domain::Environment;
use keyway_domain::endpoint::{Endpoint, EndpointSecret, State};
use keyway_domain::id::{AccountId, EndpointId};
use keyway_domain::limits::{DELIVERIES_PER_ACCOUNT_AT_ONCE, DELIVERIES_PER_ENDPOINT_AT_ONCE};
use keyway_domain::time::Time;
use keyway_secret::RowSealer;

use crate::db::Tx;
use crate::sealed;
use crate::value::{Columns, DbError};

const SELECT: &str = "SELECT id, account_id, environment, url, about, events, state, state_at, \
    failing_since, created_at, seal FROM endpoints";

fn read(seals: &RowSealer, row: &dyn Columns) -> Result<Endpoint, DbError> {
    let broken = |what: &str| DbError::broken(what);
    let word = row.text(6)?;
    let state = State::ALL.into_iter().find(|state| state.as_str() == word);
    let endpoint = Endpoint {
        id: EndpointId::parse(row.text(0)?).ok_or_else(|| broken("an endpoint's id"))?,
        account: AccountId::parse(row.text(1)?).ok_or_else(|| broken("an account's id"))?,
        environment: Environment::parse(row.text(2)?).ok_or_else(|| broken("an environment"))?,
        url: row.text(3)?.to_owned(),
        about: row.text(4)?.to_owned(),
        events: row.text(5)?.split_ascii_whitespace().map(str::to_owned).collect(),
        state: state.ok_or_else(|| broken("an endpoint's state"))?,
        state_at: Time(row.integer(7)?),
        failing_since: row.maybe_integer(8)?.map(Time),
        created_at: Time(row.integer(9)?),
        secrets: Vec::new(),
    };
    sealed::check(seals, &endpoint.sealed_bytes(), row.blob(10)?, endpoint.id)?;
    Ok(endpoint)
}

fn add_secrets(tx: &mut Tx<'_>, endpoint: &mut Endpoint) -> Result<(), DbError> {
    endpoint.secrets = tx.all(
        "SELECT number, sealed, created_at, ends_at FROM endpoint_secrets
         WHERE endpoint_id = $1 ORDER BY number DESC",
        &[endpoint.id.to_string().into()],
        |row| {
            Ok(EndpointSecret {
                number: u32::try_from(row.integer(0)?).map_err(DbError::broken)?,
                sealed: row.blob(1)?.to_vec(),
                created_at: Time(row.integer(2)?),
                ends_at: row.maybe_integer(3)?.map(Time),
            })
        },
    )?;
    Ok(())
}

/// Adds an endpoint with its secrets.
pub fn insert(tx: &mut Tx<'_>, seals: &RowSealer, endpoint: &Endpoint) -> Result<(), DbError> {
    tx.run(
        "INSERT INTO endpoints (id, account_id, environment, url, about, events, state, state_at,
             failing_since, created_at, seal)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        &[
            endpoint.id.to_string().into(),
            endpoint.account.to_string().into(),
            endpoint.environment.as_str().into(),
            endpoint.url.as_str().into(),
            endpoint.about.as_str().into(),
            endpoint.events.join(" ").into(),
            endpoint.state.as_str().into(),
            endpoint.state_at.0.into(),
            endpoint.failing_since.map(|at| at.0).into(),
            endpoint.created_at.0.into(),
            sealed::seal(seals, &endpoint.sealed_bytes()),
        ],
    )?;
    save_secrets(tx, endpoint)
}

/// Writes an endpoint as it is now; secrets that it no longer has are forgotten.
pub fn save(tx: &mut Tx<'_>, seals: &RowSealer, endpoint: &Endpoint) -> Result<(), DbError> {
    tx.run(
        "UPDATE endpoints SET url = $2, about = $3, events = $4, state = $5, state_at = $6,
             failing_since = $7, seal = $8 WHERE id = $1",
        &[
            endpoint.id.to_string().into(),
            endpoint.url.as_str().into(),
            endpoint.about.as_str().into(),
            endpoint.events.join(" ").into(),
            endpoint.state.as_str().into(),
            endpoint.state_at.0.into(),
            endpoint.failing_since.map(|at| at.0).into(),
            sealed::seal(seals, &endpoint.sealed_bytes()),
        ],
    )?;
    let sql = "DELETE FROM endpoint_secrets WHERE endpoint_id = $1";
    tx.run(sql, &[endpoint.id.to_string().into()])?;
    save_secrets(tx, endpoint)
}

fn save_secrets(tx: &mut Tx<'_>, endpoint: &Endpoint) -> Result<(), DbError> {
    for secret in &endpoint.secrets {
        tx.run(
            "INSERT INTO endpoint_secrets (endpoint_id, number, sealed, created_at, ends_at)
             VALUES ($1, $2, $3, $4, $5)",
            &[
                endpoint.id.to_string().into(),
                i64::from(secret.number).into(),
                secret.sealed.as_slice().into(),
                secret.created_at.0.into(),
                secret.ends_at.map(|at| at.0).into(),
            ],
        )?;
    }
    Ok(())
}

/// Reads an endpoint of an account and holds it until the transaction ends. A removed one is not
/// there.
pub fn lock(
    tx: &mut Tx<'_>,
    seals: &RowSealer,
    account: AccountId,
    id: EndpointId,
) -> Result<Option<Endpoint>, DbError> {
    let sql =
        format!("{SELECT} WHERE account_id = $1 AND id = $2 AND state <> 'removed' {}", tx.lock());
    one(tx, seals, &sql, account, id)
}

/// Reads an endpoint of an account. A removed one is not there.
pub fn find(
    tx: &mut Tx<'_>,
    seals: &RowSealer,
    account: AccountId,
    id: EndpointId,
) -> Result<Option<Endpoint>, DbError> {
    let sql = format!("{SELECT} WHERE account_id = $1 AND id = $2 AND state <> 'removed'");
    one(tx, seals, &sql, account, id)
}

fn one(
    tx: &mut Tx<'_>,
    seals: &RowSealer,
    sql: &str,
    account: AccountId,
    id: EndpointId,
) -> Result<Option<Endpoint>, DbError> {
    let values = [account.to_string().into(), id.to_string().into()];
    let Some(mut endpoint) = tx.first(sql, &values, |row| read(seals, row))? else {
        return Ok(None);
    };
    add_secrets(tx, &mut endpoint)?;
    Ok(Some(endpoint))
}

/// An account's endpoints, oldest first, without those that were removed. One whose row was edited
/// outside Keyway gets nothing, and holds up none of the others.
pub fn list(
    tx: &mut Tx<'_>,
    seals: &RowSealer,
    account: AccountId,
) -> Result<Vec<Endpoint>, DbError> {
    let sql = format!("{SELECT} WHERE account_id = $1 AND state <> 'removed' ORDER BY id");
    let rows = tx.all(&sql, &[account.to_string().into()], |row| {
        Ok(read(seals, row).map_err(|error| {
            tracing::error!(%account, %error, "an endpoint is not readable, and so gets nothing");
        }))
    })?;
    let mut found: Vec<Endpoint> = rows.into_iter().flatten().collect();
    for endpoint in &mut found {
        add_secrets(tx, endpoint)?;
    }
    Ok(found)
}

/// Holds back all that goes to an endpoint until an instant: it asked for that.
pub fn hold_back(tx: &mut Tx<'_>, id: EndpointId, until: Time) -> Result<(), DbError> {
    let sql =
        "UPDATE endpoints SET held_until = CASE WHEN held_until < $2 THEN $2 ELSE held_until END
        WHERE id = $1";
    tx.run(sql, &[id.to_string().into(), until.0.into()]).map(drop)
}

/// Holds nothing back any more.
pub fn go_on(tx: &mut Tx<'_>, id: EndpointId) -> Result<(), DbError> {
    let sql = "UPDATE endpoints SET held_until = 0 WHERE id = $1";
    tx.run(sql, &[id.to_string().into()]).map(drop)
}

/// Endpoints that have something due and a place free, and whose accounts have one, with their
/// accounts. One that cannot be read holds up none of the others.
pub fn with_due(tx: &mut Tx<'_>, now: Time) -> Result<Vec<(AccountId, EndpointId)>, DbError> {
    let found = tx.all(
        "SELECT e.account_id, e.id FROM endpoints e WHERE e.state = 'on'
             AND e.held_until <= $1 AND EXISTS
             (SELECT 1 FROM deliveries d WHERE d.endpoint_id = e.id AND d.state = 'waiting'
                  AND d.due_at <= $1 AND d.claimed_until <= $1)
             AND (SELECT COUNT(*) FROM deliveries d WHERE d.endpoint_id = e.id
                  AND d.state = 'waiting' AND d.claimed_until > 0 AND d.claimed_until > $1) < $2
             AND (SELECT COUNT(*) FROM endpoints o JOIN deliveries d ON d.endpoint_id = o.id
                  WHERE o.account_id = e.account_id
                  AND d.state = 'waiting' AND d.claimed_until > 0 AND d.claimed_until > $1) < $3
         ORDER BY e.id",
        &[
            now.0.into(),
            i64::from(DELIVERIES_PER_ENDPOINT_AT_ONCE).into(),
            i64::from(DELIVERIES_PER_ACCOUNT_AT_ONCE).into(),
        ],
        |row| {
            let (account, id) = (AccountId::parse(row.text(0)?), EndpointId::parse(row.text(1)?));
            if account.is_none() || id.is_none() {
                tracing::error!(endpoint = row.text(1)?, "an endpoint's row is broken");
            }
            Ok(account.zip(id))
        },
    )?;
    Ok(found.into_iter().flatten().collect())
}

/// How many endpoints were switched off because nothing arrived there.
pub fn count_failing(tx: &mut Tx<'_>) -> Result<u64, DbError> {
    let sql = "SELECT COUNT(*) FROM endpoints WHERE state IN ('failing', 'gone')";
    let count = tx.first(sql, &[], |row| row.integer(0))?;
    Ok(u64::try_from(count.unwrap_or(0)).unwrap_or(0))
}
