//! What is remembered: a fact, who did it, and what changed.

use serde::Serialize;
use serde_json::Value;

use crate::actor::{Actor, StepUp};
use crate::id::{AccountId, EventId};
use crate::time::Time;

macro_rules! kinds {
    ($($variant:ident = $name:literal, $meaning:literal;)*) => {
        /// What can happen.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Kind {
            $(#[doc = $meaning] $variant,)*
        }

        impl Kind {
            /// Every kind of event.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name on the wire and in the database.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it means, in a sentence.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }
        }
    };
}

kinds! {
    AccountCreated = "account.created", "An account was created.";
    AccountUpdated = "account.updated", "An account was renamed or given another external id.";
    AccountSuspended = "account.suspended", "An account was suspended: all its credentials are refused.";
    AccountResumed = "account.resumed", "A suspended account was let in again.";
    Created = "api_key.created", "A credential was created.";
    Imported = "api_key.imported", "A credential was imported from another system by its hash.";
    Duplicated = "api_key.duplicated", "A credential was created as a copy of another.";
    Revealed = "api_key.revealed", "A readable credential was shown again.";
    Rotated = "api_key.rotated", "A credential got a new secret.";
    Regenerated = "api_key.regenerated", "A credential's secret was replaced at once.";
    RotationFinished = "api_key.rotation_finished", "The previous secret was ended before its time.";
    OverlapExtended = "api_key.overlap_extended", "The previous secret was given more time.";
    RolledBack = "api_key.rolled_back", "A rotation was undone: the new secret ended, the previous one is current.";
    Updated = "api_key.updated", "A credential's name, grant, addresses, limit or expiry changed.";
    Revoked = "api_key.revoked", "A credential was revoked.";
    Deleted = "api_key.deleted", "A credential was deleted.";
    OwnerChanged = "api_key.owner_changed", "A credential was put into another person's care.";
    MemberInvited = "member.invited", "A person was invited.";
    InvitationWithdrawn = "member.invitation_withdrawn", "An invitation was withdrawn.";
    MemberJoined = "member.joined", "A person joined the account.";
    MemberRoleChanged = "member.role_changed", "A person got another role.";
    MemberRemoved = "member.removed", "A person was removed; their credentials went to another.";
    MemberRenamed = "member.renamed", "A person changed their name.";
    PasswordChanged = "member.password_changed", "A person changed their password.";
    PasswordResetAsked = "member.password_reset_asked", "A link to set a new password was made.";
    PasswordReset = "member.password_reset", "A person set a new password by a link.";
    FactorAdded = "member.factor_added", "A person added an authenticator app.";
    FactorRemoved = "member.factor_removed", "A person's authenticator app was removed.";
    RecoveryCodesMade = "member.recovery_codes_made", "A person got new recovery codes.";
    RecoveryCodeUsed = "member.recovery_code_used", "A recovery code stood in for the authenticator.";
    SignedIn = "session.started", "A person signed in.";
    SignedOut = "session.ended", "A person signed out, or a session of theirs was ended.";
    ProofsExhausted = "member.tries_exhausted", "Too many wrong passwords or codes; none is looked at for a while.";
    SettingsChanged = "settings.updated", "The account's settings changed.";
}

/// A fact that a transition reports: what, and the part that changed, before and after.
#[derive(Debug, Clone, PartialEq)]
pub struct Happened {
    /// What.
    pub kind: Kind,
    /// The part that changed, as it was.
    pub before: Value,
    /// The part that changed, as it is.
    pub after: Value,
}

impl Happened {
    /// A fact.
    pub fn new(kind: Kind, before: Value, after: Value) -> Self {
        Self { kind, before, after }
    }
}

/// A fact as it is kept: with who, when and in which request.
#[derive(Debug, Clone, Serialize)]
pub struct Event {
    /// Its id.
    pub id: EventId,
    /// When.
    pub at: Time,
    /// In whose account.
    pub account: AccountId,
    /// What, by its name on the wire.
    #[serde(rename = "type")]
    pub kind: String,
    /// The id of what it happened to.
    pub subject: String,
    /// Who did it.
    pub actor: Actor,
    /// The proof he gave for it.
    pub step_up: Option<StepUp>,
    /// The request in which it happened.
    pub request_id: Option<String>,
    /// Where that request came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// What sent it, as it called itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// The part that changed, as it was.
    pub before: Value,
    /// The part that changed, as it is.
    pub after: Value,
}
