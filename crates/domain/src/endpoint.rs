//! Endpoints: where an account's programs hear of events.

use serde::Serialize;

use crate::canonical::Canonical;
use crate::id::{AccountId, EndpointId};
use crate::limits::{ENDPOINT_FAILING_MS, RETRY_JITTER_PERCENT, RETRY_WAITS_MS};
use crate::time::Time;
use keyway_secret::Environment;

/// Where an account's programs hear of events of one environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its id.
    pub id: EndpointId,
    /// Whose it is.
    pub account: AccountId,
    /// Whose events it hears: those of credentials of this environment, and the account's own.
    pub environment: Environment,
    /// Where.
    pub url: String,
    /// What its owner says of it.
    pub about: String,
    /// Which events, by name; empty for those that the scheme's notices say.
    pub events: Vec<String>,
    /// Whether it hears them.
    pub state: State,
    /// Since when.
    pub state_at: Time,
    /// Since when nothing has arrived there, while that is so.
    pub failing_since: Option<Time>,
    /// When it was made.
    pub created_at: Time,
    /// Newest first; those that ended are not here.
    pub secrets: Vec<EndpointSecret>,
}

/// What messages to an endpoint are signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointSecret {
    /// Its number within the endpoint, from 1.
    pub number: u32,
    /// The secret, sealed.
    pub sealed: Vec<u8>,
    /// When it was made.
    pub created_at: Time,
    /// When it stops signing, once there is a newer one.
    pub ends_at: Option<Time>,
}

/// Whether an endpoint hears events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It does.
    On,
    /// Somebody switched it off.
    Off,
    /// It said that it is gone (410), so it was switched off.
    Gone,
    /// Nothing arrived for days, so it was switched off.
    Failing,
    /// It was removed; its history stays.
    Removed,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::On, Self::Off, Self::Gone, Self::Failing, Self::Removed];

    /// The word in JSON and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
            Self::Gone => "gone",
            Self::Failing => "failing",
            Self::Removed => "removed",
        }
    }
}

impl Endpoint {
    /// Everything that the row's seal covers: whoever edits the row by hand turns no messages to
    /// another place.
    pub fn sealed_bytes(&self) -> Vec<u8> {
        let mut bytes = Canonical::of("endpoints");
        bytes.big(self.id.0);
        bytes.big(self.account.0);
        bytes.text(self.environment.as_str());
        bytes.text(&self.url);
        bytes.text(&self.events.join(" "));
        bytes.into_bytes()
    }

    /// The secrets that sign at an instant, newest first.
    pub fn signing(&self, now: Time) -> impl Iterator<Item = &EndpointSecret> {
        self.secrets.iter().filter(move |secret| secret.ends_at.is_none_or(|ends| now < ends))
    }
}

/// What became of one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempted {
    /// It arrived.
    Arrived,
    /// The endpoint is gone (410).
    Gone,
    /// It did not arrive; the endpoint may have said how long to wait.
    Failed {
        /// Milliseconds that it asks for.
        wait_ms: Option<i64>,
    },
}

/// What happens to a delivery after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It is done.
    Delivered,
    /// It is tried again at this instant.
    Again(Time),
    /// It is given up.
    GivenUp,
}

/// Decides what happens to a delivery after its attempt number `step` of the plan, from 1. `dice`
/// is a random number: receivers that failed together are not all tried again together.
pub fn after(attempted: Attempted, step: u32, dice: u64, now: Time) -> Next {
    let wait_ms = match attempted {
        Attempted::Arrived => return Next::Delivered,
        Attempted::Gone => return Next::GivenUp,
        Attempted::Failed { wait_ms } => wait_ms,
    };
    let place = usize::try_from(step).unwrap_or(usize::MAX);
    let Some(planned) = RETRY_WAITS_MS.get(place) else { return Next::GivenUp };
    // Only ever later: an endpoint that was promised five minutes has them.
    let spread = planned * RETRY_JITTER_PERCENT / 100 + 1;
    let jitter = i64::try_from(dice % u64::try_from(spread).unwrap_or(1)).unwrap_or(0);
    Next::Again(now.plus_ms((planned + jitter).max(wait_ms.unwrap_or(0))))
}

/// Whether an endpoint at which nothing arrived since `failing_since` is switched off.
pub fn has_failed_for_long(failing_since: Time, now: Time) -> bool {
    failing_since.plus_ms(ENDPOINT_FAILING_MS) <= now
}
