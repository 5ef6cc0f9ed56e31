//! Every credential in memory: digest → what a verdict needs, read without locks.
//!
//! A miss is final: a forged key costs a hash and a look, never a query. Records are 128 bytes in
//! segments that never move; the table over them is one flat array, replaced whole when it grows.
//! One writer (the store's, after each commit) changes it; readers see each record whole.

mod account;
mod addresses;
mod end;
mod ending;
mod names;
mod pool;
mod record;
mod scopes;
mod table;

pub use account::IndexedAccount;
pub use addresses::FromWhere;
pub use record::Entry;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arc_swap::ArcSwap;
use ipnet::IpNet;
use keyway_domain::credential::{Credential, RateLimit};
use keyway_domain::id::AccountId;
use keyway_domain::limits::ENDED_REMEMBERED_DAYS;
use keyway_domain::rate::{self, RateState};
use keyway_domain::scheme::Scheme;
use keyway_domain::time::{DAY_MS, Time};
use keyway_domain::verdict::Access;
use keyway_secret::{Digest, DigestPrefix};
use keyway_store::accounts::Account;

use crate::followers::{Followers, Subject};

use addresses::AddressList;
use end::End;
use names::Names;
use pool::Pool;
use record::Record;
use scopes::Scopes;
use table::Table;

/// All credentials of a deployment.
pub struct Index {
    scheme: Arc<Scheme>,
    table: ArcSwap<Table>,
    records: Pool<Record>,
    accounts: Pool<OnceLock<IndexedAccount>>,
    names: Names,
    addresses: Pool<OnceLock<AddressList>>,
    rates: Pool<OnceLock<RateLimit>>,
    sealed: Pool<OnceLock<Sealed>>,
    scopes: Scopes,
    writer: Mutex<Writer>,
    /// Who hears of each change.
    followers: OnceLock<Arc<Followers>>,
    /// Secrets that are known, and how many bytes they take.
    count: AtomicU64,
}

/// A recoverable secret, as sealed, and what it is sealed to.
pub struct Sealed {
    /// The sealed bytes.
    pub bytes: Box<[u8]>,
    /// The public id that goes with it.
    pub public_id: Box<str>,
}

/// What only the writer needs.
struct Writer {
    accounts: HashMap<AccountId, u32>,
    addresses: HashMap<AddressList, u32>,
    rates: HashMap<RateLimit, u32>,
    /// Slots that a new secret may take.
    free: Vec<u32>,
    /// Slots that may be, once nothing is noted by them any more.
    resting: Vec<u32>,
    /// By how many other secrets a slot is used that counts the rate for them.
    counting: HashMap<u32, u32>,
}

impl Writer {
    /// Notes where the rate of a secret is counted from now on, which was counted there before.
    fn counts(&mut self, before: Option<&Entry>, now: Option<&Entry>) {
        let elsewhere = |entry: &Entry| (entry.rate_slot != entry.slot).then_some(entry.rate_slot);
        let (before, now) = (before.and_then(elsewhere), now.and_then(elsewhere));
        if before == now {
            return;
        }
        if let Some(slot) = now {
            *self.counting.entry(slot).or_default() += 1;
        }
        if let Some(others) = before.and_then(|slot| self.counting.get_mut(&slot)) {
            *others -= 1;
        }
        if let Some(slot) = before.filter(|slot| self.counting.get(slot) == Some(&0)) {
            self.counting.remove(&slot);
        }
    }
}

/// Allowed requests of one minute, from one place, for one scope.
#[derive(Debug, Clone, Copy)]
pub struct Allowed {
    /// How many.
    pub requests: u32,
    /// In which minute.
    pub minute: u32,
    /// From where: a hash from 0 to 63.
    pub place: u32,
    /// For what, with a hash from 0 to 63.
    pub need: Option<(Access, u32)>,
}

/// What is new about an allowed request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "four facts, each of which can be without others"
)]
pub struct Noted {
    /// Nothing was counted since the counters were taken.
    pub first_since_taken: bool,
    /// Nothing was counted in this minute.
    pub first_this_minute: bool,
    /// Nothing came from this place since the counters were taken.
    pub new_place: bool,
    /// Nothing was for this scope since then.
    pub new_need: bool,
}

/// Sets a bit; whether it was not set. Mostly it was, and then nothing is written.
fn is_new(bits: &AtomicU64, bit: u32) -> bool {
    let mask = 1_u64 << (bit & 63);
    bits.load(Ordering::Relaxed) & mask == 0 && bits.fetch_or(mask, Ordering::Relaxed) & mask == 0
}

impl Index {
    /// An empty index with room for so many secrets.
    pub fn new(scheme: Arc<Scheme>, room: u64) -> Self {
        let scopes = Scopes::new(scheme.resources.len());
        let index = Self {
            scheme,
            table: ArcSwap::from_pointee(Table::with_room_for(room)),
            records: Pool::new(),
            accounts: Pool::new(),
            names: Names::new(),
            addresses: Pool::new(),
            rates: Pool::new(),
            sealed: Pool::new(),
            scopes,
            writer: Mutex::new(Writer {
                accounts: HashMap::new(),
                addresses: HashMap::new(),
                rates: HashMap::new(),
                free: Vec::new(),
                resting: Vec::new(),
                counting: HashMap::new(),
            }),
            followers: OnceLock::new(),
            count: AtomicU64::new(0),
        };
        // Place 0 of these says "none".
        index.addresses.grow();
        index.rates.grow();
        index.sealed.grow();
        index
    }

    /// Tells followers of each change from now on.
    pub fn tell(&self, followers: Arc<Followers>) {
        // An index is opened once.
        let _ = self.followers.set(followers);
    }

    /// Tells of a change, which must be made by now.
    pub(crate) fn changed(&self, subject: Subject) {
        if let Some(followers) = self.followers.get() {
            followers.tell(subject);
        }
    }

    /// What is known of a digest. Lock-free; a miss is final.
    pub fn find(&self, digest: &Digest) -> Option<Entry> {
        self.find_prefix(digest.prefix())
    }

    /// What is known of the first 128 bits of a digest.
    pub fn find_prefix(&self, digest: DigestPrefix) -> Option<Entry> {
        let table = self.table.load();
        table
            .candidates(digest)
            .find_map(|slot| self.records.at(slot).and_then(|record| record.read(slot, digest)))
    }

    /// The entry in a slot, for counters that were noted by slot.
    pub fn entry(&self, slot: u32) -> Option<Entry> {
        self.records.at(slot)?.entry(slot)
    }

    /// How many secrets are known, ended ones included.
    pub fn len(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The account at a place.
    pub fn account_at(&self, place: u32) -> Option<&IndexedAccount> {
        self.accounts.at(place)?.get()
    }

    /// An entry's account.
    pub fn account(&self, entry: &Entry) -> Option<&IndexedAccount> {
        self.accounts.at(entry.account)?.get()
    }

    /// An entry's name.
    pub fn name(&self, entry: &Entry) -> String {
        self.names.at(entry.name).unwrap_or_default()
    }

    /// An entry's sealed secret.
    pub fn sealed(&self, entry: &Entry) -> Option<&Sealed> {
        self.sealed.at(entry.sealed)?.get()
    }

    /// Whether requests may come from the address. No list has the address that nobody told.
    pub fn from_where(&self, entry: &Entry, address: Option<IpAddr>) -> FromWhere {
        if entry.addresses == 0 {
            return FromWhere::Allowed;
        }
        let list = self.addresses.at(entry.addresses).and_then(OnceLock::get);
        list.map_or(FromWhere::Refused, |list| list.judge(address))
    }

    /// The credential's list of addresses, whatever it does; empty if there is none.
    pub fn addresses(&self, entry: &Entry) -> &[IpNet] {
        let list = self.addresses.at(entry.addresses).and_then(OnceLock::get);
        list.map_or(&[], AddressList::ranges)
    }

    /// Counts allowed requests; what of them is new.
    pub fn note_allowed(&self, entry: &Entry, noted: &Allowed) -> Noted {
        let Allowed { requests, minute, place, need } = *noted;
        let Some(record) = self.records.at(entry.slot) else { return Noted::default() };
        let new_need = need.is_some_and(|(access, bit)| {
            let before = self.scopes.count(&record.scopes, access, requests);
            before.map_or_else(|| is_new(&record.needs, bit), |before| before == 0)
        });
        Noted {
            first_since_taken: record.allowed.fetch_add(requests, Ordering::Relaxed) == 0,
            first_this_minute: record.minute.load(Ordering::Relaxed) != minute
                && record.minute.swap(minute, Ordering::Relaxed) != minute,
            new_place: is_new(&record.places, place),
            new_need,
        }
    }

    /// Takes the allowed requests of a slot for a scope out of their counter.
    pub fn take_need(&self, slot: u32, access: Access) -> u32 {
        self.records.at(slot).map_or(0, |record| self.scopes.take(&record.scopes, access))
    }

    /// Takes the allowed requests of a slot out of its counter, and forgets from where and for what
    /// they were.
    pub fn take_allowed(&self, slot: u32) -> u32 {
        self.records.at(slot).map_or(0, |record| {
            record.places.store(0, Ordering::Relaxed);
            record.needs.store(0, Ordering::Relaxed);
            record.allowed.swap(0, Ordering::Relaxed)
        })
    }

    /// Takes one request from the credential's rate limit, with one compare-and-swap. `None` without
    /// a limit; `Err` when it is used up.
    pub fn take_rate(&self, entry: &Entry, now: Time) -> Option<Result<RateState, RateState>> {
        let rule = self.rate(entry)?;
        let record = self.records.at(entry.rate_slot)?;
        let mut arrival = record.arrival.load(Ordering::Relaxed);
        loop {
            let (next, state) = match rate::take(rule, arrival, now) {
                Ok(taken) => taken,
                Err(state) => return Some(Err(state)),
            };
            match record.arrival.compare_exchange_weak(
                arrival,
                next,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Some(Ok(state)),
                Err(other) => arrival = other,
            }
        }
    }

    /// The credential's rate limit.
    pub fn rate(&self, entry: &Entry) -> Option<RateLimit> {
        self.rates.at(entry.rate)?.get().copied()
    }

    /// Takes over an account as it is now.
    pub fn apply_account(&self, account: &Account) {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(place) = self.account_place(&mut writer, account.id) else { return };
        if let Some(indexed) = self.accounts.at(place).and_then(OnceLock::get) {
            indexed.apply(account);
        }
        self.changed(Subject::Account(account.id));
    }

    /// Refuses everything of an account.
    pub fn suspend(&self, id: AccountId) {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(place) = self.account_place(&mut writer, id) else { return };
        if let Some(indexed) = self.accounts.at(place).and_then(OnceLock::get) {
            indexed.suspend();
        }
        self.changed(Subject::Account(id));
    }

    /// Takes over a credential as it is now.
    pub fn apply(&self, credential: &Credential, now: Time) {
        self.apply_some(std::iter::once(credential), now);
    }

    /// Takes over some credentials as they are now.
    pub fn apply_some<'c>(
        &self,
        credentials: impl Iterator<Item = &'c Credential> + Clone,
        now: Time,
    ) {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let secrets = credentials.clone().flat_map(|credential| &credential.secrets);
        self.table.load().approach(secrets.map(|secret| secret.digest.prefix()));
        for credential in credentials {
            if let Err(what) = self.apply_locked(&mut writer, credential, now) {
                // Fail closed: what can't be indexed is not accepted, nor what was known of it
                // before.
                for secret in &credential.secrets {
                    self.end(secret.digest.prefix(), now);
                }
                tracing::error!(credential = %credential.id, "not indexed, and so refused: {what}");
            }
            self.changed(Subject::Credential(credential.id));
        }
    }

    fn apply_locked(
        &self,
        writer: &mut Writer,
        credential: &Credential,
        now: Time,
    ) -> Result<(), &'static str> {
        let kind = self.scheme.kind_place(&credential.kind);
        let kind = kind.ok_or("its kind is not in the scheme")?;
        let account = self.account_place(writer, credential.account).ok_or("the index is full")?;
        let rate = credential.rate.or(self.scheme.rates[credential.environment as usize]);
        let mut shared: Option<Entry> = None;
        for secret in &credential.secrets {
            let End { at: ends_at, by_expiry, ended } = End::of(credential, secret);
            let digest = secret.digest.prefix();
            let known = self.find_prefix(digest);
            if known.is_none() && ends_at.plus_ms(ENDED_REMEMBERED_DAYS * DAY_MS) < now {
                continue;
            }
            let slot = match &known {
                Some(entry) => entry.slot,
                None => self.free_slot(writer).ok_or("the index is full")?,
            };
            let rate_slot = shared.or(known).map_or(slot, |entry| entry.rate_slot);
            let name = match shared.or(known).filter(|entry| self.name(entry) == credential.name) {
                Some(entry) => entry.name,
                None => self.names.add(&credential.name).ok_or("the index is full")?,
            };
            let sealed = match (&known, &secret.sealed) {
                (Some(entry), _) => entry.sealed,
                (None, Some(bytes)) => {
                    let public_id = secret.public_id.as_deref().unwrap_or("").into();
                    add(&self.sealed, Sealed { bytes: bytes.as_slice().into(), public_id })?
                }
                (None, None) => 0,
            };
            let entry = Entry {
                slot,
                credential: credential.id,
                ends_at,
                ends_by_expiry: by_expiry,
                ended,
                kind,
                environment: credential.environment,
                grant: credential.grant,
                secret: secret.number,
                account,
                name,
                addresses: self.address_place(writer, credential)?,
                rate: self.rate_place(writer, rate)?,
                sealed,
                rate_slot,
            };
            self.records.at(slot).ok_or("the index is full")?.write(digest, &entry);
            writer.counts(known.as_ref(), Some(&entry));
            if known.is_none() {
                self.link(digest, slot);
            }
            shared.get_or_insert(entry);
        }
        Ok(())
    }

    fn free_slot(&self, writer: &mut Writer) -> Option<u32> {
        writer.free.pop().or_else(|| self.records.grow().map(|(slot, _)| slot))
    }

    /// Puts a new record into the table, growing it first if needed.
    fn link(&self, digest: DigestPrefix, slot: u32) {
        let table = self.table.load_full();
        if table.is_full() {
            let larger = Table::with_room_for(self.len() * 2);
            // Every known record goes over; readers use the old table until the new one is whole.
            for known in 0..self.records.len() {
                let Some(record) = self.records.at(known) else { continue };
                if known != slot && table.candidates(record.digest()).any(|other| other == known) {
                    larger.insert(record.digest(), known);
                }
            }
            larger.insert(digest, slot);
            self.table.store(Arc::new(larger));
        } else {
            table.insert(digest, slot);
        }
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    fn account_place(&self, writer: &mut Writer, id: AccountId) -> Option<u32> {
        if let Some(place) = writer.accounts.get(&id) {
            return Some(*place);
        }
        let place = add(&self.accounts, IndexedAccount::new(id)).ok()?;
        writer.accounts.insert(id, place);
        Some(place)
    }

    fn address_place(&self, writer: &mut Writer, of: &Credential) -> Result<u32, &'static str> {
        if of.addresses.is_empty() {
            return Ok(0);
        }
        let list = AddressList::of(of);
        if let Some(place) = writer.addresses.get(&list) {
            return Ok(*place);
        }
        let place = add(&self.addresses, list.clone())?;
        writer.addresses.insert(list, place);
        Ok(place)
    }

    fn rate_place(
        &self,
        writer: &mut Writer,
        rate: Option<RateLimit>,
    ) -> Result<u32, &'static str> {
        let Some(rate) = rate else { return Ok(0) };
        if let Some(place) = writer.rates.get(&rate) {
            return Ok(*place);
        }
        let place = add(&self.rates, rate)?;
        writer.rates.insert(rate, place);
        Ok(place)
    }
}

/// Adds an element to a pool; its place.
fn add<T>(pool: &Pool<OnceLock<T>>, element: T) -> Result<u32, &'static str> {
    let (place, cell) = pool.grow().ok_or("the index is full")?;
    // The cell is new: only this writer knows its place.
    let _ = cell.set(element);
    Ok(place)
}
