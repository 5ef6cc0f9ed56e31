//! URLs and names that are made to reach what must not be reached.

use std::net::Ipv6Addr;
use std::sync::Arc;

use keyway_server::outbound::check_url;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::harness::{
    ALLOWED, AMPLE, FORBIDDEN, Names, Server, answering, outbound, post, read_request,
};

/// What is typed (`{p}` is a port with listeners), the word of the trouble, and a part of its
/// sentence.
type Trick = (&'static str, &'static str, &'static str);

const ADDRESS: &str = "refused_address";
const URL: &str = "bad_url";

/// Spellings of IPv4 addresses.
const SPELLINGS: &[Trick] = &[
    ("http://127.0.0.1:{p}/", ADDRESS, "127.0.0.1 is a loopback"),
    ("http://127.1:{p}/", ADDRESS, "127.0.0.1 is a loopback"),
    ("http://127.0.1:{p}/", ADDRESS, "127.0.0.1 is a loopback"),
    ("http://2130706433:{p}/", ADDRESS, "127.0.0.1 is a loopback"),
    ("http://0x7f000001:{p}/", ADDRESS, "127.0.0.1 is a loopback"),
    ("http://0x7f.1:{p}/", ADDRESS, "127.0.0.1 is a loopback"),
    ("http://0X7F.0x0.0x0.0X1:{p}/", ADDRESS, "127.0.0.1 is a loopback"),
    ("http://017700000001:{p}/", ADDRESS, "127.0.0.1 is a loopback"),
    ("http://0177.0.0.1:{p}/", ADDRESS, "127.0.0.1 is a loopback"),
    ("http://0000000177.0x0.00.01:{p}/", ADDRESS, "127.0.0.1 is a loopback"),
    ("http://127.000.000.001:{p}/", ADDRESS, "127.0.0.1 is a loopback"),
    ("http://127.0.0.1.:{p}/", ADDRESS, "127.0.0.1 is a loopback"),
    ("http://0x7f.1.:{p}/", ADDRESS, "127.0.0.1 is a loopback"),
    ("http://127.255.255.254:{p}/", ADDRESS, "a loopback"),
    ("http://127.0.0.3:{p}/", ADDRESS, "a loopback"),
    ("http://0:{p}/", ADDRESS, "0.0.0.0 is an address of this network"),
    ("http://0x0:{p}/", ADDRESS, "0.0.0.0 is an address of this network"),
    ("http://0.0.0.0:{p}/", ADDRESS, "0.0.0.0 is an address of this network"),
    ("http://00.:{p}/", ADDRESS, "0.0.0.0 is an address of this network"),
    ("http://127.0.0.256:{p}/", URL, "not a valid name or address"),
    ("http://127.0.0.0.1:{p}/", URL, "not a valid name or address"),
    ("http://4294967296:{p}/", URL, "not a valid name or address"),
    ("http://0x:{p}/", ADDRESS, "0.0.0.0"),
    ("http://127.0.0.08:{p}/", URL, "not a valid name or address"),
    ("http://127..1:{p}/", URL, "not a valid name or address"),
];

/// Characters that become others while a host is read.
const CHARACTERS: &[Trick] = &[
    ("http://１２７.０.０.１:{p}/", ADDRESS, "127.0.0.1 is a loopback"),
    ("http://127。0。0。1:{p}/", ADDRESS, "127.0.0.1 is a loopback"),
    ("http://127．0．0．1:{p}/", ADDRESS, "127.0.0.1 is a loopback"),
    ("http://①②⑦.⓪.⓪.①:{p}/", ADDRESS, "127.0.0.1 is a loopback"),
    ("http://¹²⁷.⁰.⁰.¹:{p}/", ADDRESS, "127.0.0.1 is a loopback"),
    ("http://𝟏𝟐𝟕.𝟎.𝟎.𝟏:{p}/", ADDRESS, "127.0.0.1 is a loopback"),
    ("http://0𝐱7f.1:{p}/", ADDRESS, "127.0.0.1 is a loopback"),
    ("http://127.0.0.\u{ad}1:{p}/", ADDRESS, "127.0.0.1 is a loopback"),
    ("http://127.0.0.\u{200b}1:{p}/", ADDRESS, "127.0.0.1 is a loopback"),
    ("http://127%2e0%2E0%2e1:{p}/", ADDRESS, "127.0.0.1 is a loopback"),
    ("http://%31%32%37.0.0.1:{p}/", ADDRESS, "127.0.0.1 is a loopback"),
    ("http://%EF%BC%91%EF%BC%92%EF%BC%97.1:{p}/", ADDRESS, "127.0.0.1 is a loopback"),
    ("http://١٢٧.٠.٠.١:{p}/", URL, "not a valid name or address"),
    ("http://%6cocalhos%74:{p}/", ADDRESS, "127.0.0.1 is a loopback"),
    ("http://localhost:{p}/", ADDRESS, "127.0.0.1 is a loopback"),
    ("http://localhost.:{p}/", ADDRESS, "127.0.0.1 is a loopback"),
    ("http://LOCALHOST:{p}/", ADDRESS, "127.0.0.1 is a loopback"),
    ("http://ｌｏｃａｌｈｏｓｔ:{p}/", ADDRESS, "127.0.0.1 is a loopback"),
    ("http://ⓛocalhost:{p}/", ADDRESS, "127.0.0.1 is a loopback"),
    ("http://a.localhost:{p}/", ADDRESS, "127.0.0.1 is a loopback"),
    ("http://localhost%00.example:{p}/", URL, "not a valid name or address"),
    ("http://127.0.0.1%00.example:{p}/", URL, "not a valid name or address"),
    ("http://127.0.0.1%2f.example:{p}/", URL, "not a valid name or address"),
];

/// IPv6, and IPv4 inside it.
const SIX: &[Trick] = &[
    ("http://[::1]:{p}/", ADDRESS, "::1 is a loopback"),
    ("http://[0:0:0:0:0:0:0:1]:{p}/", ADDRESS, "::1 is a loopback"),
    ("http://[0000::0001]:{p}/", ADDRESS, "::1 is a loopback"),
    ("http://[::]:{p}/", ADDRESS, "unspecified"),
    ("http://[::ffff:127.0.0.1]:{p}/", ADDRESS, "127.0.0.1 is a loopback"),
    ("http://[::ffff:7f00:1]:{p}/", ADDRESS, "127.0.0.1 is a loopback"),
    ("http://[0:0:0:0:0:FFFF:7F00:0001]:{p}/", ADDRESS, "127.0.0.1 is a loopback"),
    ("http://[::ffff:0.0.0.0]:{p}/", ADDRESS, "0.0.0.0 is an address of this network"),
    ("http://[::ffff:169.254.169.254]/", ADDRESS, "link-local"),
    ("http://[::127.0.0.1]:{p}/", ADDRESS, "IPv4-compatible"),
    ("http://[::7f00:1]:{p}/", ADDRESS, "IPv4-compatible"),
    ("http://[::ffff:0:127.0.0.1]:{p}/", ADDRESS, "outside of the global"),
    ("http://[64:ff9b::7f00:1]:{p}/", ADDRESS, "64:ff9b::7f00:1 is a loopback"),
    ("http://[64:ff9b::127.0.0.1]:{p}/", ADDRESS, "a loopback"),
    ("http://[64:ff9b::10.0.0.1]:{p}/", ADDRESS, "a private"),
    ("http://[64:ff9b:1::7f00:1]:{p}/", ADDRESS, "local NAT64"),
    ("http://[2002:7f00:1::]:{p}/", ADDRESS, "6to4"),
    ("http://[2002:7f00:1::1]:{p}/", ADDRESS, "6to4"),
    ("http://[2001:0:7f00:1::]:{p}/", ADDRESS, "Teredo"),
    ("http://[2001:0:808:808::80ff:fffe]:{p}/", ADDRESS, "Teredo"),
    ("http://[fe80::1]:{p}/", ADDRESS, "link-local"),
    ("http://[fe80::1%25lo]:{p}/", URL, "not a valid name or address"),
    ("http://[::1%25lo]:{p}/", URL, "not a valid name or address"),
    ("http://[::1%lo]:{p}/", URL, "not a valid name or address"),
    ("http://[::1]x:{p}/", URL, ""),
    ("http://[127.0.0.1]:{p}/", URL, "not a valid name or address"),
    ("http://::1:{p}/", URL, ""),
    ("http://[fec0::1]:{p}/", ADDRESS, "site-local"),
    ("http://[fd00:ec2::254]/", ADDRESS, "unique local"),
    ("http://[ff02::1]:{p}/", ADDRESS, "multicast"),
    ("http://[2001:db8::1]:{p}/", ADDRESS, "documentation"),
    ("http://[3fff::1]:{p}/", ADDRESS, "documentation"),
    ("http://[5f00::1]:{p}/", ADDRESS, "outside of the global"),
    ("http://[100::1]:{p}/", ADDRESS, "outside of the global"),
];

/// Other networks that are not the internet.
const NETWORKS: &[Trick] = &[
    ("http://169.254.169.254/latest/meta-data/", ADDRESS, "metadata"),
    ("http://0xa9fea9fe/", ADDRESS, "metadata"),
    ("http://2852039166/", ADDRESS, "metadata"),
    ("http://0251.0376.0251.0376/", ADDRESS, "metadata"),
    ("http://100.100.100.200/", ADDRESS, "shared"),
    ("http://192.0.0.192/", ADDRESS, "protocol assignments"),
    ("http://168.63.129.16/", ADDRESS, "cloud"),
    ("https://10.0.0.1/", ADDRESS, "private"),
    ("https://172.31.255.255/", ADDRESS, "private"),
    ("https://192.168.1.1/", ADDRESS, "private"),
    ("https://198.19.0.1/", ADDRESS, "benchmarks"),
    ("https://203.0.113.5/", ADDRESS, "documentation"),
    ("https://224.0.0.1/", ADDRESS, "multicast"),
    ("https://240.0.0.1/", ADDRESS, "reserved"),
    ("https://255.255.255.255/", ADDRESS, "broadcast"),
];

/// URLs that two readers take apart in two ways, and other schemes.
const READINGS: &[Trick] = &[
    ("http://good@127.0.0.1:{p}/", URL, "user name"),
    ("http://good:pass@127.0.0.1:{p}/", URL, "user name"),
    ("http://@127.0.0.1:{p}/", URL, "user name"),
    ("http://good.example:80@127.0.0.1:{p}/", URL, "user name"),
    ("http://127.0.0.1:{p}\\@good.example/", URL, "backslash"),
    ("http://good.example\\@127.0.0.1:{p}/", URL, "backslash"),
    ("http:\\\\127.0.0.1:{p}\\", URL, "backslash"),
    ("http://good.example#@127.0.0.1:{p}/", URL, "#"),
    ("http://127.0.0.1:{p}#@good.example/", URL, "#"),
    ("http://good.example?@127.0.0.1:{p}/", "no_address", "no address"),
    ("http://good.example%40127.0.0.1:{p}/", URL, "not a valid name or address"),
    ("http://127.0.0.1\t:{p}/", URL, "control character"),
    ("http://loc\nalhost:{p}/", URL, "control character"),
    ("ht\rtp://127.0.0.1:{p}/", URL, "control character"),
    (" http://127.0.0.1:{p}/", URL, "space"),
    ("\0http://127.0.0.1:{p}/", URL, "control character"),
    ("http://good.example 127.0.0.1:{p}/", URL, "space"),
    ("http:127.0.0.1:{p}/", URL, "absolute"),
    ("http:/127.0.0.1:{p}/", URL, "absolute"),
    ("http:///127.0.0.1:{p}/", URL, "no host"),
    ("//127.0.0.1:{p}/", URL, "absolute"),
    ("127.0.0.1:{p}", URL, "absolute"),
    ("http://127.0.0.1:0/", URL, "port"),
    ("http://127.0.0.1:65536/", URL, "port"),
    ("http://127.0.0.1:{p}:80/", URL, "port"),
    ("http://127.0.0.1:{p}/%0d%0aHost:%20good.example", ADDRESS, "a loopback"),
    ("file:///etc/passwd", URL, "https://"),
    ("file://127.0.0.1:{p}/", URL, ""),
    ("ftp://127.0.0.1:{p}/", URL, "https://"),
    ("gopher://127.0.0.1:{p}/_POST%20/", URL, "https://"),
    ("dict://127.0.0.1:{p}/stat", URL, "https://"),
    ("ldap://127.0.0.1:{p}/", URL, "https://"),
    ("ws://127.0.0.1:{p}/", URL, "https://"),
    ("jar:http://127.0.0.1:{p}!/", URL, "https://"),
    ("data:text/plain,http://127.0.0.1:{p}/", URL, "https://"),
    ("javascript:fetch('http://127.0.0.1:{p}/')", URL, "https://"),
    ("unix:/run/docker.sock", URL, "https://"),
];

/// Names that pass when they are saved, and lead to a forbidden address when they are called.
const NAMES: &[Trick] = &[
    ("http://127.0.0.1.nip.example:{p}/", ADDRESS, "127.0.0.1 is a loopback"),
    ("http://moved.example:{p}/", ADDRESS, "127.0.0.1 is a loopback"),
    ("http://MOVED.example.:{p}/", ADDRESS, "127.0.0.1 is a loopback"),
    ("https://moved.example:{p}/", ADDRESS, "127.0.0.1 is a loopback"),
    ("http://mixed.example:{p}/", ADDRESS, "any such address"),
    ("http://mixed-other-way.example:{p}/", ADDRESS, "any such address"),
    ("http://mixed-six.example:{p}/", ADDRESS, "::1 is a loopback"),
    ("http://last-of-many.example:{p}/", ADDRESS, "127.0.0.1 is a loopback"),
    ("http://six.example:{p}/", ADDRESS, "::1 is a loopback"),
    ("http://mapped.example:{p}/", ADDRESS, "127.0.0.1 is a loopback"),
    ("http://nat64.example:{p}/", ADDRESS, "a loopback"),
    ("http://6to4.example:{p}/", ADDRESS, "6to4"),
    ("http://zero.example:{p}/", ADDRESS, "0.0.0.0 is an address of this network"),
    ("http://metadata.example/", ADDRESS, "metadata"),
    ("http://ip6-localhost:{p}/", ADDRESS, "::1 is a loopback"),
    ("http://localhost.localdomain:{p}/", ADDRESS, "127.0.0.1 is a loopback"),
    ("http://nobody.example:{p}/", "no_address", "no address"),
];

fn names() -> Arc<Names> {
    let names = Names::default();
    names.set("127.0.0.1.nip.example", &[&["127.0.0.1"]]);
    names.set("moved.example", &[&["127.0.0.1"]]);
    names.set("mixed.example", &[&["127.0.0.2", "127.0.0.1"]]);
    names.set("mixed-other-way.example", &[&["127.0.0.1", "127.0.0.2"]]);
    names.set("mixed-six.example", &[&["127.0.0.2", "::1"]]);
    let mut many = vec!["127.0.0.2"; 200];
    many.push("127.0.0.1");
    names.set("last-of-many.example", &[&many]);
    names.set("six.example", &[&["::1"]]);
    names.set("mapped.example", &[&["::ffff:127.0.0.1"]]);
    names.set("nat64.example", &[&["64:ff9b::7f00:1"]]);
    names.set("6to4.example", &[&["2002:7f00:1::"]]);
    names.set("zero.example", &[&["0.0.0.0"]]);
    names.set("metadata.example", &[&["169.254.169.254"]]);
    names.set("ip6-localhost", &[&["::1"]]);
    names.set("localhost.localdomain", &[&["127.0.0.1"]]);
    names.set("nobody.example", &[&[]]);
    Arc::new(names)
}

async fn greet(mut stream: TcpStream) -> std::io::Result<()> {
    read_request(&mut stream).await?;
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nreached").await
}

/// Listeners on one port of 127.0.0.1, 127.0.0.2, 127.0.0.3 and, where there is IPv6, ::1. The
/// port is free on the first, and almost always on the others.
async fn listeners() -> (u16, Vec<Server>) {
    for _ in 0..20 {
        let first = Server::start(FORBIDDEN, 0, greet).await.unwrap();
        let port = first.address.port();
        let second = Server::start(ALLOWED, port, greet).await;
        let third = Server::start([127, 0, 0, 3], port, greet).await;
        let (Ok(second), Ok(third)) = (second, third) else { continue };
        let mut all = vec![first, second, third];
        all.extend(Server::start(Ipv6Addr::LOCALHOST, port, greet).await.ok());
        return (port, all);
    }
    panic!("no port is free on three addresses");
}

#[tokio::test]
async fn sixty_tricks_reach_no_refused_address() {
    let tables = [SPELLINGS, CHARACTERS, SIX, NETWORKS, READINGS, NAMES];
    assert!(tables.iter().map(|table| table.len()).sum::<usize>() >= 60);
    let (port, servers) = listeners().await;
    let outbound = outbound(&names(), AMPLE);
    let mut wrong = Vec::new();
    for (typed, word, part) in tables.into_iter().flatten() {
        let url = typed.replace("{p}", &port.to_string());
        let sent = post(&outbound, &url).await;
        match sent.outcome {
            Ok(answer) => wrong.push(format!("{url:?} was answered: {}", answer.body)),
            Err(trouble) if trouble.as_str() != *word || !trouble.to_string().contains(part) => {
                wrong.push(format!("{url:?}: {} ({trouble})", trouble.as_str()));
            }
            Err(_) => {}
        }
        if sent.address.is_some() {
            wrong.push(format!("{url:?} was tried at {:?}", sent.address));
        }
    }
    for server in &servers {
        let connections = server.connections().await;
        if connections != 0 {
            wrong.push(format!("{} was reached {connections} times", server.address));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_in_the_url_is_refused_when_it_is_saved() {
    for (typed, word, _) in [SPELLINGS, CHARACTERS, SIX, NETWORKS, READINGS].into_iter().flatten() {
        let checked = check_url(&typed.replace("{p}", "4000"), true, &[]);
        assert_eq!(checked.is_ok(), *word == "no_address", "{typed:?}: {checked:?}");
    }
    for (typed, ..) in NAMES {
        assert!(check_url(&typed.replace("{p}", "4000"), true, &[]).is_ok(), "{typed:?}");
    }
}

#[tokio::test]
async fn the_listeners_of_this_test_can_be_reached() {
    let (port, servers) = listeners().await;
    let sent = post(&outbound(&names(), AMPLE), &format!("http://127.0.0.2:{port}/")).await;
    assert_eq!(sent.outcome.unwrap().body, "reached");
    assert_eq!(sent.address, Some(ALLOWED.into()));
    assert_eq!(servers[1].connections().await, 1);
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let (port, servers) = listeners().await;
    let names = names();
    let outbound = outbound(&names, AMPLE);
    let targets = [
        format!("http://127.0.0.1:{port}/"),
        format!("//127.0.0.1:{port}/"),
        format!("http://moved.example:{port}/"),
        format!("http://127.0.0.2:{port}/"),
    ];
    for (status, target) in [301, 302, 303, 307, 308, 300]
        .iter()
        .flat_map(|status| targets.iter().map(move |t| (status, t)))
    {
        let head = format!(
            "HTTP/1.1 {status} X\r\nlocation: {target}\r\nrefresh: 0; url={target}\r\n\
             content-length: 0\r\n\r\n"
        );
        let redirecting = answering(head).await;
        let answer = post(&outbound, &redirecting.url()).await.outcome.unwrap();
        assert_eq!(answer.status, *status);
        assert!(answer.headers.contains(&("location".into(), target.clone())));
        assert_eq!(redirecting.connections().await, 1);
    }
    for server in &servers {
        assert_eq!(server.connections().await, 0);
    }
    assert_eq!(names.asked(), 0);
}

#[tokio::test]
async fn a_name_that_moves_is_looked_up_once_a_call_and_judged_each_time() {
    let (port, servers) = listeners().await;
    let names = names();
    names.set("rebinds.example", &[&["127.0.0.2"], &["127.0.0.1"]]);
    let outbound = outbound(&names, AMPLE);
    let url = format!("http://rebinds.example:{port}/");

    outbound.check(&url).unwrap();
    assert_eq!(names.asked(), 0);
    let first = post(&outbound, &url).await;
    assert_eq!((first.outcome.unwrap().body.as_str(), names.asked()), ("reached", 1));
    assert_eq!(first.address, Some(ALLOWED.into()));
    let second = post(&outbound, &url).await;
    assert_eq!((second.outcome.unwrap_err().as_str(), names.asked()), ("refused_address", 2));
    assert_eq!(second.address, None);

    assert_eq!(servers[0].connections().await, 0);
    assert_eq!(servers[1].connections().await, 1);
}
