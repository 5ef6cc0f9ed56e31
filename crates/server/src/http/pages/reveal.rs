//! A new secret, shown on a page of its own: again for ten minutes in this browser, until it says
//! that it was saved. What is kept meanwhile opens only with the token in the browser's cookie.

use http::StatusCode;
use keyway_domain::Environment;
use keyway_domain::id::{CredentialId, RevealId};
use keyway_domain::limits::REVEAL_MS;
use keyway_domain::scheme::{Kind, Presented};
use keyway_domain::time::Time;
use keyway_secret::SecretText;
use keyway_store::{DbError, Tx, usage};
use maud::{Markup, html};
use serde::{Deserialize, Serialize};

use super::problems::{Problems, Stop};
use super::reply::{self, redirect};
use super::ui;
use super::visit::{Signed, Visit};
use super::{Answer, grants, icons, layout, shown_once};
use crate::commands::Moment;
use crate::commands::credentials::Shown as Secret;

/// What its texts are sealed as.
const SORT: &str = "reveal";

/// What is shown: one credential's strings, or those of several.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Shown {
    pub(crate) items: Vec<Item>,
    /// Where to go on.
    pub(crate) to: String,
    /// What may be said of the secret before.
    pub(crate) note: String,
}

/// One credential's strings.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Item {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) environment: String,
    pub(crate) grant: String,
    pub(crate) public_id: Option<String>,
    pub(crate) secret: String,
}

impl Drop for Item {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.secret);
    }
}

impl Item {
    pub(crate) fn new(
        credential: &keyway_domain::credential::Credential,
        secret: &Secret,
        moment: &Moment,
    ) -> Self {
        Self {
            id: credential.id.to_string(),
            name: credential.name.clone(),
            kind: credential.kind.clone(),
            environment: credential.environment.as_str().to_owned(),
            grant: credential.grant.to_column(moment.realm.rules.scheme.resource_names()),
            public_id: secret.public_id.clone(),
            secret: secret.secret.reveal().to_owned(),
        }
    }
}

/// Keeps what is shown for this browser, in the transaction that made it; where to see it.
pub(crate) fn keep(
    tx: &mut Tx<'_>,
    moment: &Moment,
    signed: &Signed,
    shown: &Shown,
) -> Result<String, DbError> {
    let text = SecretText::new(serde_json::to_string(shown).map_err(DbError::broken)?);
    let id = shown_once::keep(tx, moment, signed, (SORT, &text))?;
    Ok(format!("/reveal/{id}"))
}

async fn open(visit: &Visit) -> Result<Option<(Shown, Time)>, Stop> {
    let opened = shown_once::open(visit, SORT).await?;
    Ok(opened.and_then(|(_, text, until)| {
        serde_json::from_str(text.reveal()).ok().map(|shown| (shown, until))
    }))
}

pub(crate) async fn page(visit: Visit) -> Answer {
    let Some((shown, until)) = open(&visit).await? else { return Ok(gone(&visit)) };
    Ok(reply::html(StatusCode::OK, &view(&visit, &shown, until)?))
}

fn gone(visit: &Visit) -> crate::http::Reply {
    let body = html! {
        div.head { div { h1 { "This secret is not shown any more" } } }
        section.card {
            div.body.stack {
                (ui::note("info", icons::INFO, &html! {
                    b { "It was saved, or ten minutes have passed, or it was another browser's." }
                    " We keep no copy. Lost it? A new secret is one rotation away, and the old one stays until you are ready."
                }))
                div.row { a.btn.primary href="/live/keys" { "Go to your credentials" } }
            }
        }
    };
    reply::html(StatusCode::GONE, &layout::page(visit, "Not shown any more", None, &body))
}

fn view(visit: &Visit, shown: &Shown, until: Time) -> Result<Markup, Stop> {
    let scheme = visit.scheme();
    let first = shown.items.first().ok_or(Stop::NotFound)?;
    let kind = scheme.kind(&first.kind).ok_or(Stop::NotFound)?;
    let environment = Environment::parse(&first.environment).ok_or(Stop::NotFound)?;
    let seconds = (until.0 - visit.now.0).max(0) / 1000;
    let several = shown.items.len() > 1;
    let what = if several { scheme.words.credentials.clone() } else { kind.label.clone() };
    let title = format!("Save your {} now", lower_first(&what));
    let id = visit.param("reveal").to_owned();
    let body = html! {
        div.head {
            div {
                (layout::crumbs(scheme, environment, &html! { bdi { (first.name) } }))
                h1 { (title) }
                p.lede { "We store only a fingerprint of it. After you leave this page nobody, including us, can show it again." }
            }
        }
        div.split {
            div.stack {
                div.cert {
                    div.body.stack {
                        div.row.between {
                            div.row { h2 id="shown" { bdi { (first.name) } } (ui::environment_badge(scheme, environment)) }
                            label.check.small { input type="checkbox" id="mask"; " Blur while sharing my screen" }
                        }
                        @if !shown.note.is_empty() { (ui::note("info", icons::CLOCK, &html! { (shown.note) })) }
                        @for (place, item) in shown.items.iter().enumerate() {
                            (strings(item, kind, place, several))
                        }
                        form action={ "/reveal/" (id) "/env" } method="post" {
                            (layout::marks(visit))
                            button.btn { (icons::DOWN) "Download .env" }
                        }
                        p.small.muted {
                            "This page can be opened again in this browser for "
                            time.num.strong datetime={ "PT" (seconds) "S" } role="timer" data-left=(seconds) { (seconds / 60) ":" (format!("{:02}", seconds % 60)) }
                            ", until you confirm below."
                        }
                        @if !several { (snippets(visit, kind, first)) }
                        div.note.info {
                            span.pulse aria-hidden="true" {}
                            div { span data-poll={ "/reveal/" (id) "/used" } role="status" { "Waiting for the first request. This line changes by itself; no need to wait." } }
                        }
                    }
                    form.gate action={ "/reveal/" (id) "/finish" } method="post" data-gate {
                        (layout::marks(visit))
                        label.check {
                            input type="checkbox" name="saved" value="1" required;
                            span {
                                b { "I have saved " (if several { "all of them" } else { "it" }) }
                                br;
                                span.muted.small { "in a secret manager or an environment variable, not in code or chat" }
                            }
                        }
                        button.btn.primary { "Finish" }
                    }
                }
            }
            aside aria-label="Summary" { (summary(visit, first, kind)) }
        }
    };
    Ok(layout::page(visit, &title, Some(layout::Nav::Keys), &body))
}

fn lower_first(text: &str) -> String {
    let is_word = text.chars().nth(1).is_some_and(char::is_lowercase);
    let mut chars = text.chars();
    match chars.next().filter(|_| is_word) {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => text.to_owned(),
    }
}

/// What a field is called in sentences: `client_secret` → `client secret`.
fn spoken(field: &str) -> String {
    field
        .replace('_', " ")
        .replace("client id", "Client ID")
        .replace("client secret", "Client Secret")
}

fn strings(item: &Item, kind: &Kind, place: usize, several: bool) -> Markup {
    let suffix = if place == 0 { String::new() } else { format!("-{place}") };
    let secret_word = spoken(&kind.secret_field);
    html! {
        @if several { h3 { bdi { (item.name) } } }
        @if let (Some(public), Some(text)) = (&kind.public_id, &item.public_id) {
            @let word = spoken(&public.field);
            div.secret {
                span.label id={ "l-id" (suffix) } { (ui::capital(&word)) }
                output id={ "public-id" (suffix) } aria-labelledby={ "l-id" (suffix) } tabindex="0" { (text) }
                div.row {
                    button.btn type="button" data-copy-from={ "public-id" (suffix) } data-js hidden { (icons::COPY) span { "Copy " (word) } }
                }
            }
        }
        div.secret {
            span.label id={ "l-secret" (suffix) } { (ui::capital(&secret_word)) }
            output id={ "secret" (suffix) } aria-labelledby={ "l-secret" (suffix) } tabindex="0" { (item.secret) }
            div.row {
                button.btn.primary type="button" data-copy-from={ "secret" (suffix) } data-js hidden { (icons::COPY) span { "Copy " (secret_word) } }
            }
        }
    }
}

/// How to try it: with the environment's variables, so that the secret enters no shell history.
fn snippets(visit: &Visit, kind: &Kind, item: &Item) -> Markup {
    let base = "$API_URL";
    let example = &kind.example;
    let (secret, id) = (
        format!("${}", kind.secret_variable),
        kind.public_id.as_ref().map_or_else(String::new, |id| format!("${}", id.variable)),
    );
    let scheme = visit.scheme();
    let how = match kind.presented.first() {
        Some(Presented::Bearer) => Some(format!("-H \"Authorization: Bearer {secret}\"")),
        Some(Presented::BasicUser) => Some(format!("-u \"{secret}:\"")),
        Some(Presented::BasicPair) => Some(format!("-u \"{id}:{secret}\"")),
        Some(Presented::BearerPair) => Some(format!(
            "-H \"Authorization: Bearer $(printf %s \"{id}:{secret}\" | base64 -w0)\""
        )),
        Some(Presented::Login) => scheme.login.as_ref().map(|login| {
            format!("-H \"{}: {id}\" -H \"{}: {secret}\"", login.id_header, login.secret_header)
        }),
        Some(Presented::Signature) | None => None,
    };
    let slug: String = item
        .name
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    html! {
        div.snips {
            @if let Some(how) = how {
                (snippet("c1", "Try it with curl", "curl command", true, &html! {
                    span.c { "# set -a; . ./.env  puts the variables there" } "\n"
                    "curl -X " (example.method) " " (base) (example.path) " \\\n  " span.s { (how) }
                    @if let Some(body) = &example.body { " \\\n  -H \"Content-Type: application/json\" -d '" (body) "'" }
                }))
            }
            (snippet("c2", "Node", "Node example", false, &html! {
                span.c { "// reads it from the environment, never from code" } "\n"
                "const secret = process.env." (kind.secret_variable) ";"
            }))
            (snippet("c3", "Secret managers", "Vault command", false, &html! {
                "vault kv put secret/" (slug) " " (kind.secret_field) "=-   " span.c { "# paste, then Ctrl D" }
            }))
        }
    }
}

fn snippet(id: &str, title: &str, label: &str, open: bool, code: &Markup) -> Markup {
    html! {
        details name="sn" open[open] {
            summary { (title) }
            div.code {
                pre tabindex="0" role="region" aria-label=(label) id=(id) { (code) }
                button.btn.sm type="button" data-copy-from=(id) data-js hidden { (icons::COPY) span { "Copy" } }
            }
        }
    }
}

fn summary(visit: &Visit, item: &Item, kind: &Kind) -> Markup {
    let scheme = visit.scheme();
    let place = |name: &str| scheme.resource(name);
    let grant = keyway_domain::grant::Grant::from_column(&item.grant, place);
    html! {
        div.card {
            header {
                h2 { "What it can do" }
                @if let Some(grant) = grant { (ui::fingerprint(grant, scheme)) }
            }
            div.body.stack {
                @if let Some(grant) = grant { (grants::words(grant, scheme)) }
                dl.kv {
                    dt { "Type" } dd { (kind.label) }
                    dt { "Variable" } dd { code { (kind.secret_variable) } }
                }
            }
        }
    }
}

/// Whether the new secret was used: a line for the page to show.
pub(crate) async fn used(visit: Visit) -> Answer {
    let Some((shown, _)) = open(&visit).await? else { return Err(Stop::NotFound) };
    let id = shown.items.first().and_then(|item| CredentialId::parse(&item.id));
    let id = id.ok_or(Stop::NotFound)?;
    let made = visit.now.plus_ms(-REVEAL_MS);
    let seen = visit.app().db.read(move |tx| usage::seen(tx, id)).await?;
    let newest = seen.into_iter().next_back().map(|(_, seen)| seen).filter(|seen| seen.at >= made);
    Ok(reply::line(&match newest {
        Some(seen) => format!(
            "In use: the first request came from {} at {}.",
            seen.address.as_deref().unwrap_or("an address we were not told"),
            seen.at.to_minute_text()
        ),
        None => "Waiting for the first request. This line changes by itself; no need to wait."
            .to_owned(),
    }))
}

/// The environment file (X15).
pub(crate) async fn env_file(visit: Visit) -> Answer {
    let Some((shown, _)) = open(&visit).await? else { return Ok(gone(&visit)) };
    let scheme = visit.scheme();
    let mut text = String::new();
    for item in &shown.items {
        let kind = scheme.kind(&item.kind).ok_or(Stop::NotFound)?;
        // A name is one line by rule; it stands in a comment.
        text.push_str(&format!("# {} ({})\n", item.name, item.environment));
        if let (Some(public), Some(id)) = (&kind.public_id, &item.public_id) {
            text.push_str(&format!("{}={id}\n", public.variable));
        }
        text.push_str(&format!("{}={}\n", kind.secret_variable, item.secret));
    }
    let name = format!("{}.env", shown.items.first().map_or("", |item| item.name.as_str()));
    Ok(reply::download(&name, "text/plain; charset=utf-8", text))
}

/// It was saved: what was kept of it is destroyed.
pub(crate) async fn finish(visit: Visit) -> Answer {
    let Some((shown, until)) = open(&visit).await? else { return Ok(gone(&visit)) };
    if visit.fields.text("saved") != "1" {
        let problem = Problems::field("saved", "Tick the box once you have saved it.");
        return Ok(reply::html(problem.status, &view(&visit, &shown, until)?));
    }
    let id = RevealId::parse(visit.param("reveal")).ok_or(Stop::NotFound)?;
    shown_once::forget(&visit, id).await?;
    Ok(redirect(&shown.to))
}
