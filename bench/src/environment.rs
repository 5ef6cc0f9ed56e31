//! The machine and the moment, without which no figure means anything.

use std::process::Command;

/// What goes above the table.
pub(crate) fn read() -> Vec<(&'static str, String)> {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: Vec<&str> = load.split(' ').take(3).collect();
    vec![
        ("CPU", model.map_or("?", |(_, name)| name).to_owned()),
        ("cores", cores.to_string()),
        ("kernel", said("uname", &["-r"])),
        ("date", said("date", &["-u", "+%Y-%m-%d %H:%M UTC"])),
        ("load average at the start", load.join(" ")),
        ("rustc", said("rustc", &["--version"])),
        ("commit", said("git", &["describe", "--always", "--dirty"])),
    ]
}

/// The machine's memory, in kB.
pub(crate) fn memory_kb() -> Option<u64> {
    let memory = std::fs::read_to_string("/proc/meminfo").ok()?;
    let total = memory.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    total.trim().strip_suffix("kB")?.trim().parse().ok()
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or_else(
        |_| "?".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}
