//! Nodes on PostgreSQL with ever more credentials: loading, memory, verification, revocation.
//!
//! The database, three nodes and the load share all cores, as they do not elsewhere.

use std::path::PathBuf;
use std::time::Instant;

use keyway_testbed::{Options, Postgres};
use rustix::thread::{CpuSet, sched_setaffinity};
use tokio::runtime::Runtime;

use crate::fill::{Maker, Strings, Temporary, data_folder};
use crate::load::{Load, Outcome};
use crate::over_http::question;
use crate::report::{Report, Row};
use crate::server::Server;
use crate::stats::{count, float, say_nanoseconds, say_rate};
use crate::writes::Called;
use crate::{Failure, Plan, environment};

const SCHEME: &str = "enterprise";
const NODES: usize = 3;
/// Credentials whose keys are presented, spread over all.
const PRESENTED: usize = 100_000;
const VERIFICATIONS: usize = 200_000;
const REVOCATIONS: usize = 500;

pub(crate) fn measure(plan: &Plan, report: &mut Report) -> Result<(), Failure> {
    share_all_cores()?;
    let postgres = Postgres::start_with(Options { durable: true, buffers_mb: Some(buffers_mb()?) });
    let mut idle = None;
    for size in plan.sizes().iter().filter(|size| **size != 100_000 || plan.quick) {
        let filled = Filled::new(plan, &postgres, *size)?;
        let mut nodes = Vec::with_capacity(NODES);
        for number in 0..NODES {
            nodes.push(filled.start(plan, number)?);
        }
        let seconds = nodes[0].start.as_secs_f64();
        let anonymous = nodes[0].memory()?.anonymous;
        let base = *idle.get_or_insert(anonymous);
        let each = float(anonymous.saturating_sub(base)) / count(*size);
        let others = nodes[1..].iter().map(|node| say_nanoseconds(node.start.as_secs_f64() * 1e9));
        report.add(Row {
            section: "nodes",
            what: format!("start, {size} credentials on PostgreSQL"),
            figure: say_nanoseconds(seconds * 1e9),
            ratio: format!("{} loaded", say_rate(count(*size) / seconds)),
            note: format!(
                "{each:.0} B a secret more than with 1000; beside running nodes {}; moved from a \
                 file in {:.0} s",
                others.collect::<Vec<_>>().join(", "),
                filled.moved
            ),
            ..Row::default()
        });
        let runtime = crate::runtime()?;
        let called = Called::new(plan, &nodes[0], &runtime, &filled.folder(0))?;
        // Not after a hundred thousand were used at once: nodes write down who was, for a while.
        filled.revoke(&called, report)?;
        filled.verify(&nodes[0], &runtime, report)?;
        drop(nodes);
        postgres.drop_database(&filled.database);
    }
    Ok(())
}

/// A quarter of the memory, as PostgreSQL's manual has it.
fn buffers_mb() -> Result<u32, Failure> {
    let memory = environment::memory_kb().ok_or("how much memory there is")?;
    Ok(u32::try_from(memory / 4 / 1_024)?)
}

/// The measuring process was put on one core; what it starts here is not to be.
fn share_all_cores() -> Result<(), Failure> {
    let mut all = CpuSet::new();
    (0..CpuSet::MAX_CPU).for_each(|core| all.set(core));
    Ok(sched_setaffinity(None, &all)?)
}

/// A database with so many credentials, and a folder for each node.
struct Filled {
    size: usize,
    folders: Temporary,
    database: String,
    url: String,
    strings: Vec<Strings>,
    /// How long the move from a file took, in seconds.
    moved: f64,
}

impl Filled {
    fn new(plan: &Plan, postgres: &Postgres, size: usize) -> Result<Self, Failure> {
        let folders = Temporary::new(&format!("nodes-{size}"))?;
        let database = format!("nodes_{size}");
        postgres.create_database(&database);
        let url = postgres.url(&database);
        let mut filled = Self { size, folders, database, url, strings: Vec::new(), moved: 0.0 };
        let (file, kept) = (filled.folder(0), PRESENTED.min(size));
        filled.strings = data_folder(&file, &mut Maker::new(SCHEME)?, size, kept)?;
        Server::command(plan, &["migrate", "--database", &filled.url])?;
        let started = Instant::now();
        let from = format!("sqlite:{}", file.display());
        Server::command(plan, &["import", "--from", &from, "--to", &filled.url])?;
        filled.moved = started.elapsed().as_secs_f64();
        std::fs::remove_file(file.join("keyway.db"))?;
        for number in 1..NODES {
            std::fs::create_dir(filled.folder(number))?;
        }
        Ok(filled)
    }

    fn folder(&self, node: usize) -> PathBuf {
        self.folders.0.join(format!("node-{node}"))
    }

    fn start(&self, plan: &Plan, number: usize) -> Result<Server, Failure> {
        let key = self.folder(0).join("root.key");
        let key = key.to_str().ok_or("an odd path")?;
        let more = ["--database", &self.url, "--root-key-file", key];
        Server::start_with(plan, &self.folder(number), SCHEME, "0,1", &more)
    }

    /// Asks one node about keys from all over the index.
    fn verify(&self, node: &Server, runtime: &Runtime, report: &mut Report) -> Result<(), Failure> {
        let ask = |strings: &Strings| {
            let authorization = format!("Bearer {}", strings.secret);
            question("GET", "/mfi/invoices", &[("authorization", &authorization)])
        };
        let every = self.revoked_every();
        let live = self.strings.iter().enumerate().filter(|(place, _)| place % every > 0);
        let requests: Vec<_> = live.map(|(_, strings)| ask(strings)).collect();
        for connections in [1, 32] {
            let load = Load {
                address: node.internal,
                requests: &requests,
                count: VERIFICATIONS,
                connections,
                status: 200,
                holds: "\"allowed\":true",
            };
            let outcome = load.run(runtime)?.checked()?;
            report.add(self.row(&format!("verify over HTTP, {connections} at once"), &outcome));
        }
        Ok(())
    }

    /// Revokes one after the other; each answer waits until every node has acknowledged.
    fn revoke(&self, called: &Called<'_>, report: &mut Report) -> Result<(), Failure> {
        let revoke = |strings: &Strings| {
            let Strings { account, credential, .. } = strings;
            called.post(&format!("/v1/accounts/{account}/credentials/{credential}/revoke"), "{}")
        };
        let requests: Vec<_> =
            self.strings.iter().step_by(self.revoked_every()).map(revoke).collect();
        let outcome = called.all(&requests, 1, 200)?;
        let text = String::from_utf8_lossy(&outcome.bodies[0]).into_owned();
        if !text.contains("everywhere") {
            return Err(format!("an answer that does not say where: {text}").into());
        }
        report.add(self.row("revoke, until it is true on three nodes", &outcome));
        Ok(())
    }

    /// One of so many is revoked, the others are presented.
    fn revoked_every(&self) -> usize {
        (self.strings.len() / REVOCATIONS).max(2)
    }

    fn row(&self, what: &str, outcome: &Outcome) -> Row {
        Row {
            section: "nodes",
            what: format!("{what}, {} credentials", self.size),
            figure: say_rate(outcome.rate()),
            p50: say_nanoseconds(float(outcome.p(50))),
            p99: say_nanoseconds(float(outcome.p(99))),
            ..Row::default()
        }
    }
}
