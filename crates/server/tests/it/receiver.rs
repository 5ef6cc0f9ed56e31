//! A receiver of webhooks on a real socket, which answers as it is told and keeps what it got.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    head: String,
    pub(crate) body: String,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (header, value) = line.split_once(':')?;
            header.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("a message is JSON")
    }

    pub(crate) fn kind(&self) -> String {
        self.json()["type"].as_str().expect("a message has a type").to_owned()
    }
}

#[derive(Default)]
struct State {
    got: Vec<Got>,
    answers: VecDeque<String>,
}

pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// How many requests have come.
    came: watch::Sender<usize>,
    /// Answers that may go out, where they are held.
    answers: Option<Semaphore>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        Self::start_with(None).await
    }

    /// One that holds each answer until it is let go.
    pub(crate) async fn start_slow() -> Self {
        Self::start_with(Some(Semaphore::new(0))).await
    }

    async fn start_with(answers: Option<Semaphore>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (state, came) = (Mutex::default(), watch::Sender::new(0));
        let shared = Arc::new(Shared { state, came, answers });
        let of = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&of)));
            }
        });
        Self { address, shared }
    }

    /// Waits until so many requests have come in all.
    pub(crate) async fn wait_for(&self, count: usize) {
        let mut came = self.shared.came.subscribe();
        came.wait_for(|came| *came >= count).await.expect("it is there");
    }

    /// Lets so many held answers go, in the order of their requests.
    pub(crate) fn let_go(&self, count: usize) {
        self.shared.answers.as_ref().expect("a slow one").add_permits(count);
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hooks", self.address)
    }

    /// The next requests get these statuses, with a header line each; those after them 204.
    pub(crate) fn answer_with(&self, answers: &[(u16, &str)]) {
        let lines = answers.iter().map(|(status, header)| {
            let header = if header.is_empty() { String::new() } else { format!("{header}\r\n") };
            format!("HTTP/1.1 {status} Said\r\n{header}content-length: 0\r\n\r\n")
        });
        self.shared.state.lock().expect("nobody panicked").answers.extend(lines);
    }

    /// The next request gets a 500 with a body.
    pub(crate) fn fail_with(&self, body: &str) {
        let length = body.len();
        let said = format!("HTTP/1.1 500 Said\r\ncontent-length: {length}\r\n\r\n{body}");
        self.shared.state.lock().expect("nobody panicked").answers.push_back(said);
    }

    /// What came since this was last asked.
    pub(crate) fn got(&self) -> Vec<Got> {
        std::mem::take(&mut self.shared.state.lock().expect("nobody panicked").got)
    }
}

async fn answer(mut stream: TcpStream, shared: Arc<Shared>) {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    let got = loop {
        let Ok(count @ 1..) = stream.read(&mut buffer).await else { return };
        bytes.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let got = Got { head: head.to_owned(), body: body.to_owned() };
        let length = got.header("content-length").and_then(|text| text.parse::<usize>().ok());
        if body.len() >= length.unwrap_or(0) {
            break got;
        }
    };
    let said = {
        let mut state = shared.state.lock().expect("nobody panicked");
        state.got.push(got);
        state.answers.pop_front()
    };
    shared.came.send_modify(|came| *came += 1);
    if let Some(answers) = &shared.answers {
        answers.acquire().await.expect("it is open").forget();
    }
    let said = said.unwrap_or_else(|| "HTTP/1.1 204 No Content\r\n\r\n".to_owned());
    // A caller that has gone away has its answer already.
    let _ = stream.write_all(said.as_bytes()).await;
}
