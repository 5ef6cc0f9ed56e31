//! Tokens: sealed pointers to the secret that was traded for them. A token dies with its secret.
//!
//! There are two sorts: those of a scheme's own login, and the access tokens of OAuth2, which may be
//! good for less than their credential, and can be revoked by themselves.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyway_domain::grant::Grant;
use keyway_domain::id::TokenId;
use keyway_domain::scheme::{Presented, Scheme, TOKEN_PREFIX};
use keyway_domain::time::Time;
use keyway_domain::verdict::{Access, Reason, Wanted, judge};
use keyway_secret::{DigestPrefix, Keyring, OsEntropy};
use keyway_store::tokens::EndedToken;

use super::present::{Extracted, Refused};
use super::{Engine, facts};
use crate::followers::Subject;
use crate::index::Entry;

const LOGIN: u8 = 1;
const LOGIN_BYTES: usize = 1 + 16 + 8;
const ACCESS: u8 = 2;
const ACCESS_BYTES: usize = 1 + 16 + 8 + 8 + 16 + 1 + 16 + MARK_BYTES;
/// What tells one list of resources from another.
pub(super) const MARK_BYTES: usize = 8;

/// An access token of OAuth2.
#[derive(Debug, Clone, Copy)]
pub struct AccessToken {
    /// Which.
    pub id: TokenId,
    /// The secret that was traded for it, with no more of its grant than the token has.
    pub entry: Entry,
    /// When it was issued.
    pub issued: Time,
    /// When it ends by itself.
    pub until: Time,
}

/// Tells a scheme's list of resources from another.
pub(super) fn resources_mark(keys: &Keyring, scheme: &Scheme) -> [u8; MARK_BYTES] {
    let names = scheme.resource_names().join(" ");
    let digest = keys.pepper.digest_parts(&[names.as_bytes()]);
    let mut mark = [0; MARK_BYTES];
    mark.copy_from_slice(&digest.0[..MARK_BYTES]);
    mark
}

/// What a text is, as a token.
#[derive(Debug, Clone, Copy)]
pub enum FoundToken {
    /// None of this deployment's.
    None,
    /// A token of the scheme's own login.
    Login,
    /// An access token whose secret is not known: not yet, or no more.
    Astray,
    /// An access token.
    Access(AccessToken),
}

/// What a token says.
enum Said {
    Login { prefix: [u8; 16], until: Time },
    Access { prefix: [u8; 16], until: Time, issued: Time, id: TokenId, grant: Grant },
}

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
        let prefix = self.keys.pepper.digest_pair(id, secret).prefix().to_bytes();
        Some((self.seal_token(&Said::Login { prefix, until }), until))
    }

    /// An access token for a pair that was just verified, good for `grant`.
    pub fn issue_access_token(
        &self,
        (id, secret): (&str, &str),
        entry: Entry,
        grant: Grant,
        now: Time,
    ) -> Option<(String, AccessToken)> {
        // No token is good for longer than its secret, and what it says of that is true.
        let until = now.plus_ms(self.scheme.oauth.as_ref()?.lifetime_ms).min(entry.ends_at);
        let prefix = self.keys.pepper.digest_pair(id, secret).prefix().to_bytes();
        let id = TokenId::new(now, &mut OsEntropy);
        let grant = entry.grant.within(grant);
        let text = self.seal_token(&Said::Access { prefix, until, issued: now, id, grant });
        let entry = Entry { grant, ..entry };
        Some((text, AccessToken { id, entry, issued: now, until }))
    }

    fn seal_token(&self, said: &Said) -> String {
        let mut bytes = Vec::with_capacity(ACCESS_BYTES);
        match said {
            Said::Login { prefix, until } => {
                bytes.push(LOGIN);
                bytes.extend(prefix);
                bytes.extend(until.0.to_be_bytes());
            }
            Said::Access { prefix, until, issued, id, grant } => {
                bytes.push(ACCESS);
                bytes.extend(prefix);
                bytes.extend(until.0.to_be_bytes());
                bytes.extend(issued.0.to_be_bytes());
                bytes.extend(id.0.to_be_bytes());
                let (everything, chosen) = match grant {
                    Grant::Everything => (1, 0),
                    Grant::Chosen(bits) => (0, *bits),
                };
                bytes.push(everything);
                bytes.extend(chosen.to_be_bytes());
                bytes.extend(self.resources_mark);
            }
        }
        let sealed = URL_SAFE_NO_PAD.encode(self.keys.tokens.seal_unique(&bytes));
        format!("{TOKEN_PREFIX}{sealed}")
    }

    fn open_token(&self, text: &str) -> Result<Said, Refused> {
        let unknown = Refused::because(Reason::Unknown);
        let sealed =
            text.strip_prefix(TOKEN_PREFIX).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        let sealed = sealed.ok_or_else(|| Refused::malformed("it is not a token"))?;
        let bytes = self.keys.tokens.unseal_unique(&sealed).map_err(|_| unknown)?;
        let said = read(&bytes).ok_or(unknown)?;
        if matches!(said, Said::Access { .. }) && !bytes.ends_with(&self.resources_mark) {
            // A grant names resources by their places: in another list they are others.
            return Err(unknown);
        }
        Ok(said)
    }

    /// The secret that a token belongs to, as it is now.
    pub(super) fn recognise_token(
        &self,
        text: &str,
        now: Time,
        seen: &mut Option<Entry>,
    ) -> Result<Entry, Refused> {
        let (entry, until) = match self.open_token(text)? {
            Said::Login { prefix, until } => (self.traded(prefix, Presented::Login)?, until),
            said @ Said::Access { .. } => {
                let token = self.access_token(&said)?;
                if self.ended_tokens.holds(token.id) {
                    *seen = Some(token.entry);
                    return Err(Refused::because(Reason::Revoked));
                }
                (token.entry, token.until)
            }
        };
        *seen = Some(entry);
        if until <= now {
            return Err(Refused::because(Reason::Expired));
        }
        Ok(entry)
    }

    /// When a token ends by itself, and which it is if it can be revoked.
    pub(super) fn token_end(&self, text: &str) -> Option<(Time, Option<TokenId>)> {
        Some(match self.open_token(text).ok()? {
            Said::Login { until, .. } => (until, None),
            Said::Access { until, id, .. } => (until, Some(id)),
        })
    }

    /// The secret that was traded, if its kind may be traded so.
    fn traded(&self, prefix: [u8; 16], how: Presented) -> Result<Entry, Refused> {
        let unknown = Refused::because(Reason::Unknown);
        let entry = self.index.find_prefix(DigestPrefix::from_bytes(prefix)).ok_or(unknown)?;
        let kind = self.scheme.kinds.get(usize::from(entry.kind));
        if kind.is_some_and(|kind| kind.is_presented(how)) { Ok(entry) } else { Err(unknown) }
    }

    fn access_token(&self, said: &Said) -> Result<AccessToken, Refused> {
        let Said::Access { prefix, until, issued, id, grant } = *said else {
            return Err(Refused::because(Reason::Unknown));
        };
        if self.scheme.oauth.is_none() {
            return Err(Refused::because(Reason::Unknown));
        }
        let entry = self.traded(prefix, Presented::BasicPair)?;
        // Both change: what the credential lost since, the token lost too.
        let entry = Entry { grant: entry.grant.within(grant), ..entry };
        Ok(AccessToken { id, entry, issued, until })
    }

    /// What a text is, as a token; whether it is still good or not.
    pub fn find_token(&self, text: &str) -> FoundToken {
        match self.open_token(text) {
            Err(_) => FoundToken::None,
            Ok(Said::Login { .. }) => FoundToken::Login,
            Ok(said) => self.access_token(&said).map_or(FoundToken::Astray, FoundToken::Access),
        }
    }

    /// Whether a token would be accepted now, from where its credential is accepted.
    pub fn is_good(&self, token: &AccessToken, now: Time) -> bool {
        let entry = &token.entry;
        let Some(account) = self.index.account(entry) else { return false };
        let facts = facts(entry, account, true);
        let wanted = Wanted { environment: None, access: Access::Identity, own_target: true };
        self.may_answer()
            && token.until > now
            && !self.ended_tokens.holds(token.id)
            && judge(&facts, &wanted, now).is_ok()
    }

    /// Refuses a token from now on.
    pub fn end_token(&self, token: EndedToken) {
        self.ended_tokens.put(token);
        self.index.changed(Subject::Token(token.id));
    }

    /// The tokens that were revoked.
    pub fn ended_tokens(&self) -> Vec<EndedToken> {
        self.ended_tokens.all()
    }

    /// Forgets revoked tokens that have ended by themselves before an instant.
    pub fn forget_ended_tokens(&self, before: Time) {
        self.ended_tokens.forget(before);
    }
}

/// Reads what was sealed.
fn read(bytes: &[u8]) -> Option<Said> {
    let prefix = bytes.get(1..17)?.try_into().ok()?;
    let time = |from: usize| {
        let bytes = bytes.get(from..from + 8)?.try_into().ok()?;
        Some(Time(i64::from_be_bytes(bytes)))
    };
    let number = |from: usize| {
        let bytes = bytes.get(from..from + 16)?.try_into().ok()?;
        Some(u128::from_be_bytes(bytes))
    };
    match (bytes.first()?, bytes.len()) {
        (&LOGIN, LOGIN_BYTES) => Some(Said::Login { prefix, until: time(17)? }),
        (&ACCESS, ACCESS_BYTES) => {
            let grant = match bytes.get(49)? {
                0 => Grant::Chosen(number(50)?),
                _ => Grant::Everything,
            };
            let (until, issued, id) = (time(17)?, time(25)?, TokenId(number(33)?));
            Some(Said::Access { prefix, until, issued, id, grant })
        }
        _ => None,
    }
}
