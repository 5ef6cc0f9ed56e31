//! Dependencies point downward: `server → store → domain → secret`, with `guard` and `coherence`
//! on their own, and `client` beside the server.

use super::Problem;
use crate::mentions;
use crate::tree::{Source, Tree};

pub(super) const HOLDS: &str = "crates use only the crates below them";

/// A crate of the workspace and the crates it may use.
struct Layer {
    folder: &'static str,
    below: &'static [&'static str],
}

const LAYERS: [Layer; 8] = [
    Layer { folder: "crates/coherence/", below: &[] },
    Layer { folder: "crates/secret/", below: &[] },
    Layer { folder: "crates/domain/", below: &["secret"] },
    Layer { folder: "crates/store/", below: &["domain", "secret", "coherence"] },
    Layer { folder: "crates/guard/", below: &[] },
    Layer { folder: "crates/client/", below: &["guard", "domain", "coherence", "secret"] },
    Layer { folder: "examples/payments/", below: &["client", "guard"] },
    Layer {
        folder: "crates/server/",
        below: &["store", "domain", "secret", "coherence", "guard", "payments", "server"],
    },
];

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for source in tree.sources() {
        let Some(layer) = LAYERS.iter().find(|layer| source.path.starts_with(layer.folder)) else {
            continue;
        };
        let used = if source.has_extension("rs") && !source.is_test() {
            used_by_code(source)
        } else if source.path.ends_with("Cargo.toml") {
            used_by_manifest(source)
        } else {
            continue;
        };
        let own = layer.folder.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        for (line, name) in used {
            if name != own && !layer.below.contains(&name.as_str()) {
                let what = format!("{} uses keyway_{name}", layer.folder);
                problems.push(Problem::at(source, line, what, allowed(layer)));
            }
        }
    }
    problems
}

fn allowed(layer: &Layer) -> String {
    match layer.below {
        [] => "it may use no other crate of the workspace".to_owned(),
        below => format!("it may use only keyway_{}", below.join(", keyway_")),
    }
}

fn used_by_code(source: &Source) -> Vec<(usize, String)> {
    mentions::paths(source.tokens())
        .into_iter()
        .filter_map(|path| {
            let first = path.text.split("::").next()?;
            Some((path.line, first.strip_prefix("keyway_")?.to_owned()))
        })
        .collect()
}

/// Tests may use any crate, so `[dev-dependencies]` do not count.
fn used_by_manifest(source: &Source) -> Vec<(usize, String)> {
    let mut section = "";
    let mut used = Vec::new();
    for (number, line) in source.lines() {
        if line.starts_with('[') {
            section = line.trim();
        } else if section == "[dependencies]"
            && let Some(rest) = line.strip_prefix("keyway-")
        {
            let name = rest.split(['.', ' ', '=']).next().unwrap_or_default();
            used.push((number, name.to_owned()));
        }
    }
    used
}
