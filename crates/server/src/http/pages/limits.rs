//! Fields that forms of credentials share: when it ends, from where it may be used, who has care of
//! it.

use keyway_domain::credential::AddressMode;
use keyway_domain::id::MemberId;
use keyway_domain::member::Member;
use keyway_domain::rules::SetBy;
use keyway_domain::scheme::{Expiry, Kind};
use keyway_domain::time::{DAY_MS, Time};
use maud::{Markup, html};

use super::icons;
use super::problems::Problems;
use super::ui;
use super::visit::Visit;
use crate::http::body;

/// What a form of an expiry starts from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Before {
    /// A new credential.
    Nothing,
    /// One that ends then, or never.
    Ends(Option<Time>),
}

/// The address ranges that were typed, one in a line.
pub(crate) fn addresses(visit: &Visit) -> Result<Vec<ipnet::IpNet>, Problems> {
    let typed = visit.fields.text("addresses");
    let lines: Vec<String> = typed
        .split(['\n', ',', ' '])
        .map(|line| line.trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect();
    for line in &lines {
        // A range that names a host is likely a mistake: say what was meant.
        if let Ok(range) = line.parse::<ipnet::IpNet>()
            && range.trunc() != range
        {
            let message = format!("{line} is not a network; did you mean {}?", range.trunc());
            return Err(Problems::field("addresses", message));
        }
    }
    body::addresses(&lines)
        .map_err(|problem| Problems::field("addresses", ui::sentence_text(&problem.detail)))
}

/// What the list shall do.
pub(crate) fn address_mode(visit: &Visit) -> AddressMode {
    AddressMode::parse(visit.fields.text("address_mode")).unwrap_or_default()
}

/// The box of a list that only reports.
pub(crate) fn address_mode_field(mode: AddressMode) -> Markup {
    html! {
        label.check {
            input type="checkbox" name="address_mode" value="report" checked[mode == AddressMode::Report];
            " " span { "Only report: let requests from elsewhere pass, and show what would have been refused." }
        }
    }
}

/// Days that are offered.
const EXPIRY_DAYS: [(i64, &str); 4] =
    [(30, "30 days"), (90, "90 days"), (180, "180 days"), (365, "1 year")];

/// The instant of a choice of so many days. By date, it is the start of a day.
fn in_days(days: i64, by_date: bool, now: Time) -> Time {
    let at = now.plus_ms(days * DAY_MS);
    if by_date { Time(at.0 - at.0.rem_euclid(DAY_MS)) } else { at }
}

/// The expiry that was chosen.
pub(crate) fn expiry(visit: &Visit, kind: &Kind) -> Result<Option<Time>, Problems> {
    let Expiry::Optional { by_date, .. } = kind.expiry else { return Ok(None) };
    let fields = &visit.fields;
    match fields.text("expires") {
        "" | "never" => Ok(None),
        "date" => {
            let date = Time::parse_date(fields.text("expires_on"));
            let date = date.ok_or_else(|| Problems::field("expires_on", "Pick a date."))?;
            if date <= visit.now {
                let message = format!(
                    "{} has begun already: it would end at {}.",
                    date.to_day_text(),
                    date.to_minute_text()
                );
                return Err(Problems::field("expires_on", message));
            }
            Ok(Some(date))
        }
        days => match days.parse::<i64>() {
            Ok(days) if EXPIRY_DAYS.iter().any(|(known, _)| *known == days) => {
                Ok(Some(in_days(days, by_date, visit.now)))
            }
            _ => Err(Problems::field("expires", "Choose one of these.")),
        },
    }
}

/// Who set a rule, in a few words.
pub(crate) fn whose(visit: &Visit, set_by: SetBy) -> String {
    match set_by {
        SetBy::Platform => format!("a rule of {}", visit.scheme().title),
        SetBy::Account => "a rule of your account".to_owned(),
    }
}

/// The choices of an expiry.
pub(crate) fn expiry_fields(
    visit: &Visit,
    kind: &Kind,
    before: Before,
    problems: &Problems,
) -> Markup {
    let Expiry::Optional { by_date, days_max } = kind.expiry else { return html! {} };
    let now = visit.now;
    let typed = visit.fields.given("expires").map(str::to_owned);
    let limit = visit.standing().lifetime_days_max().map_or(i64::MAX, |(days, _)| days);
    let chosen = typed.unwrap_or_else(|| match before {
        Before::Nothing if (30..90).contains(&limit) => "30".to_owned(),
        Before::Nothing if limit < 30 => "date".to_owned(),
        Before::Nothing => "90".to_owned(),
        Before::Ends(None) => "never".to_owned(),
        Before::Ends(Some(_)) => "date".to_owned(),
    });
    let on = visit.fields.given("expires_on").map(str::to_owned);
    let on = on
        .or_else(|| match before {
            Before::Ends(at) => at.map(Time::to_date),
            Before::Nothing => None,
        })
        .unwrap_or_default();
    let rule = visit.standing().lifetime_days_max();
    let days_max = rule.map_or(days_max, |(days, _)| days.min(days_max));
    let offered = EXPIRY_DAYS.iter().filter(|(days, _)| *days <= days_max);
    let problem = problems.of("expires_on").or_else(|| problems.of("expires"));
    html! {
        fieldset.field {
            legend.label { "Expires" }
            div.chips id="expires" tabindex="-1" {
                @for (days, label) in offered {
                    label.chip {
                        input type="radio" name="expires" value=(days) checked[chosen == days.to_string()]
                            data-t=(in_days(*days, by_date, now).to_minute_text());
                        (label)
                    }
                }
                label.chip { input type="radio" name="expires" value="date" id="exp-c" checked[chosen == "date"]; "Pick a date" }
                @if rule.is_none() { label.chip { input type="radio" name="expires" value="never" checked[chosen == "never"]; "Never" } }
            }
            @if let Some((days, set_by)) = rule {
                p.small.muted { (icons::LOCK) " Within " (days) " days after it was made: " (whose(visit, set_by)) "." }
            }
            div.field.date {
                label for="expires_on" { "Date, UTC" }
                input id="expires_on" type="date" name="expires_on" value=(on) min=(in_days(1, true, now).to_date())
                    max=(in_days(days_max, true, now).to_date())
                    aria-invalid=[problem.map(|_| "true")] aria-describedby="expires-h";
            }
            @if let Some(problem) = problem { span.err { (icons::WARN) (problem) } }
            span.hint id="expires-h" {
                @if by_date { "It stops at 00:00 UTC at the start of the date." }
                @else { "A picked date ends it at 00:00 UTC at its start." }
                " It is called out seven days before."
            }
        }
    }
}

/// From where it may be used.
pub(crate) fn address_field(visit: &Visit, value: &str, problems: &Problems) -> Markup {
    let problem = problems.of("addresses");
    let own = visit.address();
    html! {
        div.field {
            label for="addresses" { "Allowed IP addresses " span.opt { "(optional)" } }
            textarea.mono id="addresses" name="addresses" rows="2" placeholder="203.0.113.0/24"
                aria-invalid=[problem.map(|_| "true")]
                aria-describedby={ @if problem.is_some() { "addresses-e " } "addresses-h" } { (value) }
            @if let Some(problem) = problem { span.err id="addresses-e" { (icons::WARN) (problem) } }
            span.hint id="addresses-h" {
                "One address or CIDR range in a line; from anywhere if you leave it empty."
                @if let Some(own) = own {
                    " You are on " code { (own) } ". "
                    button.linkish type="button" data-addip=(own) data-js hidden { "Add it" }
                }
            }
            (address_mode_field(address_mode(visit)))
        }
    }
}

/// The select of who has care of it.
pub(crate) fn owner_field(people: &[Member], owner: Option<MemberId>) -> Markup {
    html! {
        div.field {
            label for="owner" { "Owner" }
            select id="owner" name="owner" aria-describedby="owner-h" {
                @for person in people {
                    option value=(person.id) selected[owner == Some(person.id)] { (person.name) }
                }
            }
            span.hint id="owner-h" { "Who is asked when something is wrong with it." }
        }
    }
}
