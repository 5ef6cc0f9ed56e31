//! Alerts: what is unusual about the use of credentials, as far as their account wants to hear it.
//!
//! Refusals that say something by themselves, and networks that are new, are noted when counters
//! are written down. Spikes and bursts of refusals need to be compared with what is usual: that is
//! looked at every few seconds, for credentials that are busy. An alert is told once, and then
//! lasts until it is over.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use keyway_domain::actor::Actor;
use keyway_domain::alert::{
    Baseline, Burst, HOURS_MAX, MINUTES, Minute, REFUSED_MIN, REQUESTS_MIN, Served, Spike,
    TIMES_DEFAULT, burst, comes_by_clock, spike,
};
use keyway_domain::credential::Credential;
use keyway_domain::event::{Happened, Kind};
use keyway_domain::id::{AccountId, AlertId, CredentialId};
use keyway_domain::time::{DAY_MS, Time};
use keyway_secret::OsEntropy;
use keyway_store::alerts::{self, Alert};
use keyway_store::usage::{self, Batch};
use keyway_store::{DbError, Tx, account_settings, credentials};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::app::App;
use crate::commands::Moment;

mod networks;
mod refusals;

pub use refusals::{Telling, note, telling, untold};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
/// The last minutes in which a credential must have been busy to be looked at.
const BUSY_MS: i64 = 6 * MINUTE_MS;
/// Alerts that say something by themselves are over when they were not seen for so long.
const QUIET_MS: i64 = DAY_MS;
/// The sort of a spike that comes by the clock, and so is not told.
const BY_CLOCK: &str = "spike_by_clock";
/// Spikes of so long ago say whether another one comes by the clock.
const SPIKES_REMEMBERED_MS: i64 = 15 * DAY_MS;
/// What is usual is kept of so many credentials at once, 1.5 kB of each: 30 MB. It is read from the
/// database for the others, each time that they are looked at.
const BASELINES_MAX: usize = 20_000;
/// Credentials of one pass that may fail to be looked at before the pass is given up.
const FAILED_MAX: usize = 100;

/// The setting of an account that these are.
pub const SETTING: &str = "alerts";

/// What an account is alerted of, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Alerts that are not told, by the names of their events.
    pub silent: Vec<String>,
    /// From how many times the usual on use is unusual.
    pub times: u32,
    /// Whether alerts are mailed.
    pub mail: bool,
    /// Whether they go to webhooks.
    pub webhook: bool,
    /// Minutes of the day, in UTC, from and to which no alert is mailed; it waits.
    pub quiet: Option<(u16, u16)>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { silent: Vec::new(), times: TIMES_DEFAULT, mail: true, webhook: true, quiet: None }
    }
}

impl Settings {
    /// An account's settings.
    pub fn of(tx: &mut Tx<'_>, account: AccountId) -> Result<Self, DbError> {
        let found = account_settings::find(tx, account, SETTING)?;
        Ok(found.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
    }

    /// Whether an event is an alert.
    pub fn is_alert(kind: Kind) -> bool {
        matches!(
            kind,
            Kind::UsageSpike
                | Kind::ErrorBurst
                | Kind::NewNetwork
                | Kind::EndedSecretUsed
                | Kind::WrongEnvironmentUsed
                | Kind::Old
                | Kind::Idle
        )
    }

    /// Whether the account wants to hear of it.
    pub fn wants(&self, kind: Kind) -> bool {
        !self.silent.iter().any(|name| name == kind.as_str())
    }

    /// When a letter may go that is written now: now, or at the end of the quiet hours.
    pub fn after_quiet(&self, now: Time) -> Time {
        let Some((from, to)) = self.quiet else { return now };
        let (from, to) = (i64::from(from) * MINUTE_MS, i64::from(to) * MINUTE_MS);
        let of_day = now.0.rem_euclid(DAY_MS);
        let is_quiet =
            if from <= to { (from..to).contains(&of_day) } else { of_day >= from || of_day < to };
        if is_quiet { now.plus_ms((to - of_day).rem_euclid(DAY_MS)) } else { now }
    }
}

/// Opens an alert of a credential, and records it, unless one is open or its account does not want
/// to hear of it; whether it did.
fn raise(
    tx: &mut Tx<'_>,
    moment: &Moment,
    credential: &Credential,
    (kind, sort): (Kind, &str),
    (began_at, after): (Time, Value),
) -> Result<bool, DbError> {
    if !Settings::of(tx, credential.account)?.wants(kind) {
        return Ok(false);
    }
    let alert = Alert {
        id: AlertId::new(moment.now, &mut OsEntropy),
        account: credential.account,
        credential: credential.id,
        what: format!("{}{sort}", kind.as_str()),
        began_at,
        last_at: moment.now,
        ended_at: None,
        detail: after.to_string(),
    };
    let is_new = alerts::open(tx, &alert)?;
    if is_new {
        let happened = Happened::new(kind, json!({}), after);
        let by =
            Moment { actor: Actor::Credential { credential: credential.id }, ..moment.clone() };
        by.record(tx, credential.account, credential.id.to_string(), happened)?;
    }
    Ok(is_new)
}

/// Does what is to be done about one credential so that, if its account's rows are damaged, only
/// that is missing: counters, and everybody else's alerts, must not wait for it.
fn part(
    tx: &mut Tx<'_>,
    id: CredentialId,
    work: impl FnOnce(&mut Tx<'_>) -> Result<(), DbError>,
) -> Result<(), DbError> {
    if let Err(error) = tx.apart(work)? {
        tracing::error!(credential = %id, %error, "what was unusual could not be recorded");
    }
    Ok(())
}

/// Notes the networks that a batch of counters names, in the transaction that writes it down.
pub fn note_networks(tx: &mut Tx<'_>, moment: &Moment, batch: &Batch) -> Result<(), DbError> {
    networks::note(tx, moment, batch)
}

/// A merchant's credential, if its row can be read: counters must not wait for one that was edited.
fn readable(tx: &mut Tx<'_>, moment: &Moment, id: CredentialId) -> Option<Credential> {
    match credentials::find_any(tx, &moment.realm.rules, id) {
        Ok(found) => found,
        Err(error) => {
            tracing::error!(credential = %id, %error, "no alert: the credential is not readable");
            None
        }
    }
}

/// Opens what is not told: a spike that comes by the clock. It lasts as one that was told does, and
/// is remembered.
fn keep_quiet(
    tx: &mut Tx<'_>,
    moment: &Moment,
    credential: &Credential,
    (began_at, after): (Time, Value),
) -> Result<(), DbError> {
    let alert = Alert {
        id: AlertId::new(moment.now, &mut OsEntropy),
        account: credential.account,
        credential: credential.id,
        what: BY_CLOCK.to_owned(),
        began_at,
        last_at: moment.now,
        ended_at: None,
        detail: after.to_string(),
    };
    alerts::open(tx, &alert).map(drop)
}

/// What is usual, of credentials that were looked at within the hour.
#[derive(Default)]
pub struct Baselines {
    hour: i64,
    known: HashMap<CredentialId, Arc<Usual>>,
}

struct Usual {
    baseline: Baseline,
    served: Served,
}

/// Where they are kept.
pub type Watch = Mutex<Baselines>;

/// Looks at the credentials that are busy, and at the alerts that last.
pub async fn watch(app: &Arc<App>) -> Result<(), DbError> {
    let now = app.now();
    let since = now.plus_ms(-BUSY_MS);
    let floors = (i64::from(REQUESTS_MIN), i64::from(REFUSED_MIN));
    let (busy, lasting) = app
        .db
        .read(move |tx| {
            let mut lasting = alerts::open_of(tx, Kind::UsageSpike.as_str())?;
            lasting.extend(alerts::open_of(tx, BY_CLOCK)?);
            lasting.extend(alerts::open_of(tx, Kind::ErrorBurst.as_str())?);
            Ok::<_, DbError>((usage::busy_since(tx, since, floors)?, lasting))
        })
        .await?;
    let mut failed = 0;
    for alert in &lasting {
        bear(&mut failed, alert.credential, end_if_over(app, alert, now).await)?;
    }
    for id in busy {
        let holds = |sort: &str| lasting.iter().any(|a| a.credential == id && a.what == sort);
        let spikes = holds(Kind::UsageSpike.as_str()) || holds(BY_CLOCK);
        let looked = look(app, id, (spikes, holds(Kind::ErrorBurst.as_str())), now).await;
        bear(&mut failed, id, looked)?;
    }
    Ok(())
}

/// Goes on when one credential could not be looked at: its account's rows may be damaged. When many
/// could not, it is the database.
fn bear(
    failed: &mut usize,
    credential: CredentialId,
    looked: Result<(), DbError>,
) -> Result<(), DbError> {
    let Err(error) = looked else { return Ok(()) };
    *failed += 1;
    if *failed > FAILED_MAX {
        return Err(error);
    }
    tracing::error!(%credential, %error, "the use of a credential could not be watched");
    Ok(())
}

/// The present quarter of an hour of a credential, and what is usual for it.
struct Sight {
    credential: Credential,
    settings: Settings,
    minutes: Vec<Minute>,
    usual: Arc<Usual>,
}

async fn sight(app: &Arc<App>, id: CredentialId, now: Time) -> Result<Option<Sight>, DbError> {
    let hour = now.0.div_euclid(HOUR_MS);
    let known = {
        let mut baselines = app.watch.lock().unwrap_or_else(PoisonError::into_inner);
        if baselines.hour != hour {
            *baselines = Baselines { hour, known: HashMap::new() };
        }
        baselines.known.get(&id).cloned()
    };
    let moment = app.own_moment();
    let read = move |tx: &mut Tx<'_>| {
        let Some(credential) = readable(tx, &moment, id) else { return Ok(None) };
        let settings = Settings::of(tx, credential.account)?;
        let minutes = minutes(tx, id, now)?;
        let usual = match &known {
            Some(usual) => Arc::clone(usual),
            None => Arc::new(usual_of(tx, &credential, now)?),
        };
        Ok::<_, DbError>(Some(Sight { credential, settings, minutes, usual }))
    };
    let seen = app.db.read(read).await?;
    if let Some(sight) = &seen {
        let mut baselines = app.watch.lock().unwrap_or_else(PoisonError::into_inner);
        // When it is full, those that are in it stay: each pass looks at all that are busy, in the
        // same order, so whatever was taken out for another would be missed before it comes again.
        if baselines.hour == hour && baselines.known.len() < BASELINES_MAX {
            baselines.known.insert(id, Arc::clone(&sight.usual));
        }
    }
    Ok(seen)
}

fn minutes(tx: &mut Tx<'_>, id: CredentialId, now: Time) -> Result<Vec<Minute>, DbError> {
    let count = i64::try_from(MINUTES).unwrap_or(i64::MAX);
    let first = now.0.div_euclid(MINUTE_MS) - count + 1;
    let mut minutes = vec![Minute::default(); MINUTES];
    for counted in usage::minutes(tx, id, Time(first * MINUTE_MS))? {
        let place = counted.minute.0.div_euclid(MINUTE_MS) - first;
        let place = usize::try_from(place).ok().and_then(|place| minutes.get_mut(place));
        if let Some(minute) = place {
            *minute = Minute { allowed: counted.allowed, refused: counted.refused };
        }
    }
    Ok(minutes)
}

fn usual_of(tx: &mut Tx<'_>, credential: &Credential, now: Time) -> Result<Usual, DbError> {
    let this_hour = now.0.div_euclid(HOUR_MS);
    let first = this_hour - i64::try_from(HOURS_MAX).unwrap_or(0);
    let week = Time((this_hour - 7 * 24) * HOUR_MS);
    let mut hours = vec![0; HOURS_MAX];
    let mut served = Served::default();
    for (hour, allowed, refused) in usage::hour_sums(tx, credential.id, Time(first * HOUR_MS))? {
        let place = usize::try_from(hour.0.div_euclid(HOUR_MS) - first).ok();
        if let Some(sum) = place.and_then(|place| hours.get_mut(place)) {
            *sum = allowed;
            if hour >= week {
                served.allowed += u64::from(allowed);
                served.refused += u64::from(refused);
            }
        }
    }
    let baseline = Baseline::of(Time(first * HOUR_MS), &hours, credential.created_at);
    Ok(Usual { baseline, served })
}

/// Looks for a spike and a burst of a credential, unless one lasts.
async fn look(
    app: &Arc<App>,
    id: CredentialId,
    (spike_lasts, burst_lasts): (bool, bool),
    now: Time,
) -> Result<(), DbError> {
    let Some(sight) = sight(app, id, now).await? else { return Ok(()) };
    let (settings, usual) = (&sight.settings, &sight.usual);
    let found = spike(&usual.baseline, now, &sight.minutes, settings.times);
    let much = found.filter(|_| !spike_lasts).map(|spike| {
        let window_ms = (now.0 - spike.since.0).max(MINUTE_MS);
        let window_ms = window_ms - window_ms % MINUTE_MS;
        let minutes = f64::from(u32::try_from(window_ms / MINUTE_MS).unwrap_or(1));
        let after = json!({
            "requests": rounded(spike.seen * minutes),
            "usual": rounded(spike.usual * minutes),
            "times": spike.times,
            "window_ms": window_ms,
            "since": spike.since,
        });
        (Kind::UsageSpike, spike.since, after)
    });
    let found = burst(now, &sight.minutes, usual.served);
    let refused = found.filter(|_| !burst_lasts).map(|burst| {
        let after = json!({
            "refused": burst.refused,
            "requests": burst.requests,
            "since": burst.since,
        });
        (Kind::ErrorBurst, burst.since, after)
    });
    let found: Vec<_> = much.into_iter().chain(refused).collect();
    if found.is_empty() {
        return Ok(());
    }
    let (moment, credential) = (app.own_moment(), sight.credential);
    app.db
        .write(now, move |tx| {
            for (kind, since, after) in &found {
                let what = (*since, after.clone());
                if *kind == Kind::UsageSpike && comes_so(tx, credential.id, *since)? {
                    keep_quiet(tx, &moment, &credential, what)?;
                } else {
                    raise(tx, &moment, &credential, (*kind, ""), what)?;
                }
            }
            Ok(())
        })
        .await
}

/// Whether a spike that began at an instant comes by the clock, as others did.
fn comes_so(tx: &mut Tx<'_>, id: CredentialId, since: Time) -> Result<bool, DbError> {
    let from = since.plus_ms(-SPIKES_REMEMBERED_MS);
    let began = alerts::began(tx, id, [Kind::UsageSpike.as_str(), BY_CLOCK], from)?;
    Ok(comes_by_clock(since, &began))
}

/// A rate for people: whole where it is large.
fn rounded(number: f64) -> Value {
    let tenths = (number * 10.0).round() / 10.0;
    if number >= 10.0 { json!(whole(number)) } else { json!(tenths) }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast of a float saturates, which is what is wanted"
)]
fn whole(number: f64) -> u64 {
    number.round() as u64
}

async fn end_if_over(app: &Arc<App>, alert: &Alert, now: Time) -> Result<(), DbError> {
    let is_over = match sight(app, alert.credential, now).await? {
        None => true,
        Some(sight) => {
            let usual = &sight.usual;
            if alert.what == Kind::ErrorBurst.as_str() {
                let told = Burst { refused: 0, requests: 0, since: alert.began_at };
                told.is_over(now, &sight.minutes, usual.served)
            } else {
                let told = Spike { usual: 0.0, seen: 0.0, times: 0, since: alert.began_at };
                told.is_over(&usual.baseline, now, &sight.minutes, sight.settings.times)
            }
        }
    };
    if is_over {
        let (id, what) = (alert.credential, alert.what.clone());
        app.db.write(now, move |tx| alerts::close(tx, id, &what, now)).await?;
    }
    Ok(())
}

/// Closes alerts that were not seen again for long.
pub async fn close_quiet(app: &Arc<App>) -> Result<(), DbError> {
    let now = app.now();
    let before = now.plus_ms(-QUIET_MS);
    app.db
        .write(now, move |tx| {
            for kind in [Kind::EndedSecretUsed, Kind::WrongEnvironmentUsed, Kind::NewNetwork] {
                alerts::close_quiet(tx, kind.as_str(), before, now)?;
            }
            Ok::<_, DbError>(())
        })
        .await
}
