//! The credentials of an account as its pages list them, in memory.
//!
//! An account may hold ten thousand. Counting them by seven facets and sorting them by their last
//! use would be a scan of several tables for each page; here it is a pass over a slice. A roster is
//! read at its first page and then follows the changes; it is a view, never asked whether a request
//! may pass.

mod entry;

pub use entry::Entry;

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use keyway_domain::Environment;
use keyway_domain::credential::{Credential, Status};
use keyway_domain::grant::{Action, Grant, Need};
use keyway_domain::id::{AccountId, CredentialId, MemberId};
use keyway_domain::scheme::Scheme;
use keyway_domain::time::{DAY_MS, Time};
use keyway_store::due::OwnDays;
use keyway_store::usage::{self, Batch, Seen};
use keyway_store::{DbError, credentials, owners};
use tokio::sync::OnceCell;

use crate::app::App;
use entry::day;

/// Days of use that a row shows.
pub const DAYS: usize = 14;
/// A credential that was not used for so long is called unused.
pub const UNUSED_MS: i64 = 90 * DAY_MS;
/// An expiry is called out so long before it comes.
pub const EXPIRING_MS: i64 = 7 * DAY_MS;
/// A roster is read anew after so long: what other processes counted is in it then.
const READ_ANEW_MS: i64 = 10 * 60_000;
/// Rosters kept at once; the one longest unread goes first.
const ROSTERS_MAX: usize = 256;

/// Whether a grant can take money out of the account.
pub fn moves_money(grant: Grant, scheme: &Scheme) -> bool {
    (0_u8..).zip(&scheme.resources).any(|(resource, declared)| {
        declared.moves_money && grant.allows(Need { resource, action: Action::Write })
    })
}

/// Which credentials a list shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// Those that live, and those that ended after them.
    All,
    /// With two accepted secrets.
    Rotating,
    /// That stop within days.
    Expiring,
    /// That nothing uses.
    Unused,
    /// Whose secret is due for renewal.
    Old,
    /// That can take money out.
    Money,
    /// Revoked and expired ones.
    Ended,
}

impl Show {
    /// Every choice, with its word in a query.
    pub const ALL: [(Self, &'static str); 7] = [
        (Self::All, "all"),
        (Self::Rotating, "rotating"),
        (Self::Expiring, "expiring"),
        (Self::Unused, "unused"),
        (Self::Old, "old"),
        (Self::Money, "money"),
        (Self::Ended, "ended"),
    ];
}

/// In which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// Last used first.
    Used,
    /// By name.
    Name,
    /// Oldest secret first.
    Age,
    /// Ending soonest first.
    Expires,
}

/// What a page of the list is asked for.
#[derive(Debug, Clone)]
pub struct Query {
    /// In which environment.
    pub environment: Environment,
    /// Which.
    pub show: Show,
    /// Of one kind only.
    pub kind: Option<String>,
    /// In one person's care only.
    pub owner: Option<MemberId>,
    /// Whose name, hint or public id holds this.
    pub text: String,
    /// In which order.
    pub sort: Sort,
    /// After this one.
    pub after: Option<CredentialId>,
    /// How many.
    pub limit: usize,
}

/// A page of the list.
#[derive(Debug, Clone)]
pub struct Listing {
    /// Its rows.
    pub rows: Vec<Entry>,
    /// How many there are for each choice of [`Show::ALL`], whatever else is asked.
    pub counts: [usize; Show::ALL.len()],
    /// How many fit everything that is asked.
    pub found: usize,
    /// How many ended ones would fit.
    pub ended: usize,
    /// How many of them stand before this page.
    pub before: usize,
    /// What the account says of the age of its secrets.
    pub ages: OwnDays,
}

/// An account's credentials.
#[derive(Debug, Default)]
pub struct Roster {
    entries: HashMap<CredentialId, Entry>,
    ages: OwnDays,
}

/// What rows are sorted by: ended ones last, then the order asked for, then the newest first.
///
/// Where nothing but the text would tell two rows apart a number stands before it: comparing equal
/// texts is what a sort of ten thousand rows spends its time on.
type Key<'e> = (bool, i64, i64, &'e str, Reverse<CredentialId>);

impl Roster {
    fn put(&mut self, credential: &Credential) {
        let entry = Entry::new(credential);
        match self.entries.get(&credential.id) {
            Some(known) if known.version >= entry.version => {}
            Some(known) => {
                let entry = entry.with_use_of(known);
                self.entries.insert(credential.id, entry);
            }
            None => drop(self.entries.insert(credential.id, entry)),
        }
    }

    /// A row.
    pub fn find(&self, id: CredentialId) -> Option<&Entry> {
        self.entries.get(&id).filter(|entry| !matches!(entry.status, Status::Deleted { .. }))
    }

    /// Rows that live in an environment.
    pub fn live(&self, environment: Environment, now: Time) -> usize {
        let fits = |entry: &&Entry| entry.environment == environment && entry.is_live(now);
        self.entries.values().filter(fits).count()
    }

    /// A page.
    pub fn page(&self, query: &Query, scheme: &Scheme, now: Time) -> Listing {
        let mut counts = [0; Show::ALL.len()];
        let mut fitting: Vec<(Key<'_>, &Entry)> = Vec::new();
        let mut ended = 0;
        let text = query.text.trim().to_lowercase();
        for entry in self.entries.values() {
            let listed = !matches!(entry.status, Status::Deleted { .. });
            if !listed || entry.environment != query.environment {
                continue;
            }
            let live = entry.is_live(now);
            let shown = shown_under(entry, live, (scheme, self.ages), now);
            for (count, shown) in counts.iter_mut().zip(shown) {
                *count += usize::from(shown);
            }
            let fits = query.kind.as_deref().is_none_or(|kind| *entry.kind == *kind)
                && query.owner.is_none_or(|owner| entry.owner == Some(owner))
                && (text.is_empty() || entry.text.contains(&text));
            ended += usize::from(fits && !live);
            if fits && shown[query.show as usize] {
                fitting.push((key(entry, live, query.sort), entry));
            }
        }
        let found = fitting.len();
        if let Some(after) = query.after.and_then(|id| self.entries.get(&id)) {
            let last = key(after, after.is_live(now), query.sort);
            fitting.retain(|(key, _)| *key > last);
        }
        let before = found - fitting.len();
        if fitting.len() > query.limit {
            fitting.select_nth_unstable_by_key(query.limit, |(key, _)| *key);
            fitting.truncate(query.limit);
        }
        fitting.sort_unstable_by_key(|(key, _)| *key);
        let rows = fitting.into_iter().map(|(_, entry)| entry.clone()).collect();
        Listing { rows, counts, found, ended, before, ages: self.ages }
    }
}

fn key(entry: &Entry, live: bool, sort: Sort) -> Key<'_> {
    let newest_first = -entry.created_at.0;
    let (number, tie, text) = match sort {
        Sort::Used => (-entry.last_used.as_ref().map_or(0, |seen| seen.at.0), newest_first, ""),
        Sort::Name => (0, 0, &*entry.text),
        Sort::Age => (entry.secret_since.0, newest_first, ""),
        Sort::Expires => (entry.expires_at.map_or(i64::MAX, |at| at.0), newest_first, ""),
    };
    (!live, number, tie, text, Reverse(entry.id))
}

/// Under which choices of [`Show::ALL`] a row is.
fn shown_under(
    entry: &Entry,
    live: bool,
    (scheme, ages): (&Scheme, OwnDays),
    now: Time,
) -> [bool; Show::ALL.len()] {
    [
        true,
        live && entry.is_rotating(now),
        live && entry.is_expiring(now),
        live && entry.is_unused(now),
        live && entry.is_old(now, ages.ages(scheme, &entry.kind)),
        live && moves_money(entry.grant, scheme),
        !live,
    ]
}

/// A roster, once it was read.
struct Shelf {
    ready: OnceCell<()>,
    read_at: Time,
    asked: Mutex<Time>,
    roster: RwLock<Roster>,
}

/// The rosters of accounts whose pages were asked for lately.
#[derive(Default)]
pub struct Rosters {
    shelves: Mutex<HashMap<AccountId, Arc<Shelf>>>,
}

impl Rosters {
    fn shelf(&self, account: AccountId, now: Time) -> Arc<Shelf> {
        let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shelf) = shelves.get(&account)
            && now < shelf.read_at.plus_ms(READ_ANEW_MS)
        {
            *shelf.asked.lock().unwrap_or_else(PoisonError::into_inner) = now;
            return Arc::clone(shelf);
        }
        if shelves.len() >= ROSTERS_MAX {
            let asked = |shelf: &Shelf| *shelf.asked.lock().unwrap_or_else(PoisonError::into_inner);
            let oldest = shelves.iter().min_by_key(|(_, shelf)| asked(shelf)).map(|(id, _)| *id);
            oldest.map(|id| shelves.remove(&id));
        }
        let shelf = Arc::new(Shelf {
            ready: OnceCell::new(),
            read_at: now,
            asked: Mutex::new(now),
            roster: RwLock::default(),
        });
        shelves.insert(account, Arc::clone(&shelf));
        shelf
    }

    fn known(&self, account: AccountId) -> Option<Arc<Shelf>> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner).get(&account).cloned()
    }

    /// Takes a credential's new state over, if its account has a roster here.
    pub fn apply(&self, credential: &Credential) {
        if let Some(shelf) = self.known(credential.account) {
            shelf.roster.write().unwrap_or_else(PoisonError::into_inner).put(credential);
        }
    }

    /// Adds what was counted.
    pub fn count(&self, batch: &Batch) {
        let shelves: Vec<_> = {
            let shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
            shelves.values().cloned().collect()
        };
        for shelf in shelves {
            let mut roster = shelf.roster.write().unwrap_or_else(PoisonError::into_inner);
            for ((id, _, hour, _), requests) in &batch.counts {
                if let Some(entry) = roster.entries.get_mut(id) {
                    entry.add(day(Time(*hour)), *requests);
                }
            }
            for ((id, _), seen) in &batch.seen {
                if let Some(entry) = roster.entries.get_mut(id)
                    && entry.last_used.as_ref().is_none_or(|known| known.at <= seen.at)
                {
                    entry.last_used = Some(seen.clone());
                }
            }
        }
    }

    /// Credentials that live in an environment, if the account's roster was read.
    pub fn live(&self, account: AccountId, environment: Environment, now: Time) -> Option<usize> {
        let shelf = self.known(account).filter(|shelf| shelf.ready.initialized())?;
        let roster = shelf.roster.read().unwrap_or_else(PoisonError::into_inner);
        Some(roster.live(environment, now))
    }

    /// Reads an account's roster anew at its next page.
    pub fn forget(&self, account: AccountId) {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner).remove(&account);
    }
}

/// Looks at an account's roster, which is read first if it is not there.
pub async fn with<T>(
    app: &Arc<App>,
    account: AccountId,
    look: impl FnOnce(&Roster) -> T,
) -> Result<T, DbError> {
    let shelf = app.rosters.shelf(account, app.now());
    shelf.ready.get_or_try_init(|| read(app, account, &shelf)).await?;
    let roster = shelf.roster.read().unwrap_or_else(PoisonError::into_inner);
    Ok(look(&roster))
}

/// What the database says of an account.
#[derive(Default)]
struct Known {
    credentials: Vec<Credential>,
    owners: HashMap<CredentialId, MemberId>,
    seen: HashMap<CredentialId, (u32, Seen)>,
    days: HashMap<CredentialId, Vec<usage::Day>>,
    ages: OwnDays,
}

async fn read(app: &Arc<App>, account: AccountId, shelf: &Shelf) -> Result<(), DbError> {
    let rules = app.platform.rules.clone();
    let days_back = i64::try_from(DAYS).unwrap_or(i64::MAX) - 1;
    let since = Time((day(app.now()) - days_back) * DAY_MS);
    let known = app
        .db
        .read(move |tx| {
            let mut credentials = Vec::new();
            credentials::each_of_account(tx, &rules, account, |credential| match credential {
                Ok(credential) => credentials.push(credential),
                Err((id, error)) => {
                    tracing::error!(credential = %id, %error, "a stored credential is not listed");
                }
            })?;
            Ok::<_, DbError>(Known {
                credentials,
                owners: owners::all(tx, account)?,
                seen: usage::last_seen(tx, account)?,
                days: usage::days(tx, account, since)?,
                ages: OwnDays::of(tx, account)?,
            })
        })
        .await?;
    // Changes that were committed since the snapshot are in the roster already, and newer.
    let mut roster = shelf.roster.write().unwrap_or_else(PoisonError::into_inner);
    roster.ages = known.ages;
    for credential in &known.credentials {
        roster.put(credential);
        let Some(entry) = roster.entries.get_mut(&credential.id) else { continue };
        entry.owner = known.owners.get(&credential.id).copied();
        entry.last_used = known.seen.get(&credential.id).map(|(_, seen)| seen.clone());
        for counted in known.days.get(&credential.id).into_iter().flatten() {
            let requests = u64::try_from(counted.allowed + counted.refused).unwrap_or(0);
            entry.add(day(counted.day), requests);
        }
    }
    Ok(())
}
