//! The task that follows: one question after the other, each an acknowledgement of the answer before.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::StatusCode;
use keyway_domain::scheme::Scheme;
use keyway_domain::time::Time;
use keyway_guard::follow::{Asked, Told, Used};
use keyway_guard::{Call, Node, NodeError};
use tokio::sync::watch;
use tokio::time::sleep;

use super::clock::Boottime;
use super::judge::Judge;
use super::{FollowError, Shared};

const PATH: &str = "/v1/follow";
/// An answer names some thousand changes at most.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// The node answers after a quarter of a second at the latest.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two tries while no node can be reached.
const AGAIN_AFTER: Duration = Duration::from_millis(100);
/// So often is a call repeated before the next node is tried.
const TRIES: u32 = 3;

/// What was agreed with a node.
pub(super) struct Session {
    node: Node,
    follower: String,
    applied: u64,
    turn: u64,
    /// What was counted, until the node has surely heard of it.
    used: Vec<Used>,
}

/// Joins the first node that takes this process in.
pub(super) async fn first(shared: &Shared) -> Result<Session, FollowError> {
    let mut last = None;
    for place in 0..shared.nodes.len() {
        match join(shared, place).await {
            Ok(session) => return Ok(session),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| NodeError::Address(String::new()).into()))
}

/// Follows until it is told to stop.
pub(super) async fn run(
    shared: Arc<Shared>,
    mut session: Session,
    mut stopped: watch::Receiver<bool>,
) {
    let mut failures = 0;
    loop {
        let asked = tokio::select! {
            asked = session.ask(&shared) => asked,
            // Dropped or told: both mean to stop.
            _ = stopped.changed() => return session.leave(&shared).await,
        };
        match asked {
            Ok(()) => {
                failures = 0;
                continue;
            }
            Err(NodeError::Refused { status: StatusCode::NOT_FOUND, .. }) => {
                tracing::warn!("the node does not know this follower any more; it joins anew");
            }
            Err(error) => {
                failures += 1;
                tracing::warn!(%error, failures, "the node can't be followed; it is tried again");
                if failures < TRIES {
                    sleep(AGAIN_AFTER).await;
                    continue;
                }
            }
        }
        // What is remembered may be old: nothing of it counts in a new session.
        shared.loan.lose();
        let joined = tokio::select! {
            joined = join_again(&shared) => joined,
            _ = stopped.changed() => return,
        };
        (session, failures) = (joined, 0);
        tracing::info!("a node is followed again");
    }
}

async fn join_again(shared: &Shared) -> Session {
    loop {
        for place in 0..shared.nodes.len() {
            let place = (shared.current.load(Ordering::Relaxed) + place) % shared.nodes.len();
            match join(shared, place).await {
                Ok(session) => return session,
                Err(error) => tracing::warn!(%error, "a node can't be joined"),
            }
        }
        sleep(AGAIN_AFTER).await;
    }
}

async fn join(shared: &Shared, place: usize) -> Result<Session, FollowError> {
    let node = shared.nodes[place].clone();
    let text = node.call(Call::get("/v1/follow/scheme"), ANSWER_BYTES_MAX, PATIENCE).await?;
    let text = String::from_utf8_lossy(&text).into_owned();
    match shared.judge.get() {
        Some(judge) if judge.is_of(&text) => {}
        Some(_) => {
            let why = "it has another scheme now; start this process anew";
            return Err(FollowError::Scheme(why.to_owned()));
        }
        None => {
            let scheme = Scheme::parse(&text);
            let scheme = scheme.map_err(|error| FollowError::Scheme(error.to_string()))?;
            // Set once: nobody else joins meanwhile.
            let _ = shared.judge.set(Judge::new(scheme));
        }
    }
    let asked = Boottime::now();
    let told = post(&node, &Asked::default()).await?;
    // The node before the session: who asks reads them the other way round, so that what the node
    // before says is never taken for what this one says.
    shared.current.store(place, Ordering::SeqCst);
    shared.memory.begin(told.place);
    shared.take(&told, asked);
    Ok(Session { node, follower: told.follower, applied: told.place, turn: 0, used: Vec::new() })
}

impl Session {
    /// Says how far this process is, hears what has changed, and forgets it.
    async fn ask(&mut self, shared: &Shared) -> Result<(), NodeError> {
        let asked = Boottime::now();
        let question = self.question(shared, false);
        let told = post(&self.node, &question).await?;
        self.used.clear();
        // In this order: the loan is of who has forgotten what has changed.
        shared.memory.apply(&told.changed, told.place);
        self.applied = told.place;
        shared.take(&told, asked);
        Ok(())
    }

    fn question(&mut self, shared: &Shared, leaves: bool) -> Asked {
        if self.used.is_empty() {
            // A question that is asked again is the same turn, and says the same.
            self.turn += 1;
            self.used = shared.counters.take();
        }
        Asked {
            follower: Some(self.follower.clone()),
            applied: self.applied,
            turn: self.turn,
            used: self.used.clone(),
            leaves,
        }
    }

    async fn leave(mut self, shared: &Shared) {
        shared.loan.lose();
        // The question under way was dropped, and what was counted in it may not have arrived: it is
        // sent again before what was counted since.
        if !self.used.is_empty() {
            let question = self.question(shared, false);
            log(post(&self.node, &question).await.map(drop));
            self.used.clear();
        }
        let question = serde_json::to_vec(&self.question(shared, true)).unwrap_or_default();
        log(self.node.call(Call::post(PATH, question), ANSWER_BYTES_MAX, PATIENCE).await.map(drop));
    }
}

impl Shared {
    fn take(&self, told: &Told, asked: keyway_coherence::Boot) {
        self.loan.learn(Time(told.now), asked, Boottime::now());
        self.loan.take(Duration::from_millis(told.loan_ms), asked);
    }
}

fn log(told: Result<(), NodeError>) {
    if let Err(error) = told {
        tracing::warn!(%error, "the node was not told what was counted last");
    }
}

async fn post(node: &Node, asked: &Asked) -> Result<Told, NodeError> {
    let body = serde_json::to_vec(asked)?;
    let answer = node.call(Call::post(PATH, body), ANSWER_BYTES_MAX, PATIENCE).await?;
    Ok(serde_json::from_slice(&answer)?)
}
