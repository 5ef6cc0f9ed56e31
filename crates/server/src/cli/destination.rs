//! Where the strings of a new secret go instead of the terminal: an environment file or a secret
//! manager (X15).
//!
//! A destination is looked at before anything is made ([`Destination::open`]), so that most of what
//! could go wrong does so while there is nothing to lose. Writing changes the named entries and
//! nothing else; what somebody else wrote in between is kept.

mod aws;
mod aws_access;
mod entries;
mod env_file;
mod https;
mod sigv4;
mod vault;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use keyway_secret::SecretText;
use serde_json::Value;

use super::Failure;

/// Where strings go, as it was typed.
#[derive(Debug, Clone)]
pub(crate) struct Destination {
    text: String,
    place: Place,
    /// What the strings are called there, if not as the scheme calls them.
    fields: Option<Vec<String>>,
}

#[derive(Debug, Clone)]
enum Place {
    File(PathBuf),
    Vault(String),
    Aws(String),
}

impl FromStr for Destination {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = "write env:FILE, vault:MOUNT/PATH or aws-sm:NAME";
        let (word, rest) = text.split_once(':').ok_or(known)?;
        if rest.is_empty() {
            return Err(known.to_owned());
        }
        if word == "env" {
            let place = Place::File(rest.into());
            return Ok(Self { text: text.to_owned(), place, fields: None });
        }
        let (name, fields) = match rest.split_once('#') {
            Some((name, fields)) => (name, Some(entries::names(fields)?)),
            None => (rest, None),
        };
        let place = match word {
            "vault" => Place::Vault(vault::checked_path(name)?),
            "aws-sm" => Place::Aws(aws::checked_name(name)?),
            _ => return Err(known.to_owned()),
        };
        Ok(Self { text: text.to_owned(), place, fields })
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Destination {
    /// Looks whether the strings of a kind can be put there; changes nothing.
    ///
    /// `strings` is what the kind's secrets are made of, as `GET /v1/scheme` says it.
    pub(crate) async fn open(&self, strings: &Value) -> Result<Opened, Failure> {
        let strings = strings.as_array().map_or(&[][..], Vec::as_slice);
        let named = |what: &str| -> Vec<String> {
            strings.iter().filter_map(|one| Some(one[what].as_str()?.to_owned())).collect()
        };
        let fields = named("field");
        if let Some(given) = &self.fields
            && given.len() != fields.len()
        {
            return Err(Failure(format!(
                "{self}: name {} after the #, for {}",
                if fields.len() == 1 { "one field" } else { "two fields, as in #ID,SECRET" },
                fields.join(" and ")
            )));
        }
        let names = self.fields.clone().unwrap_or_else(|| fields.clone());
        let opened = match &self.place {
            Place::File(path) => env_file::open(path, named("variable")).map(Kept::File),
            Place::Vault(path) => vault::open(path, names).await.map(Kept::Vault),
            Place::Aws(name) => aws::open(name, names).await.map(Kept::Aws),
        };
        let kept = opened.map_err(|trouble| Failure(format!("{self}: {trouble}")))?;
        Ok(Opened { kept, fields })
    }
}

/// A destination that was looked at.
pub(crate) struct Opened {
    kept: Kept,
    fields: Vec<String>,
}

enum Kept {
    File(env_file::File),
    Vault(vault::Entry),
    Aws(aws::Secret),
}

/// What a try to write came to.
enum Tried {
    /// The strings are there.
    Written,
    /// Somebody else wrote in between; nothing was changed.
    Overtaken,
}

/// Why a destination was not read or written.
#[derive(Debug)]
enum Trouble {
    /// It may be over in a moment.
    Passing(String),
    /// It stays until somebody changes something.
    Lasting(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Passing(why) | Self::Lasting(why)) = self;
        f.write_str(why)
    }
}

impl Trouble {
    fn lasting(why: impl fmt::Display) -> Self {
        Self::Lasting(why.to_string())
    }
}

/// Between tries to write, in milliseconds: a restart or a leader's change is over by then.
const PAUSES_MS: [u64; 3] = [200, 1_000, 3_000];
/// More of them, where what is not written is lost.
const LONG_PAUSES_MS: [u64; 3] = [10_000, 20_000, 30_000];

/// How long a write is tried.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Some seconds: what was done can be undone.
    Short,
    /// A minute: it can't.
    Long,
}

impl Opened {
    /// Whether a credential's current strings are there, as far as can be told without knowing
    /// them: by the id, and by what may be shown of the secret.
    pub(crate) async fn holds(&self, credential: &Value) -> Result<bool, Failure> {
        let mut secrets = credential["secrets"].as_array().into_iter().flatten();
        let Some(current) = secrets.find(|one| one["state"] == "current") else {
            return Ok(false);
        };
        let id = current["public_id"].as_str().or_else(|| credential["client_id"].as_str());
        let held = match &self.kept {
            Kept::File(file) => file.held(),
            Kept::Vault(entry) => entry.held().await,
            Kept::Aws(entry) => entry.held().await,
        };
        let mut held = held.map_err(|trouble| Failure(trouble.to_string()))?;
        let text = held.pop().flatten();
        let fits = text.is_some_and(|text| current["hint"].as_str() == Some(&text.hint()));
        let id_fits = held
            .pop()
            .is_none_or(|held| held.is_some_and(|held| id.is_some_and(|id| id == held.reveal())));
        Ok(fits && id_fits)
    }

    /// Takes the strings out of an answer that shows them, and writes them.
    pub(crate) async fn write(&self, shown: &Value, patience: Patience) -> Result<(), Failure> {
        let text = |field: &String| Some(SecretText::new(shown[field].as_str()?.to_owned()));
        let texts: Option<Vec<_>> = self.fields.iter().map(text).collect();
        let texts = texts.ok_or_else(|| Failure("the server did not show the strings".into()))?;
        let mut pauses = PAUSES_MS.to_vec();
        if patience == Patience::Long {
            pauses.extend(LONG_PAUSES_MS);
        }
        let mut pauses = pauses.into_iter();
        loop {
            let tried = match &self.kept {
                Kept::File(file) => file.write(&texts),
                Kept::Vault(entry) => entry.write(&texts).await,
                Kept::Aws(entry) => entry.write(&texts).await,
            };
            let why = match tried {
                Ok(Tried::Written) => return Ok(()),
                Err(Trouble::Lasting(why)) => return Err(Failure(why)),
                Ok(Tried::Overtaken) => "others keep changing it at the same time".to_owned(),
                Err(Trouble::Passing(why)) => why,
            };
            let Some(pause_ms) = pauses.next() else { return Err(Failure(why)) };
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        }
    }
}

/// A setting of the manager's own tools, which people have already; nothing if it is empty.
fn setting(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "the names are those of the managers' own tools")]
    let value = std::env::var(name).ok();
    value.filter(|value| !value.is_empty())
}

/// A file in the home folder, for those that have one.
fn in_home(path: &str) -> Option<PathBuf> {
    setting("HOME").map(|home| PathBuf::from(home).join(path))
}
