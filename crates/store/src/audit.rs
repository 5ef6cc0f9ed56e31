//! The audit log as a chain: each event of an account holds a keyed hash over itself and the one
//! before.
//!
//! Who writes to the database has no key, so they can neither change an event nor take one out nor
//! put one in without breaking the chain where they did. The two ends are kept apart, sealed, and
//! begin with the account: that the newest events are gone, or all of them, is seen too. What is
//! not seen is a whole older state put back, ends and all; a head that is kept elsewhere shows it.

use keyway_domain::canonical::Canonical;
use keyway_domain::id::AccountId;
use keyway_domain::time::Time;
use keyway_secret::RowSealer;

use crate::db::Tx;
use crate::sealed;
use crate::value::{Columns, DbError, Value};

/// The link before the first event of an account.
const NOTHING: [u8; 32] = [0; 32];
/// No account has so many events: what claims a later place was not written by Keyway.
const SEQ_MAX: i64 = 1 << 48;

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

/// What is kept of the ends of a chain.
#[derive(Clone)]
enum Found {
    /// As they were written.
    Ends(Ends),
    /// They can be read, but their seal does not fit.
    Changed(Ends),
    /// They are gone, or can't be read.
    Nothing,
}

fn ends(tx: &mut Tx<'_>, keys: &RowSealer, account: AccountId) -> Result<Found, DbError> {
    let sql = format!(
        "SELECT first_seq, before_first, seq, chain, seal FROM audit_ends
         WHERE account_id = $1 {}",
        tx.lock()
    );
    let found = tx.first(&sql, &[account.to_string().into()], |row| {
        let (Ok(before_first), Ok(chain)) = (link_of(row.blob(1)?), link_of(row.blob(3)?)) else {
            return Ok(Found::Nothing);
        };
        let ends = Ends { first_seq: row.integer(0)?, before_first, seq: row.integer(2)?, chain };
        let fits = sealed::holds(keys, &ends.sealed_bytes(account), row.blob(4)?);
        Ok(if fits { Found::Ends(ends) } else { Found::Changed(ends) })
    })?;
    Ok(found.unwrap_or(Found::Nothing))
}

/// Begins the chain of a new account.
pub(crate) fn begin(tx: &mut Tx<'_>, keys: &RowSealer, account: AccountId) -> Result<(), DbError> {
    let ends = Ends { first_seq: 1, before_first: NOTHING, seq: 0, chain: NOTHING };
    save_ends(tx, keys, account, &ends)
}

fn save_ends(
    tx: &mut Tx<'_>,
    keys: &RowSealer,
    account: AccountId,
    ends: &Ends,
) -> Result<(), DbError> {
    write_ends(tx, account, ends, sealed::seal(keys, &ends.sealed_bytes(account)))
}

fn write_ends(
    tx: &mut Tx<'_>,
    account: AccountId,
    ends: &Ends,
    seal: Value,
) -> Result<(), DbError> {
    tx.run_later(
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
            seal,
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

/// Takes the next places in an account's chain for events with these columns: of each its place and
/// link.
///
/// Where somebody has changed the ends of a chain or added to it, events go on being added after
/// what is there: the break stays where it was made, and is found there.
pub(crate) fn next(
    tx: &mut Tx<'_>,
    keys: &RowSealer,
    account: AccountId,
    events: &[[Value; 11]],
) -> Result<Vec<(i64, [u8; 32])>, DbError> {
    // Not MAX: that may be found by reading all events of the account.
    let newest = tx.first(
        "SELECT seq FROM events WHERE account_id = $1 AND seq < $2 ORDER BY seq DESC LIMIT 1",
        &[account.to_string().into(), SEQ_MAX.into()],
        |row| row.integer(0),
    )?;
    let newest = newest.unwrap_or(0);
    let found = ends(tx, keys, account)?;
    let is_whole = matches!(&found, Found::Ends(ends) if newest <= ends.seq);
    let mut ends = match found {
        Found::Ends(ends) | Found::Changed(ends) => ends,
        Found::Nothing => Ends { first_seq: 1, before_first: NOTHING, seq: 0, chain: NOTHING },
    };
    ends.seq = ends.seq.max(newest);
    let mut places = Vec::with_capacity(events.len());
    for columns in events {
        ends.seq = ends.seq.saturating_add(1);
        ends.chain = chained(keys, &ends.chain, ends.seq, columns);
        places.push((ends.seq, ends.chain));
    }
    if is_whole {
        save_ends(tx, keys, account, &ends)?;
    } else {
        tracing::error!(%account, "an audit log was changed outside Keyway");
        let unsealed = Value::from([0_u8].as_slice());
        write_ends(tx, account, &ends, unsealed)?;
    }
    Ok(places)
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
    let (Found::Ends(ends) | Found::Changed(ends)) = &found else {
        return without_ends(tx, account);
    };
    let mut walk =
        Walk { seq: ends.first_seq.saturating_sub(1), chain: ends.before_first, broken: None };
    let sql = format!(
        "SELECT seq, chain, {COVERED} FROM events WHERE account_id = $1 AND seq IS NOT NULL
         ORDER BY seq"
    );
    tx.each(&sql, &whose, |row| walk.step(keys, row))?;
    if let Some(broken) = walk.broken {
        return Ok(Err(broken));
    }
    let broken = |fault, seq| Ok(Err(Broken { fault, seq, event: None }));
    match found {
        _ if walk.seq < ends.seq => broken(Fault::Missing, walk.seq + 1),
        Found::Ends(_) if walk.seq == ends.seq && walk.chain == ends.chain => Ok(Ok(Whole {
            entries: walk.seq - ends.first_seq + 1,
            seq: walk.seq,
            head: walk.chain,
        })),
        _ => broken(Fault::Ends, walk.seq),
    }
}

/// Every account's chain begins with it.
fn without_ends(tx: &mut Tx<'_>, account: AccountId) -> Result<Verified, DbError> {
    let sql = "SELECT id, seq FROM events WHERE account_id = $1 ORDER BY seq LIMIT 1";
    let first = tx.first(sql, &[account.to_string().into()], |row| Ok(row.text(0)?.to_owned()))?;
    Ok(Err(Broken { fault: Fault::Ends, seq: 0, event: first }))
}

/// The link of a row, if it is the one that follows from the link before it and all that the row
/// says. The row has it in column `from`, before the [`COVERED`] ones.
fn fitting(
    keys: &RowSealer,
    before: &[u8; 32],
    seq: i64,
    row: &dyn Columns,
    from: usize,
) -> Option<[u8; 32]> {
    // A row of which a column can't be read was not written by Keyway so.
    let stored = link_of(row.maybe_blob(from).ok()??).ok()?;
    let columns = row_columns(row, from + 1).ok()?;
    (chained(keys, before, seq, &columns) == stored).then_some(stored)
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
        let seq = row.integer(0)?;
        let event = || row.text(2).ok().map(str::to_owned);
        let wanted = self.seq.saturating_add(1);
        if seq < wanted {
            self.broken = Some(Broken { fault: Fault::Added, seq, event: event() });
            return Ok(());
        }
        if seq > wanted {
            self.broken = Some(Broken { fault: Fault::Missing, seq: wanted, event: None });
            return Ok(());
        }
        match fitting(keys, &self.chain, seq, row, 1) {
            Some(link) => (self.seq, self.chain) = (seq, link),
            None => {
                self.broken = Some(Broken { fault: Fault::Changed, seq, event: event() });
            }
        }
        Ok(())
    }
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
    let Found::Ends(mut ends) = ends(tx, keys, account)? else { return Ok(0) };
    let sql = format!(
        "SELECT e.seq, e.at, o.event_id, e.chain, {} FROM events e
         LEFT JOIN outbox o ON o.event_id = e.id
         WHERE e.account_id = $1 AND e.seq >= $2 ORDER BY e.seq LIMIT $3",
        COVERED.split(", ").map(|column| format!("e.{column}")).collect::<Vec<_>>().join(", ")
    );
    let (mut last, mut going) = (ends.clone(), Vec::new());
    let values = [account.to_string().into(), ends.first_seq.into(), i64::from(limit).into()];
    let mut goes_on = true;
    tx.each(&sql, &values, |row| {
        let (seq, at, is_waiting) = (row.integer(0)?, Time(row.integer(1)?), row.maybe_text(2)?);
        // The newest stays: a chain without events would look like one that was wiped out.
        let goes = at < before && is_waiting.is_none() && seq == last.first_seq && seq < last.seq;
        // What was changed stays too: it is evidence.
        let link = fitting(keys, &last.before_first, seq, row, 3);
        match link.filter(|_| goes_on && goes) {
            Some(link) => {
                going.push(row.text(4)?.to_owned());
                (last.first_seq, last.before_first) = (seq + 1, link);
            }
            None => goes_on = false,
        }
        Ok(())
    })?;
    for id in &going {
        tx.run("DELETE FROM events WHERE id = $1", &[id.as_str().into()])?;
    }
    ends = last;
    let forgotten = going.len() as u64;
    if forgotten > 0 {
        save_ends(tx, keys, account, &ends)?;
    }
    Ok(forgotten)
}
