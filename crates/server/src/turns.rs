//! Turns of forms that are being taken: the same form, sent twice at once, waits for itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// A turn, to be locked.
pub type Turn = Arc<tokio::sync::Mutex<()>>;

/// The turns that are taken at this moment.
#[derive(Default)]
pub struct Turns(Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>);

impl Turns {
    /// The turn of a form.
    pub fn take(&self, form: &str) -> Turn {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = turns.get(form).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Turn::default();
        turns.insert(form.to_owned(), Arc::downgrade(&turn));
        turn
    }
}
