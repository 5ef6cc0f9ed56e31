//! Access tokens that their clients are done with.

use keyway_domain::event::{Happened, Kind};
use keyway_domain::id::{AccountId, CredentialId};
use keyway_store::tokens::{self, EndedToken};
use keyway_store::{DbError, Tx};
use serde_json::json;

use super::Moment;

/// Ends a token of a credential. One that was ended before stays so, and nothing happens.
pub fn end(
    tx: &mut Tx<'_>,
    moment: &Moment,
    (account, credential): (AccountId, CredentialId),
    token: EndedToken,
) -> Result<(), DbError> {
    if !tokens::end(tx, token)? {
        return Ok(());
    }
    let after = json!({ "token": token.id.to_string(), "would_have_ended_at": token.until });
    let happened = Happened::new(Kind::TokenRevoked, json!({}), after);
    moment.record(tx, account, credential.to_string(), happened)
}
