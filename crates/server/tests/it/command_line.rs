//! Commands about many nodes, as the binary does them against real processes.

use std::process::Stdio;

use keyway_testbed::{Flow, Proxy};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::harness::until;
use crate::process::{Deployment, said};

/// A node that takes every secret for good.
async fn one_that_believes_everybody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut some = [0; 4_096];
            let _ = stream.read(&mut some).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        }
    });
    format!("http://{address}")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_probe_is_content_with_nodes_that_keep_the_promise_and_finds_one_that_does_not() {
    let Some(deployment) = Deployment::start() else { return };
    let (one, _before_one) = deployment.node("one", &[]).await;
    let (other, proxy) = deployment.node("other", &[]).await;
    let (first, second) = (format!("http://{}", one.public), format!("http://{}", other.public));
    let figures = one.folder.join("probe.prom").display().to_string();
    let probe = |third: Option<&str>| {
        let mut arguments = vec!["probe", "--once", "--json", "--data", &one.data];
        arguments.extend(["--metrics-file", &figures, "--node", &first, "--node", &second]);
        arguments.extend(third.into_iter().flat_map(|third| ["--node", third]));
        deployment.keyway(&arguments)
    };
    let round = |output: &std::process::Output| {
        let line = String::from_utf8_lossy(&output.stdout).into_owned();
        serde_json::from_str::<Value>(line.lines().next().unwrap_or_default()).expect("JSON")
    };
    let content = probe(None);
    assert!(content.status.success(), "{}", said(&content));
    let said_of_it = round(&content);
    assert_eq!(
        (&said_of_it["effective"], &said_of_it["silent"]),
        (&"everywhere".into(), &0.into())
    );
    assert_eq!((&said_of_it["asked"], &said_of_it["wrong"]), (&2.into(), &Value::Array(vec![])));
    let written = std::fs::read_to_string(&figures).expect("it is written");
    assert!(written.contains("keyway_probe_wrong_total 0\n"), "{written}");
    let liar = one_that_believes_everybody().await;
    let found = probe(Some(&liar));
    assert_eq!(found.status.code(), Some(1));
    let wrong = &round(&found)["wrong"];
    assert_eq!(wrong.as_array().map(Vec::len), Some(1), "{wrong}");
    assert!(wrong[0].as_str().is_some_and(|said| said.contains("accepts the old secret")));
    // A node that is cut off answers neither yes nor no: that is silence, and no lie.
    proxy.set(Flow::Hold, Flow::Hold);
    other.until_it_says("no_lease", "").await;
    let silent = probe(None);
    assert!(silent.status.success(), "{}", said(&silent));
    assert_eq!(round(&silent)["silent"], 1);
    // Its token ended with each probe.
    let live = "SELECT COUNT(*) FROM credentials WHERE name = 'Probe' AND status = 'live'";
    assert_eq!(deployment.editor().number(live), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_is_denied_on_a_node_without_its_database_and_until_that_is_undone() {
    let Some(deployment) = Deployment::start() else { return };
    let (one, proxy) = deployment.node("one", &["--grace-ms", "600000"]).await;
    let operator = deployment.operator(&one).await;
    let (id, key) = operator.key(&one).await;
    let (_, other) = operator.key(&one).await;
    proxy.lead(None);
    until(async || one.readiness().await.1["state"] == "in_grace").await;
    assert_eq!(one.refuses(&key).await, None, "it was declared that it may");
    let denied = deployment.keyway(&["deny", &id, "--data", &one.data]);
    assert!(denied.status.success(), "{}", said(&denied));
    until(async || one.refuses(&key).await.is_some()).await;
    assert_eq!(one.refuses(&other).await, None);
    proxy.lead(Some(deployment.server()));
    until(async || one.readiness().await.1["state"] == "ready").await;
    assert!(one.refuses(&key).await.is_some(), "the database says nothing of it");
    let undone = deployment.keyway(&["deny", &id, "--undo", "--data", &one.data]);
    assert!(undone.status.success(), "{}", said(&undone));
    until(async || one.refuses(&key).await.is_none()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_to_a_server_that_was_killed_goes_on_and_ends_with_the_same_on_both_sides() {
    let Some(deployment) = Deployment::start() else { return };
    let file = deployment.file_with_keys(3).await;
    let proxy = Proxy::start(deployment.server()).await.expect("a free port");
    let some = Flow::Delay(std::time::Duration::from_millis(10));
    proxy.set(some, some);
    let (from, to) = (format!("sqlite:{}", file.data), deployment.url_by(proxy.port()));
    let arguments = ["import", "--json", "--from", &from, "--to", &to];
    let mut killed = deployment
        .command(&arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary runs");
    let editor = deployment.editor();
    let count = |table: &str| editor.number(&format!("SELECT COUNT(*) FROM {table}"));
    until(async || count("credentials") > 0).await;
    killed.kill().expect("it runs");
    killed.wait().expect("it ends");
    let half = "SELECT COUNT(*) FROM settings WHERE name = 'transfer_unfinished'";
    assert_eq!(editor.number(half), 1, "it was killed half-way");
    let early = deployment.launch("early", deployment.server().port(), &[]);
    let log = early.until_it_ends().await;
    assert!(log.contains("finish it with `keyway import"), "{log}");
    let moved = deployment.keyway(&["import", "--json", "--from", &from, "--to", &deployment.url]);
    assert!(moved.status.success(), "{}", said(&moved));
    let moved: Value = serde_json::from_slice(&moved.stdout).expect("JSON");
    let source = file.editor();
    let mut rows = 0;
    for table in moved["tables"].as_array().expect("a list") {
        let name = table["table"].as_str().expect("a name");
        let sql = format!("SELECT COUNT(*) FROM {name}");
        let here = source.number(&sql);
        assert_eq!((Some(here), here), (table["rows"].as_i64(), count(name)), "{name}");
        assert_eq!(table["sha256"].as_str().map(str::len), Some(64));
        rows += here;
    }
    assert_eq!(moved["rows"].as_i64(), Some(rows));
    let seals = "SELECT id, lower(hex(seal)) FROM credentials ORDER BY id";
    let same = "SELECT id, encode(seal, 'hex') FROM credentials ORDER BY id";
    assert_eq!(source.rows(seals), editor.rows(same));
    let again = deployment.keyway(&["import", "--from", &from, "--to", &deployment.url]);
    assert!(!again.status.success() && said(&again).contains("in use"), "{}", said(&again));
    let (node, _proxy) = deployment.node("first", &[]).await;
    for key in &file.keys {
        assert_eq!(node.refuses(key).await, None);
    }
}
