//! What is kept in place of a secret: a keyed digest, and the seal over a stored row.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest as _, Sha256, Sha512};
use subtle::ConstantTimeEq;

type HmacSha256 = Hmac<Sha256>;

/// HMAC-SHA-256 of a presented string under the pepper. Without the pepper it says nothing about
/// the string, and nobody who can write to the database can make one for a string of his own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 32]);

/// The first 128 bits of a digest: what the index looks up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DigestPrefix(pub [u64; 2]);

impl Digest {
    /// The part the index keeps.
    pub fn prefix(&self) -> DigestPrefix {
        let word = |at: usize| {
            u64::from_be_bytes(self.0[at..at + 8].try_into().expect("eight bytes are eight"))
        };
        DigestPrefix([word(0), word(8)])
    }
}

impl DigestPrefix {
    /// The prefix as bytes, in the order of the digest.
    pub fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.0[0].to_be_bytes());
        bytes[8..].copy_from_slice(&self.0[1].to_be_bytes());
        bytes
    }

    /// Reads what [`DigestPrefix::to_bytes`] wrote.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        let number = u128::from_be_bytes(bytes);
        let low = u64::try_from(number & u128::from(u64::MAX)).expect("masked to 64 bits");
        Self([u64::try_from(number >> 64).expect("shifted to 64 bits"), low])
    }
}

/// The key of the digests. Pre-keyed, so that a digest costs two compressions, not four.
#[derive(Clone)]
pub struct Pepper(HmacSha256);

impl Pepper {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(HmacSha256::new_from_slice(key).expect("HMAC takes keys of any length"))
    }

    /// The digest of one string.
    pub fn digest(&self, text: &str) -> Digest {
        self.digest_parts(&[text.as_bytes()])
    }

    /// The digest of a pair as its client presents it: `id:secret`.
    pub fn digest_pair(&self, id: &str, secret: &str) -> Digest {
        self.digest_parts(&[id.as_bytes(), b":", secret.as_bytes()])
    }

    /// The digest of the parts, one after the other.
    pub fn digest_parts(&self, parts: &[&[u8]]) -> Digest {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(part);
        }
        Digest(mac.finalize().into_bytes().into())
    }
}

/// The text whose digest is kept for a key that was imported as its SHA-256.
pub fn imported_sha256(key: &[u8]) -> String {
    imported("sha256", &Sha256::digest(key))
}

/// The text whose digest is kept for a key that was imported as its SHA-512.
pub fn imported_sha512(key: &[u8]) -> String {
    imported("sha512", &Sha512::digest(key))
}

fn imported(algorithm: &str, hash: &[u8]) -> String {
    use std::fmt::Write as _;
    let hex = hash.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes everything");
        text
    });
    imported_hash(algorithm, &hex)
}

/// The text whose digest is kept for a key of which only a hash is known. It begins with a NUL,
/// which no presented credential may hold: who has the old hash does not have the key.
pub fn imported_hash(algorithm: &str, hex: &str) -> String {
    format!("\0{algorithm}:{hex}")
}

/// A MAC over what a stored row says. A row that was edited outside Keyway does not have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowSeal(pub [u8; 32]);

/// Makes and checks row seals.
#[derive(Clone)]
pub struct RowSealer(HmacSha256);

impl RowSealer {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(HmacSha256::new_from_slice(key).expect("HMAC takes keys of any length"))
    }

    /// The seal of a row, given as its canonical bytes.
    pub fn seal(&self, row: &[u8]) -> RowSeal {
        let mut mac = self.0.clone();
        mac.update(row);
        RowSeal(mac.finalize().into_bytes().into())
    }

    /// Whether the seal belongs to the row.
    pub fn holds(&self, row: &[u8], seal: &RowSeal) -> bool {
        self.seal(row).0.ct_eq(&seal.0).into()
    }
}
