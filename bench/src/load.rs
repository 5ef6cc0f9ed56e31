//! The load generator: keep-alive connections, one request at a time on each, prebuilt bytes.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

use crate::Failure;
use crate::stats::{count, nanoseconds, percentile};

/// What is sent, and what every answer must hold.
pub(crate) struct Load<'a> {
    pub(crate) address: SocketAddr,
    pub(crate) requests: &'a [Vec<u8>],
    /// Requests in all; they are taken in turn.
    pub(crate) count: usize,
    pub(crate) connections: usize,
    pub(crate) status: u16,
    pub(crate) holds: &'a str,
}

/// How a round went.
pub(crate) struct Outcome {
    pub(crate) elapsed: Duration,
    /// Sorted, in nanoseconds.
    pub(crate) times: Vec<u64>,
    /// Answers that were not as expected, and the first of them.
    pub(crate) others: usize,
    pub(crate) first_other: String,
    /// The bodies, if they were wanted.
    pub(crate) bodies: Vec<Vec<u8>>,
}

impl Outcome {
    pub(crate) fn rate(&self) -> f64 {
        count(self.times.len()) / self.elapsed.as_secs_f64()
    }

    pub(crate) fn p(&self, hundredths: usize) -> u64 {
        percentile(&self.times, hundredths)
    }

    /// Refuses a round in which anything else was answered.
    pub(crate) fn checked(self) -> Result<Self, Failure> {
        if self.others == 0 {
            return Ok(self);
        }
        let (others, all) = (self.others, self.times.len());
        Err(format!("{others} of {all} answers were others, the first: {}", self.first_other)
            .into())
    }
}

/// A connection.
pub(crate) struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Wire {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(16 * 1024) })
    }

    /// Sends a request; the status and the body of its answer.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Result<(u16, &[u8]), Failure> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err("the server closed the connection".into());
            }
            let Some(end) = find(&self.buffer, b"\r\n\r\n") else { continue };
            let head = std::str::from_utf8(&self.buffer[..end])?;
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.ok_or("an answer without content-length")?.parse()?;
            let status = head.get(9..12).unwrap_or("0").parse()?;
            let whole = end + 4 + length;
            while self.buffer.len() < whole {
                if self.stream.read_buf(&mut self.buffer).await? == 0 {
                    return Err("the server closed the connection".into());
                }
            }
            return Ok((status, &self.buffer[end + 4..whole]));
        }
    }
}

pub(crate) fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    let Some(&first) = wanted.first() else { return Some(0) };
    let mut from = 0;
    while let Some(at) = text.get(from..)?.iter().position(|byte| *byte == first) {
        let at = from + at;
        if text[at..].starts_with(wanted) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

/// What the connections of a round share.
struct Shared {
    next: Cell<usize>,
    times: RefCell<Vec<u64>>,
    others: Cell<usize>,
    first_other: RefCell<String>,
    bodies: RefCell<Vec<(usize, Vec<u8>)>>,
}

impl Load<'_> {
    /// Runs a round on this thread.
    pub(crate) fn run(&self, runtime: &tokio::runtime::Runtime) -> Result<Outcome, Failure> {
        LocalSet::new().block_on(runtime, self.round(false))
    }

    /// Runs a round and keeps every body, in the order of the requests.
    pub(crate) fn run_keeping(
        &self,
        runtime: &tokio::runtime::Runtime,
    ) -> Result<Outcome, Failure> {
        LocalSet::new().block_on(runtime, self.round(true))
    }

    /// A round; connections are opened before its time begins.
    pub(crate) async fn round(&self, keeps: bool) -> Result<Outcome, Failure> {
        let mut wires = Vec::with_capacity(self.connections);
        for _ in 0..self.connections {
            wires.push(Wire::open(self.address).await?);
        }
        let shared = Rc::new(Shared {
            next: Cell::new(0),
            times: RefCell::new(Vec::with_capacity(self.count)),
            others: Cell::new(0),
            first_other: RefCell::default(),
            bodies: RefCell::default(),
        });
        let requests: Rc<[Vec<u8>]> = self.requests.into();
        let started = Instant::now();
        let mut tasks = Vec::new();
        for wire in wires {
            let (shared, requests) = (Rc::clone(&shared), Rc::clone(&requests));
            let wanted = Wanted {
                count: self.count,
                status: self.status,
                holds: self.holds.as_bytes().to_vec(),
                keeps,
            };
            tasks.push(tokio::task::spawn_local(connection(wire, requests, wanted, shared)));
        }
        // The generator never sleeps: waking it on another core would cost the server more than
        // its own work, and more for a slow answer than for a fast one.
        let awake = tokio::task::spawn_local(async {
            loop {
                tokio::task::yield_now().await;
            }
        });
        for task in tasks {
            task.await??;
        }
        awake.abort();
        let elapsed = started.elapsed();
        let shared = Rc::into_inner(shared).ok_or("a connection is still under way")?;
        let mut times = shared.times.into_inner();
        times.sort_unstable();
        let mut bodies = shared.bodies.into_inner();
        bodies.sort_by_key(|(place, _)| *place);
        Ok(Outcome {
            elapsed,
            times,
            others: shared.others.get(),
            first_other: shared.first_other.into_inner(),
            bodies: bodies.into_iter().map(|(_, body)| body).collect(),
        })
    }
}

struct Wanted {
    count: usize,
    status: u16,
    holds: Vec<u8>,
    keeps: bool,
}

async fn connection(
    mut wire: Wire,
    requests: Rc<[Vec<u8>]>,
    wanted: Wanted,
    shared: Rc<Shared>,
) -> Result<(), Failure> {
    loop {
        let place = shared.next.get();
        if place >= wanted.count {
            return Ok(());
        }
        shared.next.set(place + 1);
        let request = &requests[place % requests.len()];
        let started = Instant::now();
        let (status, body) = wire.ask(request).await?;
        let time = nanoseconds(started.elapsed());
        shared.times.borrow_mut().push(time);
        // What is looked for stands at the beginning of an answer, or near it.
        let as_expected = status == wanted.status && find(body, &wanted.holds).is_some();
        if !as_expected {
            shared.others.set(shared.others.get() + 1);
            let mut first = shared.first_other.borrow_mut();
            if first.is_empty() {
                *first = format!("{status} {}", String::from_utf8_lossy(body));
            }
        }
        if wanted.keeps {
            shared.bodies.borrow_mut().push((place, body.to_vec()));
        }
    }
}

/// A request as bytes. `headers` are whole lines without their ends.
pub(crate) fn request(method: &str, path: &str, headers: &[String], body: &str) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: bench\r\n");
    for header in headers {
        text.push_str(header);
        text.push_str("\r\n");
    }
    if !body.is_empty() {
        let length = body.len();
        text.push_str(&format!("content-type: application/json\r\ncontent-length: {length}\r\n"));
    }
    text.push_str("\r\n");
    text.push_str(body);
    text.into_bytes()
}
