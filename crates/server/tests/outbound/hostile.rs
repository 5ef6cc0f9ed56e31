//! Servers that send nothing, too much, too slowly, or something else.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use keyway_domain::limits::OUTBOUND_ANSWER_BYTES_MAX;
use keyway_domain::time::Time;
use keyway_server::outbound::{Answers, Outbound, Phase, Resolver, Times, Trouble};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{ALLOWED, AMPLE, Names, SHORT, Server, outbound, post, read_request, roots};

const OK: &str = "HTTP/1.1 200 OK\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

/// What a server does after it has read the request.
#[derive(Clone, Default)]
struct Play {
    first: Vec<u8>,
    /// Sent again and again, without a pause or one byte at a time.
    again: Vec<u8>,
    drips: bool,
    /// Whether the connection stays open at the end.
    holds: bool,
}

fn sends(first: impl AsRef<[u8]>) -> Play {
    Play { first: first.as_ref().to_vec(), ..Play::default() }
}

impl Play {
    fn again(self, again: impl AsRef<[u8]>) -> Self {
        Self { again: again.as_ref().to_vec(), ..self }
    }

    fn dripping(self) -> Self {
        Self { drips: true, ..self }
    }

    fn holding(self) -> Self {
        Self { holds: true, ..self }
    }

    async fn act(self, mut stream: TcpStream, sent: Arc<AtomicU64>) -> io::Result<()> {
        read_request(&mut stream).await?;
        stream.write_all(&self.first).await?;
        let mut pace = tokio::time::interval(Duration::from_millis(10));
        if self.drips {
            for byte in self.again.iter().cycle() {
                pace.tick().await;
                stream.write_all(&[*byte]).await?;
            }
        }
        while !self.again.is_empty() {
            stream.write_all(&self.again).await?;
            sent.fetch_add(self.again.len() as u64, Ordering::SeqCst);
        }
        if self.holds {
            stream.read_to_end(&mut Vec::new()).await?;
        }
        stream.shutdown().await
    }

    async fn start(self) -> (Server, Arc<AtomicU64>) {
        let sent = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&sent);
        let play = move |stream| self.clone().act(stream, Arc::clone(&count));
        (Server::start(ALLOWED, 0, play).await.unwrap(), sent)
    }
}

/// Each of these is ended by what it sends, long before time is up.
#[tokio::test]
async fn what_is_not_an_answer_is_named() {
    use Trouble::{Closed, Garbled, TooLarge};
    let many: String = (0..101).map(|n| format!("x-{n}: 1\r\n")).collect();
    let cases = [
        ("hangs up at once", sends(""), Closed),
        ("hangs up in the head", sends("HTTP/1.1 200 OK\r\ncontent-le"), Closed),
        ("hangs up in the body", sends(format!("{OK}content-length: 99\r\n\r\nhalf")), Closed),
        ("hangs up in a chunk", sends(format!("{CHUNKED}10\r\nhalf")), Closed),
        ("hangs up before the last chunk", sends(format!("{CHUNKED}4\r\nhalf\r\n")), Closed),
        ("a megabyte of header", sends(format!("{OK}x: {}", "a".repeat(1 << 20))), TooLarge),
        ("endless headers", sends(OK).again("x-a: aaaaaaaaaaaaaaaa\r\n"), TooLarge),
        ("endless header name", sends(OK).again("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), TooLarge),
        ("101 headers", sends(format!("{OK}{many}\r\n")), TooLarge),
        ("endless 100", sends("").again("HTTP/1.1 100 Continue\r\n\r\n"), TooLarge),
        ("endless 103", sends("").again("HTTP/1.1 103 E\r\nlink: </a>\r\n\r\n"), TooLarge),
        ("another protocol", sends("SSH-2.0-OpenSSH_9.9\r\n").holding(), Garbled),
        ("noise", sends([0xff, 0, 1, 2, 3, 0x80, 10, 13]).holding(), Garbled),
        ("TLS", sends([0x15, 3, 3, 0, 2, 2, 40]).holding(), Garbled),
        ("HTTP/0.9", sends("<html>hello</html>"), Garbled),
        ("HTTP/2", sends("HTTP/2.0 200 OK\r\n\r\n"), Garbled),
        ("no status", sends("HTTP/1.1 abc OK\r\n\r\n"), Garbled),
        ("a status of two digits", sends("HTTP/1.1 20 OK\r\n\r\n"), Garbled),
        ("a NUL in a header", sends(format!("{OK}a: b\0c\r\n\r\n")), Garbled),
        ("a header without a name", sends(format!("{OK}: b\r\n\r\n")), Garbled),
        ("a folded header", sends(format!("{OK}a: b\r\n c\r\n\r\n")), Garbled),
        ("a negative length", sends(format!("{OK}content-length: -1\r\n\r\n")), Garbled),
        ("a huge length", sends(format!("{OK}content-length: {}9\r\n\r\n", u64::MAX)), Garbled),
        (
            "two lengths",
            sends(format!("{OK}content-length: 1\r\ncontent-length: 2\r\n\r\nab")),
            Garbled,
        ),
        ("no chunk size", sends(format!("{CHUNKED}zz\r\n")).holding(), Garbled),
        ("a huge chunk size", sends(format!("{CHUNKED}{}\r\n", "F".repeat(17))).holding(), Garbled),
        ("a chunk longer than it says", sends(format!("{CHUNKED}1\r\nabc\r\n")).holding(), Garbled),
        ("endless chunk extension", sends(format!("{CHUNKED}1;")).again("aaaaaaaaaa"), Garbled),
        ("endless trailers", sends(format!("{CHUNKED}0\r\n")).again("x-a: aaaaaaaa\r\n"), Garbled),
    ];
    let outbound = outbound(&Arc::default(), AMPLE);
    let mut wrong = Vec::new();
    for (name, play, expected) in cases {
        let (server, _) = play.start().await;
        let sent = post(&outbound, &server.url()).await;
        if sent.outcome != Err(expected.clone()) {
            wrong.push(format!("{name}: {expected:?} expected, not {:?}", sent.outcome));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn what_hangs_or_drips_is_ended_by_the_time_limit() {
    let dripping_head = sends("").again("HTTP/1.1 200 OK\r\nx-drip: aaaaaaaaaaaaaaaaaaaaaaa");
    let dripping_chunks = sends(CHUNKED).again("1\r\na\r\n");
    let length = format!("{OK}content-length: 99\r\n\r\nhalf");
    let cases = [
        ("says nothing", sends("").holding(), Phase::Head),
        ("stops in the head", sends(format!("{OK}content-le")).holding(), Phase::Head),
        ("drips a head", dripping_head.dripping(), Phase::Head),
        (
            "drips interim answers",
            sends("").again("HTTP/1.1 102 P\r\n\r\n").dripping(),
            Phase::Head,
        ),
        ("drips a body", sends(format!("{OK}\r\n")).again("a").dripping(), Phase::Body),
        ("drips chunks", dripping_chunks.dripping(), Phase::Body),
        ("says it is longer", sends(length).holding(), Phase::Body),
        (
            "stops before the last chunk",
            sends(format!("{CHUNKED}1\r\na\r\n")).holding(),
            Phase::Body,
        ),
    ];
    let outbound = outbound(&Arc::default(), SHORT);
    for (name, play, phase) in cases {
        let (server, _) = play.start().await;
        let sent = post(&outbound, &server.url()).await;
        assert_eq!(sent.outcome, Err(Trouble::TimedOut(phase)), "{name}");
        assert!((300..2_300).contains(&sent.took_ms), "{name}: {} ms", sent.took_ms);
        assert_eq!(sent.address, Some(ALLOWED.into()), "{name}");
    }
}

#[tokio::test]
async fn an_answer_without_end_is_read_to_its_limit_and_dropped() {
    let gibibyte = format!("{OK}content-length: {}\r\n\r\n", 1u64 << 30);
    let block = "a".repeat(64 * 1024);
    let cases = [
        ("1 GiB", sends(gibibyte).again(&block)),
        ("until it closes", sends(format!("{OK}\r\n")).again(&block)),
        ("endless chunks", sends(CHUNKED).again(format!("10000\r\n{block}\r\n"))),
        ("one huge chunk", sends(format!("{CHUNKED}FFFFFFFFFFFF\r\n")).again(&block)),
        ("chunks of a byte", sends(CHUNKED).again("1\r\na\r\n".repeat(1_000))),
        ("control characters", sends(format!("{OK}\r\n")).again([0; 4096])),
        ("bytes that are not UTF-8", sends(format!("{OK}\r\n")).again([0xff; 4096])),
    ];
    let outbound = outbound(&Arc::default(), AMPLE);
    for (name, play) in cases {
        let (server, sent_bytes) = play.start().await;
        let answer = post(&outbound, &server.url()).await.outcome.unwrap();
        assert!(answer.truncated, "{name}");
        let length = answer.body.len();
        assert!((16 * 1024..=OUTBOUND_ANSWER_BYTES_MAX).contains(&length), "{name}: {length}");
        // What the buffers of the system take besides is a few MiB.
        let sent_bytes = sent_bytes.load(Ordering::SeqCst);
        assert!(sent_bytes < 64 << 20, "{name}: {sent_bytes} bytes were taken");
    }
}

#[tokio::test]
async fn what_is_odd_but_an_answer_is_kept_as_it_is() {
    let cases = [
        (
            "shorter than it is",
            format!("{OK}content-length: 5\r\n\r\nhello and more"),
            200,
            "hello",
        ),
        ("until it closes", "HTTP/1.0 500 X\r\n\r\nhello".into(), 500, "hello"),
        (
            "interim answers",
            format!("HTTP/1.1 100 C\r\n\r\n{OK}content-length: 1\r\n\r\na"),
            200,
            "a",
        ),
        ("a body without a right to be", "HTTP/1.1 204 N\r\n\r\nhello".into(), 204, ""),
        ("another protocol", "HTTP/1.1 101 S\r\nupgrade: x\r\n\r\nhello".into(), 101, ""),
        ("a status nobody knows", "HTTP/1.1 999 X\r\ncontent-length: 0\r\n\r\n".into(), 999, ""),
    ];
    let outbound = outbound(&Arc::default(), AMPLE);
    for (name, answer, status, body) in cases {
        let (server, _) = sends(answer).start().await;
        let answer = post(&outbound, &server.url()).await.outcome.unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (status, body), "{name}");
        assert!(!answer.truncated, "{name}");
    }
}

#[tokio::test]
async fn what_is_compressed_is_not_unpacked() {
    let mut answer =
        format!("{OK}content-encoding: gzip\r\ncontent-length: 10\r\n\r\n").into_bytes();
    answer.extend([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);
    let (server, _) = sends(answer).start().await;
    let answer = post(&outbound(&Arc::default(), AMPLE), &server.url()).await.outcome.unwrap();
    assert!(answer.body.starts_with("␟\u{fffd}␈␀"), "{}", answer.body);
}

#[tokio::test]
async fn a_server_that_does_not_read_is_ended_by_the_time_limit() {
    let play = |mut stream: TcpStream| async move {
        // One byte, and then it waits for the end of a connection that it does not read.
        stream.read_u8().await?;
        std::future::pending().await
    };
    let server = Server::start(ALLOWED, 0, play).await.unwrap();
    let body = Bytes::from(vec![b'a'; 32 << 20]);
    let sent = outbound(&Arc::default(), SHORT).post(&server.url(), &[], body, Time(0)).await;
    assert_eq!(sent.outcome, Err(Trouble::TimedOut(Phase::Head)));
}

#[tokio::test]
async fn nobody_there_and_no_name_are_told_apart() {
    let (server, _) = sends("").start().await;
    let names = Arc::new(Names::default());
    names.set("empty.example", &[&[]]);
    let outbound = outbound(&names, AMPLE);
    // A port that is taken, so that no other test gets it, and on which nobody listens.
    let taken = tokio::net::TcpSocket::new_v4().unwrap();
    taken.bind(std::net::SocketAddr::from((ALLOWED, 0))).unwrap();
    let free = taken.local_addr().unwrap();
    for (url, trouble, tried) in [
        (format!("http://{free}/"), Trouble::Refused, true),
        (format!("https://{free}/"), Trouble::Refused, true),
        ("http://unknown.example/".into(), Trouble::NoAddress, false),
        ("http://empty.example/".into(), Trouble::NoAddress, false),
    ] {
        let sent = post(&outbound, &url).await;
        assert_eq!(sent.outcome, Err(trouble), "{url}");
        assert_eq!(sent.address.is_some(), tried, "{url}");
    }
    assert_eq!(server.connections().await, 0);
}

/// A resolver that never answers.
struct Silent;

impl Resolver for Silent {
    fn addresses<'a>(&'a self, _: &'a str) -> Answers<'a> {
        Box::pin(std::future::pending::<io::Result<Vec<IpAddr>>>())
    }
}

#[tokio::test]
async fn a_look_up_without_end_is_ended_by_the_connect_limit() {
    let outbound = Outbound::with_roots(Vec::new(), Arc::new(Silent), roots()).unwrap();
    let times = Times { connect: Duration::from_millis(50), ..AMPLE };
    let sent = post(&outbound.times(times), "https://hangs.example/").await;
    assert_eq!(sent.outcome, Err(Trouble::TimedOut(Phase::LookUp)));
    assert!((50..2_050).contains(&sent.took_ms), "{} ms", sent.took_ms);
}

#[tokio::test]
async fn a_connection_is_closed_when_the_caller_goes_away() {
    let (gone, waiting) = tokio::sync::oneshot::channel();
    let gone = Arc::new(std::sync::Mutex::new(Some(gone)));
    let play = move |mut stream: TcpStream| {
        let gone = gone.lock().unwrap().take();
        async move {
            read_request(&mut stream).await?;
            stream.read_to_end(&mut Vec::new()).await.ok();
            gone.map(|gone| gone.send(()).ok());
            Ok(())
        }
    };
    let server = Server::start(ALLOWED, 0, play).await.unwrap();
    let outbound = outbound(&Arc::default(), AMPLE);
    let url = server.url();
    let call = post(&outbound, &url);
    assert!(tokio::time::timeout(Duration::from_millis(100), call).await.is_err());
    waiting.await.unwrap();
}
