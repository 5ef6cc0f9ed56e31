//! How people come in: signing up an account, joining one, setting a new password, and the first
//! page of a fresh deployment.

use http::StatusCode;
use keyway_domain::limits::{DEVICE_MS, PASSWORD_ALONE_CHARS_MIN};
use keyway_domain::member::Email;
use keyway_store::links::Purpose;
use keyway_store::sessions::Stage;
use keyway_store::{Tx, members};
use maud::{Markup, html};

use super::problems::{Problems, Stop, Trouble};
use super::reply::{self, redirect, with_cookie};
use super::step_up::again;
use super::ui::{self, Field};
use super::visit::{Cookie, Visit, new_token};
use super::{Answer, icons, layout};
use crate::app::SignUp;
use crate::commands::Error;
use crate::commands::newcomers::{self, Newcomer};
use crate::commands::proofs::{Lane, Tried, What, note, note_few};
use crate::commands::sessions::device_digest;
use crate::http::Reply;
use crate::mail::Letter;
use crate::passwords::objection;

/// Letters to one person within the window.
const LETTERS_MAX: u32 = 3;

/// A password for somebody without an authenticator yet.
fn password_field(problems: &Problems) -> Markup {
    let hint = format!(
        "At least {PASSWORD_ALONE_CHARS_MIN} characters; any characters. A few words are easy to keep in mind."
    );
    Field::new("password", "Password", "")
        .kind("password", "new-password")
        .hint(&hint)
        .show(problems)
}

fn door_form(visit: &Visit, title: &str, lede: &Markup, fields: &Markup, button: &str) -> Markup {
    layout::door(
        visit,
        title,
        &html! {
            form.box action=(visit.call.uri.path()) method="post" {
                (layout::marks(visit))
                div.stack.tight { h1 { (title) } p.muted { (lede) } }
                (fields)
                button.btn.primary.wide { (button) }
            }
        },
    )
}

/// What was typed on the way in, checked.
struct Typed {
    email: Option<Email>,
    name: String,
    company: String,
    password: keyway_secret::SecretText,
}

fn typed(visit: &Visit, with_email: bool, with_company: bool) -> Result<Typed, Problems> {
    let fields = &visit.fields;
    let mut problems = Problems::none();
    let email = Email::parse(fields.text("email"));
    if with_email && email.is_none() {
        problems.add("email", "Enter an email address, such as ada@example.com.");
    }
    let (name, company) = (fields.text("name").trim(), fields.text("company").trim());
    if with_company && company.is_empty() {
        problems.add("company", "Enter the name of your company.");
    }
    if name.is_empty() {
        problems.add("name", "Enter your name.");
    }
    let password = fields.secret("password").cloned();
    let about = [email.as_ref().map_or("", Email::as_str), name, company];
    let said = password.as_ref().map_or_else(
        || Some("Choose a password.".to_owned()),
        |password| objection(password.reveal(), false, &about),
    );
    if let Some(said) = said {
        problems.add("password", said);
    }
    match password.filter(|_| problems.is_empty()) {
        Some(password) => {
            let (name, company) = (name.to_owned(), company.to_owned());
            Ok(Typed { email, name, company, password })
        }
        None => Err(problems),
    }
}

/// Bounds how many accounts, letters and hashes one address can ask for.
async fn bounded(visit: &Visit, what: &'static str) -> Result<(), Trouble> {
    let keys = &visit.app().keys.browsers;
    let from = visit.address().unwrap_or_else(|| "here".to_owned());
    let lane = Lane::new(keys, What::Asking(what), &from, None, None);
    let now = visit.now;
    match visit.app().db.write(now, move |tx| note(tx, &lane, now)).await? {
        Tried::Go { .. } => Ok(()),
        Tried::Locked { until } => {
            let message = format!(
                "Too many of these came from here. Try again after {}.",
                until.to_minute_text()
            );
            Err(Problems::one(StatusCode::TOO_MANY_REQUESTS, "", message).into())
        }
    }
}

fn sign_up_view(visit: &Visit, title: &str, problems: &Problems) -> Markup {
    let text = |name| visit.fields.text(name);
    let platform = &visit.scheme().title;
    let fields = html! {
        (problems.summary())
        (Field::new("company", "Company", text("company")).kind("text", "organization").show(problems))
        (Field::new("name", "Your name", text("name")).kind("text", "name").show(problems))
        (Field::new("email", "Email", text("email")).kind("email", "username").show(problems))
        (password_field(problems))
    };
    let lede =
        html! { "to the developer access of " (platform) ". You become the owner of the account." };
    door_form(visit, title, &lede, &fields, "Create the account")
}

pub(crate) async fn sign_up_form(visit: Visit) -> Answer {
    if visit.app().site.sign_up == SignUp::Closed {
        return Err(Stop::NotFound);
    }
    let page = sign_up_view(&visit, "Sign up an account", &Problems::none());
    Ok(reply::html(StatusCode::OK, &page))
}

pub(crate) async fn sign_up(visit: Visit) -> Answer {
    if visit.app().site.sign_up == SignUp::Closed {
        return Err(Stop::NotFound);
    }
    match register(&visit, None).await {
        Ok(reply) => Ok(reply),
        Err(trouble) => again(trouble, |p| sign_up_view(&visit, "Sign up an account", p)),
    }
}

/// Registers an account: by the link of a fresh deployment, or because anybody may.
async fn register(visit: &Visit, link: Option<&str>) -> Result<Reply, Trouble> {
    let typed = typed(visit, true, true)?;
    if link.is_none() {
        bounded(visit, "sign-up/").await?;
    }
    let password = visit.app().passwords.hash(typed.password).await?;
    let email = typed.email.ok_or(Stop::NotFound)?;
    let new = Newcomer { email, name: typed.name, password };
    if link.is_none() && visit.app().site.sign_up == SignUp::Verified {
        return super::asked_in::ask(visit, &typed.company, &new).await;
    }
    let (moment, link) = (visit.moment(), link.map(str::to_owned));
    let company = typed.company;
    let made = visit.app().db.write(visit.now, move |tx| match &link {
        Some(link) => newcomers::set_up(tx, &moment, link, &company, &new),
        None => newcomers::sign_up(tx, &moment, &company, &new),
    });
    let (_, member) = made.await?;
    super::sign_in::begin(visit, &member, Stage::Whole, Vec::new()).await
}

async fn must_be_open(visit: &Visit, purpose: Purpose) -> Result<newcomers::Open, Stop> {
    let (moment, token) = (visit.moment(), visit.param("token").to_owned());
    let read = move |tx: &mut Tx<'_>| newcomers::open(tx, &moment, &token, purpose);
    match visit.app().db.read(read).await {
        Ok(open) => Ok(open),
        Err(Error::NotFound(_)) => Err(gone()),
        Err(error) => Err(error.into()),
    }
}

fn gone() -> Stop {
    let why =
        "The link was used already, was replaced by a newer one, or is too old. Ask for a new one.";
    Stop::Gone(why.to_owned())
}

/// A link that is spent in between is gone; every other trouble stays.
fn or_gone(trouble: Trouble) -> Trouble {
    match trouble {
        Trouble::Stop(Stop::NotFound) => Trouble::Stop(gone()),
        trouble => trouble,
    }
}

pub(crate) async fn set_up_form(visit: Visit) -> Answer {
    must_be_open(&visit, Purpose::SetUp).await?;
    let page = sign_up_view(&visit, "Set up the first account", &Problems::none());
    Ok(reply::html(StatusCode::OK, &page))
}

pub(crate) async fn set_up(visit: Visit) -> Answer {
    must_be_open(&visit, Purpose::SetUp).await?;
    match register(&visit, Some(visit.param("token"))).await {
        Ok(reply) => Ok(reply),
        Err(trouble) => {
            again(or_gone(trouble), |p| sign_up_view(&visit, "Set up the first account", p))
        }
    }
}

fn join_view(visit: &Visit, open: &newcomers::Open, problems: &Problems) -> Markup {
    let fields = html! {
        (problems.summary())
        div.field {
            label for="email" { "Email" }
            input id="email" type="email" value=(open.email) readonly autocomplete="username";
        }
        (Field::new("name", "Your name", visit.fields.text("name")).kind("text", "name").show(problems))
        (password_field(problems))
    };
    let lede = html! { "as " (open.role.map_or("", ui::role_word)) };
    door_form(visit, &format!("Join {}", open.account), &lede, &fields, "Join")
}

pub(crate) async fn join_form(visit: Visit) -> Answer {
    let open = must_be_open(&visit, Purpose::Invitation).await?;
    Ok(reply::html(StatusCode::OK, &join_view(&visit, &open, &Problems::none())))
}

pub(crate) async fn join(visit: Visit) -> Answer {
    let open = must_be_open(&visit, Purpose::Invitation).await?;
    match attempt_join(&visit).await {
        Ok(reply) => Ok(reply),
        Err(trouble) => again(or_gone(trouble), |p| join_view(&visit, &open, p)),
    }
}

async fn attempt_join(visit: &Visit) -> Result<Reply, Trouble> {
    let typed = typed(visit, false, false)?;
    let hash = visit.app().passwords.hash(typed.password).await?;
    let (moment, token) = (visit.moment(), visit.param("token").to_owned());
    let name = typed.name;
    let joined = visit
        .app()
        .db
        .write(visit.now, move |tx| newcomers::join(tx, &moment, &token, &name, &hash));
    let member = match joined.await {
        // The form has no such field: what is wrong is wrong with the whole.
        Err(Error::Invalid { field, message }) if field == "email" => {
            return Err(Problems::one(StatusCode::CONFLICT, "", ui::sentence_text(&message)).into());
        }
        joined => joined?,
    };
    super::sign_in::begin(visit, &member, Stage::Whole, Vec::new()).await
}

fn forgot_view(visit: &Visit, problems: &Problems) -> Markup {
    let fields = html! {
        (problems.summary())
        (Field::new("email", "Email", visit.fields.text("email")).kind("email", "username").show(problems))
    };
    let lede = html! { "We send a link to choose a new one." };
    door_form(visit, "Forgot your password", &lede, &fields, "Send the link")
}

pub(crate) async fn forgot_form(visit: Visit) -> Answer {
    Ok(reply::html(StatusCode::OK, &forgot_view(&visit, &Problems::none())))
}

pub(crate) async fn forgot(visit: Visit) -> Answer {
    match attempt_forgot(&visit).await {
        Ok(reply) => Ok(reply),
        Err(trouble) => again(trouble, |problems| forgot_view(&visit, problems)),
    }
}

/// The answer is the same whether or not there is such a person.
async fn attempt_forgot(visit: &Visit) -> Result<Reply, Trouble> {
    let Some(email) = Email::parse(visit.fields.text("email")) else {
        return Err(Problems::field("email", "Enter your email address.").into());
    };
    bounded(visit, "forgot/").await?;
    let (moment, base, to) = (visit.moment(), visit.public_url(), email.clone());
    let post = move |tx: &mut Tx<'_>| {
        let (seals, keys) = (&moment.realm.rules.seals, &moment.keys.browsers);
        let Some(member) = members::find_by_email(tx, seals, &to)? else { return Ok(()) };
        // A mailbox is not filled by others.
        let lane = Lane::new(keys, What::Asking("forgot-to/"), to.as_str(), None, None);
        if !note_few(tx, &lane, LETTERS_MAX, moment.now)? {
            return Ok(());
        }
        let new = newcomers::ask_reset(tx, &moment, &member)?;
        let url = format!("{base}/reset/{}", new.token.reveal());
        Ok::<_, Error>(Letter::reset(&to, &url).post(tx, &moment, Some(member.account))?)
    };
    // Beside the request, so that its time does not tell whether there was a letter to write.
    let (app, now) = (std::sync::Arc::clone(visit.app()), visit.now);
    tokio::spawn(async move {
        if let Err(error) = app.db.write(now, post).await {
            tracing::error!(%error, "a letter was not written");
        }
    });
    let what = html! { "If " b { (email) } " signs in here, a link to choose a new password is on its way. It is good for an hour, once." };
    Ok(look_into_mail(visit, &what))
}

/// A letter is on its way, or not: the page is the same.
pub(super) fn look_into_mail(visit: &Visit, what: &Markup) -> Reply {
    let page = layout::door(
        visit,
        "Look into your mail",
        &html! {
            div.box {
                h1 { "Look into your mail" }
                (ui::note("info", icons::MAIL, what))
                p.small { a href="/sign-in" { "Back to sign-in" } }
            }
        },
    );
    reply::html(StatusCode::OK, &page)
}

fn reset_view(visit: &Visit, problems: &Problems) -> Markup {
    let fields = html! { (problems.summary()) (password_field(problems)) };
    let lede = html! { "Every browser that is signed in as you will be signed out." };
    door_form(visit, "Choose a new password", &lede, &fields, "Set the password")
}

pub(crate) async fn reset_form(visit: Visit) -> Answer {
    must_be_open(&visit, Purpose::Password).await?;
    Ok(reply::html(StatusCode::OK, &reset_view(&visit, &Problems::none())))
}

pub(crate) async fn reset(visit: Visit) -> Answer {
    let open = must_be_open(&visit, Purpose::Password).await?;
    match attempt_reset(&visit, &open).await {
        Ok(reply) => Ok(reply),
        Err(trouble) => again(or_gone(trouble), |problems| reset_view(&visit, problems)),
    }
}

async fn attempt_reset(visit: &Visit, open: &newcomers::Open) -> Result<Reply, Trouble> {
    let password = visit.fields.secret("password").cloned();
    let password = password.ok_or_else(|| Problems::field("password", "Choose a password."))?;
    let about = [open.email.as_str(), open.account.as_str()];
    if let Some(said) = objection(password.reveal(), open.has_factor, &about) {
        return Err(Problems::field("password", said).into());
    }
    let hash = visit.app().passwords.hash(password).await?;
    let (moment, token) = (visit.moment(), visit.param("token").to_owned());
    let own = new_token();
    let device = device_digest(&visit.app().keys.browsers, own.reveal());
    let write = move |tx: &mut Tx<'_>| newcomers::reset(tx, &moment, &token, &hash, &device);
    visit.app().db.write(visit.now, write).await?;
    // The browser that opened the mail is known from now on: who guesses elsewhere does not lock
    // out the person who has just shown that the mailbox is theirs.
    let cookie = Cookie::Device.set(own.reveal(), DEVICE_MS / 1000, visit.app().site.is_secure());
    Ok(with_cookie(redirect("/sign-in"), &cookie))
}
