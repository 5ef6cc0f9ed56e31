//! Who is calling: taken from the guard's identity, never from the request itself.

use axum::extract::FromRequestParts;
use axum::response::Response;
use http::request::Parts;
use keyway_guard::Identity;

use crate::handlers::App;
use crate::refusal::Refusal;

/// Whose data a request is about. Nothing is read or written without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    /// The account's id.
    pub(crate) account: String,
    /// `test` or `live`: two worlds of the same account.
    pub(crate) environment: String,
}

/// The caller of one request.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) owner: Owner,
    /// The platform's own id of the account.
    pub(crate) external_id: Option<String>,
    /// Finds this request in Keyway's records.
    pub(crate) request_id: String,
}

impl Caller {
    /// Whether `account` names the caller's own account, by either of its ids.
    pub(crate) fn is(&self, account: &str) -> bool {
        self.owner.account == account || self.external_id.as_deref() == Some(account)
    }

    /// The id that the platform itself knows the account by.
    pub(crate) fn business(&self) -> &str {
        self.external_id.as_deref().unwrap_or(&self.owner.account)
    }

    /// Whether the money is real.
    pub(crate) fn is_live(&self) -> bool {
        self.owner.environment == "live"
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let Some(identity) = parts.extensions.get::<Identity>() else {
            // Without a guard in front there is no telling whose data this is.
            return Err(app.refuse(&Refusal::Unguarded, ""));
        };
        Ok(Self {
            owner: Owner {
                account: identity.account.clone(),
                environment: identity.environment.clone(),
            },
            external_id: identity.external_id.clone(),
            request_id: identity.request_id.clone(),
        })
    }
}
