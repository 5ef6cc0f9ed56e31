//! What is sent, and what of an honest answer is kept.

use std::sync::Arc;
use std::sync::Mutex;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use keyway_domain::time::Time;
use keyway_server::outbound::{Outbound, Sent};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::harness::{ALLOWED, AMPLE, Names, Server, answering, outbound, post, read_request};

/// A server that keeps what it was sent.
async fn recording() -> (Server, Arc<Mutex<Vec<String>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&seen);
    let play = move |mut stream: TcpStream| {
        let seen = Arc::clone(&seen);
        async move {
            let request = read_request(&mut stream).await?;
            seen.lock().unwrap().push(request);
            // It would keep the connection open: closing it is up to the caller.
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await?;
            assert!(read_request(&mut stream).await.is_err());
            stream.write_all(b"").await
        }
    };
    (Server::start(ALLOWED, 0, play).await.unwrap(), kept)
}

#[tokio::test]
async fn a_request_is_what_the_caller_said_in_our_frame() {
    let (server, seen) = recording().await;
    let header = |name: &'static str, value: &'static str| {
        (HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    let headers = [
        header("content-type", "application/json"),
        header("webhook-id", "evt_1"),
        header("host", "other.example"),
        header("content-length", "99"),
        header("transfer-encoding", "chunked"),
        header("connection", "keep-alive, webhook-id"),
        header("user-agent", "other"),
        header("accept-encoding", "gzip"),
        header("expect", "100-continue"),
    ];
    let outbound = outbound(&Arc::default(), AMPLE);
    let url = format!("{}a/b%20c?d=e&f", server.url());
    let sent = outbound.post(&url, &headers, Bytes::from_static(b"{\"a\":1}"), Time(0)).await;
    assert_eq!(sent.outcome.unwrap().status, 204);
    assert_eq!(sent.address, Some(ALLOWED.into()));
    let expected = format!(
        "POST /a/b%20c?d=e&f HTTP/1.1\r\ncontent-type: application/json\r\nwebhook-id: evt_1\r\n\
         host: {}\r\nuser-agent: Keyway/{}\r\nconnection: close\r\ncontent-length: 7\r\n\r\n\
         {{\"a\":1}}",
        server.address,
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(*seen.lock().unwrap(), [expected]);
}

#[tokio::test]
async fn each_call_is_a_connection_of_its_own() {
    let (server, _) = recording().await;
    let outbound = outbound(&Arc::default(), AMPLE);
    for _ in 0..3 {
        post(&outbound, &server.url()).await.outcome.unwrap();
    }
    assert_eq!(server.connections().await, 3);
}

#[tokio::test]
async fn an_empty_body_is_sent_with_its_length() {
    let (server, seen) = recording().await;
    let outbound = outbound(&Arc::default(), AMPLE);
    outbound.post(&server.url(), &[], Bytes::new(), Time(0)).await.outcome.unwrap();
    assert!(seen.lock().unwrap()[0].contains("content-length: 0\r\n"));
}

#[tokio::test]
async fn a_refusal_is_an_answer_with_its_pause_headers_and_body() {
    let server = answering(
        "HTTP/1.1 503 Busy\r\nretry-after: Thu, 01 Jan 1970 00:01:00 GMT\r\nset-cookie: sid=1\r\n\
         x-reason: b\u{9b}usy\r\ncontent-length: 9\r\n\r\ncome\0back",
    )
    .await;
    let answer = post(&outbound(&Arc::default(), AMPLE), &server.url()).await.outcome.unwrap();
    assert_eq!((answer.status, answer.body.as_str(), answer.truncated), (503, "come␀back", false));
    // From the start of the call at 0; what the call took is deducted.
    let pause = answer.retry_after_ms.unwrap();
    assert!((40_000..=60_000).contains(&pause), "{pause}");
    let names: Vec<_> = answer.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["retry-after", "x-reason", "content-length"]);
    assert_eq!(answer.headers[1].1, "b\u{fffd}usy");
}

#[tokio::test]
async fn the_next_address_is_tried_when_one_refuses() {
    let server = answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let names = Arc::new(Names::default());
    names.set("two.example", &[&["127.0.0.3", "127.0.0.2"]]);
    let allowed = vec!["127.0.0.2/31".parse().unwrap()];
    let resolver: Arc<Names> = Arc::clone(&names);
    let outbound = Outbound::with_roots(allowed, resolver, crate::harness::roots()).unwrap();
    let url = format!("http://two.example:{}/", server.address.port());
    let sent = post(&outbound.allow_http().times(AMPLE), &url).await;
    assert_eq!(sent.outcome.unwrap().status, 200);
    assert_eq!(sent.address, Some(ALLOWED.into()));
}

#[tokio::test]
async fn http_is_not_called_unless_it_is_allowed() {
    let outbound =
        Outbound::with_roots(Vec::new(), Arc::<Names>::default(), crate::harness::roots());
    let sent = post(&outbound.unwrap(), "http://8.8.8.8/").await;
    assert_eq!(sent.outcome.unwrap_err().as_str(), "bad_url");
    assert_eq!(sent.address, None);
}

#[test]
fn a_call_can_be_made_on_any_thread() {
    fn sent(_: impl Future<Output = Sent> + Send) {}
    let outbound = outbound(&Arc::default(), AMPLE);
    sent(outbound.post("http://127.0.0.1/", &[], Bytes::new(), Time(0)));
}
