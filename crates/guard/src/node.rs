//! Calls to a listener of a Keyway node, on pooled keep-alive connections.

use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// A Keyway node.
#[derive(Clone)]
pub struct Node {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    origin: Uri,
    authorization: Option<HeaderValue>,
}

/// A call.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// Its method.
    pub method: Method,
    /// Its path and query.
    pub path: &'a str,
    /// What makes it one call, however often it is sent.
    pub key: Option<&'a str>,
    /// Its JSON; empty for none.
    pub body: Bytes,
}

impl Call<'static> {
    /// Reads.
    pub fn get(path: &'static str) -> Self {
        Self { method: Method::GET, path, key: None, body: Bytes::new() }
    }

    /// Posts JSON.
    pub fn post(path: &'static str, body: Vec<u8>) -> Self {
        Self { method: Method::POST, path, key: None, body: body.into() }
    }
}

/// Why a node gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The token cannot be sent.
    #[error("the token holds characters that no header has")]
    Token,
    /// Nobody can be called at this address.
    #[error("`{0}` is not the address of a node, such as http://127.0.0.1:7411")]
    Address(String),
    /// The machine's certificates cannot be read.
    #[error("the certificates of this machine can't be read: {0}")]
    Certificates(#[from] std::io::Error),
    /// It cannot be reached, or does not speak HTTP.
    #[error("the node can't be reached: {0}")]
    Away(String),
    /// It answers too slowly.
    #[error("the node did not answer within {0:?}")]
    Slow(Duration),
    /// It refuses.
    #[error("the node answered {status}: {body}")]
    Refused {
        /// Its status.
        status: StatusCode,
        /// What it said.
        body: String,
    },
    /// Its answer is not one.
    #[error("the node's answer is not one: {0}")]
    Odd(String),
}

impl From<serde_json::Error> for NodeError {
    /// The place only: what the parser says of a value could repeat a secret.
    fn from(error: serde_json::Error) -> Self {
        Self::Odd(format!("not as expected at line {}, column {}", error.line(), error.column()))
    }
}

impl Node {
    /// The node one of whose listeners is there, such as `http://127.0.0.1:7411`. `https` is checked
    /// against the machine's certificates.
    pub fn new(origin: &Uri) -> Result<Self, NodeError> {
        let is_ours = matches!(origin.scheme_str(), Some("http" | "https"));
        if !is_ours || origin.authority().is_none() {
            return Err(NodeError::Address(origin.to_string()));
        }
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(rustls::crypto::aws_lc_rs::default_provider())?
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { client, origin: origin.clone(), authorization: None })
    }

    /// Sends this operator token with each call (needed when the node's internal listener is not on
    /// loopback).
    pub fn token(mut self, token: &str) -> Result<Self, NodeError> {
        let value = HeaderValue::from_str(&format!("Bearer {token}"));
        let mut value = value.map_err(|_| NodeError::Token)?;
        value.set_sensitive(true);
        self.authorization = Some(value);
        Ok(self)
    }

    /// Calls it; the body of a good answer, which has no more than `max` bytes.
    pub async fn call(
        &self,
        call: Call<'_>,
        max: usize,
        within: Duration,
    ) -> Result<Bytes, NodeError> {
        let odd = |error: &dyn std::fmt::Display| NodeError::Odd(error.to_string());
        let mut parts = self.origin.clone().into_parts();
        let path = PathAndQuery::try_from(call.path).map_err(|error| odd(&error))?;
        parts.path_and_query = Some(path);
        let url = Uri::from_parts(parts).map_err(|error| odd(&error))?;
        let mut request = Request::builder().method(call.method).uri(url);
        if !call.body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some(key) = call.key {
            request = request.header("idempotency-key", key);
        }
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        let request = request.body(Full::new(call.body)).map_err(|error| odd(&error))?;
        let exchange = async {
            let away = |error: &dyn std::fmt::Display| NodeError::Away(error.to_string());
            let response = self.client.request(request).await.map_err(|error| away(&error))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), max).collect().await;
            let body = body.map_err(|error| away(&error))?.to_bytes();
            if status.is_success() {
                return Ok(body);
            }
            Err(NodeError::Refused { status, body: String::from_utf8_lossy(&body).into_owned() })
        };
        tokio::time::timeout(within, exchange).await.map_err(|_| NodeError::Slow(within))?
    }
}
