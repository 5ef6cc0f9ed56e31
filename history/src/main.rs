//! Checks what clients of many Keyway nodes see, while nodes, links and the database break: every
//! operation is written down on one clock, and no accept may begin after the answer that a secret
//! is over. `history/run` starts it with the path of the release binary.

mod audit;
mod bulk;
mod chance;
mod check;
#[cfg(test)]
mod check_tests;
mod clock;
mod clocks;
mod cluster;
mod create;
mod faults;
mod journal;
mod judge;
mod load;
mod node;
mod plan;
mod report;
mod wire;
mod world;

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use audit::Audit;
use cluster::Cluster;
use load::Work;
use plan::{Control, Plan, Scenario};
use report::Report;
use world::{World, told};

/// Whatever stops a run.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// One account takes this many credentials in a run; Keyway takes more.
const CREDENTIALS_PER_ACCOUNT: usize = 1_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--help") {
        let _ = writeln!(std::io::stdout(), "{}", plan::USAGE);
        return ExitCode::SUCCESS;
    }
    match Plan::read(&arguments).and_then(|plan| run(&plan)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "history: {error}");
            ExitCode::from(2)
        }
    }
}

/// Runs every scenario, each with nodes of its own; whether all hold.
fn run(plan: &Plan) -> Result<bool, Failure> {
    let mut all_hold = true;
    for scenario in &plan.scenarios {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let report = runtime.block_on(one(plan, *scenario))?;
        let text = if plan.json { report.to_json().to_string() } else { report.to_text() };
        writeln!(std::io::stdout(), "{text}")?;
        all_hold &= report.holds();
    }
    Ok(all_hold)
}

async fn one(plan: &Plan, scenario: Scenario) -> Result<Report, Failure> {
    let cluster = Cluster::start(plan, scenario).await?;
    let accounts = cluster.accounts(8 + 2 * plan.revokes / CREDENTIALS_PER_ACCOUNT).await?;
    let world = World::new(cluster, accounts);
    let played = play(plan, scenario, &world).await;
    played.map_err(|error| told(&world.cluster, &error))
}

async fn play(plan: &Plan, scenario: Scenario, world: &Arc<World>) -> Result<Report, Failure> {
    let mut bulk = None;
    match scenario {
        Scenario::Plain | Scenario::Faults | Scenario::Crashes => {
            load(plan, scenario, world).await?;
        }
        Scenario::Create => create::keys(world, plan).await,
        Scenario::Bulk => bulk = Some(bulk::run(world, plan).await?),
        Scenario::Clocks => return clocks::run(world, plan).await,
    }
    // Nodes without the protocol need not agree in the end either.
    let audit =
        if plan.control == Control::None { audit::run(world).await? } else { Audit::default() };
    let mut report = judge::judge(world, plan, scenario, &audit);
    if scenario == Scenario::Create {
        create::only_one(world, &mut report).await?;
    }
    if let Some(bulk) = bulk {
        bulk::say(&bulk, plan, &mut report);
    }
    Ok(report)
}

async fn load(plan: &Plan, scenario: Scenario, world: &Arc<World>) -> Result<(), Failure> {
    let ends = if scenario == Scenario::Crashes { usize::MAX } else { plan.revokes };
    let work = Work::new(ends, plan.rate);
    let (breaker_world, breaker_work) = (Arc::clone(world), Arc::clone(&work));
    let (seed, crashes) = (plan.seed, plan.crashes);
    let breaker = tokio::spawn(async move {
        match scenario {
            Scenario::Faults => faults::break_nodes(breaker_world, breaker_work, seed).await,
            Scenario::Crashes => {
                faults::break_database(breaker_world, breaker_work, crashes, seed).await
            }
            _ => Ok(()),
        }
    });
    load::run(world, plan, &work, breaker).await
}
