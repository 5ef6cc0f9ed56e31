//! What clients do: ask whether a secret is accepted, and change what is; all of it written down.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::Failure;
use crate::chance::Chance;
use crate::clock::{nanoseconds, now};
use crate::cluster::Cluster;
use crate::journal::{Act, Change, Done, Door, Journal, Outcome, Secret, Verification, lock};
use crate::report::shown_ms;
use crate::wire::{Reply, request};

/// Longer than a node is ever stopped: what it answers when it goes on must be seen.
const VERIFIED_WITHIN: Duration = Duration::from_secs(8);
const CHANGED_WITHIN: Duration = Duration::from_secs(10);
/// A change that fails this long is given up.
const CHANGE_MAX: Duration = Duration::from_secs(90);
/// Of a hundred clients that end something: those that give up soon and ask another node, while the
/// first one still waits for all.
const IMPATIENT_PERCENT: usize = 20;
const IMPATIENT_WITHIN: Duration = Duration::from_millis(300);
const AGAIN_AFTER_MS: (usize, usize) = (20, 100);

/// The nodes, their history and the merchants.
pub(crate) struct World {
    pub(crate) cluster: Cluster,
    pub(crate) journal: Journal,
    pub(crate) accounts: Vec<String>,
    under_way: AtomicUsize,
}

/// A change that was made.
pub(crate) struct Made {
    pub(crate) body: Value,
    /// When the answer had come.
    pub(crate) at: u64,
    /// Whether it holds everywhere.
    pub(crate) everywhere: bool,
    /// Who said so, after how many tries, and in which words, for people.
    pub(crate) told: Arc<str>,
}

impl World {
    pub(crate) fn new(cluster: Cluster, accounts: Vec<String>) -> Arc<Self> {
        let under_way = AtomicUsize::new(0);
        Arc::new(Self { cluster, journal: Journal::default(), accounts, under_way })
    }

    /// Asks one node about a secret.
    pub(crate) async fn verify(&self, secret: usize, node: usize) -> Outcome {
        let (door, asked) = {
            let secrets = lock(&self.journal.secrets);
            (secrets[secret].door, Arc::clone(&secrets[secret].request))
        };
        let to = &self.cluster.nodes[node];
        let line = if door == Door::Inside { &to.inside } else { &to.public };
        let invoked = now();
        let reply = line.ask(&asked, VERIFIED_WITHIN).await;
        let returned = now();
        let outcome = match &reply {
            Ok(reply) => outcome(door, reply),
            Err(_) => Outcome::NoAnswer,
        };
        if let (Outcome::Odd, Ok(reply)) = (outcome, &reply) {
            self.journal.odd(format!("node {node} to a verification: {}", reply.text()));
        }
        let asked = Verification { secret, node, invoked, returned, outcome };
        lock(&self.journal.verifications).push(asked);
        outcome
    }

    /// Asks every node about a secret, beside whatever else goes on.
    pub(crate) fn verify_everywhere(self: &Arc<Self>, secret: usize) {
        for node in 0..self.cluster.nodes.len() {
            let world = Arc::clone(self);
            self.under_way.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                world.verify(secret, node).await;
                world.under_way.fetch_sub(1, Ordering::Relaxed);
            });
        }
    }

    /// Waits until all that was asked beside has its answer.
    pub(crate) async fn settled(&self) {
        while self.under_way.load(Ordering::Relaxed) > 0 {
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Makes a change at any node, and asks again at any until it is made. The same idempotency key
    /// goes with each try, so that it is made once; a revocation may do without.
    pub(crate) async fn change(
        &self,
        act: Act,
        path: &str,
        body: &Value,
        chance: &mut Chance,
    ) -> Option<Made> {
        let key = format!("{:x}-{:x}", now(), chance.below(usize::MAX));
        let mut bytes = self.cluster.request(path, &[("idempotency-key", &key)], body);
        let mut within = CHANGED_WITHIN;
        if act == Act::End && chance.percent(IMPATIENT_PERCENT) {
            within = IMPATIENT_WITHIN;
        }
        let since = now();
        let mut tries = 0;
        while now() - since < nanoseconds(CHANGE_MAX) {
            tries += 1;
            let node = chance.below(self.cluster.nodes.len());
            let invoked = now();
            let reply = self.cluster.nodes[node].public.ask(&bytes, within).await;
            let at = now();
            let (done, made) = match reply {
                Ok(reply) if reply.status < 300 => {
                    let what = path.rsplit('/').next().unwrap_or_default();
                    let by =
                        format!("node {node}, try {tries} to {what}, at {}", shown_ms(invoked));
                    made(&reply, at, &by)
                }
                // Another try may be under way; an end may be asked for as often as one likes.
                Ok(reply) if reply.status == 409 && act == Act::End => (Done::Failed, None),
                Ok(reply) if reply.status < 500 => {
                    self.journal.odd(format!("node {node} to {path}: {}", reply.text()));
                    return None;
                }
                _ => (Done::Failed, None),
            };
            lock(&self.journal.changes).push(Change { act, node, invoked, returned: at, done });
            if made.is_some() {
                return made;
            }
            within = CHANGED_WITHIN;
            // What is ended already must still be waited for, also when it is asked for anew.
            if path.ends_with("/revoke") && chance.percent(50) {
                bytes = self.cluster.request(path, &[], body);
            }
            sleep(chance.between_ms(AGAIN_AFTER_MS.0, AGAIN_AFTER_MS.1)).await;
        }
        self.journal.odd(format!("{path} could not be done within {CHANGE_MAX:?}"));
        None
    }

    /// Notes the secret that an answer shows; nothing if it shows none, as a repeated answer.
    pub(crate) fn show(&self, made: &Made, door: Door) -> Option<usize> {
        let field = if door == Door::Inside { "key" } else { "token" };
        let text = made.body["secret"][field].as_str()?;
        // One that is on its way is not promised yet.
        let shown = if made.everywhere { made.at } else { made.at + 10_000_000_000 };
        Some(self.journal.show(secret(text, door, shown)))
    }
}

/// A secret as the history knows it.
pub(crate) fn secret(text: &str, door: Door, shown: u64) -> Secret {
    let bearer = format!("Bearer {text}");
    let question = json!({ "headers": [["authorization", bearer]] }).to_string();
    let request = match door {
        Door::Inside => request("/v1/verify", &[], Some(&question)),
        Door::Public => request("/v1/scheme", &[("authorization", &bearer)], None),
    };
    let (request, question, told) = (request.into(), question.into(), "".into());
    Secret { door, request, question, shown, ending: None, ended: None, told }
}

fn made(reply: &Reply, at: u64, by: &str) -> (Done, Option<Made>) {
    let Ok(body) = reply.json() else { return (Done::Failed, None) };
    // An answer that does not say is one of a single node.
    let everywhere = body["effective"] != "pending";
    let done = if everywhere { Done::Everywhere } else { Done::Pending };
    let [effective, nodes, ms] = ["effective", "nodes", "effective_ms"].map(|said| &body[said]);
    let told = format!("{by}: {} {effective}, {nodes} nodes, {ms} ms", reply.status).into();
    (done, Some(Made { body, at, everywhere, told }))
}

fn outcome(door: Door, reply: &Reply) -> Outcome {
    match (door, reply.status) {
        (_, 503) => Outcome::Unavailable,
        (Door::Inside, 200) => of_answer(&reply.json().unwrap_or_default()),
        (Door::Public, 200) => Outcome::Accepted,
        (Door::Public, 401) => Outcome::Refused,
        _ => Outcome::Odd,
    }
}

/// What an answer to a question says.
pub(crate) fn of_answer(answer: &Value) -> Outcome {
    match (answer["allowed"].as_bool(), answer["reason"].as_str()) {
        (Some(true), None) => Outcome::Accepted,
        (Some(false), Some("revoked" | "unknown" | "account_suspended")) => Outcome::Refused,
        (Some(false), Some("unavailable")) => Outcome::Unavailable,
        _ => Outcome::Odd,
    }
}

/// Fails with what all nodes said last.
pub(crate) fn told(cluster: &Cluster, error: &Failure) -> Failure {
    format!("{error}\n{}", cluster.said()).into()
}
