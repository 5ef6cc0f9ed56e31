//! Encrypted listeners: TLS 1.2 and 1.3 by rustls, with certificates that are read again when their
//! files change.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;

use super::serve::Accept;

/// Files are looked at so often.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Where a listener's certificates are.
#[derive(Debug, Clone)]
pub struct Files {
    /// Its chain, its own certificate first (PEM).
    pub cert: PathBuf,
    /// Its private key (PEM).
    pub key: PathBuf,
    /// Who signs the certificates of those who may call; without it anybody may.
    pub client_ca: Option<PathBuf>,
}

/// Certificates in use.
pub struct Tls {
    files: Files,
    config: ArcSwap<ServerConfig>,
}

impl Tls {
    /// Reads the files; the error names the one that is wrong.
    pub fn open(files: Files) -> Result<Arc<Self>, String> {
        let config = ArcSwap::from_pointee(read(&files)?);
        Ok(Arc::new(Self { files, config }))
    }

    /// Takes over files that have changed, until told to stop. New connections get the new
    /// certificate; when it can't be read the one before stays.
    pub async fn follow(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut seen = self.files.state();
        while !*stop.borrow() {
            let stopped = async { drop(stop.wait_for(|stop| *stop).await) };
            // A file that is being written is looked at again.
            if tokio::time::timeout(LOOK_EVERY, stopped).await.is_err() {
                let now = self.files.state();
                if now != seen && self.look() {
                    seen = now;
                }
            }
        }
    }

    /// Reads the files again; whether they can be used.
    pub fn look(&self) -> bool {
        match read(&self.files) {
            Ok(config) => {
                self.config.store(Arc::new(config));
                tracing::info!(cert = %self.files.cert.display(), "a new certificate is in use");
                true
            }
            Err(why) => {
                tracing::error!(
                    why,
                    "the certificate has changed and can't be used; the one before stays"
                );
                false
            }
        }
    }
}

impl Files {
    fn state(&self) -> Vec<Option<(SystemTime, u64)>> {
        let state = |path: &PathBuf| {
            let file = std::fs::metadata(path).ok()?;
            Some((file.modified().ok()?, file.len()))
        };
        [Some(&self.cert), Some(&self.key), self.client_ca.as_ref()]
            .into_iter()
            .flatten()
            .map(state)
            .collect()
    }
}

fn read(files: &Files) -> Result<ServerConfig, String> {
    let named = |path: &Path, why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let chain = certificates(&files.cert)?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|why| named(&files.key, &why))?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|why| why.to_string())?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for root in certificates(path)? {
                roots.add(root).map_err(|why| named(path, &why))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().map_err(|why| named(path, &why))?)
        }
    };
    let mut config =
        builder.with_single_cert(chain, key).map_err(|why| named(&files.cert, &why))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let named = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let found = CertificateDer::pem_file_iter(path).map_err(|why| named(&why))?;
    let found: Vec<_> = found.collect::<Result<_, _>>().map_err(|why| named(&why))?;
    if found.is_empty() { Err(named(&"there is no certificate in it")) } else { Ok(found) }
}

/// A listener whose connections are encrypted.
pub struct Encrypted {
    /// Where it listens.
    pub listener: TcpListener,
    /// With which certificates.
    pub tls: Arc<Tls>,
}

impl Accept for Encrypted {
    type Raw = TcpStream;
    type Stream = TlsStream<TcpStream>;

    async fn next(&self) -> io::Result<(TcpStream, Option<SocketAddr>)> {
        self.listener.next().await
    }

    fn settle(
        &self,
        raw: TcpStream,
    ) -> impl Future<Output = io::Result<TlsStream<TcpStream>>> + Send + 'static {
        TlsAcceptor::from(self.tls.config.load_full()).accept(raw)
    }
}
