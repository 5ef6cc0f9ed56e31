//! `keyway audit`

use clap::{Subcommand, ValueEnum};
use serde_json::Value;

use super::Failure;
use super::client::Client;
use super::data::Data;
use super::output::Output;
use crate::csv;

/// Subcommands of `keyway audit`.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Walk the chains of the audit log; name the first entry of each account that is not as it was
    /// written. Exits with 1 if there is one.
    Verify {
        /// Of this account only (`acct_…`).
        #[arg(long)]
        account: Option<String>,
        #[command(flatten)]
        data: Data,
    },
    /// Print the audit log of an account, newest first, as JSON lines or CSV.
    Export {
        /// Of this account (`acct_…`).
        #[arg(long)]
        account: String,
        /// jsonl or csv.
        #[arg(long, value_enum, default_value_t = Format::Jsonl)]
        format: Format,
        /// Events whose names start so, such as `api_key.`.
        #[arg(long = "type")]
        kind: Option<String>,
        /// At this instant or later.
        #[arg(long)]
        since: Option<String>,
        /// Before this instant.
        #[arg(long)]
        until: Option<String>,
        #[command(flatten)]
        data: Data,
    },
}

/// How the log is written.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Format {
    /// One JSON object a line.
    Jsonl,
    /// Comma-separated values (RFC 4180).
    Csv,
}

pub(crate) async fn run(command: Command, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Verify { account, data } => verify(account, &data, output).await,
        Command::Export { account, format, kind, since, until, data } => {
            let client = Client::connect(&data).await?;
            let mut query = String::new();
            let given = [("type", kind), ("since", since), ("until", until)];
            for (name, value) in given.iter().filter_map(|(n, v)| Some((n, v.as_ref()?))) {
                query.push_str(&format!("&{name}={}", encoded(value)));
            }
            export(&client, &account, format, &query).await
        }
    }
}

/// Percent-encodes what a query can't hold.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

async fn verify(account: Option<String>, data: &Data, output: &Output) -> Result<(), Failure> {
    let client = Client::connect(data).await?;
    let path = match &account {
        Some(account) => format!("/v1/accounts/{account}/audit/verify"),
        None => "/v1/audit/verify".to_owned(),
    };
    let found = client.get(&path).await?;
    output.value(&found);
    let broken: Vec<&Value> = match found["broken"].as_array() {
        Some(all) => all.iter().collect(),
        None if found["whole"] == true => Vec::new(),
        None => vec![&found],
    };
    if broken.is_empty() {
        let accounts = found["accounts"].as_u64().unwrap_or(1);
        let (entries, head) = (&found["entries"], found["head"].as_str());
        output.line(format!(
            "Whole: {entries} entries in {accounts} accounts, as they were written."
        ));
        if let Some(head) = head {
            output.line(format!("Newest link: {head}"));
        }
        return Ok(());
    }
    for one in &broken {
        output.line(said(one));
    }
    Err(Failure(format!("the audit log of {} accounts is not as it was written", broken.len())))
}

/// What is wrong with a chain, as a sentence.
fn said(broken: &Value) -> String {
    let account = broken["account"].as_str().unwrap_or("?");
    let entry = &broken["entry"];
    let event = broken["event"].as_str().unwrap_or("no event");
    match broken["fault"].as_str() {
        Some("changed") => format!("{account}: entry {entry} ({event}) was changed"),
        Some("missing") => format!("{account}: entry {entry} is missing"),
        Some("added") => format!("{account}: {event} was not written by Keyway"),
        _ => format!("{account}: the ends of the log were changed or are gone (entry {entry})"),
    }
}

async fn export(
    client: &Client,
    account: &str,
    format: Format,
    query: &str,
) -> Result<(), Failure> {
    let mut cursor = String::new();
    if matches!(format, Format::Csv) {
        print(csv::EVENT_COLUMNS);
    }
    loop {
        let path = format!("/v1/accounts/{account}/events?limit=200{query}{cursor}");
        let page = client.get(&path).await?;
        for event in page["data"].as_array().into_iter().flatten() {
            match format {
                Format::Jsonl => print(&event.to_string()),
                Format::Csv => print(&csv::event(event)),
            }
        }
        let Some(next) = page["next_cursor"].as_str() else { return Ok(()) };
        cursor = format!("&cursor={next}");
    }
}

/// A closed pipe is the reader's choice, not a failure of ours.
fn print(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stdout(), "{line}");
}
