//! `keyway migrate`

use serde_json::json;

use super::Failure;
use super::database::Database;
use super::output::Output;

/// Arguments of `keyway migrate`.
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    server: Database,
    /// A role that may read and write the rows afterwards, and nothing else: the one that
    /// `keyway serve` connects as.
    #[arg(long, value_name = "ROLE")]
    grant_to: Option<String>,
}

const AFTER_HELP: &str = "\
Run it as the owner of the database, before the first node starts and before nodes of a newer
version start. Nodes that run go on meanwhile. A file in a data folder is migrated when it is
opened, and needs no command.";

pub(crate) fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let Some(target) = args.server.target()? else {
        let what = "say which database: --database postgres://OWNER@HOST/DATABASE";
        return Err(Failure(what.to_owned()));
    };
    let done = keyway_store::migrate(&target, args.grant_to.as_deref())
        .map_err(|error| Failure(format!("{}: {error}", target.named())))?;
    output.value(&json!({ "database": target.named(), "from": done.from, "to": done.to }));
    output.line(if done.from == done.to {
        format!("{} has schema {} already; nothing to do.", target.named(), done.to)
    } else {
        format!("{} went from schema {} to {}.", target.named(), done.from, done.to)
    });
    Ok(())
}
