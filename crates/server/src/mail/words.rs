//! What letters say: all the wording, in one place. Text and HTML say the same.

use keyway_domain::event::{Event, Kind};
use keyway_domain::member::Email;
use keyway_domain::scheme::Scheme;
use keyway_domain::time::{Time, say_duration};
use maud::html;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::telling::About;

/// An email.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    pub(super) to: String,
    pub(super) subject: String,
    /// Paragraphs before the facts.
    opening: Vec<String>,
    /// What happened, line by line: a name and a value.
    facts: Vec<(String, String)>,
    /// A page to open: what it is for, and where. Opening it changes nothing.
    link: Option<(String, String)>,
    /// Paragraphs at the end.
    closing: Vec<String>,
}

impl Letter {
    fn new(to: &Email, subject: &str) -> Self {
        Self {
            to: to.to_string(),
            subject: one_line(subject),
            opening: Vec::new(),
            facts: Vec::new(),
            link: None,
            closing: Vec::new(),
        }
    }

    fn say(mut self, paragraph: impl Into<String>) -> Self {
        self.opening.push(paragraph.into());
        self
    }

    fn link(mut self, what_for: &str, url: &str) -> Self {
        self.link = Some((what_for.to_owned(), url.to_owned()));
        self
    }

    fn end(mut self, paragraph: impl Into<String>) -> Self {
        self.closing.push(paragraph.into());
        self
    }

    /// Asks somebody into an account.
    pub fn invitation(to: &Email, account: &str, by: &str, url: &str) -> Self {
        Self::new(to, &format!("{by} invites you to {account}"))
            .say(format!("{by} invites you to manage API credentials of {account}."))
            .link("Open this page within 7 days, and choose a name and a password there:", url)
            .end("If you expected no invitation, ignore this mail; nothing happens.")
    }

    /// Leads to a new password.
    pub fn reset(to: &Email, url: &str) -> Self {
        Self::new(to, "A new password")
            .say(format!("Somebody, probably you, asked for a new password for {to}."))
            .link("Open this page within an hour, and choose one there:", url)
            .end(
                "Your authenticator app is still asked for. If it was not you, ignore this mail; \
                 nothing has changed.",
            )
    }

    /// Leads to a new account. What the stranger who asked calls it is not repeated: anybody could
    /// have us write it to anybody.
    pub fn sign_up(to: &Email, url: &str) -> Self {
        Self::new(to, "Your new account")
            .say(format!("Somebody, probably you, signed up with {to}."))
            .link("Open this page within a day, and confirm it there:", url)
            .end("If it was not you, ignore this mail; there is no account then.")
    }

    /// Tells somebody who signs up again that they are there.
    pub fn known_already(to: &Email, url: &str) -> Self {
        Self::new(to, "You have an account already")
            .say(format!(
                "Somebody, probably you, signed up with {to}, which signs in to an account already."
            ))
            .link("Sign in, or choose a new password, here:", &format!("{url}/sign-in"))
            .end("If it was not you, ignore this mail; nothing has changed.")
    }

    /// Who it goes to.
    pub fn to(&self) -> &str {
        &self.to
    }

    /// What it is about.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The letter as plain text.
    pub fn text(&self) -> String {
        let mut parts = self.opening.clone();
        if !self.facts.is_empty() {
            let lines = self.facts.iter().map(|(name, value)| format!("{name}: {value}"));
            parts.push(lines.collect::<Vec<_>>().join("\n"));
        }
        if let Some((what_for, url)) = &self.link {
            parts.push(format!("{what_for}\n{url}"));
        }
        parts.extend(self.closing.iter().cloned());
        parts.join("\n\n") + "\n"
    }

    /// The letter as HTML: no picture, no script, nothing that is loaded.
    pub fn html(&self) -> String {
        html! {
            (maud::DOCTYPE)
            html lang="en" {
                head { meta charset="utf-8"; title { (self.subject) } }
                body {
                    @for paragraph in &self.opening { p { (paragraph) } }
                    @if !self.facts.is_empty() {
                        table {
                            @for (name, value) in &self.facts {
                                tr { th align="left" valign="top" { (name) } td { (value) } }
                            }
                        }
                    }
                    @if let Some((what_for, url)) = &self.link {
                        p { (what_for) br; a href=(url) { (url) } }
                    }
                    @for paragraph in &self.closing { p { (paragraph) } }
                }
            }
        }
        .into_string()
    }
}

/// A name that somebody chose must not become a header of its own.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect()
}

fn instant(value: &Value) -> Option<String> {
    value.as_str().and_then(Time::parse).map(Time::to_minute_text)
}

/// A letter on an event, to one of those whom it is told; `None` for an event that no letter is
/// written on.
pub fn notice(to: &Email, event: &Event, about: &About, scheme: &Scheme) -> Option<Letter> {
    let kind = Kind::parse(&event.kind)?;
    let (subject, sentence) = match about.credential.as_ref() {
        Some(credential) => {
            let what = format!("{} “{}”", credential.kind, credential.name);
            let (short, long) = of_credential(kind, event, &what)?;
            (format!("{short} · {}", about.account), long)
        }
        None => of_account(kind, event, &about.account)?,
    };
    let mut letter = Letter::new(to, &format!("{}: {subject}", scheme.title)).say(sentence);
    if let Some(extra) = consequence(kind, event) {
        letter = letter.say(extra);
    }
    letter.facts = facts(event, about);
    let letter = letter.link("See it, and act if you must, here:", &about.url);
    Some(letter.end(closing(kind)))
}

fn of_credential(kind: Kind, event: &Event, what: &str) -> Option<(String, String)> {
    let said =
        |short: &str, long: &str| Some((format!("{what} {short}"), format!("The {what} {long}.")));
    match kind {
        Kind::Created => said("was created", "was created"),
        Kind::Imported => said("was imported", "was taken over from another system"),
        Kind::Duplicated => said("was created as a copy", "was created as a copy of another"),
        Kind::Revealed => said("was shown", "was shown again"),
        Kind::Rotated => said("was rotated", "was rotated: it has a new secret"),
        Kind::Regenerated => said("was regenerated", "was regenerated: it has a new secret"),
        Kind::RotationFinished => {
            said("has one secret again", "was switched over: its previous secret was ended")
        }
        Kind::OverlapEnded => {
            said("has one secret again", "has its new secret only: the previous one has ended")
        }
        Kind::OverlapExtended => {
            said("keeps its previous secret longer", "keeps its previous secret for longer")
        }
        Kind::RolledBack => said("was rolled back", "was rolled back: its new secret was deleted"),
        Kind::Updated if event.after.get("grant").is_some() => {
            said("has another scope", "was edited: what it may reach has changed")
        }
        Kind::Updated => said("was changed", "was changed"),
        Kind::Revoked => said("was revoked", "was revoked"),
        Kind::Deleted => said("was deleted", "was deleted"),
        Kind::OwnerChanged => said("has another owner", "is in another person’s care"),
        Kind::Expiring | Kind::ExpiryReminded => {
            let days = event.after["days"].as_i64().unwrap_or(0);
            let word = if days == 1 { "day" } else { "days" };
            said(&format!("expires in {days} {word}"), &format!("expires in {days} {word}"))
        }
        Kind::Expired => said("has expired", "has expired"),
        Kind::Old => {
            let days = event.after["days"].as_i64().unwrap_or(0);
            let long = format!("has had the same secret for {days} days. It is time for a new one");
            said("is due for renewal", &long)
        }
        Kind::Idle => {
            let days = event.after["days"].as_i64().unwrap_or(0);
            said("is not used", &format!("was not used for {days} days"))
        }
        Kind::QuotaExhausted => {
            said("has used up its quota", "has used up its quota, or what is left is being used")
        }
        Kind::UsageSpike => said("is used unusually much", "is used unusually much"),
        Kind::ErrorBurst => said("is refused unusually often", "is refused unusually often"),
        Kind::NewNetwork => {
            said("is used from a new network", "was used from a network for the first time")
        }
        Kind::EndedSecretUsed => {
            said("is used with a secret that has ended", "is used with a secret that has ended")
        }
        Kind::WrongEnvironmentUsed => {
            said("is used in the wrong environment", "is used in the wrong environment")
        }
        _ => None,
    }
}

fn of_account(kind: Kind, event: &Event, account: &str) -> Option<(String, String)> {
    let said = |short: &str, long: String| Some((short.to_owned(), long));
    match kind {
        Kind::SignedIn => said(
            "New sign-in",
            format!(
                "Somebody signed in to {account} as you, from a browser that we have not seen before."
            ),
        ),
        Kind::PasswordChanged | Kind::PasswordReset => {
            said("Your password was changed", format!("Your password for {account} was changed."))
        }
        Kind::FactorAdded => said(
            "Authenticator app added",
            format!("An authenticator app was added to your sign-in to {account}."),
        ),
        Kind::FactorRemoved => said(
            "Authenticator app removed",
            format!("The authenticator app of your sign-in to {account} was removed."),
        ),
        Kind::RecoveryCodesMade => said(
            "New recovery codes",
            format!(
                "New recovery codes were made for your sign-in to {account}. The old ones are good no longer."
            ),
        ),
        Kind::RecoveryCodeUsed => said(
            "A recovery code was used",
            format!("A recovery code stood in for your authenticator app at {account}."),
        ),
        Kind::ProofsExhausted => said(
            "Too many wrong tries",
            format!(
                "There were too many wrong passwords or codes for your sign-in to {account}. None is looked at for half an hour; browsers that you signed in from before still get in."
            ),
        ),
        Kind::MemberRoleChanged => {
            let role = event.after["role"].as_str().unwrap_or("another");
            said("Your role has changed", format!("You are {role} of {account} from now on."))
        }
        Kind::EndpointDisabled => {
            let url = event.after["url"].as_str().unwrap_or("an endpoint");
            let why = event.after["why"].as_str().unwrap_or("nothing arrived there");
            said(
                "A webhook endpoint was switched off",
                format!("{url} of {account} gets no webhooks any more: {why}."),
            )
        }
        Kind::QuotaExhausted => said(
            "The quota is used up",
            format!("{account} has used up its quota, or what is left is being used."),
        ),
        Kind::AlertTested => said(
            "This is a test",
            format!("Somebody tried whether alerts of {account} arrive. This one did."),
        ),
        Kind::RevokedTogether => {
            let count = event.after["credentials"].as_u64().unwrap_or(0);
            said(
                "Many credentials were revoked",
                format!(
                    "{count} credentials of {account} were revoked at once: they are refused from now on."
                ),
            )
        }
        Kind::ApprovalAsked | Kind::ApprovalGiven | Kind::ApprovalDeclined => {
            Some(of_approval(kind, event, account))
        }
        Kind::AccountSuspended => said(
            "Account suspended",
            format!("{account} is suspended: all its credentials are refused."),
        ),
        Kind::AccountResumed => said(
            "Account let in again",
            format!("{account} is let in again: its credentials are accepted."),
        ),
        _ => None,
    }
}

fn of_approval(kind: Kind, event: &Event, account: &str) -> (String, String) {
    let asked = event.after["asked"].as_str().unwrap_or("something");
    let until = instant(&event.after["until"]).unwrap_or_default();
    match kind {
        Kind::ApprovalAsked => (
            format!("{asked}: your approval is asked for"),
            format!(
                "Somebody in {account} asks: {asked}. It is not done before a second person has \
                 approved it, until {until}."
            ),
        ),
        Kind::ApprovalGiven => (
            format!("{asked}: approved"),
            format!(
                "What you asked for in {account} was approved: {asked}. If a new secret comes of \
                 it, take it until {until}."
            ),
        ),
        _ => {
            let why = event.after["why"].as_str().unwrap_or("no reason was given");
            let long = format!("What you asked for in {account} was declined: {asked}. Why: {why}");
            (format!("{asked}: declined"), long)
        }
    }
}

/// What follows for who reads it.
fn consequence(kind: Kind, event: &Event) -> Option<String> {
    let after = &event.after;
    match kind {
        Kind::Rotated => Some(match instant(&after["previous_accepted_until"]) {
            Some(until) => format!(
                "The previous secret is accepted until {until}, then it ends. Move every program \
                 over before that; verify webhooks with either until then."
            ),
            None => "The previous secret has ended: it is refused from now on.".to_owned(),
        }),
        Kind::Regenerated => {
            Some("The previous secret has ended: it is refused from now on.".to_owned())
        }
        Kind::OverlapExtended => instant(&after["accepted_until"])
            .map(|until| format!("The previous secret is accepted until {until}.")),
        Kind::RolledBack => Some(
            "The previous secret is the only one again, at once. Whatever uses the new one is \
             refused."
                .to_owned(),
        ),
        Kind::Revoked | Kind::Deleted | Kind::Expired => {
            Some("It is refused from now on.".to_owned())
        }
        Kind::Expiring | Kind::ExpiryReminded => instant(&after["expires_at"])
            .map(|at| format!("It stops at {at}. Replace it before that, or give it more time.")),
        Kind::UsageSpike => {
            let (seen, usual) = (after["requests"].as_u64()?, after["usual"].as_f64()?);
            let minutes = say_duration(after["window_ms"].as_i64()?);
            Some(format!("{seen} requests in {minutes}; usual are about {usual:.0}."))
        }
        Kind::QuotaExhausted => {
            let (requests, until) = (after["requests"].as_u64()?, instant(&after["renews_at"])?);
            let per = after["per"].as_str()?;
            Some(format!("It is {requests} requests a {per}. More are refused until {until}."))
        }
        Kind::ErrorBurst => {
            let (refused, all) = (after["refused"].as_u64()?, after["requests"].as_u64()?);
            Some(format!("{refused} of {all} requests were refused in the last minutes."))
        }
        _ => None,
    }
}

fn facts(event: &Event, about: &About) -> Vec<(String, String)> {
    let mut facts = vec![("Account".to_owned(), about.account.clone())];
    if let Some(credential) = &about.credential {
        facts.push(("Environment".to_owned(), credential.environment_label.clone()));
        facts.push(("Id".to_owned(), credential.id.to_string()));
        facts.push(("Secret".to_owned(), credential.hint.clone()));
    }
    facts.push(("When".to_owned(), event.at.to_minute_text()));
    facts.push(("By".to_owned(), crate::telling::who(&event.actor)));
    let mut add = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            facts.push((name.to_owned(), one_line(value)));
        }
    };
    add("From", event.address.as_deref().or_else(|| event.after["address"].as_str()));
    add("With", event.client.as_deref().or_else(|| event.after["client"].as_str()));
    facts
}

fn closing(kind: Kind) -> &'static str {
    match kind {
        Kind::SignedIn => {
            "If it was you, there is nothing to do. If not, change your password and end the \
             session, under Sign-in security."
        }
        Kind::PasswordChanged
        | Kind::PasswordReset
        | Kind::FactorAdded
        | Kind::FactorRemoved
        | Kind::RecoveryCodesMade
        | Kind::RecoveryCodeUsed
        | Kind::ProofsExhausted => {
            "If it was not you, change your password, end your sessions, and tell an owner of the \
             account."
        }
        Kind::UsageSpike
        | Kind::ErrorBurst
        | Kind::NewNetwork
        | Kind::EndedSecretUsed
        | Kind::WrongEnvironmentUsed => {
            "If you can't explain it, rotate or revoke the credential. There is no second letter on \
             this while it lasts."
        }
        Kind::QuotaExhausted => {
            "If you need more, ask us for it. There is one letter on this a period."
        }
        Kind::AlertTested => "There is nothing to do.",
        _ => {
            "If nobody of you did this, sign in, look at the audit log, and revoke what you don't \
             know."
        }
    }
}
