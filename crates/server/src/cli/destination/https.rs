//! Calls to the server of a secret manager, which the operator named.
//!
//! HTTPS, or plain HTTP to this machine only; no redirect, no proxy; one connection for each call.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, HeaderValue};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::ServerName;
use url::{Host, Url};
use zeroize::Zeroizing;

use super::Trouble;
use crate::http::tls::certificates;
use crate::outbound::{system_roots, tls};

/// A call takes no longer, from the look-up of the name to the end of the answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// An answer is no longer: Vault takes 1 MiB by default, AWS 64 KiB.
const ANSWER_BYTES_MAX: usize = 2 * 1024 * 1024;
/// What is shown of what a server said.
const SHOWN_CHARS_MAX: usize = 300;

/// A server, by its address.
pub(super) struct Server {
    url: Url,
    tls: Option<TlsConnector>,
}

/// What a server answered.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Zeroizing<Vec<u8>>,
}

impl Server {
    /// Reads an address; trusts the authorities of a file, or of the system.
    pub(super) fn at(address: &str, authorities: Option<&str>) -> Result<Self, Trouble> {
        let url =
            Url::parse(address).map_err(|why| Trouble::lasting(format!("{address}: {why}")))?;
        let said = |what: &str| Trouble::Lasting(format!("{address}: {what}"));
        let host = url.host().ok_or_else(|| said("it names no host"))?;
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
            return Err(said("it may have a scheme, a host, a port and a path, and nothing else"));
        }
        let tls = match url.scheme() {
            "https" => {
                let roots = authorities.map_or_else(|| Ok(system_roots()), roots_in)?;
                Some(tls(roots).map_err(Trouble::lasting)?)
            }
            "http" if is_here(&host) => None,
            "http" => {
                return Err(said("plain http would show the secret on the network; use https"));
            }
            _ => return Err(said("it does not begin with https://")),
        };
        Ok(Self { url, tls })
    }

    /// Its name and port, as they stand in a request.
    pub(super) fn authority(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        self.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// A request for a path below the address.
    pub(super) fn request(&self, method: Method, path: &str) -> http::request::Builder {
        let base = self.url.path().trim_end_matches('/');
        let request = Request::builder().method(method).uri(format!("{base}{path}"));
        request.header(HOST, self.authority())
    }

    /// Sends a request and reads the answer, whatever its status.
    pub(super) async fn send(
        &self,
        request: http::request::Builder,
        body: Bytes,
    ) -> Result<Answer, Trouble> {
        let length = HeaderValue::from(body.len());
        let request = request.header(CONTENT_LENGTH, length).body(Full::new(body));
        let request = request.map_err(Trouble::lasting)?;
        let late = || self.passing("it does not answer in time");
        let answer = timeout(ANSWER_WITHIN, self.call(request)).await.map_err(|_| late())??;
        let status = answer.status;
        if status.is_redirection() {
            let what = "it points to another server; name that one, or the active node";
            return Err(Trouble::Lasting(format!("{}: {what} ({status})", self.url)));
        }
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(self.passing(format!("{status}: {}", said(&answer.body))));
        }
        Ok(answer)
    }

    async fn call(&self, request: Request<Full<Bytes>>) -> Result<Answer, Trouble> {
        let port = self.url.port_or_known_default().unwrap_or(443);
        let host = self.url.host().ok_or_else(|| self.passing("it has no host"))?;
        let stream = match &host {
            Host::Domain(name) => TcpStream::connect((*name, port)).await,
            Host::Ipv4(v4) => TcpStream::connect((*v4, port)).await,
            Host::Ipv6(v6) => TcpStream::connect((*v6, port)).await,
        };
        let stream = stream.map_err(|why| self.passing(why))?;
        let Some(tls) = &self.tls else { return self.exchange(stream, request).await };
        let name = match host {
            Host::Domain(name) => {
                ServerName::try_from(name.to_owned()).map_err(Trouble::lasting)?
            }
            Host::Ipv4(v4) => ServerName::IpAddress(IpAddr::from(v4).into()),
            Host::Ipv6(v6) => ServerName::IpAddress(IpAddr::from(v6).into()),
        };
        let stream = tls.connect(name, stream).await.map_err(|why| self.passing(why))?;
        self.exchange(stream, request).await
    }

    async fn exchange<S>(&self, wire: S, request: Request<Full<Bytes>>) -> Result<Answer, Trouble>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let opened = http1::handshake(TokioIo::new(wire)).await;
        let (mut sender, connection) = opened.map_err(|why| self.passing(why))?;
        let driving = tokio::spawn(connection);
        let answered = async {
            let response = sender.send_request(request).await.map_err(|why| self.passing(why))?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
            let body = body.map_err(|why| self.passing(why))?.to_bytes();
            Ok(Answer { status: head.status, body: Zeroizing::new(body.to_vec()) })
        };
        let answer = answered.await;
        driving.abort();
        answer
    }

    fn passing(&self, why: impl std::fmt::Display) -> Trouble {
        Trouble::Passing(format!("{}: {why}", self.url))
    }
}

fn is_here(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(v4) => v4.is_loopback(),
        Host::Ipv6(v6) => v6.is_loopback(),
    }
}

fn roots_in(file: &str) -> Result<RootCertStore, Trouble> {
    let mut roots = RootCertStore::empty();
    for root in certificates(Path::new(file)).map_err(Trouble::Lasting)? {
        roots.add(root).map_err(|why| Trouble::lasting(format!("{file}: {why}")))?;
    }
    Ok(roots)
}

/// What a server said of a trouble, in one line that nothing hides in.
pub(super) fn said(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().filter(|c| !c.is_control()).take(SHOWN_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_travels_in_the_clear_on_this_machine_only() {
        for address in ["http://127.0.0.1:8200", "http://[::1]:8200", "http://localhost/vault"] {
            assert!(Server::at(address, None).is_ok(), "{address}");
        }
        for address in ["http://10.0.0.1:8200", "http://vault.example", "ftp://127.0.0.1", "x"] {
            assert!(Server::at(address, None).is_err(), "{address}");
        }
        assert!(Server::at("https://me:pw@vault.example", None).is_err());
    }
}
