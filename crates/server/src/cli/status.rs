//! `keyway status`

use serde_json::{Value, json};

use super::Failure;
use super::client::Client;
use super::data::Data;
use super::output::Output;

/// Arguments of `keyway status`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    data: Data,
}

pub(crate) async fn run(args: Args, output: &Output) -> Result<(), Failure> {
    let client = Client::connect(&args.data).await?;
    let found = client.get("/v1/nodes").await?;
    if let Some(alone) = found["alone"].as_str() {
        output.value(&found);
        output.line(format!("One process: {alone}."));
        return Ok(());
    }
    let this = &found["this"];
    if !output.is_json() {
        match found["trouble"].as_str() {
            Some(trouble) => output.line(format!("The database: {trouble}.")),
            None => output.line(format!("Change log at {}.", found["head"])),
        }
        output.line(format!(
            "This node {} ({} ms of its lease left, {} changes behind).",
            if this["may_answer"] == true { "answers" } else { "DOES NOT ANSWER" },
            this["lease_left_ms"],
            this["lag"]
        ));
        if let Some(reason) = this["reason"].as_str() {
            output.line(format!("  {reason}"));
        }
        if this["rows_refused"].as_u64().is_some_and(|refused| refused > 0) {
            output.line(format!(
                "  {} stored rows are refused: they were edited outside Keyway; the log names them.",
                this["rows_refused"]
            ));
        }
        output.line("");
    }
    let rows: Vec<Value> = found["nodes"].as_array().map_or(&[][..], Vec::as_slice).to_vec();
    let silent = rows.iter().filter(|row| row["is_silent"] == true).count();
    if output.is_json() {
        output.value(&found);
    } else {
        let columns =
            ["name", "version", "applied", "lag", "renewed_ms_ago", "is_silent", "is_this", "id"];
        output.table(&json!({ "data": rows }), &columns);
    }
    let trouble = found["trouble"].as_str();
    if this["may_answer"] == true && silent == 0 && trouble.is_none() {
        return Ok(());
    }
    if let (true, Some(trouble)) = (this["may_answer"] == true, trouble) {
        return Err(Failure(format!("the database: {trouble}")));
    }
    Err(Failure(if silent == 0 {
        "this node has no lease: it answers no verification".to_owned()
    } else {
        format!("{silent} of {} nodes are silent", rows.len())
    }))
}
