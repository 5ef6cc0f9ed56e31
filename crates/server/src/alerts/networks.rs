//! Networks that a credential was never used from: told at most once an hour, the others counted.

use std::collections::HashMap;
use std::net::IpAddr;

use ipnet::IpNet;
use keyway_domain::credential::Credential;
use keyway_domain::event::Kind;
use keyway_domain::id::CredentialId;
use keyway_domain::scheme::Kept;
use keyway_domain::time::{DAY_MS, Time};
use keyway_store::usage::{self, Batch, Seen};
use keyway_store::{DbError, Tx, alerts};
use serde_json::{Value, json};

use super::{HOUR_MS, part, raise, readable};
use crate::commands::Moment;

/// A credential learns from where it is used for so long before a network is new.
const LEARNING_MS: i64 = DAY_MS;
/// A new network is told once in so long for a credential: who has a credential and many networks
/// must not be able to fill the log and everybody's mailbox.
const TOLD_EVERY_MS: i64 = HOUR_MS;

/// The network of an address, as wide as networks are given to one customer.
fn network(address: &str) -> Option<IpNet> {
    let address: IpAddr = address.parse().ok()?;
    let width = if address.is_ipv4() { 24 } else { 48 };
    IpNet::new(address, width).ok().map(|net| net.trunc())
}

/// Notes from where credentials were used.
pub(super) fn note(tx: &mut Tx<'_>, moment: &Moment, batch: &Batch) -> Result<(), DbError> {
    let first = batch.seen.iter().map(|((id, secret), seen)| (*id, *secret, seen));
    let more = batch.places.iter().map(|(id, secret, seen)| (*id, *secret, seen));
    let mut watched: HashMap<CredentialId, Option<Credential>> = HashMap::new();
    for (id, secret, seen) in first.chain(more) {
        let Some(net) = seen.address.as_deref().and_then(network) else { continue };
        if usage::knows_network(tx, id, &net.to_string(), seen.at)? {
            continue;
        }
        let credential = watched
            .entry(id)
            .or_insert_with(|| readable(tx, moment, id).filter(|of| is_watched(moment, of)));
        if let Some(credential) = credential {
            part(tx, id, |tx| learn(tx, moment, credential, (secret, net, seen)))?;
        }
    }
    Ok(())
}

/// Whether it says anything where a credential is used. A public one belongs into pages and apps:
/// it is used from everywhere.
fn is_watched(moment: &Moment, credential: &Credential) -> bool {
    let kind = moment.realm.rules.scheme.kind(&credential.kind);
    kind.is_none_or(|kind| kind.kept != Kept::Readable)
}

fn learn(
    tx: &mut Tx<'_>,
    moment: &Moment,
    credential: &Credential,
    (secret, net, seen): (u32, IpNet, &Seen),
) -> Result<(), DbError> {
    let (id, kind) = (credential.id, Kind::NewNetwork);
    let learning = usage::learn_network(tx, id, &net.to_string(), seen.at)?;
    if seen.at < learning.since.plus_ms(LEARNING_MS) {
        return Ok(());
    }
    let is_recent = |told: Time| moment.now < told.plus_ms(TOLD_EVERY_MS);
    if learning.told_at.is_some_and(is_recent) {
        // None is open if the account has chosen not to hear of them.
        return count(tx, moment, id, (net, seen));
    }
    let after = json!({
        "secret": secret,
        "network": net,
        "address": seen.address,
        "client": seen.client,
    });
    if raise(tx, moment, credential, (kind, &format!(" {net}")), (seen.at, after))? {
        usage::told_network(tx, id, moment.now)?;
    }
    Ok(())
}

/// Counts a network into the alert that was told last.
fn count(
    tx: &mut Tx<'_>,
    moment: &Moment,
    id: CredentialId,
    (net, seen): (IpNet, &Seen),
) -> Result<(), DbError> {
    let Some(mut alert) = alerts::newest_open(tx, id, Kind::NewNetwork.as_str())? else {
        return Ok(());
    };
    let mut detail: Value = serde_json::from_str(&alert.detail).unwrap_or_else(|_| json!({}));
    let more = detail["more"].as_u64().unwrap_or(0) + 1;
    if let Some(fields) = detail.as_object_mut() {
        fields.insert("more".to_owned(), json!(more));
        fields.insert("newest_network".to_owned(), json!(net));
        fields.insert("newest_address".to_owned(), json!(seen.address));
    }
    (alert.detail, alert.last_at) = (detail.to_string(), moment.now);
    alerts::count_into(tx, &alert)
}
