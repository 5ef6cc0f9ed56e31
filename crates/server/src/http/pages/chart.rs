//! Requests over time as bars drawn here, with the same numbers as a table beside them.

use std::collections::BTreeMap;

use keyway_domain::credential::SecretState;
use keyway_domain::time::{DAY_MS, Time};
use keyway_store::usage::Hour;
use maud::{Markup, PreEscaped, html};

use super::key::Loaded;
use super::ui;

const HOUR_MS: i64 = 3_600_000;

/// How far back a chart goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Period {
    Day,
    Week,
    Month,
}

impl Period {
    const ALL: [(Self, &'static str, &'static str); 3] =
        [(Self::Day, "24h", "24 h"), (Self::Week, "7d", "7 d"), (Self::Month, "30d", "30 d")];

    pub(crate) fn parse(text: &str) -> Self {
        let found = Self::ALL.into_iter().find(|(_, word, _)| *word == text);
        found.map_or(Self::Day, |(period, _, _)| period)
    }

    /// Milliseconds of a bar, and how many there are.
    fn bars(self) -> (i64, i64) {
        match self {
            Self::Day => (HOUR_MS, 24),
            Self::Week => (6 * HOUR_MS, 28),
            Self::Month => (DAY_MS, 30),
        }
    }

    /// Where the first bar begins.
    pub(crate) fn since(self, now: Time) -> Time {
        let (width, count) = self.bars();
        let last = now.0 - now.0.rem_euclid(width);
        Time(last - (count - 1) * width)
    }

    fn said(self) -> &'static str {
        match self {
            Self::Day => "Requests per hour, last 24 hours",
            Self::Week => "Requests per 6 hours, last 7 days",
            Self::Month => "Requests per day, last 30 days",
        }
    }
}

/// One bar.
#[derive(Debug, Clone, Copy, Default)]
struct Bar {
    current: i64,
    earlier: i64,
    refused: i64,
}

impl Bar {
    fn total(self) -> i64 {
        self.current + self.earlier + self.refused
    }
}

fn bars(loaded: &Loaded, hours: &[Hour], period: Period, now: Time) -> Vec<(Time, Bar)> {
    let (width, count) = period.bars();
    let since = period.since(now);
    let mut bars: BTreeMap<i64, Bar> =
        (0..count).map(|n| (since.0 + n * width, Bar::default())).collect();
    let newest = loaded.credential.secrets.iter().map(|secret| secret.number).max().unwrap_or(1);
    for hour in hours {
        let start = hour.hour.0 - (hour.hour.0 - since.0).rem_euclid(width);
        let Some(bar) = bars.get_mut(&start) else { continue };
        match hour.outcome.as_str() {
            "allowed" if hour.secret == newest => bar.current += hour.requests,
            "allowed" => bar.earlier += hour.requests,
            _ => bar.refused += hour.requests,
        }
    }
    bars.into_iter().map(|(start, bar)| (Time(start), bar)).collect()
}

/// A round number at or above the highest bar, that divides by three.
fn top(most: i64) -> i64 {
    let most = most.max(3);
    let mut unit = 1;
    while unit * 30 < most {
        unit *= 10;
    }
    let steps = [3, 6, 9, 12, 15, 18, 24, 30];
    steps.into_iter().map(|step| step * unit).find(|top| *top >= most).unwrap_or(30 * unit)
}

fn short(number: i64) -> String {
    match number {
        0..10_000 => ui::number(number),
        10_000..10_000_000 => format!("{}k", number / 1000),
        _ => format!("{} M", number / 1_000_000),
    }
}

/// The section of a credential's page.
pub(crate) fn section(loaded: &Loaded, hours: &[Hour], period: Period, now: Time) -> Markup {
    let bars = bars(loaded, hours, period, now);
    let allowed: i64 = bars.iter().map(|(_, bar)| bar.current + bar.earlier).sum();
    let refused: i64 = bars.iter().map(|(_, bar)| bar.refused).sum();
    let whole = allowed + refused;
    let share = if whole == 0 { 0 } else { refused * 10_000 / whole };
    let places =
        loaded.places.iter().map(|place| &place.address).collect::<std::collections::BTreeSet<_>>();
    let fresh = loaded.places.iter().filter(|place| now.0 - place.first_at.0 < DAY_MS).count();
    html! {
        section.card id="usage" aria-labelledby="us" data-say=(period.said()) {
            header {
                h2 id="us" { "Requests" }
                nav.seg aria-label="Period" {
                    @for (choice, word, label) in Period::ALL {
                        a href={ "?period=" (word) "#usage" } data-live="#usage" aria-current=[(choice == period).then_some("true")] { (label) }
                    }
                }
            }
            dl.stats {
                div { dt { "Requests" } dd { (ui::number(whole)) } }
                div { dt { "Refused" } dd { (share / 100) "." (format!("{:02}", share % 100)) "% " small { (ui::number(refused)) } } }
                div { dt { "Last used" } dd { @match loaded.last_used() { Some(seen) => { (ui::ago_text(seen.at, now)) } None => { "never" } } } }
                div { dt { "Addresses" } dd { (places.len()) " " @if fresh > 0 { small { (fresh) " new" } } } }
            }
            div.body.stack {
                (legend(loaded, now))
                (plot(&bars, period))
                (table(&bars, period))
                p.row.small {
                    a href={ "/requests?key=" (loaded.credential.id) } { "Single requests" }
                    a href={ (loaded.path()) "/usage.csv" } { "Download as CSV" }
                }
            }
        }
    }
}

fn legend(loaded: &Loaded, now: Time) -> Markup {
    let credential = &loaded.credential;
    let newest = credential.secrets.iter().max_by_key(|secret| secret.number);
    let is_current = newest.is_some_and(|secret| secret.state_at(now) == SecretState::Current);
    html! {
        p.legend {
            @if let Some(newest) = newest {
                span { i {} @if is_current { "Current secret " } @else { "Last secret " } (ui::hint(&newest.hint)) }
            }
            @if credential.secrets.len() > 1 { span { i.old {} "Earlier secrets" } }
            span { i.err {} "Refused" }
        }
    }
}

fn plot(bars: &[(Time, Bar)], period: Period) -> Markup {
    let top = top(bars.iter().map(|(_, bar)| bar.total()).max().unwrap_or(0));
    let count = i64::try_from(bars.len()).unwrap_or(1).max(1);
    let slot = 2400 / count;
    let wide = slot * 4 / 5;
    let mut drawn = String::new();
    for (n, (_, bar)) in (0_i64..).zip(bars) {
        let x = n * slot + (slot - wide) / 2;
        let mut y = 1000;
        for (class, number) in [("new", bar.current), ("old", bar.earlier), ("err", bar.refused)] {
            let height = number * 1000 / top;
            let height = if number > 0 { height.max(12) } else { 0 };
            if height > 0 {
                y -= height;
                drawn.push_str(&format!(
                    r#"<rect class="{class}" x="{}.{}" y="{}.{}" width="{}.{}" height="{}.{}"/>"#,
                    x / 10,
                    x % 10,
                    y / 10,
                    y.rem_euclid(10),
                    wide / 10,
                    wide % 10,
                    height / 10,
                    height % 10
                ));
            }
        }
    }
    let most = bars.iter().max_by_key(|(_, bar)| bar.total());
    let total: i64 = bars.iter().map(|(_, bar)| bar.total()).sum();
    let said = match most {
        Some((at, bar)) if total > 0 => format!(
            "{} in all; the most, {}, from {} on.",
            ui::count(total, "request", "requests"),
            ui::number(bar.total()),
            at.to_minute_text()
        ),
        _ => "No requests.".to_owned(),
    };
    let every = (bars.len() / 6).max(1);
    html! {
        div.plot {
            ol aria-hidden="true" { @for third in (0..=3).rev() { li { (short(top * third / 3)) } } }
            svg.chart viewBox="0 0 240 100" preserveAspectRatio="none" role="img" aria-labelledby="ct cd" {
                title id="ct" { (period.said()) ", by secret" }
                desc id="cd" { (said) }
                defs {
                    pattern id="hatch" width="3" height="3" patternUnits="userSpaceOnUse" {
                        rect width="3" height="3" {}
                        path d="M-1 1 1-1M0 3 3 0M2 4 4 2" {}
                    }
                }
                path d="M0 .3H240M0 33.3H240M0 66.6H240M0 99.7H240" {}
                (PreEscaped(drawn))
            }
            ol aria-hidden="true" {
                @for (at, _) in bars.iter().skip(every / 2).step_by(every) { li { (label(*at, period)) } }
            }
        }
    }
}

fn label(at: Time, period: Period) -> String {
    match period {
        Period::Day => at.to_clock_text(),
        Period::Week | Period::Month => {
            let day = at.to_day_text();
            day.rsplit_once(' ').map_or_else(|| day.clone(), |(short, _)| short.to_owned())
        }
    }
}

fn table(bars: &[(Time, Bar)], period: Period) -> Markup {
    html! {
        details {
            summary { "Same data as a table" }
            div.scroll tabindex="0" role="region" aria-label=(period.said()) {
                table {
                    thead { tr { @for head in ["From (UTC)", "Current secret", "Earlier secrets", "Refused"] { th scope="col" { (head) } } } }
                    tbody.num {
                        @for (at, bar) in bars.iter().rev().filter(|(_, bar)| bar.total() > 0) {
                            tr {
                                td { (at.to_minute_text()) }
                                td { (ui::number(bar.current)) }
                                td { (ui::number(bar.earlier)) }
                                td { (ui::number(bar.refused)) }
                            }
                        }
                    }
                }
            }
        }
    }
}
