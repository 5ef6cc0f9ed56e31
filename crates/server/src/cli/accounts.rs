//! `keyway accounts`

use clap::Subcommand;
use serde_json::json;

use super::Failure;
use super::client::Client;
use super::data::Data;
use super::output::Output;

/// Subcommands of `keyway accounts`.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Register a merchant.
    Create {
        /// Its name.
        #[arg(long)]
        name: String,
        /// Your own id of it.
        #[arg(long)]
        external_id: Option<String>,
        #[command(flatten)]
        data: Data,
    },
    /// List merchants, newest first.
    List {
        /// How many.
        #[arg(long, default_value_t = 50)]
        limit: u32,
        #[command(flatten)]
        data: Data,
    },
    /// Show one merchant.
    Show {
        /// Its id (`acct_…`).
        account: String,
        #[command(flatten)]
        data: Data,
    },
    /// Refuse all its credentials, from the answer on.
    Suspend {
        /// Its id (`acct_…`).
        account: String,
        /// Why, for the merchant to read.
        #[arg(long)]
        reason: Option<String>,
        #[command(flatten)]
        data: Data,
    },
    /// Let a suspended merchant in again.
    Resume {
        /// Its id (`acct_…`).
        account: String,
        /// Why, for the merchant to read.
        #[arg(long)]
        reason: Option<String>,
        #[command(flatten)]
        data: Data,
    },
}

pub(crate) async fn run(command: Command, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Create { name, external_id, data } => {
            let body = json!({ "name": name, "external_id": external_id });
            let made = Client::connect(&data).await?.post("/v1/accounts", &body).await?;
            output.object(&made);
        }
        Command::List { limit, data } => {
            let path = format!("/v1/accounts?limit={limit}");
            let page = Client::connect(&data).await?.get(&path).await?;
            output.table(&page, &["id", "name", "external_id", "status", "created_at"]);
        }
        Command::Show { account, data } => {
            let found =
                Client::connect(&data).await?.get(&format!("/v1/accounts/{account}")).await?;
            output.object(&found);
        }
        Command::Suspend { account, reason, data } => {
            act(&data, &account, ("suspend", reason), output).await?;
        }
        Command::Resume { account, reason, data } => {
            act(&data, &account, ("resume", reason), output).await?;
        }
    }
    Ok(())
}

async fn act(
    data: &Data,
    account: &str,
    (act, reason): (&str, Option<String>),
    output: &Output,
) -> Result<(), Failure> {
    let path = format!("/v1/accounts/{account}/{act}");
    let body = json!({ "reason": reason });
    output.object(&Client::connect(data).await?.post(&path, &body).await?);
    Ok(())
}
