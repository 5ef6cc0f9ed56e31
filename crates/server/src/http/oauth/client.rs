//! Who calls: a client with its pair, in the header or in the body, never both (RFC 6749 §2.3.1).

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use http::header::AUTHORIZATION;
use keyway_domain::grant::Action;
use keyway_domain::limits::CREDENTIAL_BYTES_MAX;
use keyway_domain::verdict::Reason;
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::params::Params;
use super::{Call, Refused};
use crate::codes::OAuthError;
use crate::index::Entry;
use crate::verify::{Asked, HeaderPairs, Headers as _, One};

/// A client that was verified.
pub(super) struct Client {
    pub(super) id: Zeroizing<String>,
    pub(super) secret: Zeroizing<String>,
    pub(super) entry: Entry,
    /// Finds this decision again.
    pub(super) request_id: String,
}

/// Who asks about a token.
pub(super) enum Asker {
    /// A client, about tokens of its account.
    Client(Box<Client>),
    /// A server of the platform, about any.
    Operator,
}

/// What was presented.
struct Presented {
    id: Zeroizing<String>,
    secret: Zeroizing<String>,
    in_header: bool,
}

/// Verifies the client that calls.
pub(super) fn authenticate(call: &Call, params: &Params) -> Result<Client, Refused> {
    verify(call, presented(call, params)?)
}

/// Verifies who asks: a client, or an operator token as bearer or as the secret of a pair, which is
/// how resource servers that know only pairs send it.
pub(super) fn asker(call: &Call, params: &Params) -> Result<Asker, Refused> {
    if let One::Value(value) = call.headers.one(AUTHORIZATION.as_str())
        && let Some(token) = scheme_of(value, "bearer")
    {
        return operator(call, token).map(|()| Asker::Operator);
    }
    let presented = presented(call, params)?;
    if call.app.operator.engine.holds_secret(&presented.secret) {
        return operator(call, &presented.secret).map(|()| Asker::Operator);
    }
    verify(call, presented).map(|client| Asker::Client(Box::new(client)))
}

fn operator(call: &Call, token: &str) -> Result<(), Refused> {
    let bearer = Zeroizing::new(format!("Bearer {token}"));
    let named = Some(("verification", Action::Read));
    let asked = Asked { named, address: call.address, ..Asked::default() };
    let judged = call
        .app
        .operator
        .engine
        .verify(&HeaderPairs(&[("authorization", bearer.as_str())]), &asked);
    match judged.verdict {
        Ok(()) => Ok(()),
        Err(Reason::Unavailable) => Err(Refused::unavailable("the caller could not be verified")),
        Err(_) => Err(invalid_client("the operator token is not accepted", true)),
    }
}

fn presented(call: &Call, params: &Params) -> Result<Presented, Refused> {
    let by_body = (params.get("client_id"), params.get("client_secret"));
    let by_header = match call.headers.one(AUTHORIZATION.as_str()) {
        One::Many => {
            return Err(Refused::new(
                OAuthError::InvalidRequest,
                "there is more than one Authorization",
            ));
        }
        One::Value(value) => Some(value),
        One::Missing => None,
    };
    if params.get("client_assertion").is_some() {
        return Err(invalid_client("client assertions are not accepted", false));
    }
    match (by_header, by_body) {
        (Some(_), (_, Some(_))) => Err(Refused::new(
            OAuthError::InvalidRequest,
            "two client credentials were sent; send one",
        )),
        (Some(value), (named, None)) => {
            let presented = basic(value)?;
            if named.is_some_and(|named| named != presented.id.as_str()) {
                return Err(Refused::new(
                    OAuthError::InvalidRequest,
                    "client_id names another client",
                ));
            }
            Ok(presented)
        }
        (None, (Some(id), Some(secret))) => Ok(Presented {
            id: Zeroizing::new(id.to_owned()),
            secret: Zeroizing::new(secret.to_owned()),
            in_header: false,
        }),
        (None, _) => Err(invalid_client("client_id and client_secret are needed", false)),
    }
}

/// `Basic` with id and secret form-encoded; those of Keyway are the same encoded or not, so clients
/// that don't encode are understood too.
fn basic(value: &[u8]) -> Result<Presented, Refused> {
    let wrong = |why: &str| invalid_client(why, true);
    let encoded = scheme_of(value, "basic").ok_or_else(|| wrong("it must be Basic"))?;
    let decoded = STANDARD.decode(encoded).or_else(|_| STANDARD_NO_PAD.decode(encoded));
    let decoded = Zeroizing::new(decoded.map_err(|_| wrong("it is not base64"))?);
    let decoded = std::str::from_utf8(&decoded).map_err(|_| wrong("it is not ASCII"))?;
    let (id, secret) = decoded.split_once(':').ok_or_else(|| wrong("there is no colon in it"))?;
    Ok(Presented { id: form_decoded(id), secret: form_decoded(secret), in_header: true })
}

fn form_decoded(text: &str) -> Zeroizing<String> {
    let whole = Zeroizing::new(format!("x={}", text.replace('&', "%26")));
    let decoded = form_urlencoded::parse(whole.as_bytes()).next();
    Zeroizing::new(decoded.map_or_else(String::new, |(_, value)| value.into_owned()))
}

/// What follows an authentication scheme's name.
fn scheme_of<'v>(value: &'v [u8], scheme: &str) -> Option<&'v str> {
    let (name, rest) = std::str::from_utf8(value).ok()?.split_once(' ')?;
    name.eq_ignore_ascii_case(scheme).then_some(rest.trim_matches(' '))
}

fn verify(call: &Call, presented: Presented) -> Result<Client, Refused> {
    let Presented { id, secret, in_header } = presented;
    if id.len() + secret.len() > CREDENTIAL_BYTES_MAX || id.contains(':') {
        return Err(invalid_client("it is not well-formed", in_header));
    }
    let engine = &call.app.platform.engine;
    let pair = Zeroizing::new(STANDARD.encode(Zeroizing::new(format!("{}:{}", *id, *secret))));
    let basic = Zeroizing::new(format!("Basic {}", *pair));
    let client = call.headers.one("user-agent");
    let client = match client {
        One::Value(value) => std::str::from_utf8(value).unwrap_or_default(),
        One::Missing | One::Many => "",
    };
    let pairs = [("authorization", basic.as_str()), ("user-agent", client)];
    let asked = Asked { address: call.address, is_uncounted: true, ..Asked::default() };
    let judged = engine.verify(&HeaderPairs(&pairs), &asked);
    call.app.count(judged.verdict);
    let reason = match (judged.verdict, judged.entry) {
        (Ok(()), Some(entry)) => {
            let request_id = judged.request.seal(&call.app.keys.requests);
            return Ok(Client { id, secret, entry, request_id });
        }
        (Err(reason), _) => reason,
        (Ok(()), None) => Reason::Unavailable,
    };
    Err(match reason {
        Reason::Unavailable => Refused::unavailable("the client could not be verified"),
        Reason::RateLimited => Refused {
            retry_after: judged.rate.map(|rate| rate.reset_ms.div_ceil(1_000).max(1)).or(Some(1)),
            ..Refused::new(OAuthError::TooManyRequests, "there were too many requests")
        },
        reason => invalid_client(&format!("the client is refused: {reason}"), in_header),
    })
}

fn invalid_client(description: &str, challenge: bool) -> Refused {
    Refused { challenge, ..Refused::new(OAuthError::InvalidClient, description) }
}
