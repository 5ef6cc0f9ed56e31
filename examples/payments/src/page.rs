//! One page of a list: how many, from where, and which.

use std::collections::HashMap;

use axum::extract::Query;
use http::Uri;
use serde_json::Value;

use crate::refusal::Refusal;

const LIMIT_DEFAULT: u32 = 10;
const LIMIT_MAX: u32 = 100;
/// Deep pages are read with a cursor; this bounds what a skipping reader can cost.
const PAGE_MAX: u32 = 10_000;

/// How a platform spells the position in a list.
#[derive(Debug)]
pub(crate) struct Paging {
    pub(crate) limit: &'static str,
    /// The page number's name, and the number of the first page.
    pub(crate) page: Option<(&'static str, u32)>,
    /// The names of a cursor: the id after which the page begins.
    pub(crate) after: &'static [&'static str],
}

/// Which part of a list is wanted.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) limit: u32,
    /// The page's number, as the platform counts.
    pub(crate) number: u32,
    pub(crate) skip: u32,
    pub(crate) after: Option<String>,
    /// A field and the value that it must have.
    pub(crate) filter: Option<(&'static str, String)>,
}

/// A part of a list.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) items: Vec<Value>,
    /// How many there are in the whole list.
    pub(crate) total: u64,
    pub(crate) has_more: bool,
    pub(crate) page: Page,
}

impl Page {
    /// Reads the page from a request's query. Unknown parameters mean nothing.
    pub(crate) fn read(
        uri: &Uri,
        paging: &Paging,
        filters: &[&'static str],
    ) -> Result<Self, Refusal> {
        let Query(mut query) = Query::<HashMap<String, String>>::try_from_uri(uri)
            .map_err(|_| Refusal::invalid("query", "cannot be read"))?;
        let limit = number(&query, paging.limit, 1)?.unwrap_or(LIMIT_DEFAULT).min(LIMIT_MAX);
        let (mut wanted, mut first) = (0, 0);
        if let Some((name, first_page)) = paging.page {
            first = first_page;
            wanted = number(&query, name, first)?.unwrap_or(first).min(PAGE_MAX);
        }
        let after = paging.after.iter().find_map(|name| query.remove(*name));
        let filter = filters.iter().find_map(|name| Some((*name, query.remove(*name)?)));
        Ok(Self { limit, number: wanted, skip: (wanted - first) * limit, after, filter })
    }
}

/// A whole number of the query, at least `min`.
fn number(query: &HashMap<String, String>, name: &str, min: u32) -> Result<Option<u32>, Refusal> {
    let Some(text) = query.get(name) else { return Ok(None) };
    let number = text.parse::<u32>().ok().filter(|number| *number >= min);
    number.map(Some).ok_or_else(|| Refusal::invalid(name, format!("must be a number from {min}")))
}
