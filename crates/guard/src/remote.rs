//! Asking a Keyway node over HTTP.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Request, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::wire::{Answer, AnswerBody, Decision, Passed, QuestionBody};
use crate::{Question, Verifier};

/// An answer of the verifier is a few hundred bytes; a login's is below this too.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// A verifier that asks `POST /v1/verify` of a Keyway node, on pooled keep-alive connections.
#[derive(Clone)]
pub struct Remote {
    client: Client<HttpConnector, Full<Bytes>>,
    verify_url: Uri,
    token: Option<String>,
    timeout: Duration,
}

impl Remote {
    /// Asks the node at `verify_url`, such as `http://127.0.0.1:7411/v1/verify`.
    pub fn new(verify_url: Uri) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { client, verify_url, token: None, timeout: Duration::from_secs(2) }
    }

    /// Sends this operator token with each question (needed when the node's internal listener is
    /// not on loopback).
    #[must_use]
    pub fn token(mut self, token: String) -> Self {
        self.token = Some(token);
        self
    }

    async fn ask(&self, question: Question<'_>) -> Option<AnswerBody> {
        let mut request = Request::post(&self.verify_url).header(CONTENT_TYPE, "application/json");
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Full::new(Bytes::from(render(question)?))).ok()?;
        let exchange = async {
            let response = self.client.request(request).await.ok()?;
            if !response.status().is_success() {
                return None;
            }
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await.ok()?;
            serde_json::from_slice(&body.to_bytes()).ok()
        };
        tokio::time::timeout(self.timeout, exchange).await.ok()?
    }
}

impl Verifier for Remote {
    async fn verify(&self, question: Question<'_>) -> Decision {
        let Some(answer) = self.ask(question).await else {
            return Decision::Answered(unavailable());
        };
        match (answer.allowed, answer.identity, answer.answer) {
            (true, Some(identity), None) => Decision::Allowed(Box::new(Passed {
                identity,
                response_headers: answer.response_headers,
            })),
            (false, None, Some(answer)) => Decision::Answered(answer),
            // Anything else is not an answer of Keyway's: fail closed.
            _ => Decision::Answered(unavailable()),
        }
    }

    fn wants_body(&self, headers: &HeaderMap) -> bool {
        headers.contains_key("signature")
    }
}

/// The question as JSON; `None` if a header's value is not text, which no credential is.
fn render(question: Question<'_>) -> Option<Vec<u8>> {
    let mut headers = Vec::with_capacity(question.headers.len());
    for (name, value) in question.headers {
        // A header in another charset is passed on as Latin-1, as HTTP/1.1 has it.
        let value = match std::str::from_utf8(value.as_bytes()) {
            Ok(text) => text.into(),
            Err(_) => value.as_bytes().iter().copied().map(char::from).collect::<String>().into(),
        };
        headers.push((name.as_str().into(), value));
    }
    let body = QuestionBody {
        method: Some(question.method.as_str().into()),
        path: Some(question.uri.path_and_query().map_or("/", |target| target.as_str()).into()),
        headers,
        body: question.body.map(|bytes| STANDARD.encode(bytes).into()),
        resource: None,
        action: None,
        environment: question.environment.map(Into::into),
        client_address: question.client_address.map(|address| address.to_string().into()),
        account: question.account.map(Into::into),
    };
    serde_json::to_vec(&body).ok()
}

fn unavailable() -> Answer {
    Answer {
        status: 503,
        headers: vec![
            ("content-type".into(), "application/problem+json".into()),
            ("retry-after".into(), "1".into()),
        ],
        body: r#"{"title":"Service Unavailable","status":503,"code":"unavailable","detail":"The request could not be verified. Try again."}"#.into(),
    }
}
