//! Tests do not wait by the clock, and none is switched off.

use super::Problem;
use crate::mentions;
use crate::tree::Tree;

pub(super) const HOLDS: &str = "no test sleeps or is ignored";

/// In pieces, so that this file passes.
const IGNORED: &str = concat!("#[ign", "ore");
const SLEEPS: [&str; 2] = ["thread::sleep", "time::sleep"];

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for source in tree.rust() {
        for (number, line) in source.lines().filter(|(_, line)| line.contains(IGNORED)) {
            let what = format!("a test is switched off: `{}`", line.trim());
            problems.push(Problem::at(source, number, what, "repair the test or delete it"));
        }
        if !source.is_test() {
            continue;
        }
        for path in mentions::paths(source.tokens()) {
            if SLEEPS.iter().any(|sleep| path.text.ends_with(sleep)) {
                let what = format!("a test waits with `{}`", path.text);
                let right = "wait for the fact itself, or move the test's clock";
                problems.push(Problem::at(source, path.line, what, right));
            }
        }
    }
    problems
}
