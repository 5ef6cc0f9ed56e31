//! When something has gone wrong: everything that fits a choice, revoked in one act.
//!
//! What fits at the moment of the act is revoked, and not what was listed: whoever makes new ones
//! meanwhile must not be able to hold it up.

mod choice;

use std::collections::HashMap;

use http::StatusCode;
use keyway_domain::credential::Credential;
use keyway_domain::event::{Event, Kind as Fact};
use keyway_domain::id::{CredentialId, MemberId};
use keyway_domain::member::Member;
use keyway_domain::scheme::{Act, Scheme, StepUpRule};
use keyway_domain::time::DAY_MS;
use keyway_store::usage::Seen;
use keyway_store::{DbError, events, owners, usage};
use maud::{Markup, html};

use super::new_key::{forget_roster, may, people};
use super::problems::{Problems, Stop, Trouble};
use super::step_up::{Asked, Next, Wanted, again, asked};
use super::ui::{self, Field};
use super::visit::Visit;
use super::{Answer, icons, layout, leak, reply, said};
use crate::codes::Code;
use crate::commands::Error;
use crate::commands::Moment;
use crate::commands::revoke_all::{Which, revoke_all};
use crate::http::Reply;
use choice::Choice;

/// Rows that the list shows one by one, the busiest first; what is beyond is summed up.
const ROWS: usize = 1_000;
/// Acts of this sort that the page tells of.
const BEFORE: u32 = 3;

/// Why, for the history.
const REASONS: [(&str, &str); 4] = [
    ("leak", "They leaked"),
    ("machine", "A machine was broken into"),
    ("person", "A person did"),
    ("other", "Other"),
];

/// What fits, and what it does.
struct Case<'s> {
    visit: &'s Visit,
    scheme: &'s Scheme,
    choice: Choice,
    which: Which,
    /// The busiest first.
    fitting: Vec<(Credential, i64)>,
    owners: HashMap<CredentialId, MemberId>,
    seen: HashMap<CredentialId, (u32, Seen)>,
    people: Vec<Member>,
    /// What was done before.
    before: Vec<Event>,
    /// What the act asks for; `None` where kinds ask for different things.
    wanted: Option<Wanted>,
    asked: Option<Asked>,
}

/// The one proof that all these kinds take: an act has one, and no kind takes another's.
fn common(rules: &[StepUpRule]) -> Option<StepUpRule> {
    let mut common = StepUpRule::None;
    for rule in rules.iter().copied().filter(|rule| *rule != StepUpRule::None) {
        common = match (common, rule) {
            (StepUpRule::None | StepUpRule::Either, rule) => rule,
            (common, StepUpRule::Either) => common,
            (common, rule) if common == rule => common,
            _ => return None,
        };
    }
    Some(common)
}

async fn open<'s>(visit: &'s Visit, scheme: &'s Scheme) -> Result<Case<'s>, Stop> {
    let signed = visit.signed()?;
    let account = signed.account.id;
    let mine = scheme.kinds.iter().filter(|kind| may(kind, Act::Revoke, signed));
    let mine: Vec<String> = mine.map(|kind| kind.name.clone()).collect();
    let choice = Choice::read(&visit.fields, &mine);
    let which = choice.which(mine, visit.now);
    let (rules, chosen) = (visit.app().platform.rules.clone(), which.clone());
    let since = visit.now.plus_ms(-DAY_MS);
    let acts = events::Filter {
        account: Some(account),
        kind_prefix: Some(Fact::RevokedTogether.as_str().to_owned()),
        ..events::Filter::default()
    };
    let read = visit.app().db.read(move |tx| {
        let fitting = chosen.fitting(tx, &rules, account)?;
        let requests = usage::allowed_since(tx, account, since)?;
        let with_use = |credential: Credential| {
            let many = requests.get(&credential.id).copied().unwrap_or(0);
            (credential, many)
        };
        let fitting: Vec<(Credential, i64)> = fitting.into_iter().map(with_use).collect();
        let (owners, seen) = (owners::all(tx, account)?, usage::last_seen(tx, account)?);
        Ok::<_, DbError>((fitting, owners, seen, events::page(tx, &acts, BEFORE)?))
    });
    let (mut fitting, owners, seen, before) = read.await?;
    fitting.sort_by_key(|(credential, requests)| (-requests, credential.id));
    let of_kind = |name: &str| scheme.kind(name).and_then(|kind| kind.act(Act::Revoke));
    let mut rules: Vec<StepUpRule> = fitting
        .iter()
        .filter_map(|(credential, _)| of_kind(&credential.kind))
        .map(|rule| rule.step_up)
        .collect();
    rules.dedup();
    let subject = format!("{account} {}", choice.query());
    let wanted = common(&rules).map(|rule| Wanted::new("incident", subject, rule));
    let asked = match &wanted {
        Some(wanted) => Some(asked(visit, wanted).await?),
        None => None,
    };
    let people = people(visit).await?;
    let case =
        Case { visit, scheme, choice, which, fitting, owners, seen, people, before, wanted, asked };
    Ok(case)
}

pub(crate) async fn form(visit: Visit) -> Answer {
    let scheme = std::sync::Arc::clone(&visit.app().platform.rules.scheme);
    let case = open(&visit, &scheme).await?;
    Ok(reply::html(StatusCode::OK, &case.view(&Problems::none())))
}

pub(crate) async fn submit(visit: Visit) -> Answer {
    let scheme = std::sync::Arc::clone(&visit.app().platform.rules.scheme);
    let case = open(&visit, &scheme).await?;
    match case.revoke().await {
        Ok(reply) => Ok(reply),
        Err(trouble) => again(trouble, |problems| case.view(problems)),
    }
}

impl Case<'_> {
    async fn revoke(&self) -> Result<Reply, Trouble> {
        let fields = &self.visit.fields;
        let mut problems = Problems::none();
        let typed = fields.text("reason");
        let reason = REASONS.iter().find(|(word, _)| *word == typed).map(|(_, said)| *said);
        if reason.is_none() {
            problems.add("reason", "Say why: it stands in the history.");
        }
        let shown = fields.text("count");
        if shown.is_empty() || fields.text("typed").trim().replace(',', "") != shown {
            problems.add("typed", format!("Type {}, how many they are.", self.fitting.len()));
        }
        if !problems.is_empty() {
            return Err(problems.into());
        }
        let account = self.visit.signed()?.account.id;
        let (which, to) =
            (self.which.clone(), format!("/incident?done=stopped&{}", self.choice.query()));
        let wanted = self.wanted.clone().ok_or_else(|| Problems::field("kind", DIFFERENT))?;
        self.visit
            .act(Some(wanted), move |tx, moment| {
                let moment = Moment { reason, ..moment.clone() };
                if revoke_all(tx, &moment, account, &which)? == 0 {
                    let message = "nothing fits any more; somebody was faster".to_owned();
                    return Err(Error::Conflict { code: Code::Outdated, message });
                }
                Ok(Next::to(to.trim_end_matches('&')))
            })
            .await
            .inspect(|_| forget_roster(self.visit))
    }

    fn view(&self, problems: &Problems) -> Markup {
        let (visit, scheme) = (self.visit, self.scheme);
        let stopped = visit.fields.text("done") == "stopped";
        let body = html! {
            div.head { div {
                h1 { "Incident" }
                p.lede { "Revoke everything that fits, in one act. It is refused on every node before the page answers, and this cannot be undone." }
            } }
            (said::done(visit))
            @if !self.before.is_empty() { (self.told()) }
            @if stopped { section.card aria-labelledby="h-nx" { header { h2 id="h-nx" { "What to do next" } } div.body { (leak::steps_for_many(visit)) } } }
            (self.choice.form(scheme, &self.people))
            @if self.fitting.is_empty() {
                section.card { div.empty { h2 { "Nothing fits" } p { "No " (scheme.words.credential) " that is still accepted, and that you may revoke, fits this choice." } } }
            } @else {
                (self.list())
                (self.act_form(problems))
            }
        };
        layout::page(visit, "Incident", Some(layout::Nav::Incident), &body)
    }

    /// What was revoked so before, as the log has it.
    fn told(&self) -> Markup {
        html! {
            section.card aria-labelledby="h-be" {
                header { h2 id="h-be" { "Done before" } @if super::is_auditor(self.visit) { a.small href={ "/audit?period=90d&action=" (Fact::RevokedTogether.as_str()) } { "In the audit log" } } }
                div.body { ul.uses.small {
                    @for event in &self.before {
                        li {
                            span { b.num { (event.after["credentials"]) } " revoked" @if let Some(why) = event.after["reason"].as_str() { " · " (why) } }
                            span.muted { (ui::ago(event.at, self.visit.now)) " · " (said::by(event)) }
                        }
                    }
                } }
            }
        }
    }

    fn list(&self) -> Markup {
        let used = self.fitting.iter().filter(|(_, requests)| *requests > 0).count();
        let (shown, rest) = self.fitting.split_at(self.fitting.len().min(ROWS));
        let rest_requests: i64 = rest.iter().map(|(_, requests)| requests).sum();
        html! {
            section.card aria-labelledby="h-li" {
                header {
                    h2 id="h-li" { (self.many(self.fitting.len())) " fit" @if self.fitting.len() == 1 { "s" } }
                    @if used > 0 { (ui::badge("bad", &format!("{used} used in the last 24 hours"))) }
                    @else { (ui::badge("off", "none used in the last 24 hours")) }
                }
                table.flip role="table" aria-labelledby="h-li" {
                    thead role="rowgroup" { tr role="row" {
                        @for head in ["Name", "Environment", "Owner", "24 hours", "Last used", "Created"] {
                            th role="columnheader" scope="col" { (head) }
                        }
                    } }
                    tbody role="rowgroup" { @for (credential, requests) in shown { (self.row(credential, *requests)) } }
                }
                @if !rest.is_empty() {
                    footer { span { "And " (ui::number(i64::try_from(rest.len()).unwrap_or(0))) " more, with " (ui::count(rest_requests, "request", "requests")) " in 24 hours." } }
                }
            }
        }
    }

    fn row(&self, credential: &Credential, requests: i64) -> Markup {
        let now = self.visit.now;
        let path = format!("/{}/keys/{}", credential.environment.as_str(), credential.id);
        let owner = self.owners.get(&credential.id);
        let owner = self.people.iter().find(|person| Some(&person.id) == owner);
        let hint = credential.current().map_or("", |secret| secret.hint.as_str());
        let kind = self.scheme.kind(&credential.kind).filter(|_| self.scheme.kinds.len() > 1);
        html! {
            tr role="row" {
                td.full role="cell" {
                    a.t-name href=(path) { bdi { (credential.name) } }
                    small { (ui::hint(hint)) @if let Some(kind) = kind { " · " (kind.label) } @if credential.has_expired(now) { " · expired" } }
                }
                td role="cell" data-l="Environment" { (ui::environment_badge(self.scheme, credential.environment)) }
                td role="cell" data-l="Owner" { (owner.map_or("nobody", |owner| owner.name.as_str())) }
                td.num role="cell" data-l="24 hours" { @if requests > 0 { b { (ui::number(requests)) } } @else { "0" } }
                td role="cell" data-l="Last used" {
                    @match self.seen.get(&credential.id) {
                        Some((_, seen)) => { span.nowrap { (ui::ago(seen.at, now)) @if let Some(from) = &seen.address { small.mono { (from) } } } }
                        None => { "Never" }
                    }
                }
                td role="cell" data-l="Created" { (ui::day(credential.created_at)) }
            }
        }
    }

    fn many(&self, count: usize) -> String {
        let words = &self.scheme.words;
        ui::count(i64::try_from(count).unwrap_or(0), &words.credential, &words.credentials)
    }

    fn act_form(&self, problems: &Problems) -> Markup {
        let (fields, count) = (&self.visit.fields, self.fitting.len());
        let requests: i64 = self.fitting.iter().map(|(_, requests)| requests).sum();
        html! {
            form.card action="/incident" method="post" aria-labelledby="h-re" {
                (layout::marks(self.visit))
                (self.choice.hidden())
                input type="hidden" name="count" value=(count);
                header { h2 id="h-re" { "Revoke them" } span.muted.small { "Recorded in the audit log, each and together." } }
                div.body.stack {
                    (problems.summary())
                    @if requests > 0 {
                        (ui::note("bad", icons::WARN, &html! { b { (ui::count(requests, "request", "requests")) " passed with them in the last 24 hours." } " From now on such requests will be refused." }))
                    }
                    p { "What fits at that moment is revoked, also what somebody makes meanwhile." }
                    fieldset.field id="reason" tabindex="-1" {
                        legend.label { "Why" }
                        div.chips {
                            @for (word, label) in REASONS {
                                label.chip { input type="radio" name="reason" value=(word) required checked[fields.text("reason") == word]; (label) }
                            }
                        }
                        @if let Some(problem) = problems.of("reason") { span.err { (icons::WARN) (problem) } }
                    }
                    @match &self.asked {
                        None => { (ui::note("warn", icons::LOCK, &html! { (DIFFERENT) })) }
                        Some(asked) => {
                            div.narrow { (Field::new("typed", &format!("Type {count} to confirm"), fields.text("typed")).hint("How many they are.").show(problems)) }
                            (asked.show(problems))
                            @if asked.is_possible() { div.row { button.btn.danger { (icons::BIN) "Revoke " (ui::number(i64::try_from(count).unwrap_or(0))) " now" } a.btn href="/live/keys" { "Keep them" } } }
                        }
                    }
                }
            }
        }
    }
}

/// Kinds that ask for different proofs.
const DIFFERENT: &str =
    "These are of several types, and revoking them asks for different proofs. Choose one type.";
