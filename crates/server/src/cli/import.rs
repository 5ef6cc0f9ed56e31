//! `keyway import`: keys of another system, or a whole deployment.

mod deployment;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::Failure;
use super::client::Client;
use super::data::Data;
use super::output::Output;

/// Arguments of `keyway import`.
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// JSON lines, one key each; `-` for standard input.
    #[arg(required_unless_present = "from")]
    file: Option<PathBuf>,
    /// The account that gets them (`acct_…`).
    #[arg(long, required_unless_present = "from")]
    account: Option<String>,
    /// A whole deployment instead: the database of a data folder, as `sqlite:keyway-data`.
    #[arg(long, value_name = "sqlite:FOLDER", requires = "to", conflicts_with_all = ["file", "account", "dry_run"])]
    from: Option<String>,
    /// Where the deployment goes: a PostgreSQL that `keyway migrate` has prepared.
    #[arg(long, value_name = "postgres://…", requires = "from")]
    to: Option<String>,
    /// A file with the password of the role at `--to`.
    #[arg(long, value_name = "FILE", requires = "to")]
    to_password_file: Option<PathBuf>,
    /// Check every line and import nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    data: Data,
}

const AFTER_HELP: &str = "\
A line is a JSON object:
  {\"kind\":\"key\",\"environment\":\"live\",\"name\":\"Old server\",\"algorithm\":\"sha256\",
   \"hash\":\"<hex of the hash of the whole key>\",\"hint\":\"sk_live_…aB3d\",\"grant\":{\"invoices\":\"read\"}}

Keys go in by batches of a thousand, each all or nothing. A key that is known already stops its
batch: importing the same file twice changes nothing.

A whole deployment goes from a file to a server with --from and --to, while no process runs on
either. Broken off, it goes on where it was; in the end both sides are compared row by row.
Then start nodes with --database, and with the root key of the old data folder.";

const BATCH: usize = 1_000;
/// A line is a few hundred bytes; a file of a million keys is a few hundred megabytes.
const FILE_BYTES_MAX: u64 = 1 << 30;

pub(crate) async fn run(args: Args, output: &Output) -> Result<(), Failure> {
    if let (Some(from), Some(to)) = (&args.from, &args.to) {
        return deployment::run(from, to, args.to_password_file.as_deref(), output);
    }
    let (Some(file), Some(account)) = (&args.file, &args.account) else {
        return Err(Failure("say what to import: a file, or --from and --to".to_owned()));
    };
    let keys = read(file)?;
    if args.dry_run {
        output.value(&json!({ "lines": keys.len(), "imported": 0 }));
        output.line(format!("{} lines are JSON objects; nothing was imported.", keys.len()));
        return Ok(());
    }
    let client = Client::connect(&args.data).await?;
    let path = format!("/v1/accounts/{account}/credentials/import");
    let mut imported = 0;
    for batch in keys.chunks(BATCH) {
        client.post(&path, &json!({ "keys": batch })).await.map_err(|Failure(what)| {
            let lines = format!("lines {} to {}", imported + 1, imported + batch.len());
            Failure(format!("{imported} imported; nothing of {lines}: {what}"))
        })?;
        imported += batch.len();
        if keys.len() > BATCH {
            output.progress(&format!("{imported} of {} imported", keys.len()));
        }
    }
    output.value(&json!({ "lines": keys.len(), "imported": imported }));
    output.line(format!("{imported} keys imported into {account}."));
    Ok(())
}

fn read(path: &Path) -> Result<Vec<Value>, Failure> {
    use std::io::Read as _;
    let mut text = String::new();
    let named = |error: std::io::Error| Failure(format!("{}: {error}", path.display()));
    if path.as_os_str() == "-" {
        std::io::stdin().take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(named)?;
    } else {
        let file = std::fs::File::open(path).map_err(named)?;
        file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(named)?;
    }
    let mut keys = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let key: Value = serde_json::from_str(line)
            .map_err(|error| Failure(format!("line {}: not JSON: {error}", number + 1)))?;
        if !key.is_object() {
            return Err(Failure(format!("line {}: not a JSON object", number + 1)));
        }
        keys.push(key);
    }
    Ok(keys)
}
