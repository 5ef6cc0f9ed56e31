//! `keyway deny`

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;

use keyway_domain::id::CredentialId;
use keyway_secret::Keyring;
use serde_json::json;

use super::Failure;
use super::data::Data;
use super::output::Output;
use crate::clock::{Clock as _, SystemClock};
use crate::denied::sealed_line;

/// Arguments of `keyway deny`.
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// The credential's id (`cred_…`).
    credential: String,
    /// Take it back: the credential is what the database says again.
    #[arg(long)]
    undo: bool,
    #[command(flatten)]
    data: Data,
}

const AFTER_HELP: &str = "\
For an emergency in which nothing can be revoked because the database is gone: the process on this
data folder refuses the credential within a second, and after every start, until it is taken back.
It is true on this machine only; do it on every node, and revoke the credential when the database
is there again.";

pub(crate) fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let id = CredentialId::parse(&args.credential)
        .ok_or_else(|| Failure(format!("`{}` is no credential's id", args.credential)))?;
    let path = args.data.denied();
    let keys = Keyring::derive(&args.data.root_key(true)?);
    let named = |error: &dyn std::fmt::Display| Failure(format!("{}: {error}", path.display()));
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let prefix = format!("{id} ");
    let mut lines: Vec<&str> = kept.lines().filter(|line| !line.starts_with(&prefix)).collect();
    let line = sealed_line(&keys.rows, id, SystemClock.now());
    if !args.undo {
        lines.push(&line);
    }
    // Whole or not at all: a process may be reading it.
    let next = path.with_extension("next");
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&next)
        .map_err(|error| named(&error))?;
    for line in &lines {
        writeln!(file, "{line}").map_err(|error| named(&error))?;
    }
    file.sync_all().map_err(|error| named(&error))?;
    std::fs::rename(&next, &path).map_err(|error| named(&error))?;
    output.value(&json!({ "credential": id, "denied": !args.undo, "file": path }));
    output.line(if args.undo {
        format!("{id} is denied no more on this machine.")
    } else {
        format!("{id} is denied on this machine from now on. Do the same on every other node.")
    });
    Ok(())
}
