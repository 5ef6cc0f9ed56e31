//! Typed ids: a prefix and 128 bits, the first 48 of them the time, so that they sort by age.

use std::fmt;

use keyway_secret::Entropy;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::time::Time;

/// Crockford's alphabet without the letters that look like digits, in lower case.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const DIGITS: usize = 26;
/// What each byte is worth as a digit. Ids are read by the million when a node starts.
const VALUES: [u8; 256] = values();
const NO_DIGIT: u8 = u8::MAX;

const fn values() -> [u8; 256] {
    let mut values = [NO_DIGIT; 256];
    let mut digit = 0_u8;
    while (digit as usize) < ALPHABET.len() {
        values[ALPHABET[digit as usize] as usize] = digit;
        digit += 1;
    }
    values
}

fn write_base32(f: &mut fmt::Formatter<'_>, prefix: &str, number: u128) -> fmt::Result {
    let mut text = [0; DIGITS];
    let mut rest = number;
    for place in text.iter_mut().rev() {
        *place = ALPHABET[usize::try_from(rest & 31).expect("five bits fit")];
        rest >>= 5;
    }
    f.write_str(prefix)?;
    f.write_str(std::str::from_utf8(&text).expect("the alphabet is ASCII"))
}

fn parse_base32(text: &str) -> Option<u128> {
    // 26 digits of five bits are 130: the first may only be 0 to 7.
    let digits = <&[u8; DIGITS]>::try_from(text.as_bytes()).ok().filter(|it| it[0] <= b'7')?;
    let mut seen = 0;
    // Twelve digits fit into a word.
    let mut number = |digits: &[u8]| {
        digits.iter().fold(0_u64, |number, byte| {
            let digit = VALUES[usize::from(*byte)];
            seen |= digit;
            (number << 5) | u64::from(digit)
        })
    };
    let words = [number(&digits[..2]), number(&digits[2..14]), number(&digits[14..])];
    // What is no digit has bits that no digit has.
    (seen < 32)
        .then(|| words.iter().fold(0_u128, |number, word| (number << 60) | u128::from(*word)))
}

fn draw(now: Time, entropy: &mut dyn Entropy) -> u128 {
    let ms = u128::try_from(now.0.max(0)).expect("not negative") & 0xffff_ffff_ffff;
    (ms << 80) | (entropy.u128() >> 48)
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u128);

        impl $name {
            /// What the text form starts with.
            pub const PREFIX: &'static str = $prefix;

            /// A new id.
            pub fn new(now: Time, entropy: &mut dyn Entropy) -> Self {
                Self(draw(now, entropy))
            }

            /// Reads the text form; only the one canonical spelling.
            pub fn parse(text: &str) -> Option<Self> {
                parse_base32(text.strip_prefix($prefix)?).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_base32(f, $prefix, self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                Self::parse(&text).ok_or_else(|| {
                    serde::de::Error::custom(concat!("not an id; it looks like ", $prefix, "…"))
                })
            }
        }
    )*};
}

impl EventId {
    /// An id that sorts after those of the same millisecond with a smaller `order`.
    pub fn ordered(now: Time, order: u32, entropy: &mut dyn Entropy) -> Self {
        const KEPT: u128 = !(0xffff_ffff << 48);
        Self((draw(now, entropy) & KEPT) | (u128::from(order) << 48))
    }
}

ids! {
    /// One merchant of the platform.
    AccountId = "acct_";
    /// Something that authenticates.
    CredentialId = "cred_";
    /// Something that happened.
    EventId = "evt_";
    /// A person in an account.
    MemberId = "mem_";
    /// A member's browser, signed in.
    SessionId = "sess_";
    /// An invitation, or a link to set a new password.
    LinkId = "link_";
    /// A secret that is being shown.
    RevealId = "rev_";
    /// An email on its way.
    MessageId = "msg_";
    /// Where an account's programs hear of events.
    EndpointId = "ep_";
    /// An event on its way to an endpoint.
    DeliveryId = "dlv_";
    /// Something unusual.
    AlertId = "alrt_";
    /// An access token of OAuth2.
    TokenId = "tok_";
    /// Something that waits for a second person.
    ApprovalId = "apr_";
    /// The operator's browser, or the link that lets one in.
    OperatorSessionId = "opse_";
}
