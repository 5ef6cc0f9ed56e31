//! The clock that all nodes judge by, and what no clock has a say in.

use std::time::Duration;

use keyway_coherence::Boot;
use keyway_domain::time::Time;
use keyway_server::clock::{Clock as _, DatabaseClock, boot};
use serde_json::{Value, json};

use crate::harness::{Answer, HOUR, Keyway, Signer, basic};

/// What is near enough while other tests run: the looks here are hours apart.
fn shows(clock: &DatabaseClock, wanted: i64) -> bool {
    (wanted..wanted + 60_000).contains(&clock.now().0)
}

/// The nodes of a deployment: one where it is a file, two over a server.
async fn nodes(scheme: &str) -> Vec<Keyway> {
    let mut nodes = vec![Keyway::start(scheme).await];
    if nodes[0].database.is_on_server() {
        nodes.push(nodes[0].beside(scheme).await);
    }
    nodes
}

/// Does an act at the first node, whose clock is an hour ahead meanwhile: of the other's, or of what
/// it is set back to.
async fn ahead(nodes: &[Keyway], path: &str, body: Value) -> Answer {
    nodes[0].clock.advance_ms(HOUR);
    let done = nodes[0].post(path, body).await.expect(200);
    nodes[0].clock.advance_ms(-HOUR);
    done
}

#[tokio::test]
async fn what_an_act_ends_of_a_pair_is_over_on_all_nodes_whatever_their_clocks_say() {
    let nodes = nodes("rapyd").await;
    let account = nodes[0].account().await;
    for act in ["revoke", "rotate", "finish", "rollback"] {
        let body = json!({
            "kind": "signing", "environment": "live", "name": "Keys", "grant": "everything",
        });
        let made = nodes[0].create(&account, body).await.expect(201);
        let path = format!("/v1/accounts/{account}/credentials/{}", made.id());
        let mut ends = Signer::of(&made);
        if matches!(act, "finish" | "rollback") {
            let rotated =
                nodes[0].post(&format!("{path}/rotate"), json!({ "overlap": "7d" })).await;
            let next = Signer::of(&rotated.expect(200));
            ends = if act == "rollback" { next } else { ends };
        }
        let status = async |node| ends.call(node, "GET", "/v1/data/countries", "").await.status;
        for node in &nodes {
            assert_eq!(status(node).await, 200, "before {act}");
        }
        let body = if act == "rotate" { json!({ "overlap": "0s" }) } else { json!({}) };
        ahead(&nodes, &format!("{path}/{act}"), body).await;
        for node in &nodes {
            assert_eq!(status(node).await, 401, "after {act}");
        }
    }
}

#[tokio::test]
async fn what_is_deleted_or_revoked_with_all_others_is_over_whatever_clocks_say() {
    let nodes = nodes("xtopay").await;
    let account = nodes[0].account().await;
    let all = format!("/v1/accounts/{account}/credentials");
    for act in ["delete", "revoke-all"] {
        let body = json!({
            "kind": "client", "environment": "live", "name": "Shop", "grant": "everything",
        });
        let made = nodes[0].create(&account, body).await.expect(201);
        let pair = (made.shown("client_id"), made.shown("client_secret"));
        let status = async |node: &Keyway| {
            basic(node.api, "GET", "/v1/balance", (&pair.0, &pair.1), "").await.status
        };
        for node in &nodes {
            assert_eq!(status(node).await, 200, "before {act}");
        }
        let path = if act == "delete" {
            format!("{all}/{}/{act}", made.id())
        } else {
            format!("{all}/{act}")
        };
        ahead(&nodes, &path, json!({})).await;
        for node in &nodes {
            assert_eq!(status(node).await, 401, "after {act}");
        }
    }
}

#[test]
fn the_databases_clock_goes_on_by_itself_and_the_better_look_counts() {
    const HOUR: i64 = 3_600_000;
    let now = boot();
    let clock = DatabaseClock::new(Time(HOUR), now, now);
    assert!(shows(&clock, HOUR), "whatever this machine's own clock says");
    let long_ago = Boot(boot().0.saturating_sub(1_000_000_000 * 10));
    clock.learn(Time(9 * HOUR), long_ago, boot());
    assert!(shows(&clock, HOUR), "an answer that took ten seconds says little");
    let now = boot();
    clock.learn(Time(2 * HOUR), now, now);
    assert!(shows(&clock, 2 * HOUR), "a quick one counts");
    // What took a while counts as if it had been said when it was asked: ends come early, not late.
    let slow = DatabaseClock::new(Time(HOUR), boot(), boot().plus(Duration::from_secs(5)));
    assert!(shows(&slow, HOUR));
}
