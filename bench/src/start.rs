//! From the start of the process until it serves, with full databases.

use std::time::Instant;

use crate::fill::{Maker, Temporary, data_folder};
use crate::report::{Report, Row};
use crate::server::Server;
use crate::stats::{count, float, median, say_nanoseconds, say_rate};
use crate::{Failure, Plan};

pub(crate) fn measure(plan: &Plan, report: &mut Report) -> Result<(), Failure> {
    let mut idle = None;
    for size in [0].iter().chain(&plan.sizes()[1..]) {
        let folder = Temporary::new(&format!("start-{size}"))?;
        let filled = Instant::now();
        data_folder(&folder.0, &mut Maker::new("enterprise")?, *size, 0)?;
        let filled = filled.elapsed().as_secs_f64();
        let mut rounds = [Vec::new(), Vec::new()];
        let mut anonymous = 0;
        for _ in 0..plan.rounds().min(5) {
            for (cores, rounds) in ["0", "0,1"].into_iter().zip(&mut rounds) {
                let server = Server::start_with(plan, &folder.0, "enterprise", cores, &[])?;
                rounds.push(server.start.as_secs_f64());
                anonymous = server.memory()?.anonymous;
            }
        }
        let [seconds, on_two] = rounds.map(median);
        let base = *idle.get_or_insert(anonymous);
        let each = float(anonymous.saturating_sub(base)) / count((*size).max(1));
        let file = std::fs::metadata(folder.0.join("keyway.db"))?.len();
        report.add(Row {
            section: "start",
            what: format!("{size} credentials, one core"),
            figure: say_nanoseconds(seconds * 1e9),
            ratio: format!("{} loaded", say_rate(count(*size) / seconds)),
            note: format!(
                "on two cores {}; {each:.0} B a secret more than an empty server; file {:.0} MB, filled in {filled:.0} s",
                say_nanoseconds(on_two * 1e9),
                float(file) / 1e6
            ),
            ..Row::default()
        });
    }
    Ok(())
}
