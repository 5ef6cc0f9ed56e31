//! Verification in this process, after a node.
//!
//! The first request with a credential is the node's to judge, which adds a [`Passport`]: what else to
//! know of that credential. From then on its requests are judged here, by the same rules of the same
//! scheme, until the node says that something about it has changed. What would be refused is asked
//! about anyway: the node says it in the words of the platform, and counts it.
//!
//! Nothing is answered from memory without a loan of the node's ([`clock::Loan`]). It is looked at
//! before what is remembered is read, and once more before a request is let through.
//!
//! [`Passport`]: keyway_guard::Passport

mod clock;
mod counters;
mod judge;
mod memory;
mod session;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use http::{HeaderMap, Uri};
use keyway_guard::{Decision, Node, NodeError, Question, Verifier, ask, decision, unavailable};
use keyway_secret::SecretText;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use clock::{Boottime, Loan};
use counters::Counters;
use judge::Judge;
use memory::Memory;

/// Credentials that are remembered at once. One takes about a kilobyte.
const REMEMBERED: usize = 65_536;

/// How to follow.
#[derive(Clone)]
pub struct Following {
    nodes: Vec<Uri>,
    token: Option<SecretText>,
    remembered: usize,
}

impl Following {
    /// Follows the node whose internal listener is at `node`, such as `http://127.0.0.1:7411`.
    pub fn new(node: Uri) -> Self {
        Self { nodes: vec![node], token: None, remembered: REMEMBERED }
    }

    /// Follows this one while the others can't be reached.
    #[must_use]
    pub fn or(mut self, node: Uri) -> Self {
        self.nodes.push(node);
        self
    }

    /// Shows this operator token with `verification:read` (needed when the node's internal listener
    /// is not on loopback).
    #[must_use]
    pub fn token(mut self, token: String) -> Self {
        self.token = Some(SecretText::new(token));
        self
    }

    /// Remembers so many credentials at once; the default is 65,536.
    #[must_use]
    pub fn remember(mut self, credentials: usize) -> Self {
        self.remembered = credentials.max(1);
        self
    }
}

/// Why nothing is followed.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// A node.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The node's scheme can't be read by this version.
    #[error("the node's scheme can't be read: {0}; is this the version of the node?")]
    Scheme(String),
}

/// A verifier that follows a node. Clones are the same follower; it stops with the last of them.
#[derive(Clone)]
pub struct Follower {
    shared: Arc<Shared>,
    running: Arc<Running>,
}

/// What the verifier and the task that follows share.
struct Shared {
    nodes: Vec<Node>,
    /// The node that is followed, or tried, by its place.
    current: AtomicUsize,
    loan: Loan,
    memory: Memory,
    counters: Counters,
    judge: OnceLock<Judge>,
}

/// The task that follows. It stops when this is dropped.
struct Running {
    stop: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Follower {
    /// Joins a node, and follows it from then on in a task of the runtime. Fails if no node lets it
    /// join: a wrong address or token is found out here. Afterwards it joins again by itself.
    pub async fn start(following: Following) -> Result<Self, FollowError> {
        let mut nodes = Vec::with_capacity(following.nodes.len());
        for uri in &following.nodes {
            let node = Node::new(uri)?;
            nodes.push(match &following.token {
                Some(token) => node.token(token.reveal())?,
                None => node,
            });
        }
        let shared = Arc::new(Shared {
            nodes,
            current: AtomicUsize::new(0),
            loan: Loan::default(),
            memory: Memory::new(following.remembered),
            counters: Counters::default(),
            judge: OnceLock::new(),
        });
        let session = session::first(&shared).await?;
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(session::run(Arc::clone(&shared), session, stopped));
        let running = Running { stop, task: Mutex::new(Some(task)) };
        Ok(Self { shared, running: Arc::new(running) })
    }

    /// Whether requests are judged in this process now. Otherwise each is asked about.
    pub fn is_following(&self) -> bool {
        self.shared.loan.holds(Boottime::now())
    }

    /// Stops: tells the node what was counted, and that it need not wait for this process. Requests
    /// are asked about one by one from here on.
    pub async fn stop(&self) {
        // Without a receiver the task has ended.
        let _ = self.running.stop.send(true);
        let task = self.running.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            // A task that panicked has stopped as well; its loan runs out.
            let _ = task.await;
        }
    }
}

impl Verifier for Follower {
    async fn verify(&self, question: Question<'_>) -> Decision {
        let shared = &self.shared;
        if let Some(decision) = shared.judge_here(&question) {
            return decision;
        }
        // Before the node is chosen: what it says counts in this session only.
        let session = shared.memory.session();
        let key = shared.judge.get().and_then(|judge| judge.key(&shared.memory, &question));
        let first = shared.current.load(Ordering::SeqCst);
        for place in 0..shared.nodes.len().min(2) {
            let node = &shared.nodes[(first + place) % shared.nodes.len()];
            // Of another node than the one that is followed, a passport is worth nothing.
            match ask(node, question, place == 0 && key.is_some()).await {
                Ok(mut answer) => {
                    let passport = answer.passport.take();
                    if let (Some(key), Some(passport), Some(identity)) =
                        (key, passport, &answer.identity)
                        && let Some(judge) = shared.judge.get()
                    {
                        judge.remember(&shared.memory, (key, session), passport, identity);
                    }
                    return decision(answer);
                }
                Err(error) => tracing::warn!(%error, "a request can't be asked about"),
            }
        }
        unavailable()
    }

    fn wants_body(&self, headers: &HeaderMap) -> bool {
        self.shared.judge.get().is_some_and(|judge| judge.wants_body(headers))
    }
}
