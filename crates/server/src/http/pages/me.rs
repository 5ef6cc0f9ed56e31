//! Sign-in security: one's own name, password, authenticator, recovery codes, and browsers.

use http::StatusCode;
use keyway_domain::id::SessionId;
use keyway_domain::limits::{RECOVERY_CODES, SESSION_MS};
use keyway_domain::totp::{Judged, Totp};
use keyway_secret::{OsEntropy, SecretText};
use keyway_store::sessions::{self as stored, Session};
use keyway_store::{DbError, members};
use maud::{Markup, html};

use super::codes::{draw_codes, keep_shown};
use super::dialog::Dialog;
use super::problems::{Problems, Stop, Trouble};
use super::reply::{self, redirect};
use super::step_up::{Asked, Next, Wanted, again, asked};
use super::ui::{self, Field};
use super::visit::{Signed, Visit};
use super::{Answer, icons, layout, said};
use crate::authenticator;
use crate::commands::proofs::What;
use crate::commands::{me as commands, sessions};
use crate::http::Reply;
use crate::passwords::objection;

/// Leads to oneself, after an act.
pub(super) fn you(done: &str) -> String {
    format!("/you?done={done}")
}

async fn own_sessions(visit: &Visit, signed: &Signed) -> Result<(Vec<Session>, usize), Stop> {
    let (id, since) = (signed.member.id, visit.now.plus_ms(-SESSION_MS));
    let seals = visit.app().platform.rules.seals.clone();
    let read = visit.app().db.read(move |tx| {
        Ok::<_, DbError>((stored::list(tx, &seals, id, since)?, members::codes(tx, id)?.len()))
    });
    let (mut list, codes) = read.await?;
    list.retain(|session| sessions::is_good(session, visit.now));
    Ok((list, codes))
}

pub(crate) async fn page(visit: Visit) -> Answer {
    Ok(reply::html(StatusCode::OK, &view(&visit, &Problems::none()).await?))
}

async fn view(visit: &Visit, problems: &Problems) -> Result<Markup, Stop> {
    let signed = visit.signed()?;
    let (list, codes) = own_sessions(visit, signed).await?;
    let body = html! {
        div.head.narrow { div { h1 { "Sign-in security" } p.lede { bdi { (signed.member.name) } " · " (signed.member.email) " · " (ui::role_word(signed.member.role)) } } }
        (said::done(visit))
        (problems.summary())
        section.card.narrow aria-labelledby="h-name" {
            header { h2 id="h-name" { "Name and password" } }
            div.body.stack {
                form.stack action="/you/name" method="post" {
                    (layout::marks(visit))
                    (Field::new("name", "Name", visit.fields.given("name").unwrap_or(&signed.member.name)).kind("text", "name").show(problems))
                    button.btn { "Save the name" }
                }
                hr;
                div.row.between { span { "Password" } a.btn href="/you/password" { "Change the password" } }
            }
        }
        (factor(signed, codes))
        (browsers(visit, signed, &list))
    };
    Ok(layout::page(visit, "Sign-in security", None, &body))
}

fn factor(signed: &Signed, codes: usize) -> Markup {
    html! {
        section.card.narrow aria-labelledby="h-factor" {
            header { h2 id="h-factor" { "Authenticator app" } @if signed.member.totp.is_some() { (ui::badge("ok", "On")) } @else { (ui::badge("off", "Off")) } }
            div.body.stack {
                @if let Some(totp) = &signed.member.totp {
                    p { "Added " (ui::day(totp.added_at)) ". " (codes) " of " (RECOVERY_CODES) " recovery codes are left." }
                    @if codes < 3 { (ui::note("warn", icons::WARN, &html! { "Few recovery codes are left. Make new ones while you still have the phone." })) }
                    div.row { a.btn href="/you/codes" { "New recovery codes" } a.btn.danger-quiet href="/you/authenticator/remove" { "Remove the app" } }
                } @else {
                    p { "A code from your phone, beside the password: a stolen password alone signs nobody in." }
                    p { a.btn.primary href="/you/authenticator" { (icons::SHIELD) "Set up an authenticator app" } }
                }
            }
        }
    }
}

fn browsers(visit: &Visit, signed: &Signed, list: &[Session]) -> Markup {
    html! {
        section.card.narrow aria-labelledby="h-sessions" {
            header {
                h2 id="h-sessions" { "Where you are signed in" }
                @if list.len() > 1 {
                    form action="/you/sessions/end-others" method="post" { (layout::marks(visit)) button.btn.sm { "End all others" } }
                }
            }
            table.flip role="table" aria-labelledby="h-sessions" {
                thead role="rowgroup" { tr role="row" {
                    th role="columnheader" scope="col" { "Browser" }
                    th role="columnheader" scope="col" { "Address" }
                    th role="columnheader" scope="col" { "Since" }
                    th role="columnheader" scope="col" { "Last seen" }
                    th role="columnheader" scope="col" { span.vh { "Actions" } }
                } }
                tbody role="rowgroup" {
                    @for session in list {
                        @let here = session.id == signed.session.id;
                        tr role="row" {
                            td.full role="cell" { (session.client.as_deref().unwrap_or("unknown browser")) @if here { " " (ui::badge("ok", "this one")) } }
                            td role="cell" data-l="Address" { code { (session.address.as_deref().unwrap_or("unknown")) } }
                            td role="cell" data-l="Since" { (ui::minute(session.created_at)) }
                            td role="cell" data-l="Last seen" { (ui::ago(session.seen_at, visit.now)) }
                            td.act role="cell" {
                                @if !here {
                                    form action={ "/you/sessions/" (session.id) "/end" } method="post" {
                                        (layout::marks(visit))
                                        button.btn.sm aria-label={ "End the session from " (session.address.as_deref().unwrap_or("an unknown address")) } { "End" }
                                    }
                                }
                            }
                        }
                    }
                }
            }
            footer { span { "A session ends after 15 minutes without use, and after 12 hours in any case." } }
        }
    }
}

pub(crate) async fn rename(visit: Visit) -> Answer {
    let member = visit.signed()?.member.clone();
    let name = visit.fields.text("name").to_owned();
    let done = visit
        .act(None, move |tx, moment| {
            commands::rename(tx, moment, &member, &name)?;
            Ok(Next::to(you("saved")))
        })
        .await;
    or_page(&visit, done).await
}

async fn or_page(visit: &Visit, done: Result<Reply, Trouble>) -> Answer {
    match done {
        Ok(reply) => Ok(reply),
        Err(Trouble::Stop(stop)) => Err(stop),
        Err(Trouble::Form(problems)) => {
            Ok(reply::html(problems.status, &view(visit, &problems).await?))
        }
    }
}

pub(super) fn page_of(visit: &Visit, title: &str, dialog: &Dialog, problems: &Problems) -> Markup {
    let body = html! {
        div.head { div { p.crumbs { a href="/you" { "Sign-in security" } " " span aria-hidden="true" { "/" } " " (title) } } }
        (dialog.show(visit, problems))
    };
    layout::page(visit, title, None, &body)
}

fn password_view(visit: &Visit, problems: &Problems) -> Markup {
    let has_factor = visit.signed.as_ref().is_some_and(|signed| signed.member.totp.is_some());
    let hint = if has_factor {
        "At least 8 characters."
    } else {
        "At least 15 characters; 8 with an authenticator app."
    };
    let dialog = Dialog {
        title: "Change the password".to_owned(),
        about: html! { "Every other browser is signed out." },
        back: "/you".to_owned(),
        body: html! {
            (Field::new("current", "Present password", "").kind("password", "current-password").show(problems))
            (Field::new("password", "New password", "").kind("password", "new-password").hint(hint).show(problems))
        },
        keep: "Cancel",
        button: html! { "Change the password" },
        class: "primary",
    };
    page_of(visit, "Change the password", &dialog, problems)
}

pub(crate) async fn password_form(visit: Visit) -> Answer {
    visit.signed()?;
    Ok(reply::html(StatusCode::OK, &password_view(&visit, &Problems::none())))
}

pub(crate) async fn password(visit: Visit) -> Answer {
    match changing_password(&visit).await {
        Ok(reply) => Ok(reply),
        Err(trouble) => again(trouble, |problems| password_view(&visit, problems)),
    }
}

async fn changing_password(visit: &Visit) -> Result<Reply, Trouble> {
    let signed = visit.signed()?.clone();
    let current = visit.fields.secret("current").cloned();
    let current =
        current.ok_or_else(|| Problems::field("current", "Enter your present password."))?;
    let new = visit.fields.secret("password").cloned();
    let new = new.ok_or_else(|| Problems::field("password", "Choose a new password."))?;
    let about =
        [signed.member.email.as_str(), signed.member.name.as_str(), signed.account.name.as_str()];
    if let Some(said) = objection(new.reveal(), signed.member.totp.is_some(), &about) {
        return Err(Problems::field("password", said).into());
    }
    let lane = visit.own_lane(&signed, What::Password);
    visit.check_password(&signed, "current", current, &lane).await?;
    let hash = visit.app().passwords.hash(new).await?;
    visit
        .act(None, move |tx, moment| {
            crate::commands::proofs::forget_tries(tx, &lane)?;
            commands::change_password(tx, moment, &signed.member, &hash, signed.session.id)?;
            Ok(Next::to(you("password")))
        })
        .await
}

pub(super) fn factor_wanted(signed: &Signed, act: &str) -> Wanted {
    Wanted::strongest(act, signed.member.id.to_string(), &signed.member)
}

/// The seed that is being set up: drawn for the first page, and held by the browser, sealed, until
/// a code shows that it is in the app.
fn seed(visit: &Visit, signed: &Signed) -> (SecretText, String) {
    use base64::Engine as _;
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let place = format!("enrol/{}/{}", signed.member.id, signed.session.id);
    let keys = &visit.app().keys;
    let held = visit.fields.given("seed").and_then(|text| engine.decode(text).ok());
    if let Some(seed) = held.and_then(|sealed| keys.pages.unseal(&sealed, &place).ok()) {
        return (seed, visit.fields.text("seed").to_owned());
    }
    let seed = authenticator::new_seed(&mut OsEntropy);
    let sealed = engine.encode(keys.pages.seal(&seed, &place, &mut OsEntropy));
    (seed, sealed)
}

fn enrol_view(visit: &Visit, signed: &Signed, asked: &Asked, problems: &Problems) -> Markup {
    let (seed, sealed) = seed(visit, signed);
    let issuer = format!("Keyway {}", visit.scheme().title);
    let uri = authenticator::uri(&seed, &issuer, signed.member.email.as_str());
    let typed: Vec<String> = seed
        .reveal()
        .as_bytes()
        .chunks(4)
        .map(|c| String::from_utf8_lossy(c).into_owned())
        .collect();
    let body = html! {
        div.head.narrow { div { p.crumbs { a href="/you" { "Sign-in security" } } h1 { "Set up an authenticator app" } p.lede { "Any app that shows six-digit codes will do. Nothing is turned on until a code of it is accepted." } } }
        form.card.narrow action=(visit.call.uri.path()) method="post" {
            (layout::marks(visit))
            input type="hidden" name="seed" value=(sealed);
            div.body.stack {
                (problems.summary())
                ol.steps {
                    li { div.stack {
                        h2 { "Scan this code" }
                        div.row {
                            @if let Some((path, side)) = authenticator::qr_path(&uri) {
                                svg.qr viewBox={ "-1 -1 " (side + 2) " " (side + 2) } role="img" aria-label="QR code for your authenticator app" shape-rendering="crispEdges" { path d=(path) {} }
                            }
                            div.stack.tight { p.muted { "Or type this key into the app:" } code.key id="seed-text" { (typed.join(" ")) } }
                        }
                    } }
                    li { div.stack { h2 { "Enter the code it shows" } (ui::code_field("6-digit code", "If it is refused, see that your phone sets its clock automatically.", problems)) } }
                    li { div.stack { h2 { "Confirm it is you" } (asked.show(problems)) } }
                }
            }
            footer { a href="/you" { "Not now" } button.btn.primary { "Turn on" } }
        }
    };
    layout::page(visit, "Set up an authenticator app", None, &body)
}

pub(crate) async fn enrol_form(visit: Visit) -> Answer {
    let signed = visit.signed()?;
    if signed.member.totp.is_some() {
        return Ok(redirect("/you"));
    }
    let asked = asked(&visit, &factor_wanted(signed, "add-factor")).await?;
    Ok(reply::html(StatusCode::OK, &enrol_view(&visit, signed, &asked, &Problems::none())))
}

pub(crate) async fn enrol(visit: Visit) -> Answer {
    let signed = visit.signed()?.clone();
    let asked = asked(&visit, &factor_wanted(&signed, "add-factor")).await?;
    match enrolling(&visit, &signed).await {
        Ok(reply) => Ok(reply),
        Err(trouble) => again(trouble, |p| enrol_view(&visit, &signed, &asked, p)),
    }
}

async fn enrolling(visit: &Visit, signed: &Signed) -> Result<Reply, Trouble> {
    let (seed, _) = seed(visit, signed);
    let code = visit.fields.secret("code").cloned();
    let code =
        code.ok_or_else(|| Problems::field("code", "Enter the code that your app shows."))?;
    // Looked at before anything is hashed for it.
    let matched = authenticator::matched_step(&seed, code.reveal(), visit.now);
    if let Err(judged) = Totp::enrol(Vec::new(), matched, visit.now) {
        let message = match judged {
            Judged::ClockOff(seconds) => format!(
                "This code is {seconds} seconds off. Set your phone's clock automatically, and enter the next one."
            ),
            _ => "That code is not right. Enter the one that the app shows now.".to_owned(),
        };
        return Err(Problems::one(StatusCode::UNAUTHORIZED, "code", message).into());
    }
    let (signed, wanted) = (signed.clone(), factor_wanted(signed, "add-factor"));
    let drawn = draw_codes(visit, signed.member.id);
    visit
        .act_after(Some(wanted), drawn, move |tx, moment, (codes, hashes)| {
            let member = &signed.member;
            commands::add_factor(tx, moment, member, &seed, code.reveal(), signed.session.id)?;
            commands::keep_codes(tx, moment, member, hashes)?;
            Ok(Next::to(keep_shown(tx, moment, &signed, codes)?))
        })
        .await
}

fn remove_view(visit: &Visit, asked: &Asked, problems: &Problems) -> Markup {
    let dialog = Dialog {
        title: "Remove the authenticator app?".to_owned(),
        about: html! { "Your password alone will sign you in." },
        back: "/you".to_owned(),
        body: html! {
            p { "What asks for a code can't be done until you set one up again. The recovery codes go with it." }
            (asked.show(problems))
        },
        keep: "Keep it",
        button: html! { "Remove the app" },
        class: "danger",
    };
    page_of(visit, "Remove the authenticator app", &dialog, problems)
}

pub(crate) async fn remove_form(visit: Visit) -> Answer {
    let asked = asked(&visit, &factor_wanted(visit.signed()?, "remove-factor")).await?;
    Ok(reply::html(StatusCode::OK, &remove_view(&visit, &asked, &Problems::none())))
}

pub(crate) async fn remove_factor(visit: Visit) -> Answer {
    let signed = visit.signed()?.clone();
    let wanted = factor_wanted(&signed, "remove-factor");
    let asked = asked(&visit, &wanted).await?;
    let member = signed.member.clone();
    let done = visit
        .act(Some(wanted), move |tx, moment| {
            commands::remove_factor(tx, moment, &member)?;
            sessions::end_others(tx, moment, &member, Some(signed.session.id))?;
            Ok(Next::to(you("nofactor")))
        })
        .await;
    match done {
        Ok(reply) => Ok(reply),
        Err(trouble) => again(trouble, |problems| remove_view(&visit, &asked, problems)),
    }
}

pub(crate) async fn end_session(visit: Visit) -> Answer {
    let id = SessionId::parse(visit.param("session")).ok_or(Stop::NotFound)?;
    let member = visit.signed()?.member.clone();
    let done = visit
        .act(None, move |tx, moment| {
            sessions::end(tx, moment, &member, id)?;
            Ok(Next::to(you("ended")))
        })
        .await;
    or_page(&visit, done).await
}

pub(crate) async fn end_others(visit: Visit) -> Answer {
    let signed = visit.signed()?.clone();
    let done = visit
        .act(None, move |tx, moment| {
            sessions::end_others(tx, moment, &signed.member, Some(signed.session.id))?;
            Ok(Next::to(you("ended")))
        })
        .await;
    or_page(&visit, done).await
}
