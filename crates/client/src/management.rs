//! The management API, typed: accounts, and the credentials they hold.
//!
//! Each call that changes something carries an `Idempotency-Key` and is sent again, with the same
//! key, while nothing says whether it was done: it is done once. Who gives a key of their own
//! ([`Management::idempotency_key`]) may also ask again after a restart. A secret is in the answer of
//! the call that made it and in no other.

mod call;
mod error;
mod types;

use std::time::Duration;

use http::{Method, Uri};
use keyway_guard::Node;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use call::Caller;
pub use error::{ManagementError, Problem};
pub use types::{
    Account, Credential, Edit, Grant, Made, NewAccount, NewCredential, Page, RateLimit, Reach,
    Secret, SecretStrings, Usage, UsageRow,
};

/// A client of the management API.
#[derive(Clone)]
pub struct Management {
    caller: Caller,
}

impl Management {
    /// Calls the management API at `origin`, such as `https://keys.example.com`, with an operator
    /// token.
    pub fn new(origin: &Uri, token: &str) -> Result<Self, ManagementError> {
        let node = Node::new(origin)?.token(token)?;
        Ok(Self { caller: Caller::new(node) })
    }

    /// Waits so long for each answer; the default is ten seconds. A revocation that waits for a
    /// silent node takes up to five.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.caller.timeout = timeout;
        self
    }

    /// Sends a call again so often while nothing says whether it was done; the default is twice.
    #[must_use]
    pub fn retries(mut self, retries: u32) -> Self {
        self.caller.retries = retries;
        self
    }

    /// The same client for one change with this key: whoever sends the key again gets the answer of
    /// the first time, without the secret.
    #[must_use]
    pub fn idempotency_key(mut self, key: &str) -> Self {
        self.caller.key = Some(key.to_owned());
        self
    }

    /// Registers an account, with the credentials that the scheme gives at registration.
    pub async fn create_account(&self, new: &NewAccount) -> Result<Account, ManagementError> {
        self.post("/v1/accounts", new).await
    }

    /// Reads an account.
    pub async fn account(&self, account: &str) -> Result<Account, ManagementError> {
        self.get(&format!("/v1/accounts/{}", segment(account)?)).await
    }

    /// A page of accounts, newest first; `cursor` is that of the page before.
    pub async fn accounts(&self, cursor: Option<&str>) -> Result<Page<Account>, ManagementError> {
        self.get(&with_cursor("/v1/accounts", cursor)).await
    }

    /// Finds an account by the platform's own id.
    pub async fn account_called(&self, id: &str) -> Result<Option<Account>, ManagementError> {
        let path = format!("/v1/accounts?external_id={}", encoded(id));
        let page: Page<Account> = self.get(&path).await?;
        Ok(page.data.into_iter().next())
    }

    /// Refuses all credentials of an account from the answer on.
    pub async fn suspend(&self, account: &str) -> Result<Account, ManagementError> {
        self.post(&format!("/v1/accounts/{}/suspend", segment(account)?), &json!({})).await
    }

    /// Lets a suspended account in again.
    pub async fn resume(&self, account: &str) -> Result<Account, ManagementError> {
        self.post(&format!("/v1/accounts/{}/resume", segment(account)?), &json!({})).await
    }

    /// The credentials of an account.
    pub fn credentials<'a>(&'a self, account: &'a str) -> Credentials<'a> {
        Credentials { management: self, account }
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ManagementError> {
        self.caller.call(Method::GET, path, None).await
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ManagementError> {
        self.caller.call(Method::POST, path, Some(call::body(body)?)).await
    }
}

/// The credentials of one account.
pub struct Credentials<'a> {
    management: &'a Management,
    account: &'a str,
}

impl Credentials<'_> {
    fn path(&self, rest: &str) -> Result<String, ManagementError> {
        Ok(format!("/v1/accounts/{}/credentials{rest}", segment(self.account)?))
    }

    fn of(&self, id: &str, act: &str) -> Result<String, ManagementError> {
        self.path(&format!("/{}{act}", segment(id)?))
    }

    /// Makes one. Its secret is in this answer only.
    pub async fn create(&self, new: &NewCredential) -> Result<Made, ManagementError> {
        self.management.post(&self.path("")?, new).await
    }

    /// Reads one.
    pub async fn get(&self, id: &str) -> Result<Credential, ManagementError> {
        self.management.get(&self.of(id, "")?).await
    }

    /// A page of them, newest first; `cursor` is that of the page before.
    pub async fn list(&self, cursor: Option<&str>) -> Result<Page<Credential>, ManagementError> {
        self.management.get(&with_cursor(&self.path("")?, cursor)).await
    }

    /// Changes its name, its grant, from where it may be used, or when it ends.
    pub async fn edit(&self, id: &str, edit: &Edit) -> Result<Credential, ManagementError> {
        let body = Some(call::body(edit)?);
        self.management.caller.call(Method::PATCH, &self.of(id, "")?, body).await
    }

    /// Gives it a new secret; the one before is accepted for `overlap` more (`0s`, `15m`, `24h`), or
    /// for as long as the scheme says. The new secret is in this answer only.
    pub async fn rotate(&self, id: &str, overlap: Option<&str>) -> Result<Made, ManagementError> {
        let body = overlap.map_or_else(|| json!({}), |overlap| json!({ "overlap": overlap }));
        self.management.post(&self.of(id, "/rotate")?, &body).await
    }

    /// Ends the new secret at once and goes back to the one before, while that is still accepted.
    pub async fn roll_back(&self, id: &str) -> Result<Credential, ManagementError> {
        self.management.post(&self.of(id, "/rollback")?, &json!({})).await
    }

    /// Ends the overlap at another instant (RFC 3339).
    pub async fn extend(&self, id: &str, until: &str) -> Result<Credential, ManagementError> {
        self.management.post(&self.of(id, "/extend")?, &json!({ "until": until })).await
    }

    /// Ends the overlap now: only the new secret is accepted when this returns.
    pub async fn finish(&self, id: &str) -> Result<Credential, ManagementError> {
        self.management.post(&self.of(id, "/finish")?, &json!({})).await
    }

    /// Ends it for good: no node accepts it when this returns, unless [`Reach`] says otherwise.
    pub async fn revoke(&self, id: &str) -> Result<Credential, ManagementError> {
        self.management.post(&self.of(id, "/revoke")?, &json!({})).await
    }

    /// Its requests by hour, secret and outcome.
    pub async fn usage(&self, id: &str) -> Result<Usage, ManagementError> {
        self.management.get(&self.of(id, "/usage")?).await
    }
}

/// An id as a part of a path. One that would be more than that is no id.
fn segment(id: &str) -> Result<&str, ManagementError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if !id.is_empty() && id.bytes().all(plain) { Ok(id) } else { Err(ManagementError::NoId) }
}

fn with_cursor(path: &str, cursor: Option<&str>) -> String {
    cursor.map_or_else(|| path.to_owned(), |cursor| format!("{path}?cursor={}", encoded(cursor)))
}

/// Percent-encoded, as a value in a query (RFC 3986 §2.1).
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
