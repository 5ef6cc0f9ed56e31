//! One operation of a document.

use http::Method;
use serde_json::{Map, Value, json};

use super::answers::Answers;
use super::example;

/// An operation.
pub(super) struct Operation {
    pub(super) method: Method,
    pub(super) path: String,
    /// Its name, which clients make functions of.
    pub(super) id: &'static str,
    pub(super) tag: &'static str,
    pub(super) summary: String,
    pub(super) description: String,
    /// Who may call: one of these sets of the document's security schemes. None is everybody.
    pub(super) security: Vec<Vec<&'static str>>,
    pub(super) parameters: Vec<Value>,
    /// The schemas of its body by media type.
    pub(super) body: Vec<(&'static str, Value)>,
    pub(super) answers: Answers,
}

impl Operation {
    /// An operation that everybody may call, without parameters or body.
    pub(super) fn open(
        method: Method,
        path: &str,
        id: &'static str,
        (tag, summary): (&'static str, &str),
        answers: Answers,
    ) -> Self {
        Self {
            method,
            path: path.to_owned(),
            id,
            tag,
            summary: summary.to_owned(),
            description: String::new(),
            security: Vec::new(),
            parameters: Vec::new(),
            body: Vec::new(),
            answers,
        }
    }

    /// The operation as the document has it; `schemas` are those that it refers to.
    pub(super) fn to_json(&self, schemas: &Map<String, Value>) -> Value {
        let security: Vec<Value> = self
            .security
            .iter()
            .map(|all| all.iter().map(|name| ((*name).to_owned(), json!([]))).collect())
            .collect();
        let is_said = !self.description.is_empty();
        let description = if is_said { &self.description } else { &self.summary };
        let mut operation = json!({
            "operationId": self.id,
            "tags": [self.tag],
            "summary": self.summary,
            "description": description,
            "security": security,
            "parameters": self.parameters,
        });
        if !self.body.is_empty() {
            let content: Map<String, Value> = self
                .body
                .iter()
                .map(|(media, schema)| {
                    let example = example::asked(schema, schemas);
                    ((*media).to_owned(), json!({ "schema": schema, "example": example }))
                })
                .collect();
            operation["requestBody"] = json!({ "required": true, "content": content });
        }
        operation["responses"] = self.answers.to_json(schemas);
        operation
    }
}
