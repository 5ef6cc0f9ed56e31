//! No code knows a platform by name: what a scheme needs is a word of the scheme language.

use super::Problem;
use crate::tree::{Source, Tree};

pub(super) const HOLDS: &str = "no scheme is named in code";

const FOLDERS: [&str; 6] = [
    "crates/secret/src/",
    "crates/domain/src/",
    "crates/store/src/",
    "crates/guard/src/",
    "crates/client/src/",
    "crates/server/src/",
];

/// The one file that embeds the scheme files.
const EMBEDDING: &str = "crates/server/src/schemes.rs";

const NAMES: [&str; 4] = ["xendit", "xtopay", "rapyd", "airwallex"];

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    tree.rust().filter(|source| is_bound(source)).flat_map(named_in).collect()
}

fn is_bound(source: &Source) -> bool {
    !source.is_test()
        && source.path != EMBEDDING
        && FOLDERS.iter().any(|folder| source.path.starts_with(folder))
}

fn named_in(source: &Source) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (number, line) in source.lines() {
        let line = line.to_lowercase();
        for name in NAMES.iter().filter(|name| line.contains(**name)) {
            let what = format!("the scheme `{name}` is named in code");
            let right = "say what it needs in schemes/*.toml, with a new word if there is none";
            problems.push(Problem::at(source, number, what, right));
        }
    }
    problems
}
