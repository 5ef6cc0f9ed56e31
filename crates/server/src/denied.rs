//! What the operator of this machine denies: credentials that this process accepts no more, whatever
//! the database says or while it says nothing.
//!
//! A file in the data folder, a line for each: the credential, when it was denied, and a seal by the
//! root key, so that nobody else who can write there denies or allows anything.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use keyway_domain::id::CredentialId;
use keyway_domain::time::Time;
use keyway_secret::RowSealer;

use crate::commands::sessions::hex;

/// The largest file that is read: about ten thousand lines.
const BYTES_MAX: u64 = 1 << 20;

/// What is denied here.
#[derive(Default)]
pub struct Denied {
    path: Option<PathBuf>,
    known: Mutex<HashSet<CredentialId>>,
}

impl Denied {
    /// What a file says; without one, nothing is ever denied.
    pub fn in_file(path: Option<PathBuf>) -> Self {
        Self { path, known: Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, HashSet<CredentialId>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a credential is denied.
    pub fn holds(&self, id: CredentialId) -> bool {
        self.known().contains(&id)
    }

    /// Reads the file again; what is denied now and was not before, and the other way round. A file
    /// that can't be read denies what it denied before.
    pub fn look(&self, seals: &RowSealer) -> (Vec<CredentialId>, Vec<CredentialId>) {
        let Some(path) = &self.path else { return (Vec::new(), Vec::new()) };
        let now = match read(path, seals) {
            Ok(now) => now,
            Err(error) => {
                tracing::error!(file = %path.display(), %error, "the denied can't be read");
                return (Vec::new(), Vec::new());
            }
        };
        let mut known = self.known();
        let added = now.difference(&known).copied().collect();
        let gone = known.difference(&now).copied().collect();
        *known = now;
        (added, gone)
    }
}

fn read(path: &Path, seals: &RowSealer) -> std::io::Result<HashSet<CredentialId>> {
    let length = match std::fs::metadata(path) {
        Ok(found) => found.len(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(HashSet::new()),
        Err(error) => return Err(error),
    };
    if length > BYTES_MAX {
        return Err(std::io::Error::other(format!("it has more than {BYTES_MAX} bytes")));
    }
    let text = std::fs::read_to_string(path)?;
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(lines
        .filter_map(|line| {
            let found = parse(line, seals);
            if found.is_none() {
                tracing::error!(file = %path.display(), "a line is not of `keyway deny`");
            }
            found
        })
        .collect())
}

fn parse(line: &str, seals: &RowSealer) -> Option<CredentialId> {
    let mut words = line.split_ascii_whitespace();
    let (id, at, seal) = (words.next()?, words.next()?, words.next()?);
    let (id, at) = (CredentialId::parse(id)?, Time::parse(at)?);
    (sealed_line(seals, id, at) == format!("{id} {at} {seal}")).then_some(id)
}

/// The line that denies a credential.
pub fn sealed_line(seals: &RowSealer, id: CredentialId, at: Time) -> String {
    let seal = seals.seal(format!("denied {id} {at}").as_bytes());
    format!("{id} {at} {}", hex(&seal.0))
}
