//! Handlers: unpack, one command or one read, pack.

pub mod accounts;
pub mod audit;
pub mod credentials;
pub mod events;
pub mod imports;
pub mod members;
pub mod nodes;
mod reach;
pub mod requests;
pub mod revoke_all;
pub mod scheme;
pub mod tokens;
pub mod usage;
mod view;
pub mod watch;
pub mod webhooks;

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use http::header::HeaderValue;
use keyway_domain::id::{AccountId, CredentialId};
use keyway_domain::limits;
use keyway_domain::time::Time;
use keyway_store::idempotency::{self, Given};
use keyway_store::{DbError, Tx, turns};
use serde_json::{Value, json};

pub(crate) use reach::Reached;

use super::admit::Caller;
use super::body::OnBehalfOf;
use super::problem::Problem;
use super::{Call, Reply, json as json_reply};
use crate::app::Realm;
use crate::coherence::Reach;
use crate::commands::{Error, Moment, repeats};

/// What a command has to say: its answer, and, apart from it, what is shown only this once.
pub struct Done {
    /// The answer without any secret: also what a repeated call gets.
    pub body: Value,
    /// The secret's strings, to be shown in this answer only.
    pub shown: Option<Value>,
}

/// What a call came to.
struct Answered {
    status: StatusCode,
    body: Value,
    shown: Option<Value>,
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
                let answered = Answered { status, body, shown, is_repeated: false };
                self.reached(answered, position, wait).await
            }
            Ok((Outcome::Again(given), _)) => {
                let answered = Answered {
                    status: StatusCode::from_u16(given.status).unwrap_or(status),
                    body: serde_json::from_str(&given.body).unwrap_or_default(),
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
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency_key_mismatch",
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

    /// The key, quoted as the draft has it or bare as clients send it.
    fn idempotency_key(&self) -> Result<Option<String>, Problem> {
        let Some(value) = self.headers.get("idempotency-key") else { return Ok(None) };
        let bad = || {
            let detail = format!(
                "an Idempotency-Key has 1 to {} printable ASCII characters",
                limits::IDEMPOTENCY_KEY_MAX
            );
            Problem::new(StatusCode::BAD_REQUEST, "idempotency_key_invalid", detail)
        };
        let text = value.to_str().map_err(|_| bad())?;
        let quoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        let key = quoted.unwrap_or(text);
        if key.is_empty() || key.len() > limits::IDEMPOTENCY_KEY_MAX {
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

    /// The query's parameters: each known, each once.
    pub fn query(&self, known: &[&str]) -> Result<HashMap<String, String>, Problem> {
        let mut query = HashMap::new();
        for pair in self.uri.query().unwrap_or("").split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if !known.contains(&name) {
                let detail =
                    format!("there is no parameter of that name; there are: {}", known.join(", "));
                return Err(Problem::new(StatusCode::BAD_REQUEST, "unknown_parameter", detail));
            }
            if query
                .insert(name.to_owned(), keyway_domain::scheme::percent_decoded(value))
                .is_some()
            {
                let detail = format!("`{name}` is there twice");
                return Err(Problem::new(StatusCode::BAD_REQUEST, "doubled_parameter", detail));
            }
        }
        Ok(query)
    }

    /// Which page is asked for: how many, and what comes before it.
    pub fn page(&self, query: &HashMap<String, String>) -> Result<(u32, Option<u128>), Problem> {
        let bad = |name: &str, detail: String| {
            Err(Problem {
                field: Some(name.to_owned()),
                ..Problem::new(StatusCode::BAD_REQUEST, "invalid_parameter", detail)
            })
        };
        let limit = match query.get("limit").map(|text| text.parse::<u32>()) {
            None => limits::PAGE_DEFAULT,
            Some(Ok(limit)) if (1..=limits::PAGE_MAX).contains(&limit) => limit,
            Some(_) => return bad("limit", format!("it is 1 to {}", limits::PAGE_MAX)),
        };
        let Some(cursor) = query.get("cursor") else { return Ok((limit, None)) };
        let sealed = URL_SAFE_NO_PAD.decode(cursor).ok();
        let opened = sealed.and_then(|sealed| self.app.keys.cursors.unseal_unique(&sealed).ok());
        let number = opened.and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
        match number {
            Some(number) => Ok((limit, Some(u128::from_be_bytes(number)))),
            None => bad("cursor", "it is not one that this API gave".to_owned()),
        }
    }

    /// A page as JSON; `last` is the number of its last entry's id.
    pub fn page_reply(&self, entries: &[Value], limit: u32, last: Option<u128>) -> Reply {
        let is_full = entries.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
        let cursor = last.filter(|_| is_full).map(|last| {
            URL_SAFE_NO_PAD.encode(self.app.keys.cursors.seal_unique(&last.to_be_bytes()))
        });
        let body = json!({ "data": entries, "next_cursor": cursor });
        json_reply(StatusCode::OK, body.to_string())
    }

    /// The present instant.
    pub fn now(&self) -> Time {
        self.app.now()
    }
}

impl Answered {
    fn reply(self) -> Reply {
        let Self { status, mut body, shown, is_repeated } = self;
        if let (Some(shown), Some(object)) = (shown, body.as_object_mut()) {
            object.insert("secret".to_owned(), shown);
            object.insert("secret_shown".to_owned(), Value::Bool(true));
        }
        let mut reply = json_reply(status, body.to_string());
        if is_repeated {
            let yes = HeaderValue::from_static("true");
            reply.headers_mut().insert("idempotency-replayed", yes);
        }
        reply
    }
}
