//! What a form sends, or a link fills in: plain values, and secrets apart from them.

use std::collections::HashMap;

use keyway_domain::limits::PASSWORD_BYTES_MAX;
use keyway_secret::SecretText;
use zeroize::Zeroize as _;

/// Fields of one form.
const FIELDS_MAX: usize = 512;
/// Names whose values are never kept, shown again or put into a draft.
const SECRETS: [&str; 3] = ["password", "current", "code"];
/// Names that say which form this is, and nothing of what was typed.
const MARKS: [&str; 3] = ["csrf", "once", "kept"];
/// Characters of what is looked for.
const SEARCHED_CHARS_MAX: usize = 100;
/// Names that may come more than once.
const LISTS: [&str; 3] = ["id", "scope", "event"];

/// The fields of a form.
#[derive(Default, Clone)]
pub(crate) struct Fields {
    plain: Vec<(String, String)>,
    secrets: HashMap<&'static str, SecretText>,
}

impl Fields {
    /// Reads `application/x-www-form-urlencoded`; the error is a sentence.
    pub(crate) fn read(text: &str) -> Result<Self, &'static str> {
        let mut fields = Self::default();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            if fields.plain.len() >= FIELDS_MAX {
                return Err("The form has too many fields.");
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decoded(name), decoded(value));
            let (Some(name), Some(mut value)) = (name, value) else {
                return Err("The form is not UTF-8.");
            };
            if let Some(secret) = SECRETS.into_iter().find(|secret| *secret == name) {
                let too_long = value.len() > PASSWORD_BYTES_MAX;
                let kept = if too_long { String::new() } else { value.clone() };
                value.zeroize();
                if too_long {
                    return Err("A password has at most 1,024 bytes.");
                }
                if fields.secrets.insert(secret, SecretText::new(kept)).is_some() {
                    return Err("The form has a field twice.");
                }
                continue;
            }
            let is_list = LISTS.contains(&name.as_str());
            if !is_list && fields.plain.iter().any(|(known, _)| *known == name) {
                return Err("The form has a field twice.");
            }
            fields.plain.push((name, value));
        }
        Ok(fields)
    }

    /// A field; empty if it is not there.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.plain.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// What somebody looks for: short, on one line, without what no text has (a database of texts
    /// refuses a NUL).
    pub(crate) fn searched(&self, name: &str) -> String {
        let text = self.text(name).chars().filter(|c| !c.is_control());
        text.collect::<String>().trim().chars().take(SEARCHED_CHARS_MAX).collect()
    }

    /// A field, if it is there and not empty.
    pub(crate) fn given(&self, name: &str) -> Option<&str> {
        Some(self.text(name)).filter(|value| !value.is_empty())
    }

    /// Whether there is such a field.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.plain.iter().any(|(known, _)| known == name)
    }

    /// Every value of a field that may come more than once.
    pub(crate) fn all<'f>(&'f self, name: &'f str) -> impl Iterator<Item = &'f str> {
        self.plain.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A password or a code, if one was typed.
    pub(crate) fn secret(&self, name: &str) -> Option<&SecretText> {
        self.secrets.get(name).filter(|secret| !secret.reveal().is_empty())
    }

    /// What was typed, without secrets and marks.
    pub(crate) fn typed(&self) -> impl Iterator<Item = (&str, &str)> {
        self.plain
            .iter()
            .filter(|(name, _)| !MARKS.contains(&name.as_str()))
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Fields that are filled in beforehand.
    pub(crate) fn filled(plain: Vec<(String, String)>) -> Self {
        Self { plain, secrets: HashMap::new() }
    }

    /// Gives a field another value.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.plain.retain(|(known, _)| known != name);
        self.plain.push((name.to_owned(), value.into()));
    }
}

/// Undoes `+` and `%XX`; `None` if what comes out is not UTF-8.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (high, low) = (digit(rest.next())?, digit(rest.next())?);
                u8::try_from(high * 16 + low).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

/// Writes a query of what is not empty.
pub(crate) fn query<'v>(parts: impl IntoIterator<Item = (&'v str, &'v str)>) -> String {
    let given = parts.into_iter().filter(|(_, value)| !value.is_empty());
    given.map(|(name, value)| format!("{name}={}", encoded(value))).collect::<Vec<_>>().join("&")
}

/// Writes a value for a query.
pub(crate) fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
