//! The nodes of a run, their database, and what every client of them needs to know.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use keyway_secret::{OsEntropy, RootKey};
use keyway_testbed::{Postgres, Proxy};
use serde_json::{Value, json};

use crate::node::{Node, Setting, run};
use crate::plan::{Plan, Scenario};
use crate::wire::request;
use crate::{Failure, clock, clocks};

const SCHEME: &str = include_str!("../scheme.toml");
const CHANGES: &str = include_str!("changes.sql");
const DATABASE: &str = "keyway";
/// For what is asked before anything is broken.
const ASKED_WITHIN: Duration = Duration::from_secs(30);

/// A temporary folder.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that stays is a nuisance and nothing more.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Everything that runs. The nodes end before their database, and that before the folder.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Node>,
    pub(crate) postgres: Option<Postgres>,
    pub(crate) setting: Setting,
    /// The operator token of the run.
    pub(crate) token: String,
    _folder: Folder,
}

impl Cluster {
    /// Starts all of it.
    pub(crate) async fn start(plan: &Plan, scenario: Scenario) -> Result<Self, Failure> {
        let name = format!("keyway-history-{}-{}", std::process::id(), clock::now());
        let folder = Folder(std::env::temp_dir().join(name));
        std::fs::create_dir_all(&folder.0)?;
        let scheme = folder.0.join("scheme.toml");
        std::fs::write(&scheme, SCHEME)?;
        let root_key = RootKey::generate(&mut OsEntropy).to_text().to_string();
        let keyway = plan.keyway.clone();
        let setting = Setting { keyway, scheme, root_key, unsafe_mode: plan.control.unsafe_mode() };
        let postgres = (!plan.sqlite).then(Postgres::start);
        if let Some(postgres) = &postgres {
            postgres.create_database(DATABASE);
            let url = postgres.url(DATABASE);
            run(&setting, &["migrate", "--database", &url])?;
        }
        let mut nodes = make_nodes(plan, &folder.0, postgres.as_ref()).await?;
        for (place, node) in nodes.iter_mut().enumerate() {
            node.clock = (scenario == Scenario::Clocks).then(|| clocks::wrong(place));
            node.start(&setting)?;
            node.ready().await?;
        }
        let first = nodes.first().ok_or("there is no node")?;
        let data = first.data();
        let data = data.to_str().ok_or("a temporary folder whose name is not text")?;
        let made =
            run(&setting, &["tokens", "create", "--name", "history", "--json", "--data", data])?;
        let made: Value = serde_json::from_str(&made)?;
        let token = made["secret"]["token"].as_str().ok_or("no operator token was shown")?;
        let token = token.to_owned();
        Ok(Self { nodes, postgres, setting, token, _folder: folder })
    }

    /// Registers merchants.
    pub(crate) async fn accounts(&self, count: usize) -> Result<Vec<String>, Failure> {
        let mut accounts = Vec::with_capacity(count);
        for number in 0..count {
            let body = json!({ "name": format!("Merchant {number}") });
            let made = self.asked("/v1/accounts", &body).await?;
            accounts.push(made["id"].as_str().ok_or("an account without an id")?.to_owned());
        }
        Ok(accounts)
    }

    /// Asks the first node for something that must succeed.
    pub(crate) async fn asked(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let request = self.request(path, &[], body);
        let reply = self.nodes[0].public.ask(&request, ASKED_WITHIN).await?;
        match reply.status {
            200..300 => reply.json(),
            _ => Err(format!("{path}: {}", reply.text()).into()),
        }
    }

    /// The bytes of a management request.
    pub(crate) fn request(&self, path: &str, more: &[(&str, &str)], body: &Value) -> Vec<u8> {
        let bearer = format!("Bearer {}", self.token);
        let headers = [&[("authorization", bearer.as_str())], more].concat();
        request(path, &headers, Some(&body.to_string()))
    }

    /// Entries of the log of changes that nodes follow; nothing where there is no such log.
    pub(crate) fn changes(&self) -> Option<u64> {
        self.postgres.as_ref()?.psql(DATABASE, CHANGES).parse().ok()
    }

    /// What every node said last, for people.
    pub(crate) fn said(&self) -> String {
        let said = self.nodes.iter().enumerate();
        said.map(|(place, node)| format!("node {place}:\n{}\n", node.said())).collect()
    }
}

async fn make_nodes(
    plan: &Plan,
    folder: &Path,
    postgres: Option<&Postgres>,
) -> Result<Vec<Node>, Failure> {
    let mut nodes = Vec::with_capacity(plan.nodes);
    for place in 0..plan.nodes {
        let (mut database, mut proxy) = (None, None);
        if let Some(postgres) = postgres {
            let started = Proxy::start(SocketAddr::from(([127, 0, 0, 1], postgres.port()))).await?;
            let url = postgres.run_url(DATABASE);
            let there = format!(":{}/", postgres.port());
            database = Some(url.replace(&there, &format!(":{}/", started.port())));
            proxy = Some(started);
        }
        nodes.push(Node::new(folder.join(format!("node-{place}")), database, proxy));
    }
    Ok(nodes)
}
