//! The documents of the listeners: that they are OpenAPI, that their examples are true, and, for
//! every answer that any test gets, that it was declared.

mod schema;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use http::Method;
use keyway_domain::scheme::Scheme;
use keyway_server::http::openapi;
use keyway_server::http::routes::routes;
use keyway_server::schemes;
use serde_json::{Map, Value, json};

use crate::harness::{Answer, Keyway, bearer, send};
use schema::Checker;

/// The documents under each scheme that a test has run: of the public listener, and the internal one.
static DOCUMENTS: LazyLock<Mutex<BTreeMap<String, [Arc<Value>; 2]>>> =
    LazyLock::new(Mutex::default);

/// The document of each listener that a test has started.
static LISTENERS: LazyLock<Mutex<BTreeMap<SocketAddr, Arc<Value>>>> = LazyLock::new(Mutex::default);

/// From now on, every answer of these listeners must be in their documents.
pub(crate) fn hold(scheme: &Scheme, public: SocketAddr, internal: [SocketAddr; 2]) {
    let make = || {
        let documents = [openapi::public_document(scheme), openapi::internal_document(scheme)];
        documents.map(Arc::new)
    };
    let mut documents = DOCUMENTS.lock().unwrap_or_else(PoisonError::into_inner);
    let [of_public, of_internal] = documents.entry(scheme.text.clone()).or_insert_with(make);
    let mut listeners = LISTENERS.lock().unwrap_or_else(PoisonError::into_inner);
    listeners.insert(public, Arc::clone(of_public));
    listeners.extend(internal.map(|listener| (listener, Arc::clone(of_internal))));
}

/// Checks an answer against the document of the listener that gave it.
pub(crate) fn check(from: SocketAddr, method: &str, target: &str, answer: &Answer) {
    let document = {
        let listeners = LISTENERS.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(document) = listeners.get(&from) else { return };
        Arc::clone(document)
    };
    // A connection that ended, and a head that nobody could read, are no answers of an operation.
    if matches!(answer.status, 0 | 431) {
        return;
    }
    let path = target.split('?').next().unwrap_or_default();
    let Some((pattern, operations)) = found(&document, path) else { return };
    let call = format!("{method} {pattern}: {}\n{}", answer.head, answer.text);
    let Some(operation) = operations.get(&method.to_ascii_lowercase()) else {
        if !pattern.starts_with("/authz/") {
            assert!(matches!(answer.status, 401 | 405), "another method: {call}");
            let names_others = answer.header("allow").is_some();
            assert!(answer.status == 401 || names_others, "no Allow: {call}");
        }
        return;
    };
    let declared = &operation["responses"][answer.status.to_string()];
    let declared = Checker::new(&document).referred(declared);
    assert!(declared.is_object(), "the status is not declared: {call}");
    for (name, header) in declared["headers"].as_object().into_iter().flatten() {
        let header = Checker::new(&document).referred(header);
        let is_there = answer.header(name).is_some();
        assert!(is_there || header["required"] != true, "{name} is missing: {call}");
    }
    let media = answer.header("content-type").and_then(|media| media.split(';').next());
    let Some(content) = declared["content"].as_object() else {
        assert!(answer.text.is_empty(), "a body is not declared: {call}");
        return;
    };
    let declared = media.and_then(|media| content.get(media));
    let declared = declared.unwrap_or_else(|| panic!("the media type is not declared: {call}"));
    if media.is_some_and(|media| media.ends_with("json")) {
        let found = Checker::strict(&document).check(&answer.json(), &declared["schema"]);
        assert!(found.is_empty(), "{call}\n{}", found.join("\n"));
    }
}

/// The path of a document that a call is for, the one with the fewest placeholders first.
fn found<'d>(document: &'d Value, path: &str) -> Option<(&'d str, &'d Map<String, Value>)> {
    let paths = document["paths"].as_object().expect("a document has paths");
    let fits = |pattern: &str| {
        let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
        loop {
            match (wanted.next(), given.next()) {
                // Envoy's prefix is before whatever path its client asks for.
                (None, None) | (Some("{path}"), Some(_)) => return true,
                (Some(wanted), Some(given)) if wanted == given || wanted.starts_with('{') => {}
                _ => return false,
            }
        }
    };
    let fitting = paths.iter().filter(|(pattern, _)| fits(pattern));
    let best = fitting.min_by_key(|(pattern, _)| pattern.matches('{').count());
    best.and_then(|(pattern, operations)| Some((pattern.as_str(), operations.as_object()?)))
}

/// Both documents under each built-in scheme.
fn documents() -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for built_in in schemes::BUILT_IN {
        let scheme = Scheme::parse(built_in.text).expect("a built-in scheme is right");
        all.push((format!("{}, public", built_in.name), openapi::public_document(&scheme)));
        all.push((format!("{}, internal", built_in.name), openapi::internal_document(&scheme)));
    }
    all
}

/// Every operation of a document, with its path and method.
fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().expect("a document has paths");
    let each = paths.iter().flat_map(|(path, operations)| {
        let operations = operations.as_object().expect("a path has operations");
        operations.iter().map(move |(method, operation)| (format!("{method} {path}"), operation))
    });
    each.collect()
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().unwrap_or_default()
}

#[test]
fn the_documents_are_openapi_and_say_something_of_everything() {
    for (whose, document) in documents() {
        assert_eq!(document["openapi"], "3.1.0");
        let tags = document["tags"].as_array().expect("tags");
        let tags: BTreeSet<&str> = tags.iter().map(|tag| text(tag, "name")).collect();
        let schemes = document["components"]["securitySchemes"].as_object().expect("schemes");
        let mut ids = BTreeSet::new();
        for (name, operation) in operations(&document) {
            let name = format!("{whose}: {name}");
            assert!(ids.insert(text(operation, "operationId")), "{name} has another's id");
            assert!(text(operation, "summary").ends_with('.'), "{name} has no summary");
            assert!(text(operation, "description").ends_with('.'), "{name} is not described");
            let tag = operation["tags"][0].as_str().unwrap_or_default();
            assert!(tags.contains(tag), "{name} has no tag");
            for set in operation["security"].as_array().expect("security") {
                let used = set.as_object().expect("a set");
                assert!(used.keys().all(|name| schemes.contains_key(name)), "{name}");
            }
            let path = name.rsplit(' ').next().unwrap_or_default();
            let mut given = BTreeSet::new();
            for parameter in operation["parameters"].as_array().expect("parameters") {
                let (place, name_of) = (text(parameter, "in"), text(parameter, "name"));
                assert!(given.insert((place, name_of)), "{name}: {name_of} is there twice");
                assert!(!text(parameter, "description").is_empty(), "{name}: {name_of}");
                assert!(parameter["schema"].is_object(), "{name}: {name_of}");
                let is_in_path = path.contains(&format!("{{{name_of}}}"));
                assert_eq!(place == "path", is_in_path, "{name}: {name_of}");
            }
            assert_eq!(
                given.iter().filter(|(place, _)| *place == "path").count(),
                path.matches('{').count(),
                "{name}: a placeholder is no parameter"
            );
            let responses = operation["responses"].as_object().expect("responses");
            assert!(
                responses.keys().any(|status| status < &"400".to_owned())
                    || path.ends_with("denial")
            );
            for (status, response) in responses {
                let response = Checker::new(&document).referred(response);
                assert!(!text(response, "description").is_empty(), "{name}: {status}");
                assert!(response["headers"]["Request-Id"].is_object(), "{name}: {status}");
            }
        }
        let found = Checker::new(&document).broken_references();
        assert!(found.is_empty(), "{whose}: {found:?}");
    }
}

#[test]
fn every_route_is_in_the_document_with_its_body_and_its_errors() {
    for (whose, document) in documents().into_iter().filter(|(whose, _)| whose.ends_with("public"))
    {
        for route in routes() {
            let method = route.method.as_str().to_ascii_lowercase();
            let operation = &document["paths"][route.path][&method];
            assert_eq!(operation["operationId"], route.operation, "{whose}: {}", route.path);
            assert_eq!(operation["requestBody"].is_object(), route.method != Method::GET);
            for code in route.refusals {
                let answer = &operation["responses"][code.status().as_str()];
                let answer = Checker::new(&document).referred(answer);
                let declared = &answer["content"]["application/problem+json"]["schema"];
                let declared = &declared["properties"]["code"]["enum"];
                let declared = declared.as_array().expect("codes");
                assert!(declared.contains(&json!(code.as_str())), "{}: {code:?}", route.operation);
            }
        }
        let others = operations(&document).len() - routes().len();
        assert!(others >= 2, "health and the document are there, too");
    }
}

#[test]
fn every_example_fits_its_schema() {
    let mut seen = 0;
    for (whose, document) in documents() {
        let checker = Checker::strict(&document);
        let mut fits = |what: &str, example: &Value, schema: &Value| {
            seen += 1;
            let found = checker.check(example, schema);
            assert!(found.is_empty(), "{whose}: {what}: {example}\n{}", found.join("\n"));
        };
        for (name, operation) in operations(&document) {
            for parameter in operation["parameters"].as_array().expect("parameters") {
                for example in parameter["schema"]["examples"].as_array().into_iter().flatten() {
                    fits(&name, example, &parameter["schema"]);
                }
            }
            let responses = operation["responses"].as_object().expect("responses").values();
            for body in responses.chain([&operation["requestBody"]]) {
                let body = checker.referred(body);
                for content in body["content"].as_object().into_iter().flat_map(Map::values) {
                    let mut examples = vec![];
                    examples.extend(content.get("example"));
                    let named = content["examples"].as_object().into_iter().flat_map(Map::values);
                    examples.extend(named.map(|example| &checker.referred(example)["value"]));
                    assert!(!examples.is_empty(), "{whose}: {name} has no example: {content}");
                    for example in examples {
                        fits(&name, example, &content["schema"]);
                    }
                }
            }
        }
        let schemas = document["components"]["schemas"].as_object().expect("schemas");
        for (name, schema) in schemas {
            for example in schema["examples"].as_array().into_iter().flatten() {
                fits(name, example, schema);
            }
        }
    }
    assert!(seen > 5_000, "{seen}");
}

#[test]
fn no_example_looks_like_a_secret() {
    for (whose, document) in documents() {
        for built_in in schemes::BUILT_IN {
            let scheme = Scheme::parse(built_in.text).expect("a built-in scheme is right");
            let text = document.to_string();
            for kind in &scheme.kinds {
                let prefix = kind.secret.pattern().split(['(', '[', '{']).next();
                let prefix = prefix.unwrap_or_default().trim_start_matches('^');
                let is_telling = prefix.len() > 3;
                assert!(!is_telling || !text.contains(prefix), "{whose}: {prefix}");
            }
        }
        assert!(!document.to_string().contains("kwop_0"), "{whose}");
    }
}

#[tokio::test]
async fn each_listener_gives_its_document_to_everybody() {
    let keyway = Keyway::start("xtopay").await;
    let of =
        async |listener| send(listener, "GET", "/openapi.json", &[], "").await.expect(200).json();
    let (public, internal) = (of(keyway.public).await, of(keyway.internal).await);
    assert!(public["paths"]["/oauth/token"]["post"].is_object());
    assert!(public["paths"]["/v1/verify"].is_null());
    assert!(internal["paths"]["/v1/verify"]["post"].is_object());
    assert_eq!(of(keyway.guarded_internal).await, internal);
    send(keyway.public, "POST", "/openapi.json", &[], "{}").await.expect(405);
    send(keyway.internal, "DELETE", "/v1/verify", &[], "").await.expect(405);
}

#[tokio::test]
async fn a_login_and_oauth_are_in_the_document_of_the_schemes_that_have_them() {
    for built_in in schemes::BUILT_IN {
        let scheme = Scheme::parse(built_in.text).expect("a built-in scheme is right");
        let document = openapi::public_document(&scheme);
        let has = |path: &str| document["paths"][path].is_object();
        assert_eq!(has("/oauth/token"), scheme.oauth.is_some(), "{}", built_in.name);
        assert!(scheme.login.as_ref().is_none_or(|login| has(&login.path)), "{}", built_in.name);
    }
}

#[tokio::test]
async fn what_is_made_is_where_its_answer_says() {
    let keyway = Keyway::start("enterprise").await;
    let made = keyway.post("/v1/accounts", json!({ "name": "Toko" })).await.expect(201);
    let account = made.header("location").expect("a place").to_owned();
    assert_eq!(account, format!("/v1/accounts/{}", made.id()));
    keyway.get(&account).await.expect(200);
    let key = json!({
        "kind": "key", "environment": "live", "name": "Server", "grant": "everything",
    });
    let made = keyway.post(&format!("{account}/credentials"), key).await.expect(201);
    let place = made.header("location").expect("a place").to_owned();
    keyway.get(&place).await.expect(200);
    let copy = keyway.post(&format!("{place}/duplicate"), json!({})).await.expect(201);
    let place = copy.header("location").expect("a place").to_owned();
    assert_eq!(keyway.get(&place).await.expect(200).id(), copy.id());
}

#[tokio::test]
async fn a_token_with_a_limit_is_told_what_is_left_of_it() {
    let keyway = Keyway::start("xendit").await;
    let slow = json!({ "name": "slow", "rate_limit": { "requests": 2, "window_seconds": 60 } });
    let slow = keyway.post("/v1/operator-tokens", slow).await.expect(201).shown("token");
    let answer = bearer(keyway.public, "GET", "/v1/accounts", &slow).await.expect(200);
    assert_eq!(answer.header("ratelimit-policy"), Some("\"default\";q=2;w=60"));
    assert!(answer.header("ratelimit").expect("what is left").starts_with("\"default\";r=1;"));
    assert!(keyway.get("/v1/accounts").await.header("ratelimit").is_none());
}

#[tokio::test]
async fn a_parameter_that_a_route_does_not_know_is_refused_whatever_the_method() {
    let keyway = Keyway::start("xendit").await;
    let made = keyway.post("/v1/accounts?colour=red", json!({ "name": "Toko" })).await;
    assert_eq!(made.expect(400).json()["code"], "unknown_parameter");
    let account = keyway.account().await;
    let one = keyway.get(&format!("/v1/accounts/{account}?x=1")).await.expect(400);
    assert_eq!(one.json()["code"], "unknown_parameter");
    for (path, field) in [
        ("credentials?revoked=maybe", "revoked"),
        ("credentials?environment=moon", "environment"),
        ("events?since=yesterday", "since"),
        ("requests?outcome=perhaps", "outcome"),
        ("usage?days=0", "days"),
    ] {
        let refused =
            keyway.get(&format!("/v1/accounts/{account}/{path}")).await.expect(400).json();
        assert_eq!(
            (&refused["code"], &refused["field"]),
            (&json!("invalid_parameter"), &json!(field))
        );
    }
}

#[tokio::test]
async fn the_reference_shows_strangers_every_operation_under_the_policy_of_all_pages() {
    let keyway = Keyway::start("airwallex").await;
    let get = async |path: &str| send(keyway.public, "GET", path, &[], "").await;
    let first = get("/docs/api").await.expect(200);
    let sign_in = get("/sign-in").await.expect(200);
    let policy = sign_in.header("content-security-policy");
    assert!(policy.is_some() && first.header("content-security-policy") == policy);
    let scheme = &keyway.app.platform.rules.scheme;
    let document = openapi::public_document(scheme);
    for (name, operation) in operations(&document) {
        let id = text(operation, "operationId");
        let group = operation["tags"][0].as_str().expect("a tag").to_ascii_lowercase();
        let path = format!("/docs/api/{}", group.replace(' ', "-"));
        assert!(first.text.contains(&format!("href=\"{path}#{id}\"")), "{name}");
        let page = get(&path).await.expect(200);
        assert_eq!(page.header("content-security-policy"), policy, "{path}");
        assert!(page.text.contains(&format!("id=\"{id}\"")), "{name} is not at {path}");
        for status in operation["responses"].as_object().expect("answers").keys() {
            assert!(page.text.contains(status.as_str()), "{name}: {status}");
        }
    }
    get("/docs/api/nothing").await.expect(404);
}
