//! The root key and everything that derives from it, one label per purpose (HKDF, RFC 5869).

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::digest::{Pepper, RowSealer};
use crate::entropy::Entropy;
use crate::seal::Sealer;

/// 256 bits from which every other key derives. It lives in a file, an environment variable or a
/// key service; never in the database.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct RootKey([u8; 32]);

/// Why a text is not a root key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a root key is `kwroot_` followed by 64 hex digits")]
pub struct RootKeyError;

const PREFIX: &str = "kwroot_";

impl RootKey {
    /// Draws a new key.
    pub fn generate(entropy: &mut dyn Entropy) -> Self {
        let mut key = [0; 32];
        entropy.fill(&mut key);
        Self(key)
    }

    /// Reads the key's text form; white space around it is ignored.
    pub fn parse(text: &str) -> Result<Self, RootKeyError> {
        let hex = text.trim().strip_prefix(PREFIX).ok_or(RootKeyError)?;
        if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(RootKeyError);
        }
        let mut key = [0; 32];
        for (byte, pair) in key.iter_mut().zip(hex.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| RootKeyError)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| RootKeyError)?;
        }
        Ok(Self(key))
    }

    /// The key's text form, for the file it is kept in.
    pub fn to_text(&self) -> Zeroizing<String> {
        use std::fmt::Write as _;
        let mut text = Zeroizing::new(PREFIX.to_owned());
        for byte in &self.0 {
            write!(text, "{byte:02x}").expect("a String takes everything");
        }
        text
    }
}

/// The keys in use.
#[derive(Clone)]
pub struct Keyring {
    /// Digests of credentials.
    pub pepper: Pepper,
    /// Seals over stored rows.
    pub rows: RowSealer,
    /// Recoverable secrets at rest.
    pub secrets: Sealer,
    /// Login tokens.
    pub tokens: Sealer,
    /// Request ids that carry their own decision.
    pub requests: Sealer,
    /// Page cursors.
    pub cursors: Sealer,
    /// Refusals that a gateway carries from its first question to the page it shows.
    pub denials: Sealer,
    /// The seed of the Ed25519 key (RFC 8032 §5.1.5) that signs what gateways pass on.
    pub contexts: Zeroizing<[u8; 32]>,
    /// The secret input of password hashes (RFC 9106 §3.1: K), so that a stolen table of them alone
    /// can't be guessed at.
    pub passwords: Zeroizing<[u8; 32]>,
    /// Digests of what browsers and mails hold: sessions, devices, links, form tokens.
    pub browsers: Pepper,
    /// What a page gives a browser to hold, and mail that waits.
    pub pages: Sealer,
    /// Our half of the keys of shown secrets.
    reveals: Zeroizing<[u8; 32]>,
    /// Links of the audit log.
    pub audit: RowSealer,
    /// Proves, without telling the root key, that a database belongs to it.
    pub fingerprint: [u8; 32],
}

impl Keyring {
    /// Derives every key from the root.
    pub fn derive(root: &RootKey) -> Self {
        let hkdf = Hkdf::<Sha256>::new(None, &root.0);
        Self {
            pepper: Pepper::new(&subkey::<32>(&hkdf, "keyway/pepper/v1")),
            rows: RowSealer::new(&subkey::<32>(&hkdf, "keyway/row-seal/v1")),
            secrets: Sealer::new(&subkey::<64>(&hkdf, "keyway/secrets/v1")),
            tokens: Sealer::new(&subkey::<64>(&hkdf, "keyway/tokens/v1")),
            requests: Sealer::new(&subkey::<64>(&hkdf, "keyway/requests/v1")),
            cursors: Sealer::new(&subkey::<64>(&hkdf, "keyway/cursors/v1")),
            denials: Sealer::new(&subkey::<64>(&hkdf, "keyway/denials/v1")),
            contexts: subkey::<32>(&hkdf, "keyway/contexts/v1"),
            passwords: subkey::<32>(&hkdf, "keyway/passwords/v1"),
            browsers: Pepper::new(&subkey::<32>(&hkdf, "keyway/browsers/v1")),
            pages: Sealer::new(&subkey::<64>(&hkdf, "keyway/pages/v1")),
            reveals: subkey::<32>(&hkdf, "keyway/reveals/v1"),
            audit: RowSealer::new(&subkey::<32>(&hkdf, "keyway/audit/v1")),
            fingerprint: *subkey::<32>(&hkdf, "keyway/fingerprint/v1"),
        }
    }

    /// Seals a secret that one browser may look at again: with the key in its cookie and ours, so
    /// that neither the database with the root key nor the cookie alone opens it.
    pub fn reveal(&self, cookie: &[u8]) -> Sealer {
        let hkdf = Hkdf::<Sha256>::new(Some(&*self.reveals), cookie);
        Sealer::new(&subkey::<64>(&hkdf, "keyway/reveal/v1"))
    }
}

fn subkey<const N: usize>(hkdf: &Hkdf<Sha256>, label: &str) -> Zeroizing<[u8; N]> {
    let mut key = Zeroizing::new([0; N]);
    hkdf.expand(label.as_bytes(), &mut *key).expect("HKDF gives up to 8,160 bytes");
    key
}
