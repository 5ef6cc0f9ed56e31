//! Who acts, with what proof, and whether the scheme lets him.

use serde::{Deserialize, Serialize};

use crate::id::{CredentialId, MemberId};
use crate::scheme::{Act, ActRule, Kind, StepUpRule};

/// What a person may be in an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Answers for the account.
    Owner,
    /// Runs it.
    Admin,
    /// Builds with it.
    Developer,
    /// Looks at it.
    Viewer,
}

impl Role {
    /// Every role, the most powerful first.
    pub const ALL: [Self; 4] = [Self::Owner, Self::Admin, Self::Developer, Self::Viewer];

    /// The word in JSON and in scheme files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Developer => "developer",
            Self::Viewer => "viewer",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

/// A proof, given for one act, that it is really the member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepUp {
    /// The member's password.
    Password,
    /// A code of the member's authenticator.
    Otp,
}

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Actor {
    /// The platform itself: an operator token, or the operator at the machine.
    Operator {
        /// The token's credential id, or `local` for the command line beside the data.
        token: String,
    },
    /// A person in an account. When the platform's own backend speaks for him, `token` says so.
    Member {
        /// Who: the address they sign in with, or as the platform names them.
        member: String,
        /// Their id, when they are signed in here.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<MemberId>,
        /// His role at that moment.
        role: Role,
        /// The operator token that vouched for him.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<String>,
    },
    /// A credential itself, by being used.
    Credential {
        /// Which.
        credential: CredentialId,
    },
    /// Keyway itself, by the clock.
    System,
}

impl Actor {
    /// The operator's token of who needs none: the command line beside the data.
    pub const LOCAL: &str = "local";
}

/// Why an act is not permitted to this actor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotPermitted {
    /// The scheme does not have the act for this kind.
    #[error("{act} is not something a {kind} can have done to it")]
    NotInScheme {
        /// The act.
        act: &'static str,
        /// The kind's label.
        kind: String,
    },
    /// The actor's role may not.
    #[error("a member with the role {role} may not {act} a {kind}; {allowed} may")]
    Role {
        /// The act.
        act: &'static str,
        /// The kind's label.
        kind: String,
        /// The actor's role.
        role: &'static str,
        /// Who may.
        allowed: String,
    },
    /// The act wants a proof that was not given.
    #[error("to {act} a {kind}, {wanted} is needed")]
    StepUp {
        /// The act.
        act: &'static str,
        /// The kind's label.
        kind: String,
        /// The proof that would do.
        wanted: &'static str,
    },
}

/// Proof that an actor may do an act. Only [`admit`] makes one, and every act takes one.
#[derive(Debug, Clone)]
pub struct Permit {
    act: Act,
    actor: Actor,
    step_up: Option<StepUp>,
    as_operator: bool,
}

impl Permit {
    /// What is permitted.
    pub fn act(&self) -> Act {
        self.act
    }

    /// Who acts.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// The proof that was given.
    pub fn step_up(&self) -> Option<StepUp> {
        self.step_up
    }

    /// Whether the act was confirmed beyond being asked for: by a proof, or by the operator's own
    /// token, which stands in for it.
    pub fn is_confirmed(&self) -> bool {
        self.step_up.is_some() || self.as_operator
    }
}

/// Decides whether the actor may do the act to a credential of the kind.
///
/// The operator may do whatever the scheme has for the kind, and his token stands in for the
/// step-up. A member may do what his role may, with the proof that the scheme asks for.
pub fn admit(
    kind: &Kind,
    act: Act,
    actor: &Actor,
    step_up: Option<StepUp>,
) -> Result<Permit, NotPermitted> {
    let Some(rule) = kind.act(act) else {
        return Err(NotPermitted::NotInScheme { act: act.gerund(), kind: kind.label.clone() });
    };
    let as_operator = match actor {
        Actor::Operator { .. } | Actor::System => true,
        // A credential does nothing but be used.
        Actor::Credential { .. } => {
            let allowed = "nothing that authenticates".to_owned();
            let (act, kind) = (act.verb(), kind.label.clone());
            return Err(NotPermitted::Role { act, kind, role: "credential", allowed });
        }
        Actor::Member { role, .. } => {
            admit_member(kind, act, rule, *role, step_up)?;
            false
        }
    };
    Ok(Permit { act, actor: actor.clone(), step_up, as_operator })
}

fn admit_member(
    kind: &Kind,
    act: Act,
    rule: &ActRule,
    role: Role,
    step_up: Option<StepUp>,
) -> Result<(), NotPermitted> {
    if !rule.by.contains(&role) {
        let allowed: Vec<&str> = rule.by.iter().map(|role| role.as_str()).collect();
        let allowed =
            if allowed.is_empty() { "only the platform".to_owned() } else { allowed.join(" or ") };
        let (act, kind, role) = (act.verb(), kind.label.clone(), role.as_str());
        return Err(NotPermitted::Role { act, kind, role, allowed });
    }
    let wanted = match (rule.step_up, step_up) {
        (StepUpRule::None, _)
        | (StepUpRule::Password, Some(StepUp::Password))
        | (StepUpRule::Otp, Some(StepUp::Otp))
        | (StepUpRule::Either, Some(_)) => return Ok(()),
        (StepUpRule::Password, _) => "the password",
        (StepUpRule::Otp, _) => "a code of the authenticator app",
        (StepUpRule::Either, None) => "the password or a code of the authenticator app",
    };
    Err(NotPermitted::StepUp { act: act.verb(), kind: kind.label.clone(), wanted })
}
