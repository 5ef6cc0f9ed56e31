//! A migration that was released is never edited: its hash is kept in `HASHES`.
//!
//! `HASHES` has the lines that `sha256sum *.sql` prints; while there is no such file, nothing was
//! released and migrations may still change.

use std::collections::BTreeMap;
use std::fmt::Write;

use sha2::{Digest, Sha256};

use super::Problem;
use crate::tree::Tree;

pub(super) const HOLDS: &str = "released migrations are unchanged";

const FOLDER: &str = "crates/store/migrations/";

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let Some(hashes) = tree.source(&format!("{FOLDER}HASHES")) else { return Vec::new() };
    let mut problems = Vec::new();
    let mut listed = BTreeMap::new();
    for (number, line) in hashes.lines() {
        let mut words = line.split_whitespace();
        let (Some(hash), Some(name)) = (words.next(), words.next()) else { continue };
        listed.insert(name, hash);
        if tree.source(&format!("{FOLDER}{name}")).is_none() {
            let what = format!("the migration {name} is gone");
            problems.push(Problem::at(hashes, number, what, "bring it back: databases ran it"));
        }
    }
    for source in tree.sources().iter().filter(|source| source.has_extension("sql")) {
        let Some(name) = source.path.strip_prefix(FOLDER) else { continue };
        let hash = hash(&source.text);
        match listed.get(name) {
            Some(kept) if **kept == hash => {}
            Some(_) => {
                let right = "undo the edit and write a new migration";
                problems.push(Problem::at(source, 1, "a released migration was edited", right));
            }
            None => {
                let right = format!("add this line: {hash}  {name}");
                problems.push(Problem::at(hashes, 1, format!("{name} is not listed"), right));
            }
        }
    }
    problems
}

fn hash(text: &str) -> String {
    Sha256::digest(text).iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a String can always be written to");
        hex
    })
}
