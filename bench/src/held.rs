//! Thousands of connections that are held open without use, beside legitimate ones: silent ones,
//! heads and bodies that trickle, answers that nobody reads. They come back as soon as they are
//! closed.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::LocalSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::fill::{Maker, Temporary, data_folder};
use crate::load::{Wire, request};
use crate::over_http::question;
use crate::report::{Report, Row};
use crate::server::Server;
use crate::stats::{count, float, nanoseconds, percentile, say_nanoseconds, say_rate};
use crate::writes::Called;
use crate::{Failure, Plan};

const SCHEME: &str = "enterprise";
const HELD: usize = 4_000;
/// Legitimate connections to each listener, and how often each asks.
const LEGITIMATE: usize = 32;
const EVERY: Duration = Duration::from_millis(20);
const CREDENTIALS: usize = 1_000;
/// Between two bytes of what trickles.
const TRICKLE: Duration = Duration::from_secs(1);
/// Answers that are asked for and not read.
const UNREAD: usize = 400;

#[derive(Clone, Copy)]
enum Sort {
    Silent,
    SlowHead,
    SlowBody,
    Unread,
}

const SORTS: [(Sort, &str); 4] = [
    (Sort::Silent, "silent"),
    (Sort::SlowHead, "a head by the second"),
    (Sort::SlowBody, "a body by the second"),
    (Sort::Unread, "answers unread"),
];

/// What the legitimate ones saw.
#[derive(Default)]
struct Seen {
    stops: Cell<bool>,
    times: RefCell<Vec<u64>>,
    failures: Cell<usize>,
    first_failure: RefCell<String>,
}

/// How long each held connection lasted, by its sort.
type Lasted = [RefCell<Vec<u64>>; SORTS.len()];

/// Those who hold connections, on a thread of their own.
struct Holding {
    stops: Arc<AtomicBool>,
    thread: JoinHandle<Result<Lasted, String>>,
}

impl Holding {
    /// Begins. They yield the processor to those who ask in earnest: elsewhere they would be on
    /// machines of their own, and what they cost there is nobody's answer time.
    fn start(addresses: [SocketAddr; 2], held: usize) -> Self {
        let stops = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stops);
        let thread = std::thread::spawn(move || {
            let own = Some(rustix::thread::gettid());
            rustix::process::setpriority_process(own, 19).map_err(|error| error.to_string())?;
            let runtime = crate::runtime().map_err(|error| error.to_string())?;
            let lasted: Rc<Lasted> = Rc::default();
            let tasks = LocalSet::new();
            for number in 0..held {
                let sort = (number / 2) % SORTS.len();
                let (address, lasted) = (addresses[number % 2], Rc::clone(&lasted));
                tasks.spawn_local(hold(address, sort, Arc::clone(&stop), lasted));
            }
            runtime.block_on(tasks);
            Rc::try_unwrap(lasted).map_err(|_| "one of them goes on".to_owned())
        });
        Self { stops, thread }
    }

    fn stop(self) -> Result<Lasted, Failure> {
        self.stops.store(true, Ordering::Relaxed);
        Ok(self.thread.join().map_err(|_| "those who hold connections panicked")??)
    }
}

pub(crate) fn measure(plan: &Plan, report: &mut Report) -> Result<(), Failure> {
    let runtime = crate::runtime()?;
    let folder = Temporary::new("held")?;
    let mut maker = Maker::new(SCHEME)?;
    let strings = data_folder(&folder.0, &mut maker, CREDENTIALS, CREDENTIALS)?;
    let server = Server::start(plan, &folder.0, SCHEME)?;
    let called = Called::new(plan, &server, &runtime, &folder.0)?;
    let ask = |strings: &crate::fill::Strings| {
        let authorization = format!("Bearer {}", strings.secret);
        question("GET", "/mfi/invoices", &[("authorization", &authorization)])
    };
    let questions: Rc<[Vec<u8>]> = strings.iter().map(ask).collect();
    let managing: Rc<[Vec<u8>]> = Rc::new([called.get("/v1/scheme")]);
    let listeners = [(server.internal, questions), (server.management, managing)];
    let (quiet_for, held_for) = if plan.quick { (5, 20) } else { (30, 120) };
    let mut base = None;
    for (what, held, seconds) in [("alone", 0, quiet_for), ("beside 4,000 held", HELD, held_for)] {
        let seen = Rc::new(Seen::default());
        let holding = Holding::start(listeners.each_ref().map(|(address, _)| *address), held);
        let tasks = LocalSet::new();
        tasks.block_on(&runtime, async {
            for (address, requests) in &listeners {
                for number in 0..LEGITIMATE {
                    let (seen, requests) = (Rc::clone(&seen), Rc::clone(requests));
                    tokio::task::spawn_local(legitimate(*address, requests, number, seen));
                }
            }
            // The first second is of the start: connections of both sorts are opened in it.
            sleep(Duration::from_secs(1)).await;
            seen.times.borrow_mut().clear();
            sleep(Duration::from_secs(seconds)).await;
            seen.stops.set(true);
            sleep(EVERY * 2).await;
        });
        add(report, what, (&seen, &holding.stop()?), &mut base, seconds);
    }
    Ok(())
}

fn add(
    report: &mut Report,
    what: &str,
    (seen, lasted): (&Seen, &Lasted),
    base: &mut Option<f64>,
    seconds: u64,
) {
    let mut times = seen.times.borrow().clone();
    times.sort_unstable();
    let p99 = float(percentile(&times, 99));
    let quiet = *base.get_or_insert(p99);
    report.add(Row {
        section: "held",
        what: format!("legitimate requests, {what}"),
        figure: say_rate(count(times.len()) / float(seconds)),
        p50: say_nanoseconds(float(percentile(&times, 50))),
        p99: say_nanoseconds(p99),
        ratio: format!("{:.2}× the p99 alone", p99 / quiet),
        note: format!(
            "{} of {} failed {}",
            seen.failures.get(),
            times.len(),
            seen.first_failure.borrow()
        ),
    });
    for ((_, name), held) in SORTS.iter().zip(lasted) {
        let mut held = held.borrow().clone();
        held.sort_unstable();
        if held.is_empty() {
            continue;
        }
        report.add(Row {
            section: "held",
            what: format!("until the server closes it: {name}"),
            figure: format!("{} closed", held.len()),
            p50: say_nanoseconds(float(percentile(&held, 50))),
            p99: say_nanoseconds(float(percentile(&held, 99))),
            note: format!("at most {}", say_nanoseconds(float(*held.last().unwrap_or(&0)))),
            ..Row::default()
        });
    }
}

/// Asks at its pace, on one connection, and notes how long each answer took.
async fn legitimate(address: SocketAddr, requests: Rc<[Vec<u8>]>, number: usize, seen: Rc<Seen>) {
    let failed = |why: String| {
        seen.failures.set(seen.failures.get() + 1);
        let mut first = seen.first_failure.borrow_mut();
        if first.is_empty() {
            *first = why;
        }
    };
    let mut wire = match Wire::open(address).await {
        Ok(wire) => wire,
        Err(error) => return failed(error.to_string()),
    };
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for place in number.. {
        ticks.tick().await;
        if seen.stops.get() {
            return;
        }
        let began = Instant::now();
        match wire.ask(&requests[place % requests.len()]).await {
            Ok((200, _)) => seen.times.borrow_mut().push(nanoseconds(began.elapsed())),
            Ok((status, _)) => failed(format!("status {status}")),
            Err(error) => return failed(error.to_string()),
        }
    }
}

/// Holds a connection until the server closes it, and opens another.
async fn hold(address: SocketAddr, sort: usize, stops: Arc<AtomicBool>, lasted: Rc<Lasted>) {
    while !stops.load(Ordering::Relaxed) {
        let Ok(mut stream) = TcpStream::connect(address).await else {
            sleep(TRICKLE).await;
            continue;
        };
        let began = Instant::now();
        until_closed(&mut stream, SORTS[sort].0, &stops).await;
        if !stops.load(Ordering::Relaxed) {
            lasted[sort].borrow_mut().push(nanoseconds(began.elapsed()));
        }
    }
}

async fn until_closed(stream: &mut TcpStream, sort: Sort, stops: &AtomicBool) {
    let beginning: Vec<u8> = match sort {
        Sort::Silent => Vec::new(),
        Sort::SlowHead => b"GET /healthz HTTP/1.1\r\n".to_vec(),
        Sort::SlowBody => {
            b"POST /v1/verify HTTP/1.1\r\nhost: bench\r\ncontent-length: 9999\r\n\r\n".to_vec()
        }
        // Large answers on one listener, small ones on the other: both fill what nobody empties.
        Sort::Unread => {
            [request("GET", "/openapi.json", &[], ""), request("GET", "/metrics", &[], "")]
                .concat()
                .repeat(UNREAD)
        }
    };
    // Who does not read what was written may never take all of this.
    if timeout(TRICKLE, stream.write_all(&beginning)).await.is_ok_and(|done| done.is_err()) {
        return;
    }
    let mut some = [0; 64];
    while !stops.load(Ordering::Relaxed) {
        match sort {
            Sort::Unread => {
                sleep(TRICKLE).await;
                if matches!(timeout(TRICKLE, stream.write_all(b"\r\n")).await, Ok(Err(_))) {
                    return;
                }
            }
            Sort::Silent | Sort::SlowHead | Sort::SlowBody => {
                match timeout(TRICKLE, stream.read(&mut some)).await {
                    Ok(Ok(0) | Err(_)) => return,
                    // An answer, such as that it took too long.
                    Ok(Ok(_)) => continue,
                    Err(_) => {}
                }
                let byte: &[u8] = match sort {
                    Sort::Silent | Sort::Unread => b"",
                    Sort::SlowHead | Sort::SlowBody => b"x",
                };
                if stream.write_all(byte).await.is_err() {
                    return;
                }
            }
        }
    }
}
