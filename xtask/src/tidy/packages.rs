//! The number of packages we trust stays under a ceiling.

use super::Problem;
use crate::tree::Tree;

pub(super) const HOLDS: &str = "locked packages stay under a ceiling";

/// Raised only with a reason in the commit: every package is code that someone else can change.
const PACKAGES_MAX: usize = 365;

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let Some(lock) = tree.source("Cargo.lock") else { return Vec::new() };
    let count = lock.lines().filter(|(_, line)| *line == "[[package]]").count();
    if count <= PACKAGES_MAX {
        return Vec::new();
    }
    let what = format!("{count} packages are locked");
    let right =
        format!("at most {PACKAGES_MAX}: drop a dependency or a feature (`cargo tree -d` helps)");
    vec![Problem::at(lock, 1, what, right)]
}
