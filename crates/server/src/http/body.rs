//! Bodies of the management API: bounded, JSON, no unknown field, every complaint with its field.

use std::borrow::Cow;
use std::marker::PhantomData;

use ipnet::IpNet;
use keyway_domain::Environment;
use keyway_domain::actor::{Role, StepUp};
use keyway_domain::credential::{AddressMode, RateLimit};
use keyway_domain::grant::Grant;
use keyway_domain::limits;
use keyway_domain::scheme::Scheme;
use keyway_domain::time::{Time, parse_duration};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::openapi::shapes as shape;
use super::problem::Problem;
use crate::codes::Code;

/// Reads a body. An empty one reads as `{}`.
pub fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let body = if body.is_empty() { b"{}" } else { body };
    if depth(body) > limits::JSON_DEPTH_MAX {
        let detail = format!("the JSON is nested more than {} deep", limits::JSON_DEPTH_MAX);
        return Err(Problem::new(Code::JsonTooDeep, detail));
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let read = serde_path_to_error::deserialize(&mut json);
    let Object(value) = read.map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        match inner.classify() {
            serde_json::error::Category::Data => {
                let said = inner.to_string();
                let message = said.split(" at line ").next().unwrap_or_default();
                let named = message.split('`').nth(1).filter(|_| {
                    message.starts_with("unknown field") || message.starts_with("missing field")
                });
                let field = match (path.as_str(), named) {
                    (".", Some(named)) => named.to_owned(),
                    (".", None) => String::new(),
                    (path, Some(named)) if !path.ends_with(named) => format!("{path}.{named}"),
                    (path, _) => path.to_owned(),
                };
                Problem::invalid(field, message)
            }
            _ => not_json(&inner),
        }
    })?;
    json.end().map_err(|error| not_json(&error))?;
    Ok(value)
}

/// What must be an object. Serde by itself takes a list for a struct, too: its fields in their order.
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }

        deserializer.deserialize_map(Fields(PhantomData))
    }
}

/// Reads a field that may be an object.
pub(super) fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let read = Option::<Object<T>>::deserialize(deserializer)?;
    Ok(read.map(|Object(value)| value))
}

/// Reads a field that is a list of objects.
pub(super) fn objects<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let read = Vec::<Object<T>>::deserialize(deserializer)?;
    Ok(read.into_iter().map(|Object(value)| value).collect())
}

fn not_json(error: &serde_json::Error) -> Problem {
    let place = format!("line {}, column {}", error.line(), error.column());
    Problem::new(Code::NotJson, format!("the body is not JSON: see {place}"))
}

/// How deep a JSON text nests, found without building anything.
fn depth(text: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// The member for whom the platform's own backend acts. Without it the operator acts himself.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OnBehalfOf {
    /// Who, as the platform names him.
    #[schemars(with = "shape::MemberName")]
    pub member: String,
    /// His role in the account.
    #[schemars(with = "shape::RoleName")]
    pub role: Role,
    /// The proof he gave to the platform for this act.
    #[serde(default)]
    #[schemars(with = "Option<shape::StepUpName>")]
    pub step_up: Option<StepUp>,
}

/// A rate limit.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[schemars(rename = "WantedRateLimit")]
#[serde(deny_unknown_fields)]
pub struct RateBody {
    /// Requests a window.
    #[schemars(range(min = 1, max = limits::RATE_REQUESTS_MAX))]
    pub requests: u32,
    /// The window in seconds.
    #[schemars(range(min = 1, max = 86_400))]
    pub window_seconds: u32,
}

impl RateBody {
    /// The limit, within its bounds.
    pub fn checked(self) -> Result<RateLimit, Problem> {
        if !(1..=limits::RATE_REQUESTS_MAX).contains(&self.requests) {
            return Err(Problem::invalid("rate_limit.requests", "from 1 to 1,000,000"));
        }
        if !(1..=86_400).contains(&self.window_seconds) {
            return Err(Problem::invalid("rate_limit.window_seconds", "from 1 to 86,400"));
        }
        Ok(RateLimit { requests: self.requests, window_ms: self.window_seconds * 1000 })
    }
}

/// A wanted grant: `"everything"`, a list of scopes, or resource → access.
#[derive(Debug, Clone)]
pub enum GrantBody {
    /// All there is.
    Everything,
    /// Resource or group, and the words for access to it.
    Entries(Vec<(String, Vec<String>)>),
}

impl GrantBody {
    /// The grant in the scheme's terms.
    pub fn resolve(&self, scheme: &Scheme) -> Result<Grant, Problem> {
        match self {
            Self::Everything => Ok(Grant::Everything),
            Self::Entries(entries) => {
                let entries = entries.iter().map(|(name, access)| {
                    (name.as_str(), access.iter().map(String::as_str).collect())
                });
                scheme.grant(entries).map_err(|error| Problem::invalid("grant", error.to_string()))
            }
        }
    }
}

impl JsonSchema for GrantBody {
    fn schema_name() -> Cow<'static, str> {
        shape::WantedGrant::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        shape::WantedGrant::json_schema(generator)
    }
}

impl<'de> Deserialize<'de> for GrantBody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(GrantVisitor)
    }
}

struct GrantVisitor;

impl<'de> Visitor<'de> for GrantVisitor {
    type Value = GrantBody;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(
            "\"everything\", a list like [\"invoices:read\"], or a map like {\"invoices\": \"read\"}",
        )
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<GrantBody, E> {
        if text == "everything" {
            Ok(GrantBody::Everything)
        } else {
            Err(E::invalid_value(serde::de::Unexpected::Str(text), &self))
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<GrantBody, A::Error> {
        let mut entries: Vec<(String, Vec<String>)> = Vec::new();
        while let Some(scope) = seq.next_element::<String>()? {
            let (resource, access) = scope.split_once(':').ok_or_else(|| {
                A::Error::custom(format!("`{scope}` is no scope; write `invoices:read`"))
            })?;
            let known = entries.iter_mut().find(|(name, _)| name == resource);
            match known {
                Some((_, words)) if words.iter().any(|word| word == access) => {
                    return Err(A::Error::custom(format!("`{scope}` is named twice")));
                }
                Some((_, words)) => words.push(access.to_owned()),
                None => entries.push((resource.to_owned(), vec![access.to_owned()])),
            }
        }
        Ok(GrantBody::Entries(entries))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<GrantBody, A::Error> {
        let mut entries: Vec<(String, Vec<String>)> = Vec::new();
        while let Some(resource) = map.next_key::<String>()? {
            if entries.iter().any(|(name, _)| *name == resource) {
                return Err(A::Error::custom(format!("`{resource}` is named twice")));
            }
            let OneOrMore(access) = map.next_value()?;
            entries.push((resource, access));
        }
        let is_all = entries.len() == 1 && entries[0].0 == "*";
        Ok(if is_all { GrantBody::Everything } else { GrantBody::Entries(entries) })
    }
}

/// A word, or a list of words.
struct OneOrMore(Vec<String>);

impl<'de> Deserialize<'de> for OneOrMore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            One(String),
            More(Vec<String>),
        }
        Ok(Self(match Either::deserialize(deserializer)? {
            Either::One(word) => vec![word],
            Either::More(words) => words,
        }))
    }
}

/// Reads `test` or `live`.
pub fn environment(text: &str) -> Result<Environment, Problem> {
    Environment::parse(text)
        .ok_or_else(|| Problem::invalid("environment", "it is `test` or `live`"))
}

/// Reads an instant (`2026-12-31T00:00:00Z`) or a date, which means 00:00:00Z at its start.
pub fn expiry(text: &str) -> Result<Time, Problem> {
    Time::parse_date(text).or_else(|| Time::parse(text)).ok_or_else(|| {
        let message = format!(
            "`{text}` is no date; write `2026-12-31`, or an instant such as `2026-12-31T00:00:00Z`"
        );
        Problem::invalid("expires_at", message)
    })
}

/// Reads a duration such as `15m`.
pub fn duration(field: &str, text: &str) -> Result<i64, Problem> {
    parse_duration(text).ok_or_else(|| {
        Problem::invalid(
            field,
            format!("`{text}` is no duration; write `0s`, `15m`, `24h` or `7d`"),
        )
    })
}

/// Reads what an address list does.
pub fn address_mode(text: &str) -> Result<AddressMode, Problem> {
    AddressMode::parse(text)
        .ok_or_else(|| Problem::invalid("address_mode", "`enforce` or `report`"))
}

/// Reads an address list: single addresses and CIDR ranges, IPv4 and IPv6.
pub fn addresses(list: &[String]) -> Result<Vec<IpNet>, Problem> {
    if list.len() > limits::ADDRESSES_MAX {
        let message = format!("at most {} ranges", limits::ADDRESSES_MAX);
        return Err(Problem::invalid("addresses", message));
    }
    let mut ranges = Vec::with_capacity(list.len());
    for (place, text) in list.iter().enumerate() {
        let range = text
            .parse::<IpNet>()
            .or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from))
            .map(|range| range.trunc());
        let field = format!("addresses[{place}]");
        let Ok(range) = range else {
            let message = format!("`{text}` is no address; write `203.0.113.7` or `2001:db8::/32`");
            return Err(Problem::invalid(field, message));
        };
        if ranges.contains(&range) {
            return Err(Problem::invalid(field, format!("`{text}` is named twice")));
        }
        ranges.push(range);
    }
    Ok(ranges)
}
