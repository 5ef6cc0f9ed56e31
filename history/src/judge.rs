//! From a history to a report: the claims that every scenario makes, and those of its own.

use std::collections::BTreeMap;

use crate::audit::Audit;
use crate::check::{Findings, Rule, Stale, percentile, read, recoveries, silences};
use crate::faults::classes;
use crate::journal::{Act, Break, Change, Done, Outcome, Secret, Verification, lock};
use crate::plan::{Control, Plan, Scenario};
use crate::report::{Report, shown_ms};
use crate::world::World;

const MS: u64 = 1_000_000;
/// A cut-off node says within this time that it cannot know.
const SILENT_MS_MAX: u32 = 2_200;
/// What a revocation may take: half of them and nearly all when nothing is broken, nearly all else.
const PLAIN_P50_MS: u32 = 20;
const PLAIN_P99_MS: u32 = 100;
const FAULTS_P99_MS: u32 = 2_500;
const STALE_SHOWN: usize = 5;
const WHOLE_OK_PERCENT: f64 = 99.9;

/// Reads the history of a world into a report.
pub(crate) fn judge(world: &World, plan: &Plan, scenario: Scenario, audit: &Audit) -> Report {
    let engine = if plan.sqlite { "SQLite" } else { "PostgreSQL" };
    let about = format!("{} nodes on {engine}, seed {}", plan.nodes, plan.seed);
    let mut report = Report::new(scenario.name(), about, plan.bars);
    let breaks = lock(&world.journal.breaks).clone();
    let found = findings(world, plan, &breaks);
    if let Some(control) = plan.control.name() {
        let what = format!("stale accepts with the control {control}");
        report.claim(&what, "> 0", found.stale.len(), !found.stale.is_empty());
        stale(&mut report, world, &found, &breaks);
        report.figure("verifications", counts(&found));
        return report;
    }
    every_scenario(&mut report, world, &found, audit);
    if scenario != Scenario::Create {
        let asked = found.after_end;
        report.claim("verifications begun after an end", "> 0", asked, asked > 0);
    }
    stale(&mut report, world, &found, &breaks);
    let changes = lock(&world.journal.changes).clone();
    let ends = times(&changes, Change::is_end);
    match scenario {
        Scenario::Plain => {
            report.at_most_ms("revocation, p50", PLAIN_P50_MS, percentile(&ends, 500));
            report.at_most_ms("revocation, p99", PLAIN_P99_MS, percentile(&ends, 990));
            by_tenth(&mut report, &changes);
        }
        Scenario::Faults => {
            // A call of a node that is stopped or cut off waits for that node, whatever it does.
            let elsewhere = times(&changes, |change| {
                let there = |one: &Break| one.touches(change.node, change.invoked, change.returned);
                change.is_end() && !breaks.iter().any(there)
            });
            let what = "revocation at a node that is whole, p99";
            report.at_most_ms(what, FAULTS_P99_MS, percentile(&elsewhere, 990));
            silence(&mut report, world, &breaks);
        }
        Scenario::Crashes | Scenario::Create | Scenario::Bulk | Scenario::Clocks => {}
    }
    report.times("revocations", &ends);
    let mut whole: Vec<u64> = lock(&world.journal.secrets)
        .iter()
        .filter_map(|secret| Some(secret.ended? - secret.ending?))
        .collect();
    whole.sort_unstable();
    report.times("ends with all that was asked again", &whole);
    by_class(&mut report, world, &changes, &breaks);
    let creates = |change: &Change| change.act == Act::Create && change.done == Done::Everywhere;
    let mut late = lock(&world.journal.late).clone();
    late.sort_unstable();
    report.times("the checker itself wakes late by", &late);
    report.times("creations", &times(&changes, creates));
    for (what, done) in [("answered as pending", Done::Pending), ("asked again", Done::Failed)] {
        report.figure(
            &format!("changes {what}"),
            changes.iter().filter(|change| change.done == done).count(),
        );
    }
    report
}

pub(crate) fn findings(world: &World, plan: &Plan, breaks: &[Break]) -> Findings {
    let rule = if plan.control == Control::Early { Rule::Asked } else { Rule::Answered };
    let secrets = lock(&world.journal.secrets);
    read(&secrets, &lock(&world.journal.verifications), breaks, rule)
}

fn every_scenario(report: &mut Report, world: &World, found: &Findings, audit: &Audit) {
    report.none("accepts begun after the end was acknowledged", found.stale.len());
    report.none("acknowledged ends that a node does not know in the end", audit.ended_lost);
    report.none("acknowledged creations that a node does not know in the end", audit.kept_lost);
    report.none("refusals of live secrets", found.wrongly_refused);
    let percent = found.whole_ok_percent();
    let bar = format!(">= {WHOLE_OK_PERCENT} %");
    let measured = format!("{percent:.3} % of {}", found.whole);
    report.measured(
        "good answers where nothing is broken",
        &bar,
        measured,
        percent >= WHOLE_OK_PERCENT,
    );
    report.odd(&lock(&world.journal.odd));
    report.figure("verifications", counts(found));
    let asked = audit.ended + audit.kept;
    report
        .figure("answers in the end", format!("{asked}, of them {} on ended secrets", audit.ended));
}

/// The first stale accepts, with what was broken then.
pub(crate) fn stale(report: &mut Report, world: &World, found: &Findings, breaks: &[Break]) {
    if !found.stale.is_empty() {
        report.figure("the latest of them after the answer", shown_ms(found.latest()));
    }
    for Stale { accept, late } in found.stale.iter().take(STALE_SHOWN) {
        let then = breaks.iter().filter(|one| one.overlaps(accept.invoked, accept.returned));
        let then: Vec<String> = then
            .map(|one| match one.node {
                Some(node) => format!("node {node} {}", one.class),
                None => one.class.to_owned(),
            })
            .collect();
        let measured = format!(
            "node {} at {}, secret {}, {} after the answer, answered in {}; broken: {}",
            accept.node,
            shown_ms(accept.invoked),
            accept.secret,
            shown_ms(*late),
            shown_ms(accept.returned - accept.invoked),
            if then.is_empty() { "nothing".to_owned() } else { then.join(", ") }
        );
        report.figure("stale accept", measured);
    }
    let mut stale: Vec<usize> = found.stale.iter().map(|one| one.accept.secret).collect();
    stale.sort_unstable();
    stale.dedup();
    for secret in stale.into_iter().take(STALE_SHOWN) {
        report.figure(&format!("secret {secret} was over"), told(world, secret));
    }
}

/// How the end of a secret was told, and what the nodes answered around it.
fn told(world: &World, secret: usize) -> String {
    let Secret { ended, told, .. } = lock(&world.journal.secrets)[secret].clone();
    let verifications = lock(&world.journal.verifications);
    let mut text = format!("at {} by {told}", shown_ms(ended.unwrap_or_default()));
    for node in 0..world.cluster.nodes.len() {
        let of = |outcome| {
            let here = move |one: &&Verification| {
                (one.secret, one.node, one.outcome) == (secret, node, outcome)
            };
            verifications.iter().filter(here).map(|one| one.invoked)
        };
        let said = |at: Option<u64>| at.map_or_else(|| "never".to_owned(), shown_ms);
        let accepted = said(of(Outcome::Accepted).max());
        let refused = said(of(Outcome::Refused).min());
        text.push_str(&format!("; node {node} last accepted {accepted}, first refused {refused}"));
    }
    text
}

fn counts(found: &Findings) -> String {
    let Findings { verifications, after_end, unavailable, no_answer, odd, .. } = found;
    format!(
        "{verifications}, of them {after_end} begun after an end; {unavailable} unavailable, \
         {no_answer} without an answer, {odd} odd"
    )
}

fn silence(report: &mut Report, world: &World, breaks: &[Break]) {
    // The shortest cuts end before the node must have said anything.
    let longer_than = u64::from(SILENT_MS_MAX) * MS;
    let silences = silences(&lock(&world.journal.verifications), breaks, longer_than);
    let never = silences.iter().filter(|silence| silence.is_none()).count();
    let mut known: Vec<u64> = silences.iter().flatten().copied().collect();
    known.sort_unstable();
    if silences.is_empty() {
        return;
    }
    report.none("cut-off nodes that never said that they cannot know", never);
    if let Some(latest) = known.last() {
        report.at_most_ms("cut-off node says that it cannot know", SILENT_MS_MAX, *latest);
    }
    report.times("until a cut-off node says so", &known);
}

/// Revocations by what was broken meanwhile, and whether at the node that was asked.
fn by_class(report: &mut Report, world: &World, changes: &[Change], breaks: &[Break]) {
    if breaks.is_empty() {
        return;
    }
    let broken: Vec<String> =
        classes(breaks).iter().map(|(class, count)| format!("{class} {count}")).collect();
    report.figure("broken", broken.join(", "));
    let healed = recoveries(&lock(&world.journal.verifications), breaks);
    report.times("until a healed node says yes or no", &healed);
    let mut classed: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let ends = changes.iter().filter(|change| change.is_end());
    for end in ends {
        let mut meanwhile =
            breaks.iter().filter(|broken| broken.overlaps(end.invoked, end.returned));
        let class = match (meanwhile.next(), meanwhile.next()) {
            (None, _) => "nothing broken".to_owned(),
            (Some(one), None) if one.node == Some(end.node) => {
                format!("{}, asked there", one.class)
            }
            (Some(one), None) => one.class.to_owned(),
            _ => "several broken".to_owned(),
        };
        classed.entry(class).or_default().push(end.returned - end.invoked);
    }
    for (class, mut times) in classed {
        times.sort_unstable();
        report.times(&format!("revocations, {class}"), &times);
    }
}

/// Revocations in the order in which they began, in ten parts: what becomes worse as a run goes on,
/// and what was one bad moment.
fn by_tenth(report: &mut Report, changes: &[Change]) {
    let mut ends: Vec<&Change> = changes.iter().filter(|change| change.is_end()).collect();
    ends.sort_unstable_by_key(|end| end.invoked);
    let part = ends.len().div_ceil(10).max(1);
    for (place, ends) in ends.chunks(part).enumerate() {
        let mut times: Vec<u64> = ends.iter().map(|end| end.returned - end.invoked).collect();
        times.sort_unstable();
        report.times(&format!("revocations, tenth {}", place + 1), &times);
    }
}

fn times(changes: &[Change], wanted: impl Fn(&Change) -> bool) -> Vec<u64> {
    let wanted = changes.iter().filter(|change| wanted(change));
    let mut times: Vec<u64> = wanted.map(|change| change.returned - change.invoked).collect();
    times.sort_unstable();
    times
}
