//! The load: lives of credentials, from creation by rotation to their end, and clients that present
//! the secrets all the while.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};

use crate::chance::Chance;
use crate::journal::{Act, Door, lock};
use crate::plan::Plan;
use crate::world::World;
use crate::{Failure, clock};

/// Lives that go on side by side.
const LIVES: usize = 64;
/// Clients at each node.
const CLIENTS: usize = 12;
/// Of a hundred lives: those of operator tokens, those with a rotation, those that do not end.
const TOKENS_PERCENT: usize = 5;
const ROTATED_PERCENT: usize = 30;
const KEPT_PERCENT: usize = 3;
/// Between the starts of lives.
const APART: Duration = Duration::from_millis(30);
/// For this long secrets are presented after the last one ended.
const GOES_ON: Duration = Duration::from_secs(2);
const WAKES_EVERY: Duration = Duration::from_millis(20);
const HELD_MS: (usize, usize) = (0, 200);

/// How much is to be done, and how fast.
pub(crate) struct Work {
    left: AtomicUsize,
    begun: AtomicUsize,
    since: Instant,
    every: Duration,
    /// Whether all lives have ended, and whether the clients are to end as well.
    lived: AtomicBool,
    over: AtomicBool,
}

impl Work {
    pub(crate) fn new(ends: usize, rate: usize) -> Arc<Self> {
        let every = Duration::from_secs(1) / u32::try_from(rate).unwrap_or(u32::MAX);
        let (left, begun) = (AtomicUsize::new(ends), AtomicUsize::new(0));
        let (lived, over) = (AtomicBool::new(false), AtomicBool::new(false));
        Arc::new(Self { left, begun, since: Instant::now(), every, lived, over })
    }

    /// Lets no more begin.
    pub(crate) fn finish(&self) {
        self.left.store(0, Ordering::Relaxed);
    }

    /// Whether all lives have ended.
    pub(crate) fn is_lived(&self) -> bool {
        self.lived.load(Ordering::Relaxed)
    }

    fn is_left(&self) -> bool {
        self.left.load(Ordering::Relaxed) > 0
    }

    /// Waits for the turn of one more end; whether there is one.
    async fn turn(&self) -> bool {
        let less = |left: usize| left.checked_sub(1);
        if self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_err() {
            return false;
        }
        let number = self.begun.fetch_add(1, Ordering::Relaxed);
        let due = self.since + self.every * u32::try_from(number).unwrap_or(u32::MAX);
        sleep_until(due).await;
        true
    }
}

/// Runs the load until the work is done and the breaker has ended; clients go on a little longer.
pub(crate) async fn run(
    world: &Arc<World>,
    plan: &Plan,
    work: &Arc<Work>,
    breaker: JoinHandle<Result<(), Failure>>,
) -> Result<(), Failure> {
    let mut clients = JoinSet::new();
    let connections = world.cluster.nodes.len() * CLIENTS;
    let pace = Duration::from_secs(1) * u32::try_from(connections).unwrap_or(1)
        / u32::try_from(plan.verifications).unwrap_or(u32::MAX);
    for number in 0..connections {
        let (world, work) = (Arc::clone(world), Arc::clone(work));
        let chance = Chance::new(plan.seed, 1_000_000 + part(number));
        clients.spawn(client(world, work, number / CLIENTS, pace, chance));
    }
    clients.spawn(wake(Arc::clone(world), Arc::clone(work)));
    let mut lives = JoinSet::new();
    for number in 0..LIVES {
        let (world, work) = (Arc::clone(world), Arc::clone(work));
        let mut chance = Chance::new(plan.seed, 2_000_000 + part(number));
        lives.spawn(async move {
            // One after the other: a start of all at once would be a burst of creations.
            sleep(APART * u32::try_from(number).unwrap_or(0)).await;
            while work.is_left() {
                life(&world, &work, &mut chance).await;
            }
        });
    }
    lives.join_all().await;
    work.lived.store(true, Ordering::Relaxed);
    let broken = breaker.await?;
    sleep(GOES_ON).await;
    work.over.store(true, Ordering::Relaxed);
    clients.join_all().await;
    world.settled().await;
    broken
}

fn part(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// Notes how late this process wakes: what it measures cannot be finer than that.
async fn wake(world: Arc<World>, work: Arc<Work>) {
    while !work.over.load(Ordering::Relaxed) {
        let due = Instant::now() + WAKES_EVERY;
        sleep_until(due).await;
        let late = clock::nanoseconds(due.elapsed());
        lock(&world.journal.late).push(late);
    }
}

/// A client of one node, which asks at its pace.
async fn client(
    world: Arc<World>,
    work: Arc<Work>,
    node: usize,
    pace: Duration,
    mut chance: Chance,
) {
    // Apart from each other, so that they do not all ask in the same instant.
    sleep(pace.mul_f64(f64::from(u32::try_from(chance.below(100)).unwrap_or(0)) / 100.0)).await;
    let mut ticks = interval(pace);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !work.over.load(Ordering::Relaxed) {
        ticks.tick().await;
        if let Some(secret) = world.journal.pick(&mut chance) {
            world.verify(secret, node).await;
        }
    }
}

/// One credential: made, presented everywhere at once, perhaps rotated, ended.
async fn life(world: &Arc<World>, work: &Work, chance: &mut Chance) {
    let is_token = chance.percent(TOKENS_PERCENT);
    let account = &world.accounts[chance.below(world.accounts.len())];
    let (path, body, door) = if is_token {
        let body = json!({ "name": "Dying", "grant": { "accounts": ["read"] } });
        ("/v1/operator-tokens".to_owned(), body, Door::Public)
    } else {
        (format!("/v1/accounts/{account}/credentials"), key_body(), Door::Inside)
    };
    let Some(made) = world.change(Act::Create, &path, &body, chance).await else { return };
    let (Some(id), Some(mut secret)) = (made.body["id"].as_str(), world.show(&made, door)) else {
        return;
    };
    world.verify_everywhere(secret);
    sleep(chance.between_ms(HELD_MS.0, HELD_MS.1)).await;
    if chance.percent(KEPT_PERCENT) {
        return;
    }
    let path = format!("{path}/{id}");
    let mut ending = Vec::new();
    if chance.percent(ROTATED_PERCENT) {
        if !work.turn().await {
            return;
        }
        ending.push(secret);
        world.journal.ending(secret);
        let rotate = format!("{path}/rotate");
        let made = world.change(Act::End, &rotate, &json!({ "overlap": "0s" }), chance).await;
        let Some(made) = made else { return };
        if made.everywhere {
            world.journal.ended(secret, &made);
            world.verify_everywhere(secret);
            ending.clear();
        }
        // A rotation that had to be asked for again does not show its secret any more.
        if let Some(shown) = world.show(&made, door) {
            secret = shown;
            world.verify_everywhere(secret);
            sleep(chance.between_ms(HELD_MS.0, HELD_MS.1)).await;
        }
    }
    if work.turn().await {
        ending.push(secret);
        revoke(world, &path, &ending, chance).await;
    }
}

/// Revokes until it holds everywhere: then each of these secrets is over.
async fn revoke(world: &Arc<World>, path: &str, ending: &[usize], chance: &mut Chance) {
    for secret in ending {
        world.journal.ending(*secret);
    }
    let revoke = format!("{path}/revoke");
    loop {
        // One that is pending is asked for anew: only a new answer can say more.
        let made = world.change(Act::End, &revoke, &json!({}), chance).await;
        let Some(made) = made else { return };
        if made.everywhere {
            for secret in ending {
                world.journal.ended(*secret, &made);
                world.verify_everywhere(*secret);
            }
            return;
        }
        sleep(chance.between_ms(HELD_MS.0, HELD_MS.1)).await;
    }
}

/// A key to make.
pub(crate) fn key_body() -> serde_json::Value {
    json!({ "kind": "key", "environment": "live", "name": "Dying", "grant": { "things": ["read"] } })
}
