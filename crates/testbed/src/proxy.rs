//! A TCP proxy between one node and its database, in which each direction can be held, delayed or
//! made to lose packets, and which can lead to another server from some moment on.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::port::free_port;

/// What happens to the bytes of one direction.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// They pass.
    Pass,
    /// They wait until it is lifted, and are then delivered, late.
    Hold,
    /// They arrive later.
    Delay(Duration),
    /// Three packets of ten are lost and sent again after TCP's shortest time.
    Lossy,
}

const SENT_AGAIN_AFTER: Duration = Duration::from_millis(200);
const LOST_PERCENT: u64 = 30;
/// Packets under way in one direction of a connection.
const PACKETS_MAX: usize = 1_024;

/// Both directions, and how often all connections were cut.
#[derive(Clone, Copy)]
struct State {
    requests: Flow,
    replies: Flow,
    cuts: u64,
    /// Where new connections lead; nowhere while there is nothing.
    to: Option<SocketAddr>,
}

#[derive(Clone, Copy)]
enum Direction {
    Requests,
    Replies,
}

impl State {
    fn of(&self, direction: Direction) -> Flow {
        match direction {
            Direction::Requests => self.requests,
            Direction::Replies => self.replies,
        }
    }
}

/// A listening proxy.
pub struct Proxy {
    port: u16,
    state: watch::Sender<State>,
}

impl Proxy {
    /// Listens on a free port and passes everything on.
    pub async fn start(to: SocketAddr) -> std::io::Result<Self> {
        Self::start_at(free_port(), to).await
    }

    /// Listens on a port of one's choice.
    pub async fn start_at(port: u16, to: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let state = State { requests: Flow::Pass, replies: Flow::Pass, cuts: 0, to: Some(to) };
        let (state, seen) = watch::channel(state);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(connection(near, seen.clone()));
            }
        });
        Ok(Self { port, state })
    }

    /// The port on which it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What happens to the bytes of each direction from now on.
    pub fn set(&self, requests: Flow, replies: Flow) {
        self.state.send_modify(|state| (state.requests, state.replies) = (requests, replies));
    }

    /// Cuts every connection, and leads new ones elsewhere; nowhere without an address.
    pub fn lead(&self, to: Option<SocketAddr>) {
        self.state.send_modify(|state| (state.to, state.cuts) = (to, state.cuts + 1));
    }

    /// Lets everything pass again. What was held is delivered, or its connections are cut.
    pub fn heal(&self, delivers: bool) {
        self.state.send_modify(|state| {
            let cuts = state.cuts + u64::from(!delivers);
            *state = State { requests: Flow::Pass, replies: Flow::Pass, cuts, ..*state };
        });
    }
}

async fn connection(near: TcpStream, seen: watch::Receiver<State>) {
    let Some(to) = seen.borrow().to else { return };
    let Ok(far) = TcpStream::connect(to).await else { return };
    if near.set_nodelay(true).is_err() || far.set_nodelay(true).is_err() {
        return;
    }
    let mut cut = seen.clone();
    let cuts = cut.borrow().cuts;
    let (near_in, near_out) = near.into_split();
    let (far_in, far_out) = far.into_split();
    let requests = pump(near_in, far_out, seen.clone(), Direction::Requests);
    let replies = pump(far_in, near_out, seen, Direction::Replies);
    tokio::select! {
        // The cut comes first: what is held must not slip out in the instant of the healing.
        biased;
        _ = cut.wait_for(|state| state.cuts != cuts) => {}
        // Either side's end is passed on; the other direction goes on until its own.
        _ = async { tokio::join!(requests, replies) } => {}
    }
}

async fn pump(
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    seen: watch::Receiver<State>,
    direction: Direction,
) {
    let (packets, queue) = mpsc::channel(PACKETS_MAX);
    tokio::join!(
        receive(from, packets, seen.clone(), direction),
        deliver(to, queue, seen, direction)
    );
}

async fn receive(
    mut from: OwnedReadHalf,
    packets: mpsc::Sender<(Instant, Vec<u8>)>,
    seen: watch::Receiver<State>,
    direction: Direction,
) {
    let mut chance = Chance(from.peer_addr().map_or(0, |address| u64::from(address.port())));
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let Ok(length) = from.read(&mut buffer).await else { return };
        let flow = seen.borrow().of(direction);
        let late = match flow {
            Flow::Delay(by) => by,
            Flow::Lossy if chance.percent() < LOST_PERCENT => SENT_AGAIN_AFTER,
            _ => Duration::ZERO,
        };
        let packet = (Instant::now() + late, buffer[..length].to_vec());
        if packets.send(packet).await.is_err() || length == 0 {
            return;
        }
    }
}

async fn deliver(
    mut to: OwnedWriteHalf,
    mut queue: mpsc::Receiver<(Instant, Vec<u8>)>,
    mut seen: watch::Receiver<State>,
    direction: Direction,
) {
    while let Some((due, packet)) = queue.recv().await {
        // A timer is good to the millisecond: also one that is over already would be waited for.
        if due > Instant::now() {
            tokio::time::sleep_until(due).await;
        }
        if seen.wait_for(|state| state.of(direction) != Flow::Hold).await.is_err() {
            return;
        }
        let sent =
            if packet.is_empty() { to.shutdown().await } else { to.write_all(&packet).await };
        if sent.is_err() {
            return;
        }
    }
}

/// Chance from a seed: the same connection loses the same packets.
struct Chance(u64);

impl Chance {
    /// SplitMix64, from 0 to 99.
    fn percent(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % 100
    }
}
