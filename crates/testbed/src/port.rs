//! Ports that stay free: below the range from which the system takes ports for connections.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::{Ipv4Addr, TcpListener};

const FIRST: u64 = 10_000;
/// Linux takes 32,768 and above for outgoing connections.
const END: u64 = 32_000;
const TRIES: usize = 1_000;

/// A port of this machine on which nothing listens now.
pub fn free_port() -> u16 {
    let candidates = (0..TRIES).filter_map(|_| {
        let chance = RandomState::new().build_hasher().finish();
        u16::try_from(FIRST + chance % (END - FIRST)).ok()
    });
    candidates
        .into_iter()
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("one port of thousands is free")
}
