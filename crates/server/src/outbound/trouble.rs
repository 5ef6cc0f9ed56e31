//! Why a call has no answer.

use std::error::Error;
use std::fmt;
use std::io;

use tokio_rustls::rustls;

use super::address::ForbiddenAddress;
use super::metered::ReadTooMuch;
use super::target::UrlProblem;

/// Characters of a TLS reason; some of it repeats what the other side sent.
const REASON_CHARS_MAX: usize = 200;

/// Why a call has no answer: a stable word for programs, and a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The URL is not one that can be called.
    #[error("{0}")]
    BadUrl(UrlProblem),
    /// The host is such an address, or its name has such an address among others.
    ///
    /// One forbidden address refuses the whole name. To use the good ones would let whoever owns
    /// the name try again and again; an honest endpoint has no such address in public.
    #[error("{0}; a host with any such address is not called.")]
    RefusedAddress(ForbiddenAddress),
    /// The name has no address.
    #[error("The name of the host has no address.")]
    NoAddress,
    /// Nobody listens on the port.
    #[error("The host refused the connection.")]
    Refused,
    /// The network does not lead there.
    #[error("The host cannot be reached.")]
    Unreachable,
    /// Time was up.
    #[error("Time was up {0}.")]
    TimedOut(Phase),
    /// No TLS connection to the host that the URL names.
    #[error("TLS failed: {0}.")]
    Tls(String),
    /// The connection ended before the answer did.
    #[error("The connection was closed before the answer was complete.")]
    Closed,
    /// What came is not HTTP/1.1.
    #[error("What the host sent is not HTTP/1.1.")]
    Garbled,
    /// The head of the answer is larger than we read.
    #[error("The headers of the answer are too large.")]
    TooLarge,
}

/// What was going on when time was up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// Looking the name up.
    #[default]
    LookUp,
    /// Connecting.
    Connect,
    /// The TLS handshake.
    Tls,
    /// Sending the request and waiting for the status and headers.
    Head,
    /// Reading the body.
    Body,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LookUp => "while the name was looked up",
            Self::Connect => "while connecting",
            Self::Tls => "during the TLS handshake",
            Self::Head => "before the answer came",
            Self::Body => "before the answer was complete",
        })
    }
}

impl Trouble {
    /// The stable word.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::BadUrl(_) => "bad_url",
            Self::RefusedAddress(_) => "refused_address",
            Self::NoAddress => "no_address",
            Self::Refused => "connection_refused",
            Self::Unreachable => "unreachable",
            Self::TimedOut(_) => "timed_out",
            Self::Tls(_) => "tls",
            Self::Closed => "closed",
            Self::Garbled => "garbled",
            Self::TooLarge => "too_large",
        }
    }

    pub(super) fn of_url(problem: UrlProblem) -> Self {
        match problem {
            UrlProblem::Address(forbidden) => Self::RefusedAddress(forbidden),
            problem => Self::BadUrl(problem),
        }
    }

    pub(super) fn of_connecting(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::TimedOut => Self::TimedOut(Phase::Connect),
            _ => Self::Unreachable,
        }
    }

    pub(super) fn of_handshake(error: &io::Error) -> Self {
        if let Some(reason) = inside::<rustls::Error>(error) {
            return Self::Tls(why(reason));
        }
        Self::Tls("the connection was closed during the handshake".into())
    }

    pub(super) fn of_exchange(error: &hyper::Error) -> Self {
        if error.is_parse_too_large() {
            return Self::TooLarge;
        }
        if error.is_parse() {
            return Self::Garbled;
        }
        let Some(error) = error.source().and_then(|source| source.downcast_ref::<io::Error>())
        else {
            return Self::Closed;
        };
        if inside::<ReadTooMuch>(error).is_some() {
            return Self::TooLarge;
        }
        // A server that wants a certificate of ours says so only after the handshake.
        if let Some(reason) = inside::<rustls::Error>(error) {
            return Self::Tls(why(reason));
        }
        match error.kind() {
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => Self::Garbled,
            _ => Self::Closed,
        }
    }
}

/// The error that an `io::Error` was made from. Its `source()` is the one behind that.
fn inside<E: Error + 'static>(error: &io::Error) -> Option<&E> {
    error.get_ref().and_then(|inside| inside.downcast_ref())
}

fn why(error: &rustls::Error) -> String {
    use rustls::CertificateError as Bad;
    use rustls::Error::{InvalidCertificate, InvalidMessage};
    let reason = match error {
        InvalidCertificate(Bad::UnknownIssuer) => {
            "the certificate was not issued by an authority that this system trusts"
        }
        InvalidCertificate(Bad::Expired | Bad::ExpiredContext { .. }) => {
            "the certificate has expired"
        }
        InvalidCertificate(Bad::NotValidYet | Bad::NotValidYetContext { .. }) => {
            "the certificate is not valid yet"
        }
        InvalidCertificate(Bad::NotValidForName | Bad::NotValidForNameContext { .. }) => {
            "the certificate is for another host"
        }
        InvalidMessage(_) => "the host does not speak TLS on this port",
        other => return other.to_string().chars().take(REASON_CHARS_MAX).collect(),
    };
    reason.into()
}
