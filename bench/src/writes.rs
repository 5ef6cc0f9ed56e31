//! Changes over HTTP, durable: make, rotate and revoke, one at a time and 32 at once.

use std::path::Path;

use keyway_domain::limits::CREDENTIALS_PER_ACCOUNT_MAX;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::fill::{Maker, Temporary, data_folder};
use crate::load::{Load, Outcome, request};
use crate::report::{Report, Row};
use crate::server::Server;
use crate::stats::{float, say_nanoseconds, say_rate};
use crate::{Failure, Plan};

/// Its keys are made by [`Called::create`].
pub(crate) const SCHEME: &str = "xtopay";
const ACCOUNTS: usize = 32;

/// A server, and how to call it.
pub(crate) struct Called<'a> {
    server: &'a Server,
    runtime: &'a Runtime,
    token: String,
}

impl<'a> Called<'a> {
    pub(crate) fn new(
        plan: &Plan,
        server: &'a Server,
        runtime: &'a Runtime,
        folder: &Path,
    ) -> Result<Self, Failure> {
        let data = folder.to_str().ok_or("an odd path")?;
        let made = Server::command(plan, &["tokens", "create", "--name", "Bench", "--data", data])?;
        let token = made["secret"]["token"].as_str().ok_or("no operator token")?.to_owned();
        Ok(Self { server, runtime, token })
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> Vec<u8> {
        let authorization = format!("authorization: Bearer {}", self.token);
        request("POST", path, &[authorization], body)
    }

    pub(crate) fn get(&self, path: &str) -> Vec<u8> {
        request("GET", path, &[format!("authorization: Bearer {}", self.token)], "")
    }

    pub(crate) fn all(
        &self,
        requests: &[Vec<u8>],
        connections: usize,
        status: u16,
    ) -> Result<Outcome, Failure> {
        let load = Load {
            address: self.server.management,
            requests,
            count: requests.len(),
            connections,
            status,
            holds: "",
        };
        load.run_keeping(self.runtime)?.checked()
    }

    fn accounts(&self, count: usize) -> Result<Vec<String>, Failure> {
        let requests: Vec<_> = (0..count)
            .map(|number| self.post("/v1/accounts", &format!("{{\"name\":\"Merchant {number}\"}}")))
            .collect();
        let made = self.all(&requests, 1, 201)?;
        made.bodies.iter().map(|body| id_of(body)).collect()
    }

    pub(crate) fn create(&self, account: &str) -> Vec<u8> {
        let body = "{\"kind\":\"client\",\"environment\":\"live\",\"name\":\"Server\",\
            \"grant\":{\"payments\":\"write\"}}";
        self.post(&format!("/v1/accounts/{account}/credentials"), body)
    }
}

fn id_of(body: &[u8]) -> Result<String, Failure> {
    let said: Value = serde_json::from_slice(body)?;
    Ok(said["id"].as_str().ok_or("an answer without id")?.to_owned())
}

pub(crate) fn measure(plan: &Plan, report: &mut Report) -> Result<(), Failure> {
    let runtime = crate::runtime()?;
    let folder = Temporary::new("writes")?;
    data_folder(&folder.0, &mut Maker::new(SCHEME)?, 0, 0)?;
    let server = Server::start(plan, &folder.0, SCHEME)?;
    let called = Called::new(plan, &server, &runtime, &folder.0)?;
    for (connections, count) in [(1, 1_000), (32, 6_400)] {
        let count = if plan.quick { count / 4 } else { count };
        let accounts = called.accounts(ACCOUNTS)?;
        let account = |place: usize| &accounts[place % ACCOUNTS];
        let creates: Vec<_> = (0..count).map(|place| called.create(account(place))).collect();
        let created = called.all(&creates, connections, 201)?;
        let ids: Vec<String> =
            created.bodies.iter().map(|body| id_of(body)).collect::<Result<_, _>>()?;
        report.add(row("create", connections, &created));
        for act in ["rotate", "revoke"] {
            let requests: Vec<_> = (0..count)
                .map(|place| (account(place), &ids[place], act))
                .map(|(account, id, act)| format!("/v1/accounts/{account}/credentials/{id}/{act}"))
                .map(|path| called.post(&path, "{}"))
                .collect();
            report.add(row(act, connections, &called.all(&requests, connections, 200)?));
        }
    }
    if !plan.quick {
        full_account(&called, report)?;
    }
    Ok(())
}

/// Whether making the last credential of a full account costs more than making the first.
fn full_account(called: &Called<'_>, report: &mut Report) -> Result<(), Failure> {
    let account = called.accounts(1)?.remove(0);
    let room = usize::try_from(CREDENTIALS_PER_ACCOUNT_MAX)?;
    let (first, last) = (1_000, 500);
    for (what, count) in [("first 1,000", first), ("", room - first - last), ("last 500", last)] {
        let requests: Vec<_> = (0..count).map(|_| called.create(&account)).collect();
        let outcome = called.all(&requests, 32, 201)?;
        if !what.is_empty() {
            report.add(row(&format!("create, {what} of one account"), 32, &outcome));
        }
    }
    Ok(())
}

fn row(act: &str, connections: usize, outcome: &Outcome) -> Row {
    Row {
        section: "writes",
        what: format!("{act}, {connections} at once"),
        figure: say_rate(outcome.rate()),
        p50: say_nanoseconds(float(outcome.p(50))),
        p99: say_nanoseconds(float(outcome.p(99))),
        ..Row::default()
    }
}
