//! What a body may hold: each collection lists its fields, and only those are kept.

use serde_json::{Map, Value, json};

use crate::refusal::Refusal;

const TEXT_CHARS_MAX: usize = 1_000;
/// Above every real payment, and far below where a double loses cents.
const AMOUNT_MAX: f64 = 1e12;

/// One field of a body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
}

/// What a field's value must be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Text,
    /// A whole number of the smallest unit.
    WholeAmount,
    /// A number with at most two decimals.
    Amount,
    /// As `Amount`, or the same as text.
    AmountOrText,
    Currency,
    Country,
    Email,
    HttpUrl,
    HttpsUrl,
    Flag,
    Object,
    List,
    Any,
    /// A payment card; its number is masked before anything is kept, its code is dropped.
    Card,
}

/// A field that must be there.
pub(crate) const fn required(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, required: true }
}

/// A field that may be there.
pub(crate) const fn optional(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, required: false }
}

/// Reads a whole object: what is listed is checked and kept, anything else is dropped.
pub(crate) fn read(
    fields: &[Field],
    body: &Map<String, Value>,
) -> Result<Map<String, Value>, Refusal> {
    if let Some(missing) = fields.iter().find(|field| field.required && absent(body, field.name)) {
        return Err(Refusal::invalid(missing.name, "is required"));
    }
    read_some(fields, body)
}

/// Reads the changes to an object: any of its fields, none of them required.
pub(crate) fn read_changes(
    fields: &[Field],
    body: &Map<String, Value>,
) -> Result<Map<String, Value>, Refusal> {
    let changes = read_some(fields, body)?;
    if changes.is_empty() {
        return Err(Refusal::invalid("body", "holds no field that can be changed"));
    }
    Ok(changes)
}

/// The amount in hundredths.
pub(crate) fn hundredths(amount: &Value) -> Option<i64> {
    let amount = match amount {
        Value::String(text) => text.parse::<f64>().ok()?,
        number => number.as_f64()?,
    };
    let scaled = (amount * 100.0).round();
    let exact = (scaled - amount * 100.0).abs() < 0.05;
    #[expect(clippy::cast_possible_truncation, reason = "at most AMOUNT_MAX times a hundred")]
    (exact && amount > 0.0 && amount <= AMOUNT_MAX).then_some(scaled as i64)
}

fn absent(body: &Map<String, Value>, name: &str) -> bool {
    body.get(name).is_none_or(Value::is_null)
}

fn read_some(fields: &[Field], body: &Map<String, Value>) -> Result<Map<String, Value>, Refusal> {
    let mut kept = Map::new();
    for field in fields {
        let Some(value) = body.get(field.name).filter(|value| !value.is_null()) else { continue };
        let value = field.kind.read(value).map_err(|why| Refusal::invalid(field.name, why))?;
        kept.insert(field.name.to_owned(), value);
    }
    Ok(kept)
}

impl Kind {
    /// The value as it is kept, or why it cannot be.
    fn read(self, value: &Value) -> Result<Value, &'static str> {
        let accepted = match self {
            Self::Card => return mask_card(value),
            Self::Text => text(value).is_some(),
            Self::WholeAmount => value.is_u64() && hundredths(value).is_some(),
            Self::Amount => value.is_number() && hundredths(value).is_some(),
            Self::AmountOrText => hundredths(value).is_some(),
            Self::Currency => is_letters(value, 3),
            Self::Country => is_letters(value, 2),
            Self::Email => text(value).is_some_and(is_email),
            Self::HttpUrl => text(value).is_some_and(|url| has_host(url, &["http", "https"])),
            Self::HttpsUrl => text(value).is_some_and(|url| has_host(url, &["https"])),
            Self::Flag => value.is_boolean(),
            Self::Object => value.is_object(),
            Self::List => value.is_array(),
            Self::Any => true,
        };
        if accepted { Ok(value.clone()) } else { Err(self.expectation()) }
    }

    fn expectation(self) -> &'static str {
        match self {
            Self::Text => "must be text of 1 to 1000 characters",
            Self::WholeAmount => "must be a whole number above 0",
            Self::Amount => "must be a number above 0 with at most two decimals",
            Self::AmountOrText => "must be an amount above 0 with at most two decimals",
            Self::Currency => "must be three capital letters",
            Self::Country => "must be two capital letters",
            Self::Email => "must be an email address",
            Self::HttpUrl => "must be an http or https URL",
            Self::HttpsUrl => "must be an https URL",
            Self::Flag => "must be true or false",
            Self::Object => "must be an object",
            Self::List => "must be a list",
            Self::Any => "must be given",
            Self::Card => "must hold an account_number of 12 to 19 digits",
        }
    }
}

fn text(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty() && text.chars().count() <= TEXT_CHARS_MAX)
}

fn is_letters(value: &Value, count: usize) -> bool {
    value.as_str().is_some_and(|text| {
        text.len() == count && text.bytes().all(|byte| byte.is_ascii_uppercase())
    })
}

fn is_email(text: &str) -> bool {
    text.split_once('@').is_some_and(|(name, host)| {
        !name.is_empty() && host.contains('.') && !host.contains('@') && !text.contains(' ')
    })
}

fn has_host(url: &str, schemes: &[&str]) -> bool {
    let Ok(url) = url.parse::<http::Uri>() else { return false };
    url.host().is_some() && url.scheme_str().is_some_and(|scheme| schemes.contains(&scheme))
}

/// Keeps what a receipt may show: the first six digits and the last four.
fn mask_card(card: &Value) -> Result<Value, &'static str> {
    let number = card.get("account_number").and_then(Value::as_str).unwrap_or_default();
    if !(12..=19).contains(&number.len()) || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Kind::Card.expectation());
    }
    let hidden = "X".repeat(number.len() - 10);
    Ok(json!(format!("{}{hidden}{}", &number[..6], &number[number.len() - 4..])))
}
