//! A PostgreSQL server of one's own, in a temporary folder. It ends with its owner, however that
//! one ends: a shell script watches the owner and cleans up.

use std::fs::{DirBuilder, Permissions};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::port::free_port;
use crate::programs::{Programs, run};

const ROLES: &str = include_str!("roles.sql");
const DATABASE: &str = include_str!("database.sql");
const ENCRYPTS: &str = "SHOW ssl";
const FOLLOWED: &str = include_str!("followed.sql");
const WATCH: &str = include_str!("watch.sh");
/// The role that may do everything; only the server's own set-up needs it.
const SUPERUSER: &str = "postgres";
/// Starts on another port each, in case somebody took the one that was free.
const STARTS: usize = 5;

/// How a server is run.
#[derive(Clone, Copy, Default)]
pub struct Options {
    /// Whether a commit survives a crash of the machine. Without it the server is faster, and still
    /// survives a crash of its own.
    pub durable: bool,
    /// How much of its tables it keeps in memory, in MB; none is what it does by itself.
    pub buffers_mb: Option<u32>,
}

/// A running PostgreSQL server. It is stopped and removed when dropped.
pub struct Postgres {
    programs: Programs,
    folder: PathBuf,
    port: u16,
    watch: Child,
}

impl Postgres {
    /// Starts a durable server.
    pub fn start() -> Self {
        Self::start_with(Options { durable: true, ..Options::default() })
    }

    /// Starts a server.
    pub fn start_with(options: Options) -> Self {
        Self::start_watched(options, None)
    }

    /// Starts a server that lives as long as another process; its address without a database.
    pub fn start_for(owner: u32, options: Options) -> String {
        let server = Self::start_watched(options, Some(owner));
        let address = server.url("");
        std::mem::forget(server);
        address.trim_end_matches('/').to_owned()
    }

    fn start_watched(options: Options, owner: Option<u32>) -> Self {
        let programs = Programs::find();
        let folder = make_folder(&programs);
        let watch = watch(&folder, owner);
        let mut server = Self { programs, folder, port: 0, watch };
        let data = server.data();
        let init =
            ["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"];
        run(server.programs.server("initdb").args(init).args(["-U", SUPERUSER, "-D"]).arg(data));
        let started = (0..STARTS).any(|_| {
            server.port = free_port();
            server.boot(options)
        });
        assert!(started, "the server does not start:\n{}", server.log());
        server.psql_as(SUPERUSER, "postgres", ROLES);
        server
    }

    fn boot(&self, options: Options) -> bool {
        let mut settings = format!(
            "-c listen_addresses=127.0.0.1,127.0.0.2 -p {} -k {} -c max_connections=300",
            self.port,
            self.folder.display()
        );
        if let Some(buffers) = options.buffers_mb {
            settings.push_str(&format!(" -c shared_buffers={buffers}MB"));
        }
        if !options.durable {
            settings.push_str(" -c fsync=off -c synchronous_commit=off -c full_page_writes=off");
        }
        let mut command = self.control("start");
        command.arg("-o").arg(settings);
        command.output().is_ok_and(|output| output.status.success())
    }

    /// The address of a database, as its owner.
    pub fn url(&self, database: &str) -> String {
        self.url_as("keyway", database)
    }

    /// The address of a database, as the role that a server runs with.
    pub fn run_url(&self, database: &str) -> String {
        self.url_as("keyway_run", database)
    }

    fn url_as(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/{database}", self.port)
    }

    /// The port of 127.0.0.1 on which it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of its socket.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes an empty database of the role `keyway`, in which `keyway_run` may change rows.
    pub fn create_database(&self, name: &str) {
        self.psql("postgres", &format!("CREATE DATABASE {name}"));
        self.psql_as(SUPERUSER, name, DATABASE);
    }

    /// Removes a database, whoever is connected.
    pub fn drop_database(&self, name: &str) {
        self.psql("postgres", &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
    }

    /// Runs SQL as the role `keyway`: rows as lines, cells between bars.
    pub fn psql(&self, database: &str, sql: &str) -> String {
        self.psql_as("keyway", database, sql)
    }

    fn psql_as(&self, role: &str, database: &str, sql: &str) -> String {
        let mut command = self.programs.psql();
        command.args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql, "-d"]);
        run(command.arg(self.url_as(role, database)))
    }

    /// Restarts it as after a crash: it forgets every connection and reads its log again.
    pub fn crash_restart(&self) {
        run(self.control("restart").args(["-m", "immediate"]));
    }

    /// Shows a certificate to those who want one, from now on; also at 127.0.0.2.
    pub fn encrypt(&self, certificate: &[u8], key: &[u8]) {
        for (name, bytes) in [("server.crt", certificate), ("server.key", key)] {
            let path = self.data().join(name);
            std::fs::write(&path, bytes).expect("the server's folder is writable");
            // The server takes no key that others may read.
            std::fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("it is ours");
            if let Some(user) = self.programs.user {
                chown(&path, Some(user.uid), Some(user.gid)).expect("root may give a file away");
            }
        }
        let access = self.data().join("pg_hba.conf");
        let known = std::fs::read_to_string(&access).expect("a server has one");
        std::fs::write(&access, format!("host all all 127.0.0.2/32 trust\n{known}"))
            .expect("the server's folder is writable");
        self.psql_as(SUPERUSER, "postgres", "ALTER SYSTEM SET ssl = on");
        run(&mut self.control("reload"));
        // Each reading of the settings takes a moment.
        while self.psql_as(SUPERUSER, "postgres", ENCRYPTS) != "on" {
            std::thread::yield_now();
        }
    }

    /// A server that follows this one, and takes writes once it is promoted.
    #[must_use]
    pub fn standby(&self) -> Self {
        let programs = Programs::find();
        let folder = make_folder(&programs);
        let watch = watch(&folder, None);
        let mut standby = Self { programs, folder, port: 0, watch };
        let from = self.url_as(SUPERUSER, "");
        let mut copy = standby.programs.server("pg_basebackup");
        // With what it needs to follow from then on.
        copy.args(["-R", "-X", "stream", "-c", "fast", "--no-sync", "-d", &from, "-D"]);
        run(copy.arg(standby.data()));
        let started = (0..STARTS).any(|_| {
            standby.port = free_port();
            standby.boot(Options { durable: true, ..Options::default() })
        });
        assert!(started, "the standby does not start:\n{}", standby.log());
        standby
    }

    /// Waits until its standby has read everything.
    pub fn until_followed(&self) {
        self.psql_as(SUPERUSER, "postgres", FOLLOWED);
    }

    /// Makes a standby the server that takes writes.
    pub fn promote(&self) {
        run(&mut self.control("promote"));
    }

    /// Writes a database to a file; its path.
    pub fn dump(&self, database: &str) -> PathBuf {
        let path = self.folder.join("dump");
        let mut command = self.programs.server("pg_dump");
        command.args(["-Fc", "-d", &self.url(database), "-f"]);
        run(command.arg(&path));
        path
    }

    /// Puts a database back as a file has it, in one transaction, whoever is connected.
    pub fn restore(&self, database: &str, dump: &Path) {
        let mut command = self.programs.server("pg_restore");
        command.args(["--clean", "--single-transaction", "-d", &self.url(database)]);
        run(command.arg(dump));
    }

    /// Stops it; connections are cut.
    pub fn stop(&self) {
        run(self.control("stop").args(["-m", "fast"]));
    }

    /// Starts it again as it was, after a stop.
    pub fn start_again(&self) {
        let options = std::fs::read_to_string(self.data().join("postmaster.opts"));
        let options = options.expect("a server that ran has left its options");
        let options: String = options
            .trim()
            .split_once(' ')
            .map_or_else(String::new, |(_, rest)| rest.replace('"', ""));
        run(self.control("start").arg("-o").arg(options));
    }

    /// Stops the clock of all its processes: they answer nothing and lose nothing.
    pub fn pause(&self) {
        // The parent first, so that no child is made meanwhile.
        self.signal_all(Signal::STOP);
    }

    /// Lets all its processes go on.
    pub fn resume(&self) {
        self.signal_all(Signal::CONT);
    }

    /// The end of what it wrote to its log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn control(&self, act: &str) -> Command {
        let mut command = self.programs.server("pg_ctl");
        command.arg(act).args(["-w", "-s", "-t", "60", "-D"]).arg(self.data());
        command.arg("-l").arg(self.folder.join("log"));
        command
    }

    fn signal_all(&self, signal: Signal) {
        let file = std::fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
        let Some(server) = file.lines().next().and_then(|line| line.parse().ok()) else { return };
        signal_process(server, signal);
        let children = std::fs::read_to_string(format!("/proc/{server}/task/{server}/children"));
        for child in children.unwrap_or_default().split_whitespace() {
            if let Ok(child) = child.parse() {
                signal_process(child, signal);
            }
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // The script stops the server when its input ends, and is gone when all is removed.
        drop(self.watch.stdin.take());
        let _ = self.watch.wait();
    }
}

fn signal_process(number: i32, signal: Signal) {
    if let Some(process) = Pid::from_raw(number) {
        // A child that has just ended is as good as one that was told.
        let _ = kill_process(process, signal);
    }
}

fn make_folder(programs: &Programs) -> PathBuf {
    let chance = RandomState::new().build_hasher().finish();
    let folder = std::env::temp_dir().join(format!("keyway-postgres-{chance:016x}"));
    DirBuilder::new().mode(0o755).create(&folder).expect("a temporary folder can be made");
    if let Some(user) = programs.user {
        chown(&folder, Some(user.uid), Some(user.gid)).expect("root may give a folder away");
    }
    folder
}

/// Starts the script that cleans up. It has a process group of its own, so that an interrupt from
/// the keyboard does not end it before its work.
fn watch(folder: &Path, owner: Option<u32>) -> Child {
    let mut command = Command::new("sh");
    command.args(["-c", WATCH, "sh"]).arg(folder);
    match owner {
        Some(owner) => command.arg(owner.to_string()).stdin(Stdio::null()),
        None => command.stdin(Stdio::piped()),
    };
    command.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    command.spawn().expect("a shell can be started")
}
