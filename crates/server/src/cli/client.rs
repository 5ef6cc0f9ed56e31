//! The command line as a client of the management API.

use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::response::Parts;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;

use super::Failure;
use super::data::{Data, Lock};
use crate::app::{App, Site};
use crate::http::Door;
use crate::http::serve::management;

/// The management API: of the running server, or of this process.
pub(crate) enum Client {
    /// By the server's socket.
    Socket(Box<Data>),
    /// In this process, which holds the folder's lock.
    Local(Arc<App>, #[expect(dead_code, reason = "held, not read")] Lock),
}

impl Client {
    /// Finds the running server, or opens the data itself.
    pub(crate) async fn connect(data: &Data) -> Result<Self, Failure> {
        if UnixStream::connect(data.socket()).await.is_ok() {
            return Ok(Self::Socket(Box::new(data.clone())));
        }
        if !data.is_there() {
            return Err(Failure(format!(
                "there is no Keyway in {}; start one: keyway serve --data {0} --scheme NAME",
                data.data.display()
            )));
        }
        let (app, lock) = data.open(Site::default()).await?;
        Ok(Self::Local(app, lock))
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.call(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.call(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.call(Method::PATCH, path, Some(body)).await
    }

    /// Does something once, however often it is asked under the same key. Fails if nobody can say
    /// whether it was done.
    pub(crate) async fn post_once(
        &self,
        path: &str,
        body: &Value,
        key: &str,
    ) -> Result<Once, Failure> {
        let request = asking(Method::POST, path, Some(body)).header("idempotency-key", key);
        let (head, body) = self.send(request.body(bytes_of(Some(body)))?).await?;
        let value: Value = serde_json::from_slice(&body)?;
        if head.status.is_success() {
            let is_repeated = head.headers.contains_key("idempotency-replayed");
            return Ok(Once::Done { value, is_repeated });
        }
        let failure = said(head.status, &value);
        if head.status.is_server_error() { Err(failure) } else { Ok(Once::Refused(failure)) }
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let request = asking(method, path, body).body(bytes_of(body))?;
        let (head, body) = self.send(request).await?;
        let value: Value = serde_json::from_slice(&body)?;
        if head.status.is_success() { Ok(value) } else { Err(said(head.status, &value)) }
    }

    async fn send(&self, request: Request<Bytes>) -> Result<(Parts, Bytes), Failure> {
        match self {
            Self::Local(app, _) => {
                let reply = management(Arc::clone(app), Door::Local, None, request).await;
                let (head, body) = reply.into_parts();
                Ok((head, body.collect().await?.to_bytes()))
            }
            Self::Socket(data) => over_socket(data, request).await,
        }
    }
}

/// What became of something that is done once.
pub(crate) enum Once {
    /// It was done: now, or by an earlier call whose answer this is, without a secret.
    Done {
        /// The answer.
        value: Value,
        /// Whether an earlier call did it.
        is_repeated: bool,
    },
    /// It was not, and nothing has changed.
    Refused(Failure),
}

fn asking(method: Method, path: &str, body: Option<&Value>) -> http::request::Builder {
    let request = Request::builder().method(method).uri(path).header("host", "localhost");
    if body.is_some() { request.header(CONTENT_TYPE, "application/json") } else { request }
}

fn bytes_of(body: Option<&Value>) -> Bytes {
    Bytes::from(body.map_or_else(String::new, Value::to_string))
}

async fn over_socket(data: &Data, request: Request<Bytes>) -> Result<(Parts, Bytes), Failure> {
    let stream = UnixStream::connect(data.socket()).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let driving = tokio::spawn(connection);
    let (head, body) = sender.send_request(request.map(Full::new)).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    driving.abort();
    Ok((head, body))
}

/// A refusal of the API as a sentence.
fn said(status: StatusCode, problem: &Value) -> Failure {
    let detail = problem["detail"].as_str().unwrap_or("the server gave no reason");
    match problem["field"].as_str() {
        Some(field) => Failure(format!("{field}: {detail}")),
        None => Failure(format!("{detail} ({})", status.as_u16())),
    }
}
