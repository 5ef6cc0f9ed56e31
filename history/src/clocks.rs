//! Nodes on machines whose clocks are wrong: what ends by time ends at every node when the
//! database's clock says so, and what an act ends is over everywhere when its call returns.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::chance::Chance;
use crate::clock::{milliseconds, nanoseconds, now};
use crate::journal::{Act, Door, lock};
use crate::load::key_body;
use crate::plan::Plan;
use crate::report::Report;
use crate::wire::request;
use crate::world::World;
use crate::{Failure, judge};

/// Keys that are revoked, one after the other.
const REVOKED: usize = 300;

/// By how much the clocks of the nodes are wrong: milliseconds of the wall clock, and millionths of
/// the rate of all.
const WRONG: [&str; 3] = ["3600000,50000", "-3600000,-50000", "0,0"];
const ROUNDS: usize = 8;
/// From the making of a credential to its end.
const LIFE_MS: i64 = 4_000;
/// Nodes are asked from so long before an end to so long after it.
const AROUND: Duration = Duration::from_millis(1_500);
const OFF_MS_MAX: f64 = 1_000.0;
const ASKED_WITHIN: Duration = Duration::from_secs(5);

/// How a node's clocks are wrong.
pub(crate) fn wrong(node: usize) -> String {
    WRONG[node % WRONG.len()].to_owned()
}

/// An end as it was seen at one node: the last answer that accepted was asked for, and the first
/// that refused had come, so long after the end by the database's clock; in nanoseconds.
struct Flip {
    accepted: i128,
    refused: i128,
}

/// When something ends, on the run's own clock.
struct Ending {
    what: &'static str,
    key: String,
    at: u64,
}

/// Has credentials expire and overlaps run out, and watches every node meanwhile.
pub(crate) async fn run(world: &Arc<World>, plan: &Plan) -> Result<Report, Failure> {
    let about = format!("{} nodes on PostgreSQL, clocks wrong by an hour and 5 %", plan.nodes);
    let mut report = Report::new("clocks", about, plan.bars);
    // The rates have some time to lead the clocks astray.
    sleep(Duration::from_secs(10)).await;
    let mut watchers = JoinSet::new();
    for _ in 0..ROUNDS {
        for ending in [expiring(world).await?, running_out(world).await?] {
            let ending = Arc::new(ending);
            for node in 0..world.cluster.nodes.len() {
                let (world, ending) = (Arc::clone(world), Arc::clone(&ending));
                watchers.spawn(async move {
                    let flip = watch(&world, node, &ending).await;
                    flip.map(|flip| (ending.what, node, flip))
                });
            }
        }
        sleep(Duration::from_millis(700)).await;
    }
    let mut seen = Vec::new();
    for watched in watchers.join_all().await {
        seen.push(watched?);
    }
    for what in ["expiry", "end of an overlap"] {
        for node in 0..world.cluster.nodes.len() {
            let here = seen.iter().filter(|(of, at, _)| (*of, *at) == (what, node));
            let flips: Vec<&Flip> = here.map(|(_, _, flip)| flip).collect();
            let ms = |ns: i128| milliseconds(u64::try_from(ns.unsigned_abs()).unwrap_or(u64::MAX));
            let late = flips.iter().map(|flip| flip.accepted).max().unwrap_or(i128::MAX);
            let early = flips.iter().map(|flip| flip.refused).min().unwrap_or(i128::MIN);
            let is_late = late > 0 && ms(late) > OFF_MS_MAX;
            let is_early = early < 0 && ms(early) > OFF_MS_MAX;
            let sign = |ns: i128| if ns < 0 { "-" } else { "+" };
            report.claim(
                &format!("{what} at node {node} ({}): {} of them", wrong(node), flips.len()),
                "within 1 s",
                format!(
                    "first refused {}{:.0} ms, last accepted {}{:.0} ms",
                    sign(early),
                    ms(early),
                    sign(late),
                    ms(late)
                ),
                !flips.is_empty() && !is_late && !is_early,
            );
        }
    }
    revoke(world, plan).await?;
    let found = judge::findings(world, plan, &[]);
    report.none("accepts begun after the end was acknowledged", found.stale.len());
    let asked = found.after_end;
    report.claim("verifications begun after an end", "> 0", asked, asked > 0);
    judge::stale(&mut report, world, &found, &[]);
    report.odd(&lock(&world.journal.odd));
    Ok(report)
}

/// Revokes keys, at any node, and has every node asked when the call has returned.
async fn revoke(world: &Arc<World>, plan: &Plan) -> Result<(), Failure> {
    let mut chance = Chance::new(plan.seed, 5_000_000);
    let path = format!("/v1/accounts/{}/credentials", world.accounts[0]);
    for _ in 0..REVOKED {
        let made = world.change(Act::Create, &path, &key_body(), &mut chance).await;
        let made = made.ok_or("a key could not be made")?;
        let secret = world.show(&made, Door::Inside).ok_or("a key is shown")?;
        let id = made.body["id"].as_str().ok_or("a credential has an id")?;
        world.journal.ending(secret);
        let revoke = format!("{path}/{id}/revoke");
        let made = world.change(Act::End, &revoke, &json!({}), &mut chance).await;
        let made = made.filter(|made| made.everywhere).ok_or("a key could not be revoked")?;
        world.journal.ended(secret, &made);
        world.verify_everywhere(secret);
    }
    world.settled().await;
    Ok(())
}

/// The database's time, in milliseconds, and the run's own at that moment.
async fn database_now(world: &World) -> Result<(i64, u64), Failure> {
    let bearer = format!("Bearer {}", world.cluster.token);
    let asked = request("/v1/nodes", &[("authorization", &bearer)], None);
    let before = now();
    let reply = world.cluster.nodes[0].public.ask(&asked, ASKED_WITHIN).await?.json()?;
    let said = reply["database_now"].as_str().and_then(keyway_domain::time::Time::parse);
    Ok((said.ok_or("the database says no time")?.0, before.midpoint(now())))
}

async fn expiring(world: &World) -> Result<Ending, Failure> {
    let (database, here) = database_now(world).await?;
    let at = keyway_domain::time::Time(database + LIFE_MS);
    let made = make(world, json!({ "kind": "lent", "expires_at": at })).await?;
    Ok(Ending { what: "expiry", key: key(&made)?, at: after(here, LIFE_MS) })
}

async fn running_out(world: &World) -> Result<Ending, Failure> {
    let made = make(world, json!({ "kind": "key" })).await?;
    let (database, here) = database_now(world).await?;
    let id = made["id"].as_str().ok_or("a credential has an id")?;
    let path = format!("/v1/accounts/{}/credentials/{id}/rotate", world.accounts[0]);
    let overlap = format!("{}s", LIFE_MS / 1_000);
    let rotated = world.cluster.asked(&path, &json!({ "overlap": overlap })).await?;
    let until = rotated["secrets"].as_array().and_then(|all| {
        all.iter().find_map(|one| keyway_domain::time::Time::parse(one["accepted_until"].as_str()?))
    });
    let until = until.ok_or("an overlap has an end")?;
    Ok(Ending { what: "end of an overlap", key: key(&made)?, at: after(here, until.0 - database) })
}

async fn make(world: &World, mut body: Value) -> Result<Value, Failure> {
    body["environment"] = json!("live");
    body["name"] = json!("By the clock");
    body["grant"] = json!(["things:read"]);
    world.cluster.asked(&format!("/v1/accounts/{}/credentials", world.accounts[0]), &body).await
}

fn key(made: &Value) -> Result<String, Failure> {
    Ok(made["secret"]["key"].as_str().ok_or("a key is shown")?.to_owned())
}

fn after(here: u64, ms: i64) -> u64 {
    here + nanoseconds(Duration::from_millis(u64::try_from(ms).unwrap_or(0)))
}

/// Asks a node again and again around an end.
async fn watch(world: &World, node: usize, ending: &Ending) -> Result<Flip, Failure> {
    let question = json!({ "headers": [["authorization", format!("Bearer {}", ending.key)]] });
    let asked = request("/v1/verify", &[], Some(&question.to_string()));
    let around = nanoseconds(AROUND);
    let until_then = Duration::from_nanos((ending.at - around).saturating_sub(now()));
    sleep_until(Instant::now() + until_then).await;
    let (mut accepted, mut refused) = (None, None);
    let from_end = |at: u64| i128::from(at) - i128::from(ending.at);
    while now() < ending.at + around {
        let invoked = now();
        let reply = world.cluster.nodes[node].inside.ask(&asked, ASKED_WITHIN).await?;
        let answer = reply.json()?;
        match (answer["allowed"].as_bool(), answer["reason"].as_str()) {
            (Some(true), _) => accepted = Some(from_end(invoked)),
            (_, Some("unavailable")) => {}
            (Some(false), _) => refused = refused.or_else(|| Some(from_end(now()))),
            _ => return Err(format!("node {node}: {}", reply.text()).into()),
        }
        sleep(Duration::from_millis(20)).await;
    }
    let accepted = accepted.ok_or("a node never accepted what had not ended")?;
    let refused = refused.ok_or("a node never refused what had ended")?;
    Ok(Flip { accepted, refused })
}
