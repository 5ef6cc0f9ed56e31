//! What pages are built from: each a function, so that a wrong one does not compile.

use keyway_domain::Environment;
use keyway_domain::actor::Role;
use keyway_domain::grant::{Action, Grant, Need};
use keyway_domain::scheme::Scheme;
use keyway_domain::time::{DAY_MS, Time};
use maud::{Markup, PreEscaped, html};

use super::icons::{self, Icon};
use super::problems::Problems;
use crate::roster::{DAYS, EXPIRING_MS, Entry, moves_money};

/// A role as people say it.
pub(crate) fn role_word(role: Role) -> &'static str {
    match role {
        Role::Owner => "Owner",
        Role::Admin => "Admin",
        Role::Developer => "Developer",
        Role::Viewer => "Viewer",
    }
}

/// With a capital first letter.
pub(crate) fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// As a sentence: a capital and a full stop.
pub(crate) fn sentence_text(text: &str) -> String {
    let text = capital(text);
    if text.ends_with(['.', '?', '!']) { text } else { text + "." }
}

/// A paragraph of one sentence.
pub(crate) fn sentence(text: &str) -> Markup {
    html! { p { (sentence_text(text)) } }
}

/// A message that is read out when the page appears.
pub(crate) fn alert(class: &str, body: &Markup) -> Markup {
    html! { div class={ "note " (class) } role="alert" tabindex="-1" { (icons::WARN) div { (body) } } }
}

/// A message that is part of the page.
pub(crate) fn note(class: &str, icon: Icon, body: &Markup) -> Markup {
    html! { div class={ "note " (class) } { (icon) div { (body) } } }
}

/// A state, as a word with a shape.
pub(crate) fn badge(class: &str, text: &str) -> Markup {
    html! { span class={ "badge " (class) } { (text) } }
}

/// Test or live.
pub(crate) fn environment_badge(scheme: &Scheme, environment: Environment) -> Markup {
    let class = if environment == Environment::Live { "live" } else { "test" };
    badge(class, scheme.environment_label(environment))
}

/// An instant, to the minute.
pub(crate) fn minute(at: Time) -> Markup {
    html! { time.num.nowrap datetime=(at.to_string()) { (at.to_minute_text()) } }
}

/// A day.
pub(crate) fn day(at: Time) -> Markup {
    html! { time.nowrap datetime=(at.to_string()) { (at.to_day_text()) } }
}

/// How long ago, in one unit.
pub(crate) fn ago_text(at: Time, now: Time) -> String {
    let seconds = (now.0 - at.0).max(0) / 1000;
    match seconds {
        0..90 => "just now".to_owned(),
        90..5_400 => format!("{} min ago", (seconds + 30) / 60),
        5_400..129_600 => format!("{} h ago", (seconds + 1_800) / 3_600),
        129_600..2_592_000 => format!("{} days ago", (seconds + 43_200) / 86_400),
        _ => at.to_day_text(),
    }
}

/// How long ago, with the instant for who wants it.
pub(crate) fn ago(at: Time, now: Time) -> Markup {
    html! { time.nowrap datetime=(at.to_string()) { (ago_text(at, now)) } }
}

/// A length of time, in one unit: `5 h`, `118 d`.
pub(crate) fn age_text(ms: i64) -> String {
    let minutes = ms.max(0) / 60_000;
    match minutes {
        0..60 => format!("{minutes} min"),
        60..2_880 => format!("{} h", minutes / 60),
        _ => format!("{} d", minutes / 1_440),
    }
}

/// A number with separators: `98,214`.
pub(crate) fn number(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if number < 0 {
        text.push('-');
    }
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 request`, `2 requests`.
pub(crate) fn count(number_of: i64, one: &str, more: &str) -> String {
    format!("{} {}", number(number_of), if number_of == 1 { one } else { more })
}

/// What may be shown of a secret.
pub(crate) fn hint(hint: &str) -> Markup {
    let (head, tail) = hint.split_once('…').unwrap_or(("", hint));
    html! { code.key { i { (head) } "…" (tail) } }
}

/// The last four characters of a hint.
pub(crate) fn last_four(hint: &str) -> &str {
    hint.rsplit_once('…').map_or("", |(_, tail)| tail)
}

/// A grant as cells, one for each resource, so that two can be compared at a glance.
pub(crate) fn fingerprint(grant: Grant, scheme: &Scheme) -> Markup {
    let count = scheme.resources.len().max(1);
    let columns = count.div_ceil(2).max(6);
    let (mut cells, mut reads, mut writes) = (String::new(), 0, 0);
    for (place, resource) in (0..count).zip(0_u8..) {
        let (x, y) = (place % columns * 10, if place < columns { 0.5 } else { 10.0 });
        let can = |action| grant.allows(Need { resource, action });
        let cell = if can(Action::Write) {
            writes += 1;
            format!(r#"<rect class="w" x="{x}.5" y="{y}" width="7" height="7" rx="1.5"/>"#)
        } else if can(Action::Read) {
            reads += 1;
            format!(
                r#"<rect x="{x}.5" y="{y}" width="7" height="7" rx="1.5"/><path class="r" d="M{}.5 {y}v7h-7z"/>"#,
                x + 7
            )
        } else {
            format!(r#"<rect x="{x}.5" y="{y}" width="7" height="7" rx="1.5"/>"#)
        };
        cells.push_str(&cell);
    }
    let [_, read, write] = &scheme.levels.labels;
    let said = match (grant, writes, reads) {
        (Grant::Everything, ..) => "Everything".to_owned(),
        (_, 0, 0) => "Nothing".to_owned(),
        (_, 0, _) => format!("{read} on {reads} of {count} resources"),
        (_, _, 0) => format!("{write} on {writes} of {count} resources"),
        _ => format!("{write} on {writes}, {read} on {reads} of {count} resources"),
    };
    let class = if moves_money(grant, scheme) { "fp money" } else { "fp" };
    html! {
        svg class=(class) viewBox={ "0 0 " (columns * 10 - 2) " 18" } role="img" aria-label=(said) {
            title { (said) } (PreEscaped(cells))
        }
    }
}

/// Requests of the last days as bars.
pub(crate) fn sparkline(days: &[u32; DAYS]) -> Markup {
    let most = days.iter().copied().max().unwrap_or(0).max(1);
    let total: i64 = days.iter().map(|day| i64::from(*day)).sum();
    let mut bars = String::new();
    for (place, day) in days.iter().enumerate() {
        let x = place * 6;
        // Integers of tenths: the bars of a list are most of its page.
        let height = u64::from(*day) * 220 / u64::from(most);
        let (height, class) = if *day == 0 { (10, r#" class="z""#) } else { (height.max(15), "") };
        let y = 220 - height;
        bars.push_str(&format!(
            r#"<rect{class} x="{x}" y="{}.{}" width="4" height="{}.{}" rx="1"/>"#,
            y / 10,
            y % 10,
            height / 10,
            height % 10
        ));
    }
    let said = format!("{} in 14 days", count(total, "request", "requests"));
    html! { svg.spark viewBox="0 0 84 22" role="img" aria-label=(said) { title { (said) } (PreEscaped(bars)) } }
}

/// Where a credential is in its life.
pub(crate) fn status(entry: &Entry, now: Time) -> Markup {
    use keyway_domain::credential::Status;
    match entry.status {
        Status::Revoked { .. } => return badge("bad", "Revoked"),
        Status::Deleted { .. } => return badge("bad", "Deleted"),
        Status::Live => {}
    }
    if let Some(at) = entry.expires_at.filter(|at| *at <= now) {
        return html! { span.badge.bad title=(at.to_minute_text()) { "Expired" } };
    }
    if entry.is_rotating(now) {
        return badge("rot", "Rotating");
    }
    if let Some(at) = entry.expires_at.filter(|at| *at <= now.plus_ms(EXPIRING_MS)) {
        return badge("warn", &format!("Expires in {}", age_text(at.0 - now.0)));
    }
    if !entry.is_unused(now) {
        return badge("ok", "Active");
    }
    match &entry.last_used {
        Some(seen) => badge("off", &format!("Unused {}", age_text(now.0 - seen.at.0))),
        None if now.0 - entry.created_at.0 < DAY_MS => badge("ok", "Active"),
        None => badge("off", "Never used"),
    }
}

/// A field of a form: its label, the input, and what is wrong with it.
pub(crate) struct Field<'f> {
    pub(crate) name: &'f str,
    pub(crate) label: &'f str,
    pub(crate) kind: &'f str,
    pub(crate) value: &'f str,
    pub(crate) hint: &'f str,
    pub(crate) autocomplete: &'f str,
    pub(crate) required: bool,
}

impl<'f> Field<'f> {
    /// A field that must be filled in.
    pub(crate) fn new(name: &'f str, label: &'f str, value: &'f str) -> Self {
        Self { name, label, kind: "text", value, hint: "", autocomplete: "off", required: true }
    }

    pub(crate) fn kind(mut self, kind: &'f str, autocomplete: &'f str) -> Self {
        (self.kind, self.autocomplete) = (kind, autocomplete);
        self
    }

    pub(crate) fn hint(mut self, hint: &'f str) -> Self {
        self.hint = hint;
        self
    }

    pub(crate) fn optional(mut self) -> Self {
        self.required = false;
        self
    }

    pub(crate) fn show(&self, problems: &Problems) -> Markup {
        let name = self.name;
        let problem = problems.of(name);
        html! {
            div.field {
                label for=(name) { (self.label) }
                @if self.kind == "password" {
                    div.with-btn {
                        input id=(name) name=(name) type="password" required[self.required] autocomplete=(self.autocomplete)
                            aria-invalid=[problem.map(|_| "true")] aria-describedby=[described_by(name, self.hint, problem)];
                        button.btn.icon type="button" data-peek=(name) data-js hidden aria-label="Show password" aria-pressed="false" { (icons::EYE) }
                    }
                } @else {
                    input id=(name) name=(name) type=(self.kind) value=(self.value) required[self.required] autocomplete=(self.autocomplete)
                        aria-invalid=[problem.map(|_| "true")] aria-describedby=[described_by(name, self.hint, problem)];
                }
                (below(name, self.hint, problem))
            }
        }
    }
}

/// The ids of what says more about a field.
pub(crate) fn described_by(name: &str, hint: &str, problem: Option<&str>) -> Option<String> {
    let mut ids = Vec::new();
    if problem.is_some() {
        ids.push(format!("{name}-e"));
    }
    if !hint.is_empty() {
        ids.push(format!("{name}-h"));
    }
    (!ids.is_empty()).then(|| ids.join(" "))
}

/// What stands below a field.
pub(crate) fn below(name: &str, hint: &str, problem: Option<&str>) -> Markup {
    html! {
        @if let Some(problem) = problem {
            span.err id={ (name) "-e" } { (icons::WARN) (problem) }
        }
        @if !hint.is_empty() { span.hint id={ (name) "-h" } { (hint) } }
    }
}

/// A code of the authenticator app: one field, so that pasting and filling in work.
pub(crate) fn code_field(label: &str, hint: &str, problems: &Problems) -> Markup {
    let problem = problems.of("code");
    html! {
        div.field {
            label for="code" { (label) }
            input.otp id="code" name="code" inputmode="numeric" autocomplete="one-time-code" required
                aria-invalid=[problem.map(|_| "true")] aria-describedby=[described_by("code", hint, problem)];
            (below("code", hint, problem))
        }
    }
}

/// A button that copies a text. Without script it is not there: the text can be selected.
pub(crate) fn copy(text: &str, label: &str) -> Markup {
    html! {
        button.btn.quiet.icon.sm type="button" data-copy=(text) data-js hidden aria-label=(label) { (icons::COPY) }
    }
}

/// The first letters of a name.
pub(crate) fn initials(name: &str) -> String {
    let mut words = name.split_whitespace().filter_map(|word| word.chars().next());
    let first = words.next();
    let last = words.next_back();
    first.into_iter().chain(last).flat_map(char::to_uppercase).collect()
}
