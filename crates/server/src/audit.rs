//! Looks at audit logs, one at a time: a long one keeps a reader of the database busy for seconds,
//! and the others are for requests.

use keyway_domain::id::AccountId;
use keyway_store::DbError;
use keyway_store::audit::{self, Verified};

use crate::app::App;

/// Walks an account's log, once it is its turn.
pub async fn verify(app: &App, account: AccountId) -> Result<Verified, DbError> {
    let _turn = app.audit_turn.lock().await;
    let keys = app.keys.audit.clone();
    app.db.read(move |tx| audit::verify(tx, &keys, account)).await
}
