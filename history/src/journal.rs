//! The history of a run: what was asked and answered, when, and what was broken meanwhile.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::chance::Chance;
use crate::clock::{nanoseconds, now};
use crate::world::Made;

/// Which listener takes the question whether a secret is accepted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// `POST /v1/verify`, for a merchant's key.
    Inside,
    /// A call of the management API, for an operator's token.
    Public,
}

/// A secret, from the answer that showed it to the answer that says it is over.
#[derive(Clone)]
pub(crate) struct Secret {
    pub(crate) door: Door,
    /// The request that presents it.
    pub(crate) request: Arc<[u8]>,
    /// The headers of a question about it, as JSON.
    pub(crate) question: Arc<str>,
    /// When the answer that showed it had come.
    pub(crate) shown: u64,
    /// When its end was first asked for.
    pub(crate) ending: Option<u64>,
    /// When the answer had come that it is over everywhere.
    pub(crate) ended: Option<u64>,
    /// Who gave that answer, and in which words.
    pub(crate) told: Arc<str>,
}

/// What a verification came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    Accepted,
    Refused,
    /// The node said that it cannot know.
    Unavailable,
    /// Anything else.
    Odd,
    NoAnswer,
}

/// A verification.
#[derive(Clone, Copy)]
pub(crate) struct Verification {
    pub(crate) secret: usize,
    pub(crate) node: usize,
    pub(crate) invoked: u64,
    pub(crate) returned: u64,
    pub(crate) outcome: Outcome,
}

/// What one call of the management API did.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Create,
    /// A rotation without overlap, or a revocation.
    End,
}

/// How such a call went.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Done {
    Everywhere,
    Pending,
    /// An error, or no answer; the same is asked again.
    Failed,
}

/// A call of the management API.
#[derive(Clone, Copy)]
pub(crate) struct Change {
    pub(crate) act: Act,
    pub(crate) node: usize,
    pub(crate) invoked: u64,
    pub(crate) returned: u64,
    pub(crate) done: Done,
}

impl Change {
    /// Whether it ended a secret everywhere.
    pub(crate) fn is_end(&self) -> bool {
        self.act == Act::End && self.done == Done::Everywhere
    }
}

/// Something that was broken, from then until it had recovered.
#[derive(Clone, Copy)]
pub(crate) struct Break {
    pub(crate) class: &'static str,
    /// The node; none for the database, which is everyone's.
    pub(crate) node: Option<usize>,
    /// Whether the node's way to the database was closed in either direction.
    pub(crate) cut_off: bool,
    pub(crate) from: u64,
    pub(crate) healed: u64,
    /// From here on the node counts as whole.
    pub(crate) whole: u64,
}

/// A node that was healed may take this long to answer for everything again.
pub(crate) const RECOVERY: Duration = Duration::from_secs(2);
/// A secret that is over is asked about for this long.
const ASKED_AFTER_END: Duration = Duration::from_secs(10);

/// Secrets worth asking about.
#[derive(Default)]
struct Worth {
    live: Vec<usize>,
    /// Ending, or over since a short time.
    ending: VecDeque<(usize, u64)>,
}

/// The history of a run.
#[derive(Default)]
pub(crate) struct Journal {
    pub(crate) secrets: Mutex<Vec<Secret>>,
    pub(crate) verifications: Mutex<Vec<Verification>>,
    pub(crate) changes: Mutex<Vec<Change>>,
    pub(crate) breaks: Mutex<Vec<Break>>,
    /// Answers that nobody expected, the first few.
    pub(crate) odd: Mutex<Vec<String>>,
    /// How late this process woke, each time.
    pub(crate) late: Mutex<Vec<u64>>,
    worth: Mutex<Worth>,
}

const ODD_MAX: usize = 10;

/// Locks; what a panicking task left is as good as any.
pub(crate) fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Journal {
    /// Adds a secret that was shown just now.
    pub(crate) fn show(&self, secret: Secret) -> usize {
        let mut secrets = lock(&self.secrets);
        secrets.push(secret);
        let place = secrets.len() - 1;
        drop(secrets);
        lock(&self.worth).live.push(place);
        place
    }

    /// Notes that the end of a secret is being asked for.
    pub(crate) fn ending(&self, secret: usize) {
        let at = now();
        lock(&self.secrets)[secret].ending.get_or_insert(at);
        let mut worth = lock(&self.worth);
        worth.live.retain(|live| *live != secret);
        worth.ending.push_back((secret, at));
    }

    /// Notes that the end of many secrets is being asked for.
    pub(crate) fn ending_all(&self, ended: &[usize]) {
        let at = now();
        let mut secrets = lock(&self.secrets);
        for secret in ended {
            secrets[*secret].ending.get_or_insert(at);
        }
        drop(secrets);
        let mut worth = lock(&self.worth);
        worth.live.clear();
        worth.ending.extend(ended.iter().map(|secret| (*secret, at)));
    }

    /// Notes that a secret is over, by an answer that came at this instant.
    pub(crate) fn ended(&self, secret: usize, made: &Made) {
        let secret = &mut lock(&self.secrets)[secret];
        if secret.ended.is_none() {
            (secret.ended, secret.told) = (Some(made.at), Arc::clone(&made.told));
        }
    }

    /// A secret to ask about: three of five are ending or just over.
    pub(crate) fn pick(&self, chance: &mut Chance) -> Option<usize> {
        let mut worth = lock(&self.worth);
        let since = now().saturating_sub(nanoseconds(ASKED_AFTER_END));
        while worth.ending.front().is_some_and(|(_, at)| *at < since) {
            worth.ending.pop_front();
        }
        // The newest are the likeliest to be under way, and are asked about most.
        let ending = worth.ending.len();
        if ending > 0 && chance.percent(60) {
            let span = if chance.percent(50) { ending } else { ending.min(16) };
            return Some(worth.ending[ending - 1 - chance.below(span)].0);
        }
        let live = worth.live.len();
        (live > 0).then(|| worth.live[chance.below(live)])
    }

    /// Notes an answer that nobody expected.
    pub(crate) fn odd(&self, what: String) {
        let mut odd = lock(&self.odd);
        if odd.len() < ODD_MAX {
            odd.push(what);
        }
    }

    /// Notes that something is broken from now on; its number.
    pub(crate) fn broken(&self, class: &'static str, node: Option<usize>, cut_off: bool) -> usize {
        let mut breaks = lock(&self.breaks);
        breaks.push(Break { class, node, cut_off, from: now(), healed: u64::MAX, whole: u64::MAX });
        breaks.len() - 1
    }

    /// Notes that it was healed at an instant.
    pub(crate) fn healed(&self, number: usize, at: u64) {
        let healed = &mut lock(&self.breaks)[number];
        healed.healed = at;
        healed.whole = now() + nanoseconds(RECOVERY);
    }
}
