//! Secrets that sign messages to endpoints, and their signatures (Standard Webhooks 1.0).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::entropy::Entropy;
use crate::text::SecretText;

/// What a symmetric secret starts with.
const PREFIX: &str = "whsec_";
/// Bytes of its key: the standard asks for 24 to 64.
const KEY_BYTES: usize = 32;

/// Draws a signing secret: `whsec_` and the key in base64.
pub fn new_webhook_secret(entropy: &mut dyn Entropy) -> SecretText {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    entropy.fill(&mut *key);
    SecretText::new(format!("{PREFIX}{}", STANDARD.encode(*key)))
}

/// The signature of a message, `v1,` and base64: over its id, the attempt's Unix seconds and the
/// body. `None` for a text that is no signing secret.
pub fn sign_webhook(secret: &SecretText, id: &str, timestamp: i64, body: &[u8]) -> Option<String> {
    let key = STANDARD.decode(secret.reveal().strip_prefix(PREFIX)?).ok().map(Zeroizing::new)?;
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&key).ok()?;
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}
