//! Claims: who sends a delivery now. A claimed row is a place taken, and places are counted where
//! they are given, so that they hold for all deliverers together.

use keyway_domain::id::{AccountId, EndpointId};
use keyway_domain::limits::{
    BROKEN_DELIVERY_MS, DELIVERIES_PER_ACCOUNT_AT_ONCE, DELIVERIES_PER_ENDPOINT_AT_ONCE,
};
use keyway_domain::time::Time;

use super::{Delivery, SELECT, read};
use crate::db::Tx;
use crate::turns;
use crate::value::DbError;

/// The right to send some deliveries until it lapses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Whose it is, and which of theirs: no two claims have the same.
    pub by: String,
    /// From when it holds.
    pub from: Time,
    /// When it lapses.
    pub until: Time,
}

/// Claims what is due at an endpoint, the longest due first, as far as the endpoint and its account
/// have places: nobody else sends it until the claim lapses.
pub fn claim(
    tx: &mut Tx<'_>,
    (account, endpoint): (AccountId, EndpointId),
    claim: &Claim,
    limit: u32,
) -> Result<Vec<Delivery>, DbError> {
    // Places are counted before they are taken.
    turns::take(tx, &account.0.to_be_bytes())?;
    let limit = i64::from(limit).min(places_free(tx, (account, endpoint), claim.from)?);
    if limit <= 0 || !hears(tx, endpoint, claim.from)? {
        return Ok(Vec::new());
    }
    let sql = format!(
        "{SELECT} WHERE endpoint_id = $1 AND state = 'waiting' AND due_at <= $2
             AND claimed_until <= $2 ORDER BY due_at, id LIMIT $3 {}",
        tx.lock_unclaimed()
    );
    let values = [endpoint.to_string().into(), claim.from.0.into(), limit.into()];
    let due = tx.all(&sql, &values, |row| Ok((row.text(0)?.to_owned(), read(row))))?;
    let mut claimed = Vec::new();
    for (id, delivery) in due {
        match delivery {
            Ok(delivery) => {
                tx.run(
                    "UPDATE deliveries SET claimed_by = $2, claimed_until = $3 WHERE id = $1",
                    &[id.into(), claim.by.as_str().into(), claim.until.0.into()],
                )?;
                claimed.push(delivery);
            }
            Err(error) => {
                tracing::error!(delivery = id, %error, "a delivery cannot be read, and is put off");
                let later = claim.from.plus_ms(BROKEN_DELIVERY_MS);
                let sql = "UPDATE deliveries SET due_at = $2 WHERE id = $1";
                tx.run(sql, &[id.into(), later.0.into()])?;
            }
        }
    }
    Ok(claimed)
}

/// Whether anything goes to an endpoint now.
fn hears(tx: &mut Tx<'_>, endpoint: EndpointId, now: Time) -> Result<bool, DbError> {
    let sql = "SELECT 1 FROM endpoints WHERE id = $1 AND state = 'on' AND held_until <= $2";
    let values = [endpoint.to_string().into(), now.0.into()];
    let found = tx.first(sql, &values, |row| row.integer(0))?;
    Ok(found.is_some())
}

fn places_free(
    tx: &mut Tx<'_>,
    (account, endpoint): (AccountId, EndpointId),
    now: Time,
) -> Result<i64, DbError> {
    let of_endpoint = tx.first(
        "SELECT COUNT(*) FROM deliveries WHERE endpoint_id = $1 AND state = 'waiting'
             AND claimed_until > 0 AND claimed_until > $2",
        &[endpoint.to_string().into(), now.0.into()],
        |row| row.integer(0),
    )?;
    let of_account = tx.first(
        "SELECT COUNT(*) FROM endpoints e JOIN deliveries d ON d.endpoint_id = e.id
         WHERE e.account_id = $1 AND d.state = 'waiting'
             AND d.claimed_until > 0 AND d.claimed_until > $2",
        &[account.to_string().into(), now.0.into()],
        |row| row.integer(0),
    )?;
    let of_endpoint = i64::from(DELIVERIES_PER_ENDPOINT_AT_ONCE) - of_endpoint.unwrap_or(0);
    let of_account = i64::from(DELIVERIES_PER_ACCOUNT_AT_ONCE) - of_account.unwrap_or(0);
    Ok(of_endpoint.min(of_account))
}

/// Frees the place of an attempt that has ended and no longer decides, because its delivery was
/// begun again meanwhile.
pub fn let_go(tx: &mut Tx<'_>, delivery: &Delivery, claim: &Claim) -> Result<(), DbError> {
    tx.run(
        "UPDATE deliveries SET claimed_until = 0
         WHERE id = $1 AND (claimed_by IS NULL OR claimed_by = $2) AND claimed_until = $3",
        &[delivery.id.to_string().into(), claim.by.as_str().into(), claim.until.0.into()],
    )
    .map(drop)
}

/// Lets go of every claim that a process of this deployment held which is gone.
pub fn release_all(tx: &mut Tx<'_>) -> Result<u64, DbError> {
    tx.run(
        "UPDATE deliveries SET claimed_by = NULL, claimed_until = 0
         WHERE state = 'waiting' AND claimed_until > 0",
        &[],
    )
}
