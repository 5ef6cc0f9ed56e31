//! Nothing is left for later: what is not done is an issue, not a comment.

use super::Problem;
use crate::tree::{Source, Tree};

pub(super) const HOLDS: &str = "no note to self is left in code";

const EXTENSIONS: [&str; 11] =
    ["rs", "sql", "toml", "sh", "py", "js", "mjs", "ts", "css", "html", "yaml"];
const FOLDERS: [&str; 2] = ["scripts/", ".ci/"];

/// In pieces, so that this file passes.
const NOTES: [&str; 4] =
    [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("HA", "CK")];

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for source in tree.sources().iter().filter(|source| is_code(source)) {
        for (number, line) in source.lines() {
            for note in NOTES.iter().filter(|note| has_whole_word(line, note)) {
                let what = format!("`{note}` is left in the file");
                problems.push(Problem::at(source, number, what, "do it now, or open an issue"));
            }
        }
    }
    problems
}

fn is_code(source: &Source) -> bool {
    EXTENSIONS.iter().any(|extension| source.has_extension(extension))
        || FOLDERS.iter().any(|folder| source.path.starts_with(folder))
        || source.path == "justfile"
}

fn has_whole_word(line: &str, word: &str) -> bool {
    let of_a_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(start, _)| {
        !line[..start].ends_with(of_a_word) && !line[start + word.len()..].starts_with(of_a_word)
    })
}
