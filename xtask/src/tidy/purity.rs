//! `secret`, `domain` and `coherence` read no clock, open nothing and wait for nothing.

use super::Problem;
use crate::mentions;
use crate::tree::Tree;

pub(super) const HOLDS: &str = "secret, domain and coherence have no clock and no I/O";

const PURE: [&str; 3] = ["crates/secret/src/", "crates/domain/src/", "crates/coherence/src/"];

const BANNED: [&str; 10] = [
    "std::env",
    "std::fs",
    "std::os",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "jiff::Timestamp::now",
    "jiff::Zoned::now",
    "tokio",
];

/// What is in `std::net` and is only a value.
const ADDRESSES: [&str; 4] = ["IpAddr", "Ipv4Addr", "Ipv6Addr", "AddrParseError"];

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for source in tree.rust() {
        if source.is_test() || !PURE.iter().any(|folder| source.path.starts_with(folder)) {
            continue;
        }
        for path in mentions::paths(source.tokens()) {
            let socket = path.is_in("std::net")
                && !path.text.split("::").nth(2).is_some_and(|name| ADDRESSES.contains(&name));
            if socket || BANNED.iter().any(|banned| path.is_in(banned)) {
                let what = format!("`{}` in a crate without clock and I/O", path.text);
                let right = "take the value as an argument and read it in crates/server";
                problems.push(Problem::at(source, path.line, what, right));
            }
        }
    }
    problems
}
