//! Browsers that are signed in.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyway_domain::event::{Happened, Kind};
use keyway_domain::id::SessionId;
use keyway_domain::limits::{DEVICE_MS, SESSION_IDLE_MS, SESSION_MS};
use keyway_domain::member::Member;
use keyway_domain::time::Time;
use keyway_secret::{Entropy as _, OsEntropy, Pepper, SecretText};
use keyway_store::sessions::{self, Session, Stage};
use keyway_store::{DbError, Tx, members, reveals};
use serde_json::json;

use super::proofs::{Lane, forget_tries};
use super::{Error, Moment};

/// Bytes of what a browser shows: its session's token, and its own.
const TOKEN_BYTES: usize = 32;

/// A random text for a cookie.
pub fn new_token() -> SecretText {
    let mut bytes = [0; TOKEN_BYTES];
    OsEntropy.fill(&mut bytes);
    SecretText::new(URL_SAFE_NO_PAD.encode(bytes))
}

/// What is kept of a session's token.
pub fn session_digest(keys: &Pepper, token: &str) -> [u8; 32] {
    keys.digest_parts(&[b"session/", token.as_bytes()]).0
}

/// What is kept of a browser's own token.
pub fn device_digest(keys: &Pepper, token: &str) -> [u8; 32] {
    keys.digest_parts(&[b"device/", token.as_bytes()]).0
}

/// Whether a session is good at an instant.
pub fn is_good(session: &Session, now: Time) -> bool {
    session.ended_at.is_none()
        && now < session.created_at.plus_ms(SESSION_MS)
        && now < session.seen_at.plus_ms(SESSION_IDLE_MS)
}

/// A sign-in, as far as it has come.
#[derive(Debug, Clone)]
pub struct Start {
    /// The digest of the session's token.
    pub digest: [u8; 32],
    /// The digest of the browser's own token.
    pub device: [u8; 32],
    /// How far it has come.
    pub stage: Stage,
    /// The tries to forget once it is whole.
    pub lanes: Vec<Lane>,
}

/// Starts a session. A whole one makes the browser known to the member.
pub fn start(
    tx: &mut Tx<'_>,
    moment: &Moment,
    member: &Member,
    start: &Start,
) -> Result<Session, Error> {
    let session = Session {
        id: SessionId::new(moment.now, &mut OsEntropy),
        member: member.id,
        account: member.account,
        stage: start.stage,
        device: hex(&start.device),
        created_at: moment.now,
        seen_at: moment.now,
        ended_at: None,
        address: moment.address.clone(),
        client: moment.client.clone(),
    };
    sessions::insert(tx, &moment.realm.rules.seals, &start.digest, &session)?;
    if start.stage == Stage::Whole {
        let since = moment.now.plus_ms(-DEVICE_MS);
        let is_new = !sessions::knows(tx, &start.device, member.id, since)?;
        let knows_others = sessions::knows_any(tx, member.id, since)?;
        sessions::know(tx, &start.device, member.id, moment.now)?;
        members::set_active(tx, member.id, moment.now)?;
        for lane in &start.lanes {
            forget_tries(tx, lane)?;
        }
        let after = json!({
            "email": member.email.as_str(),
            "new_browser": is_new && knows_others,
        });
        let happened = Happened::new(Kind::SignedIn, json!({}), after);
        moment.acting_as(member).record(tx, member.account, session.id.to_string(), happened)?;
    }
    Ok(session)
}

/// Ends a session of the member's own. What it was shown goes with it.
pub fn end(tx: &mut Tx<'_>, moment: &Moment, member: &Member, id: SessionId) -> Result<(), Error> {
    if !sessions::end(tx, member.id, id, moment.now)? {
        return Err(Error::NotFound("session"));
    }
    reveals::forget_session(tx, id)?;
    let before = json!({ "email": member.email.as_str() });
    let happened = Happened::new(Kind::SignedOut, before, json!({}));
    Ok(moment.record(tx, member.account, id.to_string(), happened)?)
}

/// Ends a member's sessions but one. How many there were.
pub fn end_others(
    tx: &mut Tx<'_>,
    moment: &Moment,
    member: &Member,
    kept: Option<SessionId>,
) -> Result<u64, DbError> {
    let ended = sessions::end_all(tx, member.id, kept, moment.now)?;
    if ended > 0 {
        let before = json!({ "email": member.email.as_str(), "sessions": ended });
        let happened = Happened::new(Kind::SignedOut, before, json!({}));
        moment.record(tx, member.account, member.id.to_string(), happened)?;
    }
    Ok(ended)
}

/// Bytes as lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes everything");
        text
    })
}
