//! The rules of the repository that no compiler knows; each check is one small file.

mod front_page;
mod layers;
mod leftovers;
mod lengths;
mod links;
mod migrations;
mod names;
mod packages;
mod places;
mod purity;
mod scheme_names;
mod sql;
mod waits;

use std::fmt;

use crate::tree::{Source, Tree};

/// One rule about the files of the repository.
pub(crate) struct Check {
    pub(crate) name: &'static str,
    pub(crate) holds: &'static str,
    pub(crate) run: fn(&Tree) -> Vec<Problem>,
}

pub(crate) const CHECKS: &[Check] = &[
    Check { name: "layers", holds: layers::HOLDS, run: layers::check },
    Check { name: "purity", holds: purity::HOLDS, run: purity::check },
    Check { name: "sql", holds: sql::HOLDS, run: sql::check },
    Check { name: "scheme-names", holds: scheme_names::HOLDS, run: scheme_names::check },
    Check { name: "front-page", holds: front_page::HOLDS, run: front_page::check },
    Check { name: "lengths", holds: lengths::HOLDS, run: lengths::check },
    Check { name: "names", holds: names::HOLDS, run: names::check },
    Check { name: "leftovers", holds: leftovers::HOLDS, run: leftovers::check },
    Check { name: "waits", holds: waits::HOLDS, run: waits::check },
    Check { name: "migrations", holds: migrations::HOLDS, run: migrations::check },
    Check { name: "places", holds: places::HOLDS, run: places::check },
    Check { name: "packages", holds: packages::HOLDS, run: packages::check },
    Check { name: "links", holds: links::HOLDS, run: links::check },
];

/// A line that breaks a rule, and what would be right.
pub(crate) struct Problem {
    path: String,
    line: usize,
    what: String,
    right: String,
}

impl Problem {
    fn at(source: &Source, line: usize, what: impl Into<String>, right: impl Into<String>) -> Self {
        Self { path: source.path.clone(), line, what: what.into(), right: right.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}; {}", self.path, self.line, self.what, self.right)
    }
}
