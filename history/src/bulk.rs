//! All credentials of an account end in one call, while they are presented at every node.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::Failure;
use crate::chance::Chance;
use crate::clock::now;
use crate::journal::{Act, Change, Done, Door, lock};
use crate::plan::Plan;
use crate::report::Report;
use crate::world::{World, secret};

const BATCH: usize = 1_000;
const CLIENTS: usize = 16;
const BULK_WITHIN: Duration = Duration::from_mins(1);
const BULK_MS_MAX: u32 = 3_000;

/// What the one call came to.
pub(crate) struct Bulk {
    route: String,
    took: u64,
    entries: Option<u64>,
    failed: Option<String>,
}

/// Fills an account, presents its keys, ends them all, and goes on presenting them.
pub(crate) async fn run(world: &Arc<World>, plan: &Plan) -> Result<Bulk, Failure> {
    let account = world.accounts.first().ok_or("there is no account")?;
    let secrets = fill(world, account, plan.revokes).await?;
    let stop = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS * world.cluster.nodes.len() {
        let (world, stop) = (Arc::clone(world), Arc::clone(&stop));
        let mut chance = Chance::new(plan.seed, 6_000_000 + u64::try_from(number).unwrap_or(0));
        clients.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                if let Some(secret) = world.journal.pick(&mut chance) {
                    world.verify(secret, number % world.cluster.nodes.len()).await;
                }
                sleep(chance.between_ms(5, 20)).await;
            }
        });
    }
    sleep(Duration::from_secs(2)).await;
    let bulk = end_all(world, plan, account, &secrets).await?;
    sleep(Duration::from_secs(5)).await;
    stop.store(true, Ordering::Relaxed);
    clients.join_all().await;
    Ok(bulk)
}

/// Imports keys that are known by their hash.
async fn fill(world: &World, account: &str, count: usize) -> Result<Vec<usize>, Failure> {
    let names: Vec<String> = (0..count).map(|number| format!("bulk-key-{number:08}")).collect();
    let mut secrets = Vec::with_capacity(count);
    for batch in names.chunks(BATCH) {
        let keys: Vec<Value> = batch.iter().map(|name| imported(name)).collect();
        let path = format!("/v1/accounts/{account}/credentials/import");
        world.cluster.asked(&path, &json!({ "keys": keys })).await?;
        let shown = now();
        for name in batch {
            secrets.push(world.journal.show(secret(name, Door::Inside, shown)));
        }
    }
    Ok(secrets)
}

fn imported(text: &str) -> Value {
    let hash: String = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
    json!({
        "kind": "key", "environment": "live", "name": text, "algorithm": "sha256", "hash": hash,
        "grant": { "things": ["read"] },
    })
}

/// Ends all by the bulk route; by suspending the account where there is none yet.
async fn end_all(
    world: &World,
    plan: &Plan,
    account: &str,
    secrets: &[usize],
) -> Result<Bulk, Failure> {
    let before = world.cluster.changes();
    world.journal.ending_all(secrets);
    let node = world.cluster.nodes.last().ok_or("there is no node")?;
    let routes = [plan.bulk_route.as_str(), "/suspend"];
    for route in routes {
        let path = format!("/v1/accounts/{account}{route}");
        let request = world.cluster.request(&path, &[("idempotency-key", route)], &json!({}));
        let invoked = now();
        let reply = node.public.ask(&request, BULK_WITHIN).await?;
        let returned = now();
        if matches!(reply.status, 404 | 405) && route != routes[1] {
            continue;
        }
        let ok = reply.status < 300 && reply.json()?["effective"] != "pending";
        if ok {
            let mut all = lock(&world.journal.secrets);
            secrets.iter().for_each(|secret| all[*secret].ended = Some(returned));
        }
        let done = if ok { Done::Everywhere } else { Done::Failed };
        let node = world.cluster.nodes.len() - 1;
        lock(&world.journal.changes).push(Change { act: Act::End, node, invoked, returned, done });
        let entries = world.cluster.changes().zip(before).map(|(after, before)| after - before);
        let failed = (!ok).then(|| reply.text());
        return Ok(Bulk { route: route.to_owned(), took: returned - invoked, entries, failed });
    }
    Err("the account could not be ended".into())
}

/// Says how it went.
pub(crate) fn say(bulk: &Bulk, plan: &Plan, report: &mut Report) {
    let what = format!("all {} credentials of an account ended by {}", plan.revokes, bulk.route);
    report.at_most_ms(&what, BULK_MS_MAX, bulk.took);
    if let Some(entries) = bulk.entries {
        report.claim("entries in the log of changes", "1", entries, entries == 1);
    }
    if let Some(failed) = &bulk.failed {
        report.claim("the call", "succeeds", failed, false);
    }
}
