//! `keyway serve`

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use serde_json::json;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;

use super::Failure;
use super::data::Data;
use super::output::Output;
use crate::app::App;
use crate::http::{Door, serve};
use crate::worker;

/// Arguments of `keyway serve`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    data: Data,
    /// Where the management API and the logins listen.
    #[arg(long, env = "KEYWAY_LISTEN", default_value = "127.0.0.1:7410", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Where verification, health and metrics listen. Beyond this machine each call needs an
    /// operator token with `verification:read`.
    #[arg(
        long,
        env = "KEYWAY_INTERNAL_LISTEN",
        default_value = "127.0.0.1:7411",
        value_name = "ADDRESS"
    )]
    internal_listen: SocketAddr,
}

/// Listeners that are bound and served.
pub(crate) struct Serving {
    pub(crate) public: SocketAddr,
    pub(crate) internal: SocketAddr,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Serving {
    /// Binds both listeners and starts to serve; returns when they can be called.
    pub(crate) async fn start(
        app: &Arc<App>,
        public: SocketAddr,
        internal: SocketAddr,
        stop: &watch::Receiver<bool>,
    ) -> Result<Self, Failure> {
        let public = bind(public).await?;
        let internal = bind(internal).await?;
        let addresses = (public.local_addr()?, internal.local_addr()?);
        let token = !serve::is_own_machine(&addresses.1);
        let inside = Door::Internal { token };
        let tasks = vec![
            tokio::spawn(serve::run(public, Arc::clone(app), Door::Public, stop.clone())),
            tokio::spawn(serve::run(internal, Arc::clone(app), inside, stop.clone())),
            tokio::spawn(worker::run(Arc::clone(app), stop.clone())),
        ];
        Ok(Self { public: addresses.0, internal: addresses.1, tasks })
    }

    /// Adds a task that ends when serving stops.
    pub(crate) fn add(&mut self, task: tokio::task::JoinHandle<()>) {
        self.tasks.push(task);
    }

    /// Waits until everything has stopped.
    pub(crate) async fn finished(self) {
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a task ended badly");
            }
        }
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address)
        .await
        .map_err(|error| Failure(format!("can't listen on {address}: {error}")))
}

pub(crate) async fn run(args: Args, output: &Output) -> Result<(), Failure> {
    let asked_to_stop = serve::stop_signal()?;
    let (app, _lock) = args.data.open().await?;
    let (stopping, stop) = watch::channel(false);
    let mut serving = Serving::start(&app, args.listen, args.internal_listen, &stop).await?;
    let socket = args.data.socket();
    // The lock is ours, so a socket that is there was left by a process that is gone.
    let _ = std::fs::remove_file(&socket);
    let listener = UnixListener::bind(&socket)
        .map_err(|error| Failure(format!("{}: {error}", socket.display())))?;
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o600))?;
    serving.add(tokio::spawn(serve::run(listener, Arc::clone(&app), Door::Local, stop)));
    let scheme = &app.platform.rules.scheme;
    output.value(&json!({
        "management_url": format!("http://{}", serving.public),
        "verify_url": format!("http://{}/v1/verify", serving.internal),
        "scheme": scheme.name,
        "credentials": app.platform.engine.index.len(),
    }));
    output.line(format!("Keyway runs the scheme {} on {}.", scheme.name, args.data.data.display()));
    output.line(format!("  management  http://{}/v1", serving.public));
    output.line(format!("  verify      http://{}/v1/verify", serving.internal));
    output
        .line("Make an operator token with `keyway tokens create --name NAME`. Stop with Ctrl-C.");
    asked_to_stop.await;
    tracing::info!("stopping");
    stopping.send(true)?;
    serving.finished().await;
    let _ = std::fs::remove_file(&socket);
    Ok(())
}
