//! From a checked URL to a connection, with the check where it cannot be passed by.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use keyway_domain::limits::{OUTBOUND_READ_BYTES_MAX, OUTBOUND_TRIES_MAX};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use url::Host;

use super::Unusable;
use super::address::{self, Callable};
use super::metered::Metered;
use super::resolve::Resolver;
use super::target::Parsed;
use super::trouble::{Phase, Trouble};

/// Bytes both ways, in the clear or over TLS.
pub(super) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Wire for S {}

/// How far a call has come; still known when time is up and the call is gone.
#[derive(Debug, Default)]
pub(super) struct Trail {
    pub(super) phase: Phase,
    pub(super) address: Option<IpAddr>,
}

/// Opens connections.
pub(super) struct Connector {
    pub(super) allowed: Vec<IpNet>,
    pub(super) resolver: Arc<dyn Resolver>,
    pub(super) tls: TlsConnector,
}

impl Connector {
    /// A connection to the URL's host: looked up, judged, connected to and verified, in this order.
    pub(super) async fn open(
        &self,
        parsed: &Parsed,
        limit: Duration,
        trail: &mut Trail,
    ) -> Result<Box<dyn Wire>, Trouble> {
        let deadline = Instant::now() + limit;
        let opened = timeout_at(deadline, async {
            let addresses = self.look_up(parsed).await?;
            trail.phase = Phase::Connect;
            let stream = connect_to_one(&addresses, parsed.port, deadline, trail).await?;
            let stream = Metered::new(stream, OUTBOUND_READ_BYTES_MAX);
            if !parsed.is_https() {
                return Ok(Box::new(stream) as Box<dyn Wire>);
            }
            trail.phase = Phase::Tls;
            let name = server_name(&parsed.host)?;
            let stream = self.tls.connect(name, stream).await;
            let stream = stream.map_err(|error| Trouble::of_handshake(&error))?;
            Ok(Box::new(stream) as Box<dyn Wire>)
        });
        opened.await.unwrap_or(Err(Trouble::TimedOut(Phase::Connect))).map_err(|trouble| {
            match trouble {
                Trouble::TimedOut(_) => Trouble::TimedOut(trail.phase),
                other => other,
            }
        })
    }

    async fn look_up(&self, parsed: &Parsed) -> Result<Vec<Callable>, Trouble> {
        let found = match &parsed.host {
            Host::Ipv4(v4) => vec![(*v4).into()],
            Host::Ipv6(v6) => vec![(*v6).into()],
            Host::Domain(name) => {
                self.resolver.addresses(name).await.map_err(|_| Trouble::NoAddress)?
            }
        };
        if found.is_empty() {
            return Err(Trouble::NoAddress);
        }
        let judged = found.into_iter().map(|address| address::judge(address, &self.allowed));
        judged.collect::<Result<_, _>>().map_err(Trouble::RefusedAddress)
    }
}

/// Connects to the first address that answers. Each gets its share of the time that is left, so
/// that one which swallows everything does not keep the next from its turn.
async fn connect_to_one(
    addresses: &[Callable],
    port: u16,
    deadline: Instant,
    trail: &mut Trail,
) -> Result<TcpStream, Trouble> {
    let tried = addresses.len().min(OUTBOUND_TRIES_MAX);
    let mut trouble = Trouble::NoAddress;
    for (others, address) in (1..=tried).rev().zip(addresses) {
        trail.address = Some(address.ip());
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(others).unwrap_or(u32::MAX);
        trouble = match timeout(share, address.connect(port)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => Trouble::of_connecting(&error),
            Err(_) => Trouble::TimedOut(Phase::Connect),
        };
    }
    Err(trouble)
}

fn server_name(host: &Host<String>) -> Result<ServerName<'static>, Trouble> {
    match host {
        Host::Ipv4(v4) => Ok(ServerName::IpAddress(IpAddr::from(*v4).into())),
        Host::Ipv6(v6) => Ok(ServerName::IpAddress(IpAddr::from(*v6).into())),
        Host::Domain(name) => ServerName::try_from(name.clone())
            .map_err(|_| Trouble::Tls("no certificate can be for this name".into())),
    }
}

/// TLS that trusts `roots` and verifies the certificate anew in each call.
pub(crate) fn tls(roots: RootCertStore) -> Result<TlsConnector, Unusable> {
    if roots.is_empty() {
        return Err(Unusable::NoRoots);
    }
    // The provider is named because two could be compiled in, and a default would then panic.
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Unusable::Tls(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // A resumed session skips the certificate, which may be another one by now.
    config.resumption = Resumption::disabled();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The authorities that this system trusts; one that cannot be read is left out.
pub(crate) fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}
