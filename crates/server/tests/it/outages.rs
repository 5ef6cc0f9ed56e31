//! The database in every sort of trouble, under real nodes: none crashes, none accepts what it can't
//! vouch for, each says why, and each is back without being started again.
//!
//! On several threads: commands are waited for while proxies must go on.

use std::time::Duration;

use keyway_testbed::{Flow, Options, Postgres, Proxy, free_port};
use serde_json::json;

use crate::harness::{send, until};
use crate::process::{Deployment, Node, Operator};

/// Two nodes that are ready, the proxies before them, and who acts there.
async fn two(deployment: &Deployment) -> ([Node; 2], [Proxy; 2], Operator) {
    // One connection for changes each: what it has asked once, it asks in one round trip after that.
    let (one, before_one) = deployment.node("one", &["--database-writers", "1"]).await;
    let (other, before_other) = deployment.node("other", &["--database-writers", "1"]).await;
    let operator = deployment.operator(&one).await;
    ([one, other], [before_one, before_other], operator)
}

/// Both nodes are ready again, accept what is live and refuse what was revoked.
async fn is_well_again(nodes: &mut [Node; 2], live: &str, revoked: &str) {
    for node in nodes {
        node.until_ready().await;
        until(async || node.refuses(live).await.is_none()).await;
        assert_eq!(node.refuses(revoked).await.as_deref(), Some("revoked"));
        assert!(node.runs(), "{}", node.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_starts_without_its_database_says_why_and_is_ready_once_it_is_there() {
    let Some(deployment) = Deployment::start() else { return };
    let port = free_port();
    let mut node = deployment.launch("early", port, &[]);
    node.until_there().await;
    node.until_it_says("database_away", "refused").await;
    assert_eq!(send(node.internal, "GET", "/healthz", &[], "").await.status, 200);
    assert_eq!(send(node.public, "GET", "/healthz", &[], "").await.status, 200);
    let some_key = "sk_live_0000000000000000000000000000000000";
    assert_eq!(node.refuses(some_key).await.as_deref(), Some("unavailable"));
    for (door, path) in [(node.public, "/v1/accounts"), (node.internal, "/metrics")] {
        let answer = send(door, "GET", path, &[], "").await.expect(503);
        assert_eq!(answer.json()["code"], "unavailable");
        assert!(!answer.text.contains("refused"), "strangers learn nothing: {}", answer.text);
    }
    let (is_content, said) = deployment.status(&node).await;
    assert!(!is_content && said.contains("database_away") && said.contains("refused"), "{said}");
    let log = node.log();
    assert_eq!(log.matches("the database can't be used yet").count(), 1, "once, not at each try");
    let _proxy = Proxy::start_at(port, deployment.server()).await.expect("it is free");
    node.until_ready().await;
    assert_eq!(node.refuses(some_key).await.as_deref(), Some("malformed"), "it looks at it now");
    assert!(node.runs() && deployment.status(&node).await.0);
    // One that still waits stops at once when it is asked to.
    let waiting = deployment.launch("waiting", free_port(), &[]);
    waiting.until_there().await;
    waiting.until_it_says("database_away", "refused").await;
    assert!(waiting.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_away_nodes_answer_for_their_lease_and_then_say_why_they_do_not() {
    let Some(deployment) = Deployment::start() else { return };
    let (mut nodes, proxies, operator) = two(&deployment).await;
    let (_, live) = operator.key(&nodes[0]).await;
    let (revoked_id, revoked) = operator.key(&nodes[0]).await;
    operator.revoke(&nodes[1], &revoked_id).await.expect(200);
    proxies.iter().for_each(|proxy| proxy.lead(None));
    assert_eq!(nodes[0].refuses(&live).await, None, "it answers from memory as long as it may");
    for node in &nodes {
        node.until_it_says("no_lease", "").await;
        for key in [&live, &revoked] {
            assert_eq!(node.refuses(key).await.as_deref(), Some("unavailable"));
        }
        let (is_content, said) = deployment.status(node).await;
        assert!(!is_content && said.contains("the lease is not renewed"), "{said}");
        assert!(node.log().contains("this node answers no verification until it has one"));
    }
    operator.revoke(&nodes[0], &revoked_id).await.expect(503);
    proxies.iter().for_each(|proxy| proxy.lead(Some(deployment.server())));
    is_well_again(&mut nodes, &live, &revoked).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_hangs_holds_up_no_verification_and_no_word_on_what_is_wrong() {
    let Some(deployment) = Deployment::start() else { return };
    let (mut nodes, proxies, operator) = two(&deployment).await;
    let (_, live) = operator.key(&nodes[0]).await;
    let (revoked_id, revoked) = operator.key(&nodes[0]).await;
    operator.revoke(&nodes[1], &revoked_id).await.expect(200);
    proxies.iter().for_each(|proxy| proxy.set(Flow::Hold, Flow::Hold));
    assert_eq!(nodes[0].refuses(&live).await, None);
    for node in &nodes {
        node.until_it_says("no_lease", "did not answer in time").await;
        assert_eq!(node.refuses(&live).await.as_deref(), Some("unavailable"));
        let (is_content, said) = deployment.status(node).await;
        assert!(!is_content && said.contains("does not answer"), "{said}");
    }
    // A node that begins now accepts a connection that nobody answers on.
    let late = deployment.launch("late", proxies[0].port(), &[]);
    late.until_there().await;
    late.until_it_says("database_away", "did not answer in time").await;
    proxies.iter().for_each(|proxy| proxy.heal(true));
    is_well_again(&mut nodes, &live, &revoked).await;
    late.until_ready().await;
    assert_eq!(late.refuses(&revoked).await.as_deref(), Some("revoked"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_half_a_second_away_is_slow_to_change_and_as_quick_to_ask() {
    let Some(deployment) = Deployment::start() else { return };
    let (mut nodes, proxies, operator) = two(&deployment).await;
    let (_, live) = operator.key(&nodes[0]).await;
    for node in &nodes {
        let (id, _) = operator.key(node).await;
        operator.revoke(node, &id).await.expect(200);
    }
    let (revoked_id, revoked) = operator.key(&nodes[0]).await;
    let half = Flow::Delay(Duration::from_millis(250));
    proxies.iter().for_each(|proxy| proxy.set(half, half));
    let answer = operator.revoke(&nodes[1], &revoked_id).await;
    let answer = (answer.status, answer.json());
    // Either it is true everywhere by now, or it says that it is not yet.
    match (answer.0, answer.1["effective"].as_str()) {
        (200, Some("everywhere")) => {
            for node in &nodes {
                assert_eq!(node.refuses(&revoked).await.as_deref(), Some("revoked"));
            }
        }
        (202, Some("pending")) => {}
        _ => panic!("{answer:?}"),
    }
    // Leases last: a renewal is one round trip.
    let began = std::time::Instant::now();
    while began.elapsed() < Duration::from_secs(4) {
        for node in &nodes {
            let asked = std::time::Instant::now();
            assert_eq!(node.refuses(&live).await, None, "{:?}", node.readiness().await);
            assert!(asked.elapsed() < Duration::from_millis(400), "{:?}", asked.elapsed());
        }
    }
    // One that begins now is long on its way, and says how far it is. It asks fifty times.
    let some = Flow::Delay(Duration::from_millis(30));
    proxies.iter().for_each(|proxy| proxy.set(some, some));
    let late = deployment.launch("late", proxies[0].port(), &[]);
    late.until_there().await;
    until(async || {
        let said = late.readiness().await.1;
        said["state"] == "loading" && said["of"].as_u64().is_some_and(|of| of >= 2)
    })
    .await;
    late.until_ready().await;
    assert!(late.log().contains("every credential is loaded"), "{}", late.log());
    proxies.iter().for_each(|proxy| proxy.heal(true));
    is_well_again(&mut nodes, &live, &revoked).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_a_connection_left_is_waited_for() {
    let Some(deployment) = Deployment::start() else { return };
    let (mut nodes, proxies, operator) = two(&deployment).await;
    let (_, live) = operator.key(&nodes[0]).await;
    let (revoked_id, revoked) = operator.key(&nodes[0]).await;
    operator.revoke(&nodes[1], &revoked_id).await.expect(200);
    deployment.limit_connections(Some(0));
    let late = deployment.launch("late", proxies[0].port(), &[]);
    late.until_there().await;
    late.until_it_says("database_away", "too many connections").await;
    // Those who have their connections go on, until they lose them.
    assert_eq!(nodes[0].refuses(&live).await, None);
    proxies.iter().for_each(|proxy| proxy.lead(Some(deployment.server())));
    for node in &nodes {
        node.until_it_says("no_lease", "too many connections").await;
        assert_eq!(node.refuses(&live).await.as_deref(), Some("unavailable"));
    }
    operator.revoke(&nodes[0], &revoked_id).await.expect(503);
    deployment.limit_connections(None);
    is_well_again(&mut nodes, &live, &revoked).await;
    late.until_ready().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fail_over_to_a_standby_that_had_everything_loses_nothing_and_needs_nobody() {
    if Deployment::start().is_none() {
        return;
    }
    let server = || Postgres::start_with(Options { durable: true, ..Options::default() });
    let primary = tokio::task::spawn_blocking(server).await.expect("it starts");
    let deployment = Deployment::on(&primary);
    let (mut nodes, proxies, operator) = two(&deployment).await;
    let (_, live) = operator.key(&nodes[0]).await;
    let (first_id, first) = operator.key(&nodes[0]).await;
    operator.revoke(&nodes[1], &first_id).await.expect(200);
    // As after a crash: every connection is gone, and what was committed is read from its log.
    primary.crash_restart();
    is_well_again(&mut nodes, &live, &first).await;
    let standby = primary.standby();
    let (second_id, second) = operator.key(&nodes[0]).await;
    operator.revoke(&nodes[1], &second_id).await.expect(200);
    primary.until_followed();
    primary.stop();
    for node in &nodes {
        node.until_it_says("no_lease", "").await;
    }
    // A standby takes no writes: as long as it is one, no node has a lease from it.
    let there = format!("127.0.0.1:{}", standby.port()).parse().expect("an address");
    proxies.iter().for_each(|proxy| proxy.lead(Some(there)));
    nodes[0].until_it_says("no_lease", "does not allow writes").await;
    standby.promote();
    is_well_again(&mut nodes, &live, &second).await;
    assert_eq!(nodes[1].refuses(&first).await.as_deref(), Some("revoked"));
    let (third_id, third) = operator.key(&nodes[0]).await;
    let answer = operator.revoke(&nodes[1], &third_id).await.expect(200).json();
    assert_eq!(answer["effective"], "everywhere");
    is_well_again(&mut nodes, &live, &third).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_old_dump_has_forgotten_stays_revoked_while_nodes_run() {
    if Deployment::start().is_none() {
        return;
    }
    let server = || Postgres::start_with(Options::default());
    let server = tokio::task::spawn_blocking(server).await.expect("it starts");
    let deployment = Deployment::on(&server);
    let (mut nodes, _proxies, operator) = two(&deployment).await;
    let (_, live) = operator.key(&nodes[0]).await;
    let (revoked_id, revoked) = operator.key(&nodes[0]).await;
    let dump = server.dump("keyway");
    operator.revoke(&nodes[1], &revoked_id).await.expect(200);
    let (_, later) = operator.key(&nodes[1]).await;
    server.restore("keyway", &dump);
    for node in &nodes {
        until(async || node.log().contains("what was lost is put back")).await;
    }
    is_well_again(&mut nodes, &live, &revoked).await;
    for node in &nodes {
        until(async || node.refuses(&later).await.is_none()).await;
        assert!(node.log().contains("the database has another history"), "{}", node.log());
    }
    let nodes_say = operator.ask(&nodes[0], "/v1/accounts", json!({ "name": "Goes on" })).await;
    nodes_say.expect(201);
}
