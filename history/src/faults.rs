//! What is broken during a run, chosen by the seed: one thing at a time, healed after a while.

use std::sync::Arc;
use std::time::Duration;

use keyway_testbed::{Flow, Postgres};
use tokio::time::sleep;

use crate::Failure;
use crate::chance::Chance;
use crate::clock::now;
use crate::journal::Break;
use crate::load::Work;
use crate::world::World;

/// What can be broken at a node.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Nothing passes between it and the database; what waited is delivered late, or never.
    Cut,
    RequestsStalled,
    RepliesStalled,
    Slow,
    Lossy,
    /// Its clock stands still.
    Stopped,
    /// It is killed and started again.
    Killed,
}

const ON_POSTGRES: [Fault; 7] = [
    Fault::Cut,
    Fault::RequestsStalled,
    Fault::RepliesStalled,
    Fault::Slow,
    Fault::Lossy,
    Fault::Stopped,
    Fault::Killed,
];
const ON_SQLITE: [Fault; 2] = [Fault::Stopped, Fault::Killed];

const STOPPED_MS: (usize, usize) = (1_000, 5_000);
const CUT_MS: (usize, usize) = (1_000, 6_000);
const BETWEEN_MS: (usize, usize) = (1_000, 3_500);
const DELAY_MS: (usize, usize) = (20, 200);
const DOWN_MS: (usize, usize) = (0, 2_000);
/// Between restarts of the database.
const CRASHES_MS: (usize, usize) = (2_000, 5_000);
/// Of a hundred restarts: those before which the database is stopped for a while.
const STOPPED_PERCENT: usize = 25;

impl Fault {
    fn class(self) -> &'static str {
        match self {
            Self::Cut => "cut off",
            Self::RequestsStalled => "requests stalled",
            Self::RepliesStalled => "replies stalled",
            Self::Slow => "slow link",
            Self::Lossy => "lossy link",
            Self::Stopped => "stopped",
            Self::Killed => "killed",
        }
    }

    fn cuts_off(self) -> bool {
        matches!(self, Self::Cut | Self::RequestsStalled | Self::RepliesStalled)
    }

    fn flows(self, chance: &mut Chance) -> Option<(Flow, Flow)> {
        match self {
            Self::Cut => Some((Flow::Hold, Flow::Hold)),
            Self::RequestsStalled => Some((Flow::Hold, Flow::Pass)),
            Self::RepliesStalled => Some((Flow::Pass, Flow::Hold)),
            Self::Slow => {
                let delay = Flow::Delay(chance.between_ms(DELAY_MS.0, DELAY_MS.1));
                Some((delay, delay))
            }
            Self::Lossy => Some((Flow::Lossy, Flow::Lossy)),
            Self::Stopped | Self::Killed => None,
        }
    }
}

/// Breaks nodes until all lives have ended.
pub(crate) async fn break_nodes(
    world: Arc<World>,
    work: Arc<Work>,
    seed: u64,
) -> Result<(), Failure> {
    let mut chance = Chance::new(seed, 3_000_000);
    let faults: &[Fault] = if world.cluster.postgres.is_some() { &ON_POSTGRES } else { &ON_SQLITE };
    // Each kind once in each round, in an order of its own.
    let mut round: Vec<Fault> = Vec::new();
    while !work.is_lived() {
        sleep(chance.between_ms(BETWEEN_MS.0, BETWEEN_MS.1)).await;
        if round.is_empty() {
            round.extend_from_slice(faults);
        }
        let fault = round.swap_remove(chance.below(round.len()));
        break_one(&world, fault, &mut chance).await?;
    }
    Ok(())
}

async fn break_one(world: &World, fault: Fault, chance: &mut Chance) -> Result<(), Failure> {
    let place = chance.below(world.cluster.nodes.len());
    let node = &world.cluster.nodes[place];
    let number = world.journal.broken(fault.class(), Some(place), fault.cuts_off());
    if fault == Fault::Killed {
        node.kill();
        sleep(chance.between_ms(DOWN_MS.0, DOWN_MS.1)).await;
        node.start(&world.cluster.setting)?;
        node.ready().await?;
    } else if fault == Fault::Stopped {
        node.pause();
        sleep(chance.between_ms(STOPPED_MS.0, STOPPED_MS.1)).await;
        node.resume();
    } else if let (Some(proxy), Some((requests, replies))) = (&node.proxy, fault.flows(chance)) {
        proxy.set(requests, replies);
        sleep(chance.between_ms(CUT_MS.0, CUT_MS.1)).await;
        let at = now();
        proxy.heal(!fault.cuts_off() || chance.percent(60));
        world.journal.healed(number, at);
        return Ok(());
    }
    world.journal.healed(number, now());
    Ok(())
}

/// Restarts the database as after a crash, so many times; then no more work begins.
pub(crate) async fn break_database(
    world: Arc<World>,
    work: Arc<Work>,
    crashes: usize,
    seed: u64,
) -> Result<(), Failure> {
    let mut chance = Chance::new(seed, 4_000_000);
    for _ in 0..crashes {
        sleep(chance.between_ms(CRASHES_MS.0, CRASHES_MS.1)).await;
        if chance.percent(STOPPED_PERCENT) {
            stop_database(&world, &mut chance).await;
        }
        let number = world.journal.broken("database restarted", None, false);
        if world.cluster.postgres.is_some() {
            let world = Arc::clone(&world);
            let restart = move || world.cluster.postgres.as_ref().map(Postgres::crash_restart);
            tokio::task::spawn_blocking(restart).await?;
        } else {
            // A node with its own file is its own database.
            let node = &world.cluster.nodes[0];
            node.kill();
            node.start(&world.cluster.setting)?;
            node.ready().await?;
        }
        world.journal.healed(number, now());
    }
    sleep(Duration::from_secs(2)).await;
    work.finish();
    Ok(())
}

/// Stops the clock of the database: nothing is lost, and nothing is answered.
async fn stop_database(world: &World, chance: &mut Chance) {
    let Some(postgres) = &world.cluster.postgres else { return };
    let number = world.journal.broken("database stopped", None, false);
    postgres.pause();
    sleep(chance.between_ms(STOPPED_MS.0, STOPPED_MS.1)).await;
    postgres.resume();
    world.journal.healed(number, now());
    sleep(chance.between_ms(CRASHES_MS.0, CRASHES_MS.1)).await;
}

/// How often each class was broken.
pub(crate) fn classes(breaks: &[Break]) -> Vec<(&'static str, usize)> {
    let mut counted: Vec<(&'static str, usize)> = Vec::new();
    for broken in breaks {
        match counted.iter_mut().find(|(class, _)| *class == broken.class) {
            Some((_, count)) => *count += 1,
            None => counted.push((broken.class, 1)),
        }
    }
    counted
}
