//! Measures Keyway: every section in one run, medians of several rounds, one table.
//!
//! `bench/run` starts it, on the second core, with the path of the release binary.

mod engine;
mod environment;
mod fill;
mod held;
mod load;
mod logged;
mod memory;
mod nodes;
mod over_http;
mod pages;
mod pieces;
mod report;
mod server;
mod start;
mod stats;
mod telling;
mod writes;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use report::Report;

/// The binary measures with the allocator that `keyway` runs with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Whatever stops a measurement.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What to measure, and how thoroughly.
pub(crate) struct Plan {
    /// The release binary.
    pub(crate) keyway: PathBuf,
    /// Fewer rounds, and no million.
    pub(crate) quick: bool,
    /// Ten million as well, where size matters.
    pub(crate) large: bool,
    json: bool,
    sections: Vec<String>,
}

const SECTIONS: [&str; 11] = [
    "engine", "pieces", "http", "flood", "held", "memory", "start", "nodes", "writes", "pages",
    "telling",
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.first().map(String::as_str) {
        Some("--memory-of") => memory::child(&arguments[1..]),
        _ => plan(&arguments).and_then(|plan| run(&plan)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn plan(arguments: &[String]) -> Result<Plan, Failure> {
    let mut plan = Plan {
        keyway: PathBuf::new(),
        quick: false,
        large: false,
        json: false,
        sections: Vec::new(),
    };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--keyway" => plan.keyway = rest.next().ok_or("--keyway needs a path")?.into(),
            "--quick" => plan.quick = true,
            "--large" => plan.large = true,
            "--json" => plan.json = true,
            name if SECTIONS.contains(&name) => plan.sections.push(name.to_owned()),
            other => {
                let sections = SECTIONS.join(", ");
                return Err(format!(
                    "`{other}`: there are --quick, --large, --json and {sections}"
                )
                .into());
            }
        }
    }
    if plan.sections.is_empty() {
        plan.sections = SECTIONS.iter().map(|name| (*name).to_owned()).collect();
    }
    Ok(plan)
}

fn run(plan: &Plan) -> Result<(), Failure> {
    let mut report = Report::new(environment::read());
    for section in &plan.sections {
        let _ = writeln!(std::io::stderr(), "bench: {section} …");
        match section.as_str() {
            "engine" => engine::measure(plan, &mut report)?,
            "pieces" => pieces::measure(plan, &mut report)?,
            "http" => over_http::measure(plan, &mut report)?,
            "flood" => over_http::measure_flood(plan, &mut report)?,
            "held" => held::measure(plan, &mut report)?,
            "memory" => memory::measure(plan, &mut report)?,
            "start" => start::measure(plan, &mut report)?,
            "nodes" => nodes::measure(plan, &mut report)?,
            "pages" => pages::measure(plan, &mut report)?,
            "telling" => telling::measure(plan, &mut report)?,
            _ => writes::measure(plan, &mut report)?,
        }
    }
    let text = if plan.json { report.to_json() } else { report.to_markdown() };
    writeln!(std::io::stdout(), "{text}")?;
    Ok(())
}

impl Plan {
    /// Rounds of which the median counts.
    pub(crate) fn rounds(&self) -> usize {
        if self.quick { 3 } else { 7 }
    }

    /// Numbers of credentials to measure at.
    pub(crate) fn sizes(&self) -> &'static [usize] {
        if self.quick {
            &[1_000, 100_000]
        } else if self.large {
            &[1_000, 100_000, 1_000_000, 10_000_000]
        } else {
            &[1_000, 100_000, 1_000_000]
        }
    }
}

/// A runtime on this thread: the load generator has one core.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_current_thread().event_interval(8).enable_all().build()?)
}
