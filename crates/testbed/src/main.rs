//! Starts a fast PostgreSQL server that lives as long as the process whose number is given, and
//! prints the setting by which tests find it. `tests/postgres/start` calls it.

use std::io::Write as _;
use std::process::ExitCode;

use keyway_testbed::{Options, Postgres};

fn main() -> ExitCode {
    let owner = std::env::args().nth(1).and_then(|argument| argument.parse().ok());
    let Some(owner) = owner else {
        let _ = writeln!(std::io::stderr(), "usage: tests/postgres/start PROCESS");
        return ExitCode::from(2);
    };
    let address = Postgres::start_for(owner, Options::default());
    let _ = writeln!(std::io::stdout(), "KEYWAY_TEST_POSTGRES={address}");
    ExitCode::SUCCESS
}
