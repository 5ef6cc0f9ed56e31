//! How `keyway serve` encrypts its listeners.

use std::path::PathBuf;
use std::sync::Arc;

use super::Failure;
use crate::http::tls::{Files, Tls};

/// Certificates of the listeners.
#[derive(clap::Args)]
pub(crate) struct Encryption {
    /// The certificate chain of `--listen` (PEM), which then speaks TLS. Read again when it changes.
    #[arg(long, env = "KEYWAY_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its private key (PEM).
    #[arg(long, env = "KEYWAY_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// The certificate chain of `--internal-listen` (PEM), which then speaks TLS.
    #[arg(
        long,
        env = "KEYWAY_INTERNAL_TLS_CERT",
        value_name = "FILE",
        requires = "internal_tls_key"
    )]
    internal_tls_cert: Option<PathBuf>,
    /// Its private key (PEM).
    #[arg(
        long,
        env = "KEYWAY_INTERNAL_TLS_KEY",
        value_name = "FILE",
        requires = "internal_tls_cert"
    )]
    internal_tls_key: Option<PathBuf>,
    /// Who signs the certificates of gateways (PEM). Only who shows one may call the internal
    /// listener, and needs no token.
    #[arg(
        long,
        env = "KEYWAY_INTERNAL_CLIENT_CA",
        value_name = "FILE",
        requires = "internal_tls_cert"
    )]
    internal_client_ca: Option<PathBuf>,
}

impl Encryption {
    /// Whether the public listener is encrypted.
    pub(crate) fn is_public(&self) -> bool {
        self.tls_cert.is_some()
    }

    /// Whether the internal listener is encrypted.
    pub(crate) fn is_internal(&self) -> bool {
        self.internal_tls_cert.is_some()
    }

    /// Whether callers of the internal listener are known by their certificates.
    pub(crate) fn knows_callers(&self) -> bool {
        self.internal_client_ca.is_some()
    }

    /// What the public listener is encrypted with.
    pub(crate) fn public(&self) -> Result<Option<Arc<Tls>>, Failure> {
        opened(self.tls_cert.as_ref(), self.tls_key.as_ref(), None)
    }

    /// What the internal listener is encrypted with.
    pub(crate) fn internal(&self) -> Result<Option<Arc<Tls>>, Failure> {
        let (cert, key) = (self.internal_tls_cert.as_ref(), self.internal_tls_key.as_ref());
        opened(cert, key, self.internal_client_ca.as_ref())
    }
}

fn opened(
    cert: Option<&PathBuf>,
    key: Option<&PathBuf>,
    client_ca: Option<&PathBuf>,
) -> Result<Option<Arc<Tls>>, Failure> {
    let (Some(cert), Some(key)) = (cert, key) else { return Ok(None) };
    let files = Files { cert: cert.clone(), key: key.clone(), client_ca: client_ca.cloned() };
    Tls::open(files).map(Some).map_err(Failure)
}
