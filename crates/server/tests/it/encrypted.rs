//! Encrypted listeners: what is spoken on them, and certificates that change.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use keyway_server::http::tls::{Encrypted, Files, Tls};
use keyway_server::http::{Door, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::harness::Keyway;

fn certs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/certs")
}

/// The files in a folder of the test's own, so that they can change.
fn files(folder: &Path, cert: &str, key: &str, client_ca: Option<&str>) -> Files {
    let copied = |name: &str, to: &str| {
        let to = folder.join(to);
        std::fs::copy(certs().join(name), &to).expect("a certificate is copied");
        to
    };
    Files {
        cert: copied(cert, "cert.pem"),
        key: copied(key, "key.pem"),
        client_ca: client_ca.map(|name| copied(name, "ca.pem")),
    }
}

async fn listen(keyway: &Keyway, tls: &Arc<Tls>, stop: &watch::Receiver<bool>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let listener = Encrypted { listener, tls: Arc::clone(tls) };
    let app = Arc::clone(&keyway.app);
    tokio::spawn(serve::run(listener, app, Door::Public, stop.clone()));
    address
}

/// Connects as one who trusts the authority of the tests only, or also shows a certificate.
async fn connect(
    to: SocketAddr,
    own: Option<&str>,
    protocol: &[u8],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_file(certs().join("ca.pem")).expect("a certificate");
    roots.add(authority).expect("an authority");
    let config = ClientConfig::builder().with_root_certificates(roots);
    let mut config = match own {
        None => config.with_no_client_auth(),
        Some(name) => {
            let cert = CertificateDer::from_pem_file(certs().join(format!("{name}.pem")));
            let key = PrivateKeyDer::from_pem_file(certs().join(format!("{name}.key")));
            let (cert, key) = (cert.expect("a certificate"), key.expect("a key"));
            config.with_client_auth_cert(vec![cert], key).expect("a pair")
        }
    };
    config.alpn_protocols = vec![protocol.to_vec()];
    let name = ServerName::try_from("hooks.example").expect("a name");
    let stream = TcpStream::connect(to).await?;
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// What `GET /healthz` says over HTTP/1.1.
async fn health(to: SocketAddr, own: Option<&str>) -> std::io::Result<String> {
    let mut stream = connect(to, own, b"http/1.1").await?;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn both_versions_of_http_are_spoken_and_plain_text_is_not() {
    let keyway = Keyway::start("enterprise").await;
    let (_stopping, stop) = watch::channel(false);
    let tls = Tls::open(files(&keyway.folder, "server.pem", "server.key", None)).expect("it opens");
    let to = listen(&keyway, &tls, &stop).await;
    assert!(health(to, None).await.expect("an answer").starts_with("HTTP/1.1 200"));
    let mut stream = connect(to, None, b"h2").await.expect("a handshake");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.expect("sent");
    let mut frame = [0; 9];
    stream.read_exact(&mut frame).await.expect("a frame");
    assert_eq!(frame[3], 4, "the server's settings come first (RFC 9113 section 3.4)");
    let mut plain = TcpStream::connect(to).await.expect("a connection");
    plain.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn a_certificate_that_changed_is_used_and_one_that_is_broken_is_not() {
    let keyway = Keyway::start("enterprise").await;
    let (_stopping, stop) = watch::channel(false);
    let tls = Tls::open(files(&keyway.folder, "server.pem", "server.key", None)).expect("it opens");
    let to = listen(&keyway, &tls, &stop).await;
    health(to, None).await.expect("an answer");
    std::fs::write(keyway.folder.join("cert.pem"), "half a certifi").expect("written");
    assert!(!tls.look());
    health(to, None).await.expect("the one before stays");
    files(&keyway.folder, "self-signed.pem", "self-signed.key", None);
    assert!(tls.look());
    health(to, None).await.expect_err("nobody vouches for the new one");
    for (cert, key) in [("ca.pem", "server.key"), ("server.key", "server.key")] {
        let wrong = Tls::open(files(&keyway.folder, cert, key, None));
        let why = wrong.err().expect("it is refused");
        assert!(why.contains("cert.pem"), "{why}");
    }
}

#[tokio::test]
async fn where_callers_must_be_known_nobody_else_is_heard() {
    let keyway = Keyway::start("enterprise").await;
    let (_stopping, stop) = watch::channel(false);
    let files = files(&keyway.folder, "server.pem", "server.key", Some("self-signed.pem"));
    let tls = Tls::open(files).expect("it opens");
    let to = listen(&keyway, &tls, &stop).await;
    health(to, None).await.expect_err("no certificate was shown");
    health(to, Some("self-signed")).await.expect("its certificate is known");
}

#[tokio::test]
async fn a_handshake_that_does_not_end_is_ended() {
    let keyway = Keyway::start("enterprise").await;
    let (_stopping, stop) = watch::channel(false);
    let tls = Tls::open(files(&keyway.folder, "server.pem", "server.key", None)).expect("it opens");
    let to = listen(&keyway, &tls, &stop).await;
    let mut silent = TcpStream::connect(to).await.expect("a connection");
    silent.write_all(&[22, 3, 1]).await.expect("sent");
    let mut answer = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(9), silent.read_to_end(&mut answer)).await;
    assert!(ended.is_ok(), "it is still open");
    health(to, None).await.expect("others are served meanwhile");
}
