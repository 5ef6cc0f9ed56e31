//! A person in an account, and what may happen to the people there.

use serde_json::json;

use crate::actor::Role;
use crate::canonical::Canonical;
use crate::event::{Happened, Kind};
use crate::id::{AccountId, MemberId};
use crate::time::Time;
use crate::totp::Totp;

/// An address that a person signs in with, in its one spelling: ASCII, lower case, no white space.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Email(String);

/// Characters of an address (RFC 5321 §4.5.3.1.3, less the angle brackets).
const EMAIL_CHARS_MAX: usize = 254;

impl Email {
    /// Reads an address. Two spellings of one address give one value, so that no counter and no
    /// sign-in can be had twice by writing it differently.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        let (local, domain) = text.rsplit_once('@')?;
        let plain = |c: char| c.is_ascii_graphic() && !"<>()[],;:\\\"".contains(c);
        let dotted = domain.contains('.') || domain == "localhost";
        let fits = !local.is_empty()
            && local.len() <= 64
            && !local.contains('@')
            && dotted
            && !domain.starts_with(['.', '-'])
            && !domain.ends_with(['.', '-'])
            && !domain.contains("..")
            && text.len() <= EMAIL_CHARS_MAX
            && text.chars().all(plain);
        fits.then_some(Self(text))
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Email {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A person in an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Their id.
    pub id: MemberId,
    /// The account they are in.
    pub account: AccountId,
    /// What they sign in with. Of the members who are there, each has another.
    pub email: Email,
    /// What they are called.
    pub name: String,
    /// What they may be.
    pub role: Role,
    /// The Argon2id hash of their password (PHC string format).
    pub password: String,
    /// Their authenticator, once a code of it was accepted.
    pub totp: Option<Totp>,
    /// When they joined.
    pub created_at: Time,
    /// When they were last seen, to the minute.
    pub last_active_at: Option<Time>,
    /// When they were removed. The row stays: events name it.
    pub removed_at: Option<Time>,
}

/// Why something can't be done to a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MemberRefusal {
    /// Someone must answer for the account.
    #[error("this is the last owner; make somebody else an owner first")]
    LastOwner,
    /// Nobody gives or takes more than they have.
    #[error("only an owner can do this to an owner, or make one")]
    AboveOwn,
    /// They are gone already.
    #[error("this person was removed already")]
    Removed,
}

impl Member {
    /// Everything that the row's seal covers: whoever edits the row by hand makes nobody an owner
    /// and gives nobody another's password.
    pub fn sealed_bytes(&self) -> Vec<u8> {
        let mut bytes = Canonical::of("members");
        bytes.big(self.id.0);
        bytes.big(self.account.0);
        bytes.text(self.email.as_str());
        bytes.text(self.role.as_str());
        bytes.text(&self.password);
        bytes.number(self.removed_at.map_or(-1, |at| at.0));
        bytes.bytes(self.totp.as_ref().map_or(b"".as_slice(), |totp| &totp.sealed));
        let totp = self.totp.as_ref();
        bytes.number(totp.map_or(0, |totp| totp.drift));
        bytes.number(totp.map_or(0, |totp| totp.last_step));
        bytes.into_bytes()
    }

    /// Gives the member another role. `owners` is how many owners the account has now.
    pub fn change_role(
        mut self,
        role: Role,
        by: Role,
        owners: u64,
    ) -> Result<(Self, Happened), MemberRefusal> {
        self.must_be_in_reach(by)?;
        may_give(by, role)?;
        if self.role == Role::Owner && role != Role::Owner && owners <= 1 {
            return Err(MemberRefusal::LastOwner);
        }
        let before = json!({ "role": self.role, "email": self.email.as_str() });
        self.role = role;
        let after = json!({ "role": self.role, "email": self.email.as_str() });
        Ok((self, Happened::new(Kind::MemberRoleChanged, before, after)))
    }

    /// Takes the member out of the account.
    pub fn remove(
        mut self,
        by: Role,
        owners: u64,
        now: Time,
    ) -> Result<(Self, Happened), MemberRefusal> {
        self.must_be_in_reach(by)?;
        if self.role == Role::Owner && owners <= 1 {
            return Err(MemberRefusal::LastOwner);
        }
        let before = json!({ "role": self.role, "email": self.email.as_str(), "name": self.name });
        self.removed_at = Some(now);
        Ok((self, Happened::new(Kind::MemberRemoved, before, json!({}))))
    }

    fn must_be_in_reach(&self, by: Role) -> Result<(), MemberRefusal> {
        if self.removed_at.is_some() {
            return Err(MemberRefusal::Removed);
        }
        may_give(by, self.role)
    }
}

/// Whether someone with the role `by` may give or take the role `role`.
pub fn may_give(by: Role, role: Role) -> Result<(), MemberRefusal> {
    if role == Role::Owner && by != Role::Owner {
        return Err(MemberRefusal::AboveOwn);
    }
    Ok(())
}
