//! A database for one test, on whichever engine the tests run on.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keyway_store::{Db, DbError, Options, Target, migrate};

use crate::editor::{Editor, Session};

/// Names the server on which tests have their databases; without it they have files.
const SERVER: &str = "KEYWAY_TEST_POSTGRES";
const TEMPLATE: &str = "keyway_template";

/// The database that belongs to a folder: a file in it, or a database of the server that
/// `KEYWAY_TEST_POSTGRES` names.
pub struct Database {
    place: Place,
}

enum Place {
    File(PathBuf),
    Server { server: String, name: String },
}

impl Database {
    /// The folder's database; made and migrated if it is not there.
    pub fn of(folder: &Path) -> Self {
        let Some(server) = server() else { return Self::in_a_file(folder) };
        make_template(&server);
        let chance = folder.to_string_lossy().bytes().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
            (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        });
        let name = format!("keyway_{chance:016x}");
        let mut admin = Session::open(&format!("{server}/postgres"));
        let known = format!("SELECT 1 FROM pg_database WHERE datname = '{name}'");
        if must(admin.rows(&known)).is_empty() {
            must(admin.run(&format!("CREATE DATABASE {name} TEMPLATE {TEMPLATE}")));
        }
        Self { place: Place::Server { server, name } }
    }

    /// A file in the folder, whatever the tests run on.
    pub fn in_a_file(folder: &Path) -> Self {
        Self { place: Place::File(folder.join("keyway.db")) }
    }

    /// The same database, for another process of a deployment.
    #[must_use]
    pub fn same(&self) -> Self {
        let place = match &self.place {
            Place::File(path) => Place::File(path.clone()),
            Place::Server { server, name } => {
                Place::Server { server: server.clone(), name: name.clone() }
            }
        };
        Self { place }
    }

    /// Whether it is on a server.
    pub fn is_on_server(&self) -> bool {
        matches!(self.place, Place::Server { .. })
    }

    /// The server's address of it; `None` for a file.
    pub fn url(&self) -> Option<String> {
        match &self.place {
            Place::File(_) => None,
            Place::Server { server, name } => Some(format!("{server}/{name}")),
        }
    }

    /// Opens it.
    pub fn open(&self, options: &Options) -> Result<Db, DbError> {
        match (&self.place, self.target()) {
            (Place::File(path), _) => Db::open(path, options),
            (_, Some(target)) => Db::connect(&target, options),
            (_, None) => unreachable!("a server has an address"),
        }
    }

    /// Where the server is; `None` for a file.
    pub fn target(&self) -> Option<Arc<Target>> {
        self.url().map(|url| target(&url))
    }

    /// Everything that is in it, by table; of a file by file, with what is not checkpointed.
    pub fn contents(&self) -> Vec<(String, Vec<u8>)> {
        if let Place::File(path) = &self.place {
            let folder = path.parent().expect("a file is in a folder");
            let files = std::fs::read_dir(folder).expect("the folder can be read");
            let files =
                files.map(|file| file.expect("an entry").path()).filter(|file| file.is_file());
            let named = |file: PathBuf| (file.display().to_string(), std::fs::read(file));
            return files.map(named).map(|(name, read)| (name, read.expect("a file"))).collect();
        }
        let editor = self.editor();
        let tables =
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'";
        let rows = |table: String| {
            let rows = editor.rows(&format!("SELECT * FROM {table}"));
            let cells = rows.into_iter().flatten().map(|cell| bytes(&cell));
            (table, cells.collect::<Vec<_>>().join(&b'\n'))
        };
        editor.rows(tables).into_iter().map(|row| rows(row[0].clone())).collect()
    }

    /// Runs a statement about the database, from outside it.
    pub fn admin(&self, sql: &str) {
        if let Place::Server { server, .. } = &self.place {
            must(Session::open(&format!("{server}/postgres")).run(sql));
        }
    }

    /// Removes it from its server; a file goes with its folder.
    pub fn remove(&self) {
        if let Place::Server { server, name } = &self.place {
            let mut admin = Session::open(&format!("{server}/postgres"));
            // One that stays behind goes with its server.
            let _ = admin.run(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
        }
    }

    /// The connection of someone who edits the database behind Keyway's back.
    pub fn editor(&self) -> Editor {
        match &self.place {
            Place::File(path) => Editor::file(path),
            Place::Server { server, name } => Editor::server(&format!("{server}/{name}")),
        }
    }
}

/// A cell as the server prints it: bytes in hex after a mark.
fn bytes(cell: &str) -> Vec<u8> {
    let Some(hex) = cell.strip_prefix("\\x") else { return cell.as_bytes().to_vec() };
    let digits = |at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
    (0..hex.len()).step_by(2).filter_map(digits).collect()
}

/// Whether tests have their databases on a server.
pub fn is_on_server() -> bool {
    server().is_some()
}

#[expect(clippy::disallowed_methods, reason = "tests have no settings but this")]
fn server() -> Option<String> {
    std::env::var(SERVER).ok()
}

fn target(url: &str) -> Arc<Target> {
    Arc::new(Target::parse(url, None, None).expect("the server's address is one").forgetful())
}

fn must<T>(done: Result<T, String>) -> T {
    done.unwrap_or_else(|why| panic!("the test server refuses: {why}"))
}

/// Makes the database that the others are copied from, once for all processes of a test run.
fn make_template(server: &str) {
    let port: String = server.chars().filter(char::is_ascii_digit).collect();
    let lock = std::env::temp_dir().join(format!("keyway-template-{port}.lock"));
    let lock = File::create(lock).expect("a temporary file can be made");
    lock.lock().expect("a file can be locked");
    let mut admin = Session::open(&format!("{server}/postgres"));
    let known = format!("SELECT 1 FROM pg_database WHERE datname = '{TEMPLATE}'");
    if must(admin.rows(&known)).is_empty() {
        // Under another name until it is whole.
        must(admin.run("DROP DATABASE IF EXISTS keyway_unfinished WITH (FORCE)"));
        must(admin.run("CREATE DATABASE keyway_unfinished"));
        migrate(&target(&format!("{server}/keyway_unfinished")), None)
            .unwrap_or_else(|error| panic!("the migrations fail: {error}"));
        must(admin.run(&format!("ALTER DATABASE keyway_unfinished RENAME TO {TEMPLATE}")));
    }
}
