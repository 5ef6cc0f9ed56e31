//! `keyway credentials`

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::Failure;
use super::client::Client;
use super::data::Data;
use super::handover::{Handover, To};
use super::output::Output;

/// Subcommands of `keyway credentials`.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make a credential; its secret is shown once.
    Create(Create),
    /// List an account's credentials, newest first.
    List {
        /// The account's id (`acct_…`).
        #[arg(long)]
        account: String,
        /// `test` or `live` only.
        #[arg(long)]
        environment: Option<String>,
        /// Also those that were revoked.
        #[arg(long)]
        revoked: bool,
        /// How many.
        #[arg(long, default_value_t = 50)]
        limit: u32,
        #[command(flatten)]
        data: Data,
    },
    /// Show a credential.
    Show(One),
    /// Show a public credential's string again.
    Reveal(One),
    /// Give it a new secret; the one before stays for the overlap.
    Rotate {
        #[command(flatten)]
        one: One,
        /// How long: `0s`, `15m`, `24h`, `7d`. The scheme has the default.
        #[arg(long)]
        overlap: Option<String>,
        #[command(flatten)]
        to: To,
    },
    /// End the previous secret now.
    Finish(One),
    /// Give the previous secret more time.
    Extend {
        #[command(flatten)]
        one: One,
        /// The first instant at which it is refused, such as 2026-12-31T00:00:00Z.
        #[arg(long)]
        until: String,
    },
    /// Undo the rotation: the new secret ends, the previous one is current again.
    Rollback(One),
    /// Replace the secret at once.
    Regenerate {
        #[command(flatten)]
        one: One,
        #[command(flatten)]
        to: To,
        /// With --to: take it that nobody has an accepted secret until the new one is written.
        #[arg(long, requires = "to")]
        accept_gap: bool,
    },
    /// Make a second credential like this one.
    Duplicate {
        #[command(flatten)]
        one: One,
        /// The copy's name.
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        to: To,
    },
    /// Change name, access or expiry; the secret stays.
    Edit(Edit),
    /// Requests by secret, hour and outcome.
    Usage {
        #[command(flatten)]
        one: One,
        /// Of the last so many hours.
        #[arg(long, default_value_t = 24)]
        hours: u32,
    },
    /// End it for ever, from the answer on.
    Revoke(One),
    /// End every credential of an account, or those of a sort, in one act.
    RevokeAll {
        /// The account's id (`acct_…`).
        #[arg(long)]
        account: String,
        /// Of this environment only: test or live.
        #[arg(long)]
        environment: Option<String>,
        /// Of this kind only.
        #[arg(long)]
        kind: Option<String>,
        /// Made before this instant only, such as 2026-12-31T00:00:00Z.
        #[arg(long, value_name = "INSTANT")]
        created_before: Option<String>,
        #[command(flatten)]
        data: Data,
    },
    /// End it and take it off the list.
    Delete(One),
}

/// A credential.
#[derive(Args)]
pub(crate) struct One {
    /// The credential's id (`cred_…`).
    credential: String,
    /// The account's id (`acct_…`).
    #[arg(long)]
    account: String,
    #[command(flatten)]
    data: Data,
}

/// A new credential.
#[derive(Args)]
pub(crate) struct Create {
    /// The account's id (`acct_…`).
    #[arg(long)]
    account: String,
    /// A kind of the scheme (see `keyway scheme explain`).
    #[arg(long)]
    kind: String,
    /// `test` or `live`.
    #[arg(long)]
    environment: String,
    /// What its owner calls it.
    #[arg(long)]
    name: String,
    /// What it may do: `everything`, or `invoices:read`, `money-in=write`; repeat it.
    #[arg(long = "grant", value_name = "RESOURCE:ACTION")]
    grants: Vec<String>,
    /// An address or CIDR range that may use it; repeat it.
    #[arg(long = "address")]
    addresses: Vec<String>,
    /// What becomes of requests from other addresses: `enforce` refuses them, `report` lets them
    /// pass and counts them.
    #[arg(long, value_name = "MODE")]
    address_mode: Option<String>,
    /// When it stops: a date (00:00:00Z at its start) or an instant.
    #[arg(long)]
    expires_at: Option<String>,
    #[command(flatten)]
    to: To,
    #[command(flatten)]
    data: Data,
}

/// What changes.
#[derive(Args)]
pub(crate) struct Edit {
    #[command(flatten)]
    one: One,
    /// The new name.
    #[arg(long)]
    name: Option<String>,
    /// What it may do from now on; repeat it.
    #[arg(long = "grant", value_name = "RESOURCE:ACTION")]
    grants: Vec<String>,
    /// An address or CIDR range that may use it; repeat it.
    #[arg(long = "address", conflicts_with = "any_address")]
    addresses: Vec<String>,
    /// Let it be used from anywhere.
    #[arg(long)]
    any_address: bool,
    /// What becomes of requests from other addresses: `enforce` or `report`.
    #[arg(long, value_name = "MODE")]
    address_mode: Option<String>,
    /// When it stops: a date, an instant, or `never`.
    #[arg(long)]
    expires_at: Option<String>,
}

impl One {
    fn path(&self, rest: &str) -> String {
        format!("/v1/accounts/{}/credentials/{}{rest}", self.account, self.credential)
    }

    async fn act(&self, rest: &str, body: &Value) -> Result<Value, Failure> {
        Client::connect(&self.data).await?.post(&self.path(rest), body).await
    }
}

pub(crate) async fn run(command: Command, output: &Output) -> Result<(), Failure> {
    let nothing = json!({});
    match command {
        Command::Create(new) => create(new, output).await?,
        Command::List { account, environment, revoked, limit, data } => {
            let environment = environment.map_or_else(String::new, |e| format!("&environment={e}"));
            let path = format!(
                "/v1/accounts/{account}/credentials?limit={limit}&revoked={revoked}{environment}"
            );
            let page = Client::connect(&data).await?.get(&path).await?;
            output.table(
                &page,
                &["id", "kind", "environment", "name", "status", "created_at", "last_used_at"],
            );
        }
        Command::Show(one) => {
            output.object(&Client::connect(&one.data).await?.get(&one.path("")).await?);
        }
        Command::Rotate { one, overlap, to } => rotate(&one, overlap, &to, output).await?,
        Command::Duplicate { one, name, to } => duplicate(&one, name, &to, output).await?,
        Command::Extend { one, until } => {
            output.object(&one.act("/extend", &json!({ "until": until })).await?);
        }
        Command::Edit(edit) => output.object(&change(edit).await?),
        Command::Usage { one, hours } => {
            let path = one.path(&format!("/usage?hours={hours}"));
            let usage = Client::connect(&one.data).await?.get(&path).await?;
            output.table(&usage, &["hour", "secret", "outcome", "requests"]);
        }
        Command::Reveal(one) => print_made(&one.act("/reveal", &nothing).await?, output),
        Command::Regenerate { one, to, accept_gap } => {
            regenerate(&one, &to, accept_gap, output).await?;
        }
        Command::Finish(one) => output.object(&one.act("/finish", &nothing).await?),
        Command::Rollback(one) => output.object(&one.act("/rollback", &nothing).await?),
        Command::RevokeAll { account, environment, kind, created_before, data } => {
            let client = Client::connect(&data).await?;
            let path = format!("/v1/accounts/{account}/credentials/revoke-all");
            let body = json!({
                "environment": environment, "kind": kind, "created_before": created_before,
            });
            output.object(&client.post(&path, &body).await?);
        }
        Command::Revoke(one) => output.object(&one.act("/revoke", &nothing).await?),
        Command::Delete(one) => output.object(&one.act("/delete", &nothing).await?),
    }
    Ok(())
}

async fn create(new: Create, output: &Output) -> Result<(), Failure> {
    let mut body = json!({
        "kind": new.kind,
        "environment": new.environment,
        "name": new.name,
        "addresses": new.addresses,
        "address_mode": new.address_mode,
        "expires_at": new.expires_at,
    });
    if !new.grants.is_empty() {
        body["grant"] = grant(&new.grants);
    }
    let path = format!("/v1/accounts/{}/credentials", new.account);
    if let Some(to) = &new.to.to {
        let handover = Handover::begin(&new.data, output, to, new.to.print).await?;
        return handover.make(&new.kind, &path, body).await;
    }
    print_made(&Client::connect(&new.data).await?.post(&path, &body).await?, output);
    Ok(())
}

async fn rotate(
    one: &One,
    overlap: Option<String>,
    to: &To,
    output: &Output,
) -> Result<(), Failure> {
    if let Some(place) = &to.to {
        let handover = Handover::begin(&one.data, output, place, to.print).await?;
        return handover.rotate(&one.path(""), overlap.as_deref()).await;
    }
    print_made(&one.act("/rotate", &json!({ "overlap": overlap })).await?, output);
    Ok(())
}

async fn regenerate(one: &One, to: &To, accept_gap: bool, output: &Output) -> Result<(), Failure> {
    if let Some(place) = &to.to {
        if !accept_gap {
            return Err(Failure(
                "regenerating ends the old secret before the new one is written, and until then \
                 nobody who reads the destination has one that is accepted; if that may be, add \
                 --accept-gap (a rotation with an overlap has no such gap)"
                    .to_owned(),
            ));
        }
        let handover = Handover::begin(&one.data, output, place, to.print).await?;
        return handover.regenerate(&one.path("")).await;
    }
    print_made(&one.act("/regenerate", &json!({})).await?, output);
    Ok(())
}

async fn duplicate(
    one: &One,
    name: Option<String>,
    to: &To,
    output: &Output,
) -> Result<(), Failure> {
    let body = json!({ "name": name });
    if let Some(place) = &to.to {
        let original = Client::connect(&one.data).await?.get(&one.path("")).await?;
        let handover = Handover::begin(&one.data, output, place, to.print).await?;
        let kind = original["kind"].as_str().unwrap_or_default();
        return handover.make(kind, &one.path("/duplicate"), body).await;
    }
    print_made(&one.act("/duplicate", &body).await?, output);
    Ok(())
}

async fn change(edit: Edit) -> Result<Value, Failure> {
    let mut body = Map::new();
    body.extend(edit.name.map(|name| ("name".to_owned(), json!(name))));
    if !edit.grants.is_empty() {
        body.insert("grant".to_owned(), grant(&edit.grants));
    }
    if edit.any_address || !edit.addresses.is_empty() {
        body.insert("addresses".to_owned(), json!(edit.addresses));
    }
    body.extend(edit.address_mode.map(|mode| ("address_mode".to_owned(), json!(mode))));
    if let Some(at) = edit.expires_at {
        body.insert("expires_at".to_owned(), if at == "never" { Value::Null } else { json!(at) });
    }
    let path = edit.one.path("");
    Client::connect(&edit.one.data).await?.patch(&path, &Value::Object(body)).await
}

/// `everything`, or entries such as `invoices:read` and `money-in=write`.
pub(super) fn grant(entries: &[String]) -> Value {
    if entries == ["everything"] {
        return json!("everything");
    }
    let mut map: Map<String, Value> = Map::new();
    for entry in entries {
        let (resource, access) = entry.split_once([':', '=']).unwrap_or((entry, ""));
        let words = map.entry(resource).or_insert_with(|| json!([]));
        if let Some(words) = words.as_array_mut() {
            words.push(json!(access));
        }
    }
    Value::Object(map)
}

/// Shows a credential whose secret was just made.
pub(super) fn print_made(made: &Value, output: &Output) {
    output.value(made);
    if output.is_json() {
        return;
    }
    for field in ["id", "name", "environment", "status"] {
        output.line(format!("{field:12}  {}", made[field].as_str().unwrap_or("-")));
    }
    for (name, value) in made["secret"].as_object().into_iter().flatten() {
        if let Some(text) = value.as_str() {
            output.line(format!("{name:12}  {text}"));
        }
    }
    output.line("Save it now: it is not shown again.");
}
