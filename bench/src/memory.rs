//! What a live secret costs in memory, in a fresh process; the idle server; the binary.

use std::io::Write as _;
use std::process::Command;

use keyway_domain::credential::Status;
use keyway_server::clock::{Clock as _, SystemClock};
use keyway_server::index::Index;

use crate::fill::{Maker, Temporary, data_folder};
use crate::report::{Report, Row};
use crate::server::{Server, memory_of};
use crate::stats::float;
use crate::{Failure, Plan};

/// Credentials that are made and forgotten first, so that what making them needs is not counted.
const WARM_UP: usize = 1_000;

/// In a process of its own: prints how many bytes an index of so many secrets took.
pub(crate) fn child(arguments: &[String]) -> Result<(), Failure> {
    let [scheme, size] = arguments else { return Err("--memory-of SCHEME COUNT".into()) };
    let size: usize = size.parse()?;
    let mut maker = Maker::new(scheme)?;
    let now = SystemClock.now();
    let warm = Index::new(maker.scheme.clone(), 64);
    for place in 0..WARM_UP {
        let (account, _) = maker.account_of(place);
        warm.apply(&maker.make(place, account.id, Status::Live).credential, now);
    }
    let before = memory_of("self")?.anonymous;
    let index = Index::new(maker.scheme.clone(), u64::try_from(size)?);
    for place in 0..size {
        let (account, is_new) = maker.account_of(place);
        if is_new {
            index.apply_account(&account);
        }
        index.apply(&maker.make(place, account.id, Status::Live).credential, now);
    }
    let after = memory_of("self")?.anonymous;
    writeln!(std::io::stdout(), "{}", after.saturating_sub(before))?;
    drop((index, warm));
    Ok(())
}

pub(crate) fn measure(plan: &Plan, report: &mut Report) -> Result<(), Failure> {
    for scheme in ["enterprise", "xtopay", "rapyd"] {
        for size in &plan.sizes()[1..] {
            let output = Command::new(std::env::current_exe()?)
                .args(["--memory-of", scheme, &size.to_string()])
                .output()?;
            let bytes: u64 = String::from_utf8_lossy(&output.stdout).trim().parse()?;
            let each = float(bytes) / crate::stats::count(*size);
            report.add(Row {
                section: "memory",
                what: format!("index, scheme {scheme}, {size} secrets"),
                figure: format!("{each:.0} B a secret"),
                note: "accounts of 100 credentials and their names included".to_owned(),
                ..Row::default()
            });
        }
    }
    let folder = Temporary::new("idle")?;
    data_folder(&folder.0, &mut Maker::new("enterprise")?, 0, 0)?;
    let memory = Server::start(plan, &folder.0, "enterprise")?.memory()?;
    let mib = |bytes: u64| format!("{:.1} MiB", float(bytes) / 1_048_576.0);
    report.add(Row {
        section: "memory",
        what: "idle server, resident".to_owned(),
        figure: mib(memory.resident),
        note: format!("of it allocated {}", mib(memory.anonymous)),
        ..Row::default()
    });
    report.add(Row {
        section: "memory",
        what: "binary".to_owned(),
        figure: mib(std::fs::metadata(&plan.keyway)?.len()),
        ..Row::default()
    });
    Ok(())
}
