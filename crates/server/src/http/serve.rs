//! The accept loop and the way of a request through it. `axum::serve` is not used: it leaves
//! half-sent requests open, and has no bound on connections.

use std::collections::HashMap;
use std::future::{Future, ready};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Either, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};

use super::admit::admit;
use super::api::query;
use super::gate::Gate;
use super::problem::{self, Problem};
use super::routes::{Matched, Route, find};
use super::{Call, Door, Reply, add_headers, authz, connection, internal, pages, unlisted};
use crate::app::App;
use crate::codes::Code;

/// A request's body must be whole within this time.
pub(super) const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// A handshake must be whole within this time.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections at once; more wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 16_384;
/// What is under way may take so long when the process stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// A listener of either sort.
pub trait Accept: Send + Sync + 'static {
    /// What it accepts.
    type Raw: Send + 'static;
    /// What comes of that.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// The next connection, and where it comes from.
    fn next(&self) -> impl Future<Output = io::Result<(Self::Raw, Option<SocketAddr>)>> + Send;

    /// What must be agreed on before the first request: holds up nobody else.
    fn settle(
        &self,
        raw: Self::Raw,
    ) -> impl Future<Output = io::Result<Self::Stream>> + Send + 'static;
}

impl Accept for TcpListener {
    type Raw = TcpStream;
    type Stream = TcpStream;

    async fn next(&self) -> io::Result<(TcpStream, Option<SocketAddr>)> {
        let (stream, peer) = self.accept().await?;
        // Answers are small and whole: waiting to fill a packet only delays them.
        stream.set_nodelay(true)?;
        Ok((stream, Some(peer)))
    }

    fn settle(
        &self,
        raw: TcpStream,
    ) -> impl Future<Output = io::Result<TcpStream>> + Send + 'static {
        ready(Ok(raw))
    }
}

impl Accept for UnixListener {
    type Raw = UnixStream;
    type Stream = UnixStream;

    async fn next(&self) -> io::Result<(UnixStream, Option<SocketAddr>)> {
        Ok((self.accept().await?.0, None))
    }

    fn settle(
        &self,
        raw: UnixStream,
    ) -> impl Future<Output = io::Result<UnixStream>> + Send + 'static {
        ready(Ok(raw))
    }
}

/// Serves a listener until told to stop: a Keyway, or a gate behind which there will be one.
pub async fn run(
    listener: impl Accept,
    behind: impl Into<Gate>,
    door: Door,
    mut stop: watch::Receiver<bool>,
) {
    let gate = behind.into();
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let next = async {
            let permit = Arc::clone(&room).acquire_owned().await;
            (permit, listener.next().await)
        };
        let stopped = async { drop(stop.wait_for(|stop| *stop).await) };
        let (permit, accepted) = tokio::select! {
            () = stopped => break,
            next = next => next,
        };
        let Ok(permit) = permit else { break };
        let (raw, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: give others the time to close theirs.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let (gate, stop) = (gate.clone(), stop.clone());
        let settled = listener.settle(raw);
        tokio::spawn(async move {
            let peer = peer.map(|peer| peer.ip());
            match tokio::time::timeout(SETTLE_TIMEOUT, settled).await {
                Ok(Ok(stream)) => connection::run(stream, peer, gate, door, stop).await,
                Ok(Err(error)) => tracing::debug!(%error, "a handshake failed"),
                Err(_) => tracing::debug!("a handshake took too long"),
            }
            drop(permit);
        });
    }
    let all = u32::try_from(CONNECTIONS_MAX).unwrap_or(u32::MAX);
    let drained = tokio::time::timeout(DRAIN_TIMEOUT, room.acquire_many(all)).await;
    if drained.is_err() {
        tracing::warn!("some connections were still open when the process stopped");
    }
}

/// A request waits so long for a lease that is over: mostly it is there again at once.
const LEASE_WAIT: Duration = Duration::from_millis(50);

/// A body as it is sent: ours is whole, that of gRPC has trailers.
pub(super) type Sent = Either<Full<Bytes>, tonic::body::Body>;

/// Answers a request of a connection.
pub(super) async fn serve(
    app: Arc<App>,
    door: Door,
    address: Option<IpAddr>,
    request: Request<Incoming>,
) -> Response<Sent> {
    if let Some(node) = app.coherence.get() {
        node.lease.hold(LEASE_WAIT).await;
    }
    match door {
        Door::Internal { token } if request.uri().path() == authz::envoy::CHECK => {
            authz::envoy::serve(&app, token, address, request).await.map(Either::Right)
        }
        Door::Internal { token } => {
            internal::serve(&app, token, address, request).await.map(Either::Left)
        }
        Door::Public | Door::Local => {
            management_body(app, door, address, request).await.map(Either::Left)
        }
    }
}

/// Reads the body of a management call, and serves it.
async fn management_body(
    app: Arc<App>,
    door: Door,
    address: Option<IpAddr>,
    request: Request<Incoming>,
) -> Reply {
    let (parts, body) = request.into_parts();
    let address = forwarded(&app.site.trusted_proxies, address, &parts.headers);
    let max = match find(&parts.method, parts.uri.path()) {
        Matched::Route(route, _) => route.body_bytes_max,
        _ => keyway_domain::limits::BODY_BYTES_MAX,
    };
    match read_body(body, max).await {
        Ok(body) => management(app, door, address, Request::from_parts(parts, body)).await,
        Err(problem) if pages::is_page(&parts.method, parts.uri.path()) => {
            pages::unreadable(problem.status(), &problem.detail, app.site.is_secure())
        }
        Err(problem) => {
            let id = app.operator.engine.management_request().seal(&app.keys.requests);
            with_request_id(problem.reply(&id), &id)
        }
    }
}

/// Where a request comes from: its peer, or, of a trusted proxy, the last address in its list that
/// is not one of them. What stands further left anybody may have written.
fn forwarded(trusted: &[IpNet], peer: Option<IpAddr>, headers: &http::HeaderMap) -> Option<IpAddr> {
    let Some(proxy) = peer.filter(|peer| is_trusted(trusted, *peer)) else { return peer };
    Some(named_by_proxies(trusted, headers).unwrap_or(proxy))
}

fn is_trusted(trusted: &[IpNet], address: IpAddr) -> bool {
    trusted.iter().any(|range| range.contains(&address.to_canonical()))
}

/// The client's address as a proxy names it, whose word is taken: the last in its list that is not a
/// trusted proxy's.
pub(super) fn named_by_proxies(trusted: &[IpNet], headers: &http::HeaderMap) -> Option<IpAddr> {
    let lists = headers.get_all("x-forwarded-for").into_iter().rev();
    let words = lists.filter_map(|list| list.to_str().ok()).flat_map(|list| list.rsplit(','));
    for word in words {
        // What can't be read ends the chain of who vouches for whom.
        let Ok(address) = word.trim().parse::<IpAddr>() else { break };
        if !is_trusted(trusted, address) {
            return Some(address);
        }
    }
    None
}

/// Reads a body within its bounds of size and time.
pub(super) async fn read_body(body: Incoming, max: usize) -> Result<Bytes, Problem> {
    let mut reading = std::pin::pin!(Limited::new(body, max).collect());
    // A small body came with its head and is there already: it needs no timer.
    let at_once = std::future::poll_fn(|cx| Poll::Ready(reading.as_mut().poll(cx))).await;
    let read = match at_once {
        Poll::Ready(read) => Ok(read),
        Poll::Pending => tokio::time::timeout(BODY_TIMEOUT, reading).await,
    };
    match read {
        Ok(Ok(read)) => Ok(read.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(Problem::new(Code::BodyTooLarge, format!("the body has more than {max} bytes")))
        }
        Ok(Err(_)) => {
            Err(Problem::new(Code::BodyIncomplete, "the body could not be read to its end"))
        }
        Err(_) => Err(Problem::new(Code::BodyTooSlow, "the body did not arrive in time")),
    }
}

/// Serves the management API: also in process, for the command line without a server.
pub async fn management(
    app: Arc<App>,
    door: Door,
    address: Option<IpAddr>,
    request: Request<Bytes>,
) -> Reply {
    let request_id = app.operator.engine.management_request().seal(&app.keys.requests);
    let (parts, body) = request.into_parts();
    let matched = find(&parts.method, parts.uri.path());
    let (route, params) = match matched {
        Matched::Route(route, params) => (Some(route), params),
        Matched::OtherMethod(allowed) => {
            return with_request_id(problem::other_method(&allowed, &request_id), &request_id);
        }
        Matched::Nothing => (None, HashMap::new()),
    };
    let method = parts.method;
    let call = Call {
        app,
        method: method.clone(),
        uri: parts.uri,
        headers: parts.headers,
        body,
        address,
        params,
        query: HashMap::new(),
        takes_away: route.is_some_and(|route| route.takes_away),
        made_under: route.and_then(|route| route.made_under),
        request_id: request_id.clone(),
    };
    let reply = match route {
        Some(route) => {
            let reply = serve_route(call, door, route).await;
            // The path's pattern, never the path: a client may have put anything there.
            let status = reply.status().as_u16();
            tracing::info!(%method, path = route.path, status, request_id, "management");
            reply
        }
        None => unlisted::serve(call, door).await,
    };
    with_request_id(reply, &request_id)
}

async fn serve_route(mut call: Call, door: Door, route: &Route) -> Reply {
    let id = call.request_id.clone();
    if let Err(problem) = holds_no_credential(&call) {
        return problem.reply(&id);
    }
    let caller = match admit(&call, door, (route.resource, route.action())) {
        Ok(caller) => caller,
        Err(refusal) => return *refusal,
    };
    call.query = match query::read(call.uri.query(), route.query) {
        Ok(query) => query,
        Err(problem) => return problem.reply(&id),
    };
    let app = Arc::clone(&call.app);
    let rate = caller.rate.clone();
    let mut reply = match (route.handler)(call, caller).await {
        Ok(reply) => reply,
        Err(problem) => {
            if problem.status() == StatusCode::SERVICE_UNAVAILABLE {
                app.store_well.store(false, std::sync::atomic::Ordering::Relaxed);
            }
            problem.reply(&id)
        }
    };
    add_headers(&mut reply, rate);
    reply
}

/// No management call has a reason to carry a credential anywhere but in its Authorization header;
/// one that does is refused before anything of it is kept or repeated.
pub(super) fn holds_no_credential(call: &Call) -> Result<(), Problem> {
    let engines = [&call.app.platform.engine, &call.app.operator.engine];
    let holds = |text: &str| engines.iter().any(|engine| engine.holds_secret(text));
    let target = call.uri.path_and_query().map_or("", |target| target.as_str());
    let key = call.headers.get("idempotency-key").and_then(|key| key.to_str().ok());
    let place = if holds(target) {
        "URL"
    } else if key.is_some_and(holds) {
        "Idempotency-Key"
    } else if holds(&String::from_utf8_lossy(&call.body)) {
        "body"
    } else {
        return Ok(());
    };
    let detail =
        format!("the {place} holds a credential; nothing was done. Replace that credential");
    Err(Problem::new(Code::CredentialMisplaced, detail))
}

/// Says by which id a call is found again, on whatever its answer is.
pub(super) fn with_request_id(mut reply: Reply, request_id: &str) -> Reply {
    let headers = reply.headers_mut();
    if let Ok(value) = HeaderValue::try_from(request_id) {
        for name in ["request-id", "x-request-id"] {
            headers.entry(HeaderName::from_static(name)).or_insert(value.clone());
        }
    }
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    reply
}

/// Listens for the signals to stop from now on; what it returns resolves when one has come.
pub fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Where a listener listens, and what comes of it.
pub fn is_own_machine(address: &SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}
