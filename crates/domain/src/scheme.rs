//! A platform's declared rules, parsed into types that cannot be wrong.
//!
//! A scheme comes from a TOML file ([`Scheme::parse`]). Nothing in Keyway asks which scheme it is:
//! whatever differs between platforms is said in these types.

mod dialect;
mod explain;
mod file;
mod grants;
mod notices;
mod people;
mod quotas;
mod read;
mod read_kind;
mod read_wire;
mod routes;
mod signature;
mod spot;

pub use dialect::{Dialect, Placeholders, RateHeaders, Refused, Rendered};
pub use explain::explain;
pub use grants::{GrantError, Levels};
pub use people::People;
pub use read::SchemeError;
pub use routes::{Found, Routes, is_canonical};
pub use signature::{
    Signature, SignatureEncoding, SignatureHeaders, SignedBody, SignedPart, SignedValues,
};
pub use spot::{Spotter, TOKEN_PREFIX, percent_decoded};

use keyway_secret::{Environment, Template};

use crate::actor::Role;
use crate::credential::RateLimit;
use crate::grant::{Grant, Need};
use crate::quota::Quota;
use crate::rules::Rules;

/// The rules of one platform.
#[derive(Debug, Clone)]
pub struct Scheme {
    /// The text it was read from.
    pub text: String,
    /// Its short name.
    pub name: String,
    /// The platform's name, for people.
    pub title: String,
    /// One sentence on what it is.
    pub summary: String,
    /// What the platform calls a credential, and several.
    pub words: Words,
    /// Labels of test and live.
    pub environment_labels: [String; 2],
    /// Groups of resources, in the order of the pages.
    pub groups: Vec<Group>,
    /// What can be granted.
    pub resources: Vec<Resource>,
    resource_names: Vec<String>,
    /// How access is labelled.
    pub levels: Levels,
    /// Method and path → resource and action.
    pub routes: Routes,
    /// The kinds of credentials.
    pub kinds: Vec<Kind>,
    /// Limits of credentials that have none of their own, per environment.
    pub rates: [Option<RateLimit>; 2],
    /// Requests a calendar period that credentials and accounts have.
    pub quotas: Vec<Quota>,
    /// How refusals look.
    pub dialect: Dialect,
    /// The login, if a kind has one.
    pub login: Option<Login>,
    /// Access tokens, if pairs may be traded for some.
    pub oauth: Option<OAuth>,
    /// The request signature, if a kind has one.
    pub signature: Option<Signature>,
    /// Whom events are told, and how: what the scheme says, and where it says nothing what every
    /// platform needs.
    pub notices: Vec<Notice>,
    /// Days without use after which a credential is called idle; 0 for never.
    pub idle_after_days: Option<u32>,
    /// Days for which the audit log is kept; for ever if the scheme says nothing.
    pub audit_kept_days: Option<u32>,
    /// What the signature of a message to an endpoint covers, where the platform's own form is sent
    /// beside the standard one. Its headers and its encoding are those of [`Signature`].
    pub webhook_message: Option<Vec<SignedPart>>,
    /// Who may do what beside credentials.
    pub people: People,
    /// Security rules of every account; an account's own can only be stricter.
    pub rules: Rules,
}

/// What the platform calls things.
#[derive(Debug, Clone)]
pub struct Words {
    /// One: "API key".
    pub credential: String,
    /// Several: "API keys".
    pub credentials: String,
}

/// A named set of resources.
#[derive(Debug, Clone)]
pub struct Group {
    /// Its name in grants.
    pub name: String,
    /// Its label.
    pub label: String,
}

/// A product of the platform's API.
#[derive(Debug, Clone)]
pub struct Resource {
    /// Its name in grants.
    pub name: String,
    /// Its label.
    pub label: String,
    /// What it is for, in a few words.
    pub about: String,
    /// Whether writing to it can take money out of the account: pages warn of it.
    pub moves_money: bool,
    /// The place of its group.
    pub group: Option<usize>,
}

/// A sort of credential.
#[derive(Debug, Clone)]
pub struct Kind {
    /// Its name in JSON.
    pub name: String,
    /// Its label.
    pub label: String,
    /// The shape of its secret.
    pub secret: Template,
    /// What the secret is called where it is shown: `key`, `client_secret` …
    pub secret_field: String,
    /// The environment variable it belongs into.
    pub secret_variable: String,
    /// Its public id, if it has one.
    pub public_id: Option<PublicId>,
    /// How clients present it.
    pub presented: Vec<Presented>,
    /// What is kept of it.
    pub kept: Kept,
    /// Whether there may be only one per account and environment.
    pub single: bool,
    /// Whether registration makes one per environment.
    pub at_registration: bool,
    /// What it may be granted.
    pub grants: KindGrant,
    /// Whether and how it expires.
    pub expiry: Expiry,
    /// Days after which its secret is called out for renewal.
    pub old_after_days: Option<u32>,
    /// A call that a credential of this kind can make: what people are shown to try it with.
    pub example: Example,
    acts: Vec<(Act, ActRule)>,
}

/// A call of the platform's API, to show.
#[derive(Debug, Clone)]
pub struct Example {
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The JSON body, if the call has one.
    pub body: Option<String>,
}

/// A public id beside the secret.
#[derive(Debug, Clone)]
pub struct PublicId {
    /// Its shape.
    pub template: Template,
    /// What it is called where it is shown: `client_id`, `access_key`.
    pub field: String,
    /// The environment variable it belongs into.
    pub variable: String,
    /// What shares it.
    pub scope: IdScope,
}

/// What shares a public id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdScope {
    /// Each secret has its own.
    Secret,
    /// The secrets of a credential share one.
    Credential,
    /// The credentials of an account share one per environment.
    Account,
}

/// How a client presents a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presented {
    /// `Authorization: Bearer <secret>` (RFC 6750).
    Bearer,
    /// `Authorization: Basic base64(<secret>:)` (RFC 7617).
    BasicUser,
    /// `Authorization: Basic base64(<id>:<secret>)`.
    BasicPair,
    /// `Authorization: Bearer base64(<id>:<secret>)`.
    BearerPair,
    /// Id and secret at the login, then its token.
    Login,
    /// An HMAC over the request.
    Signature,
}

/// What is kept of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Its digest. Nobody can read it again.
    Digest,
    /// The secret too, sealed, because verification computes with it. Nobody is shown it again.
    Sealed,
    /// The secret too, sealed; it is public and may be shown at any time.
    Readable,
}

/// What a kind may be granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KindGrant {
    /// Always everything.
    Everything,
    /// Always exactly this.
    Fixed(Grant),
    /// What its creator chooses within these bounds.
    Chosen {
        /// The widest choice that names resources.
        widest: Grant,
        /// Whether "everything" may be chosen.
        everything: bool,
    },
}

/// Whether and how credentials of a kind expire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// They don't.
    Never,
    /// They may.
    Optional {
        /// Chosen as a date; the credential stops at 00:00:00Z at its start.
        by_date: bool,
        /// The furthest choice, in days.
        days_max: i64,
    },
}

/// Something that can be done to a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Act {
    /// Make it.
    Create,
    /// Show a readable one again.
    Reveal,
    /// Give it a new secret, with or without an overlap.
    Rotate,
    /// End the overlap now.
    Finish,
    /// Give the overlap more time.
    Extend,
    /// Undo the rotation.
    Rollback,
    /// Replace the secret at once.
    Regenerate,
    /// Make another one like it.
    Duplicate,
    /// Change what it may do.
    Edit,
    /// Change its name.
    Rename,
    /// Change when it expires.
    Expire,
    /// End it.
    Revoke,
    /// End it and take it off the list.
    Delete,
}

impl Act {
    /// Every act, with its word in scheme files and how a sentence says it.
    pub const ALL: [(Self, &'static str, &'static str); 13] = [
        (Self::Create, "create", "being created"),
        (Self::Reveal, "reveal", "being shown again"),
        (Self::Rotate, "rotate", "rotation"),
        (Self::Finish, "finish", "finishing a rotation early"),
        (Self::Extend, "extend", "more time for its previous secret"),
        (Self::Rollback, "rollback", "rolling a rotation back"),
        (Self::Regenerate, "regenerate", "regeneration"),
        (Self::Duplicate, "duplicate", "duplication"),
        (Self::Edit, "edit", "changing its access"),
        (Self::Rename, "rename", "renaming"),
        (Self::Expire, "expire", "changing its expiry"),
        (Self::Revoke, "revoke", "revocation"),
        (Self::Delete, "delete", "deletion"),
    ];

    fn entry(self) -> (Self, &'static str, &'static str) {
        Self::ALL[self as usize]
    }

    /// The word in scheme files and events.
    pub fn verb(self) -> &'static str {
        self.entry().1
    }

    /// As a thing that is done to a credential.
    pub fn gerund(self) -> &'static str {
        self.entry().2
    }
}

/// Under which rules an act is done.
#[derive(Debug, Clone)]
pub struct ActRule {
    /// Members with these roles may; the platform itself always may.
    pub by: Vec<Role>,
    /// The proof a member gives.
    pub step_up: StepUpRule,
    /// Whether pages ask to tick a box first.
    pub confirm: bool,
    /// For rotation: how long the previous secret stays.
    pub overlap: Option<Overlap>,
    /// For more time: how long after the rotation the previous secret may end, in milliseconds.
    pub up_to_ms: Option<i64>,
}

/// The proof that an act asks a member for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepUpRule {
    /// None.
    None,
    /// The password.
    Password,
    /// A code of the authenticator.
    Otp,
    /// One of them.
    Either,
}

/// How long a rotation's previous secret may stay, in milliseconds.
#[derive(Debug, Clone)]
pub struct Overlap {
    /// The shortest choice.
    pub from_ms: i64,
    /// The longest.
    pub to_ms: i64,
    /// What is taken when nothing is said.
    pub default_ms: i64,
    /// What pages offer.
    pub offered_ms: Vec<i64>,
}

/// The login of a kind that trades id and secret for a token.
#[derive(Debug, Clone)]
pub struct Login {
    /// Its path.
    pub path: String,
    /// The header with the id.
    pub id_header: String,
    /// The header with the secret.
    pub secret_header: String,
    /// The status of the reply; clients insist on theirs.
    pub status: u16,
    /// The reply, with `{token}` and `{expires_at}`.
    pub body: String,
    /// How long a token lives, in milliseconds.
    pub lifetime_ms: i64,
}

/// Pairs may be traded for access tokens (RFC 6749 §4.4).
#[derive(Debug, Clone, Copy)]
pub struct OAuth {
    /// How long a token lives, in milliseconds.
    pub lifetime_ms: i64,
}

/// Who is told of an event.
#[derive(Debug, Clone)]
pub struct Notice {
    /// The event, by its name on the wire.
    pub event: String,
    /// Members with these roles get mail.
    pub mail: Vec<Role>,
    /// Whether webhooks carry it.
    pub webhook: bool,
}

impl Scheme {
    /// Reads a scheme file.
    pub fn parse(text: &str) -> Result<Self, SchemeError> {
        read::scheme(text)
    }

    /// The names of its resources, in their order.
    pub fn resource_names(&self) -> &[String] {
        &self.resource_names
    }

    /// The place of a resource.
    pub fn resource(&self, name: &str) -> Option<u8> {
        let place = self.resource_names.iter().position(|resource| resource == name)?;
        u8::try_from(place).ok()
    }

    /// The kind of that name.
    pub fn kind(&self, name: &str) -> Option<&Kind> {
        self.kinds.iter().find(|kind| kind.name == name)
    }

    /// The place of a kind.
    pub fn kind_place(&self, name: &str) -> Option<u8> {
        let place = self.kinds.iter().position(|kind| kind.name == name)?;
        u8::try_from(place).ok()
    }

    /// What an action on a resource is called in refusals: `invoices:write`.
    pub fn say_need(&self, need: Need) -> String {
        let resource = self.resource_names.get(usize::from(need.resource));
        format!("{}:{}", resource.map_or("?", String::as_str), need.action.as_str())
    }

    /// The headers in which its credentials come, lower-case.
    pub fn credential_headers(&self) -> Vec<String> {
        let mut names = vec!["authorization".to_owned()];
        if let Some(signature) = &self.signature {
            let headers = &signature.headers;
            let all = [&headers.id, &headers.signature, &headers.salt, &headers.timestamp];
            names.extend(all.into_iter().cloned());
        }
        if let Some(login) = &self.login {
            names.extend([login.id_header.clone(), login.secret_header.clone()]);
        }
        names
    }

    /// Whom an event is told.
    pub fn notice(&self, event: &str) -> Option<&Notice> {
        self.notices.iter().find(|notice| notice.event == event)
    }

    /// The label of an environment.
    pub fn environment_label(&self, environment: Environment) -> &str {
        &self.environment_labels[environment as usize]
    }
}

impl Kind {
    /// The rule of an act; `None` if the kind does not have it.
    pub fn act(&self, act: Act) -> Option<&ActRule> {
        self.acts.iter().find(|(declared, _)| *declared == act).map(|(_, rule)| rule)
    }

    /// Every act the kind has.
    pub fn acts(&self) -> impl Iterator<Item = (Act, &ActRule)> {
        self.acts.iter().map(|(act, rule)| (*act, rule))
    }

    /// Whether clients may present it so.
    pub fn is_presented(&self, how: Presented) -> bool {
        self.presented.contains(&how)
    }
}

impl Overlap {
    /// Whether there is nothing to choose.
    pub fn is_fixed(&self) -> bool {
        self.from_ms == self.to_ms
    }
}
