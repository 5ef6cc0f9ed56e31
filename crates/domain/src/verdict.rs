//! May this request pass? Allowed, or exactly one reason why not.

use std::fmt;

use keyway_secret::Environment;

use crate::grant::{Grant, Need};
use crate::time::Time;

macro_rules! reasons {
    ($($variant:ident = $name:literal, $status:literal, $message:literal;)*) => {
        /// Why a request may not pass. Stable and distinct; an answer, never an error. New ones come
        /// last: request ids carry the place.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Reason {
            $(#[doc = $message] $variant,)*
        }

        impl Reason {
            /// Every reason.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The HTTP status, unless the scheme has another.
            pub fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }

            /// The message to the client, unless the scheme has another.
            pub fn message(self) -> &'static str {
                match self { $(Self::$variant => $message,)* }
            }
        }
    };
}

reasons! {
    Missing = "missing", 401, "No credential was sent.";
    Malformed = "malformed", 401, "What was sent is not a well-formed credential: {detail}.";
    Unknown = "unknown", 401, "The credential is not known.";
    Revoked = "revoked", 401, "The credential was revoked or replaced.";
    Expired = "expired", 401, "The credential has expired.";
    WrongEnvironment = "wrong_environment", 401, "The credential belongs to the {environment} environment.";
    InsufficientScope = "insufficient_scope", 403, "The credential lacks the permission {missing}.";
    ResourceNotAccessible = "resource_not_accessible", 403, "The resource belongs to another account.";
    AddressNotAllowed = "address_not_allowed", 403, "The credential may not be used from this address.";
    RateLimited = "rate_limited", 429, "Too many requests. Try again in {retry_after} s.";
    AccountSuspended = "account_suspended", 403, "The account is suspended.";
    Replayed = "replayed", 401, "The request was seen before: use a new salt for each request.";
    BadSignature = "bad_signature", 401, "The signature does not match the request.";
    ClockSkew = "clock_skew", 401, "The timestamp is too far from the present time.";
    Unavailable = "unavailable", 503, "The credential could not be verified now. Try again.";
    QuotaExceeded = "quota_exceeded", 429, "The quota is used up. Try again in {retry_after} s.";
}

impl Reason {
    /// Reads the word on the wire.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.as_str() == text)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is known of the presented secret and its credential, at one instant.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// The credential's environment.
    pub environment: Environment,
    /// Its grant.
    pub grant: Grant,
    /// The first instant at which this secret is refused by itself.
    pub ends_at: Time,
    /// What that end is: expiry of the credential, or the end of its overlap or life.
    pub ends_by_expiry: bool,
    /// Whether the account is suspended.
    pub suspended: bool,
    /// Whether the client's address is in the credential's list (or there is no list).
    pub address_allowed: bool,
}

/// What the request asks for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// The environment that the endpoint serves, if it serves one.
    pub environment: Option<Environment>,
    /// What the route needs.
    pub access: Access,
    /// Whether the target belongs to the credential's account, if the API knows whose it is.
    pub own_target: bool,
}

/// What a route needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// One action on one resource.
    Needs(Need),
    /// A route no list names: only a grant of everything reaches it.
    Unlisted,
    /// Nothing but a valid credential: the caller only asks who it is.
    Identity,
}

/// Judges. Everything about the credential itself comes before anything about the request, so that
/// a refusal never tells more than the credential's holder may know.
pub fn judge(facts: &Facts, wanted: &Wanted, now: Time) -> Result<(), Reason> {
    if facts.ends_at <= now {
        return Err(if facts.ends_by_expiry { Reason::Expired } else { Reason::Revoked });
    }
    if facts.suspended {
        return Err(Reason::AccountSuspended);
    }
    if wanted.environment.is_some_and(|served| served != facts.environment) {
        return Err(Reason::WrongEnvironment);
    }
    if !facts.address_allowed {
        return Err(Reason::AddressNotAllowed);
    }
    let reaches = match wanted.access {
        Access::Needs(need) => facts.grant.allows(need),
        Access::Unlisted => facts.grant == Grant::Everything,
        Access::Identity => true,
    };
    if !reaches {
        return Err(Reason::InsufficientScope);
    }
    if !wanted.own_target {
        return Err(Reason::ResourceNotAccessible);
    }
    Ok(())
}
