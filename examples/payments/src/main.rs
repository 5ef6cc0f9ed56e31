//! `payments`: the API as a process of its own, in front of which a guard asks a Keyway node.

use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use http::Uri;
use keyway_client::{Follower, Following};
use keyway_guard::{GuardLayer, Remote, Verifier};
use keyway_payments::{Payments, SCHEMES};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// The variable that need not be set: a node on loopback asks for no token.
const TOKEN_ENV: &str = "KEYWAY_TOKEN";

/// A small payments API that lets Keyway decide about every request.
///
/// It serves the paths and shapes of one platform, keeps what it is given apart for each account
/// and environment, and asks `POST /v1/verify` of a Keyway node about each request, or about each
/// credential once.
#[derive(Debug, Parser)]
#[command(name = "payments", version)]
struct Arguments {
    /// Whose paths and shapes to serve.
    #[arg(long, value_parser = SCHEMES)]
    scheme: String,
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The database file; without it everything is kept in memory and ends with the process.
    #[arg(long, value_name = "FILE")]
    database: Option<PathBuf>,
    /// The Keyway node to ask, such as `http://127.0.0.1:7411/v1/verify`.
    #[arg(long, value_name = "URL", value_parser = http_url)]
    verify_url: Uri,
    /// Follow the node: judge in this process, and ask about each credential once.
    #[arg(long)]
    follow: bool,
    /// The environment variable that holds the operator token.
    #[arg(long, value_name = "NAME", default_value = TOKEN_ENV)]
    token_env: String,
    /// Serve one environment only; otherwise the credential decides.
    #[arg(long, value_parser = ["test", "live"])]
    environment: Option<String>,
}

fn main() -> ExitCode {
    let coloured = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(coloured).init();
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let token = token(&arguments.token_env)?;
    let runtime = tokio::runtime::Runtime::new()?;
    if !arguments.follow {
        let remote = Remote::new(&arguments.verify_url)?;
        let remote = match token {
            Some(token) => remote.token(&token)?,
            None => remote,
        };
        return serve(&runtime, arguments, remote);
    }
    let mut following = Following::new(arguments.verify_url.clone());
    if let Some(token) = token {
        following = following.token(token);
    }
    let follower = runtime.block_on(Follower::start(following))?;
    serve(&runtime, arguments, follower.clone())?;
    runtime.block_on(follower.stop());
    Ok(())
}

fn serve(
    runtime: &tokio::runtime::Runtime,
    arguments: &Arguments,
    verifier: impl Verifier,
) -> Result<(), Box<dyn std::error::Error>> {
    let payments = Payments::open(arguments.database.as_deref())?;
    let mut guard = GuardLayer::new(verifier);
    if let Some(environment) = &arguments.environment {
        guard = guard.environment(environment);
    }
    let router = keyway_payments::router(payments, &arguments.scheme, guard);
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let listener = TcpListener::bind(arguments.listen).await?;
        writeln!(std::io::stdout(), "http://{}", listener.local_addr()?)?;
        keyway_payments::serve(listener, router, async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        })
        .await;
        Ok(())
    })
}

/// The operator token. A variable that was named must be set.
fn token(name: &str) -> Result<Option<String>, String> {
    #[expect(clippy::disallowed_methods, reason = "the variable's name is itself an argument")]
    let token = std::env::var(name).ok();
    if token.is_none() && name != TOKEN_ENV {
        return Err(format!("the environment variable {name} is not set"));
    }
    Ok(token)
}

fn http_url(text: &str) -> Result<Uri, String> {
    let url: Uri = text.parse().map_err(|error| format!("not a URL: {error}"))?;
    if url.scheme_str() != Some("http") || url.host().is_none() {
        return Err("must begin with http:// and name a host".to_owned());
    }
    Ok(url)
}
