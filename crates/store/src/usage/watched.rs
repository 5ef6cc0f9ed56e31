//! What alerts look at: use to the minute and the hour, networks.

use keyway_domain::id::CredentialId;
use keyway_domain::limits::NETWORKS_PER_CREDENTIAL_MAX;
use keyway_domain::time::Time;

use super::credential;
use crate::db::Tx;
use crate::value::{DbError, Value};

/// Requests of one minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Minute {
    /// The minute's start.
    pub minute: Time,
    /// How many were allowed.
    pub allowed: u32,
    /// How many were refused.
    pub refused: u32,
}

fn to_u32(number: i64) -> u32 {
    u32::try_from(number.max(0)).unwrap_or(u32::MAX)
}

/// A credential's use to the minute since an instant, oldest first; minutes without any are left
/// out.
pub fn minutes(tx: &mut Tx<'_>, id: CredentialId, since: Time) -> Result<Vec<Minute>, DbError> {
    tx.all(
        "SELECT minute, allowed, refused FROM usage_minutes
         WHERE credential_id = $1 AND minute >= $2 ORDER BY minute",
        &[id.to_string().into(), since.0.into()],
        |row| {
            Ok(Minute {
                minute: Time(row.integer(0)?),
                allowed: to_u32(row.integer(1)?),
                refused: to_u32(row.integer(2)?),
            })
        },
    )
}

/// Credentials with at least so many requests in the minutes since an instant: those that are worth
/// a closer look.
pub fn busy_since(
    tx: &mut Tx<'_>,
    since: Time,
    (allowed, refused): (i64, i64),
) -> Result<Vec<CredentialId>, DbError> {
    tx.all(
        "SELECT credential_id FROM usage_minutes WHERE minute >= $1
         GROUP BY credential_id HAVING SUM(allowed) >= $2 OR SUM(refused) >= $3",
        &[since.0.into(), allowed.into(), refused.into()],
        credential,
    )
}

/// A credential's requests by the hour since an instant, allowed and refused, oldest first; hours
/// without any are left out.
pub fn hour_sums(
    tx: &mut Tx<'_>,
    id: CredentialId,
    since: Time,
) -> Result<Vec<(Time, u32, u32)>, DbError> {
    tx.all(
        "SELECT hour,
             CAST(SUM(CASE WHEN outcome = 'allowed' THEN requests ELSE 0 END) AS BIGINT),
             CAST(SUM(CASE WHEN outcome = 'allowed' THEN 0 ELSE requests END) AS BIGINT)
         FROM usage_hours WHERE credential_id = $1 AND hour >= $2 GROUP BY hour ORDER BY hour",
        &[id.to_string().into(), since.0.into()],
        |row| Ok((Time(row.integer(0)?), to_u32(row.integer(1)?), to_u32(row.integer(2)?))),
    )
}

/// Notes that a credential was used from a network, if that network is known; whether it is.
pub fn knows_network(
    tx: &mut Tx<'_>,
    id: CredentialId,
    network: &str,
    at: Time,
) -> Result<bool, DbError> {
    let known = tx.run(
        "UPDATE usage_networks SET last_at = CASE WHEN $3 > last_at THEN $3 ELSE last_at END
         WHERE credential_id = $1 AND network = $2",
        &[id.to_string().into(), network.into(), at.0.into()],
    )?;
    Ok(known > 0)
}

/// How far Keyway knows where a credential is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Learning {
    /// Its first known use. Forgetting a network does not move it.
    pub since: Time,
    /// When a new network was last told.
    pub told_at: Option<Time>,
}

/// Learns a network that was unknown till now.
pub fn learn_network(
    tx: &mut Tx<'_>,
    id: CredentialId,
    network: &str,
    at: Time,
) -> Result<Learning, DbError> {
    let credential: Value = id.to_string().into();
    let one = std::slice::from_ref(&credential);
    tx.run(
        "INSERT INTO usage_learning (credential_id, since, told_at) VALUES ($1, $2, NULL)
         ON CONFLICT (credential_id) DO NOTHING",
        &[credential.clone(), at.0.into()],
    )?;
    let sql = "SELECT since, told_at FROM usage_learning WHERE credential_id = $1";
    let learning = tx.first(sql, one, |row| {
        Ok(Learning { since: Time(row.integer(0)?), told_at: row.maybe_integer(1)?.map(Time) })
    })?;
    let sql = "SELECT COUNT(*) FROM usage_networks WHERE credential_id = $1";
    let count = tx.first(sql, one, |row| row.integer(0))?.unwrap_or(0);
    if count >= i64::from(NETWORKS_PER_CREDENTIAL_MAX) {
        tx.run(
            "DELETE FROM usage_networks WHERE credential_id = $1 AND network =
                 (SELECT network FROM usage_networks WHERE credential_id = $1
                  ORDER BY last_at, network LIMIT 1)",
            one,
        )?;
    }
    tx.run(
        "INSERT INTO usage_networks (credential_id, network, first_at, last_at)
         VALUES ($1, $2, $3, $3)",
        &[credential, network.into(), at.0.into()],
    )?;
    Ok(learning.unwrap_or(Learning { since: at, told_at: None }))
}

/// Notes that a new network of a credential was told.
pub fn told_network(tx: &mut Tx<'_>, id: CredentialId, now: Time) -> Result<(), DbError> {
    tx.run(
        "UPDATE usage_learning SET told_at = $2 WHERE credential_id = $1",
        &[id.to_string().into(), now.0.into()],
    )?;
    Ok(())
}
