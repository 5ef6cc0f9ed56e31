//! Signing in and out: a password, then a code where there is an authenticator. Whether somebody is
//! there, nobody learns, neither by the answer nor by its time.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Method, StatusCode};
use keyway_domain::event::{Happened, Kind};
use keyway_domain::limits::{DEVICE_MS, SESSION_MS};
use keyway_domain::member::{Email, Member};
use keyway_secret::SecretText;
use keyway_store::sessions::Stage;
use keyway_store::{DbError, Tx, members, reveals, sessions as stored};
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::fields::{Fields, encoded};
use super::layout;
use super::problems::{Problems, Stop, Trouble};
use super::reply::{self, redirect, with_cookie};
use super::routes::{self, Matched};
use super::step_up::{again, locked, tries_left};
use super::ui::{self, Field};
use super::visit::{Around, Cookie, Signed, Visit, around, new_token};
use super::{Answer, icons};
use crate::app::SignUp;
use crate::commands::proofs::{self, Lane, Tried, What};
use crate::commands::sessions::{self, Start, device_digest, session_digest};
use crate::http::{Call, Reply};

/// Bytes of a draft that is carried over a sign-in.
const DRAFT_BYTES_MAX: usize = 16 * 1024;

/// What somebody typed into a page whose session had ended: where, and what. Never a secret.
#[derive(Serialize, Deserialize)]
struct Draft {
    path: String,
    fields: Vec<(String, String)>,
}

/// The start: the credentials, or the way in.
pub(crate) async fn start(visit: Visit) -> Answer {
    Ok(redirect(if visit.signed.is_some() { "/live/keys" } else { "/sign-in" }))
}

/// A page was asked for, or a form sent, by nobody who is signed in.
pub(crate) fn first(visit: &Visit) -> Reply {
    if !visit.is_post() {
        let target = visit.call.uri.path_and_query().map_or("/", |target| target.as_str());
        return redirect(&format!("/sign-in?next={}", encoded(target)));
    }
    // Nothing typed is lost but secrets.
    let kept = keep_draft(visit).unwrap_or_default();
    let note = if kept.is_empty() {
        "Your session has ended. Sign in to go on."
    } else {
        "Your session has ended. What you typed is kept, but no password or code: sign in to go on."
    };
    let email = visit.ended.as_ref().map_or("", |member| member.email.as_str());
    let page = view(visit, &SignIn { email, next: "", kept: &kept, note }, &Problems::none());
    reply::html(StatusCode::UNAUTHORIZED, &page)
}

/// Seals what was typed, for the browser to hold until it has signed in again as the same person.
fn keep_draft(visit: &Visit) -> Option<String> {
    let whose = visit.ended.as_ref()?;
    let fields = visit.fields.typed().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    let draft = Draft { path: visit.call.uri.path().to_owned(), fields };
    let text = serde_json::to_string(&draft).ok().filter(|text| text.len() <= DRAFT_BYTES_MAX)?;
    let place = format!("draft/{}", whose.id);
    let keys = &visit.app().keys;
    let sealed = keys.pages.seal(&SecretText::new(text), &place, &mut keyway_secret::OsEntropy);
    Some(URL_SAFE_NO_PAD.encode(sealed))
}

fn open_draft(visit: &Visit, member: &Member, kept: &str) -> Option<Draft> {
    let sealed = URL_SAFE_NO_PAD.decode(kept).ok()?;
    let place = format!("draft/{}", member.id);
    let text = visit.app().keys.pages.unseal(&sealed, &place).ok()?;
    serde_json::from_str(text.reveal()).ok()
}

/// What the page of signing in shows.
struct SignIn<'s> {
    email: &'s str,
    next: &'s str,
    kept: &'s str,
    note: &'s str,
}

fn view(visit: &Visit, shown: &SignIn, problems: &Problems) -> Markup {
    let platform = &visit.scheme().title;
    layout::door(
        visit,
        "Sign in",
        &html! {
            form.box action="/sign-in" method="post" {
                div.stack.tight { h1 { "Sign in" } p.muted { "to the developer access of " (platform) } }
                @if !shown.note.is_empty() { (ui::note("info", icons::INFO, &html! { (shown.note) })) }
                (problems.summary())
                (carried(shown.next, shown.kept))
                (Field::new("email", "Email", shown.email).kind("email", "username").show(problems))
                (Field::new("password", "Password", "").kind("password", "current-password").show(problems))
                button.btn.primary.wide { "Sign in" }
                p.small { a href="/forgot" { "Forgot password" } @if visit.app().site.sign_up != SignUp::Closed { " · " a href="/sign-up" { "Sign up an account" } } }
                p.small.muted { "You will be asked for a code if you have an authenticator app. Pasting and password managers work everywhere." }
            }
        },
    )
}

fn carried(next: &str, kept: &str) -> Markup {
    html! {
        @if !next.is_empty() { input type="hidden" name="next" value=(next); }
        @if !kept.is_empty() { input type="hidden" name="kept" value=(kept); }
    }
}

/// Where somebody wanted to go: a page of ours, or the start.
fn safe_next(next: &str) -> &str {
    let ours = next.starts_with('/')
        && !next.starts_with("//")
        && !next.contains('\\')
        && !next.chars().any(char::is_control);
    let path = next.split('?').next().unwrap_or("/");
    let is_page = matches!(routes::find(&Method::GET, path), Matched::Page(..));
    if ours && is_page { next } else { "/live/keys" }
}

pub(crate) async fn form(visit: Visit) -> Answer {
    if visit.signed.is_some() {
        return Ok(redirect(safe_next(visit.fields.text("next"))));
    }
    let next = visit.fields.text("next");
    let page = view(&visit, &SignIn { email: "", next, kept: "", note: "" }, &Problems::none());
    Ok(reply::html(StatusCode::OK, &page))
}

pub(crate) async fn submit(visit: Visit) -> Answer {
    match attempt(&visit).await {
        Ok(reply) => Ok(reply),
        Err(trouble) => again(trouble, |problems| {
            let fields = &visit.fields;
            let (email, next, kept) =
                (fields.text("email"), fields.text("next"), fields.text("kept"));
            view(&visit, &SignIn { email, next, kept, note: "" }, problems)
        }),
    }
}

/// A try that was noted: for whom, if there is anybody, and in which lane.
struct Noted {
    member: Option<Member>,
    lane: Lane,
    left: u32,
}

async fn attempt(visit: &Visit) -> Result<Reply, Trouble> {
    let (typed, password) = (visit.fields.text("email"), visit.fields.secret("password"));
    let email = Email::parse(typed);
    let (Some(email), Some(password)) = (email, password) else {
        let message = "Enter your email address and your password.";
        return Err(Problems::field("email", message).into());
    };
    let slot = visit.app().passwords.slot().await?;
    let noted = note(visit, &email).await?;
    let hash = noted.member.as_ref().map(|member| member.password.clone());
    let is_theirs = slot.holds(password.clone(), hash).await?;
    if let Some(member) = noted.member.as_ref().filter(|_| !is_theirs) {
        visit.app().refuse(
            member.account,
            member.id.to_string(),
            &visit.moment(),
            sign_in_refused(),
        );
    }
    let Some(member) = noted.member.filter(|_| is_theirs) else {
        return Err(refused(visit, &email, noted.left).await?.into());
    };
    let stage = if member.totp.is_some() { Stage::Password } else { Stage::Whole };
    begin(visit, &member, stage, vec![noted.lane]).await
}

fn sign_in_refused() -> Happened {
    Happened::new(Kind::SignInRefused, json!({}), json!({ "why": "the password was wrong" }))
}

/// The same message and the same work, whether the address or the password is wrong.
async fn refused(visit: &Visit, email: &Email, left: u32) -> Result<Problems, Trouble> {
    if left == 0 {
        let (moment, email) = (visit.moment(), email.clone());
        let write = move |tx: &mut Tx<'_>| match members::find_by_email(
            tx,
            &moment.realm.rules.seals,
            &email,
        )? {
            Some(member) => proofs::record_exhausted(tx, &moment, &member),
            None => Ok::<_, DbError>(()),
        };
        visit.app().db.write(visit.now, write).await?;
    }
    let message = format!("That email and password do not match. {}", tries_left(left));
    Ok(Problems::one(StatusCode::UNAUTHORIZED, "password", message))
}

fn own_device(visit: &Visit) -> Option<[u8; 32]> {
    let token = visit.cookie(Cookie::Device).filter(|token| token.len() <= 64)?;
    Some(device_digest(&visit.app().keys.browsers, token))
}

/// The browser's own token, if the member signed in from it before. Another one may have been
/// planted there.
async fn known_device(visit: &Visit, member: &Member) -> Result<Option<SecretText>, Trouble> {
    let Some(digest) = own_device(visit) else { return Ok(None) };
    let (moment, member) = (visit.moment(), member.clone());
    let read = move |tx: &mut Tx<'_>| proofs::knows_device(tx, &moment, &member, &digest);
    let known = visit.app().db.read(read).await?;
    let token = visit.cookie(Cookie::Device).map(|token| SecretText::new(token.to_owned()));
    Ok(token.filter(|_| known))
}

/// Notes a try at an address before it is looked at.
async fn note(visit: &Visit, email: &Email) -> Result<Noted, Trouble> {
    let (moment, email, now) = (visit.moment(), email.clone(), visit.now);
    let (device, address) = (own_device(visit), visit.call.address);
    let noted = visit.app().db.write(now, move |tx| {
        let member = members::find_by_email(tx, &moment.realm.rules.seals, &email)?;
        // For somebody who is not there the same question is asked, of nobody.
        let known = match (&member, &device) {
            (Some(member), Some(device)) => proofs::knows_device(tx, &moment, member, device)?,
            _ => false,
        };
        let device = device.filter(|_| known).map(|device| sessions::hex(&device));
        let keys = &moment.keys.browsers;
        let lane = Lane::new(keys, What::Password, email.as_str(), device.as_deref(), address);
        match proofs::note(tx, &lane, now)? {
            Tried::Go { left } => Ok::<_, DbError>(Ok(Noted { member, lane, left })),
            Tried::Locked { until } => Ok(Err(until)),
        }
    });
    noted.await?.map_err(|until| locked("password", until).into())
}

/// Starts a session: a new token, whatever the browser had before.
pub(crate) async fn begin(
    visit: &Visit,
    member: &Member,
    stage: Stage,
    lanes: Vec<Lane>,
) -> Result<Reply, Trouble> {
    let app = visit.app();
    let token = new_token();
    let own = known_device(visit, member).await?.unwrap_or_else(new_token);
    let begun = Start {
        digest: session_digest(&app.keys.browsers, token.reveal()),
        device: device_digest(&app.keys.browsers, own.reveal()),
        stage,
        lanes,
    };
    // Whatever session this browser had before ends with the new sign-in.
    let earlier =
        visit.signed.as_ref().or(visit.half.as_ref()).map(|s| (s.member.id, s.session.id));
    let (moment, who) = (visit.moment(), member.clone());
    let session = app.db.write(visit.now, move |tx| {
        if let Some((member, session)) = earlier {
            stored::end(tx, member, session, moment.now)?;
            reveals::forget_session(tx, session)?;
        }
        sessions::start(tx, &moment, &who, &begun)
    });
    let session = session.await?;
    let secure = app.site.is_secure();
    let (next, kept) = (visit.fields.text("next"), visit.fields.text("kept"));
    let reply = match stage {
        Stage::Password => asks_code(visit, next, kept),
        Stage::Whole => {
            let token = token.clone();
            let (account, standing, waiting) = account_of(visit, member).await?;
            let member = member.clone();
            arrive(visit, Signed { session, member, account, standing, waiting, token }).await
        }
    };
    let reply = with_cookie(reply, &Cookie::Session.set(token.reveal(), SESSION_MS / 1000, secure));
    Ok(with_cookie(reply, &Cookie::Device.set(own.reveal(), DEVICE_MS / 1000, secure)))
}

/// A member's account, and what pages say of it.
async fn account_of(visit: &Visit, member: &Member) -> Result<Around, Trouble> {
    let (id, scheme) = (member.account, Arc::clone(&visit.app().platform.rules.scheme));
    let now = visit.now;
    let read = visit.app().db.read(move |tx| around(tx, &scheme, id, now));
    read.await?.ok_or(Trouble::Stop(Stop::NotFound))
}

/// Leads to the code; a draft is too long for a link, so the page is shown at once.
fn asks_code(visit: &Visit, next: &str, kept: &str) -> Reply {
    if kept.is_empty() {
        let next = if next.is_empty() { String::new() } else { format!("?next={}", encoded(next)) };
        return redirect(&format!("/sign-in/code{next}"));
    }
    reply::html(StatusCode::OK, &code_view(visit, next, kept, &Problems::none()))
}

/// Where somebody who has just signed in goes on: to the page they wanted, or back to the form that
/// they were filling in.
async fn arrive(visit: &Visit, signed: Signed) -> Reply {
    let kept = visit.fields.text("kept");
    let draft = open_draft(visit, &signed.member, kept);
    let Some(draft) = draft else { return redirect(safe_next(visit.fields.text("next"))) };
    let Matched::Page(page, params) = routes::find(&Method::GET, &draft.path) else {
        return redirect("/live/keys");
    };
    let mut fields = Fields::filled(draft.fields);
    fields.set("restored", "1");
    let call = Call {
        app: Arc::clone(visit.app()),
        method: Method::GET,
        uri: draft.path.parse().unwrap_or_default(),
        headers: visit.call.headers.clone(),
        body: bytes::Bytes::new(),
        address: visit.call.address,
        params,
        query: HashMap::new(),
        takes_away: false,
        made_under: None,
        request_id: visit.call.request_id.clone(),
    };
    let restored = Visit {
        call: Arc::new(call),
        fields,
        signed: Some(signed),
        ended: None,
        half: None,
        operator: None,
        now: visit.now,
    };
    let spare = restored.spare();
    if let Err(stop) = super::admit(&restored, page) {
        return super::problems::page(&spare, stop);
    }
    match (page.handler)(restored).await {
        Ok(reply) => reply,
        Err(stop) => super::problems::page(&spare, stop),
    }
}

fn code_view(visit: &Visit, next: &str, kept: &str, problems: &Problems) -> Markup {
    layout::door(
        visit,
        "Enter your code",
        &html! {
            form.box action="/sign-in/code" method="post" {
                div.stack.tight { h1 { "Enter your code" } p.muted { "from your authenticator app" } }
                (problems.summary())
                (carried(next, kept))
                (ui::code_field("Code", "6 digits; or one of your recovery codes.", problems))
                button.btn.primary.wide { "Go on" }
                p.small { a href="/sign-in" { "Start again" } }
            }
        },
    )
}

pub(crate) async fn code_form(visit: Visit) -> Answer {
    if visit.half.is_none() {
        return Ok(redirect("/sign-in"));
    }
    let next = visit.fields.text("next");
    Ok(reply::html(StatusCode::OK, &code_view(&visit, next, "", &Problems::none())))
}

pub(crate) async fn code(visit: Visit) -> Answer {
    let Some(half) = visit.half.clone() else { return Ok(redirect("/sign-in")) };
    match attempt_code(&visit, &half).await {
        Ok(reply) => Ok(reply),
        Err(trouble) => again(trouble, |problems| {
            code_view(&visit, visit.fields.text("next"), visit.fields.text("kept"), problems)
        }),
    }
}

async fn attempt_code(visit: &Visit, half: &Signed) -> Result<Reply, Trouble> {
    let Some(code) = visit.fields.secret("code") else {
        return Err(Problems::field("code", "Enter the code that your app shows.").into());
    };
    let device = own_device(visit);
    let (moment, member) = (visit.moment(), half.member.clone());
    let known = visit.app().db.read(move |tx| match &device {
        Some(device) => Ok::<_, DbError>(
            proofs::knows_device(tx, &moment, &member, device)?.then(|| sessions::hex(device)),
        ),
        None => Ok(None),
    });
    let known = known.await?;
    let keys = &visit.app().keys.browsers;
    let email = half.member.email.as_str();
    let lane = |what| Lane::new(keys, what, email, known.as_deref(), visit.call.address);
    let (lane, passwords) = (lane(What::Code), lane(What::Password));
    visit.check_code(half, code.reveal(), &lane).await?;
    begin(visit, &half.member, Stage::Whole, vec![lane, passwords]).await
}

pub(crate) async fn sign_out(visit: Visit) -> Answer {
    let signed = visit.signed()?;
    let (moment, member, id) = (visit.moment(), signed.member.clone(), signed.session.id);
    let write = move |tx: &mut Tx<'_>| sessions::end(tx, &moment, &member, id);
    visit.app().db.write(visit.now, write).await?;
    let secure = visit.app().site.is_secure();
    let mut reply = with_cookie(redirect("/sign-in"), &Cookie::Session.set("", 0, secure));
    let clear = http::HeaderValue::from_static("\"cache\", \"storage\"");
    reply.headers_mut().insert("clear-site-data", clear);
    Ok(reply)
}

/// Light or dark, where there is no script to flip it.
pub(crate) async fn theme(visit: Visit) -> Answer {
    let now = if visit.cookie(Cookie::Theme) == Some("dark") { "light" } else { "dark" };
    let back = safe_next(visit.fields.text("back"));
    Ok(with_cookie(
        redirect(back),
        &Cookie::Theme.set(now, 31_536_000, visit.app().site.is_secure()),
    ))
}
