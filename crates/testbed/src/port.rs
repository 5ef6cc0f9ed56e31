//! Ports that stay free: below the range from which the system takes ports for connections.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{LazyLock, Mutex, PoisonError};

const FIRST: u64 = 10_000;
/// Linux takes 32,768 and above for outgoing connections.
const END: u64 = 32_000;
const TRIES: usize = 1_000;

/// Those that were given out: whoever asked may not listen yet.
static GIVEN: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);

/// A port of this machine on which nothing listens now. No process gets one twice.
pub fn free_port() -> u16 {
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut candidates = (0..TRIES).filter_map(|_| {
        let chance = RandomState::new().build_hasher().finish();
        u16::try_from(FIRST + chance % (END - FIRST)).ok()
    });
    candidates
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok() && given.insert(*port))
        .expect("one port of thousands is free")
}
