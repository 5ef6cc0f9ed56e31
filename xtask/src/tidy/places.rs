//! No file knows where it was written: no path of one machine, no host of a package registry.

use super::Problem;
use crate::tree::{Source, Tree};

pub(super) const HOLDS: &str = "no machine's path and no registry's host";

const LOCK: &str = "Cargo.lock";

/// In pieces, so that this file passes.
const MACHINE_PATH: &str = concat!("/wo", "rk/");
const HOSTS: [&str; 5] = [
    concat!("crates", ".io"),
    concat!("registry", ".npmjs"),
    concat!("pypi", ".org"),
    concat!("files.python", "hosted"),
    concat!("deb", ".debian"),
];

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    tree.sources().iter().flat_map(places_in).collect()
}

fn places_in(source: &Source) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (number, line) in source.lines() {
        if source.path.ends_with(LOCK) && line.starts_with("source = ") {
            continue;
        }
        if has_machine_path(line) {
            let what = format!("a path of one machine: `{MACHINE_PATH}`");
            let right = "use a path from the repository's root, or a temporary folder";
            problems.push(Problem::at(source, number, what, right));
        }
        for host in HOSTS.iter().filter(|host| line.contains(**host)) {
            let what = format!("a package registry's host: `{host}`");
            let right = "leave it to the package manager's own settings";
            problems.push(Problem::at(source, number, what, right));
        }
    }
    problems
}

/// Only a path from the root counts: not `framework/`, `$HOME/…`, `~/…` or `docs/…`.
fn has_machine_path(line: &str) -> bool {
    line.match_indices(MACHINE_PATH).any(|(start, _)| {
        !line[..start].ends_with(|c: char| c.is_alphanumeric() || "._-~})".contains(c))
    })
}
