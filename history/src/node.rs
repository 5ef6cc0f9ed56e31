//! One real `keyway serve` process: started, stopped for a while, killed, started again.

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use keyway_testbed::Proxy;
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Instant, sleep};

use crate::Failure;
use crate::wire::{Line, request};

/// A node gets this long to serve after its start.
const START_MAX: Duration = Duration::from_secs(30);
const READY_EVERY: Duration = Duration::from_millis(10);
const READY_WITHIN: Duration = Duration::from_secs(1);

/// What all nodes are started with.
pub(crate) struct Setting {
    pub(crate) keyway: PathBuf,
    pub(crate) scheme: PathBuf,
    pub(crate) root_key: String,
    /// The unsafe mode of a control run.
    pub(crate) unsafe_mode: Option<String>,
}

/// A node and the ways to it.
pub(crate) struct Node {
    /// The listener for management.
    pub(crate) public: Line,
    /// The listener for verification.
    pub(crate) inside: Line,
    /// Between it and the database, unless it keeps its own.
    pub(crate) proxy: Option<Proxy>,
    pub(crate) folder: PathBuf,
    /// How its machine's clocks are wrong, if they are.
    pub(crate) clock: Option<String>,
    arguments: Vec<String>,
    database: Option<String>,
    child: Mutex<Option<Child>>,
}

impl Node {
    /// A node that is not started yet, in a folder of its own.
    pub(crate) fn new(folder: PathBuf, database: Option<String>, proxy: Option<Proxy>) -> Self {
        let address = || SocketAddr::from(([127, 0, 0, 1], keyway_testbed::free_port()));
        let (public, inside) = (address(), address());
        let arguments = vec![
            "--listen".to_owned(),
            public.to_string(),
            "--internal-listen".to_owned(),
            inside.to_string(),
        ];
        let (public, inside) = (Line::new(public), Line::new(inside));
        let child = Mutex::default();
        Self { public, inside, proxy, folder, clock: None, arguments, database, child }
    }

    /// Starts the process; it does not wait until it serves.
    pub(crate) fn start(&self, setting: &Setting) -> Result<(), Failure> {
        std::fs::create_dir_all(&self.folder)?;
        let said = File::options().create(true).append(true).open(self.folder.join("said"))?;
        let mut command = Command::new("setpriv");
        // It must not outlive this process; the threads that start nodes live as long as it.
        command.arg("--pdeathsig=KILL").arg(&setting.keyway);
        command.args(["serve", "--json", "--log", "warn"]).args(&self.arguments);
        command.arg("--scheme").arg(&setting.scheme).arg("--data").arg(self.folder.join("data"));
        if let Some(database) = &self.database {
            command.args(["--database", database]);
        }
        if let Some(mode) = &setting.unsafe_mode {
            command.env("KEYWAY_UNSAFE_COHERENCE", mode);
        }
        if let Some(clock) = &self.clock {
            command.env("KEYWAY_UNSAFE_CLOCK", clock);
        }
        command.env("KEYWAY_ROOT_KEY", &setting.root_key);
        command.stdin(Stdio::null()).stdout(said.try_clone()?).stderr(said);
        *self.child() = Some(command.spawn()?);
        Ok(())
    }

    /// Waits until it says that it is ready.
    pub(crate) async fn ready(&self) -> Result<(), Failure> {
        let asked = request("/readyz", &[], None);
        let since = Instant::now();
        loop {
            let reply = self.inside.ask(&asked, READY_WITHIN).await;
            if reply.is_ok_and(|reply| reply.status == 200) {
                return Ok(());
            }
            let ended = match self.child().as_mut() {
                Some(child) => child.try_wait()?,
                None => return Err("the node is not started".into()),
            };
            if ended.is_some() || since.elapsed() > START_MAX {
                return Err(format!("the node does not serve:\n{}", self.said()).into());
            }
            sleep(READY_EVERY).await;
        }
    }

    /// Stops its clock.
    pub(crate) fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Ends it without warning.
    pub(crate) fn kill(&self) {
        if let Some(mut child) = self.child().take() {
            // A process that has ended already is as good.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// The end of what it said.
    pub(crate) fn said(&self) -> String {
        let said = std::fs::read_to_string(self.folder.join("said")).unwrap_or_default();
        let lines: Vec<&str> = said.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn signal(&self, signal: Signal) {
        let process = self.child().as_ref().and_then(|child| i32::try_from(child.id()).ok());
        if let Some(process) = process.and_then(Pid::from_raw) {
            // One that has just ended is found out by whoever asks it.
            let _ = kill_process(process, signal);
        }
    }

    fn child(&self) -> std::sync::MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs a command of the binary beside the nodes; what it says.
pub(crate) fn run(setting: &Setting, arguments: &[&str]) -> Result<String, Failure> {
    let output = Command::new(&setting.keyway)
        .args(arguments)
        .env("KEYWAY_ROOT_KEY", &setting.root_key)
        .output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("keyway {}: {said}", arguments.join(" ")).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
