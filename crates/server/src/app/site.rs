//! How people and webhooks reach this Keyway, and what it keeps for them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::OnceLock;

use ipnet::IpNet;

use crate::mail::Post;
use crate::request_log;

/// Whether strangers may sign up an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum SignUp {
    /// They may not: the platform makes the accounts.
    #[default]
    Closed,
    /// By a link that is mailed to them. Nobody learns which addresses are known, and nobody takes
    /// one that is not theirs.
    Verified,
    /// At once, which tells whether an address is known. For trying things out.
    Open,
}

/// How people reach the dashboard.
#[derive(Debug, Clone, Default)]
pub struct Site {
    /// Where browsers find it, such as `https://keys.example.com`; without it, at whatever host
    /// they ask. Cookies are for encrypted connections only when this says `https`.
    pub public_url: Option<String>,
    /// Whether strangers may sign up an account.
    pub sign_up: SignUp,
    /// How mail leaves.
    pub post: Post,
    /// Whether a page shows the mail that was put into the folder: for trying things out only.
    pub shows_mail: bool,
    /// Addresses that webhooks may go to although they are of a kind that is refused.
    pub webhook_allow: Vec<IpNet>,
    /// Whether webhooks may go to plain `http`.
    pub webhook_http: bool,
    /// Proxies whose word on where a request comes from is taken (`X-Forwarded-For`).
    pub trusted_proxies: Vec<IpNet>,
    /// How much of the log of requests is kept, and how fast it is written.
    pub request_log: request_log::Terms,
    /// The file of what the operator of this machine denies.
    pub denied_file: Option<PathBuf>,
    /// Whether the public listener is encrypted.
    pub is_encrypted: bool,
    /// Where the public listener is bound, once it is.
    pub bound: OnceLock<SocketAddr>,
}

impl Site {
    /// Where links lead: the address that is configured, or the one that is listened on.
    pub fn base_url(&self) -> String {
        if let Some(url) = &self.public_url {
            return url.trim_end_matches('/').to_owned();
        }
        let scheme = if self.is_encrypted { "https" } else { "http" };
        match self.bound.get() {
            Some(bound) if !bound.ip().is_unspecified() => format!("{scheme}://{bound}"),
            Some(bound) => format!("{scheme}://localhost:{}", bound.port()),
            None => format!("{scheme}://localhost"),
        }
    }

    /// Whether browsers reach it over TLS.
    pub fn is_secure(&self) -> bool {
        match &self.public_url {
            Some(url) => url.starts_with("https://"),
            None => self.is_encrypted,
        }
    }
}
