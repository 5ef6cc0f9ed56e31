//! The internal listener: verification, health, metrics. Nothing here waits for the database.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use keyway_domain::Environment;
use keyway_domain::grant::Action;
use keyway_domain::limits::{BATCH_BYTES_MAX, BATCH_MAX};
use keyway_domain::verdict::Reason;
use keyway_guard::{AnswerBody, QuestionBody};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::Instant;

use super::admit::{TO_VERIFY, by_token};
use super::body::Object;
use super::problem::{self, Problem};
use super::serve::{read_body, with_request_id};
use super::unlisted::HEALTH;
use super::{Reply, authz, follow, json as json_reply, openapi, text};
use crate::app::App;
use crate::app::verifying::block_deadline;
use crate::codes::Code;
use crate::coherence::Node;
use crate::verify::{Answered, Asked, HeaderPairs};

/// One question.
pub(super) const VERIFY: &str = "/v1/verify";
/// Many questions.
pub(super) const VERIFY_BATCH: &str = "/v1/verify/batch";
/// What changed, for a process that verifies after this one.
pub(super) const FOLLOW: &str = "/v1/follow";
/// The scheme by which it does.
pub(super) const FOLLOW_SCHEME: &str = "/v1/follow/scheme";
/// Whether this process answers questions.
pub(super) const READY: &str = "/readyz";
/// Figures for Prometheus.
pub(super) const METRICS: &str = "/metrics";
/// Bytes of one question: 64 KiB of signed body in base64, and its headers.
const QUESTION_BYTES_MAX: usize = 160 * 1024;

pub(super) async fn serve(
    app: &Arc<App>,
    needs_token: bool,
    address: Option<IpAddr>,
    request: Request<Incoming>,
) -> Reply {
    let (parts, body) = request.into_parts();
    match (&parts.method, parts.uri.path()) {
        (&Method::GET, HEALTH) => return text(StatusCode::OK, "ok\n"),
        // A public key: those who check contexts need no more than this.
        (&Method::GET, authz::JWKS) => {
            return json_reply(StatusCode::OK, app.contexts.jwks());
        }
        (&Method::GET, READY) => return ready(app),
        (&Method::GET, openapi::PATH) => {
            return json_reply(StatusCode::OK, openapi::internal(app));
        }
        _ => {}
    }
    if authz::is_ours(parts.uri.path()) {
        return match needs_token.then(|| authz::admit(app, address, &parts.headers)) {
            Some(Err(refusal)) => *refusal,
            Some(Ok(())) | None => authz::serve(app, &parts, body).await,
        };
    }
    if needs_token && let Err(refusal) = by_token(app, &parts.headers, address, TO_VERIFY) {
        return *refusal;
    }
    let id = || app.platform.engine.management_request().seal(&app.keys.requests);
    let done = match (&parts.method, parts.uri.path()) {
        (&Method::POST, VERIFY) => match read_body(body, QUESTION_BYTES_MAX).await {
            Ok(body) => one(app, &body).await,
            Err(problem) => Err(problem),
        },
        (&Method::POST, FOLLOW) => match read_body(body, follow::QUESTION_BYTES_MAX).await {
            Ok(body) => follow::serve(app, &body).await,
            Err(problem) => Err(problem),
        },
        (&Method::GET, FOLLOW_SCHEME) => {
            Ok(text(StatusCode::OK, app.platform.rules.scheme.text.clone()))
        }
        (&Method::POST, VERIFY_BATCH) => match read_body(body, BATCH_BYTES_MAX).await {
            Ok(body) => batch(app, &body).await,
            Err(problem) => Err(problem),
        },
        (&Method::GET, METRICS) => Ok(text(StatusCode::OK, metrics(app))),
        (_, VERIFY | VERIFY_BATCH | FOLLOW) => return problem::other_method("POST", &id()),
        (_, HEALTH | READY | METRICS | FOLLOW_SCHEME | authz::JWKS | openapi::PATH) => {
            return problem::other_method("GET", &id());
        }
        _ => Err(Problem::not_found("path")),
    };
    done.unwrap_or_else(|problem| {
        let id = id();
        with_request_id(problem.reply(&id), &id)
    })
}

async fn one(app: &Arc<App>, body: &[u8]) -> Result<Reply, Problem> {
    let Object(question) = serde_json::from_slice(body).map_err(|error| not_a_question(&error))?;
    let answered = ask(app, &question, None).await?;
    let body = serde_json::to_vec(&answered).map_err(|error| not_a_question(&error))?;
    Ok(json_reply(StatusCode::OK, body))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Questions<'a> {
    #[serde(borrow)]
    questions: Vec<Object<QuestionBody<'a>>>,
}

#[derive(Serialize)]
struct Answers {
    answers: Vec<AnswerBody>,
}

async fn batch(app: &Arc<App>, body: &[u8]) -> Result<Reply, Problem> {
    let Object(asked): Object<Questions<'_>> =
        serde_json::from_slice(body).map_err(|error| not_a_question(&error))?;
    if asked.questions.is_empty() || asked.questions.len() > BATCH_MAX {
        let message = format!("a batch has 1 to {BATCH_MAX} questions");
        return Err(Problem::invalid("questions", message));
    }
    let deadline = Some(block_deadline());
    let mut answers = Vec::with_capacity(asked.questions.len());
    for Object(question) in &asked.questions {
        answers.push(ask(app, question, deadline).await?);
    }
    let body = serde_json::to_vec(&Answers { answers });
    Ok(json_reply(StatusCode::OK, body.map_err(|error| not_a_question(&error))?))
}

fn not_a_question(error: &serde_json::Error) -> Problem {
    let place = format!("line {}, column {}", error.line(), error.column());
    // What the parser says of a value could repeat a credential; the place is enough.
    let what = if error.is_data() { "an unknown or wrong field" } else { "not JSON" };
    Problem::new(Code::NotAQuestion, format!("{what} at {place}"))
}

/// Answers one question.
async fn ask(
    app: &Arc<App>,
    question: &QuestionBody<'_>,
    deadline: Option<Instant>,
) -> Result<AnswerBody, Problem> {
    let engine = &app.platform.engine;
    let environment = question.environment.as_deref().map(|text| {
        Environment::parse(text).ok_or_else(|| Problem::invalid("environment", "`test` or `live`"))
    });
    let address = question.client_address.as_deref().map(|text| {
        text.parse().map_err(|_| Problem::invalid("client_address", "an IPv4 or IPv6 address"))
    });
    let named = match (&question.resource, &question.action) {
        (None, None) => None,
        (Some(resource), Some(action)) => {
            let action = Action::parse(action)
                .ok_or_else(|| Problem::invalid("action", "`read` or `write`"))?;
            Some((resource.as_ref(), action))
        }
        _ => return Err(Problem::invalid("action", "resource and action go together")),
    };
    let body = question.body.as_deref().map(|text| STANDARD.decode(text)).transpose();
    let body = body.map_err(|_| Problem::invalid("body", "not base64"))?;
    // An empty path is not the lack of one: it must not turn into a question of identity alone.
    if question.path.as_deref() == Some("") {
        return Err(Problem::invalid("path", "it begins with a slash"));
    }
    if question.path.is_some() != question.method.is_some() {
        return Err(Problem::invalid("method", "method and path go together"));
    }
    let headers = HeaderPairs(&question.headers);
    // Before anything is looked up: what changes from here on, a follower is told after this.
    let as_of = question.passport.then(|| app.followers.place());
    let asked = Asked {
        method: question.method.as_deref().unwrap_or(""),
        target: question.path.as_deref().unwrap_or(""),
        named,
        environment: environment.transpose()?,
        address: address.transpose()?,
        account: question.account.as_deref(),
        body: body.as_deref(),
        is_uncounted: false,
    };
    let judged = app.verify_by(&headers, &asked, deadline).await;
    let answered = engine.answer(&judged, &headers);
    app.count(judged.verdict);
    Ok(match answered {
        Answered::Passed(passed) => AnswerBody {
            allowed: true,
            reason: None,
            request_id: passed.identity.request_id.clone(),
            identity: Some(passed.identity),
            response_headers: passed.response_headers,
            answer: None,
            passport: as_of.and_then(|as_of| engine.passport(&judged, &headers, as_of)),
        },
        Answered::Refused(reason, answer) => refused(reason.as_str(), answer),
        Answered::LoggedIn(answer) => refused("answered", answer),
    })
}

fn refused(reason: &str, answer: keyway_guard::Answer) -> AnswerBody {
    let id = answer.headers.iter().find(|(name, _)| name == "request-id");
    AnswerBody {
        allowed: false,
        reason: Some(reason.to_owned()),
        request_id: id.map_or_else(String::new, |(_, id)| id.clone()),
        identity: None,
        response_headers: Vec::new(),
        answer: Some(answer),
        passport: None,
    }
}

/// Whether this process answers questions, and what is wrong if it does not.
fn ready(app: &App) -> Reply {
    let refused = app.refused_rows.load(Ordering::Relaxed);
    let Some(node) = app.coherence.get() else {
        let body =
            json!({ "ready": true, "state": "ready", "reason": null, "rows_refused": refused });
        return json_reply(StatusCode::OK, body.to_string());
    };
    let ((applied, head), health) = (node.places(), node.health());
    let (loaded, of) = app.starting.loaded();
    let holds = node.lease.holds();
    let body = json!({
        "ready": holds,
        "state": health.state,
        "reason": health.reason,
        "applied": applied,
        "behind": head - applied,
        "loaded": loaded,
        "of": of,
        "rows_refused": refused,
    });
    let status = if holds { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json_reply(status, body.to_string())
}

/// Figures in the Prometheus text format.
fn metrics(app: &App) -> String {
    let mut out = String::new();
    let mut line = |text: std::fmt::Arguments<'_>| {
        writeln!(out, "{text}").expect("a String takes everything");
    };
    line(format_args!("# HELP keyway_verifications_total Decisions over HTTP, by outcome."));
    line(format_args!("# TYPE keyway_verifications_total counter"));
    let allowed = app.decisions[0].load(Ordering::Relaxed);
    line(format_args!("keyway_verifications_total{{outcome=\"allowed\"}} {allowed}"));
    for reason in Reason::ALL {
        let count = app.decisions[1 + *reason as usize].load(Ordering::Relaxed);
        line(format_args!("keyway_verifications_total{{outcome=\"{reason}\"}} {count}"));
    }
    line(format_args!("# HELP keyway_index_secrets Secrets in memory, ended ones included."));
    line(format_args!("# TYPE keyway_index_secrets gauge"));
    line(format_args!("keyway_index_secrets {}", app.platform.engine.index.len()));
    line(format_args!("# HELP keyway_rows_refused Stored rows that failed their seal."));
    line(format_args!("# TYPE keyway_rows_refused gauge"));
    line(format_args!("keyway_rows_refused {}", app.refused_rows.load(Ordering::Relaxed)));
    line(format_args!("# HELP keyway_store_well Whether the last write reached the database."));
    line(format_args!("# TYPE keyway_store_well gauge"));
    line(format_args!("keyway_store_well {}", u8::from(app.store_well.load(Ordering::Relaxed))));
    line(format_args!("# HELP keyway_followers Processes that verify after this one."));
    line(format_args!("# TYPE keyway_followers gauge"));
    line(format_args!("keyway_followers {}", app.followers.count()));
    if let Some(node) = app.coherence.get() {
        nodes(node, &mut line);
    }
    let telling = app.telling.load();
    let now = app.now().0;
    let late_ms = telling.webhooks_due_since.map_or(0, |due| (now - due.0).max(0));
    let gauges: [(&str, &str, u64); 6] = [
        ("events_waiting", "Events that are still to be told.", telling.events_waiting),
        ("webhooks_waiting", "Webhooks that wait.", telling.webhooks_waiting),
        (
            "webhooks_late_seconds",
            "For how long the longest due webhook has been due.",
            late_ms.unsigned_abs() / 1_000,
        ),
        ("endpoints_off", "Endpoints at which nothing arrived.", telling.endpoints_off),
        ("mail_waiting", "Letters that wait.", telling.mail.waiting),
        ("mail_given_up", "Letters that were given up.", telling.mail.given_up),
    ];
    for (name, about, value) in gauges {
        line(format_args!("# HELP keyway_telling_{name} {about}"));
        line(format_args!("# TYPE keyway_telling_{name} gauge"));
        line(format_args!("keyway_telling_{name} {value}"));
    }
    out
}

/// Figures of a node among others.
fn nodes(node: &Node, line: &mut impl FnMut(std::fmt::Arguments<'_>)) {
    let (applied, head) = node.places();
    let figures = &node.figures;
    let read = |figure: &std::sync::atomic::AtomicU64| figure.load(Ordering::Relaxed);
    let place = |place: i64| u64::try_from(place).unwrap_or(0);
    let left_ms = u64::try_from(node.lease.left().as_millis()).unwrap_or(u64::MAX);
    let all: [(&str, &str, &str, u64); 9] = [
        ("may_answer", "gauge", "Whether this node holds a lease.", node.lease.holds().into()),
        ("lease_left_ms", "gauge", "For how long the lease holds.", left_ms),
        (
            "log_applied",
            "gauge",
            "The place in the change log that it has reached.",
            place(applied),
        ),
        ("log_lag", "gauge", "Changes that it has not read yet.", place(head - applied)),
        (
            "everywhere_total",
            "counter",
            "Changes seen true on all nodes.",
            read(&figures.everywhere),
        ),
        ("everywhere_ms_total", "counter", "Milliseconds they took.", read(&figures.everywhere_ms)),
        ("everywhere_longest_ms", "gauge", "The longest of them.", read(&figures.longest_ms)),
        ("pending_total", "counter", "Changes not seen so in time.", read(&figures.pending)),
        ("leases_lost_total", "counter", "Times without a lease.", read(&figures.lost)),
    ];
    for (name, kind, about, value) in all {
        line(format_args!("# HELP keyway_node_{name} {about}"));
        line(format_args!("# TYPE keyway_node_{name} {kind}"));
        line(format_args!("keyway_node_{name} {value}"));
    }
}
