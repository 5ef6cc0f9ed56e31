//! `keyway import`

use std::path::PathBuf;

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
    file: PathBuf,
    /// The account that gets them (`acct_…`).
    #[arg(long)]
    account: String,
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
batch: importing the same file twice changes nothing.";

const BATCH: usize = 1_000;
/// A line is a few hundred bytes; a file of a million keys is a few hundred megabytes.
const FILE_BYTES_MAX: u64 = 1 << 30;

pub(crate) async fn run(args: Args, output: &Output) -> Result<(), Failure> {
    let keys = read(&args)?;
    if args.dry_run {
        output.value(&json!({ "lines": keys.len(), "imported": 0 }));
        output.line(format!("{} lines are JSON objects; nothing was imported.", keys.len()));
        return Ok(());
    }
    let client = Client::connect(&args.data).await?;
    let path = format!("/v1/accounts/{}/credentials/import", args.account);
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
    output.line(format!("{imported} keys imported into {}.", args.account));
    Ok(())
}

fn read(args: &Args) -> Result<Vec<Value>, Failure> {
    use std::io::Read as _;
    let mut text = String::new();
    let named = |error: std::io::Error| Failure(format!("{}: {error}", args.file.display()));
    if args.file.as_os_str() == "-" {
        std::io::stdin().take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(named)?;
    } else {
        let file = std::fs::File::open(&args.file).map_err(named)?;
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
