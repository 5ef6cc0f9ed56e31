//! How far a process is on its way to its first answer: what it waits for, what it has loaded.
//!
//! It is there before the database is, so that somebody who looks is told why nothing is answered.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

/// How far it is.
#[derive(Default)]
pub struct Starting {
    /// Why the database can't be used, as long as it can't.
    why: Mutex<Option<String>>,
    loaded: AtomicU64,
    of: AtomicU64,
}

impl Starting {
    /// The database can't be used; whether that is news.
    pub fn waits(&self, why: &str) -> bool {
        self.begins(0);
        let mut known = self.why.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = known.as_deref() != Some(why);
        *known = Some(why.to_owned());
        is_news
    }

    /// The database is there.
    pub fn goes_on(&self) {
        *self.why.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// About so many secrets are to be loaded.
    pub(crate) fn begins(&self, of: u64) {
        self.loaded.store(0, Ordering::Relaxed);
        self.of.store(of, Ordering::Relaxed);
    }

    /// Some more are loaded; how many there are now.
    pub(crate) fn adds(&self, secrets: usize) -> u64 {
        let more = u64::try_from(secrets).unwrap_or(0);
        self.loaded.fetch_add(more, Ordering::Relaxed) + more
    }

    /// How many secrets are loaded, of about how many.
    pub fn loaded(&self) -> (u64, u64) {
        let loaded = self.loaded.load(Ordering::Relaxed);
        (loaded, self.of.load(Ordering::Relaxed).max(loaded))
    }

    /// What it does now, in a word, and for people.
    pub fn state(&self) -> (&'static str, String) {
        let why = self.why.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match (why, self.loaded()) {
            (Some(why), _) => ("database_away", why),
            (None, (_, 0)) => ("starting", "it looks at the database".to_owned()),
            (None, (loaded, of)) => ("loading", format!("{loaded} of {of} secrets are loaded")),
        }
    }

    /// The same for programs.
    pub fn to_json(&self) -> Value {
        let ((state, reason), (loaded, of)) = (self.state(), self.loaded());
        json!({ "ready": false, "state": state, "reason": reason, "loaded": loaded, "of": of })
    }
}
