//! Login tokens: sealed pointers to the secret that logged in. A token dies with its secret.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyway_domain::scheme::Presented;
use keyway_domain::time::Time;
use keyway_domain::verdict::Reason;
use keyway_secret::DigestPrefix;

use super::Engine;
use super::present::{Extracted, Refused};
use crate::index::Entry;

/// What every token starts with.
pub(super) const TOKEN_PREFIX: &str = "kwt_";

const VERSION: u8 = 1;
const BYTES: usize = 1 + 16 + 8;

impl Engine {
    /// A token for the secret that just logged in, and when it ends.
    pub(super) fn issue_token(
        &self,
        extracted: &Extracted<'_>,
        now: Time,
    ) -> Option<(String, Time)> {
        let Extracted::Pair { id, secret, .. } = extracted else { return None };
        let login = self.scheme.login.as_ref()?;
        let until = now.plus_ms(login.lifetime_ms);
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.push(VERSION);
        bytes.extend(self.keys.pepper.digest_pair(id, secret).prefix().to_bytes());
        bytes.extend(until.0.to_be_bytes());
        let sealed = URL_SAFE_NO_PAD.encode(self.keys.tokens.seal_unique(&bytes));
        Some((format!("{TOKEN_PREFIX}{sealed}"), until))
    }

    /// The secret that a token belongs to, as it is now.
    pub(super) fn recognise_token(
        &self,
        text: &str,
        now: Time,
        seen: &mut Option<Entry>,
    ) -> Result<Entry, Refused> {
        let unknown = Refused::because(Reason::Unknown);
        let malformed = Refused::malformed("it is not a token of the login");
        let sealed =
            text.strip_prefix(TOKEN_PREFIX).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        let bytes = self.keys.tokens.unseal_unique(&sealed.ok_or(malformed)?);
        let bytes = bytes.map_err(|_| unknown)?;
        let Ok(bytes) = <[u8; BYTES]>::try_from(bytes) else { return Err(unknown) };
        let (prefix, until) = bytes[1..].split_at(16);
        let (Ok(prefix), Ok(until)) = (prefix.try_into(), until.try_into()) else {
            return Err(unknown);
        };
        let entry = self.index.find_prefix(DigestPrefix::from_bytes(prefix)).ok_or(unknown)?;
        let kind = self.scheme.kinds.get(usize::from(entry.kind));
        if !kind.is_some_and(|kind| kind.is_presented(Presented::Login)) {
            return Err(unknown);
        }
        *seen = Some(entry);
        if Time(i64::from_be_bytes(until)) <= now {
            return Err(Refused::because(Reason::Expired));
        }
        Ok(entry)
    }
}
