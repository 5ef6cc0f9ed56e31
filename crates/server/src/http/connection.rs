//! One connection: which HTTP it speaks, how long it may take, and how it ends.

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use http::header::{HOST, HeaderValue};
use http::{Request, Version};
use http_body_util::Either;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::sync::watch;

use super::Door;
use super::gate::Gate;
use super::lingering::Lingering;
use super::serve::serve;
use super::unread::Unread;

/// The first bytes must come within this time; then a request's head within [`HEAD_TIMEOUT`].
const FIRST_TIMEOUT: Duration = Duration::from_secs(5);
/// A request's head must be whole within this time.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of a request's head; beyond it the answer is 431.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// Requests at once on one connection of HTTP/2: of a gateway, and of anybody. An answer that is not
/// read stays in memory.
const STREAMS_MAX: u32 = 256;
const STRANGERS_STREAMS_MAX: u32 = 16;
/// How long anybody's connection of HTTP/2 lasts, and then what is under way on it: nobody holds
/// answers for longer than this by not reading them.
const STRANGERS_AGE_MAX: Duration = Duration::from_mins(5);
const LAST_ANSWERS: Duration = Duration::from_secs(30);
/// A silent connection of HTTP/2 is asked for a sign of life so often, and ended without one.
const PING_EVERY: Duration = Duration::from_secs(10);
const PING_TIMEOUT: Duration = Duration::from_secs(5);
/// How HTTP/2 begins where no handshake has agreed on it (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Serves a connection to its end.
pub(super) async fn run<S>(
    mut stream: S,
    address: Option<IpAddr>,
    gate: Gate,
    door: Door,
    stop: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let first = tokio::time::timeout(FIRST_TIMEOUT, beginning(&mut stream)).await;
    let Ok(Ok(begun)) = first else { return };
    let is_http2 = begun.as_ref() == PREFACE;
    let stream = TokioIo::new(Unread::new(Lingering::new(Rewound { begun, stream })));
    let service = service_fn(move |request: Request<Incoming>| {
        let gate = gate.clone();
        let request = named_host(request);
        async move {
            Ok::<_, Infallible>(match gate.app().cloned() {
                Some(app) => serve(app, door, address, request).await,
                None => gate.not_yet(door, &request).map(Either::Left),
            })
        }
    });
    let (streams_max, age_max) = match door {
        Door::Public => (STRANGERS_STREAMS_MAX, STRANGERS_AGE_MAX),
        Door::Internal { .. } | Door::Local => (STREAMS_MAX, Duration::MAX),
    };
    let ended = if is_http2 {
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX))
            .max_concurrent_streams(streams_max)
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_TIMEOUT)
            .serve_connection(stream, service);
        finish(connection, stop, age_max).await
    } else {
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(stream, service);
        finish(connection, stop, Duration::MAX).await
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// HTTP/2 names the host beside the headers (RFC 9113 §8.3.1): put where everybody reads it.
fn named_host(mut request: Request<Incoming>) -> Request<Incoming> {
    let authority = request.uri().authority().map(|authority| authority.as_str().to_owned());
    if request.version() == Version::HTTP_2
        && let Some(Ok(host)) = authority.map(HeaderValue::try_from)
    {
        request.headers_mut().insert(HOST, host);
    }
    request
}

/// Drives a connection to its end, and when the process stops or it is too old, to the end of what is
/// under way.
async fn finish<C>(
    connection: C,
    mut stop: watch::Receiver<bool>,
    age_max: Duration,
) -> Result<(), C::Error>
where
    C: GracefulConnection,
{
    let mut connection = std::pin::pin!(connection);
    let stopped = async { drop(stop.wait_for(|stop| *stop).await) };
    let is_old = tokio::select! {
        ended = connection.as_mut() => return ended,
        () = stopped => false,
        () = tokio::time::sleep(age_max) => true,
    };
    connection.as_mut().graceful_shutdown();
    if is_old {
        let last = tokio::time::timeout(LAST_ANSWERS, connection).await;
        return last.unwrap_or(Ok(()));
    }
    connection.await
}

/// Reads until it is clear whether this is HTTP/2: mostly one byte's look at what came first.
async fn beginning(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Bytes> {
    let mut begun = BytesMut::with_capacity(PREFACE.len());
    while begun.len() < PREFACE.len() && PREFACE.starts_with(&begun) {
        let room = PREFACE.len() - begun.len();
        let read = (&mut *stream).take(room as u64).read_buf(&mut begun).await?;
        if read == 0 {
            break;
        }
    }
    Ok(begun.freeze())
}

/// A stream whose beginning was looked at.
struct Rewound<S> {
    begun: Bytes,
    stream: S,
}

impl<S: AsyncRead + Unpin> AsyncRead for Rewound<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.begun.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, into);
        }
        let count = self.begun.len().min(into.remaining());
        into.put_slice(&self.begun[..count]);
        self.begun.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Rewound<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
