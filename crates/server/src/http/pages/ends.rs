//! The end of a credential: revoking it, or deleting it, with the traffic that it will break named.

use http::StatusCode;
use keyway_domain::credential::Status;
use keyway_domain::scheme::Act;
use maud::{Markup, html};

use super::acts::{Case, dialog_pages};
use super::problems::{Problems, Trouble};
use super::step_up::{Next, again};
use super::visit::Visit;
use super::{Answer, icons, leak, reply, ui};
use crate::commands::Moment;
use crate::commands::credentials::{self, Change};
use crate::http::Reply;

dialog_pages! {
    revoke_form, revoke, Act::Revoke, revoke_view, revocation;
    delete_form, delete, Act::Delete, delete_view, deletion;
}

/// Reasons of an end, for the history.
const REASONS: [(&str, &str); 4] = [
    (LEAKED, "It leaked"),
    ("unused", "No longer used"),
    ("left", "Someone left"),
    ("other", "Other"),
];

/// The reason after which there is more to do.
const LEAKED: &str = "leak";

fn end_body(case: &Case, problems: &Problems, sentence: &str) -> Markup {
    let now = case.visit.now;
    let last_hour = case.loaded.last_hour(None, now);
    let hint = case.loaded.hint();
    let four = ui::last_four(hint);
    let in_use = case.loaded.is_in_use(now);
    let problem = problems.of("typed");
    html! {
        @if in_use {
            (ui::note("bad", icons::WARN, &html! {
                b { "It is in use." } " " (ui::count(last_hour, "request", "requests")) " in the last hour"
                @if let Some(seen) = case.loaded.last_used() { ", the latest " (ui::ago_text(seen.at, now)) @if let Some(from) = &seen.address { " from " code { (from) } } }
                ". They will be refused, and this cannot be undone."
            }))
        } @else {
            p { "Nothing has used it in the last 24 hours. " (sentence) }
        }
        @if case.kind.act(Act::Rotate).is_some() && case.loaded.credential.status == Status::Live {
            p { "If it did not leak, " a href={ (case.loaded.path()) "/rotate" } { "rotate it instead" } ": the old secret can stay valid for a while." }
        }
        fieldset.field {
            legend.label { "Why " span.opt { "(optional)" } }
            div.chips {
                @for (word, label) in REASONS {
                    label.chip { input type="radio" name="reason" value=(word) checked[case.visit.fields.text("reason") == word]; (label) }
                }
            }
        }
        div.note.info.if-leak {
            (icons::INFO)
            div { b { "Then, in this order:" } (leak::steps(case.visit, &case.loaded)) }
        }
        @if in_use && !four.is_empty() {
            input type="hidden" name="in_use" value="1";
            div.field {
                label for="typed" { "Type " b.mono { (four) } " to confirm" }
                input.mono id="typed" name="typed" required autocomplete="off" autocapitalize="off" spellcheck="false"
                    value=(case.visit.fields.text("typed")) aria-invalid=[problem.map(|_| "true")]
                    aria-describedby=[ui::described_by("typed", "h", problem)];
                (ui::below("typed", "The last four characters of it. Asked only when it was used in the last 24 hours.", problem))
            }
        }
        (case.confirm_box("I confirm that it ends now, for ever."))
        (case.asked.show(problems))
    }
}

fn is_typed(case: &Case) -> Result<(), Problems> {
    let four = ui::last_four(case.loaded.hint());
    // What the form showed counts: a first request that came since is no reason to ask again.
    let wanted = case.visit.fields.has("in_use") && !four.is_empty();
    if wanted && case.visit.fields.text("typed").trim() != four {
        return Err(Problems::field("typed", format!("Type {four}, its last four characters.")));
    }
    Ok(())
}

fn revoke_view(case: &Case, problems: &Problems) -> Markup {
    if matches!(case.loaded.credential.status, Status::Revoked { .. }) {
        let body = html! {
            div.stack.narrow {
                h1 { "Revoked already" }
                (ui::note("info", icons::INFO, &html! { "Somebody revoked it before you. It is refused everywhere." }))
                a.btn href=(case.loaded.path()) { "Back to it" }
            }
        };
        return case.page("Revoked already", &body);
    }
    let body = end_body(
        case,
        problems,
        "It will be refused from the answer on, and this cannot be undone.",
    );
    let title = format!("Revoke this {}?", case.kind.label);
    let dialog = case.dialog(&title, body, "Keep it", "Revoke now", "danger");
    case.page("Revoke", &dialog.show(case.visit, problems))
}

async fn revocation(case: &Case<'_>) -> Result<Reply, Trouble> {
    case.is_confirmed()?;
    is_typed(case)?;
    let leaked = case.visit.fields.text("reason") == LEAKED;
    let done = if leaked { "leaked" } else { "revoked" };
    end(case, Change::Revoke, format!("{}?done={done}", case.loaded.path())).await
}

fn delete_view(case: &Case, problems: &Problems) -> Markup {
    let body = end_body(
        case,
        problems,
        "It will be refused from the answer on, leave the list, and this cannot be undone.",
    );
    let title = format!("Delete this {}?", case.kind.label);
    let dialog = case.dialog(&title, body, "Keep it", "Delete now", "danger");
    case.page("Delete", &dialog.show(case.visit, problems))
}

async fn deletion(case: &Case<'_>) -> Result<Reply, Trouble> {
    case.is_confirmed()?;
    is_typed(case)?;
    let to = format!("/{}/keys?done=deleted", case.loaded.credential.environment.as_str());
    end(case, Change::Delete, to).await
}

/// Ends it, with the reason in its history.
async fn end(case: &Case<'_>, change: Change, to: String) -> Result<Reply, Trouble> {
    let signed = case.visit.signed()?;
    let (account, id) = (signed.account.id, case.loaded.credential.id);
    let typed = case.visit.fields.text("reason");
    let reason = REASONS.iter().find(|(word, _)| *word == typed).map(|(_, said)| *said);
    let wanted = case.loaded.wanted(case.kind, case.act);
    case.visit
        .act(Some(wanted), move |tx, moment| {
            let moment = Moment { reason, ..moment.clone() };
            credentials::change(tx, &moment, account, id, change.clone())?;
            Ok(Next::to(to.clone()))
        })
        .await
}
