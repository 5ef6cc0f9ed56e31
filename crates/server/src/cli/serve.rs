//! `keyway serve`

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;

use ipnet::IpNet;
use serde_json::json;
use tokio::net::{TcpListener, TcpSocket, UnixListener};
use tokio::sync::watch;

use super::data::Data;
use super::encryption::Encryption;
use super::output::Output;
use super::{Failure, secret_file};
use crate::app::{App, SignUp, Site};
use crate::commands::Error;
use crate::commands::newcomers::set_up_link;
use crate::http::gate::Gate;
use crate::http::tls::{Encrypted, Tls};
use crate::http::{Door, serve};
use crate::mail::{Post, Server};
use crate::request_log;
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
    /// Where browsers find the dashboard, such as `https://keys.example.com`. With `https`, cookies
    /// are for encrypted connections only.
    #[arg(long, env = "KEYWAY_PUBLIC_URL", value_name = "URL")]
    public_url: Option<String>,
    /// A proxy whose `X-Forwarded-For` is taken for where a request comes from: an address or a
    /// CIDR range. May be given more than once.
    #[arg(long, env = "KEYWAY_TRUSTED_PROXY", value_name = "RANGE", value_delimiter = ',', value_parser = proxy)]
    trusted_proxy: Vec<IpNet>,
    /// Whether strangers may sign up accounts.
    #[arg(long, env = "KEYWAY_SIGN_UP", value_enum, default_value_t = SignUp::Closed)]
    sign_up: SignUp,
    /// Where mail is put as files while there is no mail server; by default `mailbox` in the data
    /// folder.
    #[arg(long, env = "KEYWAY_MAILBOX", value_name = "FOLDER")]
    mailbox: Option<PathBuf>,
    #[command(flatten)]
    mail: MailServer,
    #[command(flatten)]
    encryption: Encryption,
    /// A network that webhooks may go to although it is private: an address or a CIDR range. May be
    /// given more than once.
    #[arg(long, env = "KEYWAY_WEBHOOK_ALLOW", value_name = "RANGE", value_delimiter = ',', value_parser = proxy)]
    webhook_allow: Vec<IpNet>,
    /// Let webhooks go to plain `http` too: for a network of your own.
    #[arg(long, env = "KEYWAY_WEBHOOK_HTTP")]
    webhook_http: bool,
    #[command(flatten)]
    requests: RequestLog,
    /// Tasks that send webhooks.
    #[arg(long, env = "KEYWAY_WORKERS", value_name = "N", default_value_t = worker::DELIVERERS, value_parser = workers)]
    workers: usize,
}

/// How much of the log of requests is kept.
#[derive(clap::Args)]
pub(crate) struct RequestLog {
    /// Days that the log of requests is kept; 0 for none.
    #[arg(long, env = "KEYWAY_REQUEST_LOG_DAYS", value_name = "DAYS", default_value_t = 14, value_parser = clap::value_parser!(u32).range(0..=400))]
    request_log_days: u32,
    /// Requests of each account that the log keeps.
    #[arg(long, env = "KEYWAY_REQUEST_LOG_ROWS", value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    request_log_rows: u32,
    /// Requests that this node writes to the log in a second; those beyond are counted.
    #[arg(long, env = "KEYWAY_REQUEST_LOG_RATE", value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=16_000))]
    request_log_rate: u32,
}

impl RequestLog {
    fn terms(&self) -> request_log::Terms {
        request_log::Terms {
            days: self.request_log_days,
            rows: self.request_log_rows,
            per_second: self.request_log_rate,
        }
    }
}

/// Where mail leaves.
#[derive(clap::Args)]
pub(crate) struct MailServer {
    /// The mail server: `smtps://HOST` for TLS, `smtp://HOST` for STARTTLS, or
    /// `smtp://HOST?tls=none` for a relay on this machine.
    #[arg(long, env = "KEYWAY_SMTP", value_name = "URL")]
    smtp: Option<String>,
    /// Who signs in there.
    #[arg(long, env = "KEYWAY_SMTP_USER", value_name = "NAME", requires = "smtp")]
    smtp_user: Option<String>,
    /// A file with their password.
    #[arg(long, env = "KEYWAY_SMTP_PASSWORD_FILE", value_name = "FILE", requires = "smtp_user")]
    smtp_password_file: Option<PathBuf>,
    /// Who letters are from, such as `Harbour Pay <keys@example.com>`.
    #[arg(long, env = "KEYWAY_MAIL_FROM", value_name = "ADDRESS")]
    mail_from: Option<String>,
}

impl MailServer {
    pub(crate) fn post(&self, folder: PathBuf) -> Result<Post, Failure> {
        let login = match (&self.smtp_user, &self.smtp_password_file) {
            (None, _) => None,
            (Some(_), None) => {
                return Err(Failure("--smtp-user needs --smtp-password-file".to_owned()));
            }
            (Some(user), Some(file)) => Some((user.clone(), secret_file(file)?)),
        };
        let server = self.smtp.as_deref().map(|url| Server::parse(url, login)).transpose();
        let server = server.map_err(|why| Failure(format!("--smtp: {why}")))?;
        let from = self.mail_from.as_deref().map(str::parse).transpose();
        let from = from.map_err(|_| {
            Failure("--mail-from: write `Harbour Pay <keys@example.com>`".to_owned())
        })?;
        if server.is_some() && from.is_none() {
            return Err(Failure("--smtp needs --mail-from: who the letters are from".to_owned()));
        }
        Ok(Post { server, folder: Some(folder), from })
    }
}

fn workers(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=64).contains(number));
    number.ok_or_else(|| "it is 1 to 64".to_owned())
}

fn proxy(text: &str) -> Result<IpNet, String> {
    let range =
        text.parse::<IpNet>().or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from));
    range.map_err(|_| format!("`{text}` is no address; write 10.0.0.7 or 10.0.0.0/8"))
}

impl Args {
    fn site(&self) -> Result<Site, Failure> {
        if let Some(url) = &self.public_url {
            let uri: http::Uri =
                url.parse().map_err(|_| Failure(format!("--public-url {url}: it is no URL")))?;
            let plain = matches!(uri.scheme_str(), Some("http" | "https")) && uri.path() == "/";
            if !plain || uri.query().is_some() {
                return Err(Failure(format!(
                    "--public-url {url}: write scheme and host, such as https://keys.example.com"
                )));
            }
        }
        let mailbox = self.mailbox.clone().unwrap_or_else(|| self.data.data.join("mailbox"));
        let behind_tls = self.public_url.as_deref().is_some_and(|url| url.starts_with("https://"));
        if behind_tls && !self.encryption.is_public() && self.trusted_proxy.is_empty() {
            tracing::warn!(
                "--public-url is https, so a proxy stands before this; without --trusted-proxy \
                 everybody seems to come from its address"
            );
        }
        Ok(Site {
            public_url: self.public_url.clone(),
            sign_up: self.sign_up,
            post: self.mail.post(mailbox)?,
            webhook_allow: self.webhook_allow.clone(),
            webhook_http: self.webhook_http,
            trusted_proxies: self.trusted_proxy.clone(),
            request_log: self.requests.terms(),
            denied_file: Some(self.data.denied()),
            is_encrypted: self.encryption.is_public(),
            ..Site::default()
        })
    }
}

/// Listeners that are bound and served.
pub(crate) struct Serving {
    pub(crate) public: SocketAddr,
    pub(crate) internal: SocketAddr,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Serving {
    /// Binds both listeners; returns when they can be called. Until the gate is opened they say that
    /// nothing is ready, and why.
    pub(crate) fn bind(
        gate: &Gate,
        public: SocketAddr,
        internal: SocketAddr,
        encryption: Option<&Encryption>,
        stop: &watch::Receiver<bool>,
    ) -> Result<Self, Failure> {
        let (public_tls, internal_tls) = match encryption {
            Some(encryption) => (encryption.public()?, encryption.internal()?),
            None => (None, None),
        };
        let public = bind(public)?;
        let internal = bind(internal)?;
        let addresses = (public.local_addr()?, internal.local_addr()?);
        let is_known = encryption.is_some_and(Encryption::knows_callers);
        let token = !is_known && !serve::is_own_machine(&addresses.1);
        let mut serving = Self { public: addresses.0, internal: addresses.1, tasks: Vec::new() };
        serving.listen(public, public_tls, gate, Door::Public, stop);
        serving.listen(internal, internal_tls, gate, Door::Internal { token }, stop);
        Ok(serving)
    }

    fn listen(
        &mut self,
        listener: TcpListener,
        tls: Option<Arc<Tls>>,
        gate: &Gate,
        door: Door,
        stop: &watch::Receiver<bool>,
    ) {
        let (gate, stop) = (gate.clone(), stop.clone());
        match tls {
            None => self.add(tokio::spawn(serve::run(listener, gate, door, stop))),
            Some(tls) => {
                self.add(tokio::spawn(Arc::clone(&tls).follow(stop.clone())));
                let listener = Encrypted { listener, tls };
                self.add(tokio::spawn(serve::run(listener, gate, door, stop)));
            }
        }
    }

    /// Lets requests through to a Keyway, and starts what happens beside them.
    pub(crate) fn open(
        &mut self,
        gate: &Gate,
        app: &Arc<App>,
        stop: &watch::Receiver<bool>,
        workers: usize,
    ) {
        // Set once: a second start in one process would be another app.
        let _ = app.site.bound.set(self.public);
        gate.open(Arc::clone(app));
        self.add(tokio::spawn(worker::run(Arc::clone(app), stop.clone(), workers)));
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

/// Bytes of answers that the kernel takes of a connection before its client reads; Linux doubles
/// it. Left alone it would take up to 4 MB of each, and thousands who read nothing would keep a
/// processor busy with answers for nobody.
const SENT_AHEAD: u32 = 128 * 1024;
/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    let listen = || {
        let new = if address.is_ipv4() { TcpSocket::new_v4 } else { TcpSocket::new_v6 };
        let socket = new()?;
        // A server that was restarted finds its address free.
        socket.set_reuseaddr(true)?;
        socket.set_send_buffer_size(SENT_AHEAD)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    listen().map_err(|error: io::Error| Failure(format!("can't listen on {address}: {error}")))
}

pub(crate) async fn run(args: Args, output: &Output) -> Result<(), Failure> {
    let mut asked_to_stop = pin!(serve::stop_signal()?);
    let site = args.site()?;
    let prepared = args.data.prepare()?;
    let gate = Gate::default();
    let (stopping, stop) = watch::channel(false);
    let (public, internal) = (args.listen, args.internal_listen);
    let mut serving = Serving::bind(&gate, public, internal, Some(&args.encryption), &stop)?;
    let socket = args.data.socket();
    // The lock is ours, so a socket that is there was left by a process that is gone.
    let _ = std::fs::remove_file(&socket);
    let listener = UnixListener::bind(&socket)
        .map_err(|error| Failure(format!("{}: {error}", socket.display())))?;
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o600))?;
    serving.add(tokio::spawn(serve::run(listener, gate.clone(), Door::Local, stop.clone())));
    let opened = tokio::select! {
        opened = args.data.open_patiently(&prepared, &site, gate.starting()) => Some(opened?),
        () = asked_to_stop.as_mut() => None,
    };
    if let Some(app) = &opened {
        serving.open(&gate, app, &stop, args.workers);
        say(app, &args, &serving, output).await;
        asked_to_stop.await;
    }
    tracing::info!("stopping");
    stopping.send(true)?;
    serving.finished().await;
    if let Some(app) = &opened {
        leave(app).await;
    }
    let _ = std::fs::remove_file(&socket);
    Ok(())
}

/// Says where everything is.
async fn say(app: &Arc<App>, args: &Args, serving: &Serving, output: &Output) {
    let scheme = &app.platform.rules.scheme;
    let word = |is_encrypted| if is_encrypted { "https" } else { "http" };
    let outside = word(args.encryption.is_public());
    let inside = word(args.encryption.is_internal());
    let set_up = set_up_url(app, args, serving.public).await.unwrap_or_else(|error| {
        tracing::warn!(%error, "whether anybody can sign in is not known");
        None
    });
    output.value(&json!({
        "dashboard_url": dashboard_url(args, serving.public),
        "set_up_url": set_up,
        "management_url": format!("{outside}://{}", serving.public),
        "verify_url": format!("{inside}://{}/v1/verify", serving.internal),
        "scheme": scheme.name,
        "credentials": app.platform.engine.index.len(),
    }));
    output.line(format!("Keyway runs the scheme {} on {}.", scheme.name, args.data.data.display()));
    output.line(format!("  dashboard   {}", dashboard_url(args, serving.public)));
    output.line(format!("  management  {outside}://{}/v1", serving.public));
    output.line(format!("  verify      {inside}://{}/v1/verify", serving.internal));
    output
        .line("Make an operator token with `keyway tokens create --name NAME`. Stop with Ctrl-C.");
    if let Some(url) = set_up {
        output.line(format!(
            "Nobody can sign in yet. Set up the first account (this link is good once):\n  {url}"
        ));
    }
}

/// Waits until nobody answers for this process, and gives the lease back, so that no change waits for
/// it.
pub(crate) async fn leave(app: &Arc<App>) {
    app.followers.close().await;
    if let Some(node) = app.coherence.get().cloned() {
        let left = tokio::task::spawn_blocking(move || node.stop()).await;
        if let Err(error) = left {
            tracing::error!(%error, "the node did not leave cleanly");
        }
    }
}

fn dashboard_url(args: &Args, public: SocketAddr) -> String {
    let scheme = if args.encryption.is_public() { "https" } else { "http" };
    args.public_url.clone().unwrap_or_else(|| format!("{scheme}://{public}"))
}

/// Where the first account is set up, while there is none with people.
async fn set_up_url(
    app: &Arc<App>,
    args: &Args,
    public: SocketAddr,
) -> Result<Option<String>, Error> {
    let moment = app.own_moment();
    let made = app.db.write(moment.now, move |tx| set_up_link(tx, &moment)).await?;
    let base = dashboard_url(args, public);
    Ok(made.map(|new| format!("{}/set-up/{}", base.trim_end_matches('/'), new.token.reveal())))
}
