//! Ends all credentials of an account at once: what is done when a server was broken into.

use std::collections::HashMap;

use keyway_domain::Environment;
use keyway_domain::credential::{Credential, Status};
use keyway_domain::event::{Event, Happened, Kind as Fact};
use keyway_domain::id::{AccountId, CredentialId, MemberId};
use keyway_domain::scheme::{Act, Scheme};
use keyway_domain::time::Time;
use keyway_store::usage::Seen;
use keyway_store::{DbError, Rules, Tx, accounts, credentials, endpoints, events, owners, usage};
use serde_json::json;

use super::{Error, Moment};
use crate::roster::moves_money;

/// Which of an account's live credentials. All that is said must hold.
#[derive(Debug, Clone, Default)]
pub struct Which {
    /// Of this environment.
    pub environment: Option<Environment>,
    /// Of one of these kinds.
    pub kinds: Option<Vec<String>>,
    /// In this member's care.
    pub owner: Option<MemberId>,
    /// Those only that can take money out of the account.
    pub moves_money: bool,
    /// Made before this instant.
    pub created_before: Option<Time>,
    /// Made at this instant or later.
    pub created_since: Option<Time>,
    /// Used at this instant or later.
    pub used_since: Option<Time>,
    /// Not used since this instant, or never.
    pub unused_since: Option<Time>,
}

/// What is known of an account's credentials beside themselves, as far as a choice looks at it.
#[derive(Default)]
struct Beside {
    owners: HashMap<CredentialId, MemberId>,
    seen: HashMap<CredentialId, (u32, Seen)>,
}

impl Beside {
    fn read(tx: &mut Tx<'_>, account: AccountId, which: &Which) -> Result<Self, DbError> {
        let mut beside = Self::default();
        if which.owner.is_some() {
            beside.owners = owners::all(tx, account)?;
        }
        if which.used_since.is_some() || which.unused_since.is_some() {
            beside.seen = usage::last_seen(tx, account)?;
        }
        Ok(beside)
    }
}

impl Which {
    fn is(&self, credential: &Credential, scheme: &Scheme, beside: &Beside) -> bool {
        let owner = beside.owners.get(&credential.id);
        let used = beside.seen.get(&credential.id).map(|(_, seen)| seen.at);
        credential.status == Status::Live
            && self.environment.is_none_or(|wanted| credential.environment == wanted)
            && self.kinds.as_ref().is_none_or(|wanted| wanted.contains(&credential.kind))
            && self.owner.is_none_or(|wanted| owner == Some(&wanted))
            && (!self.moves_money || moves_money(credential.grant, scheme))
            && self.created_before.is_none_or(|before| credential.created_at < before)
            && self.created_since.is_none_or(|since| credential.created_at >= since)
            && self.used_since.is_none_or(|since| used.is_some_and(|at| at >= since))
            && self.unused_since.is_none_or(|since| used.is_none_or(|at| at < since))
    }

    /// The credentials that are meant. A row that cannot be trusted is not accepted anyway, and
    /// holds up none of the others.
    pub fn fitting(
        &self,
        tx: &mut Tx<'_>,
        rules: &Rules,
        account: AccountId,
    ) -> Result<Vec<Credential>, DbError> {
        let beside = Beside::read(tx, account, self)?;
        let mut fitting = Vec::new();
        credentials::each_of_account(tx, rules, account, |found| match found {
            Ok(credential) if self.is(&credential, &rules.scheme, &beside) => {
                fitting.push(credential);
            }
            Ok(_) => {}
            Err((id, error)) => {
                tracing::error!(credential = id, %error, "a credential is not readable, and not revoked");
            }
        })?;
        Ok(fitting)
    }

    /// The choice as its event tells it.
    fn told(&self, many: usize) -> serde_json::Value {
        json!({
            "credentials": many,
            "environment": self.environment.map(Environment::as_str),
            "kinds": self.kinds,
            "owner": self.owner,
            "moves_money": self.moves_money.then_some(true),
            "created_before": self.created_before,
            "created_since": self.created_since,
            "used_since": self.used_since,
            "unused_since": self.unused_since,
        })
    }
}

/// What the event of each one says beside: that there are many like it.
pub const TOGETHER: &str = "together";

/// Revokes every credential that is meant, all of them or none; how many.
pub fn revoke_all(
    tx: &mut Tx<'_>,
    moment: &Moment,
    account: AccountId,
    which: &Which,
) -> Result<usize, Error> {
    accounts::lock(tx, account)?.ok_or(Error::NotFound("account"))?;
    credentials::lock_live(tx, account)?;
    let rules = &moment.realm.rules;
    let meant = which.fitting(tx, rules, account)?;
    let many = meant.len();
    let (mut ended, mut told) = (Vec::with_capacity(many), Vec::<Event>::with_capacity(many));
    for credential in meant {
        let kind = super::credentials::kind_of(moment, &credential)?;
        let permit = moment.permit(kind, Act::Revoke)?;
        let (credential, mut happened) = credential.revoke(&permit, moment.now)?;
        if let Some(after) = happened.after.as_object_mut() {
            after.insert(TOGETHER.to_owned(), many.into());
        }
        told.push(moment.event(account, credential.id.to_string(), happened));
        ended.push(credential);
    }
    if many == 0 {
        return Ok(0);
    }
    let summary = Happened::new(Fact::RevokedTogether, json!({}), which.told(many));
    told.push(moment.event(account, account.to_string(), summary));
    credentials::save_ended(tx, rules, &ended)?;
    // One letter tells of all. Each by itself is news to programs alone: where there are none, it
    // need not pass through the outbox, ten thousand times while nodes have better things to do.
    let has_programs =
        endpoints::list(tx, &rules.seals, account).map_or(true, |all| !all.is_empty());
    let is_told = |event: &Event| has_programs || event.after.get(TOGETHER).is_none();
    events::append_all(tx, &moment.keys.audit, account, &told, is_told)?;
    Ok(many)
}
