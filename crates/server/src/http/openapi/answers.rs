//! The answers of an operation, and what they have in common: headers, problems, examples.

use std::collections::BTreeMap;

use http::StatusCode;
use keyway_domain::scheme::{Placeholders, Scheme};
use keyway_domain::verdict::Reason;
use serde_json::{Map, Value, json};

use super::example;
use crate::codes::{Code, Entry, OAuthError, token_refusals};
use crate::http::problem::{MEDIA_TYPE, TYPE};

const JSON: &str = "application/json";

/// What an operation can answer, by status.
#[derive(Default)]
pub(super) struct Answers(BTreeMap<u16, Answer>);

#[derive(Default)]
struct Answer {
    descriptions: Vec<String>,
    headers: Vec<&'static str>,
    content: Vec<(&'static str, Value, Sample)>,
}

/// Where the examples of an answer come from.
enum Sample {
    /// Its schema.
    Made { shows_secret: bool },
    /// This one.
    Given(Value),
    /// Those of these words.
    Words(Vec<String>),
}

impl Answers {
    /// A success, described by a schema.
    pub(super) fn json(
        mut self,
        status: u16,
        about: &str,
        schema: Value,
        shows_secret: bool,
    ) -> Self {
        self.describe(status, about);
        let sample = Sample::Made { shows_secret };
        self.at(status).content.push((JSON, schema, sample));
        self
    }

    /// An answer in any media type, with this example.
    pub(super) fn given(
        mut self,
        status: u16,
        about: &str,
        (media, schema): (&'static str, Value),
        example: impl Into<Value>,
    ) -> Self {
        self.describe(status, about);
        self.at(status).content.push((media, schema, Sample::Given(example.into())));
        self
    }

    /// The refusals of a platform, in its own words: the first of a status is its example.
    pub(super) fn in_dialect(mut self, scheme: &Scheme) -> Self {
        let facts = Placeholders { request_id: "req_shown-in-every-answer", ..Default::default() };
        for reason in Reason::ALL {
            let rendered = scheme.dialect.render(*reason, &facts, Vec::new());
            let example: Value = serde_json::from_str(&rendered.body).unwrap_or_default();
            let message = &scheme.dialect.refused(*reason).message;
            self.describe(rendered.status, &format!("`{reason}`: {message}"));
            let content = &mut self.at(rendered.status).content;
            if !content.iter().any(|(known, ..)| *known == JSON) {
                content.push((JSON, json!({ "type": "object" }), Sample::Given(example)));
            }
        }
        self
    }

    /// An answer without a body.
    pub(super) fn empty(mut self, status: u16, about: &str) -> Self {
        self.describe(status, about);
        self
    }

    /// A header of an answer: one of [`headers`].
    pub(super) fn header(mut self, status: u16, name: &'static str) -> Self {
        let headers = &mut self.at(status).headers;
        if !headers.contains(&name) {
            headers.push(name);
        }
        self
    }

    /// Problems, each at its status.
    pub(super) fn problems(self, codes: &[Code]) -> Self {
        self.errors(codes.iter().copied().map(Entry::from), (MEDIA_TYPE, "Problem", "code"))
    }

    /// Why an operator token can be refused.
    pub(super) fn token(self) -> Self {
        self.errors(token_refusals().into_iter(), (MEDIA_TYPE, "Problem", "code"))
    }

    /// Why an OAuth client can be refused.
    pub(super) fn oauth(self, errors: &[OAuthError]) -> Self {
        let entries = errors.iter().copied().map(Entry::from);
        self.errors(entries, (JSON, "OAuthError", "error"))
    }

    fn errors(
        mut self,
        entries: impl Iterator<Item = Entry>,
        (media, schema, field): (&'static str, &str, &str),
    ) -> Self {
        let mut by_status: BTreeMap<u16, Vec<Entry>> = BTreeMap::new();
        for entry in entries {
            by_status.entry(entry.status).or_default().push(entry);
        }
        for (status, entries) in by_status {
            for entry in &entries {
                self.describe(status, &format!("`{}`: {}", entry.word, entry.meaning));
            }
            let words: Vec<String> = entries.into_iter().map(|entry| entry.word).collect();
            let answer = self.at(status);
            let known = answer.content.iter_mut().find(|(known, ..)| *known == media);
            if let Some((_, schema, Sample::Words(all))) = known {
                all.extend(words);
                schema["properties"][field]["enum"] = json!(all);
                continue;
            }
            let schema = json!({
                "$ref": format!("#/components/schemas/{schema}"),
                "properties": { field: { "enum": words } },
            });
            answer.content.push((media, schema, Sample::Words(words)));
        }
        self
    }

    fn describe(&mut self, status: u16, about: &str) {
        let descriptions = &mut self.at(status).descriptions;
        if !descriptions.iter().any(|known| known == about) {
            descriptions.push(about.to_owned());
        }
    }

    fn at(&mut self, status: u16) -> &mut Answer {
        self.0.entry(status).or_insert_with(|| {
            let more: &[&str] = match status {
                401 => &["WWW-Authenticate"],
                429 | 503 => &["Retry-After"],
                _ => &[],
            };
            let headers = ["Request-Id"].iter().chain(more).copied().collect();
            Answer { headers, ..Answer::default() }
        })
    }

    pub(super) fn to_json(&self, schemas: &Map<String, Value>) -> Value {
        let answers = self.0.iter().map(|(status, answer)| {
            let headers: Map<String, Value> = answer
                .headers
                .iter()
                .map(|name| {
                    let to = format!("#/components/headers/{name}");
                    ((*name).to_owned(), json!({ "$ref": to }))
                })
                .collect();
            let content: Map<String, Value> = answer
                .content
                .iter()
                .map(|(media, schema, sample)| {
                    ((*media).to_owned(), sample.beside(schema, *status, schemas))
                })
                .collect();
            let mut said = json!({ "description": answer.descriptions.join("\n\n") });
            said["headers"] = headers.into();
            if !content.is_empty() {
                said["content"] = content.into();
            }
            (status.to_string(), said)
        });
        Value::Object(answers.collect())
    }
}

impl Sample {
    fn beside(&self, schema: &Value, status: u16, schemas: &Map<String, Value>) -> Value {
        match self {
            Self::Made { shows_secret } => {
                let example = example::said(schema, schemas, *shows_secret);
                json!({ "schema": schema, "example": example })
            }
            Self::Given(example) => json!({ "schema": schema, "example": example }),
            Self::Words(words) => {
                let named = words.iter().map(|word| {
                    let to = format!("#/components/examples/{word}-{status}");
                    (word.clone(), json!({ "$ref": to }))
                });
                json!({ "schema": schema, "examples": named.collect::<Map<_, _>>() })
            }
        }
    }
}

/// Answers that several operations give are written once.
pub(super) fn share(document: &mut Value) {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    each_answer(document, &mut |_, answer| *seen.entry(answer.to_string()).or_default() += 1);
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    let mut shared = Map::new();
    each_answer(document, &mut |status, answer| {
        let text = answer.to_string();
        if seen.get(&text).is_none_or(|count| *count == 1) {
            return;
        }
        let name = names.entry(text).or_insert_with(|| {
            let alike = shared.keys().filter(|name: &&String| name.starts_with(status)).count();
            let name = format!("{status}-{}", alike + 1);
            shared.insert(name.clone(), answer.clone());
            name
        });
        *answer = json!({ "$ref": format!("#/components/responses/{name}") });
    });
    document["components"]["responses"] = Value::Object(shared);
}

fn each_answer(document: &mut Value, visit: &mut impl FnMut(&str, &mut Value)) {
    let paths = document["paths"].as_object_mut().into_iter().flat_map(Map::values_mut);
    for operation in paths.filter_map(Value::as_object_mut).flat_map(Map::values_mut) {
        let answers = operation["responses"].as_object_mut();
        answers.into_iter().flatten().for_each(|(status, answer)| visit(status, answer));
    }
}

/// The headers of answers.
pub(super) fn headers() -> Value {
    let text = |about: &str, example: &str| {
        json!({
            "description": about, "required": true,
            "schema": { "type": "string" }, "example": example,
        })
    };
    let maybe = |about: &str, example: &str| json!({ "description": about, "schema": { "type": "string" }, "example": example });
    let window = "\"default\";q=100;w=60";
    json!({
        "Request-Id": maybe(
            "Finds this request again: `GET /v1/requests/{request}`.",
            "req_shown-in-every-answer",
        ),
        "RateLimit": maybe(
            "What is left of the token's own rate limit, if it has one.",
            "\"default\";r=97;t=30",
        ),
        "RateLimit-Policy": maybe("The token's own rate limit, if it has one.", window),
        "Retry-After": {
            "description": "Send the call again after so many seconds.",
            "required": true,
            "schema": { "type": "integer", "minimum": 1 },
            "example": 1,
        },
        "Location": text("Where that which was made is found.", "/v1/accounts/(its id)"),
        "WWW-Authenticate": maybe("How to authenticate.", "Bearer realm=\"Keyway\""),
        "Idempotency-Replayed": {
            "description": "`true` when the call was a repeated one: nothing was done again.",
            "schema": { "type": "string", "enum": ["true"] },
            "example": "true",
        },
        "Cache-Control": text("Nothing of it may be kept.", "no-store"),
    })
}

/// What errors look like.
pub(super) fn schemas() -> Map<String, Value> {
    let problem = json!({
        "type": "object",
        "description": "What is wrong (RFC 9457). `code` is stable; `detail` is for people.",
        "required": ["type", "title", "status", "detail", "code", "request_id"],
        "properties": {
            "type": { "type": "string", "description": "The code as a URN." },
            "title": { "type": "string", "description": "The status in words." },
            "status": { "type": "integer", "description": "The HTTP status." },
            "detail": { "type": "string", "description": "What is wrong, for people." },
            "code": { "type": "string", "description": "What is wrong, for programs." },
            "field": {
                "type": ["string", "null"],
                "description": "The field of the body, or the parameter, that is wrong.",
            },
            "request_id": { "type": "string", "description": "Finds this call again." },
        },
    });
    let oauth = json!({
        "type": "object",
        "description": "Why a client is refused (RFC 6749 §5.2).",
        "required": ["error", "error_description"],
        "properties": {
            "error": { "type": "string", "description": "Why, for programs." },
            "error_description": { "type": "string", "description": "Why, for people." },
        },
    });
    Map::from_iter([("Problem".to_owned(), problem), ("OAuthError".to_owned(), oauth)])
}

/// One example for each error.
pub(super) fn examples() -> Value {
    let codes = Code::ALL.iter().copied().map(Entry::from);
    let problems = codes.chain(token_refusals()).map(|entry| {
        let status = StatusCode::from_u16(entry.status).unwrap_or_default();
        let is = |code: Code| entry.word == code.as_str();
        let field = match () {
            () if is(Code::InvalidField) => Some("name"),
            () if is(Code::InvalidParameter) => Some("limit"),
            () => None,
        };
        let value = json!({
            "type": format!("{TYPE}{}", entry.word),
            "title": status.canonical_reason(),
            "status": entry.status,
            "detail": entry.meaning,
            "code": entry.word,
            "field": field,
            "request_id": "req_shown-in-every-answer",
        });
        (entry, value)
    });
    let oauth = OAuthError::ALL.iter().copied().map(Entry::from).map(|entry| {
        let value = json!({ "error": entry.word, "error_description": entry.meaning });
        (entry, value)
    });
    let named = problems.chain(oauth).map(|(entry, value)| {
        let example = json!({ "summary": entry.advice, "value": value });
        (format!("{}-{}", entry.word, entry.status), example)
    });
    Value::Object(named.collect())
}
