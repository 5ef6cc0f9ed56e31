//! Verification, and the one thing that it may wait for: a block of a quota.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::App;
use crate::verify::{Asked, Headers, Judged};

/// A request waits so long for a block. Then it is refused, as nobody can be sure.
const BLOCK_WAIT: Duration = Duration::from_secs(1);

/// Until when a request waits that comes now.
pub fn block_deadline() -> Instant {
    Instant::now() + BLOCK_WAIT
}

impl App {
    /// Judges a request to the platform. Where the scheme has quotas, the first request of a subject
    /// in a period waits until this node has reserved some, and so do those that come faster than
    /// blocks; nothing else waits for the database.
    pub async fn verify(
        self: &Arc<Self>,
        headers: &(impl Headers + Sync),
        asked: &Asked<'_>,
    ) -> Judged {
        self.verify_by(headers, asked, None).await
    }

    /// The same, waiting until a deadline: many that are asked about together wait together.
    pub async fn verify_by(
        self: &Arc<Self>,
        headers: &(impl Headers + Sync),
        asked: &Asked<'_>,
        deadline: Option<Instant>,
    ) -> Judged {
        let engine = &self.platform.engine;
        let mut weighed = engine.weigh(headers, asked);
        let Some(quotas) = engine.quotas() else {
            return engine.conclude(headers, asked, weighed);
        };
        let deadline = deadline.unwrap_or_else(block_deadline);
        let mut deadline = pin!(tokio::time::sleep_until(deadline));
        loop {
            if weighed.charge().wants {
                quotas.fetch(self);
            }
            let Some(cell) = weighed.charge().awaits.take() else { break };
            if !cell.fetched_by(deadline.as_mut()).await {
                break;
            }
            weighed = engine.weigh_again(headers, asked, weighed);
        }
        engine.conclude(headers, asked, weighed)
    }
}
