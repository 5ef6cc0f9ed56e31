//! The declared shape of a credential string: parsed once, then used to make and to read.

use crate::check::{CHECK_CHARS, check_characters, random_characters};
use crate::entropy::Entropy;
use crate::text::SecretText;

/// The two environments every platform has. A hard partition: nothing crosses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Environment {
    /// The sandbox.
    Test,
    /// Production.
    Live,
}

impl Environment {
    /// Both, in the order in which pages show them.
    pub const ALL: [Self; 2] = [Self::Test, Self::Live];

    /// `test` or `live`: the word in JSON, SQL and code.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Live => "live",
        }
    }

    /// Reads `test` or `live`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|environment| environment.as_str() == text)
    }
}

/// The shape of a string: literal text and environment word, then random characters to the end.
#[derive(Debug, Clone)]
pub struct Template {
    pattern: String,
    prefixes: [String; 2],
    random: usize,
}

/// Why a pattern is not a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A placeholder nobody knows.
    #[error("`{{{0}}}` is not a placeholder; there are `{{environment}}` and `{{random:N}}`")]
    UnknownPlaceholder(String),
    /// A brace without its partner.
    #[error("a `{{` has no closing `}}`")]
    Unclosed,
    /// A character that Basic, URLs or shells would mangle.
    #[error("`{0}` is not allowed in a credential; use letters, digits and `_`")]
    Character(char),
    /// No random part, more than one, or text after it.
    #[error("a format has exactly one `{{random:N}}`, at its end")]
    RandomPlace,
    /// Too short to be unguessable, or longer than a header should be.
    #[error("`{{random:{0}}}` is out of bounds; N is from {min} to {max}", min = RANDOM_MIN, max = RANDOM_MAX)]
    RandomLength(usize),
}

/// 22 base62 characters carry 131 bits; six more are the check.
const RANDOM_MIN: usize = 22 + CHECK_CHARS;
/// Beyond this there is nothing to gain, and headers grow.
const RANDOM_MAX: usize = 128;
/// Public ids only need to be unlikely to repeat: ten characters (59 bits) beside the check.
const PUBLIC_RANDOM_MIN: usize = 10 + CHECK_CHARS;

/// Why a presented string is not one of this template's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Does not begin as this template's strings do.
    #[error("it does not start like a credential of this kind")]
    Prefix,
    /// Too short or too long: cut off, or with something attached.
    #[error("it has the wrong length")]
    Length,
    /// A character outside `[A-Za-z0-9]` in the random part.
    #[error("it holds a character that no credential has")]
    Character,
    /// The check characters do not fit: mistyped or made up.
    #[error("its check characters are wrong; it was mistyped or cut")]
    Check,
}

impl Template {
    /// Reads a pattern such as `sk_{environment}_{random:32}` for a secret (at least 128 bits).
    pub fn secret(pattern: &str, words: [&str; 2]) -> Result<Self, TemplateError> {
        Self::compile(pattern, words, RANDOM_MIN)
    }

    /// Reads a pattern for a public id, which needs fewer random characters.
    pub fn public_id(pattern: &str, words: [&str; 2]) -> Result<Self, TemplateError> {
        Self::compile(pattern, words, PUBLIC_RANDOM_MIN)
    }

    fn compile(pattern: &str, words: [&str; 2], min: usize) -> Result<Self, TemplateError> {
        let mut prefixes = [String::new(), String::new()];
        let mut random = None;
        let mut rest = pattern;
        while !rest.is_empty() {
            if random.is_some() {
                return Err(TemplateError::RandomPlace);
            }
            let Some(inside) = rest.strip_prefix('{') else {
                let end = rest.find('{').unwrap_or(rest.len());
                prefixes.iter_mut().for_each(|prefix| prefix.push_str(&rest[..end]));
                rest = &rest[end..];
                continue;
            };
            let end = inside.find('}').ok_or(TemplateError::Unclosed)?;
            let placeholder = &inside[..end];
            rest = &inside[end + 1..];
            if placeholder == "environment" {
                for (prefix, word) in prefixes.iter_mut().zip(words) {
                    prefix.push_str(word);
                }
            } else if let Some(count) = placeholder.strip_prefix("random:") {
                let count = count.parse().map_err(|_| TemplateError::RandomLength(0))?;
                if !(min..=RANDOM_MAX).contains(&count) {
                    return Err(TemplateError::RandomLength(count));
                }
                random = Some(count);
            } else {
                return Err(TemplateError::UnknownPlaceholder(placeholder.to_owned()));
            }
        }
        let odd = |c: &char| !(c.is_ascii_alphanumeric() || *c == '_');
        if let Some(character) = prefixes.iter().flat_map(|prefix| prefix.chars()).find(odd) {
            return Err(TemplateError::Character(character));
        }
        let random = random.ok_or(TemplateError::RandomPlace)?;
        Ok(Self { pattern: pattern.to_owned(), prefixes, random })
    }

    /// The pattern as the scheme wrote it.
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// Everything before the random part.
    pub fn prefix(&self, environment: Environment) -> &str {
        &self.prefixes[environment as usize]
    }

    /// Whether the prefix tells the environment apart.
    pub fn names_environment(&self) -> bool {
        self.prefixes[0] != self.prefixes[1]
    }

    /// Length of every string of this template in the environment.
    pub fn length(&self, environment: Environment) -> usize {
        self.prefix(environment).len() + self.random
    }

    /// Draws a new string.
    pub fn generate(&self, environment: Environment, entropy: &mut dyn Entropy) -> SecretText {
        let mut text = Vec::with_capacity(self.length(environment));
        text.extend_from_slice(self.prefix(environment).as_bytes());
        let drawn = zeroize::Zeroizing::new(random_characters(self.random - CHECK_CHARS, entropy));
        text.extend_from_slice(&drawn);
        text.extend_from_slice(&check_characters(&text));
        SecretText::new(String::from_utf8(text).expect("a template is ASCII"))
    }

    /// Whether the string looks like one of this template's, leaving its check aside.
    /// Cheap: the verification path calls it for every request.
    pub fn recognises(&self, text: &str) -> Result<Environment, ParseError> {
        let mut begins = Environment::ALL
            .into_iter()
            .filter(|one| text.starts_with(self.prefix(*one)))
            .peekable();
        if begins.peek().is_none() {
            return Err(ParseError::Prefix);
        }
        // One environment's word may begin like the other's: then the length tells them apart.
        let environment =
            begins.find(|one| text.len() == self.length(*one)).ok_or(ParseError::Length)?;
        let random = &text.as_bytes()[self.prefix(environment).len()..];
        if !random.iter().all(u8::is_ascii_alphanumeric) {
            return Err(ParseError::Character);
        }
        Ok(environment)
    }

    /// Reads a string completely, its check characters included.
    pub fn parse(&self, text: &str) -> Result<Environment, ParseError> {
        let environment = self.recognises(text)?;
        let (before, check) = text.as_bytes().split_at(text.len() - CHECK_CHARS);
        if check_characters(before) != check {
            return Err(ParseError::Check);
        }
        Ok(environment)
    }
}
