//! The audit log over HTTP: whether it is as it was written, and the whole of it.

use keyway_domain::id::AccountId;
use keyway_store::accounts;
use keyway_store::accounts::OPERATOR;
use keyway_store::audit::{Broken, Whole};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Call, Caller, Problem, Reply, said};
use crate::audit;
use crate::commands::Error;
use crate::commands::sessions::hex;
use crate::http::openapi::shapes as shape;

/// What a look at an account's audit log found.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AuditVerified")]
#[serde(untagged)]
pub enum Shown {
    /// It is as it was written.
    Whole(WholeLog),
    /// It is not.
    Broken(BrokenLog),
}

/// An audit log that is as it was written.
#[derive(Serialize, JsonSchema)]
pub struct WholeLog {
    /// Whose.
    #[schemars(with = "shape::AccountId")]
    account: AccountId,
    /// That it is.
    #[schemars(extend("const" = true))]
    whole: bool,
    /// Its entries.
    #[schemars(example = 1042)]
    entries: i64,
    /// The place of the newest.
    #[schemars(example = 1042)]
    newest: i64,
    /// The newest link of its chain in hex: kept elsewhere, it proves later that nothing before it was
    /// rewritten.
    #[schemars(with = "shape::Digest")]
    head: String,
}

/// An audit log that is not as it was written.
#[derive(Serialize, JsonSchema)]
pub struct BrokenLog {
    /// Whose.
    #[schemars(with = "shape::AccountId")]
    account: AccountId,
    /// That it is not.
    #[schemars(extend("const" = false))]
    whole: bool,
    /// What is wrong: `changed`, `missing`, `added` or `ends`.
    #[schemars(example = &"changed")]
    fault: &'static str,
    /// The place of the first entry that is wrong, from 1; 0 where there is none.
    #[schemars(example = 17)]
    entry: i64,
    /// Its event, if there is one.
    #[schemars(with = "Option<shape::EventId>")]
    event: Option<String>,
}

/// What a look at every audit log found.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AuditsVerified")]
pub struct All {
    /// Whether all are as they were written.
    #[schemars(example = false)]
    whole: bool,
    /// How many accounts have one, the operator's included.
    #[schemars(example = 12)]
    accounts: usize,
    /// Entries of those that are whole.
    #[schemars(example = 20_418)]
    entries: i64,
    /// Those that are not.
    broken: Vec<BrokenLog>,
}

fn whole(account: AccountId, found: &Whole) -> WholeLog {
    let (entries, newest, head) = (found.entries, found.seq, hex(&found.head));
    WholeLog { account, whole: true, entries, newest, head }
}

fn broken(account: AccountId, found: Broken) -> BrokenLog {
    let (fault, entry, event) = (found.fault.as_str(), found.seq, found.event);
    BrokenLog { account, whole: false, fault, entry, event }
}

/// `GET /v1/accounts/{account}/audit/verify`
pub async fn verify(call: Call, _: Caller) -> Result<Reply, Problem> {
    let account = call.account()?;
    let found = call.app.db.read(move |tx| accounts::find(tx, account)).await?;
    found.ok_or(Error::NotFound("account"))?;
    let verified = audit::verify(&call.app, account).await?;
    Ok(said(&match verified {
        Ok(found) => Shown::Whole(whole(account, &found)),
        Err(found) => Shown::Broken(broken(account, found)),
    }))
}

/// `GET /v1/audit/verify`
pub async fn verify_all(call: Call, _: Caller) -> Result<Reply, Problem> {
    let all = call.app.db.read(|tx| {
        let mut all = vec![OPERATOR];
        accounts::each(tx, |found| {
            // The log of an account that can't be read is looked at all the same.
            let id = found.map_or_else(|(id, _)| AccountId::parse(&id), |found| Some(found.id));
            all.extend(id.filter(|id| *id != OPERATOR));
        })?;
        Ok::<_, Error>(all)
    });
    let all = all.await?;
    let (mut entries, mut torn) = (0, Vec::new());
    let accounts = all.len();
    for account in all {
        match audit::verify(&call.app, account).await? {
            Ok(found) => entries += found.entries,
            Err(found) => torn.push(broken(account, found)),
        }
    }
    Ok(said(&All { whole: torn.is_empty(), accounts, entries, broken: torn }))
}
