//! The command line as a client of the management API.

use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
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

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let body = Bytes::from(body.map_or_else(String::new, Value::to_string));
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost")
            .header(CONTENT_TYPE, "application/json")
            .body(body)?;
        let (status, body) = match self {
            Self::Local(app, _) => {
                let reply = management(Arc::clone(app), Door::Local, None, request).await;
                (reply.status(), reply.into_body().collect().await?.to_bytes())
            }
            Self::Socket(data) => over_socket(data, request).await?,
        };
        let value: Value = serde_json::from_slice(&body)?;
        if status.is_success() { Ok(value) } else { Err(said(status, &value)) }
    }
}

async fn over_socket(data: &Data, request: Request<Bytes>) -> Result<(StatusCode, Bytes), Failure> {
    let stream = UnixStream::connect(data.socket()).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let driving = tokio::spawn(connection);
    let response = sender.send_request(request.map(Full::new)).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    driving.abort();
    Ok((status, body))
}

/// A refusal of the API as a sentence.
fn said(status: StatusCode, problem: &Value) -> Failure {
    let detail = problem["detail"].as_str().unwrap_or("the server gave no reason");
    match problem["field"].as_str() {
        Some(field) => Failure(format!("{field}: {detail}")),
        None => Failure(format!("{detail} ({})", status.as_u16())),
    }
}
