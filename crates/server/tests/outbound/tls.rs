//! Whom a certificate convinces.

use std::sync::Arc;

use keyway_server::outbound::{Outbound, Phase, Trouble, Unusable};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use crate::harness::{
    ALLOWED, AMPLE, Names, SHORT, Server, answering, outbound, post, read_request,
};

const SERVER: &[u8] = include_bytes!("../certs/server.pem");
const EXPIRED: &[u8] = include_bytes!("../certs/expired.pem");
const SERVER_KEY: &[u8] = include_bytes!("../certs/server.key");
const SELF_SIGNED: &[u8] = include_bytes!("../certs/self-signed.pem");
const SELF_SIGNED_KEY: &[u8] = include_bytes!("../certs/self-signed.key");

fn acceptor(certificate: &[u8], key: &[u8]) -> TlsAcceptor {
    let chain = vec![CertificateDer::from_pem_slice(certificate).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

/// A TLS server that gives this answer and hangs up, with a farewell or without.
async fn serving(certificate: &[u8], key: &[u8], answer: &'static str, farewell: bool) -> Server {
    let acceptor = acceptor(certificate, key);
    let play = move |stream: TcpStream| {
        let acceptor = acceptor.clone();
        async move {
            let mut stream = acceptor.accept(stream).await?;
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"http/1.1".as_slice()));
            read_request(&mut stream).await?;
            stream.write_all(answer.as_bytes()).await?;
            stream.flush().await?;
            if farewell { stream.shutdown().await } else { stream.into_inner().0.shutdown().await }
        }
    };
    Server::start(ALLOWED, 0, play).await.unwrap()
}

const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

fn names() -> Arc<Names> {
    let names = Names::default();
    names.set("hooks.example", &[&["127.0.0.2"]]);
    names.set("other.example", &[&["127.0.0.2"]]);
    Arc::new(names)
}

async fn tls_reason(server: &Server, host: &str) -> String {
    let url = format!("https://{host}:{}/", server.address.port());
    match post(&outbound(&names(), AMPLE), &url).await.outcome {
        Err(Trouble::Tls(reason)) => reason,
        other => panic!("{host}: {other:?}"),
    }
}

#[tokio::test]
async fn a_certificate_of_a_trusted_authority_for_the_host_is_accepted() {
    let server = serving(SERVER, SERVER_KEY, HELLO, true).await;
    let outbound = outbound(&names(), AMPLE);
    for host in ["hooks.example", "HOOKS.example.", "127.0.0.2"] {
        let sent = post(&outbound, &format!("https://{host}:{}/", server.address.port())).await;
        assert_eq!(sent.outcome.unwrap().body, "hello", "{host}");
        assert_eq!(sent.address, Some(ALLOWED.into()));
    }
}

#[tokio::test]
async fn a_certificate_for_another_host_is_refused() {
    let server = serving(SERVER, SERVER_KEY, HELLO, true).await;
    assert_eq!(tls_reason(&server, "other.example").await, "the certificate is for another host");
}

#[tokio::test]
async fn a_certificate_that_nobody_signed_is_refused() {
    let server = serving(SELF_SIGNED, SELF_SIGNED_KEY, HELLO, true).await;
    let reason = tls_reason(&server, "hooks.example").await;
    assert_eq!(reason, "the certificate was not issued by an authority that this system trusts");
}

#[tokio::test]
async fn a_certificate_that_has_expired_is_refused() {
    let server = serving(EXPIRED, SERVER_KEY, HELLO, true).await;
    assert_eq!(tls_reason(&server, "hooks.example").await, "the certificate has expired");
}

#[tokio::test]
async fn an_authority_that_was_not_given_is_not_trusted() {
    let server = serving(SERVER, SERVER_KEY, HELLO, true).await;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(SELF_SIGNED).unwrap()).unwrap();
    let allowed = vec!["127.0.0.2/32".parse().unwrap()];
    let outbound = Outbound::with_roots(allowed, names(), roots).unwrap().times(AMPLE);
    let url = format!("https://hooks.example:{}/", server.address.port());
    assert_eq!(post(&outbound, &url).await.outcome.unwrap_err().as_str(), "tls");
}

#[tokio::test]
async fn a_host_that_does_not_speak_tls_is_named_so() {
    let greets = |mut stream: TcpStream| async move {
        stream.write_all(b"220 mail.example ready\r\n").await?;
        stream.read_to_end(&mut Vec::new()).await.map(|_| ())
    };
    let server = Server::start(ALLOWED, 0, greets).await.unwrap();
    let reason = tls_reason(&server, "hooks.example").await;
    assert_eq!(reason, "the host does not speak TLS on this port");

    let hangs_up = |mut stream: TcpStream| async move {
        stream.read_u8().await?;
        stream.shutdown().await
    };
    let server = Server::start(ALLOWED, 0, hangs_up).await.unwrap();
    let reason = tls_reason(&server, "hooks.example").await;
    assert_eq!(reason, "the connection was closed during the handshake");
}

#[tokio::test]
async fn a_handshake_that_hangs_is_ended_by_the_connect_limit() {
    let silent = |mut stream: TcpStream| async move {
        stream.read_to_end(&mut Vec::new()).await.map(|_| ())
    };
    let server = Server::start(ALLOWED, 0, silent).await.unwrap();
    let url = format!("https://hooks.example:{}/", server.address.port());
    let sent = post(&outbound(&names(), SHORT), &url).await;
    assert_eq!(sent.outcome, Err(Trouble::TimedOut(Phase::Tls)));
    assert!((200..2_200).contains(&sent.took_ms), "{} ms", sent.took_ms);
}

#[tokio::test]
async fn hanging_up_without_a_farewell_ends_only_a_body_that_says_no_length() {
    let open = "HTTP/1.1 200 OK\r\n\r\nhello";
    let longer = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello";
    let outbound = outbound(&names(), AMPLE);
    let mut outcomes = Vec::new();
    for answer in [HELLO, open, longer] {
        let server = serving(SERVER, SERVER_KEY, answer, false).await;
        let url = format!("https://hooks.example:{}/", server.address.port());
        let outcome = post(&outbound, &url).await.outcome;
        outcomes.push(outcome.map(|answer| (answer.body, answer.truncated)));
    }
    let hello = |truncated| Ok(("hello".to_owned(), truncated));
    assert_eq!(outcomes, [hello(false), hello(true), Err(Trouble::Closed)]);
}

#[tokio::test]
async fn plain_http_to_a_tls_port_and_no_authorities_are_troubles() {
    let server = answering(HELLO).await;
    let url = format!("https://hooks.example:{}/", server.address.port());
    assert!(post(&outbound(&names(), SHORT), &url).await.outcome.is_err());

    let none = Outbound::with_roots(Vec::new(), names(), RootCertStore::empty());
    assert_eq!(none.err(), Some(Unusable::NoRoots));
}

#[test]
fn the_authorities_of_the_system_are_taken_or_missed() {
    match Outbound::new(Vec::new(), names()) {
        // A machine without any is told so when it starts, not in each delivery.
        Ok(_) | Err(Unusable::NoRoots) => {}
        Err(other) => panic!("{other}"),
    }
}
