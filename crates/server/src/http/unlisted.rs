//! What is on the public listener beside the table of the management API: the document, health, the
//! platform's own logins, OAuth, and the pages.

use std::sync::Arc;

use http::{Method, StatusCode};
use keyway_guard::{Decision, Question, Verifier};

use super::problem::{self, Problem};
use super::{Call, Door, Reply, answer, json, oauth, openapi, pages, text};
use crate::verify::InProcess;

/// Whether the process lives.
pub(super) const HEALTH: &str = "/healthz";

/// Answers what the table does not name.
pub(super) async fn serve(call: Call, door: Door) -> Reply {
    let path = call.uri.path();
    let is_public = door == Door::Public;
    let login = call.app.platform.rules.scheme.login.as_ref().filter(|_| is_public);
    let is_login = login.is_some_and(|login| path == login.path);
    let is_oauth = is_public && oauth::is_ours(&call);
    let wanted = match path {
        openapi::PATH | HEALTH => Some(Method::GET),
        _ if is_login => Some(Method::POST),
        _ if is_oauth => Some(oauth::method(path)),
        _ => None,
    };
    if let Some(wanted) = wanted.filter(|wanted| call.method != *wanted) {
        return problem::other_method(wanted.as_str(), &call.request_id);
    }
    match path {
        openapi::PATH => json(StatusCode::OK, openapi::public(&call.app)),
        HEALTH => text(StatusCode::OK, "ok\n"),
        _ if is_login => log_in(&call).await,
        _ if is_oauth => oauth::serve(call).await,
        _ if is_public && !path.starts_with("/v1/") => pages::serve(call).await,
        _ => Problem::not_found("path").reply(&call.request_id),
    }
}

/// A login in the words of the platform's own clients.
async fn log_in(call: &Call) -> Reply {
    let verifier = InProcess(Arc::clone(&call.app));
    let question = Question {
        method: &call.method,
        uri: &call.uri,
        headers: &call.headers,
        environment: None,
        client_address: call.address,
        account: None,
        body: Some(&call.body),
    };
    match verifier.verify(question).await {
        Decision::Answered(reply) => answer(reply),
        // A login that is none is no way in.
        Decision::Allowed(_) => Problem::not_found("path").reply(&call.request_id),
    }
}
