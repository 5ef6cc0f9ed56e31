//! Events as a person says them: a title, what changed, and who did it.

use keyway_domain::actor::{Actor, StepUp};
use keyway_domain::event::{Author, Event, Proof};
use maud::{Markup, html};
use serde_json::Value;

use super::icons::{self, Icon};
use super::visit::Visit;

/// An event, said.
pub(crate) struct Told {
    pub(crate) icon: Icon,
    pub(crate) class: &'static str,
    pub(crate) title: String,
    pub(crate) detail: Markup,
    pub(crate) by: String,
}

/// Titles and pictures by an event's name.
const KNOWN: &[(&str, &str, &str, Icon)] = &[
    ("account.created", "Account created", "ok", icons::PLUS),
    ("account.updated", "Account renamed", "", icons::EDIT),
    ("account.suspended", "Account suspended", "warn", icons::WARN),
    ("account.resumed", "Account let in again", "ok", icons::CHECK),
    ("api_key.created", "Created", "ok", icons::PLUS),
    ("api_key.imported", "Imported", "ok", icons::PLUS),
    ("api_key.duplicated", "Created as a copy", "ok", icons::TWICE),
    ("api_key.revealed", "Shown again", "", icons::EYE),
    ("api_key.rotated", "Rotated", "rot", icons::ROTATE),
    ("api_key.regenerated", "Regenerated", "rot", icons::ROTATE),
    ("api_key.rotation_finished", "Rotation window ended", "rot", icons::CHECK),
    ("api_key.overlap_extended", "Rotation window extended", "rot", icons::CLOCK),
    ("api_key.rolled_back", "Rolled back", "warn", icons::BACK),
    ("api_key.updated", "Changed", "", icons::EDIT),
    ("api_key.owner_changed", "Owner changed", "", icons::TEAM),
    ("api_key.revoked", "Revoked", "warn", icons::BIN),
    ("account.credentials_revoked", "Many revoked at once", "warn", icons::BIN),
    ("api_key.history_restored", "Put back after a loss", "warn", icons::WARN),
    ("api_key.deleted", "Deleted", "warn", icons::BIN),
    ("member.invited", "Invited", "", icons::MAIL),
    ("member.invitation_withdrawn", "Invitation withdrawn", "", icons::MAIL),
    ("member.joined", "Joined", "ok", icons::TEAM),
    ("member.role_changed", "Role changed", "", icons::TEAM),
    ("member.removed", "Removed", "warn", icons::TEAM),
    ("member.renamed", "Name changed", "", icons::EDIT),
    ("member.password_changed", "Password changed", "", icons::LOCK),
    ("member.password_reset_asked", "New password asked for", "", icons::LOCK),
    ("member.password_reset", "Password reset", "warn", icons::LOCK),
    ("member.factor_added", "Authenticator added", "ok", icons::SHIELD),
    ("member.factor_removed", "Authenticator removed", "warn", icons::SHIELD),
    ("member.recovery_codes_made", "New recovery codes", "", icons::SHIELD),
    ("member.recovery_code_used", "Recovery code used", "warn", icons::SHIELD),
    ("member.tries_exhausted", "Too many wrong passwords or codes", "warn", icons::WARN),
    ("session.started", "Signed in", "", icons::LOCK),
    ("session.ended", "Signed out", "", icons::LEAVE),
    ("settings.updated", "Settings changed", "", icons::GEAR),
    ("api_key.expiring", "Expires in 7 days", "warn", icons::CLOCK),
    ("api_key.expiry_reminded", "Reminder: expires soon", "warn", icons::CLOCK),
    ("api_key.expired", "Expired", "warn", icons::CLOCK),
    ("api_key.overlap_ended", "Previous secret ended", "rot", icons::CHECK),
    ("api_key.old", "Due for renewal", "warn", icons::CLOCK),
    ("api_key.idle", "Not used for long", "warn", icons::CLOCK),
    ("quota.exhausted", "Quota used up", "warn", icons::WARN),
    ("api_key.usage_spike", "Unusual volume", "warn", icons::BELL),
    ("api_key.error_burst", "Error burst", "warn", icons::BELL),
    ("api_key.new_network", "Used from a new network", "warn", icons::BELL),
    ("api_key.ended_secret_used", "Ended secret used", "warn", icons::BELL),
    ("api_key.wrong_environment_used", "Used in the wrong environment", "warn", icons::BELL),
    ("session.refused", "Sign-in refused", "warn", icons::LOCK),
    ("act.refused", "Refused", "warn", icons::LOCK),
    ("webhook.created", "Webhook endpoint added", "ok", icons::HOOK),
    ("webhook.updated", "Webhook endpoint changed", "", icons::HOOK),
    ("webhook.rotated", "Webhook secret rotated", "rot", icons::HOOK),
    ("webhook.removed", "Webhook endpoint removed", "warn", icons::HOOK),
    ("webhook.disabled", "Webhook endpoint switched off", "warn", icons::HOOK),
    ("webhook.test", "Webhook test", "", icons::HOOK),
    ("webhook.replayed", "Webhooks sent again", "", icons::HOOK),
    ("approval.asked", "Approval asked for", "", icons::CLOCK),
    ("approval.approved", "Approved", "ok", icons::CHECK),
    ("approval.declined", "Declined", "warn", icons::CLOSE),
    ("approval.withdrawn", "Request withdrawn", "", icons::BACK),
    ("account.viewed_by_platform", "Looked at by the platform", "", icons::EYE),
    ("operator.entered", "Operator's pages opened", "", icons::LOCK),
    ("operator.left", "Operator's pages left", "", icons::LEAVE),
    ("alert.test", "Alert test", "", icons::BELL),
];

/// The title of an event's name; of one from a newer version, the name.
pub(crate) fn title(kind: &str) -> String {
    let known = KNOWN.iter().find(|(name, ..)| *name == kind);
    known.map_or_else(|| kind.to_owned(), |(_, title, ..)| (*title).to_owned())
}

/// Every title, for a choice of them.
pub(crate) fn titles() -> impl Iterator<Item = (&'static str, &'static str)> {
    KNOWN.iter().map(|(name, title, ..)| (*name, *title))
}

/// An event, said.
pub(crate) fn event(event: &Event) -> Told {
    let known = KNOWN.iter().find(|(name, ..)| *name == event.kind);
    let (class, icon) = known.map_or(("", icons::INFO), |(_, _, class, icon)| (*class, *icon));
    let detail = html! { (diff(&event.before, &event.after)) };
    Told { icon, class, title: title(&event.kind), detail, by: by(event) }
}

/// Who did it, and how it was confirmed.
pub(crate) fn by(event: &Event) -> String {
    let who = match &event.actor {
        Author::Known(known) => actor(known),
        Author::Unknown => "Somebody unknown to this version".to_owned(),
    };
    match event.step_up {
        Some(Proof::Known(StepUp::Password)) => format!("{who}, password confirmed"),
        Some(Proof::Known(StepUp::Otp)) => format!("{who}, code confirmed"),
        Some(Proof::Unknown) => format!("{who}, confirmed in a way unknown here"),
        None => who,
    }
}

/// Who acts, in a few words.
pub(crate) fn actor(actor: &Actor) -> String {
    match actor {
        Actor::Operator { token } if token == Actor::LOCAL => {
            "The platform, at its machine".to_owned()
        }
        Actor::Operator { .. } => "The platform".to_owned(),
        Actor::Member { member, token: None, .. } => member.clone(),
        Actor::Member { member, token: Some(_), .. } => format!("{member}, by the platform's API"),
        Actor::Credential { .. } => "The credential itself".to_owned(),
        Actor::System => "System".to_owned(),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => instant(text),
        Value::Array(list) if list.is_empty() => "none".to_owned(),
        Value::Array(list) => list.iter().map(text).collect::<Vec<_>>().join(", "),
        Value::Object(map) => {
            let parts = map.iter().map(|(name, value)| format!("{name}: {}", text(value)));
            parts.collect::<Vec<_>>().join("; ")
        }
        value => value.to_string(),
    }
}

/// An instant as people write it; any other text as it is.
fn instant(text: &str) -> String {
    let at = keyway_domain::time::Time::parse(text).filter(|_| text.ends_with('Z'));
    at.map_or_else(|| text.to_owned(), keyway_domain::time::Time::to_minute_text)
}

/// Whether a field says something to a person who sees the rest of the page.
fn is_news(name: &str, was: Option<&Value>, is: Option<&Value>) -> bool {
    let is_empty = |value: Option<&Value>| match value {
        None | Some(Value::Null) => true,
        Some(Value::Array(list)) => list.is_empty(),
        Some(Value::Object(map)) => map.is_empty(),
        Some(_) => false,
    };
    let is_whole = matches!(name, "kind" | "environment" | "name") && was.is_none();
    // A list refuses unless somebody wants otherwise.
    let is_usual = name == "address_mode" && was.is_none() && is.is_some_and(|is| is == "enforce");
    let is_nothing = is_empty(was) && is_empty(is);
    was != is && !(is_whole || is_usual || is_nothing)
}

/// What changed, field by field.
pub(super) fn diff(before: &Value, after: &Value) -> Markup {
    let empty = serde_json::Map::new();
    let before = before.as_object().unwrap_or(&empty);
    let after = after.as_object().unwrap_or(&empty);
    let names = after.keys().chain(before.keys().filter(|name| !after.contains_key(*name)));
    html! {
        span.diff {
            @for name in names.filter(|name| *name != "email" || after.len() + before.len() == 1) {
                @let (was, is) = (before.get(name), after.get(name));
                @if is_news(name, was, is) {
                    (name.replace('_', " ")) " "
                    @if let Some(was) = was.filter(|was| !was.is_null()) { del { (text(was)) } " " }
                    @if let Some(is) = is { ins { (text(is)) } " " }
                }
            }
        }
    }
}

/// What was done, above the page that one comes to afterwards.
pub(crate) fn done(visit: &Visit) -> Markup {
    let what = visit.fields.text("done");
    let message = match what {
        "rolledback" => {
            "Rolled back. The previous secret is the only one; the new one is refused everywhere."
        }
        "finished" => "The window has ended. Only the current secret is accepted.",
        "extended" => "The previous secret has more time.",
        "edited" => "The access has changed. The secret stays as it is.",
        "renamed" => "It has another name.",
        "expiry" => "The expiry has changed.",
        "owner" => "Somebody else has care of it.",
        "revoked" => "Revoked. It is refused everywhere from now on.",
        "leaked" => "Revoked, because it leaked. It is refused everywhere from now on.",
        "stopped" => "Everything that fitted is revoked. It is refused everywhere from now on.",
        "suspended" => "Suspended. All its credentials are refused everywhere from now on.",
        "resumed" => "It is let in again.",
        "deleted" => "Deleted. It is refused everywhere from now on.",
        "saved" => "Saved.",
        "asked" => "Asked for. It is not done yet: somebody else has to approve it.",
        "approved" => "Approved. Who asked takes the new secret from here.",
        "did" => "Approved, and done.",
        "declined" => "Declined. Nothing has changed.",
        "takenback" => "Taken back. Nothing has changed.",
        "tested" => "The test is on its way.",
        "replayed" => "They go out again, under the ids they had.",
        "removed_endpoint" => "The endpoint is removed. Nothing goes there any more.",
        "invited" => "The invitation is on its way.",
        "withdrawn" => "The invitation is good no longer.",
        "role" => "The role has changed, from now on.",
        "removed" => "Removed. Their sessions have ended; nothing they had care of has.",
        "ended" => "That session has ended.",
        "password" => "Your password has changed. Every other browser was signed out.",
        "factor" => "The authenticator app is on.",
        "nofactor" => "The authenticator app is removed.",
        _ => return html! {},
    };
    let takes_away = matches!(
        what,
        "rolledback" | "finished" | "revoked" | "leaked" | "stopped" | "deleted" | "suspended"
    );
    let is = if takes_away { "Refused" } else { "True" };
    html! {
        div.note.ok role="status" {
            (icons::CHECK)
            div {
                b { (message) }
                @if let Some(reach) = visit.reach(is) { " " (reach) }
            }
        }
    }
}
