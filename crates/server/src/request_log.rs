//! Requests that were judged, on their way to the log that an account's people read.
//!
//! A request is put into a ring in memory, and forgotten there: no lock, no allocation, no wait. The
//! flusher takes them out once a second. When they come faster than that they are counted by their
//! account and not written down, and the log says how many. A quarter of each ring is for refusals:
//! they are what somebody will look for.

mod lane;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use keyway_domain::Environment;
use keyway_domain::grant::{Action, Need};
use keyway_domain::id::{AccountId, CredentialId};
use keyway_domain::scheme::Scheme;
use keyway_domain::time::Time;
use keyway_domain::verdict::{Access, Reason};
use keyway_secret::Sealer;
use keyway_store::requests::{ALLOWED, Batch, Place, REPORTED, Request};
use keyway_store::usage::UNLISTED;

use crate::index::{Entry, Index};
use crate::verify::{Decision, RequestId};
use lane::{Lane, WORDS};

/// Rings: each thread writes to one of them, so that two threads rarely write to the same memory.
const LANES: usize = 4;
/// Requests of a ring; all of them together take 1.2 MB.
const ROOM: usize = 4_096;
/// Of these, for refusals only.
const FOR_REFUSALS: usize = ROOM / 4;

/// How much of the log is kept, and how fast it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// For how many days; 0 for no log at all.
    pub days: u32,
    /// Requests of each account.
    pub rows: u32,
    /// Requests that a node writes in a second.
    pub per_second: u32,
}

impl Default for Terms {
    fn default() -> Self {
        // A thousand rows a second are a few percent of what a small machine's disk takes.
        Self { days: 14, rows: 100_000, per_second: 1_000 }
    }
}

/// A request on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Noted {
    /// What its id says.
    pub request: RequestId,
    /// Its account's place in the index.
    pub account: u32,
    /// Its route's place in the scheme.
    pub route: Option<u16>,
    /// Where it came from.
    pub address: Option<IpAddr>,
}

/// The rings of a node.
pub struct RequestLog {
    lanes: Box<[Lane]>,
    /// Places of accounts of which some were not put in.
    short: Mutex<Vec<u32>>,
}

/// Which ring this thread writes to.
fn own_lane() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static LANE: Cell<usize> = Cell::new(NEXT.fetch_add(1, Ordering::Relaxed));
    }
    LANE.with(Cell::get)
}

impl RequestLog {
    /// Empty rings.
    pub fn new() -> Self {
        let lanes = std::iter::repeat_with(|| Lane::new(ROOM)).take(LANES).collect();
        Self { lanes, short: Mutex::default() }
    }

    /// Puts a request in, or counts it for its account where there is no room.
    pub fn put(&self, index: &Index, entry: &Entry, judged: &Noted) {
        let words = to_words(judged);
        let is_refusal = matches!(judged.request.decision, Decision::Refused(_));
        let spare = if is_refusal { 0 } else { FOR_REFUSALS };
        let own = own_lane();
        let is_in = (0..LANES).any(|next| self.lanes[(own + next) % LANES].put(&words, spare));
        if !is_in && index.account(entry).is_some_and(|account| account.miss() == 0) {
            self.short.lock().unwrap_or_else(PoisonError::into_inner).push(entry.account);
        }
    }

    /// Takes out at most so many, and what was missed. One may take at a time.
    pub fn take(&self, index: &Index, most: usize) -> (Vec<Noted>, BTreeMap<AccountId, u64>) {
        let mut taken = Vec::new();
        // Each ring in turn, so that none waits for another to be empty.
        let mut left = true;
        while left && taken.len() < most {
            left = false;
            for lane in &self.lanes {
                let Some(words) = lane.take() else { continue };
                taken.extend(from_words(&words));
                left = true;
            }
        }
        let short = std::mem::take(&mut *self.short.lock().unwrap_or_else(PoisonError::into_inner));
        let mut missed = BTreeMap::new();
        for place in short {
            if let Some(account) = index.account_at(place) {
                *missed.entry(account.id).or_insert(0) += u64::from(account.take_missed());
            }
        }
        (taken, missed)
    }
}

impl Default for RequestLog {
    fn default() -> Self {
        Self::new()
    }
}

/// As rows, with the accounts that they belong to.
pub fn to_batch(
    (taken, missed): (Vec<Noted>, BTreeMap<AccountId, u64>),
    (index, scheme, sealer): (&Index, &Scheme, &Sealer),
    now: Time,
) -> Batch {
    let of_account = |judged: Noted| {
        let account = index.account_at(judged.account)?.id;
        let credential = judged.request.credential?;
        Some((account, row(&judged, credential, scheme, sealer)))
    };
    Batch { requests: taken.into_iter().filter_map(of_account).collect(), missed, at: now }
}

fn row(judged: &Noted, credential: CredentialId, scheme: &Scheme, sealer: &Sealer) -> Request {
    let request = &judged.request;
    let route = judged.route.and_then(|route| scheme.routes.pattern(route));
    Request {
        place: Place::new(request.at, request.node, request.sequence),
        id: request.seal(sealer),
        credential,
        secret: request.secret,
        environment: request.environment.map_or("", Environment::as_str).to_owned(),
        outcome: match request.decision {
            Decision::Refused(reason) => reason.as_str(),
            Decision::Reported => REPORTED,
            Decision::Allowed | Decision::Management => ALLOWED,
        }
        .to_owned(),
        method: request.method_name().to_owned(),
        route: route.unwrap_or("").to_owned(),
        need: match request.access {
            Access::Needs(need) => scheme.say_need(need),
            Access::Unlisted => UNLISTED.to_owned(),
            Access::Identity => String::new(),
        },
        address: judged.address.map_or_else(String::new, |a| a.to_canonical().to_string()),
    }
}

const NO_ROUTE: u16 = u16::MAX;
const UNLISTED_ROUTE: u64 = 255;
const IDENTITY: u64 = 254;
const IS_REPORTED: u64 = 254;

fn halves(high: u32, low: u32) -> u64 {
    (u64::from(high) << 32) | u64::from(low)
}

fn split(number: u128) -> [u64; 2] {
    let half = |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).unwrap_or(0);
    [half(number >> 64), half(number)]
}

fn to_words(judged: &Noted) -> [u64; WORDS] {
    let request = &judged.request;
    let [id_high, id_low] = split(request.credential.map_or(0, |id| id.0));
    let (family, address) = match judged.address {
        None => (0, 0),
        Some(IpAddr::V4(address)) => (4, u128::from(address.to_bits())),
        Some(IpAddr::V6(address)) => (6, address.to_bits()),
    };
    let [address_high, address_low] = split(address);
    let decision = match request.decision {
        Decision::Allowed | Decision::Management => 0,
        Decision::Reported => IS_REPORTED,
        Decision::Refused(reason) => 1 + u64::from(reason as u8),
    };
    let (access, write) = match request.access {
        Access::Identity => (IDENTITY, 0),
        Access::Unlisted => (UNLISTED_ROUTE, 0),
        Access::Needs(need) => (u64::from(need.resource), u64::from(need.action == Action::Write)),
    };
    let environment = match request.environment {
        None => 0,
        Some(Environment::Test) => 1,
        Some(Environment::Live) => 2,
    };
    let place = (u32::from(request.node) << 16) | u32::from(judged.route.unwrap_or(NO_ROUTE));
    let flags = decision
        | (u64::from(request.method) << 8)
        | (environment << 16)
        | (access << 24)
        | (write << 32)
        | (family << 40);
    [
        request.at.0.cast_unsigned(),
        halves(request.sequence, place),
        id_high,
        id_low,
        halves(judged.account, request.secret),
        flags,
        address_high,
        address_low,
    ]
}

fn from_words(words: &[u64; WORDS]) -> Option<Noted> {
    let low = |word: u64| u32::try_from(word & u64::from(u32::MAX)).unwrap_or(0);
    let high = |word: u64| u32::try_from(word >> 32).unwrap_or(0);
    let number = |high: u64, low: u64| (u128::from(high) << 64) | u128::from(low);
    let byte = |shift: u32| u8::try_from((words[5] >> shift) & 0xff).unwrap_or(0);
    let place = low(words[1]);
    let route = u16::try_from(place & 0xffff).unwrap_or(NO_ROUTE);
    let action = if byte(32) == 1 { Action::Write } else { Action::Read };
    let address = number(words[6], words[7]);
    let request = RequestId {
        at: Time(words[0].cast_signed()),
        node: u16::try_from(place >> 16).unwrap_or(0),
        sequence: high(words[1]),
        credential: Some(CredentialId(number(words[2], words[3]))),
        secret: low(words[4]),
        environment: match byte(16) {
            1 => Some(Environment::Test),
            2 => Some(Environment::Live),
            _ => None,
        },
        decision: match byte(0) {
            0 => Decision::Allowed,
            code if u64::from(code) == IS_REPORTED => Decision::Reported,
            code => Decision::Refused(*Reason::ALL.get(usize::from(code) - 1)?),
        },
        access: match byte(24) {
            254 => Access::Identity,
            255 => Access::Unlisted,
            resource => Access::Needs(Need { resource, action }),
        },
        method: byte(8),
    };
    let address = match byte(40) {
        4 => Some(IpAddr::V4(Ipv4Addr::from_bits(low(words[7])))),
        6 => Some(IpAddr::V6(Ipv6Addr::from_bits(address))),
        _ => None,
    };
    let route = Some(route).filter(|route| *route != NO_ROUTE);
    Some(Noted { request, account: high(words[4]), route, address })
}

#[cfg(test)]
mod tests;
