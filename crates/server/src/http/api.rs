//! Handlers: unpack, one command or one read, pack.

pub mod accounts;
pub mod approvals;
pub mod audit;
pub mod credentials;
pub mod deliveries;
pub mod events;
pub mod imports;
pub mod members;
pub mod nodes;
pub mod operator_links;
pub(super) mod query;
mod reach;
pub mod requests;
pub mod revoke_all;
pub mod scheme;
pub mod tokens;
pub mod usage;
pub mod view;
pub mod watch;
pub mod webhooks;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use http::header::{HeaderValue, LOCATION};
use keyway_domain::id::{AccountId, CredentialId};
use keyway_domain::limits;
use keyway_domain::time::Time;
use keyway_store::idempotency::{self, Given};
use keyway_store::{DbError, Tx, turns};
use serde::Serialize;
use serde_json::Value;

pub(crate) use reach::{Changed, Reached};

use super::admit::Caller;
use super::body::OnBehalfOf;
use super::problem::Problem;
use super::{Call, Reply, json as json_reply};
use crate::app::Realm;
use crate::codes::Code;
use crate::coherence::Reach;
use crate::commands::{Error, Moment, repeats};

/// What a command has to say: its answer, and, apart from it, what is shown only this once.
pub struct Done {
    /// The answer without any secret: also what a repeated call gets.
    pub body: Value,
    /// The secret's strings, to be shown in this answer only.
    pub shown: Option<Value>,
}

/// What is answered, as JSON.
pub(super) fn said(body: &impl Serialize) -> Reply {
    json_reply(StatusCode::OK, value(body).to_string())
}

/// A view as a value.
fn value(view: &impl Serialize) -> Value {
    serde_json::to_value(view).expect("a view has names for keys")
}

/// What a call came to.
struct Answered {
    status: StatusCode,
    body: Value,
    shown: Option<Value>,
    /// Where that which was made is found.
    location: Option<String>,
    is_repeated: bool,
}

enum Outcome {
    New(Done),
    Again(Given),
}

enum Failure {
    Command(Error),
    OtherBody,
}

impl From<DbError> for Failure {
    fn from(error: DbError) -> Self {
        Self::Command(error.into())
    }
}

impl Call {
    /// Runs a command and answers with what it did. Under an `Idempotency-Key`, a repeated call
    /// changes nothing and gets the first one's answer, without the secret.
    ///
    /// What verification must know of is answered when it has reached the nodes: all of them, if
    /// the route takes something away.
    pub async fn mutate(
        self,
        caller: &Caller,
        realm: &Arc<Realm>,
        on_behalf_of: Option<OnBehalfOf>,
        status: StatusCode,
        work: impl Fn(&mut Tx<'_>, &Moment) -> Result<Done, Error> + Send + 'static,
    ) -> Result<Reply, Problem> {
        let moment = self.moment(caller, realm, on_behalf_of)?;
        let refused_moment = moment.clone();
        let key = self.idempotency_key()?;
        let wait = self.wait()?;
        let target = self.uri.path().as_bytes();
        let parts = [self.method.as_str().as_bytes(), target, &self.body];
        let fingerprint = self.app.keys.pepper.digest_parts(&parts).0.to_vec();
        let token = caller.token.clone();
        let now = moment.now;
        let since = now.plus_ms(-limits::IDEMPOTENCY_HOURS * 3_600_000);
        let written = self.app.db.write_placed(now, move |tx| {
            if let Some(key) = &key {
                turns::take(tx, &[token.as_bytes(), key.as_bytes()].concat())?;
            }
            if let Some(key) = &key
                && let Some(given) = idempotency::find(tx, &token, key, since)?
            {
                let same = given.fingerprint == fingerprint;
                return if same { Ok(Outcome::Again(given)) } else { Err(Failure::OtherBody) };
            }
            let done = work(tx, &moment).map_err(Failure::Command)?;
            if let Some(key) = &key {
                let (fingerprint, status) = (fingerprint.clone(), status.as_u16());
                let given = Given { fingerprint, status, body: done.body.to_string() };
                idempotency::save(tx, &token, key, &given, now)?;
            }
            Ok(Outcome::New(done))
        });
        match written.await {
            Ok((Outcome::New(done), position)) => {
                let Done { body, shown } = done;
                let location = self.location(&body);
                let answered = Answered { status, body, shown, location, is_repeated: false };
                self.reached(answered, position, wait).await
            }
            Ok((Outcome::Again(given), _)) => {
                let body = serde_json::from_str(&given.body).unwrap_or_default();
                let answered = Answered {
                    status: StatusCode::from_u16(given.status).unwrap_or(status),
                    location: self.location(&body),
                    body,
                    shown: None,
                    is_repeated: true,
                };
                self.reached(answered, None, wait).await
            }
            Err(Failure::Command(error)) => {
                self.note_refusal(&refused_moment, &error);
                if self.takes_away && matches!(error, Error::Refused(_) | Error::Conflict { .. }) {
                    // Whoever is told that it has ended already is told so when it has, everywhere.
                    self.app.reach(None, Reach::Everywhere).await?;
                }
                Err(error.into())
            }
            Err(Failure::OtherBody) => Err(Problem::new(
                Code::IdempotencyKeyMismatch,
                "this Idempotency-Key was used for another request",
            )),
        }
    }

    /// That somebody tried what they may not do is an event of the account.
    fn note_refusal(&self, moment: &Moment, error: &Error) {
        if let (Error::NotPermitted(not), Ok(account)) = (error, self.account()) {
            let path = self.uri.path();
            let act = path.rsplit('/').next().unwrap_or(path);
            let subject =
                self.params.get("credential").map_or_else(|| account.to_string(), String::clone);
            let refused = repeats::act_refused(act, &not.to_string());
            self.app.refuse(account, subject, moment, refused);
        }
    }

    /// Where that which was made is found (RFC 9110 §15.3.2).
    fn location(&self, body: &Value) -> Option<String> {
        let id = body["id"].as_str()?;
        let account = self.params.get("account").map_or("", String::as_str);
        self.made_under.map(|under| format!("{}/{id}", under.replace("{account}", account)))
    }

    /// The key, quoted as the draft has it or bare as clients send it.
    fn idempotency_key(&self) -> Result<Option<String>, Problem> {
        let Some(value) = self.headers.get("idempotency-key") else { return Ok(None) };
        let bad = || {
            let detail = format!(
                "an Idempotency-Key has 1 to {} visible ASCII characters, none of them a space",
                limits::IDEMPOTENCY_KEY_MAX
            );
            Problem::new(Code::IdempotencyKeyInvalid, detail)
        };
        let text = value.to_str().map_err(|_| bad())?;
        let quoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        let key = quoted.unwrap_or(text);
        let is_visible = key.bytes().all(|byte| byte.is_ascii_graphic());
        if key.is_empty() || key.len() > limits::IDEMPOTENCY_KEY_MAX || !is_visible {
            return Err(bad());
        }
        Ok(Some(key.to_owned()))
    }

    /// The account that the path names.
    pub fn account(&self) -> Result<AccountId, Problem> {
        let text = self.params.get("account").map_or("", String::as_str);
        let id = AccountId::parse(text).filter(|id| *id != keyway_store::accounts::OPERATOR);
        id.ok_or_else(|| Problem::not_found("account"))
    }

    /// The credential that the path names.
    pub fn credential(&self) -> Result<CredentialId, Problem> {
        let text = self.params.get("credential").map_or("", String::as_str);
        CredentialId::parse(text).ok_or_else(|| Problem::not_found("credential"))
    }

    /// A page as JSON; `last` is the number of its last entry's id.
    pub fn page_reply<T: Serialize>(&self, data: Vec<T>, limit: u32, last: Option<u128>) -> Reply {
        let is_full = data.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
        let cursor = last.filter(|_| is_full).map(|last| {
            URL_SAFE_NO_PAD.encode(self.app.keys.cursors.seal_unique(&last.to_be_bytes()))
        });
        said(&view::Page { data, next_cursor: cursor })
    }

    /// The present instant.
    pub fn now(&self) -> Time {
        self.app.now()
    }
}

impl Answered {
    fn reply(self) -> Reply {
        let Self { status, mut body, shown, location, is_repeated } = self;
        if let (Some(shown), Some(object)) = (shown, body.as_object_mut()) {
            object.insert("secret".to_owned(), shown);
            object.insert("secret_shown".to_owned(), Value::Bool(true));
        }
        let mut reply = json_reply(status, body.to_string());
        if let Some(location) = location.and_then(|path| HeaderValue::try_from(path).ok()) {
            reply.headers_mut().insert(LOCATION, location);
        }
        if is_repeated {
            let yes = HeaderValue::from_static("true");
            reply.headers_mut().insert("idempotency-replayed", yes);
        }
        reply
    }
}
