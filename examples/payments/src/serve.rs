//! Serving with hyper itself, because a listener needs limits that `axum::serve` does not set.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use keyway_guard::ClientAddress;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tower::ServiceExt;

/// A request's head must arrive in this time; an idle kept connection is closed after it too.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// A whole request, its slow body included, is answered in this time.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long open requests may take after the stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECTIONS_MAX: usize = 4_096;

/// Serves `router` until `stop` is done, then lets open requests finish.
pub async fn serve(listener: TcpListener, router: Router, stop: impl Future<Output = ()>) {
    let mut stop = std::pin::pin!(stop);
    let (stopping, stopped) = watch::channel(false);
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = accept(&listener, &room) => accepted,
            // Finished connections are forgotten as they end.
            Some(_) = connections.join_next() => continue,
        };
        let Some((stream, from, permit)) = accepted else { continue };
        let connection = serve_connection(stream, from, router.clone(), stopped.clone());
        connections.spawn(async move {
            connection.await;
            drop(permit);
        });
    }
    drop(listener);
    let _ = stopping.send(true);
    let drained =
        timeout(DRAIN_TIMEOUT, async { while connections.join_next().await.is_some() {} });
    if drained.await.is_err() {
        connections.abort_all();
    }
}

/// The next connection, as soon as there is room for one.
async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(room).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, from)) => {
            // Answers are small: waiting to fill a packet would only delay them.
            let _ = stream.set_nodelay(true);
            Some((stream, from, permit))
        }
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            // Out of file descriptors, most likely: give others time to close theirs.
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

async fn serve_connection(
    stream: TcpStream,
    from: SocketAddr,
    router: Router,
    mut stopped: watch::Receiver<bool>,
) {
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(ClientAddress(from.ip()));
        answer(router.clone(), request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let stop = async {
        // An error means that the server itself is gone, which is a stop too.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    };
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, %from, "a connection broke");
    }
}

async fn answer(
    router: Router,
    request: hyper::Request<Incoming>,
) -> Result<hyper::Response<Body>, Infallible> {
    let Ok(answered) = timeout(ANSWER_TIMEOUT, router.oneshot(request.map(Body::new))).await else {
        let mut late = hyper::Response::new(Body::empty());
        *late.status_mut() = http::StatusCode::REQUEST_TIMEOUT;
        return Ok(late);
    };
    answered
}
