//! The platform's operator in a browser: a link that is good once opens a short session, which may
//! do what the token it was made with may do at that moment, and nothing else.

use std::net::IpAddr;

use keyway_domain::actor::Actor;
use keyway_domain::credential::{Status, is_in};
use keyway_domain::event::{Happened, Kind};
use keyway_domain::grant::Grant;
use keyway_domain::id::{AccountId, CredentialId, OperatorSessionId};
use keyway_domain::limits::{OPERATOR_LINK_MS, OPERATOR_SESSION_MS};
use keyway_domain::time::Time;
use keyway_secret::{OsEntropy, Pepper, SecretText};
use keyway_store::accounts::OPERATOR;
use keyway_store::operators::{self, OperatorSession, Stage};
use keyway_store::{DbError, Rules, Tx, credentials};
use serde_json::json;

use super::sessions::new_token;
use super::{Error, Moment, repeats};

/// What is kept of a link's text.
pub fn link_digest(keys: &Pepper, text: &str) -> [u8; 32] {
    keys.digest_parts(&[b"operator-link/", text.as_bytes()]).0
}

/// What is kept of a session's token.
pub fn session_digest(keys: &Pepper, token: &str) -> [u8; 32] {
    keys.digest_parts(&[b"operator/", token.as_bytes()]).0
}

/// Makes a link with the power of a token, which was presented by this one of its secrets.
pub fn make_link(
    tx: &mut Tx<'_>,
    moment: &Moment,
    (token, secret): (&str, Option<u32>),
) -> Result<(OperatorSession, SecretText), Error> {
    let text = new_token();
    let link = OperatorSession {
        id: OperatorSessionId::new(moment.now, &mut OsEntropy),
        token: token.to_owned(),
        secret,
        stage: Stage::Link,
        created_at: moment.now,
        expires_at: moment.now.plus_ms(OPERATOR_LINK_MS),
        ended_at: None,
    };
    let digest = link_digest(&moment.keys.browsers, text.reveal());
    operators::insert(tx, &moment.realm.rules.seals, &digest, &link)?;
    Ok((link, text))
}

/// A link that is still good.
pub fn find_link(
    tx: &mut Tx<'_>,
    moment: &Moment,
    text: &str,
) -> Result<Option<OperatorSession>, DbError> {
    let digest = link_digest(&moment.keys.browsers, text);
    let found = operators::find(tx, &moment.realm.rules.seals, &digest)?;
    Ok(found.filter(|link| link.is_good(Stage::Link, moment.now)))
}

/// Spends a link; the session's token, which nobody else ever sees.
pub fn enter(tx: &mut Tx<'_>, moment: &Moment, text: &str) -> Result<SecretText, Error> {
    let gone = || Error::NotFound("link");
    let link = find_link(tx, moment, text)?.ok_or_else(gone)?;
    let token = new_token();
    let session = OperatorSession {
        stage: Stage::Open,
        expires_at: moment.now.plus_ms(OPERATOR_SESSION_MS),
        ..link
    };
    let keys = &moment.keys.browsers;
    let digests = (&link_digest(keys, text)[..], &session_digest(keys, token.reveal())[..]);
    if !operators::open(tx, &moment.realm.rules.seals, digests, &session)? {
        return Err(gone());
    }
    record(tx, moment, &session, Kind::OperatorEntered)?;
    Ok(token)
}

/// Ends a session before its time.
pub fn leave(tx: &mut Tx<'_>, moment: &Moment, session: &OperatorSession) -> Result<(), Error> {
    if operators::end(tx, session.id, moment.now)? {
        record(tx, moment, session, Kind::OperatorLeft)?;
    }
    Ok(())
}

fn record(
    tx: &mut Tx<'_>,
    moment: &Moment,
    session: &OperatorSession,
    kind: Kind,
) -> Result<(), DbError> {
    let actor = Actor::Operator { token: session.token.clone() };
    let moment = Moment { actor, ..moment.clone() };
    let after = json!({ "token": session.token, "until": session.expires_at });
    moment.record(tx, OPERATOR, session.id.to_string(), Happened::new(kind, json!({}), after))
}

/// What a token may do now, and what it is called.
#[derive(Debug, Clone)]
pub struct Power {
    /// What it may do.
    pub grant: Grant,
    /// Its name.
    pub name: String,
}

/// What a session may do now: what its token may. `None` if that was revoked or has expired, if the
/// secret that it began with has ended, or if the token may not be used from here.
pub fn power(
    tx: &mut Tx<'_>,
    operator: &Rules,
    session: &OperatorSession,
    (address, now): (Option<IpAddr>, Time),
) -> Result<Option<Power>, DbError> {
    if session.token == Actor::LOCAL {
        let name = "the command line beside the data".to_owned();
        return Ok(Some(Power { grant: Grant::Everything, name }));
    }
    let Some(id) = CredentialId::parse(&session.token) else { return Ok(None) };
    let Some(token) = credentials::find(tx, operator, OPERATOR, id)? else { return Ok(None) };
    let began_with = |number: u32| Some(number) == session.secret;
    let has_secret = token.secrets.iter().any(|one| began_with(one.number) && one.is_live(now));
    let places = token.enforced_addresses();
    let is_here = places.is_empty() || is_in(places, address);
    let is_live = token.status == Status::Live && !token.has_expired(now);
    let power = Power { grant: token.grant, name: token.name };
    Ok((is_live && has_secret && is_here).then_some(power))
}

/// Tells an account that somebody of the platform looks at it: at once, and then no more often than
/// anything that comes again and again.
pub fn note_view(tx: &mut Tx<'_>, moment: &Moment, account: AccountId) -> Result<(), DbError> {
    let Actor::Operator { token } = &moment.actor else { return Ok(()) };
    let happened = Happened::new(Kind::AccountViewed, json!({}), json!({ "token": token }));
    repeats::record(tx, moment, account, token.clone(), happened)
}
