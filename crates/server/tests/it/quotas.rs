//! Quotas: never more than they are, over all nodes, whatever happens; and what a client and its
//! owner are told of them.

use std::sync::Arc;

use keyway_client::{Follower, Following};
use keyway_guard::Verifier as _;
use keyway_server::worker;
use serde_json::{Value, json};

use crate::browser::{Browser, account_of, text_of};
use crate::harness::{Answer, DAY, Keyway, MINUTE, Signer, basic, bearer, send, until};

/// A quota as a scheme has it.
fn quota(requests: u32, per: &str, of: &str) -> String {
    format!("\n[[quotas]]\nrequests = {requests}\nper = \"{per}\"\nof = \"{of}\"\n")
}

/// A scheme with quotas and without rate limits worth the name.
fn scheme(quotas: &[String]) -> String {
    format!("enterprise\n{}", quotas.concat())
}

async fn key(keyway: &Keyway, account: &str, environment: &str) -> Answer {
    let body = json!({
        "kind": "key", "environment": environment, "name": "K", "grant": ["invoices:read"],
    });
    keyway.create(account, body).await.expect(201)
}

fn question(key: &str, path: &str) -> Value {
    let authorization = format!("Bearer {key}");
    json!({ "method": "GET", "path": path, "headers": [["authorization", authorization]] })
}

/// What a node says of a request: why it may not pass.
async fn ask(keyway: &Keyway, key: &str) -> Result<Value, Value> {
    let answer = keyway.verify(question(key, "/mfi/invoices")).await.expect(200).json();
    if answer["allowed"] == true { Ok(answer) } else { Err(answer) }
}

async fn reason(keyway: &Keyway, key: &str) -> String {
    match ask(keyway, key).await {
        Ok(_) => "allowed".to_owned(),
        Err(answer) => answer["reason"].as_str().expect("a reason").to_owned(),
    }
}

/// How many of so many requests at once pass. Those that nobody could be sure of ask again; all
/// others are refused because of the quota.
async fn passed(nodes: &[Arc<Keyway>], key: &str, requests: usize) -> usize {
    let tasks: Vec<_> = (0..requests)
        .map(|number| {
            let (node, key) = (Arc::clone(&nodes[number % nodes.len()]), key.to_owned());
            tokio::spawn(async move {
                loop {
                    match &*reason(&node, &key).await {
                        "allowed" => return 1,
                        "quota_exceeded" => return 0,
                        "unavailable" => {}
                        other => panic!("refused because of {other}"),
                    }
                }
            })
        })
        .collect();
    let mut passed = 0;
    for task in tasks {
        passed += task.await.expect("it is answered");
    }
    passed
}

fn header<'a>(answer: &'a Value, name: &str) -> &'a str {
    let headers = match &answer["answer"] {
        Value::Null => &answer["response_headers"],
        answer => &answer["headers"],
    };
    let headers = headers.as_array().expect("headers");
    let found = headers.iter().find(|header| header[0] == name);
    found.and_then(|header| header[1].as_str()).unwrap_or("")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_node_lets_exactly_so_many_through() {
    for most in [1, 7, 250] {
        let keyway = Arc::new(Keyway::start(&scheme(&[quota(most, "day", "credential")])).await);
        let account = keyway.account().await;
        let (one, other) =
            (key(&keyway, &account, "live").await, key(&keyway, &account, "live").await);
        let most = usize::try_from(most).expect("a small number");
        let nodes = [Arc::clone(&keyway)];
        assert_eq!(passed(&nodes, &one.shown("key"), most + 50).await, most);
        assert_eq!(passed(&nodes, &other.shown("key"), most).await, most, "it has its own");
        assert_eq!(reason(&keyway, &one.shown("key")).await, "quota_exceeded");
        assert_eq!(reason(&keyway, &other.shown("key")).await, "quota_exceeded");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_nodes_let_never_more_through_together_and_all_of_it_if_none_is_killed() {
    const MOST: usize = 300;
    let scheme = scheme(&[quota(300, "month", "account")]);
    let one = Keyway::start(&scheme).await;
    if !one.database.is_on_server() {
        return;
    }
    let (second, third) = (one.beside(&scheme).await, one.beside(&scheme).await);
    let account = one.account().await;
    let keys = [key(&one, &account, "live").await, key(&one, &account, "test").await];
    let nodes = [Arc::new(one), Arc::new(second), Arc::new(third)];
    let (live, test) = (keys[0].shown("key"), keys[1].shown("key"));
    // Two of the account's credentials together, at all nodes.
    let (a, b) = tokio::join!(passed(&nodes, &live, MOST), passed(&nodes, &test, MOST));
    assert!(a + b <= MOST, "{a} and {b}");
    assert!(a + b >= MOST * 8 / 10, "{a} and {b}: what others hold is little");
    // What they hold unused, they give back when they stop; then it is others' to use.
    for node in &nodes[1..] {
        worker::give_back_quotas(&node.app).await.expect("it is given back");
    }
    nodes[0].clock.advance_ms(2 * MINUTE);
    let rest = passed(&nodes[..1], &live, MOST).await;
    assert_eq!(a + b + rest, MOST, "all of it, and no more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_killed_takes_little_along_and_never_gives_more() {
    const MOST: usize = 400;
    let scheme = scheme(&[quota(400, "day", "credential")]);
    let keyway = Keyway::start(&scheme).await;
    let account = keyway.account().await;
    let key = key(&keyway, &account, "live").await.shown("key");
    let mut node = Arc::new(keyway);
    let mut all = 0;
    for _ in 0..4 {
        all += passed(std::slice::from_ref(&node), &key, 30).await;
        let keyway = Arc::try_unwrap(node).ok().expect("nobody else has it");
        node = Arc::new(keyway.restart(&scheme).await);
    }
    assert_eq!(all, 120);
    all += passed(&[node], &key, MOST).await;
    // Four blocks of a thirty-second part at most, and half of one that was fetched ahead.
    let lost = MOST - all;
    assert!(all <= MOST && lost <= 4 * 12 * 3 / 2, "{lost} were lost");
    assert!(lost > 0, "each took the rest of its block along");
}

#[tokio::test]
async fn a_new_period_has_all_of_it_again_and_not_the_rest_of_the_one_before() {
    let keyway = Keyway::start(&scheme(&[quota(100, "day", "credential")])).await;
    let account = keyway.account().await;
    let key = key(&keyway, &account, "live").await.shown("key");
    let keyway = Arc::new(keyway);
    let nodes = [Arc::clone(&keyway)];
    assert_eq!(passed(&nodes, &key, 40).await, 40, "the rest is left over");
    // START is at noon.
    keyway.clock.advance_ms(DAY / 2 - 1);
    assert_eq!(passed(&nodes, &key, 10).await, 10, "still the same day");
    keyway.clock.advance_ms(1);
    assert_eq!(passed(&nodes, &key, 130).await, 100);
    // A clock that steps back does not bring yesterday's back.
    keyway.clock.advance_ms(-1);
    assert_eq!(reason(&keyway, &key).await, "quota_exceeded");
    keyway.clock.advance_ms(DAY + 1);
    assert_eq!(passed(&nodes, &key, 130).await, 100);
    let rows = keyway.database.editor().number("SELECT COUNT(*) FROM quotas");
    assert_eq!(rows, 3);
    keyway.clock.advance_ms(2 * DAY + 1);
    worker::tidy(&keyway.app).await.expect("tidied");
    assert_eq!(keyway.database.editor().number("SELECT COUNT(*) FROM quotas"), 0, "forgotten");
}

#[tokio::test]
async fn what_is_refused_is_not_counted() {
    let quotas = [quota(5, "day", "credential"), quota(1000, "month", "account")];
    let keyway = Keyway::start(&scheme(&quotas)).await;
    let account = keyway.account().await;
    let body = json!({
        "kind": "key", "environment": "live", "name": "K", "grant": ["invoices:read"],
        "rate_limit": { "requests": 2, "window_seconds": 60 },
    });
    let made = keyway.create(&account, body).await.expect(201);
    let key = made.shown("key");
    let used = async || {
        let shown = keyway.show(&account, &made.id()).await;
        let quotas = shown["quotas"].as_array().expect("a list").clone();
        [quotas[0]["used"].clone(), quotas[1]["used"].clone()]
    };
    for path in ["/mfi/nowhere", "/mfi/payouts", "/mfi//invoices"] {
        let answer = keyway.verify(question(&key, path)).await.expect(200).json();
        assert_eq!(answer["allowed"], false, "{path}");
    }
    let mut elsewhere = question(&key, "/mfi/invoices");
    elsewhere["environment"] = "test".into();
    assert_eq!(keyway.verify(elsewhere).await.json()["reason"], "wrong_environment");
    assert_eq!(used().await, [0, 0]);
    assert_eq!(reason(&keyway, &key).await, "allowed");
    assert_eq!(reason(&keyway, &key).await, "allowed");
    for _ in 0..5 {
        assert_eq!(reason(&keyway, &key).await, "rate_limited");
    }
    // A block that is just being fetched is among it.
    until(async || used().await == [2, 2]).await;
    for _ in 0..3 {
        keyway.clock.advance_ms(MINUTE);
        assert_eq!(reason(&keyway, &key).await, "allowed");
    }
    keyway.clock.advance_ms(MINUTE);
    for _ in 0..2 {
        assert_eq!(reason(&keyway, &key).await, "quota_exceeded");
    }
    until(async || used().await[1] == 5).await;
    assert_eq!(used().await, [5, 5], "the account's is not charged for what the other refuses");
    keyway.clock.advance_ms(MINUTE);
    assert_eq!(reason(&keyway, &key).await, "quota_exceeded", "after the rate limit");
}

#[tokio::test]
async fn where_the_second_of_two_quotas_refuses_the_first_is_not_charged() {
    let quotas = [quota(10, "day", "credential"), quota(4, "day", "account")];
    let keyway = Keyway::start(&scheme(&quotas)).await;
    let account = keyway.account().await;
    let (one, other) = (key(&keyway, &account, "live").await, key(&keyway, &account, "live").await);
    for _ in 0..4 {
        assert_eq!(reason(&keyway, &one.shown("key")).await, "allowed");
    }
    for made in [&one, &other] {
        for _ in 0..15 {
            assert_eq!(reason(&keyway, &made.shown("key")).await, "quota_exceeded");
        }
    }
    for (made, used) in [(&one, 4), (&other, 0)] {
        let stands = async || {
            let shown = keyway.show(&account, &made.id()).await;
            [shown["quotas"][0]["used"].clone(), shown["quotas"][1]["used"].clone()]
        };
        until(async || stands().await == [used, 4]).await;
    }
}

#[tokio::test]
async fn without_the_database_it_uses_what_is_reserved_and_then_refuses() {
    let keyway = Keyway::start(&scheme(&[quota(320, "day", "credential")])).await;
    let account = keyway.account().await;
    let made = key(&keyway, &account, "live").await;
    let (key, stranger) = (made.shown("key"), key(&keyway, &account, "live").await.shown("key"));
    assert_eq!(reason(&keyway, &key).await, "allowed");
    let editor = keyway.database.editor();
    editor.must("ALTER TABLE quotas RENAME TO away");
    assert_eq!(reason(&keyway, &stranger).await, "unavailable", "nothing is reserved for it");
    let mut passed = 1;
    let answer = loop {
        match ask(&keyway, &key).await {
            Ok(_) => passed += 1,
            Err(answer) => break answer,
        }
        assert!(passed < 320, "it is refused before the quota ends");
    };
    assert_eq!(passed, 10, "a thirty-second part");
    assert_eq!(answer["reason"], "unavailable");
    assert_eq!(answer["answer"]["status"], 503);
    assert_eq!(header(&answer, "retry-after"), "1");
    editor.must("ALTER TABLE away RENAME TO quotas");
    for key in [&key, &stranger] {
        assert_eq!(reason(&keyway, key).await, "allowed", "it is there again");
    }
    // What was refused is not counted.
    let used = async || keyway.show(&account, &made.id()).await["quotas"][0]["used"].clone();
    until(async || used().await == passed + 1).await;
}

#[tokio::test]
async fn a_request_that_hangs_on_the_database_is_refused_in_a_second() {
    let keyway = Keyway::start(&scheme(&[quota(10, "day", "credential")])).await;
    let account = keyway.account().await;
    let key = key(&keyway, &account, "live").await.shown("key");
    let editor = keyway.database.editor();
    editor.must("BEGIN");
    editor.must("DELETE FROM quotas");
    if keyway.database.is_on_server() {
        editor.must("LOCK TABLE quotas IN ACCESS EXCLUSIVE MODE");
    }
    let began = std::time::Instant::now();
    assert_eq!(reason(&keyway, &key).await, "unavailable");
    assert!(began.elapsed().as_millis() >= 900, "{:?}", began.elapsed());
    assert!(began.elapsed().as_secs() < 3, "{:?}", began.elapsed());
    // Many that are asked about together wait together.
    let began = std::time::Instant::now();
    let questions = vec![question(&key, "/mfi/invoices"); 20];
    let body = json!({ "questions": questions }).to_string();
    let answers = send(keyway.internal, "POST", "/v1/verify/batch", &[], &body).await.expect(200);
    assert_eq!(answers.text.matches("\"reason\":\"unavailable\"").count(), 20);
    assert!(began.elapsed().as_secs() < 3, "{:?}", began.elapsed());
    editor.must("COMMIT");
    until(async || reason(&keyway, &key).await == "allowed").await;
}

#[tokio::test]
async fn a_client_is_told_both_limits_and_when_to_come_back() {
    let quotas = [quota(2, "month", "account"), quota(100, "day", "credential")];
    let keyway = Keyway::start(&scheme(&quotas)).await;
    let account = keyway.account().await;
    let key = key(&keyway, &account, "live").await.shown("key");
    let policy = "\"default\";q=6000;w=60, \"account-month\";q=2;w=2592000, \
                  \"credential-day\";q=100;w=86400";
    for left in [1, 0] {
        let answer = ask(&keyway, &key).await.expect("it passes");
        assert_eq!(header(&answer, "ratelimit-policy"), policy);
        // From noon of 21 November.
        let (until_month, until_day) = (9 * 86_400 + 43_200, 43_200);
        let wanted = format!(
            "\"account-month\";r={left};t={until_month}, \"credential-day\";r={};t={until_day}",
            98 + left
        );
        let said = header(&answer, "ratelimit");
        assert!(said.starts_with("\"default\";r=599") && said.ends_with(&wanted), "{said}");
    }
    let answer = ask(&keyway, &key).await.expect_err("it is used up");
    assert_eq!(answer["reason"], "quota_exceeded");
    assert_eq!(answer["answer"]["status"], 429);
    assert_eq!(header(&answer, "retry-after"), (9 * 86_400 + 43_200).to_string());
    assert_eq!(header(&answer, "ratelimit-policy"), policy);
    assert!(header(&answer, "ratelimit").contains("\"account-month\";r=0;t=820800"));
    let body: Value =
        serde_json::from_str(answer["answer"]["body"].as_str().expect("a body")).expect("JSON");
    assert_eq!(body["code"], "quota_exceeded");
    assert_eq!(body["message"], "The quota is used up. Try again in 820800 s.");
    // At the API itself, in its process and over the network.
    for api in [keyway.api, keyway.remote_api] {
        let answer = bearer(api, "GET", "/mfi/invoices", &key).await.expect(429);
        assert_eq!(answer.header("retry-after"), Some("820800"));
        assert_eq!(answer.json()["code"], "quota_exceeded");
    }
    keyway.clock.advance_ms(10 * DAY);
    assert!(ask(&keyway, &key).await.is_ok());
}

/// A node with a quota of one request, and an account there.
async fn of_one(scheme: &str) -> (Keyway, String) {
    let keyway = Keyway::start(&format!("{scheme}\n{}", quota(1, "day", "account"))).await;
    let account = keyway.account().await;
    (keyway, account)
}

/// The second of two calls is refused by the platform's own code.
#[track_caller]
fn is_told(first: &Answer, second: Answer, code: impl Fn(&Value) -> &Value, word: &str) {
    assert_eq!(first.status, 200, "{}", first.text);
    let second = second.expect(429);
    assert_eq!(*code(&second.json()), word, "{}", second.text);
    assert_eq!(second.header("retry-after"), Some("43200"));
}

#[tokio::test]
async fn each_platform_says_it_in_its_own_words() {
    let live = |kind: &str| json!({ "kind": kind, "environment": "live", "name": "K", "grant": "everything" });
    let (keyway, account) = of_one("xendit").await;
    let body = json!({
        "kind": "secret", "environment": "live", "name": "K", "grant": { "balance": "read" },
    });
    let key = keyway.create(&account, body).await.expect(201).shown("key");
    let ask = async || basic(keyway.api, "GET", "/balance", (&key, ""), "").await;
    let (first, second) = (ask().await, ask().await);
    assert!(second.header("rate-limit-remaining").is_some(), "those of the rate limit only");
    is_told(&first, second, |body| &body["error_code"], "RATE_LIMIT_EXCEEDED");

    let (keyway, account) = of_one("xtopay").await;
    let body = json!({
        "kind": "client", "environment": "live", "name": "K", "grant": { "balance": "read" },
    });
    let made = keyway.create(&account, body).await.expect(201);
    let pair = (made.shown("client_id"), made.shown("client_secret"));
    let ask = async || basic(keyway.api, "GET", "/v1/balance", (&pair.0, &pair.1), "").await;
    let (first, second) = (ask().await, ask().await);
    assert!(second.header("ratelimit").is_some_and(|said| said.contains("\"account-day\";r=0")));
    is_told(&first, second, |body| &body["error"]["code"], "rate_limit_exceeded");

    let (keyway, account) = of_one("rapyd").await;
    let signer = Signer::of(&keyway.create(&account, live("signing")).await.expect(201));
    let ask = async || signer.call(&keyway, "GET", "/v1/data/countries", "").await;
    let (first, second) = (ask().await, ask().await);
    is_told(&first, second, |body| &body["status"]["error_code"], "TOO_MANY_REQUESTS");

    // A login is none of the requests that are counted.
    let (keyway, account) = of_one("airwallex").await;
    let body = json!({ "kind": "admin", "environment": "live", "name": "K" });
    let made = keyway.create(&account, body).await.expect(201);
    let (id, key) = (made.shown("client_id"), made.shown("key"));
    let headers = [("x-client-id", &*id), ("x-api-key", &*key)];
    let mut token = String::new();
    for _ in 0..3 {
        let login = send(keyway.api, "POST", "/api/v1/authentication/login", &headers, "").await;
        token = login.expect(201).json()["token"].as_str().expect("a token").to_owned();
    }
    let ask = async || bearer(keyway.api, "GET", "/api/v1/balances/current", &token).await;
    let (first, second) = (ask().await, ask().await);
    is_told(&first, second, |body| &body["code"], "too_many_requests");
}

#[tokio::test]
async fn a_gateway_is_answered_as_any_other_and_its_second_call_counts_nothing() {
    let keyway = Keyway::start(&scheme(&[quota(2, "day", "credential")])).await;
    let account = keyway.account().await;
    let made = key(&keyway, &account, "live").await;
    let authorization = format!("Bearer {}", made.shown("key"));
    let asked = async || {
        let headers = [
            ("authorization", &*authorization),
            ("x-original-method", "GET"),
            ("x-original-uri", "/mfi/invoices"),
            ("x-original-address", "203.0.113.7"),
        ];
        send(keyway.internal, "GET", "/authz/nginx", &headers, "").await
    };
    asked().await.expect(200);
    asked().await.expect(200);
    let refused = asked().await.expect(429);
    let denial = refused.header("x-keyway-denial").expect("it goes along").to_owned();
    let denial = [("x-keyway-denial", &*denial)];
    let shown = send(keyway.internal, "GET", "/authz/nginx/denial", &denial, "").await.expect(429);
    assert_eq!(shown.json()["code"], "quota_exceeded");
    assert_eq!(shown.header("retry-after"), Some("43200"));
    let shown = keyway.show(&account, &made.id()).await;
    assert_eq!(shown["quotas"][0]["used"], 2);
}

#[tokio::test]
async fn only_the_environment_that_it_names_is_counted() {
    let quotas =
        ["\n[[quotas]]\nenvironment = \"test\"\nrequests = 1\nper = \"day\"\nof = \"account\"\n"
            .to_owned()];
    let keyway = Keyway::start(&scheme(&quotas)).await;
    let account = keyway.account().await;
    let (live, test) = (key(&keyway, &account, "live").await, key(&keyway, &account, "test").await);
    assert_eq!(reason(&keyway, &test.shown("key")).await, "allowed");
    assert_eq!(reason(&keyway, &test.shown("key")).await, "quota_exceeded");
    for _ in 0..3 {
        assert_eq!(reason(&keyway, &live.shown("key")).await, "allowed");
    }
    assert_eq!(keyway.show(&account, &live.id()).await["quotas"], json!([]));
}

#[tokio::test]
async fn a_rotated_credential_has_what_is_left_and_not_all_of_it() {
    let scheme = format!("xtopay\n{}", quota(6, "day", "credential"));
    let keyway = Keyway::start(&scheme).await;
    let account = keyway.account().await;
    let body = json!({
        "kind": "client", "environment": "live", "name": "K", "grant": { "balance": "read" },
    });
    let made = keyway.create(&account, body).await.expect(201);
    let ask = async |shown: &Answer| {
        let (id, secret) = (shown.shown("client_id"), shown.shown("client_secret"));
        basic(keyway.api, "GET", "/v1/balance", (&id, &secret), "").await.status
    };
    for _ in 0..3 {
        assert_eq!(ask(&made).await, 200);
    }
    let rotated = keyway.act(&account, &made.id(), "rotate", json!({})).await.expect(200);
    for secret in [&made, &rotated, &rotated] {
        assert_eq!(ask(secret).await, 200);
    }
    for secret in [&made, &rotated] {
        assert_eq!(ask(secret).await, 429);
    }
}

#[tokio::test]
async fn a_credential_that_is_revoked_while_its_request_waits_is_refused() {
    let scheme = scheme(&[quota(10, "day", "credential")]);
    let keyway = Arc::new(Keyway::start(&scheme).await);
    if !keyway.database.is_on_server() {
        // On a file the revocation would wait behind the same lock.
        return;
    }
    let other = keyway.beside(&scheme).await;
    let account = keyway.account().await;
    let made = key(&keyway, &account, "live").await;
    let editor = keyway.database.editor();
    editor.must("BEGIN");
    editor.must("LOCK TABLE quotas IN ACCESS EXCLUSIVE MODE");
    let asked = {
        let (keyway, key) = (Arc::clone(&keyway), made.shown("key"));
        tokio::spawn(async move { reason(&keyway, &key).await })
    };
    let waits = "SELECT COUNT(*) FROM pg_locks
                 WHERE NOT granted AND relation = CAST('quotas' AS regclass)";
    until(async || editor.number(waits) == 1).await;
    let revoked = other.act(&account, &made.id(), "revoke", json!({})).await.expect(200).json();
    assert_eq!(revoked["effective"], "everywhere");
    editor.must("COMMIT");
    assert_eq!(asked.await.expect("it is answered"), "revoked");
}

#[tokio::test]
async fn a_follower_asks_about_each_request_that_a_quota_counts() {
    let quotas = [
        "\n[[quotas]]\nenvironment = \"live\"\nrequests = 3\nper = \"day\"\nof = \"credential\"\n"
            .to_owned(),
    ];
    let keyway = Keyway::start(&scheme(&quotas)).await;
    let account = keyway.account().await;
    let (live, test) = (key(&keyway, &account, "live").await, key(&keyway, &account, "test").await);
    let node = format!("http://{}", keyway.internal).parse().expect("a URL");
    let follower = Follower::start(Following::new(node)).await.expect("it joins");
    let passes = async |key: &str| {
        let mut headers = http::HeaderMap::new();
        headers.insert("authorization", format!("Bearer {key}").parse().expect("a header"));
        let question = keyway_guard::Question {
            method: &http::Method::GET,
            uri: &"/mfi/invoices".parse().expect("a path"),
            headers: &headers,
            environment: None,
            client_address: None,
            account: None,
            body: None,
        };
        match follower.verify(question).await {
            keyway_guard::Decision::Allowed(_) => 200,
            keyway_guard::Decision::Answered(answer) => answer.status,
        }
    };
    let judged = || keyway.app.decisions[0].load(std::sync::atomic::Ordering::Relaxed);
    for _ in 0..3 {
        assert_eq!(passes(&live.shown("key")).await, 200);
    }
    assert_eq!(judged(), 3, "each at the node");
    assert_eq!(passes(&live.shown("key")).await, 429);
    for _ in 0..3 {
        assert_eq!(passes(&test.shown("key")).await, 200);
    }
    assert_eq!(judged(), 4, "no quota counts these");
    follower.stop().await;
}

#[tokio::test]
async fn its_owner_sees_how_much_is_left_and_when_it_is_renewed() {
    let quotas = [quota(1000, "month", "account"), quota(50, "day", "credential")];
    let keyway = Keyway::start(&scheme(&quotas)).await;
    let mut browser = Browser::sign_up(&keyway, "ada@example.com").await;
    let account = account_of(&keyway, "ada@example.com").await;
    let made = key(&keyway, &account, "live").await;
    for _ in 0..3 {
        assert_eq!(reason(&keyway, &made.shown("key")).await, "allowed");
    }
    let used = async || keyway.show(&account, &made.id()).await["quotas"][0]["used"].clone();
    until(async || used().await == 3).await;
    let page = browser.get(&format!("/live/keys/{}", made.id())).await.expect(200);
    assert_eq!(text_of(&page.text, "quota").as_deref(), Some("Quota"));
    for said in ["3 of 1,000</b> this month", "by the whole account", "3 of 50</b> today"] {
        assert!(page.text.contains(said), "{said} in {}", page.text);
    }
    let shown = keyway.show(&account, &made.id()).await;
    assert_eq!(
        shown["quotas"][0],
        json!({ "name": "account-month", "environment": null, "requests": 1000, "used": 3,
            "renews_at": "2026-12-01T00:00:00Z" })
    );
    assert_eq!(shown["quotas"][1]["renews_at"], "2026-11-22T00:00:00Z");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn that_a_quota_is_used_up_is_told_once_a_period_over_all_nodes() {
    let scheme = scheme(&[quota(30, "day", "account"), quota(20, "day", "credential")]);
    let keyway = Keyway::start(&scheme).await;
    Browser::sign_up(&keyway, "ada@example.com").await;
    let account = account_of(&keyway, "ada@example.com").await;
    let (one, other) = (key(&keyway, &account, "live").await, key(&keyway, &account, "live").await);
    let mut nodes = Vec::new();
    if keyway.database.is_on_server() {
        nodes.push(Arc::new(keyway.beside(&scheme).await));
    }
    let keyway = Arc::new(keyway);
    nodes.push(Arc::clone(&keyway));
    let told = async || {
        let page = keyway.get(&format!("/v1/accounts/{account}/events?type=quota.exhausted")).await;
        let events = page.expect(200).json()["data"].as_array().expect("a list").clone();
        let of = |event: &Value| {
            format!("{} {}", event["subject"], event["after"]["renews_at"]).replace('"', "")
        };
        events.iter().map(of).collect::<Vec<_>>()
    };
    for until_day in ["2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z"] {
        for made in [&one, &other] {
            passed(&nodes, &made.shown("key"), 60).await;
        }
        for subject in [&one.id(), &account] {
            until(async || told().await.contains(&format!("{subject} {until_day}"))).await;
        }
        passed(&nodes, &other.shown("key"), 20).await;
        let mut told = told().await;
        let all = told.len();
        told.sort();
        told.dedup();
        assert_eq!(told.len(), all, "each once: {told:?}");
        nodes.iter().for_each(|node| node.clock.advance_ms(DAY));
    }
    let events = told().await.len();
    let letters = keyway.mail().await;
    let letters = letters.iter().filter(|letter| letter.contains("used up its quota"));
    assert_eq!(letters.count(), events, "the owner has a letter on each");
}
