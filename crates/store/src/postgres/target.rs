//! Where a PostgreSQL is, and how it is reached.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use keyway_secret::SecretText;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Why a database can't be reached as it was said.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The URL.
    #[error("the database's URL is not usable: {0}")]
    Url(String),
    /// The certificates that it is checked against.
    #[error("the certificates that the database is checked against: {0}")]
    Certificates(String),
}

/// Where a PostgreSQL is, and how it is reached.
pub struct Target {
    config: Config,
    tls: Option<MakeRustlsConnect>,
    is_durable: bool,
    named: String,
}

const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// What was sent and not confirmed for so long is lost.
const UNCONFIRMED: Duration = Duration::from_secs(10);

impl Target {
    /// Reads a URL such as `postgres://keyway@db.example.com/keyway`. Beyond this machine the
    /// connection is encrypted and the server's certificate and name are checked
    /// (`sslmode=verify-full`), unless the URL says `sslmode=disable`.
    pub fn parse(
        url: &str,
        password: Option<&SecretText>,
        ca_file: Option<&Path>,
    ) -> Result<Self, TargetError> {
        // What the parser says of a URL could repeat its password.
        let bad = |why: &str| TargetError::Url(why.to_owned());
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(bad("write postgres://USER@HOST/DATABASE"));
        }
        let (plain, mode) = without_mode(url);
        let mut config: Config = plain.parse().map_err(|_| {
            bad("write postgres://USER@HOST:PORT/DATABASE, with %XX for odd characters")
        })?;
        if let Some(password) = password {
            config.password(password.reveal());
        }
        if config.get_dbname().is_none() || config.get_user().is_none() {
            return Err(bad("it names no user or no database"));
        }
        let encrypt = match mode.as_deref() {
            Some("verify-full" | "require") => true,
            Some("disable") => false,
            None => !is_here(&config),
            Some(_) => return Err(bad("sslmode is `verify-full` or `disable`")),
        };
        config.ssl_mode(if encrypt { SslMode::Require } else { SslMode::Disable });
        // A standby that lags would be read as if it were the database.
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        config.application_name("keyway");
        config.connect_timeout(CONNECT_WITHIN);
        config.tcp_user_timeout(UNCONFIRMED);
        config.keepalives_idle(UNCONFIRMED);
        let named = named(&config);
        let tls = if encrypt { Some(MakeRustlsConnect::new(tls(ca_file)?)) } else { None };
        Ok(Self { config, tls, is_durable: true, named })
    }

    /// The same database, whose commits do not wait for its disk: for tests.
    #[must_use]
    pub fn forgetful(mut self) -> Self {
        self.is_durable = false;
        self
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn tls(&self) -> Option<MakeRustlsConnect> {
        self.tls.clone()
    }

    pub(crate) fn is_durable(&self) -> bool {
        self.is_durable
    }

    /// Host and database, without anything secret.
    pub fn named(&self) -> &str {
        &self.named
    }
}

/// The URL without its `sslmode`, and that mode: the driver knows fewer than we say.
fn without_mode(url: &str) -> (String, Option<String>) {
    let Some((front, query)) = url.split_once('?') else { return (url.to_owned(), None) };
    let mut mode = None;
    let rest: Vec<&str> = query
        .split('&')
        .filter(|pair| match pair.strip_prefix("sslmode=") {
            Some(value) => {
                mode = Some(value.to_owned());
                false
            }
            None => !pair.is_empty(),
        })
        .collect();
    let rest = rest.join("&");
    (if rest.is_empty() { front.to_owned() } else { format!("{front}?{rest}") }, mode)
}

/// Whether nothing of the connection leaves this machine.
fn is_here(config: &Config) -> bool {
    !config.get_hosts().is_empty()
        && config.get_hosts().iter().all(is_own_machine)
        && config.get_hostaddrs().iter().all(std::net::IpAddr::is_loopback)
}

fn is_own_machine(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost"
                || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        }
    }
}

fn named(config: &Config) -> String {
    let hosts: Vec<String> = config
        .get_hosts()
        .iter()
        .map(|host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string(),
        })
        .collect();
    format!("{}/{}", hosts.join(","), config.get_dbname().unwrap_or_default())
}

fn tls(ca_file: Option<&Path>) -> Result<ClientConfig, TargetError> {
    let bad = |why: String| TargetError::Certificates(why);
    let mut roots = RootCertStore::empty();
    if let Some(path) = ca_file {
        let named = |error: &dyn std::fmt::Display| bad(format!("{}: {error}", path.display()));
        for found in CertificateDer::pem_file_iter(path).map_err(|error| named(&error))? {
            let certificate = found.map_err(|error| named(&error))?;
            roots.add(certificate).map_err(|error| named(&error))?;
        }
    } else {
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
    }
    if roots.is_empty() {
        return Err(bad("there are none; name a file with --database-ca".to_owned()));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| bad(error.to_string()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
