//! Which credentials: a choice in words, as a form, as a query, and as what the command takes.

use keyway_domain::Environment;
use keyway_domain::id::MemberId;
use keyway_domain::member::Member;
use keyway_domain::scheme::Scheme;
use keyway_domain::time::{DAY_MS, Time};
use maud::{Markup, html};

use crate::commands::revoke_all::Which;
use crate::http::pages::fields::{Fields, query};
use crate::http::pages::icons;

/// Since or until when, as a word: `(word, label, days, whether since)`.
type Span = (&'static str, &'static str, i64, bool);

const USED: [Span; 4] = [
    ("day", "Used in the last 24 hours", 1, true),
    ("week", "Used in the last 7 days", 7, true),
    ("not-month", "Not used in the last 30 days", 30, false),
    ("not-quarter", "Not used in the last 90 days", 90, false),
];

const MADE: [Span; 4] = [
    ("day", "Created in the last 24 hours", 1, true),
    ("week", "Created in the last 7 days", 7, true),
    ("quarter", "Created more than 90 days ago", 90, false),
    ("year", "Created more than a year ago", 365, false),
];

/// What was chosen; everything where nothing was.
pub(super) struct Choice {
    environment: Option<Environment>,
    kind: Option<String>,
    owner: Option<MemberId>,
    money: bool,
    used: Option<Span>,
    made: Option<Span>,
}

impl Choice {
    /// Reads it. What it does not understand is no choice: the list shows what is meant.
    pub(super) fn read(fields: &Fields, kinds: &[String]) -> Self {
        let span = |spans: [Span; 4], name: &str| {
            spans.into_iter().find(|(word, ..)| *word == fields.text(name))
        };
        Self {
            environment: Environment::parse(fields.text("environment")),
            kind: kinds.iter().find(|kind| *kind == fields.text("kind")).cloned(),
            owner: MemberId::parse(fields.text("owner")),
            money: fields.text("grant") == "money",
            used: span(USED, "used"),
            made: span(MADE, "made"),
        }
    }

    /// As the command takes it, within the kinds that this member may revoke.
    pub(super) fn which(&self, mine: Vec<String>, now: Time) -> Which {
        let at = |span: Option<Span>, wanted: bool| {
            let span = span.filter(|(_, _, _, since)| *since == wanted);
            span.map(|(_, _, days, _)| now.plus_ms(-days * DAY_MS))
        };
        Which {
            environment: self.environment,
            kinds: Some(self.kind.clone().map_or(mine, |kind| vec![kind])),
            owner: self.owner,
            moves_money: self.money,
            created_since: at(self.made, true),
            created_before: at(self.made, false),
            used_since: at(self.used, true),
            unused_since: at(self.used, false),
        }
    }

    fn words(&self) -> [(&'static str, String); 6] {
        let word = |span: Option<Span>| span.map_or(String::new(), |(word, ..)| word.to_owned());
        [
            ("environment", self.environment.map_or("", Environment::as_str).to_owned()),
            ("kind", self.kind.clone().unwrap_or_default()),
            ("owner", self.owner.map(|owner| owner.to_string()).unwrap_or_default()),
            ("grant", if self.money { "money" } else { "" }.to_owned()),
            ("used", word(self.used)),
            ("made", word(self.made)),
        ]
    }

    /// As a query, without what says nothing.
    pub(super) fn query(&self) -> String {
        query(self.words().iter().map(|(name, value)| (*name, value.as_str())))
    }

    /// As fields of the form that acts.
    pub(super) fn hidden(&self) -> Markup {
        html! {
            @for (name, value) in self.words() {
                @if !value.is_empty() { input type="hidden" name=(name) value=(value); }
            }
        }
    }

    /// As the form that chooses.
    pub(super) fn form(&self, scheme: &Scheme, people: &[Member]) -> Markup {
        let select = |name: &str, label: &str, any: &str, options: Vec<(String, String)>| {
            let chosen = self.words().into_iter().find(|(known, _)| *known == name);
            let chosen = chosen.map(|(_, value)| value).unwrap_or_default();
            html! {
                div.field {
                    label for={ "c-" (name) } { (label) }
                    select id={ "c-" (name) } name=(name) {
                        option value="" { (any) }
                        @for (value, label) in options { option value=(value) selected[value == chosen] { (label) } }
                    }
                }
            }
        };
        let spans = |spans: [Span; 4]| {
            spans.into_iter().map(|(word, label, ..)| (word.to_owned(), label.to_owned())).collect()
        };
        let environments = [Environment::Live, Environment::Test];
        let environments = environments.map(|environment| {
            (environment.as_str().to_owned(), scheme.environment_label(environment).to_owned())
        });
        let kinds = scheme.kinds.iter().map(|kind| (kind.name.clone(), kind.label.clone()));
        let owners = people.iter().map(|person| (person.id.to_string(), person.name.clone()));
        let money = ("money".to_owned(), "Can move money".to_owned());
        html! {
            form.card method="get" action="/incident" aria-labelledby="h-ch" {
                header { h2 id="h-ch" { "Which" } span.muted.small { "All that is chosen must hold; without a choice, everything." } }
                div.body.stack {
                    div.choices {
                        (select("environment", "Environment", "Both environments", environments.to_vec()))
                        (select("kind", "Credential type", "Any type", kinds.collect()))
                        (select("owner", "Owner", "Any owner", owners.collect()))
                        (select("grant", "Access", "Any access", vec![money]))
                        (select("used", "Last use", "Any use", spans(USED)))
                        (select("made", "Age", "Any age", spans(MADE)))
                    }
                    div.row { button.btn { (icons::FILTER) "Show what fits" } a.btn.quiet href="/incident" { "Everything" } }
                }
            }
        }
    }
}
