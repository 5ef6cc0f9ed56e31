//! The operator's browsers: links that are good once, and the sessions that they open.

use keyway_domain::canonical::Canonical;
use keyway_domain::id::OperatorSessionId;
use keyway_domain::time::Time;
use keyway_secret::RowSealer;

use crate::db::Tx;
use crate::sealed;
use crate::value::{Columns, DbError};

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It is a link that nobody has used yet.
    Link,
    /// A browser came in by it.
    Open,
}

impl Stage {
    fn as_str(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Open => "open",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Link, Self::Open].into_iter().find(|stage| stage.as_str() == text)
    }
}

/// The operator in a browser, or on the way there. What it shows is kept as a digest only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorSession {
    /// Its id.
    pub id: OperatorSessionId,
    /// The token whose power it has: its credential's id, or `local` for the command line beside
    /// the data.
    pub token: String,
    /// Which of the token's secrets it began with.
    pub secret: Option<u32>,
    /// How far it has come.
    pub stage: Stage,
    /// When the link was made.
    pub created_at: Time,
    /// The first instant at which it is good no longer.
    pub expires_at: Time,
    /// When it was ended before that.
    pub ended_at: Option<Time>,
}

impl OperatorSession {
    /// Whether it is of a stage, and good.
    pub fn is_good(&self, stage: Stage, now: Time) -> bool {
        self.stage == stage && self.ended_at.is_none() && now < self.expires_at
    }
}

const SELECT: &str = "SELECT digest, id, token, secret, stage, created_at, expires_at, ended_at, \
    seal FROM operator_sessions";

/// One that was ended has no seal any more: taking the mark away by hand revives nothing.
const NO_SEAL: &[u8] = b"";

/// What the seal covers.
fn sealed_bytes(digest: &[u8], session: &OperatorSession) -> Vec<u8> {
    let mut bytes = Canonical::of("operator_sessions");
    bytes.bytes(digest);
    bytes.big(session.id.0);
    bytes.text(&session.token);
    bytes.number(session.secret.map_or(-1, i64::from));
    bytes.text(session.stage.as_str());
    bytes.number(session.created_at.0);
    bytes.number(session.expires_at.0);
    bytes.into_bytes()
}

fn read(seals: &RowSealer, row: &dyn Columns) -> Result<OperatorSession, DbError> {
    let broken = |what: &str| DbError::broken(what);
    let secret = row.maybe_integer(3)?.map(u32::try_from);
    let session = OperatorSession {
        id: OperatorSessionId::parse(row.text(1)?)
            .ok_or_else(|| broken("an operator session's id"))?,
        token: row.text(2)?.to_owned(),
        secret: secret.transpose().map_err(|_| broken("an operator session's secret"))?,
        stage: Stage::parse(row.text(4)?).ok_or_else(|| broken("an operator session's stage"))?,
        created_at: Time(row.integer(5)?),
        expires_at: Time(row.integer(6)?),
        ended_at: row.maybe_integer(7)?.map(Time),
    };
    if session.ended_at.is_none() {
        sealed::check(seals, &sealed_bytes(row.blob(0)?, &session), row.blob(8)?, session.id)?;
    }
    Ok(session)
}

/// Adds a link, under the digest of its text.
pub fn insert(
    tx: &mut Tx<'_>,
    seals: &RowSealer,
    digest: &[u8],
    session: &OperatorSession,
) -> Result<(), DbError> {
    tx.run(
        "INSERT INTO operator_sessions (digest, id, token, secret, stage, created_at, expires_at,
             ended_at, seal)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        &[
            digest.into(),
            session.id.to_string().into(),
            session.token.as_str().into(),
            session.secret.map(i64::from).into(),
            session.stage.as_str().into(),
            session.created_at.0.into(),
            session.expires_at.0.into(),
            session.ended_at.map(|at| at.0).into(),
            sealed::seal(seals, &sealed_bytes(digest, session)),
        ],
    )
    .map(drop)
}

/// Reads the link or the session of a digest.
pub fn find(
    tx: &mut Tx<'_>,
    seals: &RowSealer,
    digest: &[u8],
) -> Result<Option<OperatorSession>, DbError> {
    tx.first(&format!("{SELECT} WHERE digest = $1"), &[digest.into()], |row| read(seals, row))
}

/// Makes a session of a link; `false` if somebody has used the link already.
pub fn open(
    tx: &mut Tx<'_>,
    seals: &RowSealer,
    (link, digest): (&[u8], &[u8]),
    session: &OperatorSession,
) -> Result<bool, DbError> {
    let changed = tx.run(
        "UPDATE operator_sessions SET digest = $2, stage = $3, expires_at = $4, seal = $5
         WHERE digest = $1 AND stage = 'link' AND ended_at IS NULL",
        &[
            link.into(),
            digest.into(),
            session.stage.as_str().into(),
            session.expires_at.0.into(),
            sealed::seal(seals, &sealed_bytes(digest, session)),
        ],
    )?;
    Ok(changed == 1)
}

/// Ends a session; `false` if it had ended.
pub fn end(tx: &mut Tx<'_>, id: OperatorSessionId, now: Time) -> Result<bool, DbError> {
    let changed = tx.run(
        "UPDATE operator_sessions SET ended_at = $2, seal = $3 WHERE id = $1 AND ended_at IS NULL",
        &[id.to_string().into(), now.0.into(), NO_SEAL.into()],
    )?;
    Ok(changed == 1)
}

/// Forgets those that were over before an instant.
pub fn prune(tx: &mut Tx<'_>, before: Time) -> Result<u64, DbError> {
    tx.run("DELETE FROM operator_sessions WHERE expires_at < $1", &[before.0.into()])
}
