//! Webhooks on their way: what is due is claimed, sent, and written down with what was answered.
//!
//! A delivery is claimed in a transaction before it is sent, and judged in another afterwards. A
//! process that dies between the two leaves a claim that lapses: the message goes again, under the
//! same id. Each endpoint and each account has a few places of its own, and a free one goes to who
//! was served longest ago, so that slow ones hold up no other.

mod sign;
mod turns;

pub use sign::secret_place;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue};
use keyway_domain::endpoint::{self, Attempted, Endpoint, State, after};
use keyway_domain::event::{Happened, Kind};
use keyway_domain::id::{AccountId, EndpointId};
use keyway_domain::limits::{CLAIM_MS, DELIVERIES_AT_ONCE, RETRY_AFTER_MS_MAX};
use keyway_domain::time::Time;
use keyway_secret::{Entropy as _, OsEntropy};
use keyway_store::deliveries::{self, Attempt, Claim, Delivery};
use keyway_store::{DbError, Tx, endpoints};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::app::App;
use crate::commands::Moment;
use crate::outbound::{Sent, Trouble};
use turns::Turns;

/// How often it is looked whether something is due.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Sends deliveries; one of several perhaps.
pub struct Deliverer {
    app: Arc<App>,
    name: String,
    under_way: JoinSet<()>,
    turns: Turns,
}

impl Deliverer {
    /// A deliverer; the number tells those of one process apart.
    pub fn new(app: &Arc<App>, number: usize) -> Self {
        Self {
            app: Arc::clone(app),
            name: format!("{}-{number}", app.node),
            under_way: JoinSet::new(),
            turns: Turns::default(),
        }
    }

    /// Works until told to stop; what is under way then is finished.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut tick = tokio::time::interval(LOOK_EVERY);
        let app = Arc::clone(&self.app);
        let mut woken = pin!(app.wake.notified());
        loop {
            let stopped = async { drop(stop.wait_for(|stop| *stop).await) };
            tokio::select! {
                () = stopped => break,
                _ = tick.tick() => {}
                () = &mut woken => {}
                Some(done) = self.under_way.join_next() => note_done(done),
            }
            // Before it looks: what is made while it does wakes it again.
            woken.set(app.wake.notified());
            if let Err(error) = self.start_due().await {
                tracing::warn!(%error, "webhooks wait");
            }
        }
        while let Some(done) = self.under_way.join_next().await {
            note_done(done);
        }
    }

    /// Sends all that is due now, and waits for it; how many messages went out.
    pub async fn deliver_due(&mut self) -> Result<usize, DbError> {
        let mut sent = 0;
        loop {
            let started = self.start_due().await?;
            sent += started;
            match self.under_way.join_next().await {
                Some(done) => note_done(done),
                None if started == 0 => return Ok(sent),
                None => {}
            }
        }
    }

    /// Starts what is due, in turn, as far as there are places.
    async fn start_due(&mut self) -> Result<usize, DbError> {
        if self.under_way.len() >= DELIVERIES_AT_ONCE {
            return Ok(0);
        }
        let now = self.app.now();
        let mut waiting = self.app.db.read(move |tx| endpoints::with_due(tx, now)).await?;
        self.turns.sort(&mut waiting);
        let mut started = 0;
        for (account, endpoint) in waiting {
            let room = DELIVERIES_AT_ONCE.saturating_sub(self.under_way.len());
            let Some(room) = u32::try_from(room).ok().filter(|room| *room > 0) else { break };
            match self.start_at((account, endpoint), now, room).await {
                Ok(count) => started += count,
                // What is wrong with one holds up none of the others.
                Err(error) => tracing::error!(%endpoint, %error, "an endpoint's webhooks wait"),
            }
        }
        Ok(started)
    }

    async fn start_at(
        &mut self,
        (account, endpoint): (AccountId, EndpointId),
        now: Time,
        room: u32,
    ) -> Result<usize, DbError> {
        // A number of its own: what an attempt of an earlier claim brings decides nothing.
        let by = format!("{}/{:032x}", self.name, OsEntropy.u128());
        let claim = Claim { by, from: now, until: now.plus_ms(CLAIM_MS) };
        let held = claim.clone();
        let work = move |tx: &mut Tx<'_>| deliveries::claim(tx, (account, endpoint), &held, room);
        let claimed = self.app.db.write(now, work).await?;
        let count = claimed.len();
        for delivery in claimed {
            let (app, claim) = (Arc::clone(&self.app), claim.clone());
            self.under_way.spawn(Errand { app, claim, account, delivery }.run());
        }
        if count > 0 {
            self.turns.served(account, endpoint);
        }
        Ok(count)
    }
}

fn note_done(done: Result<(), tokio::task::JoinError>) {
    if let Err(error) = done {
        // Its place is free again when the claim lapses.
        tracing::error!(%error, "a delivery ended badly; it goes again");
    }
}

/// One attempt at one delivery.
struct Errand {
    app: Arc<App>,
    claim: Claim,
    account: AccountId,
    delivery: Delivery,
}

/// What came of a call.
struct Came {
    at: Time,
    sent: Sent,
    request: String,
}

impl Errand {
    async fn run(self) {
        if let Err(error) = self.attempt().await {
            // The claim lapses, and it goes again under the same id.
            tracing::warn!(delivery = %self.delivery.id, %error, "an attempt was not written down");
        }
    }

    async fn attempt(&self) -> Result<(), DbError> {
        let (account, id) = (self.account, self.delivery.endpoint);
        let seals = self.app.platform.rules.seals.clone();
        let found = self.app.db.read(move |tx| endpoints::find(tx, &seals, account, id)).await?;
        let Some(endpoint) = found.filter(|endpoint| endpoint.state == State::On) else {
            let (delivery, claim) = (self.delivery.clone(), self.claim.clone());
            let let_go = move |tx: &mut Tx<'_>| deliveries::let_go(tx, &delivery, &claim);
            return self.app.db.write(self.app.now(), let_go).await;
        };
        let mut forms = sign::platform_forms(&self.app, &endpoint, &self.delivery).await?;
        let first = if forms.is_empty() { Vec::new() } else { forms.remove(0) };
        let mut came = self.call(&endpoint, &first).await;
        // In an overlap a receiver may know one secret only, and a signature is by one: who refuses
        // it by the newest is asked again by the one before.
        for form in forms {
            let refused = matches!(&came.sent.outcome,
                Ok(answer) if matches!(answer.status, 400 | 401 | 403));
            if !refused {
                break;
            }
            came = self.call(&endpoint, &form).await;
        }
        self.write_down(came).await
    }

    async fn call(&self, endpoint: &Endpoint, form: &[(String, String)]) -> Came {
        let at = self.app.now();
        let body = Bytes::from(self.delivery.payload.clone());
        let mut headers = sign::standard(&self.app, endpoint, &self.delivery, at);
        headers.extend(form.iter().cloned());
        let mut typed = vec![(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        let mut request = format!("POST {}\ncontent-type: application/json\n", endpoint.url);
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\n"));
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse()) {
                typed.push((name, value));
            }
        }
        let sent = match &self.app.outbound {
            Ok(outbound) => outbound.post(&endpoint.url, &typed, body, at).await,
            Err(why) => {
                Sent { outcome: Err(Trouble::Tls(why.to_string())), took_ms: 0, address: None }
            }
        };
        Came { at, sent, request }
    }

    async fn write_down(&self, came: Came) -> Result<(), DbError> {
        let attempted = judged(&came.sent);
        let now = self.app.now();
        let dice = u64::try_from(OsEntropy.u128() >> 64).unwrap_or(0);
        let next = after(attempted, self.delivery.step + 1, dice, now);
        let attempt = self.written(&came);
        let is_throttled = matches!(&came.sent.outcome, Ok(answer) if answer.status == 429);
        let (delivery, claim) = (self.delivery.clone(), self.claim.clone());
        let (account, moment) = (self.account, self.app.own_moment());
        tracing::info!(
            delivery = %delivery.id, endpoint = %delivery.endpoint, kind = delivery.kind,
            status = attempt.status, trouble = attempt.trouble, took_ms = attempt.took_ms, "webhook"
        );
        self.app
            .db
            .write(now, move |tx| {
                if !deliveries::attempted(tx, &delivery, &claim, &attempt, next)? {
                    return deliveries::let_go(tx, &delivery, &claim);
                }
                if let (true, endpoint::Next::Again(at)) = (is_throttled, next) {
                    endpoints::hold_back(tx, delivery.endpoint, at)?;
                }
                note_health(tx, &moment, account, delivery.endpoint, attempted)
            })
            .await
    }

    fn written(&self, came: &Came) -> Attempt {
        let (status, trouble, answer) = match &came.sent.outcome {
            Ok(answer) => {
                let mut text: String = answer
                    .headers
                    .iter()
                    .map(|(name, value)| format!("{name}: {value}\n"))
                    .collect();
                text.push('\n');
                text.push_str(&answer.body);
                if answer.truncated {
                    text.push_str("\n(cut here)");
                }
                (Some(answer.status), None, text)
            }
            Err(trouble) => (None, Some(trouble.to_string()), String::new()),
        };
        Attempt {
            number: self.delivery.attempts + 1,
            at: came.at,
            took_ms: i64::try_from(came.sent.took_ms).unwrap_or(i64::MAX),
            address: came.sent.address.map(|address| address.to_string()),
            status,
            trouble,
            request: came.request.clone(),
            answer,
        }
    }
}

fn judged(sent: &Sent) -> Attempted {
    match &sent.outcome {
        Ok(answer) if (200..300).contains(&answer.status) => Attempted::Arrived,
        Ok(answer) if answer.status == 410 => Attempted::Gone,
        Ok(answer) => {
            let wait_ms = answer.retry_after_ms.map(|ms| ms.clamp(0, RETRY_AFTER_MS_MAX));
            Attempted::Failed { wait_ms }
        }
        Err(_) => Attempted::Failed { wait_ms: None },
    }
}

/// What an attempt says of the endpoint as a whole.
fn note_health(
    tx: &mut Tx<'_>,
    moment: &Moment,
    account: AccountId,
    id: EndpointId,
    attempted: Attempted,
) -> Result<(), DbError> {
    let seals = &moment.realm.rules.seals;
    // Who switched it off meanwhile has the last word.
    let found = endpoints::lock(tx, seals, account, id)?;
    let Some(mut endpoint) = found.filter(|endpoint| endpoint.state == State::On) else {
        return Ok(());
    };
    let now = moment.now;
    let why = match attempted {
        Attempted::Arrived => {
            if endpoint.failing_since.take().is_some() {
                endpoints::save(tx, seals, &endpoint)?;
            }
            return Ok(());
        }
        Attempted::Gone => {
            endpoint.state = State::Gone;
            "it answered 410, which says that it is gone"
        }
        Attempted::Failed { .. } => {
            let since = *endpoint.failing_since.get_or_insert(now);
            if !endpoint::has_failed_for_long(since, now) {
                return endpoints::save(tx, seals, &endpoint);
            }
            endpoint.state = State::Failing;
            "nothing arrived there for five days"
        }
    };
    endpoint.state_at = now;
    endpoints::save(tx, seals, &endpoint)?;
    let after = json!({ "url": endpoint.url, "state": endpoint.state, "why": why });
    let happened = Happened::new(Kind::EndpointDisabled, json!({ "state": "on" }), after);
    moment.record(tx, account, id.to_string(), happened)
}
