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

            /// Reads the name.
            pub fn parse(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|kind| kind.as_str() == name)
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
    RevokedTogether = "account.credentials_revoked", "Many credentials of an account were revoked at once.";
    HistoryRestored = "api_key.history_restored", "What the database had lost of a credential was put back.";
    TokenRevoked = "api_key.token_revoked", "An access token of a credential was revoked by its client.";
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
    Expiring = "api_key.expiring", "A credential stops by itself in 7 days.";
    ExpiryReminded = "api_key.expiry_reminded", "A credential stops by itself in 30 days, or in one.";
    Expired = "api_key.expired", "A credential has stopped by itself.";
    OverlapEnded = "api_key.overlap_ended", "The previous secret has ended, as was said when it was rotated.";
    Old = "api_key.old", "A credential's secret has reached the age at which it should be renewed.";
    Idle = "api_key.idle", "Nothing has used a credential for long.";
    UsageSpike = "api_key.usage_spike", "A credential is used unexpectedly much.";
    ErrorBurst = "api_key.error_burst", "Unusually many requests of a credential are refused.";
    NewNetwork = "api_key.new_network", "A credential was used from a network for the first time.";
    EndedSecretUsed = "api_key.ended_secret_used", "A secret was used that has ended: revoked, replaced or expired.";
    WrongEnvironmentUsed = "api_key.wrong_environment_used", "A test credential was used in production, or the reverse.";
    SignInRefused = "session.refused", "A sign-in was refused: a wrong password or a wrong code.";
    ActRefused = "act.refused", "Somebody tried what their role may not do, or did not confirm it.";
    EndpointCreated = "webhook.created", "An endpoint for webhooks was added.";
    EndpointUpdated = "webhook.updated", "An endpoint's URL or events changed, or it was switched on or off.";
    EndpointRotated = "webhook.rotated", "An endpoint got a new signing secret.";
    EndpointRemoved = "webhook.removed", "An endpoint was removed.";
    EndpointDisabled = "webhook.disabled", "An endpoint was switched off: it is gone, or nothing arrived there for days.";
    EndpointTested = "webhook.test", "Somebody asked for a message to try an endpoint with.";
    Replayed = "webhook.replayed", "Messages were sent to an endpoint again.";
    ApprovalAsked = "approval.asked", "Somebody asked for what a second person has to approve.";
    ApprovalGiven = "approval.approved", "A second person approved what somebody had asked for.";
    ApprovalDeclined = "approval.declined", "A second person declined what somebody had asked for.";
    ApprovalWithdrawn = "approval.withdrawn", "Somebody took back what they had asked for.";
    AccountViewed = "account.viewed_by_platform", "Somebody of the platform opened the account's page.";
    OperatorEntered = "operator.entered", "A browser was let in to the operator's pages, by a link of this token.";
    OperatorLeft = "operator.left", "The operator's pages were left before their time was over.";
    QuotaExhausted = "quota.exhausted", "Nothing is left of a quota but what nodes have reserved: of a credential, or of an account.";
    AlertTested = "alert.test", "Somebody tried how alerts arrive.";
}

impl Kind {
    /// Whether programs may hear of it: what happens to credentials and their quotas, and a test of
    /// the way there.
    /// People's doings are theirs.
    pub fn is_for_programs(self) -> bool {
        self.as_str().starts_with("api_key.")
            || matches!(self, Self::QuotaExhausted | Self::EndpointTested | Self::AlertTested)
    }
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

/// Who did something, as far as this version can read what was written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Author {
    /// He.
    Known(Actor),
    /// Somebody of a sort that a newer version knows, or whose row is damaged.
    Unknown,
}

impl From<Actor> for Author {
    fn from(actor: Actor) -> Self {
        Self::Known(actor)
    }
}

impl Serialize for Author {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Known(actor) => actor.serialize(serializer),
            Self::Unknown => serde_json::json!({ "type": "unknown" }).serialize(serializer),
        }
    }
}

/// The proof that was given for something, as far as this version can read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// This one.
    Known(StepUp),
    /// One of a sort that a newer version knows, or whose row is damaged.
    Unknown,
}

impl From<StepUp> for Proof {
    fn from(proof: StepUp) -> Self {
        Self::Known(proof)
    }
}

impl Serialize for Proof {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Known(proof) => proof.serialize(serializer),
            Self::Unknown => "unknown".serialize(serializer),
        }
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
    pub actor: Author,
    /// The proof he gave for it.
    pub step_up: Option<Proof>,
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
