//! The parameters of a call: a form (RFC 6749 §3.2), or JSON, which one client sends.

use std::fmt;

use http::header::CONTENT_TYPE;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::{Call, Refused};
use crate::codes::OAuthError;

/// Parameters at most: the calls have five.
const PARAMS_MAX: usize = 32;

/// The parameters, each there once. Wiped when dropped.
pub(super) struct Params(Vec<(String, Zeroizing<String>)>);

impl Params {
    /// Reads the body. What is in the URL is never read: it would be in logs.
    pub(super) fn read(call: &Call) -> Result<Self, Refused> {
        let kind = call.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
        let params = if kind.eq_ignore_ascii_case("application/json") {
            serde_json::from_slice::<Pairs>(&call.body)
                .map_err(|_| {
                    Refused::new(OAuthError::InvalidRequest, "the body is no object of strings")
                })?
                .0
        } else if kind.is_empty() || kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
        {
            form_urlencoded::parse(&call.body)
                .take(PARAMS_MAX + 1)
                .map(|(name, value)| (name.into_owned(), Zeroizing::new(value.into_owned())))
                .collect()
        } else {
            return Err(Refused::new(OAuthError::InvalidRequest, "the body is a form"));
        };
        if params.len() > PARAMS_MAX {
            return Err(Refused::new(OAuthError::InvalidRequest, "there are too many parameters"));
        }
        for (place, (name, _)) in params.iter().enumerate() {
            if params[..place].iter().any(|(before, _)| before == name) {
                return Err(Refused::new(OAuthError::InvalidRequest, "a parameter is there twice"));
            }
        }
        Ok(Self(params))
    }

    /// A parameter. One without a value counts as not there (RFC 6749 §3.2).
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(param, _)| param == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }
}

/// An object of strings, doubled names and all.
struct Pairs(Vec<(String, Zeroizing<String>)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, String>()? {
                    pairs.push((name, Zeroizing::new(value)));
                    if pairs.len() > PARAMS_MAX {
                        break;
                    }
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(Reader)
    }
}
