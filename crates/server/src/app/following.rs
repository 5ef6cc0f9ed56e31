//! What happens in memory after each commit.

use std::sync::Weak;

use keyway_store::{Change, Follower, Position};

use super::App;

/// Feeds the indexes after each commit; does not keep the app alive.
pub(super) struct Following(pub(super) Weak<App>);

impl Follower for Following {
    fn apply(&self, changes: &[Change]) {
        if let Some(app) = self.0.upgrade() {
            changes.iter().for_each(|change| app.apply(change));
        }
    }

    fn reached(&self, position: Position, then: Box<dyn FnOnce() + Send>) {
        match self.0.upgrade().and_then(|app| app.coherence.get().cloned()) {
            Some(node) => node.reached(position, then),
            // What is committed while everything is loaded is followed afterwards.
            None => then(),
        }
    }
}
