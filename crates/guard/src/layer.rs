//! The tower layer: ask first, then let through or answer.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Either, Full, Limited};
use tower::{Layer, Service};

use crate::wire::{Answer, Decision};
use crate::{Question, Verifier};

/// The largest body that is read for a signature: more than any signed payment call needs.
const SIGNED_BODY_BYTES_MAX: usize = 64 * 1024;

/// Where a request came from; put it into the request's extensions before the guard sees it.
#[derive(Debug, Clone, Copy)]
pub struct ClientAddress(pub IpAddr);

/// Wraps a service in a [`Guard`].
#[derive(Clone)]
pub struct GuardLayer<V> {
    verifier: V,
    environment: Option<Arc<str>>,
}

impl<V: Verifier> GuardLayer<V> {
    /// A guard that lets the credential's own environment decide.
    pub fn new(verifier: V) -> Self {
        Self { verifier, environment: None }
    }

    /// A guard of an endpoint that serves one environment: `test` or `live`.
    #[must_use]
    pub fn environment(mut self, environment: &str) -> Self {
        self.environment = Some(environment.into());
        self
    }
}

impl<S, V: Clone> Layer<S> for GuardLayer<V> {
    type Service = Guard<S, V>;

    fn layer(&self, inner: S) -> Self::Service {
        Guard { inner, verifier: self.verifier.clone(), environment: self.environment.clone() }
    }
}

/// A service behind a verifier.
#[derive(Clone)]
pub struct Guard<S, V> {
    inner: S,
    verifier: V,
    environment: Option<Arc<str>>,
}

impl<S, V, B, R> Service<Request<B>> for Guard<S, V>
where
    V: Verifier,
    S: Service<Request<Either<Full<Bytes>, B>>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    R: From<String>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The clone that was polled ready must be the one that is called.
        let ready = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, ready);
        let verifier = self.verifier.clone();
        let environment = self.environment.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            let mut signed = None;
            let body = if verifier.wants_body(&parts.headers) {
                let Ok(read) = Limited::new(body, SIGNED_BODY_BYTES_MAX).collect().await else {
                    return Ok(too_large());
                };
                let bytes = signed.insert(read.to_bytes());
                Either::Left(Full::new(bytes.clone()))
            } else {
                Either::Right(body)
            };
            let decision = verifier
                .verify(Question {
                    method: &parts.method,
                    uri: &parts.uri,
                    headers: &parts.headers,
                    environment: environment.as_deref(),
                    client_address: parts.extensions.get::<ClientAddress>().map(|from| from.0),
                    account: None,
                    body: signed.as_ref(),
                })
                .await;
            let passed = match decision {
                Decision::Answered(answer) => return Ok(respond(answer)),
                Decision::Allowed(passed) => passed,
            };
            parts.extensions.insert(passed.identity);
            let mut response = inner.call(Request::from_parts(parts, body)).await?;
            add_headers(response.headers_mut(), passed.response_headers);
            Ok(response)
        })
    }
}

/// Turns Keyway's answer into a response.
fn respond<R: From<String>>(answer: Answer) -> Response<R> {
    let mut response = Response::new(R::from(answer.body));
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    add_headers(response.headers_mut(), answer.headers);
    response
}

fn add_headers(headers: &mut HeaderMap, added: Vec<(String, String)>) {
    for (name, value) in added {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.append(name, value);
        }
    }
}

fn too_large<R: From<String>>() -> Response<R> {
    respond(Answer {
        status: StatusCode::PAYLOAD_TOO_LARGE.as_u16(),
        headers: vec![("content-type".into(), "application/problem+json".into())],
        body: format!(
            "{{\"title\":\"Payload Too Large\",\"status\":413,\"code\":\"body_too_large\",\
             \"detail\":\"A signed request carries at most {SIGNED_BODY_BYTES_MAX} bytes.\"}}"
        ),
    })
}
