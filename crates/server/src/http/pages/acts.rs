//! What is done to a credential's secrets, and its end: each a dialog with its own address.

use http::StatusCode;
use keyway_domain::scheme::{Act, Kind, Overlap};
use keyway_domain::time::{DAY_MS, Time, say_duration};
use maud::{Markup, html};

use super::dialog::Dialog;
use super::key::{self, Loaded};
use super::new_key::{show, to_key};
use super::problems::{Problems, Stop, Trouble};
use super::reply;
use super::reveal::{self, Item, Shown};
use super::step_up::{Asked, Next, again, asked};
use super::ui;
use super::visit::Visit;
use super::{Answer, icons, layout};
use crate::commands::approvals::{self, Done, What};
use crate::commands::credentials::{self as commands, Change};
use crate::http::Reply;

/// A dialog's circumstances.
pub(super) struct Case<'s> {
    pub(super) visit: &'s Visit,
    pub(super) loaded: Loaded,
    pub(super) kind: &'s Kind,
    pub(super) act: Act,
    pub(super) asked: Asked,
}

impl<'s> Case<'s> {
    pub(super) async fn open(
        visit: &'s Visit,
        scheme: &'s keyway_domain::scheme::Scheme,
        act: Act,
    ) -> Result<Self, Stop> {
        let (loaded, kind) = key::load_for(visit, scheme, act).await?;
        let asked = asked(visit, &loaded.wanted(kind, act)).await?;
        Ok(Self { visit, loaded, kind, act, asked })
    }

    fn rule_confirms(&self) -> bool {
        self.kind.act(self.act).is_some_and(|rule| rule.confirm)
    }

    /// The box to tick, where the scheme asks for one.
    pub(super) fn confirm_box(&self, text: &str) -> Markup {
        html! {
            @if self.rule_confirms() {
                label.check { input type="checkbox" name="confirm" id="confirm" value="1" required; " " span { (text) } }
            }
        }
    }

    pub(super) fn is_confirmed(&self) -> Result<(), Problems> {
        if self.rule_confirms() && self.visit.fields.text("confirm") != "1" {
            return Err(Problems::field("confirm", "Tick the box: it says what will happen."));
        }
        Ok(())
    }

    fn about(&self) -> Markup {
        html! { bdi { (self.loaded.credential.name) } " " (ui::hint(self.loaded.hint())) }
    }

    pub(super) fn page(&self, title: &str, dialog: &Markup) -> Markup {
        let scheme = self.visit.scheme();
        let credential = &self.loaded.credential;
        let body = html! {
            div.head {
                div {
                    (layout::crumbs(scheme, credential.environment, &self.loaded.link()))
                    div.row { p.t-title { bdi { (credential.name) } } (ui::environment_badge(scheme, credential.environment)) }
                }
            }
            (dialog)
        };
        layout::page(self.visit, title, Some(layout::Nav::Keys), &body)
    }

    pub(super) fn dialog<'d>(
        &self,
        title: &str,
        body: Markup,
        keep: &'d str,
        button: &str,
        class: &'d str,
    ) -> Dialog<'d> {
        Dialog {
            title: title.to_owned(),
            about: self.about(),
            back: self.loaded.path(),
            body,
            keep,
            button: html! { (layout::act_icon(self.act)) (button) },
            class,
        }
    }

    /// Does a change that makes no secret, and leads to `to`.
    pub(super) async fn change(&self, change: Change, to: String) -> Result<Reply, Trouble> {
        let signed = self.visit.signed()?;
        let (account, id) = (signed.account.id, self.loaded.credential.id);
        let wanted = self.loaded.wanted(self.kind, self.act);
        self.visit
            .act(Some(wanted), move |tx, moment| {
                commands::change(tx, moment, account, id, change.clone())?;
                Ok(Next::to(to.clone()))
            })
            .await
    }
}

/// The lines on who uses a credential now.
fn uses(loaded: &Loaded, secret: Option<u32>, now: Time) -> Markup {
    let fits = |place: &&keyway_store::usage::Place| {
        secret.is_none_or(|secret| place.secret == secret) && now.0 - place.last_at.0 < DAY_MS
    };
    let places: Vec<_> = loaded.places.iter().filter(fits).take(6).collect();
    html! {
        @if !places.is_empty() {
            details open {
                summary { (ui::count(i64::try_from(places.len()).unwrap_or(0), "place uses", "places use")) " it now" }
                ul.uses.small {
                    @for place in places {
                        li {
                            span { b.mono { (place.address) } " " span.muted { (place.client) } }
                            span.muted { "last seen " (ui::ago_text(place.last_at, now)) }
                        }
                    }
                }
            }
        }
    }
}

/// A page with a dialog, and what takes its form.
macro_rules! dialog_pages {
    ($($form:ident, $submit:ident, $act:expr, $view:path, $attempt:path;)*) => {$(
        pub(crate) async fn $form(visit: Visit) -> Answer {
            let scheme = std::sync::Arc::clone(&visit.app().platform.rules.scheme);
            let case = Case::open(&visit, &scheme, $act).await?;
            Ok(reply::html(StatusCode::OK, &$view(&case, &Problems::none())))
        }

        pub(crate) async fn $submit(visit: Visit) -> Answer {
            let scheme = std::sync::Arc::clone(&visit.app().platform.rules.scheme);
            let case = Case::open(&visit, &scheme, $act).await?;
            match $attempt(&case).await {
                Ok(reply) => Ok(reply),
                Err(trouble) => again(trouble, |problems| $view(&case, problems)),
            }
        }
    )*};
}

pub(super) use dialog_pages;

dialog_pages! {
    rotate_form, rotate, Act::Rotate, rotate_view, rotation;
    regenerate_form, regenerate, Act::Regenerate, regenerate_view, regeneration;
    rollback_form, rollback, Act::Rollback, rollback_view, rolling_back;
    finish_form, finish, Act::Finish, finish_view, finishing;
    extend_form, extend, Act::Extend, extend_view, extending;
}

fn overlap<'c>(case: &'c Case) -> Option<&'c Overlap> {
    case.kind.act(Act::Rotate).and_then(|rule| rule.overlap.as_ref())
}

/// A length of time as a slider's stop has it.
fn stop_label(ms: i64) -> String {
    match ms {
        0 => "Now".to_owned(),
        ms if ms % DAY_MS == 0 => format!("{} d", ms / DAY_MS),
        ms if ms % 3_600_000 == 0 => format!("{} h", ms / 3_600_000),
        ms => format!("{} min", ms / 60_000),
    }
}

/// How long the previous secret stays: a slider of radios, or one sentence where there is no choice.
fn window(case: &Case) -> Markup {
    let now = case.visit.now;
    let hint = case.loaded.hint();
    let last_hour = case.loaded.last_hour(None, now);
    let Some(overlap) = overlap(case) else {
        return html! { p { "The current secret stops at once." } };
    };
    if overlap.is_fixed() {
        let until = now.plus_ms(overlap.from_ms);
        return html! {
            p { "The new secret works at once. The current one, " (ui::hint(hint)) ", stays valid for "
                b { (say_duration(overlap.from_ms)) } ", until about " b { (until.to_minute_text()) } ", and then stops by itself." }
        };
    }
    let typed = case.visit.fields.text("overlap").parse::<i64>().ok().map(|seconds| seconds * 1000);
    let longest = case.visit.standing().overlap_ms_max();
    let limit = longest.map_or(i64::MAX, |(max, _)| max);
    let stops: Vec<i64> = overlap.offered_ms.iter().copied().filter(|ms| *ms <= limit).collect();
    let last = stops.last().copied().unwrap_or(overlap.from_ms);
    let chosen = typed.unwrap_or_else(|| overlap.default_ms.min(last));
    let count = stops.len();
    html! {
        fieldset.stack id="overlap" {
            legend.label { "Keep the current secret working for" }
            div class={ "track k" (count) } {
                @for (place, ms) in stops.iter().enumerate() {
                    label {
                        input type="radio" name="overlap" id={ "w" (place) } value=(ms / 1000) checked[*ms == chosen]
                            autofocus[*ms == chosen] aria-label=(if *ms == 0 { "Now".to_owned() } else { say_duration(*ms) });
                        span aria-hidden="true" { (stop_label(*ms)) }
                    }
                }
            }
            div aria-hidden="true" {
                div.lane { span { "New secret" } i {} }
                div.lane { span { "Current …" (ui::last_four(hint)) } i.old {} }
            }
            @if let Some((max, set_by)) = longest.filter(|(max, _)| *max < overlap.to_ms) {
                p.small.muted { (icons::LOCK) " At most " (say_duration(max)) ": " (super::limits::whose(case.visit, set_by)) "." }
            }
            div.when aria-live="polite" {
                @for (place, ms) in stops.iter().enumerate() {
                    @if *ms == 0 {
                        p class={ "p" (place) " bad" } { b { "The current secret stops at once." } " It served " (ui::count(last_hour, "request", "requests")) " in the last hour. Choose this only if it leaked." }
                    } @else {
                        p class={ "p" (place) } { "Both secrets work until " b.num { (now.plus_ms(*ms).to_minute_text()) } ". After that, …" (ui::last_four(hint)) " is refused." }
                    }
                }
            }
        }
    }
}

fn rotate_view(case: &Case, problems: &Problems) -> Markup {
    let now = case.visit.now;
    let rotating = case.loaded.credential.retiring(now);
    let body = html! {
        @if let Some((previous, until)) = rotating {
            (ui::note("warn", icons::WARN, &html! {
                b { "A rotation is open already" } ": " (ui::hint(&previous.hint)) " is accepted until " (until.to_minute_text())
                ". End it, extend it or roll it back first; or choose Now, which ends both older secrets."
            }))
        }
        (window(case))
        (uses(&case.loaded, None, now))
        (case.confirm_box("I will move these over before the window ends. Until then both secrets work."))
        (case.asked.show(problems))
    };
    let dialog = case.dialog("Rotate secret", body, "Cancel", "Rotate secret", "primary");
    case.page("Rotate secret", &dialog.show(case.visit, problems))
}

async fn rotation(case: &Case<'_>) -> Result<Reply, Trouble> {
    case.is_confirmed()?;
    let typed = case.visit.fields.given("overlap");
    let overlap_ms = typed
        .map(|seconds| seconds.parse::<i64>().ok().and_then(|seconds| seconds.checked_mul(1000)))
        .map(|ms| ms.ok_or_else(|| Problems::field("overlap", "Choose how long.")))
        .transpose()?;
    let signed = case.visit.signed()?.clone();
    let id = case.loaded.credential.id;
    let wanted = case.loaded.wanted(case.kind, Act::Rotate);
    case.visit
        .act(Some(wanted), move |tx, moment| {
            let what = What::Rotate { id, overlap_ms };
            let done = approvals::go(tx, moment, signed.account.id, what)?;
            Ok(Next::to(show(tx, moment, &signed, &done, &said_of_previous(&done, moment.now))?))
        })
        .await
}

/// What becomes of the previous secret, on the page of the new one.
pub(super) fn said_of_previous(done: &Done, now: Time) -> String {
    let Done::Made(made, _) = done else { return String::new() };
    match made.retiring(now) {
        Some((previous, until)) => format!(
            "The previous secret …{} works until {}.",
            ui::last_four(&previous.hint),
            until.to_minute_text()
        ),
        None => "The previous secret is refused from now on.".to_owned(),
    }
}

fn regenerate_view(case: &Case, problems: &Problems) -> Markup {
    let now = case.visit.now;
    let last_hour = case.loaded.last_hour(None, now);
    let body = html! {
        (ui::note("bad", icons::WARN, &html! {
            b { "The current secret stops at once." } " It served " (ui::count(last_hour, "request", "requests"))
            " in the last hour; they will be refused until the new one is in place. The id and what it may do stay."
        }))
        (uses(&case.loaded, None, now))
        (case.confirm_box("I will put the new secret in place at once."))
        (case.asked.show(problems))
    };
    let title = format!("Regenerate this {}?", case.kind.label);
    let dialog = case.dialog(&title, body, "Cancel", "Regenerate now", "danger");
    case.page("Regenerate", &dialog.show(case.visit, problems))
}

async fn regeneration(case: &Case<'_>) -> Result<Reply, Trouble> {
    case.is_confirmed()?;
    let signed = case.visit.signed()?.clone();
    let id = case.loaded.credential.id;
    let wanted = case.loaded.wanted(case.kind, Act::Regenerate);
    case.visit
        .act(Some(wanted), move |tx, moment| {
            let done = approvals::go(tx, moment, signed.account.id, What::Regenerate { id })?;
            Ok(Next::to(show(tx, moment, &signed, &done, &said_of_previous(&done, moment.now))?))
        })
        .await
}

fn rollback_view(case: &Case, problems: &Problems) -> Markup {
    let now = case.visit.now;
    let credential = &case.loaded.credential;
    let (Some((previous, until)), Some(current)) = (credential.retiring(now), credential.current())
    else {
        return nothing_open(case, "Roll back", problems);
    };
    let by_new = case.loaded.last_hour(Some(current.number), now);
    let body = html! {
        ul.uses {
            li {
                span { b.mono { "…" (ui::last_four(&previous.hint)) } " previous secret" }
                (ui::badge("ok", "stays, no end date"))
                span.muted.small { (ui::count(case.loaded.last_hour(Some(previous.number), now), "request", "requests")) " in the last hour" }
            }
            li {
                span { b.mono { "…" (ui::last_four(&current.hint)) } " new secret" }
                (ui::badge("bad", "deleted at once"))
                span.muted.small { (ui::count(by_new, "request", "requests")) " in the last hour" }
            }
        }
        @if by_new > 0 {
            (ui::note("bad", icons::WARN, &html! { b { "The new secret is in use already." } " Whoever uses it will be refused at once." }))
            (uses(&case.loaded, Some(current.number), now))
        }
        (case.confirm_box(&format!("I confirm rolling back now. Everything must use …{} again.", ui::last_four(&previous.hint))))
        (case.asked.show(problems))
        p.small.muted { "Possible until " (until.to_minute_text()) ", when the previous secret ends." }
    };
    let dialog = case.dialog(
        "Roll back to the previous secret?",
        body,
        "Keep both",
        "Roll back now",
        "danger",
    );
    case.page("Roll back", &dialog.show(case.visit, problems))
}

/// The act needs an open rotation, and there is none.
fn nothing_open(case: &Case, title: &str, problems: &Problems) -> Markup {
    let body = html! {
        div.stack.narrow {
            h1 { (title) }
            (problems.summary())
            (ui::note("info", icons::INFO, &html! { b { "No rotation is open." } " The previous secret has ended: only one secret is accepted." }))
            a.btn href=(case.loaded.path()) { "Back to it" }
        }
    };
    case.page(title, &body)
}

async fn rolling_back(case: &Case<'_>) -> Result<Reply, Trouble> {
    case.is_confirmed()?;
    case.change(Change::RollBack, format!("{}?done=rolledback", case.loaded.path())).await
}

fn finish_view(case: &Case, problems: &Problems) -> Markup {
    let now = case.visit.now;
    let Some((previous, until)) = case.loaded.credential.retiring(now) else {
        return nothing_open(case, "End window now", problems);
    };
    let still = case.loaded.last_hour(Some(previous.number), now);
    let body = html! {
        @if still > 0 {
            (ui::note("bad", icons::WARN, &html! { b { (ui::count(still, "request", "requests")) " in the last hour used the previous secret." } " They will be refused." }))
            (uses(&case.loaded, Some(previous.number), now))
        } @else {
            (ui::note("ok", icons::CHECK, &html! { "Nothing used the previous secret in the last hour." }))
        }
        p { "The previous secret " (ui::hint(&previous.hint)) " would stop by itself at " (until.to_minute_text()) "." }
        (case.confirm_box("I confirm that the previous secret ends now."))
        (case.asked.show(problems))
    };
    let dialog = case.dialog("End the window now?", body, "Keep both", "End window now", "danger");
    case.page("End window now", &dialog.show(case.visit, problems))
}

async fn finishing(case: &Case<'_>) -> Result<Reply, Trouble> {
    case.is_confirmed()?;
    case.change(Change::Finish, format!("{}?done=finished", case.loaded.path())).await
}

/// More time that is offered, in milliseconds.
const EXTENSIONS: [i64; 4] = [3_600_000, DAY_MS, 3 * DAY_MS, 7 * DAY_MS];

fn extend_view(case: &Case, problems: &Problems) -> Markup {
    let now = case.visit.now;
    let credential = &case.loaded.credential;
    let Some((previous, until)) = credential.retiring(now) else {
        return nothing_open(case, "Extend", problems);
    };
    let began = credential.current().map_or(now, |current| current.created_at);
    let up_to = case.kind.act(Act::Extend).and_then(|rule| rule.up_to_ms).unwrap_or(0);
    let last = began.plus_ms(up_to);
    let offered: Vec<Time> =
        EXTENSIONS.iter().map(|ms| until.plus_ms(*ms)).filter(|at| *at <= last).collect();
    let body = html! {
        p { "The previous secret " (ui::hint(&previous.hint)) " is accepted until " b { (until.to_minute_text()) } "." }
        @if offered.is_empty() {
            (ui::note("info", icons::INFO, &html! { "It can't be extended further: at most until " (last.to_minute_text()) "." }))
        }
        fieldset.field {
            legend.label { "Until" }
            div.chips id="until" {
                @for (place, at) in offered.iter().enumerate() {
                    label.chip { input type="radio" name="until" value=(at.to_string()) checked[place == 0] required; (at.to_minute_text()) }
                }
            }
        }
        (case.confirm_box("I confirm that the previous secret stays longer."))
        (case.asked.show(problems))
    };
    let dialog =
        case.dialog("More time for the previous secret", body, "Cancel", "Extend", "primary");
    case.page("Extend", &dialog.show(case.visit, problems))
}

async fn extending(case: &Case<'_>) -> Result<Reply, Trouble> {
    case.is_confirmed()?;
    let until = Time::parse(case.visit.fields.text("until"));
    let until = until.ok_or_else(|| Problems::field("until", "Choose until when."))?;
    case.change(Change::Extend(until), format!("{}?done=extended", case.loaded.path())).await
}

/// Shows a public credential again: on the page of new ones, which it may be looked at from.
pub(crate) async fn reveal(visit: Visit) -> Answer {
    let scheme = std::sync::Arc::clone(&visit.app().platform.rules.scheme);
    let (loaded, kind) = key::load_for(&visit, &scheme, Act::Reveal).await?;
    let signed = visit.signed()?.clone();
    let (id, wanted) = (loaded.credential.id, loaded.wanted(kind, Act::Reveal));
    let shown = visit
        .act(Some(wanted), move |tx, moment| {
            let (credential, secret) = commands::reveal(tx, moment, signed.account.id, id)?;
            let to = format!("/{}/keys/{id}", credential.environment.as_str());
            let items = vec![Item::new(&credential, &secret, moment)];
            let note = "It is public: it may stand in a page or an app, and can be shown again.";
            let shown = Shown { items, to, note: note.to_owned() };
            Ok(Next::to(reveal::keep(tx, moment, &signed, &shown)?))
        })
        .await;
    match shown {
        Ok(reply) => Ok(reply),
        Err(Trouble::Stop(stop)) => Err(stop),
        Err(Trouble::Form(_)) => Ok(to_key(&loaded.credential)),
    }
}
