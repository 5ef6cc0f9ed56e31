//! `keyway tokens`

use clap::Subcommand;
use serde_json::json;

use super::Failure;
use super::client::Client;
use super::credentials::{grant, print_made};
use super::data::Data;
use super::output::Output;

/// Subcommands of `keyway tokens`.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make a token; it is shown once.
    Create {
        /// What it is for.
        #[arg(long)]
        name: String,
        /// What it may do, such as `credentials:read`; repeat it. Without it, everything.
        #[arg(long = "grant", value_name = "RESOURCE:ACTION")]
        grants: Vec<String>,
        /// An address or CIDR range that may use it; repeat it.
        #[arg(long = "address")]
        addresses: Vec<String>,
        /// When it stops: a date or an instant.
        #[arg(long)]
        expires_at: Option<String>,
        #[command(flatten)]
        data: Data,
    },
    /// List tokens.
    List {
        /// Also those that were revoked.
        #[arg(long)]
        revoked: bool,
        #[command(flatten)]
        data: Data,
    },
    /// Give a token a new secret; the one before stays for the overlap.
    Rotate {
        /// Its id (`cred_…`).
        token: String,
        /// How long: `0s`, `1h`, `7d`.
        #[arg(long)]
        overlap: Option<String>,
        #[command(flatten)]
        data: Data,
    },
    /// End a token, from the answer on.
    Revoke {
        /// Its id (`cred_…`).
        token: String,
        #[command(flatten)]
        data: Data,
    },
}

pub(crate) async fn run(command: Command, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Create { name, grants, addresses, expires_at, data } => {
            let mut body =
                json!({ "name": name, "addresses": addresses, "expires_at": expires_at });
            if !grants.is_empty() {
                body["grant"] = grant(&grants);
            }
            let made = Client::connect(&data).await?.post("/v1/operator-tokens", &body).await?;
            print_made(&made, output);
        }
        Command::List { revoked, data } => {
            let path = format!("/v1/operator-tokens?revoked={revoked}");
            let page = Client::connect(&data).await?.get(&path).await?;
            output.table(&page, &["id", "name", "status", "grant", "created_at", "last_used_at"]);
        }
        Command::Rotate { token, overlap, data } => {
            let path = format!("/v1/operator-tokens/{token}/rotate");
            let body = json!({ "overlap": overlap });
            print_made(&Client::connect(&data).await?.post(&path, &body).await?, output);
        }
        Command::Revoke { token, data } => {
            let path = format!("/v1/operator-tokens/{token}/revoke");
            output.object(&Client::connect(&data).await?.post(&path, &json!({})).await?);
        }
    }
    Ok(())
}
