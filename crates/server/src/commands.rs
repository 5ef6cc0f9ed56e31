//! Commands: each function is one transaction that loads, lets a pure function decide, saves, and
//! records what happened. Nothing is sent from here: mail is written into the outbox.

pub mod access_tokens;
pub mod accounts;
pub mod approvals;
pub mod credentials;
pub mod endpoints;
pub mod imports;
pub mod me;
pub mod newcomers;
pub mod notices;
pub mod operators;
pub mod proofs;
pub mod repeats;
pub mod revoke_all;
pub mod rules;
pub mod sessions;
pub mod team;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use keyway_domain::actor::{Actor, NotPermitted, Permit, Role, StepUp, admit};
use keyway_domain::event::{Event, Happened};
use keyway_domain::id::{AccountId, EventId};
use keyway_domain::lifecycle::Refusal;
use keyway_domain::member::{Member, MemberRefusal};
use keyway_domain::scheme::{Act, Kind};
use keyway_domain::time::Time;
use keyway_secret::{Keyring, OsEntropy};
use keyway_store::{DbError, Tx, events};

use crate::app::Realm;
use crate::codes::Code;

/// Why a command did nothing.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// There is no such thing, or it is another account's: nobody learns which.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// A field is wrong.
    #[error("{message}")]
    Invalid {
        /// The field, as a path into the body.
        field: String,
        /// What is wrong with it.
        message: String,
    },
    /// The state does not allow it.
    #[error("{message}")]
    Conflict {
        /// A stable word for it.
        code: Code,
        /// What is in the way.
        message: String,
    },
    /// The credential's life does not allow it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It can't be done to this person, or by this one.
    #[error(transparent)]
    Member(#[from] MemberRefusal),
    /// What was asked for can't be decided so.
    #[error(transparent)]
    Undecidable(#[from] keyway_domain::approval::Undecidable),
    /// A rule wants a second person's approval first.
    #[error("{0}; ask for it in the dashboard")]
    SecondPerson(String),
    /// This actor may not.
    #[error(transparent)]
    NotPermitted(#[from] NotPermitted),
    /// The database could not.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl Error {
    pub(crate) fn invalid(field: &str, message: impl Into<String>) -> Self {
        Self::Invalid { field: field.to_owned(), message: message.into() }
    }
}

/// What a command knows of its circumstances: one instant, one caller.
#[derive(Clone)]
pub struct Moment {
    /// The command's one instant.
    pub now: Time,
    /// Who acts.
    pub actor: Actor,
    /// The proof he gave for this act.
    pub step_up: Option<StepUp>,
    /// The request in which he acts.
    pub request_id: String,
    /// Where it came from.
    pub address: Option<String>,
    /// What sent it, as it called itself.
    pub client: Option<String>,
    /// Why they do it, in a word, if they said so.
    pub reason: Option<&'static str>,
    /// The second person, where one has approved it.
    pub second: Option<Second>,
    /// The keys in use.
    pub keys: Arc<Keyring>,
    /// The realm of what he acts on.
    pub realm: Arc<Realm>,
    /// The order of events within a millisecond.
    pub order: Order,
}

/// The other of the two who are behind an act that needed a second person.
#[derive(Debug, Clone)]
pub enum Second {
    /// Who approved what the actor had asked for.
    ApprovedBy(String),
    /// Who asked for what the actor approves.
    AskedBy(String),
}

/// Counts the events of this process, so that those of one millisecond are told in their order.
#[derive(Clone, Default)]
pub struct Order(Arc<AtomicU32>);

impl Order {
    pub(crate) fn next(&self) -> u32 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

impl Moment {
    /// The same moment with the member as who acts.
    #[must_use]
    pub fn acting_as(&self, member: &Member) -> Self {
        let actor = Actor::Member {
            member: member.email.to_string(),
            id: Some(member.id),
            role: member.role,
            token: None,
        };
        Self { actor, ..self.clone() }
    }

    /// Whether a role may change who is in the team.
    pub fn may_manage(&self, role: Role) -> bool {
        self.realm.rules.scheme.people.manage.contains(&role)
    }

    fn permit(&self, kind: &Kind, act: Act) -> Result<Permit, NotPermitted> {
        admit(kind, act, &self.actor, self.step_up)
    }

    /// Writes an event down, in the transaction of what it tells.
    pub fn record(
        &self,
        tx: &mut Tx<'_>,
        account: AccountId,
        subject: String,
        happened: Happened,
    ) -> Result<(), DbError> {
        events::append(tx, &self.keys.audit, &self.event(account, subject, happened))
    }

    /// An event of this moment.
    fn event(&self, account: AccountId, subject: String, mut happened: Happened) -> Event {
        if let (Some(reason), Some(after)) = (self.reason, happened.after.as_object_mut()) {
            after.insert("reason".to_owned(), reason.into());
        }
        if let (Some(second), Some(after)) = (&self.second, happened.after.as_object_mut()) {
            let (name, who) = match second {
                Second::ApprovedBy(who) => ("approved_by", who),
                Second::AskedBy(who) => ("asked_by", who),
            };
            after.insert(name.to_owned(), who.as_str().into());
        }
        Event {
            id: EventId::ordered(self.now, self.order.next(), &mut OsEntropy),
            at: self.now,
            account,
            kind: happened.kind.as_str().to_owned(),
            subject,
            actor: self.actor.clone().into(),
            step_up: self.step_up.map(Into::into),
            // What the clock does, no request asked for.
            request_id: Some(self.request_id.clone()).filter(|id| !id.is_empty()),
            address: self.address.clone(),
            client: self.client.clone(),
            before: happened.before,
            after: happened.after,
        }
    }
}

/// Why somebody did something, in their words: some, not endless, without control characters but
/// the ends of lines.
pub(crate) fn checked_words(field: &str, words: &str) -> Result<String, Error> {
    let (words, max) = (words.trim(), keyway_domain::limits::WHY_CHARS_MAX);
    let is_odd = |c: char| c.is_control() && !matches!(c, '\n' | '\r');
    if !(1..=max).contains(&words.chars().count()) || words.chars().any(is_odd) {
        return Err(Error::invalid(field, format!("say why, in 1 to {max} characters")));
    }
    Ok(words.to_owned())
}

/// A name as people write it: not empty, not endless, without control characters.
pub(crate) fn checked_name(field: &str, name: &str) -> Result<String, Error> {
    let chars = name.chars().count();
    let max = keyway_domain::limits::NAME_CHARS_MAX;
    if name.trim().is_empty() || chars > max {
        return Err(Error::invalid(field, format!("a name has 1 to {max} characters")));
    }
    // Directional overrides could make one name look like another.
    let bad =
        |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if name.chars().any(bad) {
        return Err(Error::invalid(field, "a name holds no control characters"));
    }
    Ok(name.trim().to_owned())
}
