//! The end of a run: every node is asked about every secret, and again after all were killed and
//! started anew. What was acknowledged must be there.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::Failure;
use crate::clock::now;
use crate::journal::{Door, Outcome, Verification, lock};
use crate::wire::request;
use crate::world::{World, of_answer};

/// Questions in one batch.
const BATCH: usize = 500;
const BATCH_WITHIN: Duration = Duration::from_secs(30);
/// Nodes get this long to know everything again.
const WHOLE_MAX: Duration = Duration::from_secs(30);

/// What the nodes say in the end.
#[derive(Default)]
pub(crate) struct Audit {
    /// Secrets that were over, and how many of them a node accepted.
    pub(crate) ended: usize,
    pub(crate) ended_lost: usize,
    /// Secrets that were shown and never ended, and how many of them a node refused.
    pub(crate) kept: usize,
    pub(crate) kept_lost: usize,
}

/// Asks running nodes, and freshly started ones.
pub(crate) async fn run(world: &Arc<World>) -> Result<Audit, Failure> {
    let mut audit = Audit::default();
    all_nodes(world, &mut audit).await?;
    for node in &world.cluster.nodes {
        node.kill();
    }
    for node in &world.cluster.nodes {
        node.start(&world.cluster.setting)?;
    }
    for node in &world.cluster.nodes {
        node.ready().await?;
    }
    all_nodes(world, &mut audit).await?;
    Ok(audit)
}

async fn all_nodes(world: &Arc<World>, audit: &mut Audit) -> Result<(), Failure> {
    for node in 0..world.cluster.nodes.len() {
        whole(world, node).await?;
        let (inside, public): (Vec<usize>, Vec<usize>) = {
            let secrets = lock(&world.journal.secrets);
            (0..secrets.len()).partition(|place| secrets[*place].door == Door::Inside)
        };
        for batch in inside.chunks(BATCH) {
            for (secret, outcome) in ask(world, node, batch).await? {
                count(world, audit, secret, outcome);
            }
        }
        for secret in public {
            let outcome = world.verify(secret, node).await;
            count(world, audit, secret, outcome);
        }
    }
    Ok(())
}

fn count(world: &World, audit: &mut Audit, place: usize, outcome: Outcome) {
    let secret = lock(&world.journal.secrets)[place].clone();
    if secret.ended.is_some() {
        audit.ended += 1;
        audit.ended_lost += usize::from(outcome != Outcome::Refused);
    } else if secret.ending.is_none() {
        audit.kept += 1;
        audit.kept_lost += usize::from(outcome != Outcome::Accepted);
    }
}

/// Asks one node about many secrets at once.
async fn ask(
    world: &World,
    node: usize,
    batch: &[usize],
) -> Result<Vec<(usize, Outcome)>, Failure> {
    let mut questions = String::new();
    {
        let secrets = lock(&world.journal.secrets);
        for place in batch {
            let comma = if questions.is_empty() { "" } else { "," };
            write!(questions, "{comma}{}", secrets[*place].question)?;
        }
    }
    let body = format!(r#"{{"questions":[{questions}]}}"#);
    let asked = request("/v1/verify/batch", &[], Some(&body));
    let invoked = now();
    let reply = world.cluster.nodes[node].inside.ask(&asked, BATCH_WITHIN).await?;
    let returned = now();
    let body = reply.json()?;
    let answers = body["answers"].as_array().ok_or_else(|| reply.text())?;
    if answers.len() != batch.len() {
        return Err("a batch has another number of answers than of questions".into());
    }
    let outcomes: Vec<(usize, Outcome)> =
        batch.iter().zip(answers).map(|(secret, answer)| (*secret, of_answer(answer))).collect();
    let all = outcomes.iter().map(|(secret, outcome)| {
        let (secret, outcome) = (*secret, *outcome);
        Verification { secret, node, invoked, returned, outcome }
    });
    lock(&world.journal.verifications).extend(all);
    Ok(outcomes)
}

/// Waits until a node gives an answer that it can stand for.
async fn whole(world: &Arc<World>, node: usize) -> Result<(), Failure> {
    let since = Instant::now();
    while since.elapsed() < WHOLE_MAX {
        let known = lock(&world.journal.secrets).iter().position(|one| one.door == Door::Inside);
        let Some(secret) = known else { return Ok(()) };
        if matches!(world.verify(secret, node).await, Outcome::Accepted | Outcome::Refused) {
            return Ok(());
        }
        sleep(Duration::from_millis(50)).await;
    }
    Err(format!("node {node} does not come back:\n{}", world.cluster.nodes[node].said()).into())
}
