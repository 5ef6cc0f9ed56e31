//! Verification over keep-alive HTTP, each way of presenting a credential against the same server
//! answering a constant; and a flood of forged keys beside legitimate ones.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyway_domain::Environment;
use keyway_domain::scheme::{Presented, SignatureEncoding, SignedValues};
use keyway_secret::{SecretText, SeededEntropy, hmac_sha256_hex};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::fill::{Maker, Strings, Temporary, data_folder};
use crate::load::{Load, Outcome, Wire, request};
use crate::report::{Report, Row};
use crate::server::Server;
use crate::stats::{count, float, median, say_nanoseconds, say_rate};
use crate::{Failure, Plan};

const CONNECTIONS: usize = 32;
const CREDENTIALS: usize = 1_000;

/// A scheme, and a request to its API.
const WAYS: [(&str, &str, &str); 5] = [
    ("xendit", "Basic user", "/v2/invoices"),
    ("xtopay", "Basic pair", "/v1/payments"),
    ("enterprise", "Bearer", "/mfi/invoices"),
    ("airwallex", "login token", "/api/v1/balances/current"),
    ("rapyd", "signature", "/v1/data/countries"),
];

/// The headers that a gateway passes on with a request, as JSON.
pub(crate) fn question_headers(credential: &[(&str, &str)]) -> String {
    let usual = [
        ("host", "api.example.com"),
        ("user-agent", "example-node/4.2.0"),
        ("accept", "application/json"),
    ];
    let pairs: Vec<String> = usual
        .iter()
        .chain(credential)
        .map(|(name, value)| format!("[\"{name}\",\"{value}\"]"))
        .collect();
    format!("[{}]", pairs.join(","))
}

/// The JSON of a question.
pub(crate) fn question_body(method: &str, path: &str, headers: &str) -> String {
    format!(
        "{{\"method\":\"{method}\",\"path\":\"{path}\",\"headers\":{headers},\
         \"environment\":\"live\",\"client_address\":\"203.0.113.7\"}}"
    )
}

pub(crate) fn question(method: &str, path: &str, credential: &[(&str, &str)]) -> Vec<u8> {
    let body = question_body(method, path, &question_headers(credential));
    request("POST", "/v1/verify", &[], &body)
}

pub(crate) fn measure(plan: &Plan, report: &mut Report) -> Result<(), Failure> {
    let runtime = crate::runtime()?;
    for (scheme, way, path) in WAYS {
        let folder = Temporary::new(scheme)?;
        let mut maker = Maker::new(scheme)?;
        let strings = data_folder(&folder.0, &mut maker, CREDENTIALS, CREDENTIALS)?;
        let server = Server::start(plan, &folder.0, scheme)?;
        let mut source = Source::new(maker, strings, path);
        source.log_in(&runtime, &server)?;
        one_way(plan, report, &runtime, &server, &mut source, way)?;
    }
    Ok(())
}

/// Where the requests of a way come from.
pub(crate) struct Source {
    maker: Maker,
    strings: Vec<Strings>,
    path: &'static str,
    drawn: u64,
    tokens: Vec<String>,
}

impl Source {
    pub(crate) fn new(maker: Maker, strings: Vec<Strings>, path: &'static str) -> Self {
        Self { maker, strings, path, drawn: 0, tokens: Vec::new() }
    }

    /// Trades each credential for a token, where the scheme has logins.
    fn log_in(&mut self, runtime: &Runtime, server: &Server) -> Result<(), Failure> {
        let Some(login) = self.maker.scheme.login.clone() else { return Ok(()) };
        runtime.block_on(async {
            let mut wire = Wire::open(server.internal).await?;
            for Strings { id, secret, .. } in &self.strings {
                let pair =
                    [(login.id_header.as_str(), id.as_str()), (&login.secret_header, secret)];
                let (_, body) = wire.ask(&question("POST", &login.path, &pair)).await?;
                let said: Value = serde_json::from_slice(body)?;
                let reply = said["answer"]["body"].as_str().ok_or_else(|| said.to_string())?;
                let reply: Value = serde_json::from_str(reply)?;
                self.tokens
                    .push(reply["token"].as_str().ok_or("a login without token")?.to_owned());
            }
            Ok(())
        })
    }

    /// Requests for a round; signed ones have a salt of their own each.
    pub(crate) fn requests(&mut self, wanted: usize) -> Vec<Vec<u8>> {
        let is_signed = self.maker.kind().is_presented(Presented::Signature);
        let different = if is_signed { wanted } else { self.strings.len() };
        (0..different).map(|place| self.request(place % self.strings.len())).collect()
    }

    fn request(&mut self, place: usize) -> Vec<u8> {
        let Strings { id, secret, .. } = self.strings[place].clone();
        let basic = |text: String| format!("Basic {}", STANDARD.encode(text));
        let authorization = match self.maker.kind().presented[0] {
            Presented::Bearer => format!("Bearer {secret}"),
            Presented::BasicUser => basic(format!("{secret}:")),
            Presented::BasicPair => basic(format!("{id}:{secret}")),
            Presented::BearerPair => {
                format!("Bearer {}", STANDARD.encode(format!("{id}:{secret}")))
            }
            Presented::Login => format!("Bearer {}", self.tokens[place]),
            Presented::Signature => return self.signed(&id, secret),
        };
        question("GET", self.path, &[("authorization", &authorization)])
    }

    fn signed(&mut self, id: &str, secret: String) -> Vec<u8> {
        let Some(rules) = &self.maker.scheme.signature else { return Vec::new() };
        self.drawn += 1;
        let salt = format!("{:016x}", self.drawn);
        let timestamp = (crate::engine::now().0 / 1000).to_string();
        let secret = SecretText::new(secret);
        let values = SignedValues {
            method: "get",
            path: self.path,
            salt: &salt,
            timestamp: &timestamp,
            id,
            ..SignedValues::default()
        };
        let parts: Vec<&[u8]> =
            rules.message.iter().map(|part| part.of(&values, &secret)).collect();
        let hex = hmac_sha256_hex(&secret, &parts);
        let signature = match rules.encoding {
            SignatureEncoding::Hex => hex,
            SignatureEncoding::Base64OfHex => STANDARD.encode(hex),
        };
        let names = &rules.headers;
        let headers = [
            (names.id.as_str(), id),
            (&names.signature, &signature),
            (&names.salt, &salt),
            (&names.timestamp, &timestamp),
        ];
        question("GET", self.path, &headers)
    }
}

/// Rounds of one sort of request.
#[derive(Default)]
struct Rounds {
    rates: Vec<f64>,
    p50: Vec<f64>,
    p99: Vec<f64>,
    /// Microseconds of the server's core a request: its own, and the kernel's for it.
    own: Vec<f64>,
    kernel: Vec<f64>,
}

impl Rounds {
    fn add(&mut self, outcome: &Outcome, before: [Duration; 2], after: [Duration; 2]) {
        self.rates.push(outcome.rate());
        self.p50.push(float(outcome.p(50)));
        self.p99.push(float(outcome.p(99)));
        let each = |of: usize| {
            let spent = after[of].saturating_sub(before[of]);
            spent.as_secs_f64() * 1e6 / count(outcome.times.len())
        };
        self.own.push(each(0));
        self.kernel.push(each(1));
    }
}

fn one_way(
    plan: &Plan,
    report: &mut Report,
    runtime: &Runtime,
    server: &Server,
    source: &mut Source,
    way: &str,
) -> Result<(), Failure> {
    let per_round = if plan.quick { 20_000 } else { 60_000 };
    let constant = vec![request("GET", "/healthz", &[], "")];
    let mut rounds = [Rounds::default(), Rounds::default()];
    for _ in 0..plan.rounds() {
        let verify = source.requests(per_round);
        let cases = [(&constant, "ok"), (&verify, "\"allowed\":true")];
        for ((requests, holds), rounds) in cases.into_iter().zip(&mut rounds) {
            let load = Load {
                address: server.internal,
                requests,
                count: per_round,
                connections: CONNECTIONS,
                status: 200,
                holds,
            };
            let before = server.processor_time()?;
            let outcome = load.run(runtime)?.checked()?;
            rounds.add(&outcome, before, server.processor_time()?);
        }
    }
    let [constant, verify] = rounds;
    let rate = median(constant.rates.clone());
    for (name, rounds) in [("constant", constant), (way, verify)] {
        let own_rate = median(rounds.rates);
        let (own, kernel) = (median(rounds.own), median(rounds.kernel));
        report.add(Row {
            section: "http",
            what: format!("{name}, scheme {}", source.maker.scheme.name),
            figure: say_rate(own_rate),
            p50: say_nanoseconds(median(rounds.p50)),
            p99: say_nanoseconds(median(rounds.p99)),
            ratio: format!("{:.0} %", own_rate / rate * 100.0),
            note: format!(
                "a request takes {own:.1} µs of the server, {kernel:.1} µs of the kernel"
            ),
        });
    }
    Ok(())
}

/// Legitimate requests at a steady pace, and at full speed, beside connections that send forged
/// keys as fast as they are answered.
pub(crate) fn measure_flood(plan: &Plan, report: &mut Report) -> Result<(), Failure> {
    let runtime = crate::runtime()?;
    let folder = Temporary::new("flood")?;
    let mut maker = Maker::new("enterprise")?;
    let strings = data_folder(&folder.0, &mut maker, CREDENTIALS, CREDENTIALS)?;
    let server = Server::start(plan, &folder.0, "enterprise")?;
    let mut entropy = SeededEntropy::new(5);
    let template = maker.kind().secret.clone();
    let forged: Vec<Vec<u8>> = (0..10_000)
        .map(|_| template.generate(Environment::Live, &mut entropy))
        .map(|key| format!("Bearer {}", key.reveal()))
        .map(|value| question("GET", "/mfi/invoices", &[("authorization", &value)]))
        .collect();
    let mut source = Source::new(maker, strings, "/mfi/invoices");
    let legit = source.requests(CREDENTIALS);
    let count = if plan.quick { 10_000 } else { 40_000 };
    let load = |requests, connections, holds| Load {
        address: server.internal,
        requests,
        count,
        connections,
        status: 200,
        holds,
    };
    let ours = load(&legit, CONNECTIONS, "\"allowed\":true");
    let more = load(&legit, CONNECTIONS, "\"allowed\":true");
    let flood = load(&forged, CONNECTIONS, "\"reason\":\"unknown\"");
    let mut quiet = None;
    for (what, beside) in [
        ("alone", None),
        ("beside as many legitimate", Some(&more)),
        ("beside as many forged", Some(&flood)),
    ] {
        let (mut rates, mut p50, mut p99) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..plan.rounds() {
            let tasks = tokio::task::LocalSet::new();
            let outcome = tasks
                .block_on(&runtime, async {
                    match beside {
                        None => ours.round(false).await,
                        Some(beside) => {
                            let (ours, beside) =
                                tokio::join!(ours.round(false), beside.round(false));
                            beside?.checked()?;
                            ours
                        }
                    }
                })?
                .checked()?;
            rates.push(outcome.rate());
            p50.push(float(outcome.p(50)));
            p99.push(float(outcome.p(99)));
        }
        let p99 = median(p99);
        let base = *quiet.get_or_insert(p99);
        report.add(Row {
            section: "flood",
            what: format!("{CONNECTIONS} legitimate connections, {what}"),
            figure: say_rate(median(rates)),
            p50: say_nanoseconds(median(p50)),
            p99: say_nanoseconds(p99),
            ratio: format!("{:.2}× the p99 alone", p99 / base),
            note: String::new(),
        });
    }
    Ok(())
}
