//! Sealing what must be recoverable: AES-SIV (RFC 5297), bound to its place.

use std::sync::{Arc, Mutex};

use aes_siv::KeyInit;
use aes_siv::siv::Aes256Siv;
use zeroize::Zeroizing;

use crate::entropy::Entropy;
use crate::text::SecretText;

/// Seals and opens small values under one key.
///
/// SIV is chosen because a repeated nonce costs nothing but the knowledge that two values are
/// equal, and because it is deterministic where no nonce is wanted (request ids, tokens).
#[derive(Clone)]
pub struct Sealer {
    key: Zeroizing<[u8; 64]>,
    /// Ciphers whose key schedules are done. One serves a message at a time; whoever finds none
    /// free makes its own, so that nobody waits.
    ready: Arc<[Mutex<Aes256Siv>; READY]>,
}

/// Ready ciphers: as many as cores that seal at the same moment, on most machines.
const READY: usize = 8;

/// The sealed value was changed, moved to another place, or sealed under another key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the sealed value cannot be opened: it was altered, moved, or sealed with another key")]
pub struct UnsealError;

const NONCE_BYTES: usize = 16;

impl Sealer {
    pub(crate) fn new(key: &[u8; 64]) -> Self {
        let ready = std::array::from_fn(|_| Mutex::new(Aes256Siv::new(key.into())));
        Self { key: Zeroizing::new(*key), ready: Arc::new(ready) }
    }

    fn with_cipher<T>(&self, work: impl FnOnce(&mut Aes256Siv) -> T) -> T {
        match self.ready.iter().find_map(|ready| ready.try_lock().ok()) {
            Some(mut cipher) => work(&mut cipher),
            None => work(&mut Aes256Siv::new((&*self.key).into())),
        }
    }

    /// Seals a secret for one place, such as `credential id / secret number`: opened anywhere else
    /// it fails.
    pub fn seal(&self, secret: &SecretText, place: &str, entropy: &mut dyn Entropy) -> Vec<u8> {
        let mut nonce = [0; NONCE_BYTES];
        entropy.fill(&mut nonce);
        let headers: [&[u8]; 2] = [place.as_bytes(), &nonce];
        let sealed = self.with_cipher(|c| c.encrypt(headers, secret.reveal().as_bytes()));
        let mut out = nonce.to_vec();
        out.extend(sealed.expect("a short value can be sealed"));
        out
    }

    /// Opens what [`Sealer::seal`] sealed for the same place.
    pub fn unseal(&self, sealed: &[u8], place: &str) -> Result<SecretText, UnsealError> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_BYTES).ok_or(UnsealError)?;
        let headers: [&[u8]; 2] = [place.as_bytes(), nonce];
        let opened = self.with_cipher(|cipher| cipher.decrypt(headers, sealed));
        let opened = opened.map_err(|_| UnsealError)?;
        String::from_utf8(opened).map(SecretText::new).map_err(|_| UnsealError)
    }

    /// Seals bytes that are unique by themselves, without a nonce. The result is 16 bytes longer.
    pub fn seal_unique(&self, bytes: &[u8]) -> Vec<u8> {
        const NONE: [&[u8]; 0] = [];
        let sealed = self.with_cipher(|cipher| cipher.encrypt(NONE, bytes));
        sealed.expect("a short value can be sealed")
    }

    /// Opens what [`Sealer::seal_unique`] sealed.
    pub fn unseal_unique(&self, sealed: &[u8]) -> Result<Vec<u8>, UnsealError> {
        const NONE: [&[u8]; 0] = [];
        self.with_cipher(|cipher| cipher.decrypt(NONE, sealed)).map_err(|_| UnsealError)
    }
}
