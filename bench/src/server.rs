//! The real binary as a process on the first core.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{Failure, Plan};

/// A running server; it is killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) management: SocketAddr,
    pub(crate) internal: SocketAddr,
    /// From the start of the process until it said that it serves.
    pub(crate) start: Duration,
}

/// Memory of a process, in bytes.
pub(crate) struct Memory {
    /// All that is resident, pages of mapped files with it.
    pub(crate) resident: u64,
    /// What it allocated.
    pub(crate) anonymous: u64,
}

impl Server {
    /// Starts `keyway serve` on a data folder, with one core.
    pub(crate) fn start(plan: &Plan, folder: &Path, scheme: &str) -> Result<Self, Failure> {
        Self::start_with(plan, folder, scheme, "0", &[])
    }

    /// Starts it on the cores of a list, with more arguments.
    pub(crate) fn start_with(
        plan: &Plan,
        folder: &Path,
        scheme: &str,
        cores: &str,
        more: &[&str],
    ) -> Result<Self, Failure> {
        let started = Instant::now();
        let mut child = Command::new("taskset")
            .args(["-c", cores])
            .arg(&plan.keyway)
            .args(["serve", "--json", "--log", "error", "--scheme", scheme])
            .args(["--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0"])
            .args(more)
            .arg("--data")
            .arg(folder)
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().ok_or("the server has no output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let start = started.elapsed();
        let said: Value = serde_json::from_str(&line)?;
        let address = |name: &str| -> Result<SocketAddr, Failure> {
            let url = said[name].as_str().unwrap_or_default();
            let rest = url.strip_prefix("http://").unwrap_or_default();
            Ok(rest.split('/').next().unwrap_or_default().parse()?)
        };
        let (management, internal) = (address("management_url")?, address("verify_url")?);
        Ok(Self { child, management, internal, start })
    }

    /// Runs another command of the binary beside the server and reads its JSON.
    pub(crate) fn command(plan: &Plan, arguments: &[&str]) -> Result<Value, Failure> {
        let output = Command::new(&plan.keyway).arg("--json").args(arguments).output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// What it holds.
    pub(crate) fn memory(&self) -> Result<Memory, Failure> {
        memory_of(&self.child.id().to_string())
    }

    /// Processor time it has used, to 10 ms: its own, and the kernel's for it.
    pub(crate) fn processor_time(&self) -> Result<[Duration; 2], Failure> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let after_name = stat.rsplit(") ").next().unwrap_or_default();
        let mut fields = after_name.split(' ').skip(11);
        let mut ticks = || fields.next().and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
        Ok([Duration::from_millis(ticks() * 10), Duration::from_millis(ticks() * 10)])
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A server that has gone already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The memory of a process by its number, or of `self`.
pub(crate) fn memory_of(process: &str) -> Result<Memory, Failure> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let bytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.trim_start_matches(':').split_whitespace().next());
        kib.and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1024
    };
    Ok(Memory { resident: bytes("VmRSS"), anonymous: bytes("RssAnon") })
}
