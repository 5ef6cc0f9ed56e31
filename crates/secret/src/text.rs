//! A secret in memory: wiped when dropped, and without any way to print it.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Text that must not be seen. It has no `Debug`, `Display` or `Serialize`.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SecretText(Box<str>);

impl SecretText {
    /// Takes the text over; the caller keeps no copy.
    pub fn new(text: String) -> Self {
        // A boxed str has no spare capacity that a later growth could leave behind unwiped.
        Self(text.into_boxed_str())
    }

    /// The text itself, for the one place that shows it or computes with it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What may be shown of it: its first eight characters at most, an ellipsis, its last four.
    pub fn hint(&self) -> String {
        let chars: Vec<char> = self.0.chars().collect();
        // Of a text that is short for a secret nothing is shown.
        let shown = chars.len().saturating_sub(20);
        let (head, tail) = (shown.min(8), shown.min(4));
        let part = |from: usize, to: usize| chars[from..to].iter().collect::<String>();
        format!("{}…{}", part(0, head), part(chars.len() - tail, chars.len()))
    }
}

impl PartialEq for SecretText {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for SecretText {}

/// HMAC-SHA-256 of the parts, under the secret, as lower-case hex text.
pub fn hmac_sha256_hex(secret: &SecretText, parts: &[&[u8]]) -> String {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret.0.as_bytes())
        .expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    let mut hex = String::with_capacity(64);
    for byte in mac.finalize().into_bytes() {
        for nibble in [byte >> 4, byte & 15] {
            hex.push(char::from(b"0123456789abcdef"[usize::from(nibble)]));
        }
    }
    hex
}

/// Compares two signatures in a time that depends on their lengths only.
pub fn signature_matches(given: &[u8], expected: &[u8]) -> bool {
    given.ct_eq(expected).into()
}
