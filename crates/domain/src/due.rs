//! What the clock does to a credential: when something is to be told of it that nobody asked for.

use crate::credential::{Credential, SecretState, Status};
use crate::limits::{EXPIRING_DAYS, EXPIRY_REMINDER_DAYS};
use crate::time::{DAY_MS, Time};

/// Something that comes by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// It stops in some days: the one notice that programs get too (E13).
    Expiring,
    /// It stops in so many days: for people.
    Reminder(i64),
    /// It has stopped.
    Expired,
    /// The previous secret has ended.
    OverlapEnded,
    /// Its secret has reached the age at which it should be renewed (X14, T12).
    Old,
    /// Nothing has used it for long.
    Idle,
}

impl What {
    /// The word in the database.
    pub fn word(self) -> String {
        match self {
            Self::Expiring => "expiring".to_owned(),
            Self::Reminder(days) => format!("reminder_{days}"),
            Self::Expired => "expired".to_owned(),
            Self::OverlapEnded => "overlap_ended".to_owned(),
            Self::Old => "old".to_owned(),
            Self::Idle => "idle".to_owned(),
        }
    }

    /// Everything that comes by itself.
    pub fn all() -> impl Iterator<Item = Self> {
        let reminders = EXPIRY_REMINDER_DAYS.map(Self::Reminder);
        [Self::Expiring, Self::Expired, Self::OverlapEnded, Self::Old, Self::Idle]
            .into_iter()
            .chain(reminders)
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::all().find(|what| what.word() == word)
    }
}

/// A thing that will be due: what, about which instant, and when it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// What.
    pub what: What,
    /// The instant that it is about: the expiry, the end of the overlap, the birth of the secret,
    /// the last use. The same thing about the same instant is told once.
    pub of: Time,
    /// When it is told.
    pub at: Time,
}

/// After how many days a secret is called out; `None` for never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ages {
    /// Since it was made.
    pub old: Option<i64>,
    /// Without use.
    pub idle: Option<i64>,
}

impl Ages {
    /// Whether a secret that was made at an instant is called out by now.
    pub fn is_old(self, since: Time, now: Time) -> bool {
        self.old.is_some_and(|days| since.plus_ms(days.saturating_mul(DAY_MS)) <= now)
    }
}

/// Everything that the clock will do to a credential as it is now.
pub fn plan(credential: &Credential, ages: Ages, now: Time) -> Vec<Due> {
    let mut plan = Vec::new();
    if credential.status != Status::Live {
        return plan;
    }
    if let Some(of) = credential.expires_at {
        plan.push(Due { what: What::Expiring, of, at: of.plus_ms(-EXPIRING_DAYS * DAY_MS) });
        plan.push(Due { what: What::Expired, of, at: of });
        let reminders = EXPIRY_REMINDER_DAYS.into_iter().map(|days| Due {
            what: What::Reminder(days),
            of,
            at: of.plus_ms(-days * DAY_MS),
        });
        // Who chose an expiry that is nearer was looking at it a moment ago.
        plan.extend(reminders.filter(|due| due.at > now));
    }
    for secret in &credential.secrets {
        match secret.state {
            SecretState::Retiring { until } => {
                plan.push(Due { what: What::OverlapEnded, of: until, at: until });
            }
            SecretState::Current => {
                let of = secret.created_at;
                let days = |days: i64| of.plus_ms(days.saturating_mul(DAY_MS));
                let old = ages.old.map(|age| Due { what: What::Old, of, at: days(age) });
                let idle = ages.idle.map(|age| Due { what: What::Idle, of, at: days(age) });
                plan.extend(old.into_iter().chain(idle));
            }
            SecretState::Ended { .. } => {}
        }
    }
    plan
}

/// Whether a thing that was planned still holds of the credential as it is now.
pub fn holds(credential: &Credential, due: &Due, now: Time) -> bool {
    if credential.status != Status::Live {
        return false;
    }
    let current = credential.current().map(|secret| secret.created_at);
    match due.what {
        What::Expiring => credential.expires_at == Some(due.of) && now < due.of,
        // One that is late to the next notice would only say the same.
        What::Reminder(days) => {
            let next = EXPIRY_REMINDER_DAYS.into_iter().chain([EXPIRING_DAYS, 0]);
            let next = next.filter(|next| *next < days).max().unwrap_or(0);
            credential.expires_at == Some(due.of) && now < due.of.plus_ms(-next * DAY_MS)
        }
        What::Expired => credential.expires_at == Some(due.of) && due.of <= now,
        What::OverlapEnded => {
            let ended = |state| state == SecretState::Retiring { until: due.of };
            credential.secrets.iter().any(|secret| ended(secret.state)) && due.of <= now
        }
        // What has stopped by itself needs no renewal, and is idle for good.
        What::Old => current == Some(due.of) && !credential.has_expired(now),
        What::Idle => !credential.has_expired(now),
    }
}
