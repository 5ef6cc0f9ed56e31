//! Many nodes over one database, and when a change is true on all of them.
//!
//! `keyway_coherence` says what to do and why it is right; here is what reads, writes and waits.
//! Three threads of a node have a connection each: one renews its lease ([`lease`]), one follows
//! the change log ([`follow`]), one looks how far the others are ([`waits`]). A single process on
//! a file has none of it: its index is changed before anyone is answered.

mod control;
mod follow;
mod health;
mod lease;
mod recent;
mod restore;
mod shown;
mod waits;

pub use health::Health;
pub use lease::Lease;
pub use waits::{Effect, Reach};

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;

use keyway_coherence::{Boot, Holder, NodeId, Position, Terms};
use keyway_domain::time::Time;
use keyway_store::leases::Own;
use keyway_store::{DbError, Target};
use tokio::sync::Notify;

use crate::app::App;
use crate::clock::boot;
use control::Control;
use recent::Recent;
use shown::Shown;

/// A node: one process from its start to its end.
pub struct Node {
    /// What all nodes agree on.
    pub terms: Terms,
    /// What verification asks.
    pub lease: Arc<Lease>,
    own: Own,
    target: Arc<Target>,
    /// What the notices of this node's changes say.
    origin: String,
    app: Weak<App>,
    state: Mutex<State>,
    shown: Mutex<Shown>,
    /// Where in the log this node is, and where the log was when it was last looked at.
    applied: AtomicI64,
    head: AtomicI64,
    /// Who waits until this node has reached a place.
    reached: Mutex<BTreeMap<i64, Vec<Reached>>>,
    waits: Mutex<Vec<waits::Wait>>,
    recent: Mutex<Recent>,
    /// The place of this node is not in the database's history.
    is_broken: AtomicBool,
    /// The database may have lost its newest part: leases without a row are to be waited for.
    is_distrusted: AtomicBool,
    /// What went wrong with each of its threads when it last tried.
    troubles: Mutex<health::Troubles>,
    stops: AtomicBool,
    wake: Wake,
    control: Control,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Figures for people.
    pub figures: Figures,
}

/// The node's own lease.
struct State {
    holder: Holder,
    inc: i64,
    /// How often it was renewed since it was taken, or tried to be.
    renew_no: i64,
    has_row: bool,
}

#[derive(Default)]
struct Wake {
    follow: Notify,
    waits: Notify,
}

/// Somebody who waits for this node alone, since when.
struct Reached {
    since: Boot,
    then: Box<dyn FnOnce() + Send>,
}

/// Figures of the protocol.
#[derive(Default)]
pub struct Figures {
    /// Changes that were waited for until they were true everywhere.
    pub everywhere: AtomicU64,
    /// Milliseconds that these took, in all.
    pub everywhere_ms: AtomicU64,
    /// The longest of them.
    pub longest_ms: AtomicU64,
    /// Changes of which that could not be said in time.
    pub pending: AtomicU64,
    /// Leases of silent nodes that this one ended.
    pub fenced: AtomicU64,
    /// How often this node was without a lease.
    pub lost: AtomicU64,
    /// How often the database's history was another one.
    pub histories: AtomicU64,
}

/// What a node starts with.
pub struct Start {
    /// Where the database is.
    pub target: Arc<Target>,
    /// Who it is.
    pub node: NodeId,
    /// What people call it.
    pub name: String,
    /// What all nodes agree on.
    pub terms: Terms,
    /// The place in the log as of which the index was loaded.
    pub applied: Position,
}

impl Node {
    /// Starts the node's threads.
    pub fn start(app: &Arc<App>, start: Start) -> Result<Arc<Self>, DbError> {
        let Start { target, node, name, terms, applied } = start;
        let own = Own {
            node,
            name,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ttl_ms: terms.ttl_ms(),
            grace_ms: terms.grace_ms(),
        };
        let node = Arc::new(Self {
            lease: Arc::default(),
            own,
            target,
            origin: app.db.origin().to_owned(),
            app: Arc::downgrade(app),
            state: Mutex::new(State {
                holder: Holder::new(terms, applied),
                inc: 0,
                renew_no: 0,
                has_row: false,
            }),
            shown: Mutex::new(Shown::new(applied)),
            applied: AtomicI64::new(applied.seq),
            head: AtomicI64::new(applied.seq),
            reached: Mutex::default(),
            waits: Mutex::default(),
            recent: Mutex::default(),
            is_broken: AtomicBool::new(false),
            is_distrusted: AtomicBool::new(false),
            troubles: Mutex::default(),
            stops: AtomicBool::new(false),
            wake: Wake::default(),
            control: Control::chosen(),
            threads: Mutex::default(),
            figures: Figures::default(),
            terms,
        });
        node.spawn("keyway-lease", lease::run)?;
        node.spawn("keyway-follow", follow::run)?;
        node.spawn("keyway-waits", waits::run)?;
        Ok(node)
    }

    fn spawn(self: &Arc<Self>, name: &str, body: fn(&Arc<Self>)) -> Result<(), DbError> {
        let node = Arc::clone(self);
        let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(move || body(&node));
        let thread = spawned.map_err(|error| DbError::other(error.to_string()))?;
        lock(&self.threads).push(thread);
        Ok(())
    }

    /// Gives the lease back and stops: from here on this node accepts nothing.
    pub fn stop(&self) {
        self.let_go();
        for thread in std::mem::take(&mut *lock(&self.threads)) {
            if thread.join().is_err() {
                tracing::error!("a thread of the node panicked");
            }
        }
    }

    /// Accepts nothing from here on; the threads end by themselves.
    pub(crate) fn let_go(&self) {
        lock(&self.state).holder.leave();
        self.lease.set(Boot::ZERO, Boot::ZERO);
        self.stops.store(true, Ordering::SeqCst);
        self.lease.hurry();
        self.wake.follow.notify_one();
        self.wake.waits.notify_one();
    }

    fn stops(&self) -> bool {
        self.stops.load(Ordering::SeqCst)
    }

    /// Calls `then` once this node's index has reached a place in the log.
    pub fn reached(&self, position: Position, then: Box<dyn FnOnce() + Send>) {
        let mut waiting = lock(&self.reached);
        if self.applied.load(Ordering::Acquire) >= position.seq {
            drop(waiting);
            then();
        } else {
            let since = boot();
            waiting.entry(position.seq).or_default().push(Reached { since, then });
        }
    }

    /// Who this is.
    pub fn id(&self) -> NodeId {
        self.own.node
    }

    /// Where this node is in the log, and where the log was when it was last looked at.
    pub fn places(&self) -> (i64, i64) {
        let applied = self.applied.load(Ordering::Acquire);
        (applied, self.head.load(Ordering::Acquire).max(applied))
    }

    /// By when a change that is committed now is true everywhere, whatever happens but for a lost
    /// history: no lease that does not know it outlives this.
    pub fn effective_by(&self, now: Time) -> Time {
        let wait = self.terms.waited_for(self.terms.ttl, self.terms.grace);
        now.plus_ms(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX) + 1)
    }

    /// A follower has applied something: what was not shown for its sake may be by now.
    pub fn hears_follower(&self) {
        if lock(&self.shown).is_behind() {
            self.wake.follow.notify_one();
        }
    }

    /// Shows verification the lease as it is now.
    fn publish(&self, state: &State) {
        if self.control.needs_lease() {
            self.lease.set(state.holder.valid_until(), state.holder.grace_until());
        } else {
            self.lease.set(Boot(u64::MAX), Boot(u64::MAX));
        }
    }
}

/// Does a turn of a thread. One that panics is a turn that failed: the thread goes on.
fn caught<T>(thread: &str, turn: impl FnOnce() -> Result<T, DbError>) -> Result<T, DbError> {
    let done = catch_unwind(AssertUnwindSafe(turn));
    done.unwrap_or_else(|_| Err(DbError::other(format!("{thread} panicked; it goes on"))))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
