//! The audit log over HTTP: whether it is as it was written, and the whole of it.

use http::StatusCode;
use keyway_domain::id::AccountId;
use keyway_store::accounts;
use keyway_store::accounts::OPERATOR;
use keyway_store::audit::Verified;
use serde_json::{Value, json};

use super::{Call, Caller, Problem, Reply, json_reply};
use crate::audit;
use crate::commands::Error;
use crate::commands::sessions::hex;

/// What a look at an account's chain found.
pub(crate) fn shown(account: AccountId, verified: &Verified) -> Value {
    match verified {
        Ok(whole) => json!({
            "account": account,
            "whole": true,
            "entries": whole.entries,
            "newest": whole.seq,
            "head": hex(&whole.head),
        }),
        Err(broken) => json!({
            "account": account,
            "whole": false,
            "fault": broken.fault.as_str(),
            "entry": broken.seq,
            "event": broken.event,
        }),
    }
}

/// `GET /v1/accounts/{account}/audit/verify`
pub async fn verify(call: Call, _: Caller) -> Result<Reply, Problem> {
    let account = call.account()?;
    let found = call.app.db.read(move |tx| accounts::find(tx, account)).await?;
    found.ok_or(Error::NotFound("account"))?;
    let verified = audit::verify(&call.app, account).await?;
    Ok(json_reply(StatusCode::OK, shown(account, &verified).to_string()))
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
    let (mut entries, mut broken) = (0, Vec::new());
    let accounts = all.len();
    for account in all {
        let verified = audit::verify(&call.app, account).await?;
        match &verified {
            Ok(whole) => entries += whole.entries,
            Err(_) => broken.push(shown(account, &verified)),
        }
    }
    let body = json!({
        "whole": broken.is_empty(),
        "accounts": accounts,
        "entries": entries,
        "broken": broken,
    });
    Ok(json_reply(StatusCode::OK, body.to_string()))
}
