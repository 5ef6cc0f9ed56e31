//! Proofs that it is really the member: given for one act in one session, used once.

use keyway_domain::actor::StepUp;
use keyway_domain::canonical::Canonical;
use keyway_domain::id::SessionId;
use keyway_domain::time::Time;
use keyway_secret::RowSealer;

use crate::db::Tx;
use crate::sealed;
use crate::value::{DbError, Value};

/// A proof that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// In which session.
    pub session: SessionId,
    /// For what act, by its word.
    pub act: String,
    /// What it is to be done to.
    pub subject: String,
    /// How it was proven.
    pub method: StepUp,
    /// When.
    pub at: Time,
}

impl Proof {
    fn sealed_bytes(&self) -> Vec<u8> {
        let mut bytes = Canonical::of("proofs");
        bytes.big(self.session.0);
        bytes.text(&self.act);
        bytes.text(&self.subject);
        bytes.text(word(self.method));
        bytes.number(self.at.0);
        bytes.into_bytes()
    }
}

fn word(method: StepUp) -> &'static str {
    match method {
        StepUp::Password => "password",
        StepUp::Otp => "otp",
    }
}

fn parse(word: &str) -> Result<StepUp, DbError> {
    match word {
        "password" => Ok(StepUp::Password),
        "otp" => Ok(StepUp::Otp),
        _ => Err(DbError::broken("a proof's method")),
    }
}

/// Keeps a proof. It takes the place of one that was given in the same way for the same act.
pub fn save(tx: &mut Tx<'_>, seals: &RowSealer, proof: &Proof) -> Result<(), DbError> {
    tx.run(
        "INSERT INTO proofs (session_id, act, subject, method, at, seal)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (session_id, act, subject, method) DO UPDATE SET
             at = excluded.at, seal = excluded.seal",
        &[
            proof.session.to_string().into(),
            proof.act.as_str().into(),
            proof.subject.as_str().into(),
            word(proof.method).into(),
            proof.at.0.into(),
            sealed::seal(seals, &proof.sealed_bytes()),
        ],
    )?;
    Ok(())
}

/// How the newest proof was given that [`take`] would use. One that somebody wrote into the
/// database counts as none.
pub fn find(
    tx: &mut Tx<'_>,
    seals: &RowSealer,
    session: SessionId,
    act: &str,
    subject: &str,
    since: Time,
) -> Result<Option<StepUp>, DbError> {
    let found = tx.all(
        "SELECT method, at, seal FROM proofs
         WHERE session_id = $1 AND act = $2 AND subject = $3 AND at >= $4
         ORDER BY at DESC, method",
        &[session.to_string().into(), act.into(), subject.into(), since.0.into()],
        |row| {
            let proof = Proof {
                session,
                act: act.to_owned(),
                subject: subject.to_owned(),
                method: parse(row.text(0)?)?,
                at: Time(row.integer(1)?),
            };
            let holds = sealed::holds(seals, &proof.sealed_bytes(), row.blob(2)?);
            Ok(holds.then_some(proof.method))
        },
    )?;
    Ok(found.into_iter().flatten().next())
}

/// Uses up what was proven for an act, and says how: the newest proof that was given at or after
/// `since`. Whatever else was kept for the act goes with it, so that it can't be done twice.
pub fn take(
    tx: &mut Tx<'_>,
    seals: &RowSealer,
    session: SessionId,
    act: &str,
    subject: &str,
    since: Time,
) -> Result<Option<StepUp>, DbError> {
    let found = find(tx, seals, session, act, subject, since)?;
    let values: [Value; 3] = [session.to_string().into(), act.into(), subject.into()];
    let taken =
        tx.run("DELETE FROM proofs WHERE session_id = $1 AND act = $2 AND subject = $3", &values)?;
    // Where writers run side by side, another may have taken it in between.
    Ok(found.filter(|_| taken > 0))
}

/// Forgets proofs from before `before`; how many.
pub fn prune(tx: &mut Tx<'_>, before: Time) -> Result<u64, DbError> {
    tx.run("DELETE FROM proofs WHERE at < $1", &[before.0.into()])
}
