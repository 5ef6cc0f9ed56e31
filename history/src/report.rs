//! What a scenario came to: claims that hold or do not, figures, and one verdict.

use std::fmt::Display;

use serde_json::{Value, json};

use crate::check::percentile;
use crate::clock::milliseconds;

/// A claim with its bar.
struct Claim {
    what: String,
    bar: String,
    measured: String,
    holds: bool,
}

/// A figure without a bar.
struct Figure {
    what: String,
    measured: String,
}

/// All that is said of one scenario.
pub(crate) struct Report {
    scenario: &'static str,
    about: String,
    claims: Vec<Claim>,
    figures: Vec<Figure>,
    odd: Vec<String>,
    has_bars: bool,
}

impl Report {
    pub(crate) fn new(scenario: &'static str, about: String, has_bars: bool) -> Self {
        let (claims, figures, odd) = (Vec::new(), Vec::new(), Vec::new());
        Self { scenario, about, claims, figures, odd, has_bars }
    }

    /// Adds a claim.
    pub(crate) fn claim(&mut self, what: &str, bar: &str, measured: impl Display, holds: bool) {
        let (what, bar) = (what.to_owned(), bar.to_owned());
        self.claims.push(Claim { what, bar, measured: measured.to_string(), holds });
    }

    /// Adds the claim that something did not happen.
    pub(crate) fn none(&mut self, what: &str, count: usize) {
        self.claim(what, "0", count, count == 0);
    }

    /// Adds the claim that nothing took longer.
    pub(crate) fn at_most_ms(&mut self, what: &str, bar_ms: u32, measured: u64) {
        let holds = milliseconds(measured) <= f64::from(bar_ms);
        self.measured(what, &format!("<= {bar_ms} ms"), shown_ms(measured), holds);
    }

    /// Adds a claim that depends on the machine; without bars it is a figure.
    pub(crate) fn measured(&mut self, what: &str, bar: &str, measured: impl Display, holds: bool) {
        if self.has_bars {
            self.claim(what, bar, measured, holds);
        } else {
            self.figure(what, format!("{measured} (bar: {bar})"));
        }
    }

    /// Adds a figure.
    pub(crate) fn figure(&mut self, what: &str, measured: impl Display) {
        self.figures.push(Figure { what: what.to_owned(), measured: measured.to_string() });
    }

    /// Adds times, as percentiles.
    pub(crate) fn times(&mut self, what: &str, sorted: &[u64]) {
        if sorted.is_empty() {
            return;
        }
        let [p50, p99, max] = [500, 990, 1_000].map(|at| shown_ms(percentile(sorted, at)));
        self.figure(what, format!("{} times, p50 {p50}, p99 {p99}, max {max}", sorted.len()));
    }

    /// Adds answers that nobody expected: each is a failure of the run or of Keyway.
    pub(crate) fn odd(&mut self, odd: &[String]) {
        self.none("answers that nobody expected", odd.len());
        self.odd.extend_from_slice(odd);
    }

    pub(crate) fn holds(&self) -> bool {
        self.claims.iter().all(|claim| claim.holds)
    }

    pub(crate) fn to_text(&self) -> String {
        let mut lines = vec![format!("{}: {}", self.scenario, self.about)];
        for claim in &self.claims {
            let verdict = if claim.holds { "holds" } else { "FAILS" };
            let Claim { what, bar, measured, .. } = claim;
            lines.push(format!("  {verdict}  {what}: {measured} (bar: {bar})"));
        }
        for Figure { what, measured } in &self.figures {
            lines.push(format!("         {what}: {measured}"));
        }
        lines.extend(self.odd.iter().map(|odd| format!("  odd    {odd}")));
        let verdict = if self.holds() { "PASS" } else { "FAIL" };
        lines.push(format!("{verdict} {}", self.scenario));
        lines.join("\n")
    }

    pub(crate) fn to_json(&self) -> Value {
        let claims = self.claims.iter().map(|claim| {
            json!({
                "what": claim.what, "bar": claim.bar, "measured": claim.measured,
                "holds": claim.holds,
            })
        });
        let figures =
            self.figures.iter().map(|one| json!({ "what": one.what, "measured": one.measured }));
        json!({
            "scenario": self.scenario,
            "about": self.about,
            "verdict": if self.holds() { "pass" } else { "fail" },
            "claims": claims.collect::<Vec<_>>(),
            "figures": figures.collect::<Vec<_>>(),
            "odd": self.odd,
        })
    }
}

/// A time for people.
pub(crate) fn shown_ms(nanoseconds: u64) -> String {
    format!("{:.1} ms", milliseconds(nanoseconds))
}
