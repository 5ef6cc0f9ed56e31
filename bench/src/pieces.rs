//! The parts of a verification, one by one: where the time goes.

use std::hint::black_box;

use keyway_domain::scheme::Placeholders;
use keyway_domain::verdict::Reason;
use keyway_guard::{AnswerBody, QuestionBody};
use keyway_server::clock::{Clock as _, SystemClock};
use keyway_server::verify::{Answered, HeaderPairs};

use crate::engine::{ASKED, full, now};
use crate::report::{Report, Row};
use crate::stats::{best, count, median, processor_time, say_nanoseconds};
use crate::{Failure, Plan};

const OPERATIONS: usize = 200_000;

pub(crate) fn measure(plan: &Plan, report: &mut Report) -> Result<(), Failure> {
    let size = if plan.quick { 100_000 } else { 1_000_000 };
    let full = full(size)?;
    let (engine, scheme) = (&full.engine, &full.engine.scheme);
    let secrets: Vec<&str> =
        full.hits.iter().take(OPERATIONS).map(|value| &value["Bearer ".len()..]).collect();
    let unknown: Vec<&str> = full.unknown.iter().map(|value| &value["Bearer ".len()..]).collect();
    let digests: Vec<_> = secrets.iter().map(|secret| engine.keys.pepper.digest(secret)).collect();
    let misses: Vec<_> = unknown.iter().map(|secret| engine.keys.pepper.digest(secret)).collect();
    let pairs = [("authorization", full.hits[0].as_str()), ("user-agent", "example-node/4.2.0")];
    let refused_pairs = [("authorization", full.unknown[0].as_str())];
    let judged = engine.verify(&HeaderPairs(&pairs), &ASKED);
    let refused = engine.verify(&HeaderPairs(&refused_pairs), &ASKED);
    let entry = engine.index.find(&digests[0]).ok_or("a live key is not in the index")?;
    let id = judged.request.seal(&engine.keys.requests);
    let facts = Placeholders { request_id: &id, ..Placeholders::default() };
    let answer = answer_body(engine.answer(&judged, &HeaderPairs(&pairs)))?;
    let question = question(&full.hits[0]);
    let template = &scheme.kinds[0].secret;
    let mut at = 0;
    let mut next = move |length: usize| {
        at = (at + 1) % length;
        at
    };
    let mut row = |what: &str, work: &mut dyn FnMut()| {
        let rounds = (0..plan.rounds()).map(|_| {
            let started = processor_time();
            (0..OPERATIONS).for_each(|_| work());
            processor_time().saturating_sub(started).as_secs_f64() * 1e9 / count(OPERATIONS)
        });
        let rounds: Vec<f64> = rounds.collect();
        let note = format!("the best round {}", say_nanoseconds(best(&rounds)));
        let ns = median(rounds);
        report.add(Row {
            section: "pieces",
            what: what.to_owned(),
            figure: say_nanoseconds(ns),
            note,
            ..Row::default()
        });
    };
    row("read the clock", &mut || {
        black_box(SystemClock.now());
    });
    row("pepper digest", &mut || {
        black_box(engine.keys.pepper.digest(secrets[next(secrets.len())]));
    });
    row("index find, hit", &mut || {
        black_box(engine.index.find(&digests[next(digests.len())]));
    });
    row("index find, miss", &mut || {
        black_box(engine.index.find(&misses[next(misses.len())]));
    });
    row("rate limit", &mut || {
        black_box(engine.index.take_rate(&entry, now()));
    });
    row("route", &mut || {
        black_box(scheme.routes.find("GET", "/mfi/invoices/abc"));
    });
    row("secret in the target?", &mut || {
        black_box(engine.holds_secret("/mfi/invoices/abc"));
    });
    row("parse with check (a miss)", &mut || {
        black_box(template.parse(unknown[next(unknown.len())]).is_ok());
    });
    row("verify, same key", &mut || {
        black_box(engine.verify(&HeaderPairs(&pairs), &ASKED));
    });
    row("seal the request id", &mut || {
        black_box(judged.request.seal(&engine.keys.requests));
    });
    row("answer, allowed", &mut || {
        black_box(engine.answer(&judged, &HeaderPairs(&pairs)));
    });
    row("answer, refused", &mut || {
        black_box(engine.answer(&refused, &HeaderPairs(&refused_pairs)));
    });
    row("grant to names", &mut || {
        black_box(entry.grant.to_names(scheme.resource_names()));
    });
    row("render a refusal", &mut || {
        black_box(scheme.dialect.render(Reason::Unknown, &facts));
    });
    row("read the question's JSON", &mut || {
        black_box(serde_json::from_slice::<QuestionBody<'_>>(&question).is_ok());
    });
    row("write the answer's JSON", &mut || {
        black_box(serde_json::to_vec(&answer).is_ok());
    });
    Ok(())
}

fn answer_body(answered: Answered) -> Result<AnswerBody, Failure> {
    let Answered::Passed(passed) = answered else { return Err("not allowed".into()) };
    Ok(AnswerBody {
        allowed: true,
        reason: None,
        request_id: passed.identity.request_id.clone(),
        identity: Some(passed.identity),
        response_headers: passed.response_headers,
        answer: None,
    })
}

fn question(authorization: &str) -> Vec<u8> {
    let headers = crate::over_http::question_headers(&[("authorization", authorization)]);
    crate::over_http::question_body("GET", "/mfi/invoices", &headers).into_bytes()
}
