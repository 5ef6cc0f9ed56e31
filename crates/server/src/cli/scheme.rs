//! `keyway scheme`

use clap::Subcommand;
use keyway_domain::scheme::{Scheme, explain};
use serde_json::json;

use super::Failure;
use super::output::Output;
use crate::schemes::{BUILT_IN, load, read};

/// Subcommands of `keyway scheme`.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// List the built-in schemes.
    List,
    /// Check a scheme file; on a mistake, name its line and what would be right.
    Check {
        /// A file, or a built-in scheme.
        scheme: String,
    },
    /// Say in sentences what a scheme means.
    Explain {
        /// A file, or a built-in scheme.
        scheme: String,
    },
    /// Print a built-in scheme's file, as a start for your own.
    Print {
        /// A built-in scheme.
        scheme: String,
    },
}

pub(crate) fn run(command: Command, output: &Output) -> Result<(), Failure> {
    match command {
        Command::List => {
            let mut rows = Vec::new();
            for built_in in BUILT_IN {
                let scheme = Scheme::parse(built_in.text)?;
                rows.push(json!({ "name": scheme.name, "title": scheme.title, "summary": scheme.summary }));
            }
            output.table(&json!({ "data": rows }), &["name", "summary"]);
        }
        Command::Check { scheme } => {
            let checked = load(&scheme)?;
            let kinds: Vec<&str> = checked.kinds.iter().map(|kind| kind.name.as_str()).collect();
            output.value(&json!({ "ok": true, "name": checked.name, "kinds": kinds }));
            output.line(format!("{scheme}: good. Kinds: {}.", kinds.join(", ")));
        }
        Command::Explain { scheme } => {
            let said = explain(&load(&scheme)?);
            output.value(&json!({ "explanation": said.lines().collect::<Vec<_>>() }));
            output.line(said.trim_end());
        }
        Command::Print { scheme } => {
            let text = read(&scheme)?;
            output.value(&json!({ "text": text }));
            output.line(text.trim_end());
        }
    }
    Ok(())
}
