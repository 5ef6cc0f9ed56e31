//! The proxy holds, delays and cuts each direction apart from the other.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use crate::proxy::{Flow, Proxy};

/// Long enough for a byte on one machine, and short enough to wait for one that must not come.
const SOON: Duration = Duration::from_millis(100);

/// A server that answers each byte with the next one, and says which it heard.
async fn server() -> (SocketAddr, mpsc::UnboundedReceiver<u8>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (heard, hears) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let heard = heard.clone();
            tokio::spawn(async move {
                while let Ok(byte) = stream.read_u8().await {
                    heard.send(byte).unwrap();
                    stream.write_u8(byte + 1).await.unwrap();
                }
            });
        }
    });
    (address, hears)
}

async fn client(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(("127.0.0.1", proxy.port())).await.unwrap()
}

#[tokio::test]
async fn what_passes_is_answered() {
    let (address, _hears) = server().await;
    let proxy = Proxy::start(address).await.unwrap();
    let mut client = client(&proxy).await;
    client.write_u8(1).await.unwrap();
    assert_eq!(client.read_u8().await.unwrap(), 2);
}

#[tokio::test]
async fn held_requests_are_delivered_late() {
    let (address, mut hears) = server().await;
    let proxy = Proxy::start(address).await.unwrap();
    let mut client = client(&proxy).await;
    proxy.set(Flow::Hold, Flow::Pass);
    client.write_u8(1).await.unwrap();
    assert!(timeout(SOON, hears.recv()).await.is_err());
    proxy.heal(true);
    assert_eq!(hears.recv().await, Some(1));
    assert_eq!(client.read_u8().await.unwrap(), 2);
}

#[tokio::test]
async fn requests_arrive_while_replies_are_held() {
    let (address, mut hears) = server().await;
    let proxy = Proxy::start(address).await.unwrap();
    let mut client = client(&proxy).await;
    proxy.set(Flow::Pass, Flow::Hold);
    client.write_u8(1).await.unwrap();
    assert_eq!(hears.recv().await, Some(1));
    assert!(timeout(SOON, client.read_u8()).await.is_err());
    proxy.heal(true);
    assert_eq!(client.read_u8().await.unwrap(), 2);
}

#[tokio::test]
async fn a_cut_connection_never_delivers_what_was_held_and_a_new_one_works() {
    let (address, mut hears) = server().await;
    let proxy = Proxy::start(address).await.unwrap();
    let mut cut = client(&proxy).await;
    cut.write_u8(1).await.unwrap();
    assert_eq!((hears.recv().await, cut.read_u8().await.unwrap()), (Some(1), 2));
    proxy.set(Flow::Hold, Flow::Hold);
    cut.write_u8(5).await.unwrap();
    assert!(timeout(SOON, hears.recv()).await.is_err());
    proxy.heal(false);
    assert!(cut.read_u8().await.is_err());
    let mut client = client(&proxy).await;
    client.write_u8(7).await.unwrap();
    assert_eq!((hears.recv().await, client.read_u8().await.unwrap()), (Some(7), 8));
}

#[tokio::test]
async fn a_delay_counts_in_each_direction() {
    let (address, _hears) = server().await;
    let proxy = Proxy::start(address).await.unwrap();
    let mut client = client(&proxy).await;
    let delay = Flow::Delay(SOON);
    proxy.set(delay, delay);
    let since = Instant::now();
    client.write_u8(1).await.unwrap();
    assert_eq!(client.read_u8().await.unwrap(), 2);
    assert!(since.elapsed() >= 2 * SOON);
}

#[tokio::test]
async fn what_leads_nowhere_is_closed_and_what_leads_elsewhere_arrives_there() {
    let ((first, _first), (second, mut hears)) = (server().await, server().await);
    let proxy = Proxy::start(first).await.unwrap();
    let mut cut = client(&proxy).await;
    cut.write_u8(1).await.unwrap();
    assert_eq!(cut.read_u8().await.unwrap(), 2);
    proxy.lead(None);
    assert!(cut.read_u8().await.is_err());
    assert!(client(&proxy).await.read_u8().await.is_err());
    proxy.lead(Some(second));
    client(&proxy).await.write_u8(7).await.unwrap();
    assert_eq!(hears.recv().await, Some(7));
}
