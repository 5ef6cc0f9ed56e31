//! What was just made is there: a key is accepted at every node as soon as it was shown, and of a
//! kind that an account has once, many askers at the same instant get one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;

use crate::Failure;
use crate::chance::Chance;
use crate::journal::{Act, Door, Outcome};
use crate::load::key_body;
use crate::plan::Plan;
use crate::report::Report;
use crate::world::World;

const MAKERS: usize = 16;
/// Accounts whose one admin key is asked for, and askers at once.
const ROUNDS: usize = 10;
const ASKERS: usize = 50;
const ASKED_WITHIN: Duration = Duration::from_secs(30);

/// Makes keys and presents each at every node at once.
pub(crate) async fn keys(world: &Arc<World>, plan: &Plan) {
    let left = Arc::new(AtomicUsize::new(plan.revokes));
    let mut makers = JoinSet::new();
    for number in 0..MAKERS {
        let (world, left) = (Arc::clone(world), Arc::clone(&left));
        let mut chance = Chance::new(plan.seed, 5_000_000 + u64::try_from(number).unwrap_or(0));
        makers.spawn(async move {
            let less = |left: usize| left.checked_sub(1);
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok() {
                let account = &world.accounts[chance.below(world.accounts.len())];
                let path = format!("/v1/accounts/{account}/credentials");
                let made = world.change(Act::Create, &path, &key_body(), &mut chance).await;
                let shown = made.and_then(|made| world.show(&made, Door::Inside));
                if let Some(secret) = shown {
                    world.verify_everywhere(secret);
                }
            }
        });
    }
    makers.join_all().await;
    world.settled().await;
}

/// Asks for the one admin key of an account from everywhere at once.
pub(crate) async fn only_one(world: &Arc<World>, report: &mut Report) -> Result<(), Failure> {
    let mut wrong = 0;
    let mut stranger = None;
    for account in world.cluster.accounts(ROUNDS).await? {
        let mut askers = JoinSet::new();
        for number in 0..ASKERS {
            let (world, account) = (Arc::clone(world), account.clone());
            askers.spawn(async move {
                let body = json!({ "kind": "admin", "environment": "live", "name": "Admin" });
                let path = format!("/v1/accounts/{account}/credentials");
                let request = world.cluster.request(&path, &[], &body);
                let node = &world.cluster.nodes[number % world.cluster.nodes.len()];
                node.public.ask(&request, ASKED_WITHIN).await
            });
        }
        let mut made = 0;
        for reply in askers.join_all().await {
            match reply {
                Ok(reply) if reply.status == 201 => {
                    made += 1;
                    let body = reply.json()?;
                    let key = body["secret"]["key"].as_str().ok_or("a key that is not shown")?;
                    let secret = crate::world::secret(key, Door::Inside, crate::clock::now());
                    let secret = world.journal.show(secret);
                    for node in 0..world.cluster.nodes.len() {
                        wrong += usize::from(world.verify(secret, node).await != Outcome::Accepted);
                    }
                }
                Ok(reply) if reply.status == 409 => {}
                Ok(reply) => stranger = Some(reply.text()),
                Err(error) => stranger = Some(error.to_string()),
            }
        }
        wrong += usize::from(made != 1);
    }
    let what =
        format!("{ROUNDS} x {ASKERS} askers for the one admin key of an account, not one each");
    report.none(&what, wrong);
    if let Some(stranger) = stranger {
        report.claim("answers to them", "201 or 409", stranger, false);
    }
    Ok(())
}
