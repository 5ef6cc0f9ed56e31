//! A JSON object of which some entries are ours; the others stay as they are, to the byte.

use std::collections::BTreeMap;

use keyway_secret::SecretText;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::Trouble;

/// Longer than any name that somebody would type.
const NAME_CHARS_MAX: usize = 100;

/// The names after the `#`.
pub(super) fn names(text: &str) -> Result<Vec<String>, String> {
    let names: Vec<String> = text.split(',').map(str::to_owned).collect();
    let is_name = |name: &String| {
        (1..=NAME_CHARS_MAX).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
    };
    if names.len() > 2 || !names.iter().all(is_name) {
        return Err("after the # stand one or two names of letters, digits, _ - and .".to_owned());
    }
    if names.len() == 2 && names[0] == names[1] {
        return Err(format!("`{}` is named twice", names[0]));
    }
    Ok(names)
}

/// The object, its values as they were read.
#[derive(Default, Deserialize, Serialize)]
#[serde(transparent)]
pub(super) struct Entries(BTreeMap<String, Box<RawValue>>);

impl Entries {
    /// The text under each name.
    pub(super) fn texts(&self, names: &[String]) -> Vec<Option<SecretText>> {
        let text = |name| {
            let raw = self.0.get(name)?;
            serde_json::from_str::<String>(raw.get()).ok().map(SecretText::new)
        };
        names.iter().map(text).collect()
    }

    /// Whether each text is under its name already.
    pub(super) fn hold(&self, names: &[String], texts: &[SecretText]) -> bool {
        self.texts(names).iter().map(Option::as_ref).eq(texts.iter().map(Some))
    }

    /// Puts each text under its name.
    pub(super) fn put(&mut self, names: &[String], texts: &[SecretText]) -> Result<(), Trouble> {
        for (name, text) in names.iter().zip(texts) {
            let raw = to_raw_value(text.reveal()).map_err(Trouble::lasting)?;
            self.0.insert(name.clone(), raw);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_ours_stays_as_it_was_written() {
        let held = r#"{"big":12345678901234567890123,"e":1.50e400,"list":[1, "é"],"key":"old"}"#;
        let mut entries: Entries = serde_json::from_str(held).unwrap();
        let names = vec!["key".to_owned()];
        entries.put(&names, &[SecretText::new("new".to_owned())]).unwrap();
        let written = serde_json::to_string(&entries).unwrap();
        let new = r#"{"big":12345678901234567890123,"e":1.50e400,"key":"new","list":[1, "é"]}"#;
        assert_eq!(written, new);
        assert!(entries.hold(&names, &[SecretText::new("new".to_owned())]));
        assert!(!entries.hold(&names, &[SecretText::new("old".to_owned())]));
    }

    #[test]
    fn names_are_one_or_two_and_differ() {
        assert_eq!(names("API_KEY").unwrap(), ["API_KEY"]);
        assert_eq!(names("id,secret").unwrap(), ["id", "secret"]);
        for wrong in ["", "a,", "a,a", "a,b,c", "a b", "é"] {
            assert!(names(wrong).is_err(), "{wrong}");
        }
    }
}
