//! What a request presents: exactly one credential, in a form the scheme has.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use http::HeaderMap;
use keyway_domain::limits::CREDENTIAL_BYTES_MAX;
use keyway_domain::scheme::{Presented, TOKEN_PREFIX};
use keyway_domain::verdict::Reason;
use zeroize::Zeroizing;

use super::Engine;
use super::signature::Signed;

/// One header of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum One<'h> {
    /// It is not there.
    Missing,
    /// It is there once.
    Value(&'h [u8]),
    /// It is there more than once.
    Many,
}

/// The headers of a request, wherever they come from.
pub trait Headers {
    /// The header of that (lower-case) name.
    fn one(&self, name: &str) -> One<'_>;
}

impl Headers for HeaderMap {
    fn one(&self, name: &str) -> One<'_> {
        let mut values = self.get_all(name).iter();
        match (values.next(), values.next()) {
            (None, _) => One::Missing,
            (Some(value), None) => One::Value(value.as_bytes()),
            (Some(_), Some(_)) => One::Many,
        }
    }
}

/// Headers as pairs, as the JSON of a verification has them.
pub struct HeaderPairs<'h, N, V>(pub &'h [(N, V)]);

impl<N: AsRef<str>, V: AsRef<str>> Headers for HeaderPairs<'_, N, V> {
    fn one(&self, name: &str) -> One<'_> {
        let mut values =
            self.0.iter().filter(|(header, _)| header.as_ref().eq_ignore_ascii_case(name));
        match (values.next(), values.next()) {
            (None, _) => One::Missing,
            (Some((_, value)), None) => One::Value(value.as_ref().as_bytes()),
            (Some(_), Some(_)) => One::Many,
        }
    }
}

/// Why nothing usable was presented.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refused {
    pub(super) reason: Reason,
    pub(super) detail: &'static str,
}

impl Refused {
    pub(super) fn malformed(detail: &'static str) -> Self {
        Self { reason: Reason::Malformed, detail }
    }

    pub(super) fn because(reason: Reason) -> Self {
        Self { reason, detail: "" }
    }
}

/// One credential, taken out of the request. What was decoded is wiped when dropped.
pub(super) enum Extracted<'h> {
    Text { secret: Zeroizing<String>, how: Presented },
    Pair { id: Zeroizing<String>, secret: Zeroizing<String>, how: Presented },
    Token(&'h str),
    Signed(Signed<'h>),
}

impl Engine {
    /// Takes the one credential out of the headers.
    pub(super) fn extract<'h>(
        &self,
        headers: &'h impl Headers,
        is_login: bool,
    ) -> Result<Extracted<'h>, Refused> {
        let authorization = match headers.one("authorization") {
            One::Many => {
                return Err(Refused::malformed("there is more than one Authorization header"));
            }
            One::Value(value) => Some(value),
            One::Missing => None,
        };
        if is_login {
            return match authorization {
                None => self.extract_login(headers),
                Some(_) => Err(Refused::malformed("two credentials were sent; send one")),
            };
        }
        if let Some(signature) = &self.scheme.signature {
            let signed = Signed::extract(headers, &signature.headers)?;
            return match (signed, authorization) {
                (Some(_), Some(_)) => {
                    Err(Refused::malformed("two credentials were sent; send one"))
                }
                (Some(signed), None) => Ok(Extracted::Signed(signed)),
                (None, _) => Err(Refused::because(Reason::Missing)),
            };
        }
        let value = authorization.ok_or_else(|| Refused::because(Reason::Missing))?;
        self.extract_authorization(checked(value)?)
    }

    fn extract_login<'h>(&self, headers: &'h impl Headers) -> Result<Extracted<'h>, Refused> {
        let login = self.scheme.login.as_ref().ok_or_else(|| Refused::because(Reason::Missing))?;
        let take = |name: &str| match headers.one(name) {
            One::Missing => Err(Refused::because(Reason::Missing)),
            One::Many => Err(Refused::malformed("a login header is there more than once")),
            One::Value(value) => checked(value),
        };
        let id = Zeroizing::new(take(&login.id_header)?.to_owned());
        let secret = Zeroizing::new(take(&login.secret_header)?.to_owned());
        Ok(Extracted::Pair { id, secret, how: Presented::Login })
    }

    fn extract_authorization<'h>(&self, value: &'h str) -> Result<Extracted<'h>, Refused> {
        let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
        let rest = rest.trim_matches(' ');
        if rest.is_empty() {
            return Err(Refused::malformed("the Authorization header carries no credential"));
        }
        // A comma joins what were two headers; no credential holds one.
        if rest.contains([',', ' ']) {
            return Err(Refused::malformed(
                "the Authorization header holds more than a credential",
            ));
        }
        let has = |how| self.scheme.kinds.iter().any(|kind| kind.is_presented(how));
        if scheme.eq_ignore_ascii_case("bearer") {
            let has_tokens = has(Presented::Login) || self.scheme.oauth.is_some();
            if has_tokens && rest.starts_with(TOKEN_PREFIX) {
                return Ok(Extracted::Token(rest));
            }
            if has(Presented::Bearer) {
                let secret = Zeroizing::new(rest.to_owned());
                return Ok(Extracted::Text { secret, how: Presented::Bearer });
            }
            if has(Presented::BearerPair) {
                let (id, secret) = decoded_pair(rest)?;
                return Ok(Extracted::Pair { id, secret, how: Presented::BearerPair });
            }
            let detail = if has(Presented::Login) {
                "it is not a token of the login"
            } else {
                "it must be sent with HTTP Basic authentication"
            };
            return Err(Refused::malformed(detail));
        }
        if scheme.eq_ignore_ascii_case("basic") {
            if has(Presented::BasicPair) {
                let (id, secret) = decoded_pair(rest)?;
                return Ok(Extracted::Pair { id, secret, how: Presented::BasicPair });
            }
            if has(Presented::BasicUser) {
                let (secret, password) = decoded_pair(rest)?;
                if !password.is_empty() {
                    return Err(Refused::malformed("the password must be empty"));
                }
                return Ok(Extracted::Text { secret, how: Presented::BasicUser });
            }
            return Err(Refused::malformed("it must be sent as a bearer credential"));
        }
        Err(Refused::malformed("the Authorization scheme is neither Basic nor Bearer"))
    }
}

/// A header value as text: of bearable size, visible ASCII.
pub(super) fn checked(value: &[u8]) -> Result<&str, Refused> {
    if value.len() > CREDENTIAL_BYTES_MAX {
        return Err(Refused::malformed("it is too long"));
    }
    if !value.iter().all(|byte| (32..127).contains(byte)) {
        let is_nul = value.contains(&0);
        let detail = if is_nul { "it holds a NUL" } else { "it holds characters outside ASCII" };
        return Err(Refused::malformed(detail));
    }
    std::str::from_utf8(value).map_err(|_| Refused::malformed("it holds characters outside ASCII"))
}

/// `user:password` out of base64, split at the first colon (RFC 7617 §2).
fn decoded_pair(text: &str) -> Result<(Zeroizing<String>, Zeroizing<String>), Refused> {
    let decoded = if text.ends_with('=') || text.len().is_multiple_of(4) {
        STANDARD.decode(text)
    } else {
        STANDARD_NO_PAD.decode(text)
    };
    let decoded = Zeroizing::new(decoded.map_err(|_| Refused::malformed("it is not base64"))?);
    let decoded = checked(&decoded)?;
    let (user, password) =
        decoded.split_once(':').ok_or_else(|| Refused::malformed("there is no colon in it"))?;
    Ok((Zeroizing::new(user.to_owned()), Zeroizing::new(password.to_owned())))
}
