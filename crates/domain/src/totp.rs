//! An authenticator app's codes over time (RFC 6238): which step a code may be of, and that each
//! passes once. Computing a code needs the seed and is done elsewhere; this judges the match.

use crate::time::Time;

/// Seconds of a step (RFC 6238 §4).
pub const STEP_SECONDS: i64 = 30;
/// How far beside the clock a code is looked for, in steps, to tell a phone whose clock is wrong
/// from a wrong code.
pub const LOOK_AROUND: i64 = 4;
/// How far a phone's clock may be off and still be taken as it is, in steps: two minutes.
pub const DRIFT_MAX: i64 = 4;

/// A member's authenticator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Totp {
    /// Its seed, sealed for this member.
    pub sealed: Vec<u8>,
    /// How many steps its clock is ahead of ours, as far as we know (RFC 6238 §6).
    pub drift: i64,
    /// The step of the last code that passed; none at or before it passes again.
    pub last_step: i64,
    /// A correct code for another time: its step and how far off that was. A later one that is off
    /// by as much shows that it is the phone's clock.
    pub near_miss: Option<(i64, i64)>,
    /// When it was added.
    pub added_at: Time,
}

/// What a code is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judged {
    /// It passes, this once.
    Accepted,
    /// It passed before, or an older one than the last that did.
    Reused,
    /// It is right for another time: the phone's clock is off by so many seconds, ahead if positive.
    ClockOff(i64),
    /// It is wrong.
    Wrong,
}

/// The step of an instant.
pub fn step(now: Time) -> i64 {
    now.0.div_euclid(1000 * STEP_SECONDS)
}

impl Totp {
    /// A new authenticator, proven by a code of the step `matched`, or why that is not enough.
    pub fn enrol(sealed: Vec<u8>, matched: Option<i64>, now: Time) -> Result<Self, Judged> {
        let matched = matched.ok_or(Judged::Wrong)?;
        let drift = matched - step(now);
        if drift.abs() > DRIFT_MAX {
            return Err(Judged::ClockOff(drift * STEP_SECONDS));
        }
        // A code that is one step old was read before the step ended; that is no drift.
        let drift = if drift == -1 { 0 } else { drift };
        Ok(Self { sealed, drift, last_step: matched, near_miss: None, added_at: now })
    }

    /// Judges a code that matches at the step `matched`, if at any within [`LOOK_AROUND`].
    ///
    /// The current step and the one before pass: reading and typing takes time. Two codes in a row
    /// that are off by as much move the drift (RFC 6238 §6), and the second passes.
    pub fn judge(mut self, matched: Option<i64>, now: Time) -> (Self, Judged) {
        let Some(matched) = matched else { return (self, Judged::Wrong) };
        if matched <= self.last_step {
            return (self, Judged::Reused);
        }
        let off = matched - step(now) - self.drift;
        if matches!(off, -1 | 0) {
            self.last_step = matched;
            self.near_miss = None;
            return (self, Judged::Accepted);
        }
        let drift = matched - step(now);
        let again = self
            .near_miss
            .is_some_and(|(before, earlier)| before < matched && (earlier - drift).abs() <= 1);
        if again && drift.abs() <= DRIFT_MAX {
            self.drift = drift;
            self.last_step = matched;
            self.near_miss = None;
            return (self, Judged::Accepted);
        }
        self.near_miss = Some((matched, drift));
        (self, Judged::ClockOff(drift * STEP_SECONDS))
    }
}
