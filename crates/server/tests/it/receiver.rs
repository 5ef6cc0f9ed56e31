//! A receiver of webhooks on a real socket, which answers as it is told and keeps what it got.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

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
    state: Arc<Mutex<State>>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&shared)));
            }
        });
        Self { address, state }
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
        self.state.lock().expect("nobody panicked").answers.extend(lines);
    }

    /// What came since this was last asked.
    pub(crate) fn got(&self) -> Vec<Got> {
        std::mem::take(&mut self.state.lock().expect("nobody panicked").got)
    }
}

async fn answer(mut stream: TcpStream, state: Arc<Mutex<State>>) {
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
        let mut state = state.lock().expect("nobody panicked");
        state.got.push(got);
        state.answers.pop_front()
    };
    let said = said.unwrap_or_else(|| "HTTP/1.1 204 No Content\r\n\r\n".to_owned());
    // A caller that has gone away has its answer already.
    let _ = stream.write_all(said.as_bytes()).await;
}
