//! Servers that count who connects, and names that move.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use ipnet::IpNet;
use keyway_domain::time::Time;
use keyway_server::outbound::{Answers, Outbound, Resolver, Sent, Times};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

/// Where tests allow calls to; 127.0.0.1 stands for what must not be reached.
pub(crate) const ALLOWED: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
pub(crate) const FORBIDDEN: Ipv4Addr = Ipv4Addr::LOCALHOST;
/// Longer than any test needs on a busy machine.
pub(crate) const AMPLE: Times =
    Times { total: Duration::from_secs(20), connect: Duration::from_secs(10) };
/// For what is expected to run into it.
pub(crate) const SHORT: Times =
    Times { total: Duration::from_millis(300), connect: Duration::from_millis(200) };

/// A resolver whose names give one answer after the other, and the last for ever.
#[derive(Default)]
pub(crate) struct Names {
    answers: Mutex<HashMap<String, VecDeque<Vec<IpAddr>>>>,
    asked: AtomicUsize,
}

impl Names {
    pub(crate) fn set(&self, name: &str, answers: &[&[&str]]) {
        let parse = |answer: &&[&str]| answer.iter().map(|text| text.parse().unwrap()).collect();
        let answers = answers.iter().map(parse).collect();
        self.answers.lock().unwrap().insert(name.into(), answers);
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Resolver for Names {
    fn addresses<'a>(&'a self, name: &'a str) -> Answers<'a> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock().unwrap();
        let answer = answers
            .get_mut(name.trim_end_matches('.'))
            .map(|left| if left.len() > 1 { left.pop_front().unwrap() } else { left[0].clone() });
        Box::pin(async move { answer.ok_or_else(|| io::Error::other("no such name")) })
    }
}

/// The test authority as the only one that is trusted.
pub(crate) fn roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(include_bytes!("../certs/ca.pem")).unwrap();
    roots.add(authority).unwrap();
    roots
}

/// Calls over HTTP and HTTPS, to [`ALLOWED`] and public addresses only.
pub(crate) fn outbound(names: &Arc<Names>, times: Times) -> Outbound {
    let allowed = vec![IpNet::from(IpAddr::from(ALLOWED))];
    let resolver: Arc<dyn Resolver> = Arc::<Names>::clone(names);
    Outbound::with_roots(allowed, resolver, roots()).unwrap().allow_http().times(times)
}

pub(crate) async fn post(outbound: &Outbound, url: &str) -> Sent {
    outbound.post(url, &[], Bytes::from_static(b"{}"), Time(0)).await
}

/// A server that counts its connections.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    accepted: Arc<AtomicUsize>,
}

impl Server {
    pub(crate) async fn start<F, Play>(
        ip: impl Into<IpAddr>,
        port: u16,
        play: Play,
    ) -> io::Result<Self>
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
        Play: Fn(TcpStream) -> F + Send + 'static,
    {
        let listener = TcpListener::bind((ip.into(), port)).await?;
        let address = listener.local_addr()?;
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&accepted);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(play(stream));
            }
        });
        Ok(Self { address, accepted })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// How many have connected. Connections are accepted in order, so once our own one has been
    /// closed by the other side, all before it have been counted.
    pub(crate) async fn connections(&self) -> usize {
        let mut own = TcpStream::connect(self.address).await.unwrap();
        own.shutdown().await.unwrap();
        own.read_to_end(&mut Vec::new()).await.ok();
        self.accepted.fetch_sub(1, Ordering::SeqCst) - 1
    }
}

/// A server at [`ALLOWED`] that gives every request this answer and hangs up.
pub(crate) async fn answering(answer: impl Into<Vec<u8>>) -> Server {
    let answer = Arc::new(answer.into());
    let play = move |mut stream: TcpStream| {
        let answer = Arc::clone(&answer);
        async move {
            read_request(&mut stream).await?;
            stream.write_all(&answer).await?;
            stream.shutdown().await
        }
    };
    Server::start(ALLOWED, 0, play).await.unwrap()
}

/// Reads a request with a `Content-Length` to its end.
pub(crate) async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<String> {
    let mut read = Vec::new();
    loop {
        if stream.read_buf(&mut read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let text = String::from_utf8_lossy(&read);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        if body.len() >= length.parse().unwrap() {
            return Ok(text.into_owned());
        }
    }
}
