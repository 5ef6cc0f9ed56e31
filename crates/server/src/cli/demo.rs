//! `keyway demo`: everything at once, with data that goes away again.

mod story;

use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt as _;
use ipnet::IpNet;
use keyway_coherence::Terms;
use keyway_domain::Environment;
use keyway_domain::id::AccountId;
use keyway_domain::scheme::{Kind, KindGrant, Presented, Scheme, SignedValues};
use keyway_guard::GuardLayer;
use keyway_payments::{Payments, router};
use keyway_secret::{Entropy as _, OsEntropy, RootKey, SecretText, hmac_sha256_hex};
use keyway_store::{Db, Options, Target};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::Failure;
use super::database::clock;
use super::output::Output;
use super::serve::{Serving, leave};
use crate::app::{App, Opening, SignUp, Site};
use crate::authenticator;
use crate::clock::Clock;
use crate::http::Door;
use crate::http::gate::Gate;
use crate::http::serve::{management, stop_signal};
use crate::mail::Post;
use crate::schemes;
use crate::verify::{InProcess, encode_signature};
use crate::worker;

/// Arguments of `keyway demo`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A built-in scheme (see `keyway scheme list`).
    #[arg(long, default_value = schemes::DEMO_DEFAULT)]
    scheme: String,
    /// The port of the management API; 0 for any free one. Verification and the sample API take
    /// free ports.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Judge the sample API's requests over HTTP (`POST /v1/verify`) instead of in this process.
    #[arg(long)]
    remote: bool,
    /// A PostgreSQL database, empty and migrated, in place of a file: for tests. It stays.
    #[arg(long, value_name = "URL", hide = true)]
    database: Option<String>,
}

impl Args {
    /// The database, and the clock to judge by.
    async fn open(&self, folder: &Temporary) -> Result<(Db, Arc<dyn Clock>), Failure> {
        let options = Options::default();
        let db = match &self.database {
            None => Db::open(&folder.0.join("keyway.db"), &options)?,
            Some(url) => Db::connect(&Arc::new(Target::parse(url, None, None)?), &options)?,
        };
        let clock = clock(&db).await?;
        Ok((db, clock))
    }
}

/// A folder that is removed when the demo ends.
struct Temporary(PathBuf);

impl Temporary {
    fn new() -> std::io::Result<Self> {
        let name = format!("keyway-demo-{:016x}", OsEntropy.u128() >> 64);
        let path = std::env::temp_dir().join(name);
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(folder = %self.0.display(), %error, "the demo's data was not removed");
        }
    }
}

pub(crate) async fn run(args: Args, output: &Output) -> Result<(), Failure> {
    if !keyway_payments::SCHEMES.contains(&args.scheme.as_str()) {
        let known = keyway_payments::SCHEMES.join(", ");
        return Err(Failure(format!("the demo has these schemes: {known}")));
    }
    // Before anything can be left behind.
    let asked_to_stop = stop_signal()?;
    let folder = Temporary::new()?;
    let (db, clock) = args.open(&folder).await?;
    let opening = Opening {
        scheme: schemes::load(&args.scheme)?,
        root: RootKey::generate(&mut OsEntropy),
        clock,
        terms: Terms::default(),
        node_name: String::new(),
        site: Site {
            sign_up: SignUp::Open,
            post: Post { folder: Some(folder.0.join("mailbox")), ..Post::default() },
            shows_mail: true,
            // Whoever tries webhooks here has a receiver on this machine.
            webhook_allow: vec![IpNet::from(IpAddr::from([127, 0, 0, 1]))],
            webhook_http: true,
            ..Site::default()
        },
        starting: Arc::default(),
    };
    let app = App::open(db, opening).await?;
    let (stopping, stop) = watch::channel(false);
    let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
    let gate = Gate::default();
    let mut serving = Serving::bind(&gate, local(args.port), local(0), None, &stop)?;
    serving.open(&gate, &app, &stop, worker::DELIVERERS);
    let verify_url = format!("http://{}/v1/verify", serving.internal);
    let sample = TcpListener::bind(local(0)).await?;
    let sample_api_url = format!("http://{}", sample.local_addr()?);
    let payments = Payments::open(None)?;
    let routes = if args.remote {
        let remote = keyway_guard::Remote::new(&verify_url.parse()?)?;
        router(payments, &args.scheme, GuardLayer::new(remote))
    } else {
        router(payments, &args.scheme, GuardLayer::new(InProcess(Arc::clone(&app))))
    };
    let mut stopped = stop.clone();
    let until = async move { drop(stopped.wait_for(|stop| *stop).await) };
    serving.add(tokio::spawn(keyway_payments::serve(sample, routes, until)));

    let story = story::begin(&app).await?;
    story::tell(&app, &story).await?;
    let mut facts = populate(&app, story.account, &sample_api_url).await?;
    facts["dashboard_url"] = json!(format!("http://{}", serving.public));
    facts["members"] = json!(story.members);
    facts["management_url"] = json!(format!("http://{}", serving.public));
    facts["verify_url"] = json!(verify_url);
    facts["sample_api_url"] = json!(sample_api_url);
    facts["owner"] = story.owner;
    facts["mailbox_url"] = json!(format!("http://{}/mailbox", serving.public));
    facts["mailbox"] = json!(folder.0.join("mailbox"));
    output.value(&facts);
    describe(&facts, &app.platform.rules.scheme, output);
    if !output.is_json() {
        show_codes(&app, &facts);
    }
    asked_to_stop.await;
    stopping.send(true)?;
    serving.finished().await;
    leave(&app).await;
    Ok(())
}

/// Calls the management API of this process.
async fn call(app: &Arc<App>, path: &str, body: &Value) -> Result<Value, Failure> {
    let request = Request::post(path).body(Bytes::from(body.to_string()))?;
    let reply = management(Arc::clone(app), Door::Local, None, request).await;
    let status = reply.status();
    let value: Value = serde_json::from_slice(&reply.into_body().collect().await?.to_bytes())?;
    if status.is_success() { Ok(value) } else { Err(Failure(value.to_string())) }
}

/// Makes an operator token, and one credential of each kind and environment.
async fn populate(
    app: &Arc<App>,
    account: AccountId,
    sample_api_url: &str,
) -> Result<Value, Failure> {
    let token = call(app, "/v1/operator-tokens", &json!({ "name": "Demo" })).await?;
    let scheme = Arc::clone(&app.platform.rules.scheme);
    let mut credentials = Vec::new();
    for kind in &scheme.kinds {
        for environment in Environment::ALL {
            let mut body = json!({
                "kind": kind.name,
                "environment": environment.as_str(),
                "name": format!("{} for the demo", kind.label),
            });
            if let KindGrant::Chosen { widest, .. } = kind.grants {
                body["grant"] = json!(widest.to_names(scheme.resource_names()));
            }
            let path = format!("/v1/accounts/{account}/credentials");
            let made = call(app, &path, &body).await?;
            let mut shown = json!({
                "id": made["id"],
                "kind": kind.name,
                "environment": environment.as_str(),
                "curl": curl(app, kind, &made["secret"], sample_api_url),
            });
            for (name, value) in made["secret"].as_object().into_iter().flatten() {
                if value.is_string() {
                    shown[name] = value.clone();
                }
            }
            credentials.push(shown);
        }
    }
    Ok(json!({
        "operator_token": token["secret"]["token"],
        "account": account,
        "credentials": credentials,
    }))
}

/// The arguments of a call to the sample API that this credential may make.
fn curl(app: &App, kind: &Kind, secret: &Value, base: &str) -> Vec<String> {
    let scheme = &app.platform.rules.scheme;
    let text = |name: &str| secret[name].as_str().unwrap_or_default().to_owned();
    let key = text(&kind.secret_field);
    let id = kind.public_id.as_ref().map_or_else(String::new, |id| text(&id.field));
    let example = &kind.example;
    let mut arguments = vec!["curl".to_owned(), "-X".to_owned(), example.method.clone()];
    arguments.push(format!("{base}{}", example.path));
    let mut header = |name: &str, value: &str| {
        arguments.extend(["-H".to_owned(), format!("{name}: {value}")]);
    };
    match kind.presented.first() {
        Some(Presented::Bearer) => header("Authorization", &format!("Bearer {key}")),
        Some(Presented::BearerPair) => {
            header("Authorization", &format!("Bearer {}", STANDARD.encode(format!("{id}:{key}"))));
        }
        Some(Presented::Login) => {
            if let Some(login) = &scheme.login {
                header(&login.id_header, &id);
                header(&login.secret_header, &key);
            }
        }
        Some(Presented::Signature) => {
            for (name, value) in sign(app, scheme, &id, &SecretText::new(key), example) {
                header(&name, &value);
            }
        }
        Some(Presented::BasicUser) => arguments.extend(["-u".to_owned(), format!("{key}:")]),
        Some(Presented::BasicPair) => arguments.extend(["-u".to_owned(), format!("{id}:{key}")]),
        None => {}
    }
    if let Some(body) = &example.body {
        arguments.extend(["-H".to_owned(), "Content-Type: application/json".to_owned()]);
        arguments.extend(["-d".to_owned(), body.clone()]);
    }
    arguments
}

/// The headers of a signed call. They pass once, within the scheme's clock window.
fn sign(
    app: &App,
    scheme: &Scheme,
    id: &str,
    secret: &SecretText,
    example: &keyway_domain::scheme::Example,
) -> Vec<(String, String)> {
    let Some(rules) = &scheme.signature else { return Vec::new() };
    let salt = format!("{:016x}", OsEntropy.u128() >> 64);
    let timestamp = (app.now().0 / 1000).to_string();
    let method = example.method.to_ascii_lowercase();
    let body = example.body.as_deref().unwrap_or("");
    let values = SignedValues {
        method: &method,
        path: &example.path,
        salt: &salt,
        timestamp: &timestamp,
        id,
        body: body.as_bytes(),
        ..SignedValues::default()
    };
    let parts: Vec<&[u8]> = rules.message.iter().map(|part| part.of(&values, secret)).collect();
    let hex = hmac_sha256_hex(secret, &parts);
    let signature = encode_signature(rules.encoding, &hex);
    let headers = &rules.headers;
    vec![
        (headers.id.clone(), id.to_owned()),
        (headers.salt.clone(), salt.clone()),
        (headers.timestamp.clone(), timestamp.clone()),
        (headers.signature.clone(), signature),
    ]
}

fn describe(facts: &Value, scheme: &Scheme, output: &Output) {
    let text = |name: &str| facts[name].as_str().unwrap_or("-").to_owned();
    output.line(format!("Keyway demo of the scheme {} — {}", scheme.title, scheme.summary));
    let owner = |name: &str| facts["owner"][name].as_str().unwrap_or("-").to_owned();
    output.line(format!("  dashboard        {}", text("dashboard_url")));
    output.line(format!("    sign in as     {}", owner("email")));
    output.line(format!("    password       {}", owner("password")));
    output.line("    code           press Enter here to see the present one");
    output.line(format!("    mail           {}", text("mailbox_url")));
    output.line(format!("  management API   {}/v1", text("management_url")));
    output.line(format!("  verification     {}", text("verify_url")));
    output.line(format!("  sample API       {}", text("sample_api_url")));
    output.line(format!("  operator token   {}", text("operator_token")));
    output.line(format!("  account          {}", text("account")));
    output.line("\nOne credential of each kind; each line is a call that passes:");
    for credential in facts["credentials"].as_array().into_iter().flatten() {
        let word = |name: &str| credential[name].as_str().unwrap_or("-").to_owned();
        output.line(format!("\n  {} ({}) {}", word("kind"), word("environment"), word("id")));
        let arguments = credential["curl"].as_array().into_iter().flatten();
        let quoted: Vec<String> = arguments.filter_map(Value::as_str).map(shell_quoted).collect();
        output.line(format!("  {}", quoted.join(" ")));
    }
    output.line("\nIt runs until you press Ctrl-C; then its data is removed.");
}

fn shell_quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:".contains(c);
    if text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// Shows the owner's code whenever Enter is pressed: nobody has a phone with the demo's seed on it.
fn show_codes(app: &Arc<App>, facts: &Value) {
    let seed = facts["owner"]["totp_secret"].as_str().unwrap_or_default().to_owned();
    let (app, seed) = (Arc::clone(app), SecretText::new(seed));
    // A thread of its own, because reading a terminal can't be given up; it ends with the process.
    std::thread::spawn(move || {
        for _ in std::io::stdin().lines().map_while(Result::ok) {
            let now = app.now();
            let left = 30 - (now.0 / 1000).rem_euclid(30);
            let code = authenticator::code(&seed, now).unwrap_or_default();
            Output::new(false).line(format!("  code             {code}   (for {left} s more)"));
        }
    });
}
