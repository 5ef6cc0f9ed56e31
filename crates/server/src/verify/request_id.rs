//! Request ids that carry their own decision, sealed.
//!
//! `req_` and 67 characters: when, which credential and secret, what was asked, what was decided.
//! Whoever has the root key reads it back (`GET /v1/requests/{id}`), for ever and on every node;
//! to anyone else it is noise. Nothing needs to be stored for a request to be found again (X11).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyway_domain::Environment;
use keyway_domain::grant::{Action, Need};
use keyway_domain::id::CredentialId;
use keyway_domain::time::Time;
use keyway_domain::verdict::{Access, Reason};
use keyway_secret::Sealer;

/// What a request id says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestId {
    /// When it was decided.
    pub at: Time,
    /// The process that decided.
    pub node: u16,
    /// Counts that process's requests.
    pub sequence: u32,
    /// The credential, if it was recognised.
    pub credential: Option<CredentialId>,
    /// Which of its secrets.
    pub secret: u32,
    /// Its environment.
    pub environment: Option<Environment>,
    /// What was decided.
    pub decision: Decision,
    /// What was needed.
    pub access: Access,
    /// The method, as a code.
    pub method: u8,
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The request may pass.
    Allowed,
    /// It may pass, and an address list would have refused it if it did not only report.
    Reported,
    /// It may not.
    Refused(Reason),
    /// It was a call of the management API.
    Management,
}

const PREFIX: &str = "req_";
const VERSION: u8 = 1;
const BYTES: usize = 34;
const METHODS: [&str; 8] = ["", "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

/// The code of a method; 0 for one we have no code for.
pub(super) fn method_code(method: &str) -> u8 {
    let place = METHODS.iter().position(|known| *known == method).unwrap_or(0);
    u8::try_from(place).unwrap_or(0)
}

impl RequestId {
    /// The id as text.
    pub fn seal(&self, sealer: &Sealer) -> String {
        let mut bytes = [0; BYTES];
        bytes[0] = VERSION;
        bytes[1..7].copy_from_slice(&self.at.0.to_be_bytes()[2..]);
        bytes[7..9].copy_from_slice(&self.node.to_be_bytes());
        bytes[9..13].copy_from_slice(&self.sequence.to_be_bytes());
        let credential = self.credential.map_or(0, |id| id.0);
        bytes[13..29].copy_from_slice(&credential.to_be_bytes());
        let secret = u16::try_from(self.secret).unwrap_or(u16::MAX);
        bytes[29..31].copy_from_slice(&secret.to_be_bytes());
        bytes[31] = match self.decision {
            Decision::Allowed => 0,
            Decision::Reported => 254,
            Decision::Management => 255,
            Decision::Refused(reason) => 1 + reason as u8,
        };
        let (resource, action) = match self.access {
            Access::Identity => (254, 0),
            Access::Unlisted => (255, 0),
            Access::Needs(need) => (need.resource, u8::from(need.action == Action::Write)),
        };
        bytes[32] = resource;
        let environment = match self.environment {
            None => 0,
            Some(Environment::Test) => 1,
            Some(Environment::Live) => 2,
        };
        bytes[33] = (self.method << 4) | (environment << 1) | action;
        let mut text = String::with_capacity(PREFIX.len() + 67);
        text.push_str(PREFIX);
        URL_SAFE_NO_PAD.encode_string(sealer.seal_unique(&bytes), &mut text);
        text
    }

    /// Reads an id; `None` if it is not one of this deployment's.
    pub fn open(text: &str, sealer: &Sealer) -> Option<Self> {
        let sealed = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
        let bytes = <[u8; BYTES]>::try_from(sealer.unseal_unique(&sealed).ok()?).ok()?;
        if bytes[0] != VERSION {
            return None;
        }
        let mut at = [0; 8];
        at[2..].copy_from_slice(&bytes[1..7]);
        let credential = u128::from_be_bytes(bytes[13..29].try_into().ok()?);
        let environment = (bytes[33] >> 1) & 3;
        let action = if bytes[33] & 1 == 1 { Action::Write } else { Action::Read };
        Some(Self {
            at: Time(i64::from_be_bytes(at)),
            node: u16::from_be_bytes(bytes[7..9].try_into().ok()?),
            sequence: u32::from_be_bytes(bytes[9..13].try_into().ok()?),
            credential: (credential != 0).then_some(CredentialId(credential)),
            secret: u32::from(u16::from_be_bytes(bytes[29..31].try_into().ok()?)),
            environment: match environment {
                1 => Some(Environment::Test),
                2 => Some(Environment::Live),
                _ => None,
            },
            decision: match bytes[31] {
                0 => Decision::Allowed,
                254 => Decision::Reported,
                255 => Decision::Management,
                code => Decision::Refused(*Reason::ALL.get(usize::from(code) - 1)?),
            },
            access: match bytes[32] {
                254 => Access::Identity,
                255 => Access::Unlisted,
                resource => Access::Needs(Need { resource, action }),
            },
            method: bytes[33] >> 4,
        })
    }

    /// The method's name.
    pub fn method_name(&self) -> &'static str {
        METHODS.get(usize::from(self.method)).copied().unwrap_or("")
    }
}
