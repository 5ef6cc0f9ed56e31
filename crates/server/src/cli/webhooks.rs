//! `keyway webhooks`

use clap::Subcommand;
use serde_json::{Value, json};

use super::Failure;
use super::client::Client;
use super::data::Data;
use super::output::Output;

/// Subcommands of `keyway webhooks`.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Add an endpoint; its signing secret is shown once.
    Create {
        /// In this account (`acct_…`).
        #[arg(long)]
        account: String,
        /// test or live: whose credentials' events it hears.
        #[arg(long)]
        environment: String,
        /// Where messages go.
        #[arg(long)]
        url: String,
        /// What it is for.
        #[arg(long, default_value = "")]
        about: String,
        /// An event, such as `api_key.revoked`, or `api_key.*`; repeat it. Without it, what the
        /// scheme's notices say.
        #[arg(long = "event", value_name = "NAME")]
        events: Vec<String>,
        #[command(flatten)]
        data: Data,
    },
    /// List an account's endpoints.
    List {
        /// Of this account (`acct_…`).
        #[arg(long)]
        account: String,
        #[command(flatten)]
        data: Data,
    },
    /// Change where an endpoint is or what it hears, or switch it on or off.
    Update {
        #[command(flatten)]
        which: Which,
        /// Where messages go.
        #[arg(long)]
        url: Option<String>,
        /// An event; repeat it.
        #[arg(long = "event", value_name = "NAME")]
        events: Vec<String>,
        /// true or false: whether it hears events.
        #[arg(long)]
        enabled: Option<bool>,
    },
    /// Give an endpoint a new signing secret; the one before signs along for the overlap.
    Rotate {
        #[command(flatten)]
        which: Which,
        /// How long: `0s`, `1h`, `7d`.
        #[arg(long)]
        overlap: Option<String>,
    },
    /// Send a message to try an endpoint with.
    Test {
        #[command(flatten)]
        which: Which,
    },
    /// What went to an endpoint, newest first.
    Deliveries {
        #[command(flatten)]
        which: Which,
        /// Only those that are `waiting`, `delivered` or `failed`.
        #[arg(long)]
        state: Option<String>,
        /// How many.
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// One delivery, with each request and its answer.
    Delivery {
        #[command(flatten)]
        which: Which,
        /// The delivery's id (`dlv_…`).
        delivery: String,
    },
    /// Send messages again, under the ids they had.
    Replay {
        #[command(flatten)]
        which: Which,
        /// One delivery (`dlv_…`).
        #[arg(long, conflicts_with_all = ["since", "until", "state"])]
        delivery: Option<String>,
        /// Those made at this instant or later.
        #[arg(long, required_unless_present = "delivery")]
        since: Option<String>,
        /// And before this one.
        #[arg(long)]
        until: Option<String>,
        /// Only those that are `waiting`, `delivered` or `failed`.
        #[arg(long)]
        state: Option<String>,
    },
    /// Remove an endpoint. What waits for it is given up.
    Delete {
        #[command(flatten)]
        which: Which,
    },
}

/// An endpoint.
#[derive(clap::Args)]
pub(crate) struct Which {
    /// The endpoint's id (`ep_…`).
    endpoint: String,
    /// In this account (`acct_…`).
    #[arg(long)]
    account: String,
    #[command(flatten)]
    data: Data,
}

impl Which {
    fn path(&self, rest: &str) -> String {
        format!("/v1/accounts/{}/webhooks/{}{rest}", self.account, self.endpoint)
    }

    async fn post(&self, rest: &str, body: Value) -> Result<Value, Failure> {
        Client::connect(&self.data).await?.post(&self.path(rest), &body).await
    }

    async fn get(&self, rest: &str) -> Result<Value, Failure> {
        Client::connect(&self.data).await?.get(&self.path(rest)).await
    }
}

/// Prints an endpoint; its secret, if it is shown, beside it.
fn print(made: &Value, output: &Output) {
    output.object(made);
    if made["secret_shown"] == true {
        output.line("The signing secret is shown this once. Keep it where the receiver runs.");
    }
}

pub(crate) async fn run(command: Command, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Create { account, environment, url, about, events, data } => {
            let body = json!({
                "environment": environment, "url": url, "about": about, "events": events,
            });
            let path = format!("/v1/accounts/{account}/webhooks");
            print(&Client::connect(&data).await?.post(&path, &body).await?, output);
        }
        Command::List { account, data } => {
            let path = format!("/v1/accounts/{account}/webhooks");
            let page = Client::connect(&data).await?.get(&path).await?;
            output.table(&page, &["id", "environment", "state", "url", "events"]);
        }
        Command::Update { which, url, events, enabled } => {
            let events = (!events.is_empty()).then_some(events);
            let body = json!({ "url": url, "events": events, "enabled": enabled });
            let client = Client::connect(&which.data).await?;
            output.object(&client.patch(&which.path(""), &body).await?);
        }
        Command::Rotate { which, overlap } => {
            print(&which.post("/rotate", json!({ "overlap": overlap })).await?, output);
        }
        Command::Test { which } => output.object(&which.post("/test", json!({})).await?),
        Command::Deliveries { which, state, limit } => {
            let state = state.map(|state| format!("&state={state}")).unwrap_or_default();
            let page = which.get(&format!("/deliveries?limit={limit}{state}")).await?;
            let columns = ["id", "created_at", "type", "state", "attempts", "due_at", "event"];
            output.table(&page, &columns);
        }
        Command::Delivery { which, delivery } => {
            output.object(&which.get(&format!("/deliveries/{delivery}")).await?);
        }
        Command::Replay { which, delivery: Some(delivery), .. } => {
            let path = format!("/deliveries/{delivery}/replay");
            output.object(&which.post(&path, json!({})).await?);
        }
        Command::Replay { which, delivery: None, since, until, state } => {
            let mut body = json!({ "since": since, "until": until, "state": state });
            let mut messages = 0;
            // A request does some hundred; the rest is asked for from where it ended.
            loop {
                let mut answer = which.post("/replay", body.clone()).await?;
                messages += answer["messages"].as_u64().unwrap_or(0);
                if answer["more_before"].is_null() {
                    answer["messages"] = messages.into();
                    output.object(&answer);
                    break;
                }
                body["before"] = answer["more_before"].clone();
            }
        }
        Command::Delete { which } => output.object(&which.post("/delete", json!({})).await?),
    }
    Ok(())
}
