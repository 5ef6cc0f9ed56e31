//! What state and scheme can refuse on the routes of credentials, beside what every route has.

use crate::codes::Code;

/// What is done on behalf of a member can be refused to them.
macro_rules! to_members {
    ($($code:ident),*) => {
        &[Code::NotInScheme, Code::RoleNotAllowed, Code::StepUpRequired, $(Code::$code),*]
    };
}

pub(super) const BY_MEMBERS: &[Code] = to_members!();
pub(super) const CREATING: &[Code] =
    to_members!(AlreadyExists, TooManyCredentials, SecondPersonNeeded);
pub(super) const DUPLICATING: &[Code] = to_members!(
    AlreadyExists,
    TooManyCredentials,
    CredentialRevoked,
    CredentialExpired,
    SecondPersonNeeded,
    KindUnknown
);
pub(super) const CHANGING: &[Code] =
    to_members!(CredentialRevoked, CredentialExpired, SecondPersonNeeded, KindUnknown);
pub(super) const REVEALING: &[Code] = to_members!(CredentialRevoked, NotReadable, KindUnknown);
pub(super) const ROTATING: &[Code] = to_members!(
    CredentialRevoked,
    CredentialExpired,
    OverlapRunning,
    SecondPersonNeeded,
    KindUnknown
);
pub(super) const IN_OVERLAP: &[Code] = to_members!(CredentialRevoked, NoOverlap, KindUnknown);
pub(super) const EXTENDING: &[Code] =
    to_members!(CredentialRevoked, NoOverlap, NotLater, TooLate, KindUnknown);
pub(super) const ROLLING_BACK: &[Code] =
    to_members!(CredentialRevoked, CredentialExpired, NoOverlap, KindUnknown);
pub(super) const ENDING: &[Code] = to_members!(KindUnknown);
