//! `keyway operator`

use clap::Subcommand;
use serde_json::json;

use super::Failure;
use super::client::Client;
use super::data::Data;
use super::output::Output;

/// Subcommands of `keyway operator`.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Print a link to the operator's pages: good once, for five minutes.
    Link {
        #[command(flatten)]
        data: Data,
    },
}

pub(crate) async fn run(command: Command, output: &Output) -> Result<(), Failure> {
    let Command::Link { data } = command;
    let client = Client::connect(&data).await?;
    if matches!(client, Client::Local(..)) {
        let data = data.data.display();
        let how = format!("start it: keyway serve --data {data}");
        return Err(Failure(format!("no server runs on this data to open a page of; {how}")));
    }
    let made = client.post("/v1/operator-links", &json!({})).await?;
    output.value(&made);
    output.line(format!("Open  {}", made["secret"]["url"].as_str().unwrap_or_default()));
    output.line(format!(
        "It is good once, until {}.",
        made["expires_at"].as_str().unwrap_or_default()
    ));
    Ok(())
}
