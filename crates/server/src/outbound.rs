//! The only way in which Keyway calls a URL that a merchant typed.
//!
//! Such a URL may lead anywhere: to this machine, to the network behind it, to a server that sends
//! without end. What is called is judged by the address that is connected to (`address`), in the
//! one place that connects (`connect`); how much is read, and for how long, is bounded.
//!
//! A call is one connection: no pool, no proxy, no redirect, HTTP/1.1. A pooled connection would
//! skip the judgement, and dead endpoints would hold sockets.

mod address;
mod answer;
mod connect;
mod metered;
mod resolve;
mod target;
mod trouble;

use std::convert::Infallible;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use ipnet::IpNet;
use keyway_domain::limits::{
    OUTBOUND_CONNECT_MS, OUTBOUND_HEAD_BYTES_MAX, OUTBOUND_HEADERS_MAX, OUTBOUND_MS,
};
use keyway_domain::time::Time;
use tokio::time::{Instant, timeout};
use tokio_rustls::rustls::RootCertStore;

pub use address::ForbiddenAddress;
pub use answer::Answer;
pub(crate) use connect::{system_roots, tls};
pub use resolve::{Answers, Resolver, SystemResolver};
pub use target::{Parsed, UrlProblem, check_url};
pub use trouble::{Phase, Trouble};

use connect::{Connector, Trail, Wire};

const USER_AGENT: &str = concat!("Keyway/", env!("CARGO_PKG_VERSION"));

/// Calls URLs that merchants typed.
pub struct Outbound {
    connector: Connector,
    times: Times,
    allow_http: bool,
}

/// How long a call may take.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// All of it.
    pub total: Duration,
    /// The look-up, the connection and the TLS handshake together.
    pub connect: Duration,
}

impl Default for Times {
    fn default() -> Self {
        let ms = |ms: i64| Duration::from_millis(ms.unsigned_abs());
        Self { total: ms(OUTBOUND_MS), connect: ms(OUTBOUND_CONNECT_MS) }
    }
}

/// Why no URL can be called at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// No certificate could be verified.
    #[error("this system has no certificate authorities; SSL_CERT_FILE can name a file of them")]
    NoRoots,
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

/// A call that was made or tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The answer, or why there is none.
    pub outcome: Result<Answer, Trouble>,
    /// How long it took.
    pub took_ms: u64,
    /// The address that was connected to, or tried last. None if none was tried.
    pub address: Option<IpAddr>,
}

impl Outbound {
    /// Trusts the certificate authorities of the system. Addresses within `allowed` are called
    /// although they are of a kind that is not.
    pub fn new(allowed: Vec<IpNet>, resolver: Arc<dyn Resolver>) -> Result<Self, Unusable> {
        Self::with_roots(allowed, resolver, system_roots())
    }

    /// Trusts these certificate authorities and no others.
    pub fn with_roots(
        allowed: Vec<IpNet>,
        resolver: Arc<dyn Resolver>,
        roots: RootCertStore,
    ) -> Result<Self, Unusable> {
        let connector = Connector { allowed, resolver, tls: tls(roots)? };
        Ok(Self { connector, times: Times::default(), allow_http: false })
    }

    /// Calls `http` URLs too.
    #[must_use]
    pub fn allow_http(mut self) -> Self {
        self.allow_http = true;
        self
    }

    /// Takes other times than those of `limits.rs`.
    #[must_use]
    pub fn times(mut self, times: Times) -> Self {
        self.times = times;
        self
    }

    /// Checks a URL before it is saved, by the rules that hold when it is called.
    pub fn check(&self, url: &str) -> Result<Parsed, UrlProblem> {
        check_url(url, self.allow_http, &self.connector.allowed)
    }

    /// Sends `body` to `url` once. Dropping the future closes the connection.
    ///
    /// Headers that frame the request are ours: the caller's `Host`, `Content-Length` and the like
    /// are not sent.
    pub async fn post(
        &self,
        url: &str,
        headers: &[(HeaderName, HeaderValue)],
        body: Bytes,
        now: Time,
    ) -> Sent {
        let began = Instant::now();
        let mut trail = Trail::default();
        let call = async {
            let parsed = self.check(url).map_err(Trouble::of_url)?;
            let wire = self.connector.open(&parsed, self.times.connect, &mut trail).await?;
            let request = request(&parsed, headers, body);
            trail.phase = Phase::Head;
            exchange(wire, request, async |response| {
                trail.phase = Phase::Body;
                Answer::read(response, now.plus_ms(elapsed_ms(began))).await
            })
            .await
        };
        let outcome = timeout(self.times.total, call).await;
        Sent {
            outcome: outcome.unwrap_or(Err(Trouble::TimedOut(trail.phase))),
            took_ms: elapsed_ms(began).unsigned_abs(),
            address: trail.address,
        }
    }
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound").field("times", &self.times).finish_non_exhaustive()
    }
}

fn elapsed_ms(since: Instant) -> i64 {
    i64::try_from(since.elapsed().as_millis()).unwrap_or(i64::MAX)
}

fn request(
    parsed: &Parsed,
    headers: &[(HeaderName, HeaderValue)],
    body: Bytes,
) -> Request<Full<Bytes>> {
    let length = HeaderValue::from(body.len());
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = parsed.path.clone().into();
    let sent = request.headers_mut();
    for (name, value) in headers {
        if !is_ours(name) {
            sent.append(name, value.clone());
        }
    }
    sent.insert(header::HOST, parsed.authority.clone());
    sent.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    sent.insert(header::CONNECTION, HeaderValue::from_static("close"));
    // Said also for an empty body, for which some servers insist on it.
    sent.insert(header::CONTENT_LENGTH, length);
    request
}

/// Headers that decide how the request is framed, or ask for an answer that we do not read.
fn is_ours(name: &HeaderName) -> bool {
    [
        header::HOST,
        header::USER_AGENT,
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::TE,
        header::TRAILER,
        header::UPGRADE,
        header::EXPECT,
        header::ACCEPT_ENCODING,
    ]
    .contains(name)
}

/// Sends the request and hands the answer to `read`.
///
/// The connection lives in this future and not in a task of its own, so that it is closed as soon
/// as the answer is read, time is up or the caller goes away.
async fn exchange(
    wire: Box<dyn Wire>,
    request: Request<Full<Bytes>>,
    read: impl AsyncFnOnce(Response<Incoming>) -> Result<Answer, Trouble>,
) -> Result<Answer, Trouble> {
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(OUTBOUND_HEAD_BYTES_MAX)
        .max_header_size(OUTBOUND_HEAD_BYTES_MAX)
        .max_headers(OUTBOUND_HEADERS_MAX)
        .handshake(TokioIo::new(wire))
        .await
        .map_err(|error| Trouble::of_exchange(&error))?;
    let answered = async {
        let response = sender.send_request(request).await;
        read(response.map_err(|error| Trouble::of_exchange(&error))?).await
    };
    // The connection ends first when the answer is already in its channel; its errors arrive there
    // too. So its end decides nothing.
    let driven = async {
        let _ended = connection.await;
        std::future::pending::<Infallible>().await
    };
    tokio::select! {
        outcome = answered => outcome,
        never = driven => match never {},
    }
}
