//! The mail server: where it is, and one letter on its way there.

use std::time::Duration;

use keyway_secret::SecretText;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};

/// A letter is on its way for so long at most, with all its answers. A mail server that hangs
/// holds up other letters for no longer.
const SEND_WITHIN: Duration = Duration::from_secs(20);
/// A mail server answers each command within this.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// How letters leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encryption {
    /// TLS from the first byte (RFC 8314).
    Tls,
    /// STARTTLS, or nothing is sent (RFC 3207).
    StartTls,
    /// None: for a relay on this machine, or for trying things out.
    None,
}

/// What is known of a mail server, checked.
#[derive(Clone)]
pub struct Server {
    host: String,
    port: u16,
    encryption: Encryption,
    login: Option<(String, SecretText)>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl Server {
    /// Reads `smtps://mail.example.com` (TLS), `smtp://mail.example.com` (STARTTLS) or
    /// `smtp://127.0.0.1:25?tls=none`. The error is a sentence.
    pub fn parse(url: &str, login: Option<(String, SecretText)>) -> Result<Self, String> {
        let example = "write smtps://mail.example.com, or smtp://mail.example.com for STARTTLS";
        let (scheme, rest) = url.split_once("://").ok_or(example)?;
        let (rest, tls) = match rest.split_once('?') {
            None => (rest, None),
            Some((rest, query)) => (rest, Some(query)),
        };
        if rest.contains('@') {
            let why = "a user and a password belong into --smtp-user and --smtp-password-file, not \
                       into a URL, where logs keep them";
            return Err(why.to_owned());
        }
        let encryption = match (scheme, tls) {
            ("smtps", None) => Encryption::Tls,
            ("smtp", None) => Encryption::StartTls,
            ("smtp", Some("tls=none")) => Encryption::None,
            _ => return Err(example.to_owned()),
        };
        let authority = rest.trim_end_matches('/');
        let parsed: http::uri::Authority = authority.parse().map_err(|_| example.to_owned())?;
        let host = parsed.host().to_owned();
        let is_own = matches!(host.as_str(), "localhost" | "127.0.0.1" | "[::1]");
        if encryption == Encryption::None && login.is_some() && !is_own {
            return Err("a password is not sent without TLS to another machine".to_owned());
        }
        let standard = if encryption == Encryption::Tls { 465 } else { 587 };
        let port = parsed.port_u16().unwrap_or(standard);
        Ok(Self { host, port, encryption, login })
    }

    fn transport(
        &self,
    ) -> Result<AsyncSmtpTransport<Tokio1Executor>, lettre::transport::smtp::Error> {
        let name = self.host.trim_matches(['[', ']']).to_owned();
        let tls = match self.encryption {
            Encryption::None => Tls::None,
            Encryption::StartTls => Tls::Required(TlsParameters::new(name.clone())?),
            Encryption::Tls => Tls::Wrapper(TlsParameters::new(name.clone())?),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(name)
            .port(self.port)
            .tls(tls)
            .timeout(Some(ANSWER_WITHIN));
        if let Some((user, password)) = &self.login {
            let password = password.reveal().to_owned();
            builder = builder.credentials(Credentials::new(user.clone(), password));
        }
        Ok(builder.build())
    }

    /// Hands a letter over. `Ok` means that the server has taken it.
    pub(super) async fn send(&self, message: Message) -> Result<(), NotSent> {
        let transport = self.transport().map_err(|error| NotSent::of(&error))?;
        match tokio::time::timeout(SEND_WITHIN, transport.send(message)).await {
            Err(_) => {
                Err(NotSent { why: "the mail server does not answer".to_owned(), final_: false })
            }
            Ok(Err(error)) => Err(NotSent::of(&error)),
            Ok(Ok(_)) => Ok(()),
        }
    }

    /// Whether the server answers and takes our login, for who looks after Keyway.
    pub async fn check(&self) -> Result<(), String> {
        let transport = self.transport().map_err(|error| error.to_string())?;
        match tokio::time::timeout(SEND_WITHIN, transport.test_connection()).await {
            Err(_) => Err("it does not answer".to_owned()),
            Ok(Err(error)) => Err(NotSent::of(&error).why),
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err("it answers, but takes no mail".to_owned()),
        }
    }
}

/// Why a letter was not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NotSent {
    /// Why, in words.
    pub(super) why: String,
    /// Whether trying again is of no use: the server said never.
    pub(super) final_: bool,
}

impl NotSent {
    fn of(error: &lettre::transport::smtp::Error) -> Self {
        use std::error::Error as _;
        let mut why = error.to_string();
        // Some errors say their cause themselves, others leave it to who asks.
        let source = error.source().map(ToString::to_string);
        if let Some(source) = source.filter(|source| !why.contains(source.as_str())) {
            why = format!("{why}: {source}");
        }
        // A refused login is the operator's to mend; the letter is good as it is.
        let code = error.status().map(|code| code.to_string());
        let is_login =
            code.is_some_and(|code| matches!(code.as_str(), "530" | "534" | "535" | "538"));
        Self { why: why.chars().take(300).collect(), final_: error.is_permanent() && !is_login }
    }
}
