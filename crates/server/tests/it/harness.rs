//! A Keyway in this process on real sockets, the sample payments API behind it, and an HTTP client
//! that sends exactly the bytes it is told to.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyway_coherence::Terms;
use keyway_domain::scheme::Scheme;
use keyway_domain::time::Time;
use keyway_guard::{GuardLayer, Remote};
use keyway_payments::{Payments, router};
use keyway_secret::{Entropy as _, OsEntropy, RootKey, SecretText, SeededEntropy, hmac_sha256_hex};
use keyway_server::app::{App, Opening, SignUp, Site};
use keyway_server::clock::ManualClock;
use keyway_server::http::{Door, serve};
use keyway_server::mail::Post;
use keyway_server::verify::InProcess;
use keyway_server::webhooks::Deliverer;
use keyway_server::{schemes, telling, timekeeper, worker};
use keyway_store::{DbError, Options, Tx};
use keyway_testbed::Database;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::contract;

/// The instant at which every test begins.
pub(crate) const START: &str = "2026-11-21T12:00:00Z";
pub(crate) const MINUTE: i64 = 60_000;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;

pub(crate) struct Keyway {
    pub(crate) app: Arc<App>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) public: SocketAddr,
    pub(crate) internal: SocketAddr,
    /// The internal listener as it is beyond this machine.
    pub(crate) guarded_internal: SocketAddr,
    /// The sample API: the key decides the environment; judged in process.
    pub(crate) api: SocketAddr,
    /// The sample API of production only, and of the sandbox only.
    pub(crate) live_api: SocketAddr,
    pub(crate) test_api: SocketAddr,
    /// The sample API, judged over `POST /v1/verify`.
    pub(crate) remote_api: SocketAddr,
    pub(crate) token: String,
    pub(crate) folder: PathBuf,
    pub(crate) database: Database,
    /// The database is another's to remove.
    is_second: bool,
    stop: watch::Sender<bool>,
}

impl Drop for Keyway {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
        if !self.folder.as_os_str().is_empty() && !self.is_second {
            self.database.remove();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// An answer over HTTP.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (header, value) = line.split_once(':')?;
            header.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}\n{}", self.head, self.text);
        self
    }

    /// The string that an answer shows once under this name.
    #[track_caller]
    pub(crate) fn shown(&self, field: &str) -> String {
        let value = &self.json()["secret"][field];
        value.as_str().unwrap_or_else(|| panic!("no {field} is shown: {}", self.text)).to_owned()
    }

    #[track_caller]
    pub(crate) fn id(&self) -> String {
        self.json()["id"].as_str().expect("an answer has an id").to_owned()
    }
}

pub(crate) fn new_folder() -> PathBuf {
    let number = OsEntropy.u128();
    let folder = std::env::temp_dir().join(format!("keyway-test-{number:032x}"));
    std::fs::create_dir(&folder).expect("the temporary folder is writable");
    folder
}

/// Waits until something holds; a test that waits in vain fails by its time.
pub(crate) async fn until(holds: impl AsyncFn() -> bool) {
    let held = async {
        let mut look = tokio::time::interval(Duration::from_millis(10));
        while !holds().await {
            look.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), held).await.expect("it holds in time");
}

/// Waits until this node may answer.
async fn has_lease(app: &App) {
    while let Some(node) = app.coherence.get().filter(|node| !node.lease.holds()) {
        node.lease.hold(Duration::from_secs(5)).await;
    }
}

impl Keyway {
    pub(crate) async fn start(scheme: &str) -> Self {
        Self::start_in(scheme, new_folder(), START).await
    }

    /// Starts on a file, for what only a file can do.
    pub(crate) async fn start_in_a_file(scheme: &str) -> Self {
        let folder = new_folder();
        let database = Database::in_a_file(&folder);
        let site = Site { sign_up: SignUp::Open, ..Site::default() };
        Self::start_on(scheme, folder, database, START, site).await
    }

    /// Starts another node over the database of this one.
    pub(crate) async fn beside(&self, scheme: &str) -> Self {
        let folder = new_folder();
        let site = Site { sign_up: SignUp::Open, ..Site::default() };
        let mut node = Self::start_on(scheme, folder, self.database.same(), START, site).await;
        node.is_second = true;
        node
    }

    /// How often this node has found that the database has another history than it knows. Until it
    /// has, it goes on answering by its own.
    pub(crate) fn histories(&self) -> u64 {
        let node = self.app.coherence.get().expect("it is a node");
        node.figures.histories.load(Ordering::Relaxed)
    }

    /// Starts with something of the dashboard's own set otherwise.
    pub(crate) async fn start_with(scheme: &str, site: Site) -> Self {
        let folder = new_folder();
        let database = Database::of(&folder);
        Self::start_on(scheme, folder, database, START, site).await
    }

    /// Starts on a folder that may hold data already.
    pub(crate) async fn start_in(scheme: &str, folder: PathBuf, at: &str) -> Self {
        let site = Site { sign_up: SignUp::Open, ..Site::default() };
        let database = Database::of(&folder);
        Self::start_on(scheme, folder, database, at, site).await
    }

    async fn start_on(
        scheme: &str,
        folder: PathBuf,
        database: Database,
        at: &str,
        site: Site,
    ) -> Self {
        // A built-in scheme, and what a test adds to it on further lines.
        let (scheme, more) = scheme.split_once('\n').unwrap_or((scheme, ""));
        let text = schemes::read(scheme).expect("a built-in scheme") + more;
        let clock = Arc::new(ManualClock::new(Time::parse(at).expect("an instant")));
        let opening = Opening {
            scheme: Scheme::parse(&text).expect("a scheme"),
            root: RootKey::generate(&mut SeededEntropy::new(7)),
            clock: clock.clone(),
            // Short, because the first change after a start waits for one.
            terms: Terms {
                ttl: Duration::from_secs(1),
                renew_every: Duration::from_millis(250),
                ..Terms::default()
            },
            node_name: "test".to_owned(),
            site: Site {
                post: Post { folder: Some(folder.join("mailbox")), ..site.post.clone() },
                webhook_allow: vec!["127.0.0.1/32".parse().expect("an address")],
                webhook_http: true,
                ..site
            },
            starting: Arc::default(),
        };
        // One writer: what was begun before is done before, which a test can wait for.
        let db = database.open(&Options { writers: 1, durable: false, ..Options::default() });
        let app = App::open(db.expect("it opens"), opening).await.expect("it opens");
        has_lease(&app).await;
        let (stop, stopped) = watch::channel(false);
        let public = listen(&app, Door::Public, &stopped).await;
        let internal = listen(&app, Door::Internal { token: false }, &stopped).await;
        let guarded_internal = listen(&app, Door::Internal { token: true }, &stopped).await;
        contract::hold(&app.platform.rules.scheme, public, [internal, guarded_internal]);
        let payments = Payments::open(None).expect("the sample API opens");
        let inside = || GuardLayer::new(InProcess(Arc::clone(&app)));
        let node = format!("http://{internal}").parse().expect("a URL");
        let remote = GuardLayer::new(Remote::new(&node).expect("a node"));
        let api = sample(router(payments.clone(), scheme, inside()), &stopped).await;
        let live = inside().environment("live");
        let live_api = sample(router(payments.clone(), scheme, live), &stopped).await;
        let test = inside().environment("test");
        let test_api = sample(router(payments.clone(), scheme, test), &stopped).await;
        let remote_api = sample(router(payments, scheme, remote), &stopped).await;
        let mut keyway = Self {
            app,
            clock,
            public,
            internal,
            guarded_internal,
            api,
            live_api,
            test_api,
            remote_api,
            token: String::new(),
            folder,
            database,
            is_second: false,
            stop,
        };
        keyway.token = keyway.local_token().await;
        keyway
    }

    /// The same data in another process, as after a restart.
    pub(crate) async fn restart(mut self, scheme: &str) -> Self {
        let (folder, now) = (std::mem::take(&mut self.folder), self.app.now().to_string());
        drop(self);
        Self::start_in(scheme, folder, &now).await
    }

    /// The letters that were written since they were last read, oldest first.
    pub(crate) async fn letters(&self) -> Vec<String> {
        keyway_server::mail::deliver(&self.app).await.expect("mail is put into the folder");
        let Ok(entries) = std::fs::read_dir(self.folder.join("mailbox")) else { return Vec::new() };
        let mut paths: Vec<PathBuf> =
            entries.map(|entry| entry.expect("a letter").path()).collect();
        paths.sort();
        let read = |path: &PathBuf| {
            let text = std::fs::read_to_string(path).expect("a letter is text");
            std::fs::remove_file(path).expect("a letter can be thrown away");
            text
        };
        paths.iter().map(read).collect()
    }

    /// The first operator token comes from the machine itself, as `keyway tokens create` makes it.
    async fn local_token(&self) -> String {
        use http_body_util::BodyExt as _;
        let request = http::Request::post("/v1/operator-tokens")
            .body(bytes::Bytes::from(json!({ "name": "test" }).to_string()))
            .expect("a request");
        let reply = serve::management(Arc::clone(&self.app), Door::Local, None, request).await;
        let body = reply.into_body().collect().await.expect("a whole body").to_bytes();
        let made: Value = serde_json::from_slice(&body).expect("JSON");
        made["secret"]["token"].as_str().expect("a token is shown").to_owned()
    }

    /// Calls the management API with the operator token.
    pub(crate) async fn manage(&self, method: &str, path: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let authorization = format!("Bearer {}", self.token);
        let headers = [("authorization", authorization.as_str())];
        send(self.public, method, path, &headers, &body).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.manage("POST", path, &body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.manage("GET", path, &Value::Null).await
    }

    /// Registers an account.
    pub(crate) async fn account(&self) -> String {
        self.post("/v1/accounts", json!({ "name": "Toko Kopi" })).await.expect(201).id()
    }

    /// Makes a credential.
    pub(crate) async fn create(&self, account: &str, body: Value) -> Answer {
        self.post(&format!("/v1/accounts/{account}/credentials"), body).await
    }

    /// Does an act to a credential.
    pub(crate) async fn act(&self, account: &str, id: &str, act: &str, body: Value) -> Answer {
        self.post(&format!("/v1/accounts/{account}/credentials/{id}/{act}"), body).await
    }

    pub(crate) async fn show(&self, account: &str, id: &str) -> Value {
        self.get(&format!("/v1/accounts/{account}/credentials/{id}")).await.expect(200).json()
    }

    /// The kinds of events of an account, oldest first.
    pub(crate) async fn events(&self, account: &str) -> Vec<String> {
        let page = self.get(&format!("/v1/accounts/{account}/events")).await.expect(200).json();
        let kinds = page["data"].as_array().expect("a list").iter().rev();
        kinds.map(|event| event["type"].as_str().expect("a type").to_owned()).collect()
    }

    /// Asks `POST /v1/verify`.
    pub(crate) async fn verify(&self, question: Value) -> Answer {
        send(self.internal, "POST", "/v1/verify", &[], &question.to_string()).await
    }

    /// Waits until what requests write beside their answers is written: whatever a task has put
    /// into the writer's queue stands before this.
    pub(crate) async fn settle(&self) {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        let nothing = |_: &mut Tx<'_>| Ok::<_, DbError>(());
        self.app.db.write(self.app.now(), nothing).await.expect("the database answers");
    }

    /// Does what the worker does by itself: the clock's doings, telling, and what is counted.
    pub(crate) async fn work(&self) {
        timekeeper::keep(&self.app).await.expect("the clock's doings are done");
        worker::count_repeats(&self.app).await.expect("what was refused is counted");
        telling::tell(&self.app).await.expect("events are told");
    }

    /// Does that, and sends what is due; how many webhooks went out.
    pub(crate) async fn send_webhooks(&self) -> usize {
        self.work().await;
        let sent = Deliverer::new(&self.app, 0).deliver_due().await.expect("webhooks are sent");
        // What an answer leads to, such as an endpoint that is gone, is an event too.
        self.work().await;
        sent
    }

    /// Letters that were written since they were last read, after what leads to some was done.
    pub(crate) async fn mail(&self) -> Vec<String> {
        self.work().await;
        self.letters().await
    }

    /// Writes the counters down, as the worker does every few seconds.
    pub(crate) async fn flush(&self) {
        worker::flush(&self.app).await.expect("usage is flushed");
    }
}

async fn listen(app: &Arc<App>, door: Door, stop: &watch::Receiver<bool>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(serve::run(listener, Arc::clone(app), door, stop.clone()));
    address
}

async fn sample(router: axum::Router, stop: &watch::Receiver<bool>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let mut stop = stop.clone();
    let until = async move { drop(stop.wait_for(|stop| *stop).await) };
    tokio::spawn(keyway_payments::serve(listener, router, until));
    address
}

/// Sends a request. What it gets must be what the listener's document says.
pub(crate) async fn send(
    to: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        request.push_str("content-type: application/json\r\n");
        request.push_str(&format!("content-length: {}\r\n", body.len()));
    } else if method != "GET" {
        request.push_str("content-length: 0\r\n");
    }
    request.push_str("\r\n");
    request.push_str(body);
    let answer = send_raw(to, request.as_bytes()).await;
    contract::check(to, method, path, &answer);
    answer
}

/// Sends bytes and reads the answer to its end.
pub(crate) async fn send_raw(to: SocketAddr, bytes: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(to).await.expect("the server accepts");
    // A server may refuse a large request before it has read all of it.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, text) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Answer { status, head: head.to_owned(), text: text.to_owned() }
}

/// A call with a bearer credential.
pub(crate) async fn bearer(to: SocketAddr, method: &str, path: &str, key: &str) -> Answer {
    send(to, method, path, &[("authorization", &format!("Bearer {key}"))], "").await
}

/// A call with HTTP Basic.
pub(crate) async fn basic(
    to: SocketAddr,
    method: &str,
    path: &str,
    (user, password): (&str, &str),
    body: &str,
) -> Answer {
    let value = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
    send(to, method, path, &[("authorization", &value)], body).await
}

/// A pair of access key and secret key that signs requests.
#[derive(Clone)]
pub(crate) struct Signer {
    pub(crate) access_key: String,
    pub(crate) secret_key: String,
}

impl Signer {
    pub(crate) fn of(made: &Answer) -> Self {
        Self { access_key: made.shown("access_key"), secret_key: made.shown("secret_key") }
    }

    /// The signature over a request, as the document's formula has it.
    pub(crate) fn sign(
        &self,
        method: &str,
        path: &str,
        salt: &str,
        time: i64,
        body: &str,
    ) -> String {
        let method = method.to_ascii_lowercase();
        let time = time.to_string();
        let parts = [&method, path, salt, &time, &self.access_key, &self.secret_key, body];
        let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
        STANDARD.encode(hmac_sha256_hex(&SecretText::new(self.secret_key.clone()), &parts))
    }

    /// A signed call with a fresh salt.
    pub(crate) async fn call(
        &self,
        keyway: &Keyway,
        method: &str,
        path: &str,
        body: &str,
    ) -> Answer {
        let salt = format!("{:016x}", OsEntropy.u128() >> 64);
        let time = keyway.app.now().0 / 1000;
        let signature = self.sign(method, path, &salt, time, body);
        let time = time.to_string();
        let headers = [
            ("access_key", self.access_key.as_str()),
            ("salt", &salt),
            ("timestamp", &time),
            ("signature", &signature),
        ];
        send(keyway.api, method, path, &headers, body).await
    }
}
