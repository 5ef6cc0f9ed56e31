//! Finds secrets where none belongs: in a URL, which logs keep.

use keyway_secret::Environment;

use super::{Act, Scheme};

/// What every token starts with.
pub const TOKEN_PREFIX: &str = "kwt_";
/// So many characters after a secret's prefix make it a secret, also when it was cut.
const SECRET_CHARS_MIN: usize = 10;
const TOKEN_CHARS_MIN: usize = 20;

/// Finds a scheme's secrets and tokens in text.
#[derive(Debug, Clone)]
pub struct Spotter {
    prefixes: Vec<String>,
    has_tokens: bool,
}

impl Spotter {
    /// Finds those of a scheme.
    pub fn new(scheme: &Scheme) -> Self {
        let mut prefixes: Vec<String> = Vec::new();
        for kind in &scheme.kinds {
            // A readable credential is public by nature; in a URL it tells nobody anything.
            let is_public = kind.act(Act::Reveal).is_some();
            for environment in Environment::ALL {
                let prefix = kind.secret.prefix(environment).to_owned();
                if !is_public && !prefixes.contains(&prefix) {
                    prefixes.push(prefix);
                }
            }
        }
        Self { prefixes, has_tokens: scheme.login.is_some() || scheme.oauth.is_some() }
    }

    /// Whether text holds something that looks like a secret, percent-encoded or not.
    pub fn finds(&self, text: &str) -> bool {
        self.finds_plain(text) || (text.contains('%') && self.finds_plain(&percent_decoded(text)))
    }

    fn finds_plain(&self, text: &str) -> bool {
        if self.has_tokens && holds_token(text) {
            return true;
        }
        self.prefixes.iter().any(|prefix| {
            // Most paths are too short to hold one.
            text.len() >= prefix.len() + SECRET_CHARS_MIN
                && text.match_indices(prefix.as_str()).any(|(at, _)| {
                    let rest = text.as_bytes()[at + prefix.len()..].iter();
                    rest.take_while(|byte| byte.is_ascii_alphanumeric()).count() >= SECRET_CHARS_MIN
                })
        })
    }
}

fn holds_token(text: &str) -> bool {
    text.match_indices(TOKEN_PREFIX).any(|(at, _)| {
        let rest = text.as_bytes()[at + TOKEN_PREFIX.len()..].iter();
        let of_one = |byte: &&u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
        rest.take_while(of_one).count() >= TOKEN_CHARS_MIN
    })
}

/// Undoes percent-encoding of ASCII characters; anything else stays as it is.
pub fn percent_decoded(text: &str) -> String {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        decoded.push_str(&rest[..at]);
        let byte = rest.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match byte {
            Some(byte) if byte.is_ascii() => {
                decoded.push(char::from(byte));
                rest = &rest[at + 3..];
            }
            _ => {
                decoded.push('%');
                rest = &rest[at + 1..];
            }
        }
    }
    decoded.push_str(rest);
    decoded
}
