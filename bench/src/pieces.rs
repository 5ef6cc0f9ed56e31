//! The parts of a verification, one by one: where the time goes.

use std::hint::black_box;

use keyway_domain::scheme::Placeholders;
use keyway_domain::verdict::Reason;
use keyway_guard::{AnswerBody, QuestionBody};
use keyway_server::clock::{Clock as _, SystemClock};
use keyway_server::verify::{Answered, HeaderPairs};

use crate::engine::{ASKED, Full, full, now};
use crate::report::{Report, Row};
use crate::stats::{best, count, median, processor_time, say_nanoseconds};
use crate::{Failure, Plan};

const OPERATIONS: usize = 200_000;

/// Times pieces and reports them.
struct Pieces<'r> {
    rounds: usize,
    report: &'r mut Report,
}

impl Pieces<'_> {
    fn row<T>(&mut self, what: &str, mut work: impl FnMut(usize) -> T) {
        let rounds = (0..self.rounds).map(|_| {
            let started = processor_time();
            for place in 0..OPERATIONS {
                black_box(work(place));
            }
            processor_time().saturating_sub(started).as_secs_f64() * 1e9 / count(OPERATIONS)
        });
        let rounds: Vec<f64> = rounds.collect();
        let note = format!("the best round {}", say_nanoseconds(best(&rounds)));
        self.report.add(Row {
            section: "pieces",
            what: what.to_owned(),
            figure: say_nanoseconds(median(rounds)),
            note,
            ..Row::default()
        });
    }
}

pub(crate) fn measure(plan: &Plan, report: &mut Report) -> Result<(), Failure> {
    let size = if plan.quick { 100_000 } else { 1_000_000 };
    let full = full(size)?;
    let mut pieces = Pieces { rounds: plan.rounds(), report };
    recognising(&full, &mut pieces)?;
    answering(&full, &mut pieces)
}

/// From a header to the record of its credential.
fn recognising(full: &Full, pieces: &mut Pieces<'_>) -> Result<(), Failure> {
    let (engine, scheme) = (&full.engine, &full.engine.scheme);
    let secret = |value: &String| value["Bearer ".len()..].to_owned();
    let secrets: Vec<String> = full.hits.iter().take(OPERATIONS).map(secret).collect();
    let unknown: Vec<String> = full.unknown.iter().map(secret).collect();
    let digests: Vec<_> = secrets.iter().map(|secret| engine.keys.pepper.digest(secret)).collect();
    let misses: Vec<_> = unknown.iter().map(|secret| engine.keys.pepper.digest(secret)).collect();
    let entry = engine.index.find(&digests[0]).ok_or("a live key is not in the index")?;
    let template = &scheme.kinds[0].secret;
    pieces.row("read the clock", |_| SystemClock.now());
    pieces.row("pepper digest", |at| engine.keys.pepper.digest(&secrets[at % secrets.len()]));
    pieces.row("index find, hit", |at| engine.index.find(&digests[at % digests.len()]));
    pieces.row("index find, miss", |at| engine.index.find(&misses[at % misses.len()]));
    pieces.row("rate limit", |_| engine.index.take_rate(&entry, now()));
    pieces.row("route", |_| scheme.routes.find("GET", "/mfi/invoices/abc"));
    pieces.row("secret in the target?", |_| engine.holds_secret("/mfi/invoices/abc"));
    pieces.row("parse with check (a miss)", |at| template.parse(&unknown[at % unknown.len()]));
    Ok(())
}

/// From a verdict to the bytes of its answer.
fn answering(full: &Full, pieces: &mut Pieces<'_>) -> Result<(), Failure> {
    let (engine, scheme) = (&full.engine, &full.engine.scheme);
    let pairs = [("authorization", full.hits[0].as_str()), ("user-agent", "example-node/4.2.0")];
    let pairs = HeaderPairs(&pairs);
    let refused_pairs = [("authorization", full.unknown[0].as_str())];
    let refused_pairs = HeaderPairs(&refused_pairs);
    let judged = engine.verify(&pairs, &ASKED);
    let refused = engine.verify(&refused_pairs, &ASKED);
    let entry = judged.entry.ok_or("a live key is not in the index")?;
    let id = judged.request.seal(&engine.keys.requests);
    let facts = Placeholders { request_id: &id, ..Placeholders::default() };
    let answer = answer_body(engine.answer(&judged, &pairs))?;
    let question = question(&full.hits[0]);
    pieces.row("verify, same key", |_| engine.verify(&pairs, &ASKED));
    pieces.row("seal the request id", |_| judged.request.seal(&engine.keys.requests));
    pieces.row("answer, allowed", |_| engine.answer(&judged, &pairs));
    pieces.row("answer, refused", |_| engine.answer(&refused, &refused_pairs));
    pieces.row("grant to names", |_| entry.grant.to_names(scheme.resource_names()));
    pieces.row("render a refusal", |_| scheme.dialect.render(Reason::Unknown, &facts, Vec::new()));
    pieces.row("read the question's JSON", |_| {
        serde_json::from_slice::<QuestionBody<'_>>(black_box(&question)).is_ok()
    });
    pieces.row("write the answer's JSON", |_| serde_json::to_vec(black_box(&answer)));
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
        passport: None,
    })
}

fn question(authorization: &str) -> Vec<u8> {
    let headers = crate::over_http::question_headers(&[("authorization", authorization)]);
    crate::over_http::question_body("GET", "/mfi/invoices", &headers).into_bytes()
}
