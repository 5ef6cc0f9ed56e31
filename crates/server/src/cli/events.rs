//! `keyway events`

use clap::Subcommand;

use super::Failure;
use super::client::Client;
use super::data::Data;
use super::output::Output;

/// Subcommands of `keyway events`.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// What happened, newest first.
    List {
        /// In this account only.
        #[arg(long)]
        account: Option<String>,
        /// How many.
        #[arg(long, default_value_t = 50)]
        limit: u32,
        #[command(flatten)]
        data: Data,
    },
    /// Who asked, for what, and what was decided, by the Request-Id of an answer.
    Request {
        /// The id (`req_…`).
        request: String,
        #[command(flatten)]
        data: Data,
    },
}

pub(crate) async fn run(command: Command, output: &Output) -> Result<(), Failure> {
    match command {
        Command::List { account, limit, data } => {
            let path = match account {
                Some(account) => format!("/v1/accounts/{account}/events?limit={limit}"),
                None => format!("/v1/events?limit={limit}"),
            };
            let page = Client::connect(&data).await?.get(&path).await?;
            output.table(&page, &["at", "type", "subject", "account", "after"]);
        }
        Command::Request { request, data } => {
            let path = format!("/v1/requests/{request}");
            output.object(&Client::connect(&data).await?.get(&path).await?);
        }
    }
    Ok(())
}
