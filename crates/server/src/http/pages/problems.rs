//! What went wrong, for a person: beside the field if there is one, otherwise as a page.

use std::fmt::Display;

use http::StatusCode;
use keyway_domain::actor::NotPermitted;
use keyway_domain::rules::{Rule, SetBy};
use keyway_store::DbError;
use maud::{Markup, html};

use super::visit::Visit;
use super::{layout, operator, reply, sign_in, ui};
use crate::commands::Error;
use crate::http::Reply;
use crate::passwords::Busy;

/// Why a page is another one than was asked for.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Nobody is signed in.
    SignIn,
    /// There is no such thing, or it is another account's: nobody learns which.
    NotFound,
    /// This member may not.
    Forbidden(String),
    /// The page is for the platform's operator.
    Operator,
    /// A rule asks every member for a second factor, and this one has none.
    Factor,
    /// The form is not one of this session's pages.
    Forged,
    /// It is gone, for ever.
    Gone(String),
    /// It can't be done as things are.
    Conflict(String),
    /// Something of ours does not work.
    Ours(String),
}

impl From<DbError> for Stop {
    fn from(error: DbError) -> Self {
        // Logged here, once; the person learns what to do, not what the database said.
        tracing::error!(%error, "the database could not serve a page");
        Self::Ours(format!("Nothing was changed: {}.", error.advice()))
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound(_) => Self::NotFound,
            Error::Db(error) => error.into(),
            Error::NotPermitted(not) => Self::Forbidden(ui::capital(&not.to_string())),
            error => Self::Ours(ui::capital(&error.to_string())),
        }
    }
}

impl From<Busy> for Stop {
    fn from(busy: Busy) -> Self {
        Self::Ours(ui::capital(&busy.to_string()))
    }
}

/// What is wrong with a form: shown above it, and beside its fields.
#[derive(Debug, Clone)]
pub(crate) struct Problems {
    /// The status of the page.
    pub(crate) status: StatusCode,
    list: Vec<(String, String)>,
}

impl Problems {
    /// Nothing is wrong.
    pub(crate) fn none() -> Self {
        Self { status: StatusCode::OK, list: Vec::new() }
    }

    /// One thing is wrong, with a field or, without a name, with the whole.
    pub(crate) fn one(status: StatusCode, field: &str, message: impl Into<String>) -> Self {
        Self { status, list: vec![(field.to_owned(), message.into())] }
    }

    /// A field is wrong.
    pub(crate) fn field(field: &str, message: impl Into<String>) -> Self {
        Self::one(StatusCode::UNPROCESSABLE_ENTITY, field, message)
    }

    /// Adds another.
    pub(crate) fn add(&mut self, field: &str, message: impl Into<String>) {
        if self.list.is_empty() {
            self.status = StatusCode::UNPROCESSABLE_ENTITY;
        }
        self.list.push((field.to_owned(), message.into()));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// What is wrong with a field.
    pub(crate) fn of(&self, field: &str) -> Option<&str> {
        self.list.iter().find(|(known, _)| known == field).map(|(_, message)| message.as_str())
    }

    /// All of it, in sentences.
    pub(crate) fn said(&self) -> String {
        self.list.iter().map(|(_, message)| message.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// What stands above the form.
    pub(crate) fn summary(&self) -> Markup {
        let about = |(field, message): &(String, String)| {
            html! {
                @if field.is_empty() { (message) } @else { a href={ "#" (field) } { (message) } }
            }
        };
        html! {
            @if let [one] = self.list.as_slice() {
                (ui::alert("bad", &about(one)))
            } @else if !self.list.is_empty() {
                (ui::alert("bad", &html! {
                    b { (self.list.len()) " things to fix" }
                    ul { @for problem in &self.list { li { (about(problem)) } } }
                }))
            }
        }
    }
}

/// Why a form was not taken: shown in it again, or in its place.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// With the form again, as it was typed.
    Form(Problems),
    /// In its place.
    Stop(Stop),
}

impl From<Problems> for Trouble {
    fn from(problems: Problems) -> Self {
        Self::Form(problems)
    }
}

impl From<Stop> for Trouble {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl From<DbError> for Trouble {
    fn from(error: DbError) -> Self {
        Self::Form(unavailable(&error))
    }
}

/// The database could not: said above the form, which keeps what was typed.
fn unavailable(error: &DbError) -> Problems {
    tracing::error!(%error, "the database could not take a form");
    let message = format!("Nothing was changed: {}.", error.advice());
    Problems::one(StatusCode::SERVICE_UNAVAILABLE, "", message)
}

impl From<Busy> for Trouble {
    fn from(busy: Busy) -> Self {
        let message = ui::capital(&busy.to_string());
        Self::Form(Problems::one(StatusCode::SERVICE_UNAVAILABLE, "", message))
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        let said = |error: &dyn Display| ui::sentence_text(&error.to_string());
        match &error {
            Error::NotFound(_) => Self::Stop(Stop::NotFound),
            Error::Invalid { field, message } => {
                // A page has one field for what the API has many names for.
                let field = field.split(['.', '[']).next().unwrap_or("");
                let field = if field == "expires_at" { "expires" } else { field };
                Self::Form(Problems::field(field, ui::sentence_text(message)))
            }
            Error::Conflict { .. }
            | Error::Refused(_)
            | Error::Member(_)
            | Error::Undecidable(_) => {
                Self::Form(Problems::one(StatusCode::CONFLICT, "", said(&error)))
            }
            // Of several at once: what is done to one is asked for instead.
            Error::SecondPerson(why) => {
                let message = format!("{} One by one, it can be asked for.", said(why));
                Self::Form(Problems::one(StatusCode::CONFLICT, "", message))
            }
            Error::NotPermitted(NotPermitted::StepUp { .. }) => {
                Self::Form(Problems::one(StatusCode::UNAUTHORIZED, "", said(&error)))
            }
            Error::NotPermitted(_) => Self::Stop(Stop::Forbidden(said(&error))),
            Error::Db(db) => Self::Form(unavailable(db)),
        }
    }
}

/// The page that stands in for the one asked for.
pub(crate) fn page(visit: &Visit, stop: Stop) -> Reply {
    match stop {
        Stop::SignIn => sign_in::first(visit),
        Stop::NotFound => whole(
            visit,
            StatusCode::NOT_FOUND,
            "There is no such page",
            "The link is wrong, or what it led to was deleted. Nothing was changed.",
        ),
        Stop::Forbidden(why) => whole(visit, StatusCode::FORBIDDEN, "You may not do this", &why),
        Stop::Operator => operator::strangers(visit),
        Stop::Factor => needs_factor(visit),
        Stop::Forged => whole(
            visit,
            StatusCode::FORBIDDEN,
            "This form is not from here",
            "It was sent by another site, or by a page from before your last sign-in. Nothing was changed. Open the page again and repeat what you did.",
        ),
        Stop::Conflict(why) => whole(visit, StatusCode::CONFLICT, "This can't be done now", &why),
        Stop::Gone(why) => whole(visit, StatusCode::GONE, "This is gone", &why),
        Stop::Ours(why) => whole(visit, StatusCode::SERVICE_UNAVAILABLE, "This did not work", &why),
    }
}

/// A rule asks for a second factor: which, whose, and the way on.
fn needs_factor(visit: &Visit) -> Reply {
    let by = match visit.standing().second_factor() {
        Some(SetBy::Platform) => &visit.scheme().title,
        _ => "This account",
    };
    let body = html! {
        section.card {
            div.empty {
                h1 { "Set up an authenticator app first" }
                p { (by) " has set the rule “" (Rule::SecondFactor.label()) "”. You have none yet, so that nothing else is open to you." }
                a.btn.primary href="/you/authenticator" { "Set it up" }
            }
        }
    };
    reply::html(StatusCode::FORBIDDEN, &layout::page(visit, "Authenticator needed", None, &body))
}

/// A credential was sent where none belongs.
pub(crate) fn misplaced(visit: &Visit, why: &str) -> Reply {
    let why = format!("{}. Search by its last four characters instead.", ui::capital(why));
    whole(visit, StatusCode::BAD_REQUEST, "That looks like a whole key", &why)
}

fn whole(visit: &Visit, status: StatusCode, title: &str, why: &str) -> Reply {
    let body = html! {
        section.card {
            div.empty {
                h1 { (title) }
                p { (why) }
                p.small.muted { "Reference " code { (visit.call.request_id) } }
                a.btn href=(if visit.operator.is_some() { operator::HOME } else { "/" }) { "Go to the start" }
            }
        }
    };
    let page = match (&visit.signed, &visit.operator) {
        (_, Some(who)) => operator::framed(visit, who, title, &body),
        (Some(_), None) => layout::page(visit, title, None, &body),
        (None, None) => layout::bare(title, &body),
    };
    reply::html(status, &page)
}
