//! Refusals that say something by themselves: a secret that has ended is used, or one of the wrong
//! environment.

use std::collections::BTreeMap;

use keyway_domain::event::Kind;
use keyway_domain::id::CredentialId;
use keyway_domain::time::Time;
use keyway_domain::verdict::Reason;
use keyway_store::alerts;
use keyway_store::usage::{Batch, Seen};
use keyway_store::{DbError, Tx};
use serde_json::json;

use super::{MINUTE_MS, part, raise, readable};
use crate::app::App;
use crate::commands::Moment;

/// What a refusal says by itself.
fn says(reason: &str) -> Option<Kind> {
    match Reason::parse(reason)? {
        Reason::Revoked | Reason::Expired => Some(Kind::EndedSecretUsed),
        Reason::WrongEnvironment => Some(Kind::WrongEnvironmentUsed),
        _ => None,
    }
}

/// What counters say by themselves of a credential: that something was refused which says much.
#[derive(Debug, Clone)]
pub struct Telling {
    credential: CredentialId,
    kind: Kind,
    /// The newest secret that was refused so.
    secret: u32,
    requests: u64,
    seen: Option<Seen>,
}

/// What a batch of counters says by itself.
pub fn telling(batch: &Batch) -> Vec<Telling> {
    let mut refused: BTreeMap<(CredentialId, &str), Telling> = BTreeMap::new();
    for ((credential, secret, _, outcome), requests) in &batch.counts {
        let Some(kind) = says(outcome) else { continue };
        let none = || Telling { credential: *credential, kind, secret: 0, requests: 0, seen: None };
        let telling = refused.entry((*credential, kind.as_str())).or_insert_with(none);
        telling.secret = telling.secret.max(*secret);
        telling.requests += requests;
    }
    let seen = |telling: Telling| {
        let seen = batch.refused.get(&(telling.credential, telling.secret)).cloned();
        Telling { seen, ..telling }
    };
    refused.into_values().map(seen).collect()
}

/// Of what counters have said, what no open alert tells already: whoever goes on with a secret that
/// has ended is told of once, and costs next to nothing then.
pub async fn untold(app: &App, said: Vec<Telling>) -> Result<Vec<Telling>, DbError> {
    let mut rest = Vec::new();
    for kind in [Kind::EndedSecretUsed, Kind::WrongEnvironmentUsed] {
        let said = said.iter().filter(|telling| telling.kind == kind);
        let ids: Vec<CredentialId> = said.clone().map(|telling| telling.credential).collect();
        if ids.is_empty() {
            continue;
        }
        let (what, now) = (kind.as_str(), app.now());
        let open = app.db.read(move |tx| alerts::open_among(tx, what, &ids)).await?;
        let is_old = |at: &Time| at.plus_ms(MINUTE_MS) <= now;
        let old = open.iter().filter(|(_, at)| is_old(at)).map(|(id, _)| *id);
        let old: Vec<CredentialId> = old.collect();
        if !old.is_empty() {
            app.db.write(now, move |tx| alerts::seen_again(tx, what, &old, now)).await?;
        }
        rest.extend(said.filter(|telling| !open.contains_key(&telling.credential)).cloned());
    }
    Ok(rest)
}

/// Alerts of what counters have said.
pub fn note(tx: &mut Tx<'_>, moment: &Moment, said: &[Telling]) -> Result<(), DbError> {
    for Telling { credential, kind, secret, requests, seen } in said {
        let Some(credential) = readable(tx, moment, *credential) else { continue };
        let after = json!({
            "secret": secret,
            "requests": requests,
            "address": seen.as_ref().and_then(|seen| seen.address.as_deref()),
            "client": seen.as_ref().and_then(|seen| seen.client.as_deref()),
        });
        part(tx, credential.id, |tx| {
            raise(tx, moment, &credential, (*kind, ""), (moment.now, after)).map(drop)
        })?;
    }
    Ok(())
}
