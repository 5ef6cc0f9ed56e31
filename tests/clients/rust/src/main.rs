//! The `oauth2` crate as a client: one call a line of standard input, one answer a line of output.

use std::io::{BufRead as _, Write as _};

use oauth2::basic::{BasicClient, BasicErrorResponseType, BasicRequestTokenError};
use oauth2::{
    AccessToken, ClientId, ClientSecret, IntrospectionUrl, RequestTokenError, RevocationUrl, Scope,
    StandardRevocableToken, TokenIntrospectionResponse as _, TokenResponse as _, TokenUrl, ureq,
};
use serde_json::{Value, json};

type Failure = Box<dyn std::error::Error>;

/// Why a call over HTTP came to nothing.
#[derive(Debug)]
struct HttpError(String);

impl std::fmt::Display for HttpError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for HttpError {}

macro_rules! http_errors {
    ($($other:ty),*) => {$(
        impl From<$other> for HttpError {
            fn from(error: $other) -> Self {
                Self(error.to_string())
            }
        }
    )*};
}

http_errors!(ureq::Error, std::io::Error, oauth2::http::Error, oauth2::http::header::ToStrError);

/// The error that the crate itself reports.
fn refused<E: std::error::Error + 'static>(error: BasicRequestTokenError<E>) -> Failure {
    match error {
        RequestTokenError::ServerResponse(said) => {
            let kind: &BasicErrorResponseType = said.error();
            kind.to_string().into()
        }
        other => format!("{other:?}").into(),
    }
}

fn main() -> Result<(), Failure> {
    let variable = |name: &str| std::env::var(name).map_err(|_| format!("{name} is not set"));
    let issuer = variable("ISSUER")?;
    let client = BasicClient::new(ClientId::new(variable("CLIENT_ID")?))
        .set_client_secret(ClientSecret::new(variable("CLIENT_SECRET")?))
        .set_token_uri(TokenUrl::new(format!("{issuer}/oauth/token"))?)
        .set_introspection_url(IntrospectionUrl::new(format!("{issuer}/oauth/introspect"))?)
        // The crate insists on https for this one; the tests speak plainly on one machine.
        .set_revocation_url(RevocationUrl::new(
            format!("{issuer}/oauth/revoke").replacen("http:", "https:", 1),
        )?);
    let agent = ureq::builder().redirects(0).build();
    let http = |request: oauth2::HttpRequest| -> Result<oauth2::HttpResponse, HttpError> {
        let url = request.uri().to_string().replacen("https:", "http:", 1);
        let mut sent = agent.request(request.method().as_str(), &url);
        for (name, value) in request.headers() {
            sent = sent.set(name.as_str(), value.to_str()?);
        }
        // To `ureq` a refusal is a failure; to the crate it is an answer with something in it.
        let answer = match sent.send_bytes(request.body()) {
            Ok(answer) | Err(ureq::Error::Status(_, answer)) => answer,
            Err(error) => return Err(error.into()),
        };
        let mut response = oauth2::http::Response::builder().status(answer.status());
        for name in answer.headers_names() {
            response = response.header(&name, answer.header(&name).unwrap_or_default());
        }
        Ok(response.body(answer.into_string()?.into_bytes())?)
    };
    let call = |step: &[Value]| -> Result<Value, Failure> {
        let text = |place: usize| step.get(place).and_then(Value::as_str).unwrap_or_default();
        match text(0) {
            "token" => {
                let mut asked = client.exchange_client_credentials();
                if !text(1).is_empty() {
                    asked = asked.add_scope(Scope::new(text(1).to_owned()));
                }
                let token = asked.request(&http).map_err(refused)?;
                let seconds = token.expires_in().map(|time| time.as_secs());
                Ok(json!({ "access_token": token.access_token().secret(), "expires_in": seconds }))
            }
            "introspect" => {
                let token = AccessToken::new(text(1).to_owned());
                let said = client.introspect(&token).request(&http).map_err(refused)?;
                let scopes = said.scopes().map(|scopes| {
                    scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" ")
                });
                Ok(json!({ "active": said.active(), "scope": scopes }))
            }
            "revoke" => {
                let token = AccessToken::new(text(1).to_owned());
                let token: StandardRevocableToken = token.into();
                client.revoke_token(token)?.request(&http).map_err(|error| match error {
                    RequestTokenError::ServerResponse(said) => said.error().to_string(),
                    other => format!("{other:?}"),
                })?;
                Ok(Value::Null)
            }
            other => Err(format!("`{other}` is no call").into()),
        }
    };
    for line in std::io::stdin().lock().lines() {
        let step: Vec<Value> = serde_json::from_str(&line?)?;
        let ending = match call(&step) {
            Ok(value) => json!({ "value": value }),
            Err(error) => json!({ "error": error.to_string() }),
        };
        writeln!(std::io::stdout(), "{ending}")?;
        std::io::stdout().flush()?;
    }
    Ok(())
}
