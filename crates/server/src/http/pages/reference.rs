//! The API as pages, for who reads rather than generates: the OpenAPI document of this listener,
//! group by group. Also for strangers: it says no more than the document does.

mod fields;

use http::StatusCode;
use maud::{Markup, PreEscaped, html};
use serde_json::{Map, Value};

use super::problems::Stop;
use super::visit::Visit;
use super::{Answer, layout, reply, ui};
use crate::app::Chapter;
use crate::http::openapi;

/// Where the pages are.
const PATH: &str = "/docs/api";

/// An operation: its method, its path, and what the document says of it.
struct Operation<'d> {
    method: &'d str,
    path: &'d str,
    about: &'d Value,
}

impl Operation<'_> {
    fn name(&self) -> String {
        format!("{} {}", self.method.to_ascii_uppercase(), self.path)
    }
}

/// `GET /docs/api`
pub(crate) async fn overview(visit: Visit) -> Answer {
    page(&visit, "")
}

/// `GET /docs/api/{group}`
pub(crate) async fn group(visit: Visit) -> Answer {
    page(&visit, visit.param("group"))
}

/// A chapter, with the way to the others.
fn page(visit: &Visit, slug: &str) -> Answer {
    let make = || chapters(&openapi::public_document(visit.scheme()));
    let chapters = visit.app().described.chapters.get_or_init(make);
    let here = chapters.iter().find(|chapter| chapter.slug == slug).ok_or(Stop::NotFound)?;
    let main = html! {
        div.head { div { h1 { (here.title) } } }
        div.prefs {
            nav aria-label="API reference" { ul {
                @for chapter in chapters {
                    li { a href=(path(&chapter.slug)) aria-current=[(chapter.slug == slug).then_some("page")] { (chapter.title) } }
                }
            } }
            div.stack { (PreEscaped(&here.html)) }
        }
    };
    let title = format!("{} · API", here.title);
    Ok(reply::html(StatusCode::OK, &layout::page(visit, &title, None, &main)))
}

/// All chapters: an overview, and one for each group of operations.
fn chapters(document: &Value) -> Vec<Chapter> {
    let tags = document["tags"].as_array().map_or(&[][..], Vec::as_slice);
    let first = Chapter {
        slug: String::new(),
        title: "API reference".to_owned(),
        html: overview_of(document, tags).into_string(),
    };
    let others = tags.iter().map(|tag| {
        let (name, about) = (text(&tag["name"]), text(&tag["description"]));
        let html = html! {
            p.lede { (rich(about)) }
            @for operation in operations(document, name) { (shown(document, &operation)) }
        };
        Chapter { slug: slug(name), title: name.to_owned(), html: html.into_string() }
    });
    std::iter::once(first).chain(others).collect()
}

fn overview_of(document: &Value, tags: &[Value]) -> Markup {
    html! {
        @for part in text(&document["info"]["description"]).split("\n\n") { p.lede { (rich(part)) } }
        p { "For programs: " a href=(openapi::PATH) { "the OpenAPI 3.1 document" } "." }
        @for tag in tags {
            @let name = text(&tag["name"]);
            section.card aria-labelledby={ "g-" (slug(name)) } {
                header { h2 id={ "g-" (slug(name)) } { (name) } span.muted.small { (text(&tag["description"])) } }
                div.scroll tabindex="0" role="region" aria-label={ "Operations: " (name) } {
                    table.flip role="table" aria-label={ "Operations: " (name) } {
                        thead role="rowgroup" { tr role="row" { th role="columnheader" scope="col" { "Operation" } th role="columnheader" scope="col" { "What it does" } } }
                        tbody role="rowgroup" { @for operation in operations(document, name) { tr role="row" {
                            td.full role="cell" { a href={ (path(&slug(name))) "#" (text(&operation.about["operationId"])) } { code.wrap { (operation.name()) } } }
                            td.full role="cell" { (rich(text(&operation.about["summary"]))) }
                        } } }
                    }
                }
            }
        }
    }
}

/// Where a chapter is.
fn path(slug: &str) -> String {
    if slug.is_empty() { PATH.to_owned() } else { format!("{PATH}/{slug}") }
}

fn shown(document: &Value, operation: &Operation<'_>) -> Markup {
    let about = operation.about;
    let id = text(&about["operationId"]);
    let parameters = about["parameters"].as_array().map_or(&[][..], Vec::as_slice);
    html! {
        section.card id=(id) aria-labelledby={ "h-" (id) } {
            header { h2.wrap id={ "h-" (id) } { code { (operation.name()) } } span.tag { (id) } }
            div.body.stack {
                p { (rich(text(&about["summary"]))) }
                @if about["description"] != about["summary"] { p.muted { (rich(text(&about["description"]))) } }
                p.small.muted { (who(document, &about["security"])) }
                @if !parameters.is_empty() {
                    h3 { "Parameters" }
                    (fields::parameters(document, parameters, &format!("Parameters of {id}")))
                }
                @if let Some((media, content)) = first(&about["requestBody"]["content"]) {
                    h3 { "Body" " " span.tag { (media) } }
                    (fields::of(document, &content["schema"], &format!("Body of {id}")))
                    (example("Example of a body", &content["example"]))
                }
                h3 { "Answers" }
                (answers(document, id, &about["responses"]))
            }
        }
    }
}

/// Who may call.
fn who(document: &Value, security: &Value) -> Markup {
    let sets = security.as_array().map_or(&[][..], Vec::as_slice);
    let names = |set: &Value| -> Vec<String> {
        let names = set.as_object().into_iter().flat_map(Map::keys);
        let schemes = &document["components"]["securitySchemes"];
        let said = names.map(|name| match (&schemes[name]["scheme"], &schemes[name]["name"]) {
            (Value::String(scheme), _) => format!("{} ({name})", ui::capital(scheme)),
            (_, header) => format!("header {}", text(header)),
        });
        said.collect()
    };
    let all: Vec<String> = sets.iter().map(|set| names(set).join(" and ")).collect();
    html! { @if all.is_empty() { "Everybody may call it." } @else { "Authentication: " (all.join(", or ")) "." } }
}

fn answers(document: &Value, id: &str, responses: &Value) -> Markup {
    html! {
        @for (status, response) in responses.as_object().into_iter().flatten() {
            @let response = fields::referred(document, response);
            details {
                summary { (ui::badge(class(status), status)) span { (first_words(response)) } }
                div.stack.tight {
                    @for part in text(&response["description"]).split("\n\n") { p.small { (rich(part)) } }
                    p.small.muted { "Headers: " @for (place, name) in response["headers"].as_object().into_iter().flat_map(Map::keys).enumerate() { @if place > 0 { ", " } code { (name) } } }
                    @for (media, content) in response["content"].as_object().into_iter().flatten() {
                        @if !status.starts_with(['4', '5']) { (fields::of(document, &content["schema"], &format!("Answer {status} of {id}"))) }
                        (example(&format!("Example of {media}"), sample(document, content)))
                    }
                }
            }
        }
    }
}

/// An example of a content, or the first of several.
fn sample<'d>(document: &'d Value, content: &'d Value) -> &'d Value {
    match content["examples"].as_object().and_then(|all| all.values().next()) {
        Some(example) => &fields::referred(document, example)["value"],
        None => &content["example"],
    }
}

/// What an answer is about: all of its codes, or its first sentence.
fn first_words(response: &Value) -> Markup {
    let description = text(&response["description"]);
    let words: Vec<&str> = description
        .split("\n\n")
        .filter_map(|part| part.strip_prefix('`')?.split_once('`').map(|(word, _)| word))
        .collect();
    html! {
        @if words.is_empty() { (rich(description.split("\n\n").next().unwrap_or_default())) }
        @else { @for (place, word) in words.iter().enumerate() { @if place > 0 { ", " } code.wrap { (word) } } }
    }
}

fn class(status: &str) -> &'static str {
    match status.as_bytes().first() {
        Some(b'2') => "ok",
        Some(b'4') => "warn",
        _ => "bad",
    }
}

fn example(label: &str, example: &Value) -> Markup {
    let written = match example {
        Value::String(text) => text.clone(),
        other => serde_json::to_string_pretty(other).unwrap_or_default(),
    };
    html! { pre.wrap.code aria-label=(label) role="group" { (written) } }
}

/// A text with its code marked as such.
pub(super) fn rich(text: &str) -> Markup {
    html! {
        @for (place, part) in text.split('`').enumerate() {
            @if place % 2 == 1 { code.wrap { (part) } } @else { (part) }
        }
    }
}

fn operations<'d>(document: &'d Value, tag: &str) -> Vec<Operation<'d>> {
    let paths = document["paths"].as_object().into_iter().flatten();
    let all = paths.flat_map(|(path, operations)| {
        let operations = operations.as_object().into_iter().flatten();
        operations.map(move |(method, about)| Operation { method, path, about })
    });
    all.filter(|operation| operation.about["tags"][0] == tag).collect()
}

fn first(content: &Value) -> Option<(&String, &Value)> {
    content.as_object().and_then(|all| all.iter().next())
}

fn slug(tag: &str) -> String {
    tag.to_ascii_lowercase().replace(' ', "-")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
