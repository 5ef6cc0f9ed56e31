//! Decisions for gateways: each asks about a request of its own client before it passes it on.
//!
//! A family of gateways has an endpoint of its own, which reads only the headers that this family
//! sets: those of another family may have been written by the client. Where they are missing, or
//! there twice, nothing is allowed. An allow has no body and always the same headers
//! (`identity.rs`), so that a gateway overwrites every copy that a client sent.

mod denial;
pub(super) mod envoy;
mod identity;
mod original;

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode, request};
use http_body_util::Full;
use hyper::body::Incoming;
use keyway_guard::{Answer, Passed};

use super::admit::{TO_VERIFY, by_token};
use super::problem::{MEDIA_TYPE, Problem};
use super::serve::read_body;
use super::{Reply, answer};
use crate::app::App;
use crate::codes::Code;
use crate::verify::{Answered, Asked, HeaderPairs, Headers};
pub(super) use denial::PATH as DENIAL;
use original::{Family, Original, Settings};

/// Where gateways ask.
const PREFIX: &str = "/authz/";
/// Where the keys are that check signed contexts (RFC 7517 §5).
pub(super) const JWKS: &str = "/.well-known/jwks.json";
/// The header with an operator token, where one is needed: `Authorization` is the client's.
pub(super) const GATEWAY_TOKEN: &str = "x-keyway-gateway-token";
/// The status that was meant, where a gateway can pass on only two.
const MEANT_STATUS: HeaderName = HeaderName::from_static("x-keyway-status");
/// Bytes of a body that a gateway passes on to be checked with a signature.
const BODY_BYTES_MAX: usize = keyway_domain::limits::BODY_BYTES_MAX;

/// Whether a path of the internal listener is answered here.
pub(super) fn is_ours(path: &str) -> bool {
    path.starts_with(PREFIX) || path == envoy::CHECK
}

/// Whether the caller is a gateway of the platform: its operator token, in a header of its own.
pub(super) fn admit(
    app: &App,
    address: Option<IpAddr>,
    headers: &HeaderMap,
) -> Result<(), Box<Reply>> {
    let token = headers.get_all(GATEWAY_TOKEN);
    let bearer = |value: &HeaderValue| {
        let text = value.to_str().unwrap_or_default();
        ("authorization", zeroize::Zeroizing::new(format!("Bearer {text}")))
    };
    let presented: Vec<_> = token.iter().map(bearer).collect();
    let pairs: Vec<(&str, &str)> =
        presented.iter().map(|(name, value)| (*name, value.as_str())).collect();
    by_token(app, &HeaderPairs(&pairs), address, TO_VERIFY).map(drop)
}

/// Answers a gateway that asks over plain HTTP.
pub(super) async fn serve(app: &Arc<App>, parts: &request::Parts, body: Incoming) -> Reply {
    let path = parts.uri.path();
    if path == denial::PATH {
        return denial::shown(app, &parts.headers);
    }
    let asked = match Family::of(path) {
        Some(family) => family.settings(parts.uri.query()).map(|settings| (family, settings)),
        None => Err(Problem::not_found("path")),
    };
    let decided = match asked {
        Err(problem) => Err(problem),
        Ok((family, settings)) => match read_body(body, BODY_BYTES_MAX).await {
            Err(problem) => Err(problem),
            Ok(body) => {
                let trusted = &app.site.trusted_proxies;
                match Original::read(family, parts, settings, trusted, &body) {
                    Err(problem) => Err(problem),
                    Ok(original) => {
                        Ok((family, settings, decide(app, &parts.headers, &original).await))
                    }
                }
            }
        },
    };
    match decided {
        Ok((family, settings, decision)) => reply(app, family, settings, decision),
        Err(problem) => {
            // The gateway is set up wrongly, which its operator must see; its client is refused.
            tracing::warn!(
                code = problem.code.as_str(),
                detail = problem.detail,
                "a gateway's question"
            );
            problem.reply(&app.platform.engine.management_request().seal(&app.keys.requests))
        }
    }
}

/// What a gateway is told.
enum Decision {
    /// The request may pass, with these headers.
    Allow { passed: Box<Passed>, context: String },
    /// It may not: this is for the client.
    Deny(Answer),
}

/// Judges the request that a gateway asks about.
async fn decide(
    app: &Arc<App>,
    headers: &(impl Headers + Sync),
    original: &Original<'_>,
) -> Decision {
    let engine = &app.platform.engine;
    let path = original.target.split('?').next().unwrap_or_default();
    if engine.is_login(original.method, path) {
        return Decision::Deny(misdirected(app));
    }
    let asked = Asked {
        method: original.method,
        target: original.target,
        environment: original.environment,
        address: original.address,
        body: (!original.body.is_empty()).then_some(original.body),
        ..Asked::default()
    };
    let judged = app.verify(headers, &asked).await;
    app.count(judged.verdict);
    match engine.answer(&judged, headers) {
        Answered::Passed(passed) => {
            let at = judged.request.at;
            let context = app.contexts.sign(&passed.identity, original.method, original.target, at);
            Decision::Allow { passed, context }
        }
        Answered::Refused(_, refusal) => Decision::Deny(refusal),
        Answered::LoggedIn(_) => Decision::Deny(misdirected(app)),
    }
}

/// A login answers with a token, which a decision can't carry: gateways pass it to the public
/// listener. A success here would let the login through to the API.
fn misdirected(app: &App) -> Answer {
    let detail = "the gateway must pass logins to Keyway's public listener";
    let problem = Problem::new(Code::LoginMisdirected, detail);
    let id = app.platform.engine.management_request().seal(&app.keys.requests);
    Answer {
        status: problem.status().as_u16(),
        headers: vec![
            ("content-type".to_owned(), MEDIA_TYPE.to_owned()),
            ("request-id".to_owned(), id.clone()),
        ],
        body: problem.body(&id),
    }
}

fn reply(app: &App, family: Family, settings: Settings, decision: Decision) -> Reply {
    match decision {
        Decision::Allow { passed, context } => allow(&passed, context),
        Decision::Deny(refusal) => {
            let token = (family == Family::Nginx).then(|| denial::token(app, &refusal));
            let mut reply = answer(refusal);
            if let Some(token) = token.and_then(|token| HeaderValue::try_from(token).ok()) {
                reply.headers_mut().insert(denial::HEADER, token);
            }
            if settings.is_plain {
                only_two_statuses(&mut reply);
            }
            reply
        }
    }
}

/// 200 and nothing else: one gateway takes no other success, and another keeps its connection only
/// when there is no body.
fn allow(passed: &Passed, context: String) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::new()));
    let headers = reply.headers_mut();
    for (name, value) in identity::headers(&passed.identity, context) {
        let value = HeaderValue::try_from(value);
        headers.insert(name, value.unwrap_or(HeaderValue::from_static(identity::NONE)));
    }
    for (name, value) in &passed.response_headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

/// For a gateway that passes on 401 and 403 and turns everything else into 500.
fn only_two_statuses(reply: &mut Reply) {
    let meant = reply.status();
    if !matches!(meant, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        *reply.status_mut() = StatusCode::FORBIDDEN;
    }
    reply.headers_mut().insert(MEANT_STATUS, HeaderValue::from(meant.as_u16()));
}
