//! `keyway probe`: does for real, again and again, what the promise is about.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use keyway_secret::SecretText;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::Failure;
use super::client::Client;
use super::data::Data;
use super::output::Output;
use crate::http::serve::stop_signal;

/// Arguments of `keyway probe`.
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// A node's management address, such as `http://10.0.0.7:7410`; one for each node.
    #[arg(long = "node", value_name = "URL", default_value = "http://127.0.0.1:7410")]
    nodes: Vec<Uri>,
    /// Seconds from one round to the next.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    every: u64,
    /// One round only.
    #[arg(long)]
    once: bool,
    /// Where the figures are written for Prometheus' textfile collector.
    #[arg(long, value_name = "FILE")]
    metrics_file: Option<PathBuf>,
    #[command(flatten)]
    data: Data,
}

const AFTER_HELP: &str = "\
A round gives a token of its own a new secret, without an overlap, and asks every node with both:
the new one must pass everywhere, and the old one nowhere. A node that answers neither yes nor no
is said to be silent. The token may read events only, ends with the probe, and after a day anyway.

Exit codes: 0 all rounds were as promised, 1 one was not.";

/// A round takes no longer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// What rounds came to.
#[derive(Default)]
struct Figures {
    rounds: u64,
    wrong: u64,
    silent: u64,
    last_ms: u64,
    longest_ms: u64,
}

/// What a node says of a secret.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Said {
    Yes,
    No,
    Nothing,
}

pub(crate) async fn run(args: Args, output: &Output) -> Result<(), Failure> {
    let asked_to_stop = stop_signal()?;
    let mut asked_to_stop = std::pin::pin!(asked_to_stop);
    let client = Client::connect(&args.data).await?;
    let made = client
        .post(
            "/v1/operator-tokens",
            &json!({ "name": "Probe", "grant": ["events:read"], "expires_at": tomorrow(&client).await? }),
        )
        .await?;
    let id = made["id"].as_str().unwrap_or_default().to_owned();
    let mut secret = shown(&made)?;
    let mut figures = Figures::default();
    let mut tick = tokio::time::interval(Duration::from_secs(args.every));
    let rounds = async {
        loop {
            tick.tick().await;
            let done = round(&args, &client, &id, &mut secret, &mut figures, output).await;
            if let Err(Failure(what)) = done {
                figures.wrong += 1;
                output.line(format!("no round: {what}"));
            }
            write_metrics(&args, &figures)?;
            if args.once {
                return Ok::<(), Failure>(());
            }
        }
    };
    tokio::select! {
        done = rounds => done?,
        () = asked_to_stop.as_mut() => {}
    }
    client.post(&format!("/v1/operator-tokens/{id}/revoke"), &json!({})).await?;
    output.line(format!(
        "{} rounds, {} not as promised, {} silences; the longest took {} ms.",
        figures.rounds, figures.wrong, figures.silent, figures.longest_ms
    ));
    if figures.wrong == 0 {
        return Ok(());
    }
    Err(Failure(format!("{} of {} rounds were not as promised", figures.wrong, figures.rounds)))
}

/// The server's own day from now, whatever this machine's clock says.
async fn tomorrow(client: &Client) -> Result<Value, Failure> {
    let now = client.get("/v1/nodes").await?;
    let text = now["now"].as_str().unwrap_or_default();
    let now = keyway_domain::time::Time::parse(text)
        .ok_or_else(|| Failure("the server says no time".to_owned()))?;
    Ok(json!(now.plus_ms(keyway_domain::time::DAY_MS)))
}

fn shown(made: &Value) -> Result<SecretText, Failure> {
    let text = made["secret"]["token"].as_str();
    let text = text.ok_or_else(|| Failure("the server showed no token".to_owned()))?;
    Ok(SecretText::new(text.to_owned()))
}

async fn round(
    args: &Args,
    client: &Client,
    id: &str,
    secret: &mut SecretText,
    figures: &mut Figures,
    output: &Output,
) -> Result<(), Failure> {
    figures.rounds += 1;
    let began = Instant::now();
    let path = format!("/v1/operator-tokens/{id}/rotate");
    let answer = client.post(&path, &json!({ "overlap": "0s" })).await?;
    let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    (figures.last_ms, figures.longest_ms) = (took_ms, figures.longest_ms.max(took_ms));
    let new = shown(&answer)?;
    let is_everywhere = answer["effective"] == "everywhere";
    let (mut wrong, mut silent) = (Vec::new(), 0);
    for node in &args.nodes {
        match (ask(node, &new).await, ask(node, secret).await) {
            (Said::Yes, Said::No) => {}
            (Said::Nothing, _) | (_, Said::Nothing) => silent += 1,
            (_, Said::Yes) if is_everywhere => wrong.push(format!("{node} accepts the old secret")),
            (Said::No, _) => wrong.push(format!("{node} refuses the new secret")),
            (Said::Yes, Said::Yes) => silent += 1,
        }
    }
    *secret = new;
    figures.silent += silent;
    figures.wrong += u64::from(!wrong.is_empty());
    output.value(&json!({
        "took_ms": took_ms, "effective": answer["effective"], "nodes": answer["nodes"],
        "asked": args.nodes.len(), "silent": silent, "wrong": wrong,
    }));
    let verdict = if wrong.is_empty() { "ok".to_owned() } else { wrong.join("; ") };
    output.line(format!(
        "{verdict}: {} of {} nodes as promised, {took_ms} ms",
        args.nodes.len() - wrong.len() - usize::try_from(silent).unwrap_or(0),
        args.nodes.len()
    ));
    Ok(())
}

/// What a node says of a secret.
async fn ask(node: &Uri, secret: &SecretText) -> Said {
    let asked = tokio::time::timeout(ANSWER_WITHIN, status_of(node, secret)).await;
    match asked {
        Ok(Ok(StatusCode::OK)) => Said::Yes,
        Ok(Ok(StatusCode::UNAUTHORIZED)) => Said::No,
        _ => Said::Nothing,
    }
}

async fn status_of(node: &Uri, secret: &SecretText) -> Result<StatusCode, Failure> {
    let authority = node.authority().ok_or_else(|| Failure(format!("{node} has no host")))?;
    let stream = TcpStream::connect((authority.host(), authority.port_u16().unwrap_or(80))).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let driving = tokio::spawn(connection);
    let request = Request::get("/v1/nodes")
        .header("host", authority.as_str())
        .header("authorization", format!("Bearer {}", secret.reveal()))
        .body(Full::new(Bytes::new()))?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    response.into_body().collect().await?;
    driving.abort();
    Ok(status)
}

fn write_metrics(args: &Args, figures: &Figures) -> Result<(), Failure> {
    let Some(path) = &args.metrics_file else { return Ok(()) };
    let mut text = String::new();
    let all = [
        ("rounds_total", "counter", figures.rounds),
        ("wrong_total", "counter", figures.wrong),
        ("silent_total", "counter", figures.silent),
        ("last_ms", "gauge", figures.last_ms),
        ("longest_ms", "gauge", figures.longest_ms),
    ];
    for (name, kind, value) in all {
        writeln!(text, "# TYPE keyway_probe_{name} {kind}\nkeyway_probe_{name} {value}")?;
    }
    // Whole or not at all: the collector may be reading it.
    let next = path.with_extension("next");
    std::fs::write(&next, text)?;
    std::fs::rename(&next, path)?;
    Ok(())
}
