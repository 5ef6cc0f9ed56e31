//! What goes over the wire: refusals, login, signatures; and who is told.

use toml::Spanned;

use super::dialect::Body;
use super::read::{Checked, complain, duration, one_of, role};
use super::{
    Dialect, Login, Notice, OAuth, Presented, RateHeaders, Refused, Scheme, Signature,
    SignatureEncoding, SignatureHeaders, SignedBody, SignedPart, file,
};
use crate::event;
use crate::limits;
use crate::verdict::Reason;

pub(super) fn dialect(declared: file::Dialect) -> Checked<Dialect> {
    let body = Body::parse(declared.body.get_ref())
        .or_else(|message| complain(&declared.body, message))?;
    let challenge = declared.challenge.get_ref();
    if !challenge.contains(' ') || challenge.bytes().any(|byte| !(32..127).contains(&byte)) {
        return complain(
            &declared.challenge,
            "a challenge is a scheme and its realm, such as `Bearer realm=\"API\"`",
        );
    }
    let rate_headers = [
        ("none", RateHeaders::None),
        ("dashed", RateHeaders::Dashed),
        ("draft", RateHeaders::Draft),
    ];
    let rate_headers = one_of(&declared.rate_headers, "set of rate headers", &rate_headers)?;
    let mut refusals: Vec<Refused> = Reason::ALL
        .iter()
        .map(|reason| Refused {
            reason: *reason,
            status: reason.status(),
            code: reason.as_str().to_owned(),
            message: reason.message().to_owned(),
        })
        .collect();
    for (name, own) in &declared.refusals {
        let known: Vec<_> = Reason::ALL.iter().map(|reason| (reason.as_str(), *reason)).collect();
        let reason = one_of(name, "reason", &known)?;
        if let Some(status) = &own.status {
            if !(400..=599).contains(status.get_ref()) {
                return complain(status, "a refusal has a status from 400 to 599");
            }
            refusals[reason as usize].status = *status.get_ref();
        }
    }
    for (status, code) in &declared.codes {
        let Ok(number) = status.get_ref().parse::<u16>() else {
            return complain(status, format!("`{}` is no status", status.get_ref()));
        };
        let of_status = refusals.iter_mut().filter(|refused| refused.status == number);
        of_status.for_each(|refused| refused.code.clone_from(code));
    }
    for (name, own) in declared.refusals {
        let reason = Reason::parse(name.get_ref()).expect("checked above");
        let refused = &mut refusals[reason as usize];
        own.code.into_iter().for_each(|code| refused.code = code);
        own.message.into_iter().for_each(|message| refused.message = message);
    }
    Ok(Dialect { challenge: declared.challenge.into_inner(), body, refusals, rate_headers })
}

pub(super) fn login(declared: Spanned<file::Login>) -> Checked<Login> {
    let login = declared.into_inner();
    let body = login.body.get_ref();
    if serde_json::from_str::<serde_json::Value>(body).is_err() || !body.contains("{token}") {
        return complain(&login.body, "a login's body is JSON with `{token}` in it");
    }
    if !login.path.get_ref().starts_with('/') {
        return complain(&login.path, "a path starts with `/`");
    }
    Ok(Login {
        lifetime_ms: duration(&login.lifetime)?,
        path: login.path.into_inner(),
        id_header: login.id_header.to_ascii_lowercase(),
        secret_header: login.secret_header.to_ascii_lowercase(),
        status: login.status,
        body: login.body.into_inner(),
    })
}

/// Access tokens for pairs (RFC 6749 §4.4).
pub(super) fn oauth(declared: Spanned<file::OAuth>, scheme: &Scheme) -> Checked<OAuth> {
    let at = Spanned::new(declared.span(), ());
    if !scheme.kinds.iter().any(|kind| kind.is_presented(Presented::BasicPair)) {
        return complain(&at, "`[oauth]` is for a kind that is presented as `basic-pair`");
    }
    let lifetime = declared.into_inner().lifetime;
    let lifetime_ms = duration(&lifetime)?;
    if !(limits::TOKEN_MS_MIN..=limits::TOKEN_MS_MAX).contains(&lifetime_ms) {
        return complain(&lifetime, "an access token lives for one minute to one day");
    }
    Ok(OAuth { lifetime_ms })
}

const REQUEST_PARTS: [(&str, SignedPart); 7] = [
    ("method", SignedPart::MethodLower),
    ("path", SignedPart::Path),
    ("salt", SignedPart::Salt),
    ("timestamp", SignedPart::Timestamp),
    ("id", SignedPart::Id),
    ("secret", SignedPart::Secret),
    ("body", SignedPart::Body),
];

/// What the signature of a message to an endpoint covers.
pub(super) fn webhooks(
    declared: Spanned<file::Webhooks>,
    scheme: &Scheme,
) -> Checked<Vec<SignedPart>> {
    const PARTS: [(&str, SignedPart); 6] = [
        ("url", SignedPart::Url),
        ("salt", SignedPart::Salt),
        ("timestamp", SignedPart::Timestamp),
        ("id", SignedPart::Id),
        ("secret", SignedPart::Secret),
        ("body", SignedPart::Body),
    ];
    let at = Spanned::new(declared.span(), ());
    let parts = declared.into_inner().message;
    let message = parts
        .iter()
        .map(|part| one_of(part, "part of a signed webhook", &PARTS))
        .collect::<Checked<Vec<_>>>()?;
    if scheme.signature.is_none() {
        return complain(
            &at,
            "`[webhooks]` needs `[signature]`: its headers and encoding are used",
        );
    }
    if [SignedPart::Timestamp, SignedPart::Body].iter().any(|part| !message.contains(part)) {
        return complain(&at, "a webhook's signature covers timestamp and body at least");
    }
    Ok(message)
}

pub(super) fn signature(declared: Spanned<file::Signature>) -> Checked<Signature> {
    let at = Spanned::new(declared.span(), ());
    let signature = declared.into_inner();
    let encodings =
        [("hex", SignatureEncoding::Hex), ("base64-of-hex", SignatureEncoding::Base64OfHex)];
    let forms = [
        ("raw", SignedBody::Raw),
        ("compact", SignedBody::Compact),
        ("compact-ascii", SignedBody::CompactAscii),
        ("compact-js", SignedBody::CompactJs),
    ];
    let message = signature
        .message
        .iter()
        .map(|part| one_of(part, "part of a signed message", &REQUEST_PARTS))
        .collect::<Checked<Vec<_>>>()?;
    // Without these a signature could be moved to another request.
    let must = [
        SignedPart::MethodLower,
        SignedPart::Path,
        SignedPart::Salt,
        SignedPart::Timestamp,
        SignedPart::Body,
    ];
    if must.iter().any(|part| !message.contains(part)) {
        return complain(&at, "a signature covers method, path, salt, timestamp and body at least");
    }
    Ok(Signature {
        headers: SignatureHeaders {
            id: signature.id_header.to_ascii_lowercase(),
            signature: signature.signature_header.to_ascii_lowercase(),
            salt: signature.salt_header.to_ascii_lowercase(),
            timestamp: signature.timestamp_header.to_ascii_lowercase(),
        },
        message,
        encoding: one_of(&signature.encoding, "encoding", &encodings)?,
        bodies: signature
            .bodies
            .iter()
            .map(|form| one_of(form, "form of a body", &forms))
            .collect::<Checked<_>>()?,
        path_from: signature.path_from,
        past_ms: duration(&signature.past)?,
        future_ms: duration(&signature.future)?,
    })
}

pub(super) fn notice(declared: file::Notice) -> Checked<Notice> {
    let event = declared.event.get_ref();
    let known = event::Kind::ALL.iter().any(|kind| kind.as_str() == event);
    if !known {
        return complain(&declared.event, format!("there is no event `{event}`"));
    }
    let mail = declared.mail.iter().map(role).collect::<Checked<_>>()?;
    Ok(Notice { event: declared.event.into_inner(), mail, webhook: declared.webhook })
}
