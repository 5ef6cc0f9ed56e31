//! A tower layer that lets a request through only if Keyway says so.
//!
//! Put [`GuardLayer`] around an API. It asks a [`Verifier`] about each request: either the engine in
//! the same process, or [`Remote`], which asks a Keyway node over HTTP (`POST /v1/verify`).
//! An allowed request reaches the API with its [`Identity`] in the request's extensions; every other
//! request is answered by Keyway, in the words that the platform's clients understand.

pub mod follow;
mod layer;
mod node;
mod remote;
mod wire;

pub use layer::{ClientAddress, Guard, GuardLayer};
pub use node::{Call, Node, NodeError};
pub use remote::{Remote, ask, decision, unavailable};
pub use wire::{
    Answer, AnswerBody, Decision, GrantNames, Identity, Passed, Passport, PassportRate,
    QuestionBody, Rate, request_ids, scope,
};

use std::future::Future;
use std::net::IpAddr;

use bytes::Bytes;
use http::{HeaderMap, Method, Uri};

/// What is asked about one request.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The request's method.
    pub method: &'a Method,
    /// The request's target as it came over the wire: path and query.
    pub uri: &'a Uri,
    /// The request's headers, the credential among them.
    pub headers: &'a HeaderMap,
    /// The environment that this endpoint serves (`test` or `live`); `None` lets the credential decide.
    pub environment: Option<&'a str>,
    /// Where the request came from, for address allow-lists and last-used.
    pub client_address: Option<IpAddr>,
    /// The account that owns what the request is about, if the API knows it already.
    pub account: Option<&'a str>,
    /// The request's body, if [`Verifier::wants_body`] asked for it.
    pub body: Option<&'a Bytes>,
}

/// Something that can decide about requests.
pub trait Verifier: Clone + Send + Sync + 'static {
    /// Decides. Never fails: when it cannot be sure, the decision is an answer with status 503.
    fn verify(&self, question: Question<'_>) -> impl Future<Output = Decision> + Send;

    /// Whether the decision needs the request's body (a signature covers it).
    fn wants_body(&self, headers: &HeaderMap) -> bool;
}
