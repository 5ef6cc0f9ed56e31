//! The command line: each command one file, every one with `--json`.
//!
//! Commands that read or change data are clients of the management API: of the running server by
//! its socket in the data folder, or of one in this process when none runs.

mod accounts;
mod audit;
mod client;
mod credentials;
mod data;
mod database;
mod demo;
mod deny;
mod destination;
mod doctor;
mod encryption;
mod events;
mod handover;
mod import;
mod members;
mod migrate;
mod operator;
mod output;
mod probe;
mod scheme;
mod serve;
mod status;
mod tokens;
mod webhooks;

use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use keyway_secret::SecretText;
use tracing_subscriber::EnvFilter;

use output::Output;

/// API credentials for payments platforms: made, shown once, restricted, rotated, revoked, and
/// checked on every request.
#[derive(Parser)]
#[command(name = "keyway", version, arg_required_else_help = true, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Print one JSON object instead of text.
    #[arg(long, global = true)]
    json: bool,
    /// What to log: error, warn, info, debug or trace, also per module.
    #[arg(long, global = true, env = "KEYWAY_LOG", default_value = "info")]
    log: String,
    /// Log as JSON lines.
    #[arg(long, global = true, env = "KEYWAY_LOG_JSON")]
    log_json: bool,
}

const AFTER_HELP: &str = "\
Start here:
  keyway demo                      a server, a sample API and credentials to try
  keyway serve --scheme NAME       a server with its data in ./keyway-data
  keyway scheme explain NAME       what a scheme means, in sentences

Exit codes: 0 done, 1 refused or failed, 2 wrong arguments.";

#[derive(Subcommand)]
enum Command {
    /// Run the server.
    Serve(Box<serve::Args>),
    /// Run a server with temporary data, a sample payments API, and one credential of each kind.
    Demo(demo::Args),
    /// List, check and explain schemes.
    #[command(subcommand)]
    Scheme(scheme::Command),
    /// Register, list and suspend accounts.
    #[command(subcommand)]
    Accounts(accounts::Command),
    /// Invite, list and remove the people of an account; reset what they have lost.
    #[command(subcommand)]
    Members(members::Command),
    /// Make, list, rotate and revoke credentials.
    #[command(subcommand)]
    Credentials(credentials::Command),
    /// Make, list, rotate and revoke the operator's own tokens for the management API.
    #[command(subcommand)]
    Tokens(tokens::Command),
    /// Open the operator's pages: the merchants, in a browser.
    #[command(subcommand)]
    Operator(operator::Command),
    /// Show what happened, or the decision behind a Request-Id.
    #[command(subcommand)]
    Events(events::Command),
    /// Check the audit log's chains, and export it.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Add, test and rotate endpoints for webhooks; see what went there, and send it again.
    #[command(subcommand)]
    Webhooks(webhooks::Command),
    /// Take over keys that another system issued, by their hashes.
    Import(import::Args),
    /// Bring a PostgreSQL database to this version's schema, as its owner.
    Migrate(migrate::Args),
    /// Refuse a credential on this machine while the database is gone.
    Deny(deny::Args),
    /// Give a token a new secret again and again, and see that every node keeps the promise.
    Probe(probe::Args),
    /// Show the nodes over the database, how far each has read, and whether this one may answer.
    Status(status::Args),
    /// Check configuration, database, key file, clock and ports; say what to do.
    Doctor(doctor::Args),
}

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl<T: std::fmt::Display> From<T> for Failure {
    fn from(error: T) -> Self {
        Self(error.to_string())
    }
}

/// Runs the command line.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let output = Output::new(cli.json);
    if let Err(Failure(what)) = log_to_stderr(&cli.log, cli.log_json) {
        output.failure(&what);
        return ExitCode::from(2);
    }
    keep_to_ourselves();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(dispatch(cli.command, &output)),
        Err(error) => Err(error.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(what)) => {
            output.failure(&what);
            ExitCode::FAILURE
        }
    }
}

async fn dispatch(command: Command, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Serve(args) => serve::run(*args, output).await,
        Command::Demo(args) => demo::run(args, output).await,
        Command::Scheme(command) => scheme::run(command, output),
        Command::Accounts(command) => accounts::run(command, output).await,
        Command::Members(command) => members::run(command, output).await,
        Command::Credentials(command) => credentials::run(command, output).await,
        Command::Tokens(command) => tokens::run(command, output).await,
        Command::Operator(command) => operator::run(command, output).await,
        Command::Events(command) => events::run(command, output).await,
        Command::Audit(command) => audit::run(command, output).await,
        Command::Webhooks(command) => webhooks::run(command, output).await,
        Command::Import(args) => import::run(args, output).await,
        Command::Migrate(args) => migrate::run(&args, output),
        Command::Deny(args) => deny::run(&args, output),
        Command::Probe(args) => probe::run(args, output).await,
        Command::Status(args) => status::run(args, output).await,
        Command::Doctor(args) => doctor::run(args, output).await,
    }
}

/// Reads a secret from a file, without the line's end that editors add.
fn secret_file(path: &Path) -> Result<SecretText, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure(format!("{}: {error}", path.display())))?;
    Ok(SecretText::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}

fn log_to_stderr(filter: &str, as_json: bool) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(filter)
        .map_err(|error| Failure(format!("--log {filter}: {error}; try `info`")))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if as_json {
        log.json().init();
    } else {
        log.init();
    }
    Ok(())
}

/// No core dump, no other process of this user reads our memory, and no file is for others.
fn keep_to_ourselves() {
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    let limited = rustix::process::setrlimit(rustix::process::Resource::Core, none);
    let closed =
        rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    if limited.is_err() || closed.is_err() {
        tracing::warn!("core dumps could not be switched off");
    }
}
