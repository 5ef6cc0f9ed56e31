//! The parameters of a call's query: each one of the route's, each once.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyway_domain::limits;
use keyway_domain::scheme::percent_decoded;
use keyway_domain::time::Time;

use super::{Call, Problem};
use crate::codes::Code;

/// Reads a query. What no route knows by this name is refused: a filter that was mistyped must not
/// look as if it had filtered.
pub(in crate::http) fn read(
    query: Option<&str>,
    known: &[&str],
) -> Result<HashMap<String, String>, Problem> {
    let mut read = HashMap::new();
    for pair in query.unwrap_or("").split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if !known.contains(&name) {
            let detail = if known.is_empty() {
                "this route has no parameters".to_owned()
            } else {
                format!("there is no parameter of that name; there are: {}", known.join(", "))
            };
            return Err(Problem::new(Code::UnknownParameter, detail));
        }
        if read.insert(name.to_owned(), percent_decoded(value)).is_some() {
            return Err(Problem::new(Code::DoubledParameter, format!("`{name}` is there twice")));
        }
    }
    Ok(read)
}

impl Call {
    /// A parameter, as it was sent.
    pub fn given(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    /// A parameter that must be of some sort; `what` says which.
    pub fn parameter<T>(
        &self,
        name: &str,
        what: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let wrong = || Problem::parameter(name, what);
        self.given(name).map(|text| parse(text).ok_or_else(wrong)).transpose()
    }

    /// A parameter that is an instant.
    pub fn instant(&self, name: &str) -> Result<Option<Time>, Problem> {
        self.parameter(name, "write an instant like 2026-12-31T00:00:00Z", Time::parse)
    }

    /// Which page is asked for: how many, and what comes before it.
    pub fn page(&self) -> Result<(u32, Option<u128>), Problem> {
        let limit =
            |text: &str| text.parse().ok().filter(|limit| (1..=limits::PAGE_MAX).contains(limit));
        let what = format!("it is 1 to {}", limits::PAGE_MAX);
        let limit = self.parameter("limit", &what, limit)?.unwrap_or(limits::PAGE_DEFAULT);
        let before = self.parameter("cursor", "it is not one that this API gave", |cursor| {
            let sealed = URL_SAFE_NO_PAD.decode(cursor).ok()?;
            let opened = self.app.keys.cursors.unseal_unique(&sealed).ok()?;
            <[u8; 16]>::try_from(opened).ok().map(u128::from_be_bytes)
        })?;
        Ok((limit, before))
    }
}
