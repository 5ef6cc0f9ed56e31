//! `envoy.service.auth.v3.Authorization/Check` (gRPC): the whole request in one message, the whole
//! decision in another; the credential itself goes no further than here.
//!
//! The messages are those parts of Envoy's `external_auth.proto`, `attribute_context.proto` and
//! `base.proto` that are read or written here; a protobuf reader skips the rest.

use std::collections::HashMap;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use keyway_domain::Environment;
use keyway_guard::{Answer, Passed};
use prost::Message;
use tonic::Status;
use tonic::body::Body;
use tonic::server::{Grpc, UnaryService};
use tonic_prost::ProstCodec;

use super::super::serve::BODY_TIMEOUT;
use super::original::Original;
use super::{Decision, admit, decide, identity};
use crate::app::App;
use crate::verify::{Headers, One};

/// The one method.
pub(crate) const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";
/// A request's head and body, as Envoy passes them on.
const MESSAGE_BYTES_MAX: usize = 256 * 1024;
/// `google.rpc.Code`: anything but `OK` is a denial.
const OK: i32 = 0;
const PERMISSION_DENIED: i32 = 7;
/// `HeaderValueOption.HeaderAppendAction`
const OVERWRITE_IF_EXISTS_OR_ADD: i32 = 2;

/// Answers the call; `needs_token` where anybody can make it.
pub(crate) async fn serve(
    app: &Arc<App>,
    needs_token: bool,
    address: Option<IpAddr>,
    request: Request<Incoming>,
) -> Response<Body> {
    if needs_token && admit(app, address, request.headers()).is_err() {
        let what = "x-keyway-gateway-token: an operator token with verification:read is needed";
        return Status::unauthenticated(what).into_http();
    }
    let codec = ProstCodec::<CheckResponse, CheckRequest>::default();
    let mut grpc = Grpc::new(codec).max_decoding_message_size(MESSAGE_BYTES_MAX);
    let answered = grpc.unary(Check(Arc::clone(app)), request);
    match tokio::time::timeout(BODY_TIMEOUT, answered).await {
        Ok(reply) => reply,
        Err(_) => Status::deadline_exceeded("the message did not arrive in time").into_http(),
    }
}

struct Check(Arc<App>);

type Answered = Result<tonic::Response<CheckResponse>, Status>;

impl UnaryService<CheckRequest> for Check {
    type Response = CheckResponse;
    type Future = Pin<Box<dyn Future<Output = Answered> + Send>>;

    fn call(&mut self, request: tonic::Request<CheckRequest>) -> Self::Future {
        let app = Arc::clone(&self.0);
        Box::pin(async move { judge(&app, request.into_inner()).await.map(tonic::Response::new) })
    }
}

async fn judge(app: &Arc<App>, question: CheckRequest) -> Result<CheckResponse, Status> {
    let attributes = question.attributes.unwrap_or_default();
    let http = attributes.request.and_then(|request| request.http);
    let http =
        http.ok_or_else(|| Status::invalid_argument("attributes.request.http is missing"))?;
    let environment = match attributes.context_extensions.get("environment") {
        None => None,
        Some(name) => Some(Environment::parse(name).ok_or_else(|| {
            Status::invalid_argument("context_extensions.environment is `test` or `live`")
        })?),
    };
    let peer = attributes.source.and_then(|peer| peer.address);
    let body = if http.raw_body.is_empty() { http.body.as_bytes() } else { &http.raw_body };
    let original = Original {
        method: &http.method,
        target: &http.path,
        address: peer.and_then(|address| address.socket_address?.address.parse().ok()),
        environment,
        body,
    };
    let decision = decide(app, &Named(&http.headers), &original).await;
    Ok(match decision {
        Decision::Allow { passed, context } => allowed(app, &passed, context, &http.headers),
        Decision::Deny(refusal) => denied(refusal),
    })
}

fn allowed(
    app: &App,
    passed: &Passed,
    context: String,
    sent: &HashMap<String, String>,
) -> CheckResponse {
    let set = identity::headers(&passed.identity, context);
    let mut removed = app.platform.engine.scheme.credential_headers();
    removed.extend(sent.keys().filter(|name| identity::is_lookalike(name)).cloned());
    let ok = OkHttpResponse {
        headers: set.map(|(name, value)| HeaderValueOption::set(name, value)).collect(),
        headers_to_remove: removed,
        // Envoy has a request id of its own, and would join ours to it.
        response_headers_to_add: passed
            .response_headers
            .iter()
            .filter(|(name, _)| name != "x-request-id")
            .map(|(name, value)| HeaderValueOption::set(name, value.clone()))
            .collect(),
    };
    CheckResponse {
        status: Some(RpcStatus { code: OK, message: String::new() }),
        denied_response: None,
        ok_response: Some(ok),
    }
}

fn denied(refusal: Answer) -> CheckResponse {
    let headers = refusal.headers.iter();
    CheckResponse {
        status: Some(RpcStatus { code: PERMISSION_DENIED, message: "refused".to_owned() }),
        denied_response: Some(DeniedHttpResponse {
            status: Some(HttpStatus { code: i32::from(refusal.status) }),
            headers: headers
                .map(|(name, value)| HeaderValueOption::set(name, value.clone()))
                .collect(),
            body: refusal.body,
        }),
        ok_response: None,
    }
}

/// The headers of the request: doubled ones are joined by commas, and refused as such.
struct Named<'h>(&'h HashMap<String, String>);

impl Headers for Named<'_> {
    fn one(&self, name: &str) -> One<'_> {
        self.0.get(name).map_or(One::Missing, |value| One::Value(value.as_bytes()))
    }
}

#[derive(Clone, PartialEq, Message)]
struct CheckRequest {
    #[prost(message, optional, tag = "1")]
    attributes: Option<AttributeContext>,
}

#[derive(Clone, PartialEq, Message)]
struct AttributeContext {
    #[prost(message, optional, tag = "1")]
    source: Option<Peer>,
    #[prost(message, optional, tag = "4")]
    request: Option<AttributeRequest>,
    #[prost(map = "string, string", tag = "10")]
    context_extensions: HashMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
struct Peer {
    #[prost(message, optional, tag = "1")]
    address: Option<Address>,
}

#[derive(Clone, PartialEq, Message)]
struct Address {
    #[prost(message, optional, tag = "1")]
    socket_address: Option<SocketAddress>,
}

#[derive(Clone, PartialEq, Message)]
struct SocketAddress {
    #[prost(string, tag = "2")]
    address: String,
}

#[derive(Clone, PartialEq, Message)]
struct AttributeRequest {
    #[prost(message, optional, tag = "2")]
    http: Option<HttpRequest>,
}

#[derive(Clone, PartialEq, Message)]
struct HttpRequest {
    #[prost(string, tag = "2")]
    method: String,
    #[prost(map = "string, string", tag = "3")]
    headers: HashMap<String, String>,
    #[prost(string, tag = "4")]
    path: String,
    #[prost(string, tag = "11")]
    body: String,
    #[prost(bytes = "vec", tag = "12")]
    raw_body: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct CheckResponse {
    #[prost(message, optional, tag = "1")]
    status: Option<RpcStatus>,
    #[prost(message, optional, tag = "2")]
    denied_response: Option<DeniedHttpResponse>,
    #[prost(message, optional, tag = "3")]
    ok_response: Option<OkHttpResponse>,
}

#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

#[derive(Clone, PartialEq, Message)]
struct DeniedHttpResponse {
    #[prost(message, optional, tag = "1")]
    status: Option<HttpStatus>,
    #[prost(message, repeated, tag = "2")]
    headers: Vec<HeaderValueOption>,
    #[prost(string, tag = "3")]
    body: String,
}

#[derive(Clone, PartialEq, Message)]
struct HttpStatus {
    #[prost(int32, tag = "1")]
    code: i32,
}

#[derive(Clone, PartialEq, Message)]
struct OkHttpResponse {
    #[prost(message, repeated, tag = "2")]
    headers: Vec<HeaderValueOption>,
    #[prost(string, repeated, tag = "5")]
    headers_to_remove: Vec<String>,
    #[prost(message, repeated, tag = "6")]
    response_headers_to_add: Vec<HeaderValueOption>,
}

#[derive(Clone, PartialEq, Message)]
struct HeaderValueOption {
    #[prost(message, optional, tag = "1")]
    header: Option<HeaderValue>,
    #[prost(int32, tag = "3")]
    append_action: i32,
}

impl HeaderValueOption {
    fn set(name: &str, value: String) -> Self {
        let header = Some(HeaderValue { key: name.to_owned(), value });
        Self { header, append_action: OVERWRITE_IF_EXISTS_OR_ADD }
    }
}

#[derive(Clone, PartialEq, Message)]
struct HeaderValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}
