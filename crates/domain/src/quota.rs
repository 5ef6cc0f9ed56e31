//! A quota: so many requests in a calendar period, over all nodes together.
//!
//! Nodes reserve blocks of it where all of them see, and use a block up without asking anybody. What
//! was reserved never comes to more than the quota, so neither does what is used.

use jiff::tz::TimeZone;
use keyway_secret::Environment;

use crate::limits::QUOTA_BLOCK_MAX;
use crate::time::{DAY_MS, Time};

/// A quota that a scheme declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// The environment whose requests it counts; those of both together if there is none.
    pub environment: Option<Environment>,
    /// Requests a period.
    pub requests: u64,
    /// The period.
    pub per: Per,
    /// Whose requests are counted together.
    pub of: Of,
}

/// The period of a quota, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Per {
    /// A day.
    Day,
    /// A calendar month.
    Month,
}

/// Whose requests a quota counts together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// A credential's, whichever of its secrets they come with.
    Credential,
    /// All of an account's.
    Account,
}

/// One period, from its first instant to the first after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// Its first instant.
    pub starts_at: Time,
    /// The first instant of the next.
    pub ends_at: Time,
}

/// A quota after one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaState {
    /// The quota.
    pub quota: Quota,
    /// Requests left. Where there are several nodes, as far as this one knows.
    pub remaining: u64,
    /// The period.
    pub period: Period,
    /// Milliseconds until it ends.
    pub reset_ms: u64,
}

impl Quota {
    /// What it is called where limits are told apart: `account-month`.
    pub fn name(&self) -> &'static str {
        match (self.of, self.per) {
            (Of::Credential, Per::Day) => "credential-day",
            (Of::Credential, Per::Month) => "credential-month",
            (Of::Account, Per::Day) => "account-day",
            (Of::Account, Per::Month) => "account-month",
        }
    }

    /// Whether it counts requests of an environment.
    pub fn counts(&self, environment: Environment) -> bool {
        self.environment.is_none_or(|own| own == environment)
    }

    /// It at `now`, with so many requests left.
    pub fn state(self, remaining: u64, period: Period, now: Time) -> QuotaState {
        let reset_ms = u64::try_from(period.ends_at.0.saturating_sub(now.0)).unwrap_or(0);
        QuotaState { quota: self, remaining, period, reset_ms }
    }
}

impl QuotaState {
    /// Seconds until there are requests again, at least one.
    pub fn retry_after(&self) -> u64 {
        self.reset_ms.div_ceil(1000).max(1)
    }
}

impl Of {
    /// The word in scheme files and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Credential => "credential",
            Self::Account => "account",
        }
    }
}

impl Per {
    /// The word in scheme files and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    /// The period that an instant is in.
    pub fn period(self, now: Time) -> Period {
        match self {
            Self::Day => {
                let starts_at = Time(now.0.saturating_sub(now.0.rem_euclid(DAY_MS)));
                Period { starts_at, ends_at: starts_at.plus_ms(DAY_MS) }
            }
            // No clock is so wrong that the calendar ends; if one were, its month would never.
            Self::Month => {
                month(now).unwrap_or(Period { starts_at: Time(0), ends_at: Time::NEVER })
            }
        }
    }
}

fn month(now: Time) -> Option<Period> {
    let date = TimeZone::UTC.to_datetime(jiff::Timestamp::from_millisecond(now.0).ok()?).date();
    let start = |date: jiff::civil::Date| {
        let start = date.to_zoned(TimeZone::UTC).ok()?;
        Some(Time(start.timestamp().as_millisecond()))
    };
    let next = date.last_of_month().tomorrow().ok()?;
    Some(Period { starts_at: start(date.first_of_month())?, ends_at: start(next)? })
}

impl Period {
    /// Its length in seconds.
    pub fn seconds(&self) -> u64 {
        u64::try_from(self.ends_at.0.saturating_sub(self.starts_at.0)).unwrap_or(0) / 1000
    }

    /// The number of its first day, counted from 1970.
    pub fn day(&self) -> u32 {
        u32::try_from(self.starts_at.0 / DAY_MS).unwrap_or(0)
    }
}

/// How many of the `left` requests a node reserves at once, for which `waiting` requests wait: few
/// enough that a node which does not use them takes little from the others, and enough that a busy
/// one seldom asks. Those that wait get half of what is left at most: another quota may refuse them.
pub fn block(left: u64, waiting: u64) -> u64 {
    const SHARE: u64 = 32;
    (left / SHARE).max(waiting.min(left.div_ceil(2))).clamp(1, QUOTA_BLOCK_MAX).min(left)
}
