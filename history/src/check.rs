//! What the history must be like. One pass over it: no accept may begin after the answer that the
//! secret is over.

use crate::journal::{Break, Outcome, Secret, Verification};

/// An accept that began after the end of its secret.
pub(crate) struct Stale {
    pub(crate) accept: Verification,
    /// How long after the end it began.
    pub(crate) late: u64,
}

/// What was found.
#[derive(Default)]
pub(crate) struct Findings {
    pub(crate) verifications: usize,
    pub(crate) stale: Vec<Stale>,
    /// Verifications that began after an end: the chances to be stale.
    pub(crate) after_end: usize,
    /// Refusals of secrets whose end nobody had asked for, asked after they were shown.
    pub(crate) wrongly_refused: usize,
    /// Answers of nodes while nothing about them was broken, and how many said yes or no.
    pub(crate) whole: usize,
    pub(crate) whole_ok: usize,
    /// Verifications without an answer, and with one that nobody expected.
    pub(crate) no_answer: usize,
    pub(crate) odd: usize,
    pub(crate) unavailable: usize,
}

/// When a secret counts as over.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// When the answer has come that it is.
    Answered,
    /// When it was asked for: wrong, and known to be found so if the load is dense enough.
    Asked,
}

/// Reads the history.
pub(crate) fn read(
    secrets: &[Secret],
    verifications: &[Verification],
    breaks: &[Break],
    rule: Rule,
) -> Findings {
    let mut found = Findings { verifications: verifications.len(), ..Findings::default() };
    for asked in verifications {
        let secret = &secrets[asked.secret];
        let over = match rule {
            Rule::Answered => secret.ended,
            Rule::Asked => secret.ending,
        };
        if let Some(over) = over.filter(|over| *over < asked.invoked) {
            found.after_end += 1;
            if asked.outcome == Outcome::Accepted {
                found.stale.push(Stale { accept: *asked, late: asked.invoked - over });
            }
        }
        let live = secret.shown < asked.invoked
            && secret.ending.is_none_or(|ending| ending > asked.returned);
        found.wrongly_refused += usize::from(live && asked.outcome == Outcome::Refused);
        found.no_answer += usize::from(asked.outcome == Outcome::NoAnswer);
        found.odd += usize::from(asked.outcome == Outcome::Odd);
        found.unavailable += usize::from(asked.outcome == Outcome::Unavailable);
        if !breaks.iter().any(|broken| broken.touches(asked.node, asked.invoked, asked.returned)) {
            let ok = matches!(asked.outcome, Outcome::Accepted | Outcome::Refused);
            found.whole += 1;
            found.whole_ok += usize::from(ok);
        }
    }
    found
}

impl Findings {
    /// The share of good answers where nothing was broken, in percent.
    pub(crate) fn whole_ok_percent(&self) -> f64 {
        100.0 * share(self.whole_ok, self.whole)
    }

    /// The latest of the stale accepts.
    pub(crate) fn latest(&self) -> u64 {
        self.stale.iter().map(|stale| stale.late).max().unwrap_or(0)
    }
}

fn share(part: usize, whole: usize) -> f64 {
    let number = |count: usize| u32::try_from(count).map_or(f64::INFINITY, f64::from);
    if whole == 0 { 1.0 } else { number(part) / number(whole) }
}

impl Break {
    /// Whether a node's answer between two instants may be due to it.
    pub(crate) fn touches(&self, node: usize, from: u64, to: u64) -> bool {
        self.node.is_none_or(|broken| broken == node) && self.overlaps(from, to)
    }

    pub(crate) fn overlaps(&self, from: u64, to: u64) -> bool {
        self.from <= to && from <= self.whole
    }
}

/// How long each node that was cut off went on answering, until it first said that it cannot know;
/// nothing for one that did not say so in time to be seen.
pub(crate) fn silences(
    verifications: &[Verification],
    breaks: &[Break],
    longer_than: u64,
) -> Vec<Option<u64>> {
    // A cut counts if the node was asked at a time when it had to know.
    let cuts = breaks.iter().filter(|broken| {
        let asked = |one: &Verification| {
            Some(one.node) == broken.node
                && broken.from + longer_than <= one.invoked
                && one.returned <= broken.healed
        };
        broken.cut_off && verifications.iter().any(asked)
    });
    cuts.map(|cut| {
        let during = verifications.iter().filter(|asked| {
            Some(asked.node) == cut.node
                && asked.outcome == Outcome::Unavailable
                && cut.from <= asked.invoked
                && asked.returned <= cut.healed
        });
        during.map(|asked| asked.returned - cut.from).min()
    })
    .collect()
}

/// How long each node that was healed took to say yes or no again.
pub(crate) fn recoveries(verifications: &[Verification], breaks: &[Break]) -> Vec<u64> {
    let mut times: Vec<u64> = breaks
        .iter()
        .filter_map(|broken| {
            let after = verifications.iter().filter(|asked| {
                broken.node.is_none_or(|node| node == asked.node)
                    && matches!(asked.outcome, Outcome::Accepted | Outcome::Refused)
                    && asked.invoked >= broken.healed
            });
            after.map(|asked| asked.returned - broken.healed).min()
        })
        .collect();
    times.sort_unstable();
    times
}

/// The value below which so many thousandths of a sorted list are.
pub(crate) fn percentile(sorted: &[u64], thousandths: usize) -> u64 {
    let last = sorted.len().saturating_sub(1);
    let place = (sorted.len() * thousandths).div_ceil(1_000).saturating_sub(1);
    sorted.get(place.min(last)).copied().unwrap_or(0)
}
