//! Ends all credentials of an account at once: what is done when a server was broken into.

use keyway_domain::Environment;
use keyway_domain::credential::{Credential, Status};
use keyway_domain::event::{Event, Happened, Kind as Fact};
use keyway_domain::id::AccountId;
use keyway_domain::scheme::Act;
use keyway_domain::time::Time;
use keyway_store::{Tx, accounts, credentials, events};
use serde_json::json;

use super::{Error, Moment};

/// Which of an account's live credentials. All that is said must hold.
#[derive(Debug, Clone, Default)]
pub struct Which {
    /// Of this environment.
    pub environment: Option<Environment>,
    /// Of this kind.
    pub kind: Option<String>,
    /// Made before this instant.
    pub created_before: Option<Time>,
}

impl Which {
    fn is(&self, credential: &Credential) -> bool {
        credential.status == Status::Live
            && self.environment.is_none_or(|wanted| credential.environment == wanted)
            && self.kind.as_ref().is_none_or(|wanted| credential.kind == *wanted)
            && self.created_before.is_none_or(|before| credential.created_at < before)
    }
}

/// What the event of each one says beside: that there are many like it.
pub const TOGETHER: &str = "together";

/// Revokes every credential that is meant, all of them or none; how many. A row that cannot be
/// trusted is not accepted anyway, and holds up none of the others.
pub fn revoke_all(
    tx: &mut Tx<'_>,
    moment: &Moment,
    account: AccountId,
    which: &Which,
) -> Result<usize, Error> {
    accounts::lock(tx, account)?.ok_or(Error::NotFound("account"))?;
    credentials::lock_live(tx, account)?;
    let rules = &moment.realm.rules;
    let mut meant = Vec::new();
    credentials::each_of_account(tx, rules, account, |found| match found {
        Ok(credential) if which.is(&credential) => meant.push(credential),
        Ok(_) => {}
        Err((id, error)) => {
            tracing::error!(credential = id, %error, "a credential is not readable, and not revoked");
        }
    })?;
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
    let after = json!({
        "credentials": many,
        "environment": which.environment.map(Environment::as_str),
        "kind": which.kind,
        "created_before": which.created_before,
    });
    let summary = Happened::new(Fact::RevokedTogether, json!({}), after);
    told.push(moment.event(account, account.to_string(), summary));
    credentials::save_ended(tx, rules, &ended)?;
    events::append_all(tx, &moment.keys.audit, account, &told)?;
    Ok(many)
}
