//! Every Rust file opens by saying what idea lives in it.

use super::Problem;
use crate::tree::Tree;

pub(super) const HOLDS: &str = "every Rust file starts with //!";

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    tree.rust()
        .filter(|source| !source.text.starts_with("//! "))
        .map(|source| {
            let right = "say in one to five `//!` sentences what lives here";
            Problem::at(source, 1, "the file does not start with `//!`", right)
        })
        .collect()
}
