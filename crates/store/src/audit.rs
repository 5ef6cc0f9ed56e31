//! The audit log as a chain: each event of an account holds a keyed hash over itself and the one
//! before.
//!
//! Who writes to the database has no key, so they can neither change an event nor take one out nor
//! put one in without breaking the chain where they did. The two ends are kept apart, sealed: that
//! the newest events are gone is seen too.

use keyway_domain::canonical::Canonical;
use keyway_domain::id::{AccountId, EventId};
use keyway_domain::time::Time;
use keyway_secret::{RowSeal, RowSealer};

use crate::accounts::OPERATOR;
use crate::db::Tx;
use crate::sealed;
use crate::value::{Columns, DbError, Value};

/// The link before the first event of an account.
const NOTHING: [u8; 32] = [0; 32];

/// Where an account's chain begins and ends.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Ends {
    /// The place of the oldest event that is kept.
    first_seq: i64,
    /// The link before it.
    before_first: [u8; 32],
    /// The place of the newest event.
    seq: i64,
    /// Its link.
    chain: [u8; 32],
}

impl Ends {
    fn sealed_bytes(&self, account: AccountId) -> Vec<u8> {
        let mut bytes = Canonical::of("audit_ends");
        bytes.big(account.0);
        bytes.number(self.first_seq);
        bytes.bytes(&self.before_first);
        bytes.number(self.seq);
        bytes.bytes(&self.chain);
        bytes.into_bytes()
    }
}

fn link_of(bytes: &[u8]) -> Result<[u8; 32], DbError> {
    <[u8; 32]>::try_from(bytes).map_err(|_| DbError::broken("a link of the audit log"))
}

/// The ends of a chain, and whether their seal fits.
fn ends(
    tx: &mut Tx<'_>,
    keys: &RowSealer,
    account: AccountId,
) -> Result<Option<(Ends, bool)>, DbError> {
    let sql = format!(
        "SELECT first_seq, before_first, seq, chain, seal FROM audit_ends
         WHERE account_id = $1 {}",
        tx.lock()
    );
    tx.first(&sql, &[account.to_string().into()], |row| {
        let ends = Ends {
            first_seq: row.integer(0)?,
            before_first: link_of(row.blob(1)?)?,
            seq: row.integer(2)?,
            chain: link_of(row.blob(3)?)?,
        };
        let fits = sealed::holds(keys, &ends.sealed_bytes(account), row.blob(4)?);
        Ok((ends, fits))
    })
}

fn save_ends(
    tx: &mut Tx<'_>,
    keys: &RowSealer,
    account: AccountId,
    ends: &Ends,
) -> Result<(), DbError> {
    tx.run(
        "INSERT INTO audit_ends (account_id, first_seq, before_first, seq, chain, seal)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (account_id) DO UPDATE SET first_seq = excluded.first_seq,
             before_first = excluded.before_first, seq = excluded.seq, chain = excluded.chain,
             seal = excluded.seal",
        &[
            account.to_string().into(),
            ends.first_seq.into(),
            ends.before_first.as_slice().into(),
            ends.seq.into(),
            ends.chain.as_slice().into(),
            sealed::seal(keys, &ends.sealed_bytes(account)),
        ],
    )?;
    Ok(())
}

/// The link of an event: over the one before, its place, and everything that its row says.
fn chained(keys: &RowSealer, before: &[u8; 32], seq: i64, columns: &[Value]) -> [u8; 32] {
    let mut bytes = Canonical::with_capacity(1024);
    bytes.text("events");
    bytes.bytes(before);
    bytes.number(seq);
    for column in columns {
        match column {
            Value::Null => bytes.number(0),
            Value::Integer(number) => {
                bytes.number(1);
                bytes.number(*number);
            }
            Value::Text(text) => {
                bytes.number(2);
                bytes.text(text);
            }
            Value::Blob(blob) => {
                bytes.number(3);
                bytes.bytes(blob);
            }
        }
    }
    keys.seal(&bytes.into_bytes()).0
}

/// Takes the next place in an account's chain for an event with these columns: the place and the
/// link.
///
/// Where somebody has changed the ends of a chain, events go on being added to it as it is: the
/// break stays where it was made, and is found there.
pub(crate) fn next(
    tx: &mut Tx<'_>,
    keys: &RowSealer,
    account: AccountId,
    columns: &[Value],
) -> Result<(i64, [u8; 32]), DbError> {
    let found = ends(tx, keys, account)?;
    let is_broken = found.as_ref().is_some_and(|(_, fits)| !fits);
    let mut ends = match found {
        Some((ends, _)) => ends,
        None => Ends { first_seq: 1, before_first: NOTHING, seq: 0, chain: NOTHING },
    };
    ends.seq += 1;
    ends.chain = chained(keys, &ends.chain, ends.seq, columns);
    if is_broken {
        tracing::error!(%account, "the ends of an audit log were changed outside Keyway");
        tx.run(
            "UPDATE audit_ends SET seq = $2, chain = $3 WHERE account_id = $1",
            &[account.to_string().into(), ends.seq.into(), ends.chain.as_slice().into()],
        )?;
    } else {
        save_ends(tx, keys, account, &ends)?;
    }
    Ok((ends.seq, ends.chain))
}

/// The columns of an event that its link covers, in the order in which [`row_columns`] reads them.
pub(crate) const COVERED: &str = "id, at, kind, subject, actor, step_up, request_id, before, \
    after, address, client";

fn row_columns(row: &dyn Columns, from: usize) -> Result<Vec<Value>, DbError> {
    let text = |column: usize| Ok::<_, DbError>(Value::from(row.maybe_text(from + column)?));
    Ok(vec![
        text(0)?,
        Value::Integer(row.integer(from + 1)?),
        text(2)?,
        text(3)?,
        text(4)?,
        text(5)?,
        text(6)?,
        text(7)?,
        text(8)?,
        text(9)?,
        text(10)?,
    ])
}

/// A chain that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole {
    /// Its events.
    pub entries: i64,
    /// The place of the newest.
    pub seq: i64,
    /// The newest link. Kept elsewhere, it proves later that nothing before it was rewritten.
    pub head: [u8; 32],
}

/// What is wrong with a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The event is not what was written.
    Changed,
    /// The event is gone.
    Missing,
    /// The event was not written by Keyway.
    Added,
    /// The ends of the chain were changed or are gone.
    Ends,
}

impl Fault {
    /// A stable word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Missing => "missing",
            Self::Added => "added",
            Self::Ends => "ends",
        }
    }
}

/// Where a chain breaks first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// What is wrong.
    pub fault: Fault,
    /// The place in the chain, from 1; 0 where there is none.
    pub seq: i64,
    /// The event, if there is one.
    pub event: Option<String>,
}

/// What a look at a chain finds.
pub type Verified = Result<Whole, Broken>;

/// Walks an account's chain from its oldest event to its newest.
pub fn verify(tx: &mut Tx<'_>, keys: &RowSealer, account: AccountId) -> Result<Verified, DbError> {
    let whose: [Value; 1] = [account.to_string().into()];
    let stray = tx.first(
        "SELECT id FROM events WHERE account_id = $1 AND seq IS NULL ORDER BY id",
        &whose,
        |row| Ok(row.text(0)?.to_owned()),
    )?;
    if let Some(event) = stray {
        return Ok(Err(Broken { fault: Fault::Added, seq: 0, event: Some(event) }));
    }
    let found = ends(tx, keys, account)?;
    let Some((ends, _)) = found.clone() else { return without_ends(tx, account) };
    let mut walk = Walk { seq: ends.first_seq - 1, chain: ends.before_first, broken: None };
    let sql = format!(
        "SELECT seq, chain, {COVERED} FROM events WHERE account_id = $1 AND seq >= 0 ORDER BY seq"
    );
    tx.each(&sql, &whose, |row| walk.step(keys, row))?;
    if let Some(broken) = walk.broken {
        return Ok(Err(broken));
    }
    let broken = |fault, seq| Ok(Err(Broken { fault, seq, event: None }));
    match found {
        _ if walk.seq < ends.seq => broken(Fault::Missing, walk.seq + 1),
        Some((_, true)) if walk.seq == ends.seq && walk.chain == ends.chain => Ok(Ok(Whole {
            entries: walk.seq - ends.first_seq + 1,
            seq: walk.seq,
            head: walk.chain,
        })),
        _ => broken(Fault::Ends, walk.seq),
    }
}

/// Every merchant's account has events, the first of them that it was made.
fn without_ends(tx: &mut Tx<'_>, account: AccountId) -> Result<Verified, DbError> {
    let sql = "SELECT id, seq FROM events WHERE account_id = $1 ORDER BY seq LIMIT 1";
    let first = tx.first(sql, &[account.to_string().into()], |row| Ok(row.text(0)?.to_owned()))?;
    if first.is_none() && account == OPERATOR {
        return Ok(Ok(Whole { entries: 0, seq: 0, head: NOTHING }));
    }
    Ok(Err(Broken { fault: Fault::Ends, seq: 0, event: first }))
}

struct Walk {
    seq: i64,
    chain: [u8; 32],
    broken: Option<Broken>,
}

impl Walk {
    fn step(&mut self, keys: &RowSealer, row: &dyn Columns) -> Result<(), DbError> {
        if self.broken.is_some() {
            return Ok(());
        }
        let (seq, stored) = (row.integer(0)?, row.maybe_blob(1)?.map(link_of).transpose());
        let event = || row.text(2).ok().map(str::to_owned);
        let wanted = self.seq + 1;
        if seq < wanted {
            self.broken = Some(Broken { fault: Fault::Added, seq, event: event() });
            return Ok(());
        }
        if seq > wanted {
            self.broken = Some(Broken { fault: Fault::Missing, seq: wanted, event: None });
            return Ok(());
        }
        let fits = match (stored, row_columns(row, 2)) {
            (Ok(Some(stored)), Ok(columns)) => {
                let made = RowSeal(chained(keys, &self.chain, seq, &columns));
                (made.0 == stored).then_some(stored)
            }
            // A row of which a column can't be read was not written by Keyway so.
            _ => None,
        };
        match fits {
            Some(link) => (self.seq, self.chain) = (seq, link),
            None => {
                self.broken = Some(Broken { fault: Fault::Changed, seq, event: event() });
            }
        }
        Ok(())
    }
}

/// Puts events that were written before there were chains into theirs, oldest first; how many.
pub fn adopt(tx: &mut Tx<'_>, keys: &RowSealer, limit: u32) -> Result<usize, DbError> {
    let sql =
        format!("SELECT account_id, {COVERED} FROM events WHERE seq IS NULL ORDER BY id LIMIT $1");
    let rows = tx.all(&sql, &[i64::from(limit).into()], |row| {
        let account = AccountId::parse(row.text(0)?);
        let account = account.ok_or_else(|| DbError::broken("an event's account"))?;
        Ok((account, row_columns(row, 1)?))
    })?;
    for (account, columns) in &rows {
        let (seq, chain) = next(tx, keys, *account, columns)?;
        tx.run(
            "UPDATE events SET seq = $2, chain = $3 WHERE id = $1",
            &[columns[0].clone(), seq.into(), chain.as_slice().into()],
        )?;
    }
    Ok(rows.len())
}

/// Forgets an account's events from before an instant, as far as they stand in one run at the
/// beginning and were told; how many. The chain begins after them then.
pub fn prune(
    tx: &mut Tx<'_>,
    keys: &RowSealer,
    account: AccountId,
    before: Time,
    limit: u32,
) -> Result<u64, DbError> {
    let Some((mut ends, true)) = ends(tx, keys, account)? else { return Ok(0) };
    let rows = tx.all(
        "SELECT e.id, e.seq, e.chain, e.at, o.event_id FROM events e
         LEFT JOIN outbox o ON o.event_id = e.id
         WHERE e.account_id = $1 AND e.seq >= $2 ORDER BY e.seq LIMIT $3",
        &[account.to_string().into(), ends.first_seq.into(), i64::from(limit).into()],
        |row| {
            let is_waiting = row.maybe_text(4)?.is_some();
            let id =
                EventId::parse(row.text(0)?).ok_or_else(|| DbError::broken("an event's id"))?;
            let chain = row.maybe_blob(2)?.map(link_of).transpose()?;
            Ok((id, row.integer(1)?, chain, Time(row.integer(3)?), is_waiting))
        },
    )?;
    let mut forgotten = 0;
    for (id, seq, chain, at, is_waiting) in rows {
        // The newest stays: a chain without events would look like one that was wiped out.
        let goes = at < before && !is_waiting && seq == ends.first_seq && seq < ends.seq;
        let (true, Some(chain)) = (goes, chain) else { break };
        tx.run("DELETE FROM events WHERE id = $1", &[id.to_string().into()])?;
        (ends.first_seq, ends.before_first) = (seq + 1, chain);
        forgotten += 1;
    }
    if forgotten > 0 {
        save_ends(tx, keys, account, &ends)?;
    }
    Ok(forgotten)
}
