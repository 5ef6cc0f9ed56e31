//! A URL that a merchant typed, and what is wrong with it.

use std::net::{IpAddr, Ipv4Addr};

use http::HeaderValue;
use http::uri::PathAndQuery;
use ipnet::IpNet;
use keyway_domain::limits::OUTBOUND_URL_BYTES_MAX;
use url::{Host, ParseError, Position, Url};

use super::address::{self, ForbiddenAddress};

/// Bytes of a name, and of the labels between its dots (RFC 1035).
const NAME_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

/// A URL that can be called, if its name leads to an address that may be.
#[derive(Debug, Clone)]
pub struct Parsed {
    url: Url,
    pub(super) host: Host<String>,
    pub(super) port: u16,
    pub(super) path: PathAndQuery,
    /// The host as the `Host` header has it: the port only if the scheme does not imply it.
    pub(super) authority: HeaderValue,
}

impl Parsed {
    /// The URL in its normal form, which is the one to keep and to show.
    pub fn as_str(&self) -> &str {
        self.url.as_str()
    }

    /// Whether it is called over TLS.
    pub fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }
}

/// Why a URL is not one that Keyway calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlProblem {
    /// It is too long.
    #[error("The URL is longer than {OUTBOUND_URL_BYTES_MAX} characters.")]
    TooLong,
    /// It has characters in it that readers of URLs disagree about.
    #[error("The URL contains a space, a control character or a backslash.")]
    Characters,
    /// It is not an absolute URL.
    #[error("The URL must be absolute, such as https://example.com/webhooks.")]
    NotAbsolute,
    /// It is of another scheme.
    #[error("The URL must start with https://.")]
    Scheme,
    /// It holds a name or password.
    #[error("The URL must not contain a user name or password.")]
    UserInfo,
    /// It holds a fragment.
    #[error("The URL must not contain a # part.")]
    Fragment,
    /// It has no host.
    #[error("The URL has no host.")]
    NoHost,
    /// Its host is neither a name nor an address.
    #[error("The host in the URL is not a valid name or address.")]
    Host,
    /// Its port is no port.
    #[error("The port in the URL must be from 1 to 65535.")]
    Port,
    /// Its path cannot be sent.
    #[error("The path in the URL is not valid.")]
    Path,
    /// Its host is an address that is not called.
    #[error("{0}; such addresses are not called.")]
    Address(ForbiddenAddress),
}

impl UrlProblem {
    /// The stable word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::Characters => "characters",
            Self::NotAbsolute => "not_absolute",
            Self::Scheme => "scheme",
            Self::UserInfo => "user_info",
            Self::Fragment => "fragment",
            Self::NoHost => "no_host",
            Self::Host => "host",
            Self::Port => "port",
            Self::Path => "path",
            Self::Address(_) => "address",
        }
    }
}

/// Checks a URL when it is saved, and again each time before it is called.
///
/// The URL is read as browsers read it, so that every spelling of an address becomes the address
/// before it is judged. What a name leads to is judged when it is connected to, not here.
pub fn check_url(text: &str, allow_http: bool, allowed: &[IpNet]) -> Result<Parsed, UrlProblem> {
    if text.len() > OUTBOUND_URL_BYTES_MAX {
        return Err(UrlProblem::TooLong);
    }
    // Browsers drop tabs and line ends and read `\` as `/`; other readers do not. A URL that two
    // readers take apart in two ways is how such checks are usually passed.
    if text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
        return Err(UrlProblem::Characters);
    }
    let url = Url::parse(text).map_err(of_parsing)?;
    match url.scheme() {
        "https" => {}
        "http" if allow_http => {}
        _ => return Err(UrlProblem::Scheme),
    }
    check_parts(text)?;
    if url.as_str().len() > OUTBOUND_URL_BYTES_MAX {
        return Err(UrlProblem::TooLong);
    }
    let port = url.port_or_known_default().filter(|port| *port != 0).ok_or(UrlProblem::Port)?;
    let host = url.host().ok_or(UrlProblem::NoHost)?.to_owned();
    check_host(&host, allowed)?;
    let path = url[Position::BeforePath..Position::AfterQuery].parse();
    let path = path.map_err(|_| UrlProblem::Path)?;
    let authority = HeaderValue::from_str(&url[Position::BeforeHost..Position::AfterPort]);
    let authority = authority.map_err(|_| UrlProblem::Host)?;
    Ok(Parsed { url, host, port, path, authority })
}

fn of_parsing(error: ParseError) -> UrlProblem {
    match error {
        ParseError::EmptyHost => UrlProblem::NoHost,
        ParseError::InvalidPort => UrlProblem::Port,
        ParseError::IdnaError
        | ParseError::InvalidIpv4Address
        | ParseError::InvalidIpv6Address
        | ParseError::InvalidDomainCharacter => UrlProblem::Host,
        ParseError::Overflow => UrlProblem::TooLong,
        _ => UrlProblem::NotAbsolute,
    }
}

/// Looks at the text itself, because the parser forgives: it reads `https:host`, `https:///host`
/// and an empty user name as if they were proper.
fn check_parts(text: &str) -> Result<(), UrlProblem> {
    let (_, rest) = text.split_once("://").ok_or(UrlProblem::NotAbsolute)?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err(UrlProblem::UserInfo);
    }
    if authority.is_empty() {
        return Err(UrlProblem::NoHost);
    }
    if text.contains('#') {
        return Err(UrlProblem::Fragment);
    }
    Ok(())
}

fn check_host(host: &Host<String>, allowed: &[IpNet]) -> Result<(), UrlProblem> {
    let address: IpAddr = match host {
        Host::Ipv4(v4) => (*v4).into(),
        Host::Ipv6(v6) => (*v6).into(),
        Host::Domain(name) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            let fits = |label: &str| (1..=LABEL_BYTES_MAX).contains(&label.len());
            if name.len() > NAME_BYTES_MAX || !name.split('.').all(fits) {
                return Err(UrlProblem::Host);
            }
            if name != "localhost" && !name.ends_with(".localhost") {
                return Ok(());
            }
            // This name is an address by definition (RFC 6761), so say so at once.
            Ipv4Addr::LOCALHOST.into()
        }
    };
    address::judge(address, allowed).map_err(UrlProblem::Address)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> Option<UrlProblem> {
        check_url(text, false, &[]).err()
    }

    #[test]
    fn ordinary_urls_pass_and_are_normalized() {
        let cases = [
            ("https://example.com", "https://example.com/"),
            ("HTTPS://Example.COM:443/a?b=c", "https://example.com/a?b=c"),
            ("https://example.com:8443/hooks/keyway", "https://example.com:8443/hooks/keyway"),
            ("https://bücher.example/ü", "https://xn--bcher-kva.example/%C3%BC"),
            ("https://a_b.example./", "https://a_b.example./"),
            ("https://8.8.8.8/", "https://8.8.8.8/"),
            ("https://[2a00:1450:4001::1]:444/", "https://[2a00:1450:4001::1]:444/"),
            ("https://example.com/a|b?{c}='d'^", "https://example.com/a|b?{c}=%27d%27^"),
        ];
        for (typed, kept) in cases {
            let parsed = check_url(typed, false, &[]).unwrap();
            assert_eq!(parsed.as_str(), kept);
            assert!(parsed.is_https());
            // What is kept is read again at each call, and must mean the same.
            assert_eq!(check_url(kept, false, &[]).unwrap().as_str(), kept);
        }
    }

    #[test]
    fn http_passes_only_where_it_is_allowed() {
        assert_eq!(problem("http://example.com/"), Some(UrlProblem::Scheme));
        let parsed = check_url("http://example.com:8080/x", true, &[]).unwrap();
        assert!(!parsed.is_https());
        assert_eq!(
            (parsed.port, parsed.authority.as_bytes()),
            (8080, b"example.com:8080".as_slice())
        );
    }

    #[test]
    fn a_problem_is_named() {
        let long = format!("https://example.com/{}", "a".repeat(OUTBOUND_URL_BYTES_MAX));
        let expands = format!("https://example.com/{}", "ü".repeat(900));
        let label = format!("https://{}.example/", "a".repeat(64));
        for (text, expected) in [
            (long.as_str(), UrlProblem::TooLong),
            (expands.as_str(), UrlProblem::TooLong),
            (label.as_str(), UrlProblem::Host),
            ("", UrlProblem::NotAbsolute),
            ("example.com/hooks", UrlProblem::NotAbsolute),
            ("//example.com/hooks", UrlProblem::NotAbsolute),
            ("https:example.com", UrlProblem::NotAbsolute),
            ("https:/example.com", UrlProblem::NotAbsolute),
            ("https:///example.com", UrlProblem::NoHost),
            ("https://", UrlProblem::NoHost),
            ("https://:443/", UrlProblem::NoHost),
            (" https://example.com/", UrlProblem::Characters),
            ("https://example.com/\u{2028}", UrlProblem::Characters),
            ("https://example.com\\a", UrlProblem::Characters),
            ("https://@example.com/", UrlProblem::UserInfo),
            ("https://:@example.com/", UrlProblem::UserInfo),
            ("https://a:b@example.com/", UrlProblem::UserInfo),
            ("https://example.com/#", UrlProblem::Fragment),
            ("https://example.com:0/", UrlProblem::Port),
            ("https://example.com:65536/", UrlProblem::Port),
            ("https://example.com:-1/", UrlProblem::Port),
            ("https://a..b/", UrlProblem::Host),
            ("https://./", UrlProblem::Host),
            ("https://ex%00ample.com/", UrlProblem::Host),
            ("https://ex<ample.com/", UrlProblem::Host),
            ("https://1.2.3.4.5/", UrlProblem::Host),
            ("ftp://example.com/", UrlProblem::Scheme),
            ("data:text/plain,x", UrlProblem::Scheme),
            ("mailto:a@example.com", UrlProblem::Scheme),
        ] {
            assert_eq!(problem(text), Some(expected), "{text}");
        }
    }
}
