//! HTTP: one table of routes, a few listeners, one way to say what went wrong.

pub mod admit;
pub mod api;
pub mod authz;
pub mod body;
mod connection;
mod follow;
pub mod gate;
pub mod internal;
mod lingering;
mod oauth;
pub mod openapi;
pub mod pages;
pub mod problem;
pub mod routes;
pub mod serve;
pub mod tls;
mod unlisted;
mod unread;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Response, StatusCode, Uri};
use http_body_util::Full;
use keyway_guard::Answer;

use crate::app::App;

/// A request whose body has been read.
pub struct Call {
    /// The running Keyway.
    pub app: Arc<App>,
    /// The method.
    pub method: Method,
    /// The target.
    pub uri: Uri,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// Where it came from.
    pub address: Option<IpAddr>,
    /// What the path's placeholders matched.
    pub params: HashMap<&'static str, String>,
    /// The parameters of its query: of the route's, each once.
    pub query: HashMap<String, String>,
    /// Whether it may take something away.
    pub takes_away: bool,
    /// Under which path that is found which it makes.
    pub made_under: Option<&'static str>,
    /// Finds this call again.
    pub request_id: String,
}

/// Which door a request came through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// The management API and the logins: for the network.
    Public,
    /// Verification, health and metrics: for the platform's own machines.
    Internal {
        /// Whether a token is needed, because the address is not this machine's own.
        token: bool,
    },
    /// The management API for the command line beside the data: whoever can open the socket, which
    /// is the owner of the data folder, acts as the operator.
    Local,
}

/// A response, whole.
pub type Reply = Response<Full<Bytes>>;

/// A JSON response that no cache keeps.
pub fn json(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

/// A plain text response.
pub fn text(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    let mut reply = json(status, body);
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    reply
}

/// A response that verification rendered.
pub fn answer(answer: Answer) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from(answer.body)));
    *reply.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    add_headers(&mut reply, answer.headers);
    reply
}

/// Puts headers onto a response.
fn add_headers(reply: &mut Reply, headers: Vec<(String, String)>) {
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            reply.headers_mut().append(name, value);
        }
    }
}
