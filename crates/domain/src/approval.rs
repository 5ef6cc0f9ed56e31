//! What waits for a second person: asked for by one member, approved or declined by another.

use crate::canonical::Canonical;
use crate::id::{AccountId, ApprovalId, CredentialId, MemberId};
use crate::limits::APPROVAL_MS;
use crate::time::Time;

/// Something that a member asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// Its id.
    pub id: ApprovalId,
    /// Whose account.
    pub account: AccountId,
    /// Who asked.
    pub asked_by: MemberId,
    /// The credential that it would change.
    pub credential: Option<CredentialId>,
    /// What is to be done, in words of the commands. There is no secret in it.
    pub what: String,
    /// What became of it.
    pub state: State,
    /// When it was asked for.
    pub asked_at: Time,
    /// Until when it can be approved, or, once it is, done.
    pub expires_at: Time,
    /// The second person.
    pub decided_by: Option<MemberId>,
    /// When they decided.
    pub decided_at: Option<Time>,
    /// Why, in their words.
    pub why: String,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It waits for a second person.
    Waiting,
    /// It was approved, and waits for who asked: there is a secret to be taken.
    Approved,
    /// It was done.
    Done,
    /// The second person declined.
    Declined,
    /// Who asked took it back.
    Withdrawn,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 5] =
        [Self::Waiting, Self::Approved, Self::Done, Self::Declined, Self::Withdrawn];

    /// The word in JSON and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Approved => "approved",
            Self::Done => "done",
            Self::Declined => "declined",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// Why it can't be decided so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undecidable {
    /// It was decided, or its time is over.
    #[error("this is {0} already")]
    Over(&'static str),
    /// It is the member's own.
    #[error("you asked for this: somebody else has to decide")]
    Own,
    /// It is not the member's own.
    #[error("somebody else asked for this: only they can go on with it")]
    NotOwn,
    /// Nobody has approved it yet.
    #[error("nobody has approved this yet")]
    NotApproved,
    /// Something that it was based on is not as it was.
    #[error("{0} since this was asked for: it has to be asked for again")]
    Stale(&'static str),
}

impl Approval {
    /// The word for what became of it: that of its state, or `expired`.
    pub fn word(&self, now: Time) -> &'static str {
        let is_open = matches!(self.state, State::Waiting | State::Approved);
        if is_open && self.expires_at <= now { "expired" } else { self.state.as_str() }
    }

    /// Whether somebody can still do something about it.
    pub fn is_open(&self, now: Time) -> bool {
        matches!(self.word(now), "waiting" | "approved")
    }

    fn check_open(&self, now: Time) -> Result<(), Undecidable> {
        if self.is_open(now) { Ok(()) } else { Err(Undecidable::Over(self.word(now))) }
    }

    fn decide(mut self, by: MemberId, state: State, now: Time) -> Result<Self, Undecidable> {
        self.check_open(now)?;
        if by == self.asked_by {
            return Err(Undecidable::Own);
        }
        (self.state, self.decided_by, self.decided_at) = (state, Some(by), Some(now));
        Ok(self)
    }

    /// Approves it. What makes a secret then waits for who asked, for as long again.
    pub fn approve(self, by: MemberId, makes_secret: bool, now: Time) -> Result<Self, Undecidable> {
        if self.state == State::Approved {
            return Err(Undecidable::Over("approved"));
        }
        let state = if makes_secret { State::Approved } else { State::Done };
        let mut approved = self.decide(by, state, now)?;
        approved.expires_at = now.plus_ms(APPROVAL_MS);
        Ok(approved)
    }

    /// Declines it; also after it was approved, as long as it was not done.
    pub fn decline(self, by: MemberId, why: String, now: Time) -> Result<Self, Undecidable> {
        Ok(Self { why, ..self.decide(by, State::Declined, now)? })
    }

    /// Takes it back.
    pub fn withdraw(self, by: MemberId, now: Time) -> Result<Self, Undecidable> {
        self.check_open(now)?;
        if by == self.asked_by {
            Ok(Self { state: State::Withdrawn, ..self })
        } else {
            Err(Undecidable::NotOwn)
        }
    }

    /// Does what was approved.
    pub fn take(self, by: MemberId, now: Time) -> Result<Self, Undecidable> {
        self.check_open(now)?;
        match self.state {
            _ if by != self.asked_by => Err(Undecidable::NotOwn),
            State::Approved => Ok(Self { state: State::Done, ..self }),
            _ => Err(Undecidable::NotApproved),
        }
    }

    /// What its row is sealed over: all of it.
    pub fn sealed_bytes(&self) -> Vec<u8> {
        let mut bytes = Canonical::of("approvals");
        bytes.big(self.id.0);
        bytes.big(self.account.0);
        bytes.big(self.asked_by.0);
        bytes.big(self.credential.map_or(0, |id| id.0));
        bytes.text(&self.what);
        bytes.text(self.state.as_str());
        bytes.number(self.asked_at.0);
        bytes.number(self.expires_at.0);
        bytes.big(self.decided_by.map_or(0, |id| id.0));
        bytes.number(self.decided_at.map_or(0, |at| at.0));
        bytes.text(&self.why);
        bytes.into_bytes()
    }
}
