//! A link from a document to a file of the repository leads somewhere.

use super::Problem;
use crate::tree::{Source, Tree};

pub(super) const HOLDS: &str = "links in documents lead to files that exist";

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for source in tree.sources().iter().filter(|source| source.has_extension("md")) {
        for (number, target) in local_links(source) {
            if !resolve(&source.path, target)
                .is_some_and(|path| path.is_empty() || tree.holds(&path))
            {
                let what = format!("the link `{target}` leads nowhere");
                problems.push(Problem::at(source, number, what, "link a file of the repository"));
            }
        }
    }
    problems
}

fn local_links(source: &Source) -> Vec<(usize, &str)> {
    let mut links = Vec::new();
    let mut fenced = false;
    for (number, line) in source.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            links.extend(targets(line).into_iter().map(|target| (number, target)));
        }
    }
    links.retain(|(_, target)| !target.is_empty() && !target.contains(':'));
    links
}

/// The targets of `[text](target "title")` and `[name]: target`, without the part after `#`.
fn targets(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    if line.starts_with('[')
        && let Some((_, target)) = line.split_once("]: ")
    {
        found.push(target);
    }
    // Every second piece between backticks is code; `](` stays outside when only the text is code.
    for prose in line.split('`').step_by(2) {
        let parts = prose.split("](").skip(1);
        found.extend(parts.filter_map(|part| part.split(')').next()));
    }
    found
        .into_iter()
        .filter_map(|target| target.split_whitespace().next())
        .filter_map(|target| target.trim_matches(['<', '>']).split('#').next())
        .collect()
}

/// The path from the root of the repository; nothing if it leaves the repository.
fn resolve(from: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = match target.strip_prefix('/') {
        Some(_) => Vec::new(),
        None => from.split('/').collect(),
    };
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}
