//! Processes that follow a node and verify by themselves: what a call takes away is refused there,
//! too, when the call returns.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Uri};
use keyway_client::{Follower, Following};
use keyway_guard::{Decision, Identity, Question, Verifier};
use keyway_server::followers::FOLLOWERS_MAX;
use keyway_testbed::{Flow, Proxy};
use serde_json::{Value, json};

use crate::harness::{Answer, DAY, Keyway, send, until};

const SCHEME: &str = "enterprise";
const TARGET: &str = "/mfi/invoices";

/// A request that a follower is asked about.
#[derive(Clone, Copy)]
struct Asked<'a> {
    method: &'a str,
    target: &'a str,
    headers: &'a [(&'a str, &'a str)],
    environment: Option<&'a str>,
    address: Option<&'a str>,
    account: Option<&'a str>,
}

impl Default for Asked<'_> {
    fn default() -> Self {
        let (environment, address, account) = (None, None, None);
        Self { method: "GET", target: TARGET, headers: &[], environment, address, account }
    }
}

impl Asked<'_> {
    async fn of(&self, verifier: &impl Verifier) -> Decision {
        let mut headers = HeaderMap::new();
        for (name, value) in self.headers {
            let name: HeaderName = name.parse().expect("a name");
            headers.append(name, HeaderValue::from_str(value).expect("a value"));
        }
        let question = Question {
            method: &self.method.parse::<Method>().expect("a method"),
            uri: &self.target.parse::<Uri>().expect("a target"),
            headers: &headers,
            environment: self.environment,
            client_address: self.address.map(|address| address.parse().expect("an address")),
            account: self.account,
            body: None,
        };
        verifier.verify(question).await
    }

    /// The same over `POST /v1/verify`.
    async fn at(&self, keyway: &Keyway) -> Value {
        let mut question =
            json!({ "method": self.method, "path": self.target, "headers": self.headers });
        for (name, value) in [
            ("environment", self.environment),
            ("client_address", self.address),
            ("account", self.account),
        ] {
            if let Some(value) = value {
                question[name] = value.into();
            }
        }
        keyway.verify(question).await.json()
    }
}

fn bearer(key: &str) -> HeaderMap {
    let value = HeaderValue::from_str(&format!("Bearer {key}")).expect("a key is visible text");
    HeaderMap::from_iter([(AUTHORIZATION, value)])
}

/// Whether a request with a key passes; the status of its refusal if not.
async fn asks(follower: &Follower, key: &str) -> Result<Identity, u16> {
    let (method, uri, headers) = (Method::GET, Uri::from_static(TARGET), bearer(key));
    let question = Question {
        method: &method,
        uri: &uri,
        headers: &headers,
        environment: None,
        client_address: None,
        account: None,
        body: None,
    };
    match follower.verify(question).await {
        Decision::Allowed(passed) => Ok(passed.identity),
        Decision::Answered(answer) => Err(answer.status),
    }
}

async fn follow(keyway: &Keyway) -> Follower {
    let node = format!("http://{}", keyway.internal).parse().expect("a URL");
    Follower::start(Following::new(node)).await.expect("it joins")
}

async fn key(keyway: &Keyway, account: &str) -> Answer {
    let body = json!({ "kind": "key", "environment": "live", "name": "K", "grant": "everything" });
    keyway.create(account, body).await.expect(201)
}

/// How often the node has judged a merchant's request.
fn judged(keyway: &Keyway) -> u64 {
    keyway.app.decisions.iter().map(|count| count.load(Ordering::Relaxed)).sum()
}

#[tokio::test]
async fn a_credential_is_asked_about_once_and_counted_each_time() {
    let keyway = Keyway::start(SCHEME).await;
    let follower = follow(&keyway).await;
    let account = keyway.account().await;
    let made = key(&keyway, &account).await;
    let before = judged(&keyway);
    let asked = async || {
        let passed = asks(&follower, &made.shown("key")).await.expect("it passes");
        Identity { rate: None, ..passed }
    };
    let first = asked().await;
    for _ in 0..200 {
        let next = asked().await;
        assert_ne!(next.request_id, first.request_id);
        assert_eq!(Identity { request_id: first.request_id.clone(), ..next }, first);
    }
    assert_eq!(judged(&keyway) - before, 1, "calls to the node");
    follower.stop().await;
    keyway.flush().await;
    let path = format!("/v1/accounts/{account}/credentials/{}/usage", made.id());
    let usage = keyway.get(&path).await.expect(200).json();
    assert_eq!(usage["data"][0]["outcome"], "allowed", "{usage}");
    assert_eq!(usage["data"][0]["requests"], 201, "{usage}");
    assert!(!follower.is_following());
    assert!(asks(&follower, &made.shown("key")).await.is_ok(), "it asks now");
    assert_eq!(judged(&keyway) - before, 2);
}

#[tokio::test]
async fn as_many_clients_as_are_kept_apart_are_counted_each() {
    const CLIENTS: u16 = 4_000;
    let keyway = Keyway::start(SCHEME).await;
    let follower = follow(&keyway).await;
    let account = keyway.account().await;
    let made = key(&keyway, &account).await;
    let key = format!("Bearer {}", made.shown("key"));
    assert!(asks(&follower, &made.shown("key")).await.is_ok());
    // The longest name that is told, of what takes the most bytes to tell.
    let client = "\"".repeat(200);
    for number in 0..CLIENTS {
        let address = format!("2001:db8:1111:2222:3333:4444:5555:{:x}", 0x1000 + number);
        let headers = [("authorization", &*key), ("user-agent", &client)];
        let asked = Asked { headers: &headers, address: Some(&address), ..Asked::default() };
        assert!(matches!(asked.of(&follower).await, Decision::Allowed(_)), "client {number}");
    }
    follower.stop().await;
    keyway.flush().await;
    let path = format!("/v1/accounts/{account}/credentials/{}/usage", made.id());
    let usage = keyway.get(&path).await.expect(200).json();
    let requests = usage["data"].as_array().expect("a list").iter().map(|one| &one["requests"]);
    assert_eq!(requests.filter_map(Value::as_u64).sum::<u64>(), u64::from(CLIENTS) + 1, "{usage}");
}

#[tokio::test]
async fn whatever_is_taken_away_is_refused_when_the_call_returns() {
    let keyway = Keyway::start(SCHEME).await;
    let follower = follow(&keyway).await;
    let account = keyway.account().await;
    let known = async || {
        let made = key(&keyway, &account).await;
        assert!(asks(&follower, &made.shown("key")).await.is_ok());
        assert!(asks(&follower, &made.shown("key")).await.is_ok());
        made
    };
    let made = known().await;
    let answer = keyway.act(&account, &made.id(), "revoke", json!({})).await.expect(200).json();
    assert_eq!(answer["effective"], "everywhere");
    assert_eq!(asks(&follower, &made.shown("key")).await, Err(401), "it was revoked");
    let made = known().await;
    let suspend = format!("/v1/accounts/{account}/suspend");
    keyway.post(&suspend, json!({})).await.expect(200);
    assert_eq!(asks(&follower, &made.shown("key")).await, Err(403), "the account is suspended");
    let resume = format!("/v1/accounts/{account}/resume");
    keyway.post(&resume, json!({})).await.expect(200);
    assert!(asks(&follower, &made.shown("key")).await.is_ok());
    let all = format!("/v1/accounts/{account}/credentials/revoke-all");
    keyway.post(&all, json!({})).await.expect(200);
    assert_eq!(asks(&follower, &made.shown("key")).await, Err(401), "all were revoked");
}

#[tokio::test]
async fn an_access_token_ends_with_its_revocation_and_with_its_pair() {
    let keyway = Keyway::start("xtopay").await;
    let follower = follow(&keyway).await;
    let account = keyway.account().await;
    let body = json!({
        "kind": "client", "environment": "live", "name": "Shop", "grant": { "balance": "read" },
    });
    let made = keyway.create(&account, body).await.expect(201);
    let (id, secret) = (made.shown("client_id"), made.shown("client_secret"));
    let basic = format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")));
    let call = async |path: &str, form: String| {
        let length = form.len();
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: {basic}\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {length}\r\n\r\n{form}"
        );
        crate::harness::send_raw(keyway.public, request.as_bytes()).await.expect(200)
    };
    let token = async || {
        let issued = call("/oauth/token", "grant_type=client_credentials".to_owned()).await.json();
        issued["access_token"].as_str().expect("a token").to_owned()
    };
    let (one, other) = (token().await, token().await);
    let asked = async |token: &str| {
        let value = format!("Bearer {token}");
        let headers = [("authorization", value.as_str())];
        let asked = Asked { target: "/v1/balance", headers: &headers, ..Asked::default() };
        matches!(asked.of(&follower).await, Decision::Allowed(_))
    };
    let before = judged(&keyway);
    for _ in 0..3 {
        assert!(asked(&one).await && asked(&other).await);
    }
    assert_eq!(judged(&keyway) - before, 2, "each is asked about once");
    call("/oauth/revoke", format!("token={one}")).await;
    assert!(!asked(&one).await, "it was revoked");
    assert!(asked(&other).await);
    keyway.act(&account, &made.id(), "revoke", json!({})).await.expect(200);
    assert!(!asked(&other).await, "its pair was revoked");
}

#[tokio::test]
async fn a_pair_is_refused_once_it_was_replaced_or_narrowed() {
    let keyway = Keyway::start("xtopay").await;
    let follower = follow(&keyway).await;
    let account = keyway.account().await;
    let body = json!({
        "kind": "client", "environment": "live", "name": "Shop",
        "grant": { "balance": "read", "payments": "read" },
    });
    let made = keyway.create(&account, body).await.expect(201);
    let asked = async |shown: &Answer| {
        let pair = format!("{}:{}", shown.shown("client_id"), shown.shown("client_secret"));
        let value = format!("Basic {}", STANDARD.encode(pair));
        let headers = [("authorization", value.as_str())];
        let asked = Asked { target: "/v1/balance", headers: &headers, ..Asked::default() };
        match asked.of(&follower).await {
            Decision::Allowed(_) => 200,
            Decision::Answered(answer) => answer.status,
        }
    };
    assert_eq!((asked(&made).await, asked(&made).await), (200, 200));
    let rotated = keyway.act(&account, &made.id(), "rotate", json!({})).await;
    let rotated = rotated.expect(200);
    assert_eq!((asked(&made).await, asked(&rotated).await), (200, 200), "both, for a while");
    keyway.act(&account, &made.id(), "finish", json!({})).await.expect(200);
    assert_eq!((asked(&made).await, asked(&rotated).await), (401, 200), "the old one was ended");
    let path = format!("/v1/accounts/{account}/credentials/{}", made.id());
    let narrow = json!({ "grant": { "payments": "read" } });
    keyway.manage("PATCH", &path, &narrow).await.expect(200);
    assert_eq!(asked(&rotated).await, 403, "it was narrowed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_passes_that_is_begun_after_a_revocation_returned() {
    const LIVES: usize = 100;
    let keyway = Arc::new(Keyway::start(SCHEME).await);
    let account = keyway.account().await;
    let followers = [follow(&keyway).await, follow(&keyway).await];
    let began = Instant::now();
    let now = move || u64::try_from(began.elapsed().as_nanos()).expect("a short test");
    for _ in 0..LIVES {
        let made = key(&keyway, &account).await;
        let secret = made.shown("key");
        let ended = Arc::new(AtomicU64::new(u64::MAX));
        let passed = Arc::new(AtomicU64::new(0));
        let clients: Vec<_> = (0..4)
            .map(|number| {
                let (follower, secret) = (followers[number % 2].clone(), secret.clone());
                let (ended, passed) = (Arc::clone(&ended), Arc::clone(&passed));
                tokio::spawn(async move {
                    loop {
                        let asked = now();
                        let is_over = ended.load(Ordering::SeqCst);
                        let passes = asks(&follower, &secret).await.is_ok();
                        assert!(!passes || asked <= is_over, "begun after the end, and passed");
                        passed.fetch_add(u64::from(passes), Ordering::SeqCst);
                        if asked > is_over {
                            return;
                        }
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        until(async || passed.load(Ordering::SeqCst) > 20).await;
        let answer = keyway.act(&account, &made.id(), "revoke", json!({})).await.expect(200).json();
        assert_eq!(answer["effective"], "everywhere");
        ended.store(now(), Ordering::SeqCst);
        for client in clients {
            client.await.expect("nothing old passes");
        }
    }
}

#[tokio::test]
async fn a_silent_follower_is_waited_out_and_answers_nothing_then() {
    let keyway = Keyway::start(SCHEME).await;
    let proxy = Proxy::start(keyway.internal).await.expect("a proxy");
    let node = format!("http://127.0.0.1:{}", proxy.port()).parse().expect("a URL");
    let follower = Follower::start(Following::new(node)).await.expect("it joins");
    let account = keyway.account().await;
    let (made, other) = (key(&keyway, &account).await, key(&keyway, &account).await);
    for made in [&made, &other] {
        assert!(asks(&follower, &made.shown("key")).await.is_ok());
    }
    proxy.set(Flow::Hold, Flow::Hold);
    assert!(asks(&follower, &made.shown("key")).await.is_ok(), "it has a loan");
    let began = Instant::now();
    let answer = keyway.act(&account, &made.id(), "revoke", json!({})).await.expect(200).json();
    assert_eq!(answer["effective"], "everywhere");
    assert!(began.elapsed() > Duration::from_millis(300), "{:?}", began.elapsed());
    assert!(!follower.is_following(), "its loan is over");
    assert_eq!(asks(&follower, &made.shown("key")).await, Err(503));
    proxy.heal(false);
    until(async || follower.is_following()).await;
    assert_eq!(asks(&follower, &made.shown("key")).await, Err(401));
    assert!(asks(&follower, &other.shown("key")).await.is_ok());
    let began = Instant::now();
    keyway.act(&account, &other.id(), "revoke", json!({})).await.expect(200);
    assert_eq!(asks(&follower, &other.shown("key")).await, Err(401));
    assert!(began.elapsed() < Duration::from_millis(900), "nobody is silent any more");
}

#[tokio::test]
async fn who_followed_a_process_that_was_killed_is_waited_for_by_the_next() {
    let keyway = Keyway::start_in_a_file(SCHEME).await;
    let follower = follow(&keyway).await;
    let account = keyway.account().await;
    let made = key(&keyway, &account).await;
    assert!(asks(&follower, &made.shown("key")).await.is_ok());
    // The same data under another address, as fast as can be.
    let keyway = keyway.restart(SCHEME).await;
    if keyway.database.is_on_server() {
        return;
    }
    let answer = keyway.act(&account, &made.id(), "revoke", json!({})).await.expect(200).json();
    assert_eq!(answer["effective"], "everywhere");
    assert!(asks(&follower, &made.shown("key")).await.is_err(), "its loan is over by then");
}

#[tokio::test]
async fn a_follower_of_one_node_hears_what_is_done_at_another() {
    let one = Keyway::start(SCHEME).await;
    if !one.database.is_on_server() {
        return;
    }
    let other = one.beside(SCHEME).await;
    let proxy = Proxy::start(other.internal).await.expect("a proxy");
    let node = format!("http://127.0.0.1:{}", proxy.port()).parse().expect("a URL");
    let follower = Follower::start(Following::new(node)).await.expect("it joins");
    let account = one.account().await;
    for _ in 0..20 {
        let made = key(&one, &account).await;
        for _ in 0..3 {
            assert!(asks(&follower, &made.shown("key")).await.is_ok());
        }
        let answer = one.act(&account, &made.id(), "revoke", json!({})).await.expect(200).json();
        assert_eq!(answer["effective"], "everywhere");
        assert_eq!(answer["nodes"], 2);
        assert_eq!(asks(&follower, &made.shown("key")).await, Err(401));
    }
    let made = key(&one, &account).await;
    assert!(asks(&follower, &made.shown("key")).await.is_ok());
    proxy.set(Flow::Hold, Flow::Hold);
    let answer = one.act(&account, &made.id(), "revoke", json!({})).await.expect(200).json();
    assert_eq!(answer["effective"], "everywhere");
    assert_eq!(asks(&follower, &made.shown("key")).await, Err(503), "it was waited out");
}

#[tokio::test]
async fn what_a_list_only_reports_is_asked_about_each_time_and_refused_when_that_call_returns() {
    let keyway = Keyway::start(SCHEME).await;
    let follower = follow(&keyway).await;
    let account = keyway.account().await;
    let body = json!({
        "kind": "key", "environment": "live", "name": "R", "grant": "everything",
        "addresses": ["203.0.113.0/24"], "address_mode": "report",
    });
    let made = keyway.create(&account, body).await.expect(201);
    let authorization = format!("Bearer {}", made.shown("key"));
    let headers = [("authorization", &*authorization)];
    let outside = Asked { headers: &headers, address: Some("198.51.100.1"), ..Asked::default() };
    let inside = Asked { address: Some("203.0.113.7"), ..outside };
    let reported = async |asked: Asked<'_>| match asked.of(&follower).await {
        Decision::Allowed(passed) => passed.identity.reported,
        Decision::Answered(answer) => panic!("refused: {answer:?}"),
    };
    let why = Some("address_not_allowed".to_owned());
    assert_eq!(reported(outside).await, why);
    assert_eq!(reported(inside).await, None, "that was true of the other request");
    let before = judged(&keyway);
    assert_eq!(reported(outside).await, why);
    assert_eq!(judged(&keyway), before + 1, "the node counts it");
    let path = format!("/v1/accounts/{account}/credentials/{}", made.id());
    keyway.manage("PATCH", &path, &json!({ "address_mode": "enforce" })).await.expect(200);
    assert!(
        matches!(outside.of(&follower).await, Decision::Answered(answer) if answer.status == 403)
    );
    assert_eq!(reported(inside).await, None);
    follower.stop().await;
}

#[tokio::test]
async fn it_judges_as_its_node_does() {
    let keyway = Keyway::start(SCHEME).await;
    let follower = follow(&keyway).await;
    let (account, stranger) = (keyway.account().await, keyway.account().await);
    let body = json!({
        "kind": "key", "environment": "live", "name": "R",
        "grant": ["invoices:read"], "addresses": ["203.0.113.0/24"],
    });
    let restricted = keyway.create(&account, body).await.expect(201).shown("key");
    let all = key(&keyway, &account).await.shown("key");
    let (restricted, all) = (format!("Bearer {restricted}"), format!("Bearer {all}"));
    let (restricted, all) = ([("authorization", &*restricted)], [("authorization", &*all)]);
    let twice = [all[0], all[0]];
    let secret = all[0].1.trim_start_matches("Bearer ");
    let in_url = format!("{TARGET}?key={secret}");
    let inside = Asked { headers: &restricted, address: Some("203.0.113.7"), ..Asked::default() };
    let free = Asked { headers: &all, ..Asked::default() };
    let cases = [
        inside,
        Asked { address: Some("198.51.100.1"), ..inside },
        Asked { address: None, ..inside },
        Asked { address: Some("::ffff:203.0.113.7"), ..inside },
        Asked { method: "POST", ..inside },
        Asked { method: "HEAD", ..inside },
        Asked { target: "/mfi/nowhere", ..inside },
        Asked { target: "/mfi/invoices/", ..inside },
        Asked { environment: Some("live"), ..inside },
        Asked { environment: Some("test"), ..inside },
        Asked { account: Some(&account), ..inside },
        Asked { account: Some(&stranger), ..inside },
        free,
        Asked { target: "/mfi/nowhere", ..free },
        Asked { target: "/mfi//invoices", ..free },
        Asked { target: "/mfi/%2e%2e/invoices", ..free },
        Asked { target: &in_url, ..free },
        Asked { headers: &twice, ..free },
        Asked { headers: &[], ..free },
    ];
    for (number, case) in cases.iter().enumerate() {
        // Twice: the second time it may know the credential.
        for _ in 0..2 {
            let theirs = case.at(&keyway).await;
            match case.of(&follower).await {
                Decision::Allowed(passed) => {
                    assert_eq!(theirs["allowed"], true, "case {number}");
                    let mut ours = serde_json::to_value(&passed.identity).expect("JSON");
                    let mut theirs = theirs["identity"].clone();
                    for other in ["request_id", "rate"] {
                        (ours[other], theirs[other]) = (Value::Null, Value::Null);
                    }
                    assert_eq!(ours, theirs, "case {number}");
                }
                Decision::Answered(answer) => {
                    assert_eq!(theirs["allowed"], false, "case {number}");
                    assert_eq!(theirs["answer"]["status"], answer.status, "case {number}");
                }
            }
        }
    }
    let soon = keyway.app.now().plus_ms(DAY);
    let body = json!({
        "kind": "key", "environment": "live", "name": "E", "grant": "everything",
        "expires_at": &soon.to_string()[..10],
    });
    let ends = keyway.create(&account, body).await.expect(201).shown("key");
    assert!(asks(&follower, &ends).await.is_ok());
    keyway.clock.advance_ms(DAY);
    until(async || asks(&follower, &ends).await == Err(401)).await;
}

#[tokio::test]
async fn a_rate_limit_holds_without_the_node() {
    let keyway = Keyway::start(SCHEME).await;
    let follower = follow(&keyway).await;
    let account = keyway.account().await;
    let body = json!({
        "kind": "key", "environment": "live", "name": "L", "grant": "everything",
        "rate_limit": { "requests": 5, "window_seconds": 3600 },
    });
    let answer = keyway.create(&account, body).await;
    let made = answer.expect(201);
    let key = made.shown("key");
    assert!(asks(&follower, &key).await.is_ok(), "the node's own count");
    let before = judged(&keyway);
    for left in (0..5).rev() {
        let passed = asks(&follower, &key).await.expect("within the limit");
        assert_eq!(passed.rate.expect("it has a limit").remaining, left);
    }
    for _ in 0..3 {
        assert_eq!(asks(&follower, &key).await, Err(429));
    }
    assert_eq!(judged(&keyway), before, "the node was not asked");
    // What changes about it gives nobody a new window.
    let path = format!("/v1/accounts/{account}/credentials/{}", made.id());
    keyway.manage("PATCH", &path, &json!({ "name": "Other" })).await.expect(200);
    assert!(asks(&follower, &key).await.is_ok(), "the node's own count");
    assert_eq!(asks(&follower, &key).await, Err(429));
    follower.stop().await;
    keyway.flush().await;
    let path = format!("/v1/accounts/{account}/credentials/{}/usage", made.id());
    let usage = keyway.get(&path).await.expect(200).json();
    let counted: Vec<_> =
        usage["data"].as_array().expect("a list").iter().map(|row| &row["requests"]).collect();
    assert_eq!(counted, [7, 4], "allowed, and refused: {usage}");
}

#[tokio::test]
async fn odd_questions_get_an_answer_and_change_nothing() {
    let keyway = Keyway::start(SCHEME).await;
    let ask = async |body: &str| send(keyway.internal, "POST", "/v1/follow", &[], body).await;
    for body in ["", "nothing", "7", "{\"follower\":7}", "{\"other\":1}"] {
        assert_eq!(ask(body).await.status, 400, "{body}");
    }
    for body in ["{\"follower\":\"z\"}", "{\"follower\":\"00000000000000000000000000000001\"}"] {
        let answer = ask(body).await.expect(404).json();
        assert_eq!(answer["code"], "unknown_follower");
    }
    let large = format!("{{\"follower\":\"{}\"}}", "0".repeat(5_000_000));
    assert_eq!(ask(&large).await.status, 413);
    let told = ask("{}").await.expect(200).json();
    let name = told["follower"].as_str().expect("a name");
    let ahead = told["place"].as_u64().expect("a place") + 1;
    let body = json!({ "follower": name, "applied": ahead }).to_string();
    assert_eq!(ask(&body).await.status, 404, "it says more than it was told");
    let used = json!({
        "slot": 4_000_000_000_u32, "credential": "cred_x", "secret": 1, "requests": 7, "at": 0,
        "needed": "identity",
    });
    let body = json!({ "follower": name, "applied": ahead - 1, "turn": 1, "used": [used] });
    ask(&body.to_string()).await.expect(200);
    let guarded = send(keyway.guarded_internal, "POST", "/v1/follow", &[], "{}").await;
    assert_eq!(guarded.status, 401, "beyond this machine it takes a token");
    let node: Uri = format!("http://{}", keyway.guarded_internal).parse().expect("a URL");
    assert!(Follower::start(Following::new(node.clone())).await.is_err());
    let with_token = Following::new(node).token(keyway.token.clone());
    Follower::start(with_token).await.expect("it joins with a token").stop().await;
    for _ in 1..FOLLOWERS_MAX {
        ask("{}").await.expect(200);
    }
    let refused = ask("{}").await.expect(503).json();
    assert_eq!(refused["code"], "too_many_followers");
}
