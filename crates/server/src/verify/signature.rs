//! Request signatures: the HMAC over every canonical form that real clients sign.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyway_domain::scheme::{
    Signature, SignatureEncoding, SignatureHeaders, SignedBody, SignedValues,
};
use keyway_domain::time::Time;
use keyway_domain::verdict::Reason;
use keyway_secret::{SecretText, hmac_sha256_hex, signature_matches};

use super::canonical_json::{Form, canonical};
use super::present::{Headers, One, Refused, checked};
use super::{Asked, Engine};
use crate::index::Entry;

/// The headers of a signed request.
pub(super) struct Signed<'h> {
    id: &'h str,
    signature: &'h str,
    salt: &'h str,
    timestamp: &'h str,
}

const SALT_CHARS_MAX: usize = 128;

impl<'h> Signed<'h> {
    /// Takes the four headers; `None` if there is none of them, refused if some are missing.
    pub(super) fn extract(
        headers: &'h impl Headers,
        names: &SignatureHeaders,
    ) -> Result<Option<Self>, Refused> {
        let mut values = [""; 4];
        let mut present = 0;
        let wanted = [&names.id, &names.signature, &names.salt, &names.timestamp];
        for (value, name) in values.iter_mut().zip(wanted) {
            match headers.one(name) {
                One::Missing => {}
                One::Many => {
                    return Err(Refused::malformed("an authentication header is there twice"));
                }
                One::Value(bytes) => {
                    *value = checked(bytes)?;
                    present += 1;
                }
            }
        }
        let [id, signature, salt, timestamp] = values;
        if present == 0 {
            return Ok(None);
        }
        if values.iter().any(|value| value.is_empty()) {
            return Err(Refused::because(Reason::Missing));
        }
        if salt.len() > SALT_CHARS_MAX {
            return Err(Refused::malformed("the salt is too long"));
        }
        Ok(Some(Self { id, signature, salt, timestamp }))
    }
}

impl Engine {
    /// Checks in this order: access key, signature, timestamp. What comes then is the salt
    /// ([`Engine::use_up`]): only a request whose signature fits uses it up, so that nobody can burn
    /// another's.
    pub(super) fn recognise_signature(
        &self,
        signed: &Signed<'_>,
        asked: &Asked<'_>,
        now: Time,
        seen: &mut Option<Entry>,
    ) -> Result<Entry, Refused> {
        let because = |reason| Err(Refused::because(reason));
        let Some(rules) = &self.scheme.signature else { return because(Reason::Missing) };
        let is_number = signed.timestamp.bytes().all(|byte| byte.is_ascii_digit());
        let seconds = signed.timestamp.parse::<i64>().ok().filter(|_| is_number);
        let Some(seconds) = seconds else {
            return Err(Refused::malformed("the timestamp is not a number of seconds"));
        };
        let Some(entry) = self.index.find(&self.keys.pepper.digest(signed.id)) else {
            return because(Reason::Unknown);
        };
        *seen = Some(entry);
        let Some(sealed) = self.index.sealed(&entry) else { return because(Reason::Unavailable) };
        let place = sealing_place(&entry.credential.to_string(), entry.secret);
        let Ok(secret) = self.keys.secrets.unseal(&sealed.bytes, &place) else {
            return because(Reason::Unavailable);
        };
        if !fits(rules, signed, &secret, asked) {
            return because(Reason::BadSignature);
        }
        let at = Time(seconds.saturating_mul(1000));
        if at.plus_ms(rules.past_ms) < now || at.plus_ms(-rules.future_ms) > now {
            return because(Reason::ClockSkew);
        }
        Ok(entry)
    }

    /// Uses up the salt of a request whose signature fits; false if it was used before.
    pub(super) fn use_up(&self, signed: &Signed<'_>, now: Time) -> bool {
        let Some(rules) = &self.scheme.signature else { return false };
        let remembered_ms = rules.past_ms.saturating_add(rules.future_ms);
        // The parts are signed without anything between them, so a captured request could be cut
        // anew: the signature, which stays the same then, is used up together with its salt.
        let fresh_salt = self.salts.take(signed.id, signed.salt, now, remembered_ms);
        let fresh_signature = self.salts.take(signed.id, signed.signature, now, remembered_ms);
        fresh_salt && fresh_signature
    }
}

/// What a sealed secret is bound to.
pub(crate) fn sealing_place(credential: &str, number: u32) -> String {
    format!("{credential}/{number}")
}

/// Whether the signature is the HMAC over the request in one of the scheme's forms. All different
/// forms are computed, whichever fits.
fn fits(rules: &Signature, signed: &Signed<'_>, secret: &SecretText, asked: &Asked<'_>) -> bool {
    let method = asked.method.to_ascii_lowercase();
    let path = signed_target(asked.target, rules.path_from.as_deref());
    let raw = asked.body.unwrap_or(b"");
    let mut matches = false;
    let mut bodies: Vec<Vec<u8>> = Vec::with_capacity(rules.bodies.len());
    for form in &rules.bodies {
        let body = match form {
            SignedBody::Raw if is_empty_object(raw) => Some(Vec::new()),
            SignedBody::Raw => Some(raw.to_vec()),
            SignedBody::Compact => canonical(raw, Form::Utf8),
            SignedBody::CompactAscii => canonical(raw, Form::Ascii),
            SignedBody::CompactJs => canonical(raw, Form::JsNumbers),
        };
        // A body that is not JSON has its raw form only.
        let body = body.unwrap_or_else(|| raw.to_vec());
        // Forms that come to the same bytes are signed once. What that tells by its time, the body
        // itself tells anyone who sees it.
        if !bodies.contains(&body) {
            bodies.push(body);
        }
    }
    for body in &bodies {
        let values = SignedValues {
            method: &method,
            path,
            salt: signed.salt,
            timestamp: signed.timestamp,
            id: signed.id,
            body,
            ..SignedValues::default()
        };
        let parts: Vec<&[u8]> = rules.message.iter().map(|part| part.of(&values, secret)).collect();
        let hex = hmac_sha256_hex(secret, &parts);
        let expected = encode(rules.encoding, &hex);
        matches |= signature_matches(signed.signature.as_bytes(), expected.as_bytes());
    }
    matches
}

/// The part of the target that clients sign: from the first path segment named by the scheme, so
/// that an API can live under a gateway's prefix. A query never counts as path.
fn signed_target<'t>(target: &'t str, from: Option<&str>) -> &'t str {
    let Some(from) = from else { return target };
    let path = target.split('?').next().unwrap_or(target);
    let starts = path.match_indices(from).find(|(at, _)| {
        let after = path.as_bytes().get(at + from.len());
        after.is_none_or(|byte| *byte == b'/')
    });
    starts.map_or(target, |(at, _)| &target[at..])
}

/// An HMAC as its header has it.
pub(crate) fn encode(encoding: SignatureEncoding, hex: &str) -> String {
    match encoding {
        SignatureEncoding::Hex => hex.to_owned(),
        SignatureEncoding::Base64OfHex => STANDARD.encode(hex),
    }
}

/// Clients sign `{}` as no body at all.
fn is_empty_object(body: &[u8]) -> bool {
    let mut visible = body.iter().filter(|byte| !byte.is_ascii_whitespace());
    (visible.next(), visible.next(), visible.next()) == (Some(&b'{'), Some(&b'}'), None)
}
