//! `keyway members`

use clap::Subcommand;
use serde_json::{Value, json};

use super::Failure;
use super::client::Client;
use super::data::Data;
use super::output::Output;

/// Subcommands of `keyway members`.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// List the people of an account.
    List {
        /// The account's id (`acct_…`).
        account: String,
        #[command(flatten)]
        data: Data,
    },
    /// Invite a person; prints the path of the page where they join, to be put after the address
    /// of the dashboard. It is good for seven days, once.
    Invite {
        /// The account's id (`acct_…`).
        account: String,
        /// What they will sign in with.
        #[arg(long)]
        email: String,
        /// owner, admin, developer or viewer.
        #[arg(long, default_value = "owner")]
        role: String,
        #[command(flatten)]
        data: Data,
    },
    /// Give a person another role.
    Role {
        /// The account's id (`acct_…`).
        account: String,
        /// The person's id (`mem_…`).
        member: String,
        /// owner, admin, developer or viewer.
        #[arg(long)]
        role: String,
        #[command(flatten)]
        data: Data,
    },
    /// Remove a person; what they had care of goes to another.
    Remove {
        /// The account's id (`acct_…`).
        account: String,
        /// The person's id (`mem_…`).
        member: String,
        /// Who takes over their credentials (`mem_…`).
        #[arg(long)]
        successor: Option<String>,
        #[command(flatten)]
        data: Data,
    },
    /// Remove a person's authenticator app and recovery codes. Make sure first that it is they who
    /// ask. The account sees who did it.
    ResetFactor {
        /// The account's id (`acct_…`).
        account: String,
        /// The person's id (`mem_…`).
        member: String,
        #[command(flatten)]
        data: Data,
    },
    /// Make a link to set a new password; prints its path. It is good for an hour, once.
    ResetPassword {
        /// The account's id (`acct_…`).
        account: String,
        /// The person's id (`mem_…`).
        member: String,
        #[command(flatten)]
        data: Data,
    },
    /// End every session of a person.
    EndSessions {
        /// The account's id (`acct_…`).
        account: String,
        /// The person's id (`mem_…`).
        member: String,
        #[command(flatten)]
        data: Data,
    },
}

pub(crate) async fn run(command: Command, output: &Output) -> Result<(), Failure> {
    match command {
        Command::List { account, data } => {
            let path = format!("/v1/accounts/{account}/members");
            let page = Client::connect(&data).await?.get(&path).await?;
            let columns = ["id", "email", "name", "role", "has_authenticator", "last_active_at"];
            output.table(&page, &columns);
        }
        Command::Invite { account, email, role, data } => {
            let path = format!("/v1/accounts/{account}/members");
            let body = json!({ "email": email, "role": role });
            output.object(&Client::connect(&data).await?.post(&path, &body).await?);
        }
        Command::Role { account, member, role, data } => {
            act(&data, (&account, &member, "role"), &json!({ "role": role }), output).await?;
        }
        Command::Remove { account, member, successor, data } => {
            let body = json!({ "successor": successor });
            act(&data, (&account, &member, "remove"), &body, output).await?;
        }
        Command::ResetFactor { account, member, data } => {
            act(&data, (&account, &member, "reset-factor"), &json!({}), output).await?;
        }
        Command::ResetPassword { account, member, data } => {
            act(&data, (&account, &member, "reset-password"), &json!({}), output).await?;
        }
        Command::EndSessions { account, member, data } => {
            act(&data, (&account, &member, "end-sessions"), &json!({}), output).await?;
        }
    }
    Ok(())
}

async fn act(
    data: &Data,
    (account, member, act): (&str, &str, &str),
    body: &Value,
    output: &Output,
) -> Result<(), Failure> {
    let path = format!("/v1/accounts/{account}/members/{member}/{act}");
    output.object(&Client::connect(data).await?.post(&path, body).await?);
    Ok(())
}
