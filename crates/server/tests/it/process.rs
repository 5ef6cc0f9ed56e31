//! Real `keyway serve` processes over a real PostgreSQL, each with a proxy between the two.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use keyway_secret::{OsEntropy, RootKey};
use keyway_testbed::{Database, Editor, Postgres, Proxy, free_port};
use serde_json::{Value, json};

use crate::harness::{Answer, new_folder, send, until};

/// A database and all that its nodes have in common.
pub(crate) struct Deployment {
    pub(crate) url: String,
    folder: PathBuf,
    root_key: String,
    /// The database on the server of all tests, to be removed; or a server of one's own.
    database: Option<Database>,
}

impl Drop for Deployment {
    fn drop(&mut self) {
        if let Some(database) = &self.database {
            database.remove();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Deployment {
    /// On the server of all tests; `None` where they run on files.
    pub(crate) fn start() -> Option<Self> {
        let folder = new_folder();
        let database = Database::of(&folder);
        let Some(url) = database.url() else {
            let _ = std::fs::remove_dir_all(&folder);
            return None;
        };
        Some(Self::over(url, folder, Some(database)))
    }

    /// On a server of one's own, for what would disturb others.
    pub(crate) fn on(server: &Postgres) -> Self {
        server.create_database("keyway");
        let deployment = Self::over(server.url("keyway"), new_folder(), None);
        let migrated = deployment.keyway(&["migrate", "--database", &deployment.url]);
        assert!(migrated.status.success(), "{}", said(&migrated));
        deployment
    }

    fn over(url: String, folder: PathBuf, database: Option<Database>) -> Self {
        let root_key = RootKey::generate(&mut OsEntropy).to_text().to_string();
        Self { url, folder, root_key, database }
    }

    /// Where the server listens.
    pub(crate) fn server(&self) -> SocketAddr {
        let (_, rest) = self.url.split_once('@').expect("an address has a user");
        let (host, _) = rest.split_once('/').expect("an address has a database");
        host.parse().expect("an address and a port")
    }

    /// Lets the database take so many connections; without a number, as many as the server does.
    pub(crate) fn limit_connections(&self, most: Option<u32>) {
        let database = self.database.as_ref().expect("on the server of all tests");
        let (_, name) = self.url.rsplit_once('/').expect("an address has a database");
        let most = most.map_or(-1, i64::from);
        database.admin(&format!("ALTER DATABASE {name} CONNECTION LIMIT {most}"));
    }

    /// The same database, for nodes of another role.
    pub(crate) fn with_role(mut self, role: &str) -> Self {
        let (_, rest) = self.url.split_once('@').expect("an address has a user");
        self.url = format!("postgres://{role}@{rest}");
        self
    }

    /// Somebody who edits the database behind the nodes' back.
    pub(crate) fn editor(&self) -> Editor {
        self.database.as_ref().expect("on the server of all tests").editor()
    }

    /// A deployment of the same root key on a file, with keys in it.
    pub(crate) async fn file_with_keys(&self, keys: usize) -> OnFile {
        let data = self.folder.join("file").display().to_string();
        let run = |arguments: &[&str]| {
            let output = self.keyway(&[arguments, &["--json", "--data", &data]].concat());
            assert!(output.status.success(), "{}", said(&output));
            serde_json::from_slice::<Value>(&output.stdout).expect("JSON")
        };
        let folder = self.folder.join("on-file");
        let (listen, scheme) = (["--listen", "127.0.0.1:0"], ["--scheme", "enterprise"]);
        let inside = ["--internal-listen", "127.0.0.1:0", "--data", &data];
        let log = File::create(&folder).expect("a file for the log");
        let serve = [&["serve", "--json"][..], &listen, &scheme, &inside].concat();
        let mut server = self.command(&serve).stdout(log).spawn().expect("the binary runs");
        until(async || std::fs::read(&folder).is_ok_and(|said| said.ends_with(b"\n"))).await;
        let made = run(&["accounts", "create", "--name", "Toko"]);
        let account = made["id"].as_str().expect("an id");
        let create =
            ["credentials", "create", "--account", account, "--kind", "key", "--name", "K"];
        let what = ["--environment", "live", "--grant", "everything"];
        let shown = |made: Value| made["secret"]["key"].as_str().expect("a key").to_owned();
        let keys = (0..keys).map(|_| shown(run(&[&create[..], &what[..]].concat()))).collect();
        server.kill().and_then(|()| server.wait()).expect("it runs until here");
        OnFile { data, keys }
    }

    /// The same database, by way of a port of this machine.
    pub(crate) fn url_by(&self, port: u16) -> String {
        self.url.replace(&self.server().to_string(), &format!("127.0.0.1:{port}"))
    }

    /// Runs a command of the binary to its end.
    pub(crate) fn keyway(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the binary runs")
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("setpriv");
        // It must not outlive the test.
        command.arg("--pdeathsig=KILL").arg(env!("CARGO_BIN_EXE_keyway")).args(arguments);
        command.env_remove("KEYWAY_TEST_POSTGRES").env("KEYWAY_ROOT_KEY", &self.root_key);
        command.stdin(Stdio::null());
        command
    }

    /// A node that is started and not waited for, whose proxy is at a port that may be free yet.
    pub(crate) fn launch(&self, name: &str, port: u16, more: &[&str]) -> Node {
        let folder = self.folder.join(name);
        std::fs::create_dir(&folder).expect("a folder for each node");
        let (public, internal) = (free_port(), free_port());
        let log = File::create(folder.join("log")).expect("a file for the log");
        let data = folder.join("data").display().to_string();
        let (listen, inside) = (format!("127.0.0.1:{public}"), format!("127.0.0.1:{internal}"));
        let url = self.url_by(port);
        let mut arguments = vec!["serve", "--scheme", "enterprise", "--json"];
        arguments.extend(["--listen", &listen, "--internal-listen", &inside, "--data", &data]);
        arguments.extend(["--database", &url, "--node-name", name]);
        arguments.extend(more);
        let mut command = self.command(&arguments);
        command.stdout(log.try_clone().expect("a file")).stderr(log);
        let child = command.spawn().expect("the binary runs");
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Node { public: address(public), internal: address(internal), folder, data, child }
    }

    /// A node that is ready, and the proxy between it and the database.
    pub(crate) async fn node(&self, name: &str, more: &[&str]) -> (Node, Proxy) {
        let proxy = Proxy::start(self.server()).await.expect("a free port");
        let node = self.launch(name, proxy.port(), more);
        node.until_ready().await;
        (node, proxy)
    }

    /// An operator who acts by way of a node.
    pub(crate) async fn operator(&self, node: &Node) -> Operator {
        let arguments = ["tokens", "create", "--name", "test", "--json", "--data", &node.data];
        let made = self.keyway(&arguments);
        assert!(made.status.success(), "{}", said(&made));
        let made: Value = serde_json::from_slice(&made.stdout).expect("JSON");
        let token = made["secret"]["token"].as_str().expect("a token is shown").to_owned();
        let mut operator = Operator { token, account: String::new() };
        let account = operator.ask(node, "/v1/accounts", json!({ "name": "Toko" })).await;
        operator.account = account.expect(201).id();
        operator
    }

    /// What `keyway status` says of a node, and whether it is content.
    pub(crate) async fn status(&self, node: &Node) -> (bool, String) {
        let mut command = self.command(&["status", "--data", &node.data]);
        let asked = tokio::task::spawn_blocking(move || command.output().expect("it runs")).await;
        let output = asked.expect("it does not panic");
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stdout).into_owned() + &said(&output),
        )
    }
}

/// A deployment on a file.
pub(crate) struct OnFile {
    pub(crate) data: String,
    pub(crate) keys: Vec<String>,
}

impl OnFile {
    pub(crate) fn editor(&self) -> Editor {
        Database::in_a_file(Path::new(&self.data)).editor()
    }
}

/// What a command said of a trouble.
pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A process of the deployment.
pub(crate) struct Node {
    pub(crate) public: SocketAddr,
    pub(crate) internal: SocketAddr,
    pub(crate) folder: PathBuf,
    pub(crate) data: String,
    child: Child,
}

impl Node {
    /// What it says of itself.
    pub(crate) async fn readiness(&self) -> (u16, Value) {
        let answer = send(self.internal, "GET", "/readyz", &[], "").await;
        (answer.status, answer.json())
    }

    /// Waits until it listens: a process takes a moment to begin.
    pub(crate) async fn until_there(&self) {
        until(async || tokio::net::TcpStream::connect(self.internal).await.is_ok()).await;
    }

    pub(crate) async fn until_ready(&self) {
        self.until_there().await;
        until(async || self.readiness().await.0 == 200).await;
    }

    /// Waits until it is not ready; what it says is wrong, once it says what.
    pub(crate) async fn until_it_says(&self, state: &str, part_of_reason: &str) {
        until(async || {
            let (status, said) = self.readiness().await;
            let reason = said["reason"].as_str().unwrap_or_default();
            status == 503 && said["state"] == state && reason.contains(part_of_reason)
        })
        .await;
    }

    /// Why it does not accept a key; `None` if it does.
    pub(crate) async fn refuses(&self, key: &str) -> Option<String> {
        let question = json!({ "headers": [["authorization", format!("Bearer {key}")]] });
        let answer = send(self.internal, "POST", "/v1/verify", &[], &question.to_string()).await;
        if answer.status != 200 {
            return Some(answer.json()["code"].as_str().unwrap_or("nothing").to_owned());
        }
        let answer = answer.json();
        assert_eq!(answer["allowed"].as_bool(), Some(answer["reason"].is_null()));
        answer["reason"].as_str().map(str::to_owned)
    }

    /// What it has written to its log, and said.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Waits until it has ended by itself; what it said.
    pub(crate) async fn until_it_ends(mut self) -> String {
        let ended = std::cell::Cell::new(false);
        let child = std::cell::RefCell::new(&mut self.child);
        until(async || {
            ended.set(!matches!(child.borrow_mut().try_wait(), Ok(None)));
            ended.get()
        })
        .await;
        self.log()
    }

    /// Whether the process runs.
    pub(crate) fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Asks it to stop, and waits until it has; whether it ended well.
    pub(crate) async fn stop(mut self) -> bool {
        let id = self.child.id().to_string();
        let told = Command::new("kill").args(["-TERM", &id]).status().expect("kill runs");
        assert!(told.success());
        let ended = tokio::task::spawn_blocking(move || {
            self.child.wait().is_ok_and(|status| status.success())
        });
        ended.await.expect("it does not panic")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Somebody who manages an account by way of any node.
pub(crate) struct Operator {
    token: String,
    pub(crate) account: String,
}

impl Operator {
    pub(crate) async fn ask(&self, node: &Node, path: &str, body: Value) -> Answer {
        let bearer = format!("Bearer {}", self.token);
        let headers = [("authorization", bearer.as_str())];
        send(node.public, "POST", path, &headers, &body.to_string()).await
    }

    /// Makes a key: its id and itself.
    pub(crate) async fn key(&self, node: &Node) -> (String, String) {
        let body =
            json!({ "kind": "key", "environment": "live", "name": "K", "grant": "everything" });
        let path = format!("/v1/accounts/{}/credentials", self.account);
        let made = self.ask(node, &path, body).await.expect(201);
        (made.id(), made.shown("key"))
    }

    /// Revokes a key.
    pub(crate) async fn revoke(&self, node: &Node, id: &str) -> Answer {
        let path = format!("/v1/accounts/{}/credentials/{id}/revoke", self.account);
        self.ask(node, &path, json!({})).await
    }
}
