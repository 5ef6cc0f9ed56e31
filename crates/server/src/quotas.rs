//! Quotas on this node: blocks that it has reserved, and uses up with one compare-and-swap a request.
//!
//! What a cell holds is reserved where all nodes see it (`reserve.rs`) before it is in the cell, so
//! whatever happens to this process the nodes together never let more through than there is.

mod reserve;
mod standing;

pub use standing::Standing;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use keyway_domain::Environment;
use keyway_domain::id::{AccountId, CredentialId};
use keyway_domain::quota::{Of, Period, Quota, QuotaState};
use keyway_domain::scheme::Scheme;
use keyway_domain::time::{DAY_MS, Time};
use keyway_domain::verdict::Reason;
use keyway_store::quotas::{Counted, Reserved};
use tokio::sync::Notify;

const SHARDS: usize = 64;
/// Where all is reserved, it is asked again after so long: another node may have given some back.
const SPENT_MS: i64 = 60_000;

/// The quotas of a scheme, and what this node holds of each subject's.
pub struct Quotas {
    rules: Vec<Quota>,
    shards: [RwLock<HashMap<Key, Arc<Cell>>>; SHARDS],
    wanted: Mutex<Wanted>,
}

/// A subject's id, and the place of the quota in the scheme.
type Key = (u128, usize);

/// Cells that wait for a block.
#[derive(Default)]
struct Wanted {
    cells: Vec<Arc<Cell>>,
    /// Whether somebody sees to them.
    is_served: bool,
}

/// What this node holds of one quota of one subject.
pub struct Cell {
    subject: String,
    account: AccountId,
    quota: Quota,
    /// The period, by the number of its first day, and how many requests are left of the blocks that
    /// were reserved in it.
    held: AtomicU64,
    /// The size of the last block.
    block: AtomicU32,
    /// What nobody had reserved when the last block was.
    unreserved: AtomicU64,
    /// Until then there is nothing to reserve.
    spent_until: AtomicI64,
    /// Whether a block is on its way.
    is_wanted: AtomicBool,
    /// Whether the last one could not be reserved.
    has_failed: AtomicBool,
    /// Requests that wait for it.
    waiting: AtomicU32,
    /// A block has come, or will not.
    told: Notify,
}

/// What the quotas say of a request.
#[derive(Default)]
pub struct Charge {
    /// Each of its quotas, as it is then.
    pub states: Vec<QuotaState>,
    /// Where a request was taken from.
    taken: Vec<(Arc<Cell>, Period)>,
    /// Whether one of them is used up.
    is_spent: bool,
    /// What must be waited for before it can be said.
    pub awaits: Option<Arc<Cell>>,
    /// Whether somebody has to fetch blocks.
    pub wants: bool,
}

impl Charge {
    /// What it comes to.
    pub fn verdict(&self) -> Result<(), Reason> {
        match (&self.awaits, self.is_spent) {
            (Some(_), _) => Err(Reason::Unavailable),
            (None, true) => Err(Reason::QuotaExceeded),
            (None, false) => Ok(()),
        }
    }

    /// Undoes it: the request does not pass.
    pub fn give_back(&mut self) {
        for (cell, period) in self.taken.drain(..) {
            cell.put(&period, 1);
        }
    }
}

/// Whose requests are counted.
#[derive(Debug, Clone, Copy)]
pub struct Subject {
    /// The credential.
    pub credential: CredentialId,
    /// Its account.
    pub account: AccountId,
    /// Its environment.
    pub environment: Environment,
}

impl Subject {
    fn id(&self, of: Of) -> u128 {
        match of {
            Of::Credential => self.credential.0,
            Of::Account => self.account.0,
        }
    }

    fn name(&self, of: Of) -> String {
        match of {
            Of::Credential => self.credential.to_string(),
            Of::Account => self.account.to_string(),
        }
    }
}

impl Quotas {
    /// Those of a scheme; nothing where it has none.
    pub fn of(scheme: &Scheme) -> Option<Arc<Self>> {
        let rules = scheme.quotas.clone();
        (!rules.is_empty()).then(|| {
            let shards = std::array::from_fn(|_| RwLock::default());
            Arc::new(Self { rules, shards, wanted: Mutex::default() })
        })
    }

    /// Whether any counts the requests of an environment.
    pub fn count(&self, environment: Environment) -> bool {
        self.rules.iter().any(|quota| quota.counts(environment))
    }

    /// Those that count a subject's requests, with their places in the scheme.
    fn of_subject(&self, subject: Subject) -> impl Iterator<Item = (usize, &Quota)> {
        let counting = self.rules.iter().enumerate();
        counting.filter(move |(_, quota)| quota.counts(subject.environment))
    }

    /// Takes one request from all quotas that count it; or from none, and then either it must wait
    /// for a block, or one of them is used up.
    pub fn charge(&self, subject: Subject, now: Time) -> Charge {
        let mut charge = Charge::default();
        for (place, quota) in self.of_subject(subject) {
            let cell = self.cell(place, quota, subject);
            let period = cell.period(now);
            if let Some(left) = cell.take(&period) {
                if left <= cell.block.load(Ordering::Relaxed) / 2 && !cell.is_spent(now) {
                    charge.wants |= self.want(&cell);
                }
                charge.states.push(cell.state(left, period, now));
                charge.taken.push((cell, period));
                continue;
            }
            charge.give_back();
            if cell.is_spent(now) {
                charge.is_spent = true;
                charge.states = self.states(subject, now);
            } else {
                charge.states.clear();
                charge.wants |= self.want(&cell);
                charge.awaits = Some(cell);
            }
            return charge;
        }
        charge
    }

    /// A subject's quotas as they are, as far as this node knows.
    pub fn states(&self, subject: Subject, now: Time) -> Vec<QuotaState> {
        let state = |(place, quota): (usize, &Quota)| {
            let cell = self.known(place, subject.id(quota.of))?;
            let period = cell.period(now);
            let left = cell.left(&period);
            (left > 0 || cell.is_spent(now)).then(|| cell.state(left, period, now))
        };
        self.of_subject(subject).filter_map(state).collect()
    }

    fn shard(&self, id: u128) -> &RwLock<HashMap<Key, Arc<Cell>>> {
        &self.shards[usize::try_from(id % SHARDS as u128).expect("a shard's number is small")]
    }

    fn known(&self, place: usize, id: u128) -> Option<Arc<Cell>> {
        let cells = self.shard(id).read().unwrap_or_else(PoisonError::into_inner);
        cells.get(&(id, place)).cloned()
    }

    fn cell(&self, place: usize, quota: &Quota, subject: Subject) -> Arc<Cell> {
        let id = subject.id(quota.of);
        self.known(place, id).unwrap_or_else(|| {
            let mut cells = self.shard(id).write().unwrap_or_else(PoisonError::into_inner);
            let new = || Arc::new(Cell::new(subject, *quota));
            Arc::clone(cells.entry((id, place)).or_insert_with(new))
        })
    }

    /// Asks for a block, unless one is on its way; whether somebody has to fetch it.
    fn want(&self, cell: &Arc<Cell>) -> bool {
        if cell.is_wanted.swap(true, Ordering::AcqRel) {
            return false;
        }
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        wanted.cells.push(Arc::clone(cell));
        !wanted.is_served
    }

    /// Takes what is left of all blocks out of the cells.
    fn take_all(&self, now: Time) -> Vec<(Counted, u64)> {
        let take = |cell: &Arc<Cell>| {
            let period = cell.period(now);
            let left = cell.take_left(&period);
            let counted = Counted { subject: cell.subject.clone(), quota: cell.quota, period };
            (left > 0).then(|| (counted, left.into()))
        };
        let mut taken = Vec::new();
        for shard in &self.shards {
            let cells = shard.read().unwrap_or_else(PoisonError::into_inner);
            taken.extend(cells.values().filter_map(take));
        }
        taken
    }

    /// Forgets what it held in periods that are over; how many are left.
    pub fn forget(&self, now: Time) -> usize {
        let mut kept = 0;
        for shard in &self.shards {
            let mut cells = shard.write().unwrap_or_else(PoisonError::into_inner);
            cells.retain(|_, cell| {
                let day = cell.quota.per.period(now).day();
                // What is just being fetched is left for the next time.
                cell.is_wanted.load(Ordering::Acquire)
                    || day_of(cell.held.load(Ordering::Relaxed)) >= day
            });
            kept += cells.len();
        }
        kept
    }
}

impl Cell {
    fn new(subject: Subject, quota: Quota) -> Self {
        Self {
            subject: subject.name(quota.of),
            account: subject.account,
            quota,
            held: AtomicU64::new(0),
            block: AtomicU32::new(0),
            unreserved: AtomicU64::new(0),
            spent_until: AtomicI64::new(i64::MIN),
            is_wanted: AtomicBool::new(false),
            has_failed: AtomicBool::new(false),
            waiting: AtomicU32::new(0),
            told: Notify::new(),
        }
    }

    /// The period of an instant, or the one that the cell has come to: once it is begun on a node, a
    /// clock that steps back does not lead out of it.
    fn period(&self, now: Time) -> Period {
        let begun = Time(i64::from(day_of(self.held.load(Ordering::Relaxed))) * DAY_MS);
        self.quota.per.period(now.max(begun))
    }

    /// Takes one request; how many are left then, or nothing if none was.
    fn take(&self, period: &Period) -> Option<u32> {
        let day = period.day();
        let take = |held: u64| (day_of(held) == day && left_of(held) > 0).then(|| held - 1);
        self.held
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, take)
            .ok()
            .map(|held| left_of(held) - 1)
    }

    /// Adds requests that were reserved in a period. Of a period that the cell has left they are
    /// lost; and what is left of one before is no more.
    fn put(&self, period: &Period, requests: u32) {
        let day = period.day();
        let put = |held: u64| match day_of(held) {
            of if of > day => None,
            of if of == day => Some(pack(day, left_of(held).saturating_add(requests))),
            _ => Some(pack(day, requests)),
        };
        // An error means that the period is over.
        let _ = self.held.fetch_update(Ordering::AcqRel, Ordering::Relaxed, put);
    }

    /// How many requests are left of what was reserved in a period.
    fn left(&self, period: &Period) -> u32 {
        let held = self.held.load(Ordering::Relaxed);
        if day_of(held) == period.day() { left_of(held) } else { 0 }
    }

    /// Takes all that is left.
    fn take_left(&self, period: &Period) -> u32 {
        let day = period.day();
        let take = |held: u64| (day_of(held) == day).then(|| pack(day, 0));
        self.held.fetch_update(Ordering::AcqRel, Ordering::Relaxed, take).map_or(0, left_of)
    }

    fn is_spent(&self, now: Time) -> bool {
        now.0 < self.spent_until.load(Ordering::Relaxed)
    }

    fn state(&self, left: u32, period: Period, now: Time) -> QuotaState {
        let unreserved = self.unreserved.load(Ordering::Relaxed);
        let remaining = unreserved.saturating_add(left.into()).min(self.quota.requests);
        self.quota.state(remaining, period, now)
    }

    /// Takes in what came of asking for a block.
    fn fetched(&self, period: &Period, reserved: Option<Reserved>, now: Time) {
        if let Some(Reserved { block, left }) = reserved {
            let block = u32::try_from(block).unwrap_or(u32::MAX);
            self.unreserved.store(left, Ordering::Release);
            if block == 0 {
                let until = now.plus_ms(SPENT_MS).min(period.ends_at);
                self.spent_until.store(until.0, Ordering::Relaxed);
            } else {
                self.block.store(block, Ordering::Relaxed);
                self.put(period, block);
            }
        }
        self.has_failed.store(reserved.is_none(), Ordering::Relaxed);
        self.is_wanted.store(false, Ordering::Release);
        self.told.notify_waiters();
    }
}

fn pack(day: u32, left: u32) -> u64 {
    (u64::from(day) << 32) | u64::from(left)
}

fn day_of(held: u64) -> u32 {
    u32::try_from(held >> 32).expect("shifted to 32 bits")
}

fn left_of(held: u64) -> u32 {
    u32::try_from(held & u64::from(u32::MAX)).expect("masked to 32 bits")
}
