//! Chores of the repository. `cargo run -p xtask -- tidy` checks the rules that no compiler knows.

mod mentions;
mod tidy;
#[cfg(test)]
mod tidy_tests;
mod tree;

use std::io::{self, Write};
use std::process::ExitCode;

use crate::tree::Tree;

const USAGE: &str = "\
Usage: cargo run -p xtask -- tidy [CHECK...]

Checks the files of this repository and names every line that breaks a rule.
Without a name, all checks run:
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.split_first() {
        Some((chore, checks)) if chore == "tidy" && checks.iter().all(|name| is_check(name)) => {
            tidy(checks)
        }
        Some((word, [])) if word == "--help" || word == "help" => {
            usage(&mut io::stdout().lock()).map(|()| ExitCode::SUCCESS)
        }
        _ => usage(&mut io::stderr().lock()).map(|()| ExitCode::from(2)),
    };
    done.unwrap_or(ExitCode::FAILURE)
}

fn is_check(name: &str) -> bool {
    tidy::CHECKS.iter().any(|check| check.name == name)
}

fn tidy(names: &[String]) -> io::Result<ExitCode> {
    let tree = Tree::of_this_repository()?;
    let mut out = io::stdout().lock();
    let mut problems = 0;
    let mut checks = 0;
    for check in tidy::CHECKS {
        if !names.is_empty() && !names.iter().any(|name| name == check.name) {
            continue;
        }
        checks += 1;
        for problem in (check.run)(&tree) {
            writeln!(out, "{problem}")?;
            problems += 1;
        }
    }
    if problems > 0 {
        writeln!(out, "tidy: {problems} problems found by {checks} checks")?;
        return Ok(ExitCode::FAILURE);
    }
    writeln!(out, "tidy: {} files pass {checks} checks", tree.sources().len())?;
    Ok(ExitCode::SUCCESS)
}

fn usage(out: &mut impl Write) -> io::Result<()> {
    write!(out, "{USAGE}")?;
    for check in tidy::CHECKS {
        writeln!(out, "  {:<14}{}", check.name, check.holds)?;
    }
    Ok(())
}
