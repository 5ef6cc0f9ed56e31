//! Asking a Keyway node about each request.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, Uri};

use crate::node::{Call, Node, NodeError};
use crate::wire::{Answer, AnswerBody, Decision, Passed, QuestionBody};
use crate::{Question, Verifier};

/// An answer of the verifier is a few hundred bytes; a login's is below this too.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
const PATIENCE: Duration = Duration::from_secs(2);

/// A verifier that asks `POST /v1/verify` of a Keyway node.
#[derive(Clone)]
pub struct Remote {
    node: Node,
}

impl Remote {
    /// Asks the node whose internal listener is at `origin`, such as `http://127.0.0.1:7411`; a path
    /// after it does not matter.
    pub fn new(origin: &Uri) -> Result<Self, NodeError> {
        Node::new(origin).map(|node| Self { node })
    }

    /// Sends this operator token with each question (needed when the node's internal listener is
    /// not on loopback).
    pub fn token(self, token: &str) -> Result<Self, NodeError> {
        Ok(Self { node: self.node.token(token)? })
    }
}

impl Verifier for Remote {
    async fn verify(&self, question: Question<'_>) -> Decision {
        ask(&self.node, question, false).await.map_or_else(|_| unavailable(), decision)
    }

    fn wants_body(&self, headers: &HeaderMap) -> bool {
        headers.contains_key("signature")
    }
}

/// Asks a node about a request, and for a passport if that is wanted.
pub async fn ask(
    node: &Node,
    question: Question<'_>,
    passport: bool,
) -> Result<AnswerBody, NodeError> {
    let body = serde_json::to_vec(&body(question, passport))?;
    let answer = node.call(Call::post("/v1/verify", body), ANSWER_BYTES_MAX, PATIENCE).await?;
    Ok(serde_json::from_slice(&answer)?)
}

/// What an answer comes to.
pub fn decision(answer: AnswerBody) -> Decision {
    match (answer.allowed, answer.identity, answer.answer) {
        (true, Some(identity), None) => Decision::Allowed(Box::new(Passed {
            identity,
            response_headers: answer.response_headers,
        })),
        (false, None, Some(answer)) => Decision::Answered(answer),
        // Anything else is not an answer of Keyway's: fail closed.
        _ => unavailable(),
    }
}

fn body(question: Question<'_>, passport: bool) -> QuestionBody<'_> {
    let mut headers = Vec::with_capacity(question.headers.len());
    for (name, value) in question.headers {
        // A header in another charset is passed on as Latin-1, as HTTP/1.1 has it.
        let value = match std::str::from_utf8(value.as_bytes()) {
            Ok(text) => text.into(),
            Err(_) => value.as_bytes().iter().copied().map(char::from).collect::<String>().into(),
        };
        headers.push((name.as_str().into(), value));
    }
    QuestionBody {
        method: Some(question.method.as_str().into()),
        path: Some(question.uri.path_and_query().map_or("/", |target| target.as_str()).into()),
        headers,
        body: question.body.map(|bytes| STANDARD.encode(bytes).into()),
        resource: None,
        action: None,
        environment: question.environment.map(Into::into),
        client_address: question.client_address.map(|address| address.to_string().into()),
        account: question.account.map(Into::into),
        passport,
    }
}

/// The answer when nobody can be asked.
pub fn unavailable() -> Decision {
    Decision::Answered(Answer {
        status: 503,
        headers: vec![
            ("content-type".into(), "application/problem+json".into()),
            ("retry-after".into(), "1".into()),
        ],
        body: r#"{"title":"Service Unavailable","status":503,"code":"unavailable","detail":"The request could not be verified. Try again."}"#.into(),
    })
}
