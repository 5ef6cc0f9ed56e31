//! Settings → Security: the rules of the account, what the scheme asks for, and the account's name.

use http::StatusCode;
use keyway_domain::rules::{Rule, Rules, SetBy, Standing};
use keyway_domain::scheme::{Act, Expiry, Scheme, StepUpRule};
use keyway_domain::time::{DAY_MS, say_duration};
use keyway_store::Tx;
use maud::{Markup, html};

use super::problems::{Problems, Trouble};
use super::reply;
use super::settings::{frame, may_settle, wanted};
use super::step_up::{Asked, Next, again, asked};
use super::ui::{self, Field};
use super::visit::Visit;
use super::{Answer, icons, layout};
use crate::commands::accounts;
use crate::commands::approvals::{self, What};
use crate::http::Reply;

/// Windows that are offered, in milliseconds.
const WINDOWS: [i64; 6] = [0, 3_600_000, 6 * 3_600_000, DAY_MS, 3 * DAY_MS, 7 * DAY_MS];

fn lock(scheme: &Scheme) -> Markup {
    html! { span.muted { (icons::LOCK) span.vh { "Set by " (scheme.title) } } }
}

/// The longest and the shortest window that any kind may choose; `None` where none may.
fn windows(scheme: &Scheme) -> Option<(i64, i64)> {
    let overlaps = scheme.kinds.iter().filter_map(|kind| kind.act(Act::Rotate)?.overlap.as_ref());
    let open: Vec<_> = overlaps.filter(|overlap| !overlap.is_fixed()).collect();
    let from = open.iter().map(|overlap| overlap.from_ms).max()?;
    let to = open.iter().map(|overlap| overlap.to_ms).max()?;
    Some((from, to))
}

fn can_expire(scheme: &Scheme) -> bool {
    scheme.kinds.iter().any(|kind| !matches!(kind.expiry, Expiry::Never))
}

fn moves_money(scheme: &Scheme) -> bool {
    scheme.resources.iter().any(|resource| resource.moves_money)
}

/// A rule that is on or off.
fn switch(
    (name, rule, about): (&str, Rule, &str),
    set_by: Option<SetBy>,
    (on, may): (bool, bool),
    scheme: &Scheme,
) -> Markup {
    let is_locked = set_by == Some(SetBy::Platform);
    html! {
        div.set {
            div { label.strong for=(name) { (rule.label()) } @if is_locked { " " (lock(scheme)) } small id={ (name) "-d" } { (about) } }
            div.ctl { input.switch type="checkbox" role="switch" id=(name) name=(name) value="1" checked[on || is_locked] disabled[!may || is_locked] aria-describedby={ (name) "-d" }; }
        }
    }
}

fn about(rule: Rule, problem: Option<&str>, text: &str, name: &str, locked: &Markup) -> Markup {
    html! {
        div {
            label.strong for=(name) { (rule.label()) } " " (locked)
            small id={ (name) "-d" } { (text) }
            @if let Some(problem) = problem { span.err id={ (name) "-e" } { (icons::WARN) (ui::sentence_text(problem)) } }
        }
    }
}

/// What the platform has set already, and that it can only be made stricter.
fn at_most(scheme: &Scheme, limit: Option<String>) -> Markup {
    html! { @if let Some(limit) = limit { (lock(scheme)) span.small.muted { " at most " (limit) ", by " (scheme.title) } } }
}

fn window_field(visit: &Visit, standing: &Standing, may: bool, problems: &Problems) -> Markup {
    let scheme = visit.scheme();
    let Some((from, to)) = windows(scheme) else { return html! {} };
    let platform = standing.platform.overlap_ms_max;
    let stored = standing.own.overlap_ms_max.map_or(String::new(), |ms| (ms / 1000).to_string());
    let chosen = if visit.is_post() { visit.fields.text("overlap_max").to_owned() } else { stored };
    let top = platform.unwrap_or(i64::MAX).min(to);
    let offered = WINDOWS.into_iter().filter(|ms| (from..top).contains(ms));
    let problem = problems.of("overlap_max");
    let text = "For how long two secrets of one key may be accepted.";
    html! {
        div.set {
            (about(Rule::Overlap, problem, text, "overlap_max", &at_most(scheme, platform.map(say_duration))))
            div.ctl { select id="overlap_max" name="overlap_max" disabled[!may] aria-invalid=[problem.map(|_| "true")] aria-describedby="overlap_max-d" {
                option value="" { "As long as the type allows" }
                @for ms in offered { @let value = (ms / 1000).to_string(); option value=(value) selected[chosen == value] { @if ms == 0 { "None: it stops at once" } @else { (say_duration(ms)) } } }
            } }
        }
    }
}

fn lifetime_field(visit: &Visit, standing: &Standing, may: bool, problems: &Problems) -> Markup {
    let scheme = visit.scheme();
    if !can_expire(scheme) {
        return html! {};
    }
    let platform = standing.platform.lifetime_days_max;
    let stored = standing.own.lifetime_days_max.map_or(String::new(), |days| days.to_string());
    let value =
        if visit.is_post() { visit.fields.text("lifetime_days_max").to_owned() } else { stored };
    let problem = problems.of("lifetime_days_max");
    let text = "Every new key ends within so many days; without a number, keys may live for ever.";
    let limit = platform.map(|days| format!("{days} days"));
    html! {
        div.set {
            (about(Rule::Lifetime, problem, text, "lifetime_days_max", &at_most(scheme, limit)))
            div.ctl {
                input type="number" id="lifetime_days_max" name="lifetime_days_max" value=(value) min="1" max=(platform.unwrap_or(keyway_domain::limits::LIFETIME_DAYS_MAX))
                    inputmode="numeric" disabled[!may] aria-invalid=[problem.map(|_| "true")] aria-describedby="lifetime_days_max-d";
                span.muted.u { "days" }
            }
        }
    }
}

fn rule_fields(visit: &Visit, standing: &Standing, may: bool, problems: &Problems) -> Markup {
    let scheme = visit.scheme();
    let on = |name: &str, stored: bool| {
        if visit.is_post() { visit.fields.text(name) == "1" } else { stored }
    };
    let factor = "Whoever has no authenticator app can do nothing here but set one up.";
    let money = "What can move money is made and changed only with a list of addresses.";
    let second = "New live secrets that can move money, and more access for them, wait until somebody else approves. Switching this off does, too.";
    html! {
        (switch(("second_factor", Rule::SecondFactor, factor), standing.second_factor(), (on("second_factor", standing.own.second_factor), may), scheme))
        (window_field(visit, standing, may, problems))
        (lifetime_field(visit, standing, may, problems))
        @if moves_money(scheme) {
            (switch(("addresses_for_money", Rule::AddressesForMoney, money), standing.addresses_for_money(), (on("addresses_for_money", standing.own.addresses_for_money), may), scheme))
            (switch(("second_person", Rule::SecondPerson, second), standing.second_person(), (on("second_person", standing.own.second_person), may), scheme))
        }
    }
}

fn proof_word(rule: StepUpRule) -> &'static str {
    match rule {
        StepUpRule::None => "nothing",
        StepUpRule::Password => "your password",
        StepUpRule::Otp => "a code of your authenticator app",
        StepUpRule::Either => "your password or a code",
    }
}

/// What the scheme asks for whatever the account says.
fn scheme_rules(scheme: &Scheme) -> Markup {
    let lock = lock(scheme);
    html! {
        section.card aria-labelledby="h-sc" {
            header { h2 id="h-sc" { "Set by " (scheme.title) } }
            @for kind in &scheme.kinds {
                @for (act, rule) in kind.acts().filter(|(_, rule)| rule.step_up != StepUpRule::None) {
                    div.set {
                        div { span.strong { (layout::act_label(act)) ": " (kind.label) } " " (lock) small { "asks for " (proof_word(rule.step_up)) @if rule.confirm { ", and a ticked box" } } }
                    }
                }
                @if let Some(overlap) = kind.act(Act::Rotate).and_then(|rule| rule.overlap.as_ref()) {
                    div.set {
                        div { span.strong { "Rotation window: " (kind.label) } " " (lock)
                            small { @if overlap.is_fixed() { "always " (say_duration(overlap.from_ms)) } @else { "from " (say_duration(overlap.from_ms)) " to " (say_duration(overlap.to_ms)) } } }
                    }
                }
            }
            div.set { div { span.strong { "Sessions" } " " (lock) small { "end after 15 minutes without use and after 12 hours" } } }
            div.set { div { span.strong { "Wrong passwords and codes" } " " (lock) small { "ten are looked at in 30 minutes; a browser you signed in from before has ten of its own" } } }
        }
    }
}

fn view(visit: &Visit, asked: &Asked, problems: &Problems) -> Markup {
    let standing = visit.standing();
    let name = visit.signed.as_ref().map_or("", |signed| signed.account.name.as_str());
    let shown = visit.fields.given("name").unwrap_or(name);
    let may = may_settle(visit);
    let body = html! {
        form.card action="/settings/security" method="post" aria-labelledby="h-se" {
            (layout::marks(visit))
            header { h2 id="h-se" { "Security rules" } span.muted.small { "They hold for what is made or changed from then on" } }
            @if !problems.is_empty() { div.body { (problems.summary()) } }
            (rule_fields(visit, &standing, may, problems))
            @if may {
                header { h2 { "Account" } }
                div.body.stack {
                    (Field::new("name", "Name of the account", shown).kind("text", "organization").show(problems))
                    (asked.show(problems))
                    div.row { button.btn.primary { "Save changes" } span.muted { "Recorded in the audit log." } }
                }
            } @else {
                div.body { p.muted { "Your role may look at these, not change them." } }
            }
        }
        (scheme_rules(visit.scheme()))
    };
    frame(visit, "security", layout::Nav::Settings, &body)
}

pub(crate) async fn form(visit: Visit) -> Answer {
    let asked = asked(&visit, &wanted(&visit, "account")?).await?;
    Ok(reply::html(StatusCode::OK, &view(&visit, &asked, &Problems::none())))
}

pub(crate) async fn submit(visit: Visit) -> Answer {
    match save(&visit).await {
        Ok(reply) => Ok(reply),
        Err(trouble) => {
            let asked = asked(&visit, &wanted(&visit, "account")?).await?;
            again(trouble, |problems| view(&visit, &asked, problems))
        }
    }
}

/// The account's own rules as they were typed. What the platform has set is not asked for, and
/// stays as it is.
fn typed(visit: &Visit, standing: &Standing) -> Result<Rules, Problems> {
    let text = |name: &str| visit.fields.text(name).trim().to_owned();
    let number = |name: &str, what: &str| match text(name).as_str() {
        "" => Ok(None),
        text => text.parse::<i64>().map(Some).map_err(|_| Problems::field(name, what)),
    };
    let seconds = number("overlap_max", "Choose one of these.")?;
    let ms = seconds.map(|seconds| seconds.checked_mul(1000).filter(|ms| WINDOWS.contains(ms)));
    let ms = ms.map(|ms| ms.ok_or_else(|| Problems::field("overlap_max", "Choose one of these.")));
    let on = |name: &str, platform: bool, own: bool| if platform { own } else { text(name) == "1" };
    let (platform, own) = (&standing.platform, &standing.own);
    Ok(Rules {
        second_factor: on("second_factor", platform.second_factor, own.second_factor),
        overlap_ms_max: ms.transpose()?,
        lifetime_days_max: number("lifetime_days_max", "A whole number of days.")?,
        addresses_for_money: on(
            "addresses_for_money",
            platform.addresses_for_money,
            own.addresses_for_money,
        ),
        second_person: on("second_person", platform.second_person, own.second_person),
    })
}

async fn save(visit: &Visit) -> Result<Reply, Trouble> {
    let signed = visit.signed()?;
    let own = typed(visit, &visit.standing())?;
    if own.second_factor && signed.member.totp.is_none() {
        let message = "Set up your own authenticator app first: without it you would be the first who can do nothing.";
        return Err(Problems::field("second_factor", message).into());
    }
    let (account, before) = (signed.account.id, signed.account.name.clone());
    let name = visit.fields.text("name").to_owned();
    visit
        .act(Some(wanted(visit, "account")?), move |tx: &mut Tx<'_>, moment| {
            if name.trim() != before {
                accounts::update(tx, moment, account, Some(&name), None)?;
            }
            let done = approvals::go(tx, moment, account, What::Rules { own })?;
            Ok(Next::to(done.leads_to("/settings/security?done=saved")))
        })
        .await
}
