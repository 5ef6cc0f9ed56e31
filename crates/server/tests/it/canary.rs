//! After driving every kind of answer at trace level, no secret is found anywhere it should not be:
//! not in the database, its log, what was logged, what was answered, or the metrics.

use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use keyway_server::http::routes::routes;
use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;

use crate::harness::{Keyway, MINUTE, Signer, basic, bearer, send};

/// Everything that is logged.
#[derive(Clone, Default)]
pub(crate) struct Log(pub(crate) Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Log {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

/// The log of this process, at the finest level; from the first call on.
pub(crate) fn log() -> Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(|| {
        let log = Log::default();
        let writer = log.clone();
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(writer).init();
        log
    })
    .clone()
}

/// The forms in which a secret could hide.
pub(crate) fn forms(secret: &str) -> Vec<String> {
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let half = secret.len() / 2;
    let prefix = secret.rfind('_').filter(|at| *at < half).map_or(0, |at| at + 1);
    let mut forms = vec![
        secret.to_owned(),
        STANDARD.encode(secret),
        URL_SAFE_NO_PAD.encode(secret),
        STANDARD.encode(format!("{secret}:")),
        hex.to_uppercase(),
        hex,
        secret.replace('_', "%5F"),
        secret[prefix..].to_owned(),
        secret[half..].to_owned(),
    ];
    // The first half without the part that may be shown.
    forms.push(secret[prefix.max(8)..half.max(prefix.max(8) + 8)].to_owned());
    // As UTF-16, each letter has a zero byte beside it.
    forms.push(secret.chars().flat_map(|letter| [letter, '\0']).collect());
    forms
}

/// Bytes as text that can be searched: what is ASCII in them stays as it is.
pub(crate) fn searchable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Drives every route with and without sense, and the sample API in every outcome.
async fn drive(keyway: &Keyway, scheme: &str) -> (Vec<String>, Vec<String>) {
    let mut secrets = vec![keyway.token.clone()];
    let mut answers = Vec::new();
    let account = keyway.account().await;
    let kinds = keyway.app.platform.rules.scheme.kinds.clone();
    for kind in &kinds {
        for environment in ["test", "live"] {
            let mut body =
                json!({ "kind": kind.name, "environment": environment, "name": "Canary" });
            for grant in [json!("everything"), Value::Null] {
                body["grant"] = grant;
                let made = keyway.create(&account, body.clone()).await;
                if made.status != 201 {
                    answers.push(made.text);
                    continue;
                }
                let field = &kind.secret_field;
                if kind.act(keyway_domain::scheme::Act::Reveal).is_none() {
                    secrets.push(made.shown(field));
                }
                for act in ["rotate", "regenerate", "duplicate", "finish", "rollback", "reveal"] {
                    let done = keyway.act(&account, &made.id(), act, json!({})).await;
                    let shows = done.status < 300 && done.json()["secret"].is_object();
                    if shows && act != "reveal" {
                        secrets.push(done.shown(field));
                    } else if !shows {
                        answers.push(done.text);
                    }
                }
            }
        }
    }
    for secret in secrets.clone() {
        answers.extend(misuse(keyway, scheme, &secret, &account).await);
    }
    (secrets, answers)
}

/// Puts a secret wherever a careless client might.
async fn misuse(keyway: &Keyway, scheme: &str, secret: &str, account: &str) -> Vec<String> {
    let mut answers = Vec::new();
    for path in
        [format!("/v2/invoices/{secret}"), format!("/balance?key={secret}"), "/balance".to_owned()]
    {
        answers.push(bearer(keyway.api, "GET", &path, secret).await.text);
        answers.push(bearer(keyway.remote_api, "POST", &path, secret).await.text);
        answers.push(basic(keyway.api, "GET", &path, (secret, ""), "").await.text);
        answers.push(basic(keyway.api, "GET", &path, ("cid", secret), "").await.text);
    }
    for header in ["x-api-key", "cookie", "referer", "user-agent", "x-request-id", "access_key"] {
        let answer = send(keyway.api, "GET", "/balance", &[(header, secret)], "").await;
        answers.push(answer.text);
    }
    for route in routes() {
        let path = route
            .path
            .replace("{account}", account)
            .replace("{credential}", "cred_00000000000000000000000001")
            .replace("{request}", secret);
        let method = route.method.as_str();
        let path = format!("{path}?q={secret}");
        answers.push(bearer(keyway.public, method, &path, secret).await.text);
        answers.push(keyway.manage(method, &path, &Value::Null).await.text);
        let body = json!({ "name": secret, "kind": secret, "on_behalf_of": { "member": secret } });
        if method != "GET" {
            let path = path.split('?').next().unwrap_or_default();
            answers.push(keyway.manage(method, path, &body).await.text);
        }
    }
    let authorization = format!("Bearer {}", keyway.token);
    let headers = [("authorization", authorization.as_str()), ("idempotency-key", secret)];
    let body = json!({ "name": "x" }).to_string();
    answers.push(send(keyway.public, "POST", "/v1/accounts", &headers, &body).await.text);
    answers.push(send(keyway.internal, "POST", "/v1/verify", &[], secret).await.text);
    if scheme == "rapyd" {
        let signer = Signer { access_key: "rak_live_x".to_owned(), secret_key: secret.to_owned() };
        answers.push(signer.call(keyway, "GET", "/v1/payments", "").await.text);
    }
    answers
}

#[tokio::test]
async fn no_secret_is_anywhere_but_in_the_answer_that_made_it() {
    let log = log();
    for scheme in ["xendit", "xtopay", "enterprise", "rapyd", "airwallex"] {
        let keyway = Keyway::start(scheme).await;
        let (secrets, answers) = drive(&keyway, scheme).await;
        keyway.flush().await;
        keyway.clock.advance_ms(20 * MINUTE);
        let metrics = send(keyway.internal, "GET", "/metrics", &[], "").await.expect(200).text;
        let mut places: Vec<(String, String)> = vec![("metrics".to_owned(), metrics)];
        places.push(("answers".to_owned(), answers.join("\n")));
        places.push(("log".to_owned(), searchable(&log.0.lock().expect("the log"))));
        for (name, bytes) in keyway.database.contents() {
            places.push((name, searchable(&bytes)));
        }
        let kept = |(name, text): &(String, String)| {
            (name.ends_with("-wal") || name == "secrets") && !text.is_empty()
        };
        assert!(places.iter().any(kept));
        assert!(secrets.len() >= 3, "{scheme}: {} secrets", secrets.len());
        for secret in &secrets {
            for form in forms(secret) {
                for (name, text) in &places {
                    assert!(!text.contains(&form), "{scheme}: a secret is in {name}");
                }
            }
        }
    }
    assert!(!log.0.lock().expect("the log").is_empty(), "something was logged");
}
