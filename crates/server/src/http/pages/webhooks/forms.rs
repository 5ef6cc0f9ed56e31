//! What is done to endpoints, each by a form of its own.

use http::StatusCode;
use keyway_domain::Environment;
use keyway_domain::endpoint::Endpoint;
use keyway_domain::event::Kind;
use keyway_domain::limits::ENDPOINT_OVERLAP_MS_MAX;
use keyway_domain::time::{DAY_MS, say_duration};
use keyway_secret::SecretText;
use maud::{Markup, html};

use super::{name, path, wanted as wanted_endpoint};
use crate::commands::endpoints::{self as commands, Edit, NewEndpoint};
use crate::http::Reply;
use crate::http::pages::dialog::Dialog;
use crate::http::pages::problems::{Problems, Stop, Trouble};
use crate::http::pages::settings::frame;
use crate::http::pages::step_up::{Asked, Next, Wanted, again, asked};
use crate::http::pages::ui::{self, Field};
use crate::http::pages::visit::Visit;
use crate::http::pages::{Answer, icons, layout, reply, said, shown_once};
use crate::telling::hears;

/// What a secret's text is sealed as, until it was saved.
const SORT: &str = "endpoint";
/// Overlaps that are offered, in milliseconds.
const OVERLAPS: [i64; 4] = [0, 3_600_000, DAY_MS, ENDPOINT_OVERLAP_MS_MAX];
/// The one that is taken when nothing is said.
const OVERLAP: i64 = DAY_MS;

/// The proof for an act: the password, for what decides where messages go.
fn proof(visit: &Visit, act: &str, subject: Option<&Endpoint>) -> Result<Wanted, Stop> {
    let account = visit.signed()?.account.id.to_string();
    let subject = subject.map_or(account, |endpoint| endpoint.id.to_string());
    Ok(Wanted::password(&format!("webhook-{act}"), subject))
}

/// The URL that was typed, if it can be called.
fn url(visit: &Visit) -> Result<String, Problems> {
    let typed = visit.fields.text("url").trim();
    match &visit.app().outbound {
        Ok(outbound) => match outbound.check(typed) {
            Ok(parsed) => Ok(parsed.as_str().to_owned()),
            Err(why) => Err(Problems::field("url", ui::sentence_text(&why.to_string()))),
        },
        Err(why) => Err(Problems::field("url", ui::sentence_text(&why.to_string()))),
    }
}

/// Every event about credentials, as a choice.
const ALL_EVENTS: &str = "api_key.*";

/// The events that were chosen: nothing for what the scheme's notices say, `None` to leave them.
fn events(visit: &Visit) -> Option<Vec<String>> {
    match visit.fields.text("which") {
        "all" => Some(vec![ALL_EVENTS.to_owned()]),
        "some" => Some(visit.fields.all("event").map(str::to_owned).collect()),
        "kept" => None,
        _ => Some(Vec::new()),
    }
}

/// Events that the form offers one by one.
fn offered() -> impl Iterator<Item = &'static Kind> {
    Kind::ALL.iter().filter(|kind| kind.as_str().starts_with("api_key."))
}

/// Which of the form's choices an endpoint has; `kept` if it was made by a program that said what
/// the form has no words for.
fn chosen_way(stored: &[String]) -> &'static str {
    let is_offered = |name: &String| offered().any(|kind| kind.as_str() == name);
    match stored {
        [] => "scheme",
        [one] if one == ALL_EVENTS => "all",
        some if some.iter().all(is_offered) => "some",
        _ => "kept",
    }
}

fn event_fields(visit: &Visit, endpoint: Option<&Endpoint>, problems: &Problems) -> Markup {
    let scheme = visit.scheme();
    let stored: &[String] = endpoint.map_or(&[], |endpoint| &endpoint.events);
    let typed = visit.is_post();
    let which =
        if typed { visit.fields.text("which").to_owned() } else { chosen_way(stored).to_owned() };
    let by_scheme: Vec<String> = offered()
        .filter(|kind| hears(&[], **kind, scheme))
        .map(|kind| said::title(kind.as_str()).to_lowercase())
        .collect();
    let chosen = |name: &str| {
        if typed {
            visit.fields.all("event").any(|event| event == name)
        } else {
            stored.iter().any(|event| event == name)
        }
    };
    let problem = problems.of("events");
    html! {
        fieldset.field {
            legend.label { "Events" }
            @if let Some(problem) = problem { span.err id="events-e" { (icons::WARN) (problem) } }
            div.stack.tight id="events" tabindex="-1" {
                label.check { input type="radio" name="which" value="scheme" checked[!matches!(which.as_str(), "all" | "some" | "kept")]; span { "What " (scheme.title) " suggests" br; span.muted.small { (by_scheme.join(", ")) } } }
                @if chosen_way(stored) == "kept" {
                    label.check { input type="radio" name="which" value="kept" checked[which == "kept"]; span { "As it was set: " code { (stored.join(", ")) } } }
                }
                label.check { input type="radio" name="which" value="all" checked[which == "all"]; span { "Everything about " (scheme.words.credentials) } }
                label.check { input type="radio" name="which" value="some" checked[which == "some"]; span { "These:" } }
                div.cols {
                    @for kind in offered() {
                        label.check.small { input type="checkbox" name="event" value=(kind.as_str()) checked[chosen(kind.as_str())]; span { (said::title(kind.as_str())) " " code.muted { (kind.as_str()) } } }
                    }
                }
            }
        }
    }
}

fn endpoint_form(
    visit: &Visit,
    endpoint: Option<&Endpoint>,
    asked: &Asked,
    problems: &Problems,
) -> Markup {
    let scheme = visit.scheme();
    let stored = |field: fn(&Endpoint) -> &str| endpoint.map_or("", field).to_owned();
    let value = |name: &str, stored: String| {
        if visit.is_post() { visit.fields.text(name).to_owned() } else { stored }
    };
    let title = if endpoint.is_some() { "Edit endpoint" } else { "Add endpoint" };
    let body = html! {
        p.crumbs { a href="/settings/webhooks" { "Webhooks" } @if let Some(of) = endpoint { " / " a href=(path(of, "")) { bdi { (name(of)) } } } }
        form.card action=(visit.call.uri.path()) method="post" aria-labelledby="h-ed" {
            (layout::marks(visit))
            header { h2 id="h-ed" { (title) } }
            div.body.stack {
                (problems.summary())
                (Field::new("url", "URL", &value("url", stored(|e| &e.url))).kind("url", "off").hint("https, at a public address. Redirects are not followed.").show(problems))
                (Field::new("about", "What it is for", &value("about", stored(|e| &e.about))).kind("text", "off").hint("Optional.").optional().show(problems))
                @if endpoint.is_none() {
                    fieldset.field {
                        legend.label { "Environment" }
                        div.chips {
                            @for environment in [Environment::Live, Environment::Test] {
                                label.chip { input type="radio" name="environment" value=(environment.as_str()) checked[value("environment", "live".to_owned()) == environment.as_str()]; (scheme.environment_label(environment)) }
                            }
                        }
                    }
                }
                (event_fields(visit, endpoint, problems))
                (asked.show(problems))
                div.row { button.btn.primary { (title) } a.btn href=(endpoint.map_or_else(|| "/settings/webhooks".to_owned(), |of| path(of, ""))) { "Cancel" } }
            }
        }
    };
    frame(visit, "webhooks", layout::Nav::Webhooks, &body)
}

pub(crate) async fn new_form(visit: Visit) -> Answer {
    let asked = asked(&visit, &proof(&visit, "add", None)?).await?;
    Ok(reply::html(StatusCode::OK, &endpoint_form(&visit, None, &asked, &Problems::none())))
}

pub(crate) async fn create(visit: Visit) -> Answer {
    let asked = asked(&visit, &proof(&visit, "add", None)?).await?;
    match creating(&visit).await {
        Ok(reply) => Ok(reply),
        Err(trouble) => again(trouble, |problems| endpoint_form(&visit, None, &asked, problems)),
    }
}

async fn creating(visit: &Visit) -> Result<Reply, Trouble> {
    let environment = Environment::parse(visit.fields.text("environment"))
        .ok_or_else(|| Problems::field("environment", "Choose one."))?;
    let new = NewEndpoint {
        environment,
        url: url(visit)?,
        about: visit.fields.text("about").to_owned(),
        events: events(visit).unwrap_or_default(),
    };
    let signed = visit.signed()?.clone();
    visit
        .act(Some(proof(visit, "add", None)?), move |tx, moment| {
            let (endpoint, secret) = commands::create(tx, moment, signed.account.id, new.clone())?;
            let id = shown_once::keep(tx, moment, &signed, (SORT, &secret))?;
            Ok(Next::to(path(&endpoint, &format!("/secret/{id}"))))
        })
        .await
}

pub(crate) async fn edit_form(visit: Visit) -> Answer {
    let endpoint = wanted_endpoint(&visit).await?;
    let asked = asked(&visit, &proof(&visit, "edit", Some(&endpoint))?).await?;
    let page = endpoint_form(&visit, Some(&endpoint), &asked, &Problems::none());
    Ok(reply::html(StatusCode::OK, &page))
}

pub(crate) async fn edit(visit: Visit) -> Answer {
    let endpoint = wanted_endpoint(&visit).await?;
    let asked = asked(&visit, &proof(&visit, "edit", Some(&endpoint))?).await?;
    match editing(&visit, &endpoint).await {
        Ok(reply) => Ok(reply),
        Err(trouble) => {
            again(trouble, |problems| endpoint_form(&visit, Some(&endpoint), &asked, problems))
        }
    }
}

async fn editing(visit: &Visit, endpoint: &Endpoint) -> Result<Reply, Trouble> {
    let edit = Edit {
        url: Some(url(visit)?),
        about: Some(visit.fields.text("about").to_owned()),
        events: events(visit),
        on: None,
    };
    let to = path(endpoint, "?done=saved");
    let (account, id) = (endpoint.account, endpoint.id);
    visit
        .act(Some(proof(visit, "edit", Some(endpoint))?), move |tx, moment| {
            commands::update(tx, moment, account, id, edit.clone())?;
            Ok(Next::to(to.clone()))
        })
        .await
}

/// Acts that a button does at once. Nothing can be typed wrong, so what is refused is said by a
/// page of its own.
fn plain(done: Result<Reply, Trouble>) -> Answer {
    done.map_err(|trouble| match trouble {
        Trouble::Stop(stop) => stop,
        Trouble::Form(problems) => Stop::Conflict(problems.said()),
    })
}

pub(crate) async fn switch(visit: Visit) -> Answer {
    let endpoint = wanted_endpoint(&visit).await?;
    let on = visit.fields.text("to") == "on";
    let to = path(&endpoint, "?done=saved");
    let done = visit
        .act(None, move |tx, moment| {
            let edit = Edit { on: Some(on), ..Edit::default() };
            commands::update(tx, moment, endpoint.account, endpoint.id, edit)?;
            Ok(Next::to(to.clone()))
        })
        .await;
    plain(done)
}

pub(crate) async fn test(visit: Visit) -> Answer {
    let endpoint = wanted_endpoint(&visit).await?;
    let to = path(&endpoint, "?done=tested");
    let done = visit
        .act(None, move |tx, moment| {
            commands::test(tx, moment, endpoint.account, endpoint.id)?;
            Ok(Next::to(to.clone()))
        })
        .await;
    plain(done)
}

fn rotate_view(visit: &Visit, endpoint: &Endpoint, asked: &Asked, problems: &Problems) -> Markup {
    let chosen = visit.fields.text("overlap").parse().unwrap_or(OVERLAP);
    let dialog = Dialog {
        title: "Rotate the signing secret".to_owned(),
        about: html! { bdi { (name(endpoint)) } },
        back: path(endpoint, ""),
        body: html! {
            p { "The new secret signs from now on. The one before signs along for as long as you choose: each message carries both signatures then, so that the receiver can move over at any moment." }
            fieldset.field {
                legend.label { "The previous secret signs along" }
                div.chips {
                    @for ms in OVERLAPS { label.chip { input type="radio" name="overlap" value=(ms) checked[chosen == ms]; @if ms == 0 { "Not at all" } @else { (say_duration(ms)) } } }
                }
            }
            (asked.show(problems))
        },
        keep: "Keep it",
        button: html! { "Rotate" },
        class: "primary",
    };
    let body = dialog.show(visit, problems);
    layout::page(visit, &dialog.title, Some(layout::Nav::Webhooks), &body)
}

pub(crate) async fn rotate_form(visit: Visit) -> Answer {
    let endpoint = wanted_endpoint(&visit).await?;
    let asked = asked(&visit, &proof(&visit, "rotate", Some(&endpoint))?).await?;
    let page = rotate_view(&visit, &endpoint, &asked, &Problems::none());
    Ok(reply::html(StatusCode::OK, &page))
}

pub(crate) async fn rotate(visit: Visit) -> Answer {
    let endpoint = wanted_endpoint(&visit).await?;
    let wanted = proof(&visit, "rotate", Some(&endpoint))?;
    let asked = asked(&visit, &wanted).await?;
    let overlap = visit.fields.text("overlap").parse::<i64>().ok();
    let (signed, of) = (visit.signed()?.clone(), endpoint.clone());
    let done = visit
        .act(Some(wanted), move |tx, moment| {
            let (_, secret) = commands::rotate(tx, moment, of.account, of.id, overlap)?;
            let id = shown_once::keep(tx, moment, &signed, (SORT, &secret))?;
            Ok(Next::to(path(&of, &format!("/secret/{id}"))))
        })
        .await;
    match done {
        Ok(reply) => Ok(reply),
        Err(trouble) => again(trouble, |problems| rotate_view(&visit, &endpoint, &asked, problems)),
    }
}

async fn shown(visit: &Visit) -> Result<(Endpoint, SecretText), Stop> {
    let endpoint = wanted_endpoint(visit).await?;
    let gone = || {
        Stop::Gone(
            "The secret was saved, or ten minutes have passed. A new one is one rotation away."
                .to_owned(),
        )
    };
    let (_, secret, _) = shown_once::open(visit, SORT).await?.ok_or_else(gone)?;
    Ok((endpoint, secret))
}

fn secret_view(
    visit: &Visit,
    endpoint: &Endpoint,
    secret: &SecretText,
    problems: &Problems,
) -> Markup {
    let text = secret.reveal();
    let body = html! {
        p.crumbs { a href="/settings/webhooks" { "Webhooks" } " / " a href=(path(endpoint, "")) { bdi { (name(endpoint)) } } }
        div.cert {
            div.body.stack {
                h2 { "Save the signing secret now" }
                p { "The receiver verifies messages with it. Nobody can show it again after you leave this page." }
                (problems.summary())
                div.secret { span.label id="l-s" { "Signing secret" } div.row { output.mono aria-labelledby="l-s" { (text) } (ui::copy(text, "Copy the signing secret")) } }
                p.muted.small { "Any library for Standard Webhooks takes it as it is, such as " code { "standardwebhooks" } " for Node, Python, Go and Rust. Headers: " code { "webhook-id" } ", " code { "webhook-timestamp" } ", " code { "webhook-signature" } "." }
            }
            form.gate method="post" action=(visit.call.uri.path()) data-gate {
                (layout::marks(visit))
                label.check { input type="checkbox" name="saved" value="1" required; span { b { "I have saved the secret" } br; span.muted.small { "where the receiver runs, in a secret manager or an environment variable" } } }
                button.btn.primary { "Finish" }
            }
        }
    };
    frame(visit, "webhooks", layout::Nav::Webhooks, &body)
}

pub(crate) async fn secret(visit: Visit) -> Answer {
    let (endpoint, secret) = shown(&visit).await?;
    let page = secret_view(&visit, &endpoint, &secret, &Problems::none());
    Ok(reply::html(StatusCode::OK, &page))
}

pub(crate) async fn secret_saved(visit: Visit) -> Answer {
    let (endpoint, secret) = shown(&visit).await?;
    if visit.fields.text("saved") != "1" {
        let problems = Problems::field("saved", "Tick the box once you have saved it.");
        let page = secret_view(&visit, &endpoint, &secret, &problems);
        return Ok(reply::html(problems.status, &page));
    }
    let id = keyway_domain::id::RevealId::parse(visit.param("reveal")).ok_or(Stop::NotFound)?;
    shown_once::forget(&visit, id).await?;
    Ok(reply::redirect(&path(&endpoint, "")))
}

fn remove_view(visit: &Visit, endpoint: &Endpoint, asked: &Asked, problems: &Problems) -> Markup {
    let dialog = Dialog {
        title: "Remove the endpoint".to_owned(),
        about: html! { bdi { (name(endpoint)) } },
        back: path(endpoint, ""),
        body: html! {
            p { "Nothing goes there any more, and what waits for it is given up. What was sent there and answered cannot be looked at any more; the audit log keeps that the endpoint was there, and who removed it." }
            p { code.wrap { (endpoint.url) } }
            (asked.show(problems))
        },
        keep: "Keep it",
        button: html! { "Remove" },
        class: "danger",
    };
    let body = dialog.show(visit, problems);
    layout::page(visit, &dialog.title, Some(layout::Nav::Webhooks), &body)
}

pub(crate) async fn remove_form(visit: Visit) -> Answer {
    let endpoint = wanted_endpoint(&visit).await?;
    let asked = asked(&visit, &proof(&visit, "remove", Some(&endpoint))?).await?;
    let page = remove_view(&visit, &endpoint, &asked, &Problems::none());
    Ok(reply::html(StatusCode::OK, &page))
}

pub(crate) async fn remove(visit: Visit) -> Answer {
    let endpoint = wanted_endpoint(&visit).await?;
    let wanted = proof(&visit, "remove", Some(&endpoint))?;
    let asked = asked(&visit, &wanted).await?;
    let (account, id) = (endpoint.account, endpoint.id);
    let done = visit
        .act(Some(wanted), move |tx, moment| {
            commands::remove(tx, moment, account, id)?;
            Ok(Next::to("/settings/webhooks?done=removed_endpoint"))
        })
        .await;
    match done {
        Ok(reply) => Ok(reply),
        Err(trouble) => again(trouble, |problems| remove_view(&visit, &endpoint, &asked, problems)),
    }
}
