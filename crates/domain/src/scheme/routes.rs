//! Method and path → resource and action, so that a gateway needs to pass nothing else.

use crate::grant::{Action, Need};

/// The platform's routes.
#[derive(Debug, Clone, Default)]
pub struct Routes {
    paths: matchit::Router<usize>,
    declared: Vec<Path>,
}

#[derive(Debug, Clone)]
struct Path {
    pattern: String,
    methods: Vec<(String, Need)>,
}

/// The route of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found<'p> {
    /// What it needs.
    pub need: Need,
    /// The account that the path names as the owner, where the pattern has `{account}`.
    pub account: Option<&'p str>,
    /// The place of its pattern, for [`Routes::pattern`].
    pub place: u16,
}

impl Routes {
    /// Adds a route; the error says what is wrong with it.
    pub(super) fn add(&mut self, method: &str, pattern: &str, need: Need) -> Result<(), String> {
        let known = self.declared.iter_mut().find(|path| path.pattern == pattern);
        let path = if let Some(path) = known {
            path
        } else {
            self.paths
                .insert(pattern, self.declared.len())
                .map_err(|error| format!("`{pattern}` can't be a route: {error}"))?;
            self.declared.push(Path { pattern: pattern.to_owned(), methods: Vec::new() });
            self.declared.last_mut().ok_or("unreachable: a path was just added")?
        };
        if path.methods.iter().any(|(declared, _)| declared == method) {
            return Err(format!("`{method} {pattern}` is declared twice"));
        }
        path.methods.push((method.to_owned(), need));
        Ok(())
    }

    /// Finds a request's route; `None` if no list names it. `HEAD` is `GET` without its body.
    pub fn find<'p>(&self, method: &str, path: &'p str) -> Option<Found<'p>> {
        let found = self.paths.at(path).ok()?;
        let declared = self.declared.get(*found.value)?;
        let method = if method == "HEAD" { "GET" } else { method };
        let (_, need) = declared.methods.iter().find(|(known, _)| known == method)?;
        let place = u16::try_from(*found.value).ok()?;
        Some(Found { need: *need, account: found.params.get("account"), place })
    }

    /// The pattern at a place.
    pub fn pattern(&self, place: u16) -> Option<&str> {
        self.declared.get(usize::from(place)).map(|path| path.pattern.as_str())
    }

    /// Every route: method, pattern, what it needs.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, Need)> {
        self.declared.iter().flat_map(|path| {
            path.methods
                .iter()
                .map(|(method, need)| (method.as_str(), path.pattern.as_str(), *need))
        })
    }
}

/// Reads `GET /v2/invoices/{id} = invoices:read` into its four words.
pub(super) fn parse(text: &str) -> Option<(&str, &str, &str, Action)> {
    let (route, access) = text.split_once('=')?;
    let (method, path) = route.trim().split_once(' ')?;
    let (resource, action) = access.trim().split_once(':')?;
    let is_method = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase());
    let action = Action::parse(action)?;
    (is_method && path.starts_with('/')).then_some((method, path.trim(), resource, action))
}

/// Whether every reader of a path takes it for the same path: no empty or dotted segments (with
/// parameters after a `;` neither), no encoded slashes or dots, no backslash, no fragment, nothing
/// invisible.
pub fn is_canonical(path: &str) -> bool {
    let bytes = path.as_bytes();
    if bytes.first() != Some(&b'/') {
        return false;
    }
    for (at, byte) in bytes.iter().enumerate() {
        let rest = &bytes[at..];
        let odd = match byte {
            b'/' => {
                let segment = &rest[1..];
                let end = segment.iter().position(|byte| *byte == b'/').unwrap_or(segment.len());
                let name = segment[..end].split(|byte| *byte == b';').next().unwrap_or_default();
                // The last segment may be empty: a trailing slash is a different, honest path.
                (end == 0 && end < segment.len()) || matches!(name, b"." | b"..")
            }
            b'\\' | b'#' | 0..=32 | 127.. => true,
            b'%' => match rest.get(1..3) {
                Some(hex) => matches!(
                    &[hex[0].to_ascii_lowercase(), hex[1].to_ascii_lowercase()],
                    b"2f" | b"2e" | b"5c" | b"00" | b"25"
                ),
                None => true,
            },
            _ => false,
        };
        if odd {
            return false;
        }
    }
    true
}
