//! Someone who edits the database behind Keyway's back, with the same SQL on either engine.

use std::cell::RefCell;
use std::path::Path;

use rusqlite::types::ValueRef;
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// A connection that may do anything.
pub struct Editor(Engine);

enum Engine {
    File(rusqlite::Connection),
    Server(RefCell<Session>),
}

impl Editor {
    pub(crate) fn file(path: &Path) -> Self {
        Self(Engine::File(rusqlite::Connection::open(path).expect("the database can be opened")))
    }

    pub(crate) fn server(url: &str) -> Self {
        Self(Engine::Server(RefCell::new(Session::open(url))))
    }

    /// Runs statements; how many rows the last of them touched, or what the engine says against it.
    pub fn run(&self, sql: &str) -> Result<u64, String> {
        match &self.0 {
            Engine::File(connection) => {
                let done = connection.execute_batch(sql);
                done.map(|()| connection.changes()).map_err(|error| error.to_string())
            }
            Engine::Server(session) => session.borrow_mut().run(&in_its_words(sql)),
        }
    }

    /// Runs statements that must go through; how many rows the last of them touched.
    pub fn must(&self, sql: &str) -> u64 {
        self.run(sql).unwrap_or_else(|why| panic!("{sql}: {why}"))
    }

    /// Reads rows, every cell as text; nothing is empty.
    pub fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        let read = match &self.0 {
            Engine::File(connection) => file_rows(connection, sql),
            Engine::Server(session) => session.borrow_mut().rows(sql),
        };
        read.unwrap_or_else(|why| panic!("{sql}: {why}"))
    }

    /// Reads one number.
    pub fn number(&self, sql: &str) -> i64 {
        self.rows(sql)[0][0].parse().expect("a number")
    }
}

/// Tests say bytes as SQLite does: `x'02'` and `zeroblob(3)`.
fn in_its_words(sql: &str) -> String {
    let mut said = String::new();
    let mut rest = sql;
    while let Some((before, after)) = rest.split_once("zeroblob(") {
        let (length, after) = after.split_once(')').expect("a length in brackets");
        let zeros = "00".repeat(length.parse().expect("a length"));
        said.push_str(&format!("{before}'\\x{zeros}'"));
        rest = after;
    }
    said.push_str(rest);
    said.replace(" x'", " '\\x")
}

fn file_rows(connection: &rusqlite::Connection, sql: &str) -> Result<Vec<Vec<String>>, String> {
    let told = |error: rusqlite::Error| error.to_string();
    let mut statement = connection.prepare(sql).map_err(told)?;
    let columns = statement.column_count();
    let mut rows = statement.query([]).map_err(told)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(told)? {
        let cell = |column| {
            Ok(match row.get_ref(column).map_err(told)? {
                ValueRef::Null => String::new(),
                ValueRef::Integer(number) => number.to_string(),
                ValueRef::Real(number) => number.to_string(),
                ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
                ValueRef::Blob(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
            })
        };
        found.push((0..columns).map(cell).collect::<Result<_, String>>()?);
    }
    Ok(found)
}

/// A connection to the server. What it does, it does off the thread that asks: that one may be of
/// an async runtime, which must not wait.
pub(crate) struct Session {
    connected: Option<(Runtime, Client)>,
}

fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(work).join()).expect("the session does not panic")
}

impl Session {
    pub(crate) fn open(url: &str) -> Self {
        let connected = apart(|| {
            let runtime = Builder::new_current_thread().enable_all().build();
            let runtime = runtime.expect("a runtime can be made");
            let client = runtime.block_on(async {
                let (client, wire) = tokio_postgres::connect(url, NoTls).await?;
                tokio::spawn(wire);
                Ok::<_, tokio_postgres::Error>(client)
            });
            (runtime, client.unwrap_or_else(|error| panic!("{url}: {error}")))
        });
        Self { connected: Some(connected) }
    }

    fn answer(&mut self, sql: &str) -> Result<Vec<SimpleQueryMessage>, String> {
        let (runtime, client) = self.connected.as_ref().expect("it is open until it is dropped");
        let answer = apart(|| runtime.block_on(client.simple_query(sql)));
        answer.map_err(|error| match error.as_db_error() {
            Some(failure) => failure.message().to_owned(),
            None => error.to_string(),
        })
    }

    pub(crate) fn run(&mut self, sql: &str) -> Result<u64, String> {
        let answer = self.answer(sql)?;
        let touched = answer.iter().filter_map(|message| match message {
            SimpleQueryMessage::CommandComplete(rows) => Some(*rows),
            _ => None,
        });
        Ok(touched.last().unwrap_or(0))
    }

    pub(crate) fn rows(&mut self, sql: &str) -> Result<Vec<Vec<String>>, String> {
        let answer = self.answer(sql)?;
        let rows = answer.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|cell| row.get(cell).unwrap_or("").to_owned()).collect())
            }
            _ => None,
        });
        Ok(rows.collect())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some((runtime, _)) = self.connected.take() {
            runtime.shutdown_background();
        }
    }
}
