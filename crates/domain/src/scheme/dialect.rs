//! How a refusal looks on the wire to the platform's existing clients.

use crate::quota::QuotaState;
use crate::rate::RateState;
use crate::verdict::Reason;

/// The platform's way of saying no.
#[derive(Debug, Clone)]
pub struct Dialect {
    pub(super) challenge: String,
    pub(super) body: Body,
    pub(super) refusals: Vec<Refused>,
    /// Which headers tell the rate limit.
    pub rate_headers: RateHeaders,
}

/// One refusal, as the scheme has it.
#[derive(Debug, Clone)]
pub struct Refused {
    /// The reason.
    pub reason: Reason,
    /// The HTTP status.
    pub status: u16,
    /// The platform's own error code.
    pub code: String,
    /// The message, with placeholders.
    pub message: String,
}

/// Which headers tell a client its rate limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateHeaders {
    /// None.
    None,
    /// `Rate-Limit-Limit`, `-Remaining`, `-Reset` in seconds with decimals.
    Dashed,
    /// `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10), quotas included.
    Draft,
}

/// The facts that a message or body may name.
#[derive(Debug, Clone, Default)]
pub struct Placeholders<'a> {
    /// What exactly is wrong with a malformed credential.
    pub detail: &'a str,
    /// The permission that is missing: `invoices:write`.
    pub missing: &'a str,
    /// The credential's environment.
    pub environment: &'a str,
    /// Seconds to wait.
    pub retry_after: u64,
    /// The request's id.
    pub request_id: &'a str,
}

/// A refusal ready to send.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// The HTTP status.
    pub status: u16,
    /// Its headers. Among them the `WWW-Authenticate` challenge that goes with a 401 (RFC 9110
    /// §15.5.2), and with a 403 of a bearer credential (RFC 6750 §3.1).
    pub headers: Vec<(String, String)>,
    /// The body, JSON.
    pub body: String,
}

/// A body template: JSON text cut at its placeholders.
#[derive(Debug, Clone)]
pub(super) struct Body(Vec<Piece>);

#[derive(Debug, Clone)]
enum Piece {
    Literal(String),
    /// A placeholder within a JSON string.
    Text(Field),
    /// `"{status}"`: the number itself, without its quotes.
    StatusNumber,
}

#[derive(Debug, Clone, Copy)]
enum Field {
    Code,
    Message,
    Status,
    Title,
    Reason,
    RequestId,
    RequestUuid,
}

impl Body {
    /// Reads a template; the error says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        serde_json::from_str::<serde_json::Value>(text)
            .map_err(|error| format!("the body is not JSON: {error}"))?;
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            let (before, inside) = (&rest[..open], &rest[open + 1..]);
            literal.push_str(before);
            let word = inside.split('}').next().unwrap_or_default();
            let Some(field) = Field::parse(word) else {
                if !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') {
                    return Err(format!("`{{{word}}}` is not a placeholder of a body"));
                }
                literal.push('{');
                rest = inside;
                continue;
            };
            rest = &inside[word.len() + 1..];
            let alone = literal.ends_with('"') && rest.starts_with('"');
            if alone && matches!(field, Field::Status) {
                literal.pop();
                rest = &rest[1..];
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                pieces.push(Piece::StatusNumber);
            } else {
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                pieces.push(Piece::Text(field));
            }
        }
        literal.push_str(rest);
        pieces.push(Piece::Literal(literal));
        Ok(Self(pieces))
    }
}

impl Field {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "code" => Self::Code,
            "message" => Self::Message,
            "status" => Self::Status,
            "title" => Self::Title,
            "reason" => Self::Reason,
            "request_id" => Self::RequestId,
            "request_uuid" => Self::RequestUuid,
            _ => return None,
        })
    }
}

impl Dialect {
    /// The refusal of a reason.
    pub fn refused(&self, reason: Reason) -> &Refused {
        &self.refusals[reason as usize]
    }

    /// Renders a refusal, whose headers come after those that are there.
    pub fn render(
        &self,
        reason: Reason,
        facts: &Placeholders<'_>,
        mut headers: Vec<(String, String)>,
    ) -> Rendered {
        let refused = self.refused(reason);
        let message = fill(&refused.message, facts);
        let mut body = String::with_capacity(192);
        for piece in &self.body.0 {
            match piece {
                Piece::Literal(text) => body.push_str(text),
                Piece::StatusNumber => body.push_str(&refused.status.to_string()),
                Piece::Text(field) => match field {
                    Field::Code => push_escaped(&mut body, &refused.code),
                    Field::Message => push_escaped(&mut body, &message),
                    Field::Status => body.push_str(&refused.status.to_string()),
                    Field::Title => body.push_str(title(refused.status)),
                    Field::Reason => body.push_str(reason.as_str()),
                    Field::RequestId => push_escaped(&mut body, facts.request_id),
                    Field::RequestUuid => body.push_str(&uuid_of(facts.request_id)),
                },
            }
        }
        let mut add = |name: &str, value: String| headers.push((name.to_owned(), value));
        add("content-type", "application/json".to_owned());
        add("cache-control", "no-store".to_owned());
        if let Some(challenge) = self.challenge(reason, refused, &message) {
            add("www-authenticate", challenge);
        }
        if matches!(reason, Reason::RateLimited | Reason::QuotaExceeded | Reason::Unavailable) {
            add("retry-after", facts.retry_after.to_string());
        }
        Rendered { status: refused.status, headers, body }
    }

    /// Adds what tells a client its rate limit, and its quotas where the headers have room for them.
    pub fn add_limits(
        &self,
        rate: Option<RateState>,
        quotas: &[QuotaState],
        headers: &mut Vec<(String, String)>,
    ) {
        let mut add = |name: &str, value: String| headers.push((name.to_owned(), value));
        match (self.rate_headers, rate) {
            (RateHeaders::None, _) | (RateHeaders::Dashed, None) => {}
            (RateHeaders::Dashed, Some(rate)) => {
                let RateState { limit, remaining, reset_ms, .. } = rate;
                add("rate-limit-limit", limit.to_string());
                add("rate-limit-remaining", remaining.to_string());
                let reset = format!("{}.{:02}", reset_ms / 1000, reset_ms % 1000 / 10);
                add("rate-limit-reset", reset);
            }
            (RateHeaders::Draft, _) => {
                let (mut policies, mut limits) = (Vec::new(), Vec::new());
                let mut tell = |name: &str, [all, window, left, reset]: [u64; 4]| {
                    policies.push(format!("\"{name}\";q={all};w={window}"));
                    limits.push(format!("\"{name}\";r={left};t={reset}"));
                };
                if let Some(RateState { limit, remaining, reset_ms, window_ms }) = rate {
                    let window = u64::from(window_ms).div_ceil(1000);
                    let numbers = [limit.into(), window, remaining.into(), reset_ms.div_ceil(1000)];
                    tell("default", numbers);
                }
                for state in quotas {
                    let QuotaState { quota, remaining, period, reset_ms } = *state;
                    let reset = reset_ms.div_ceil(1000);
                    tell(quota.name(), [quota.requests, period.seconds(), remaining, reset]);
                }
                if !policies.is_empty() {
                    add("ratelimit-policy", policies.join(", "));
                    add("ratelimit", limits.join(", "));
                }
            }
        }
    }

    fn challenge(&self, reason: Reason, refused: &Refused, message: &str) -> Option<String> {
        let is_bearer = self.challenge.starts_with("Bearer");
        let error = match (refused.status, reason) {
            // RFC 6750 §3: no error is named to a client that sent no credential.
            (401, Reason::Missing) => return Some(self.challenge.clone()),
            (401, _) if is_bearer => "invalid_token",
            (403, Reason::InsufficientScope) if is_bearer => "insufficient_scope",
            (401, _) => return Some(self.challenge.clone()),
            _ => return None,
        };
        // Quotes would end the parameter; our own messages have none, a scheme's might.
        let message = message.replace(['"', '\\'], "'");
        Some(format!("{}, error=\"{error}\", error_description=\"{message}\"", self.challenge))
    }
}

/// Fills the placeholders of a message.
fn fill(template: &str, facts: &Placeholders<'_>) -> String {
    if !template.contains('{') {
        return template.to_owned();
    }
    template
        .replace("{detail}", facts.detail)
        .replace("{missing}", facts.missing)
        .replace("{environment}", facts.environment)
        .replace("{retry_after}", &facts.retry_after.to_string())
}

/// Appends text as the inside of a JSON string.
fn push_escaped(body: &mut String, text: &str) {
    let quoted = serde_json::Value::from(text).to_string();
    body.push_str(&quoted[1..quoted.len() - 1]);
}

fn title(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        429 => "Too Many Requests",
        503 => "Service Unavailable",
        _ => "Error",
    }
}

/// A UUID for clients that expect one, from the end of the request id, which is all randomness.
fn uuid_of(request_id: &str) -> String {
    let mut hex: String = request_id.bytes().rev().take(16).map(|b| format!("{b:02x}")).collect();
    while hex.len() < 32 {
        hex.push('0');
    }
    format!("{}-{}-4{}-8{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..32])
}
