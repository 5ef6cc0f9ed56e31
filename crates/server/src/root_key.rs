//! Where the root key comes from: the environment, a file, or a new file on the first run.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use keyway_secret::{OsEntropy, RootKey, RootKeyError};
use zeroize::Zeroizing;

/// Why there is no root key.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file can't be read or made.
    #[error("the root key file {path}: {error}")]
    File {
        /// Its path.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// Others may read the file.
    #[error(
        "the root key file {path} can be read by others (mode {mode:o}); run: chmod 600 {path}"
    )]
    Open {
        /// Its path.
        path: String,
        /// Its mode.
        mode: u32,
    },
    /// It holds something else.
    #[error("{from} does not hold a root key: {error}")]
    Content {
        /// Where it was read from.
        from: String,
        /// Why.
        error: RootKeyError,
    },
    /// The database is there, the key is not.
    #[error(
        "{path} is missing, but the database beside it exists; put the key file back (without it \
         nothing in the database can be verified)"
    )]
    Lost {
        /// Its path.
        path: String,
    },
}

/// The largest file that is read as a key.
const KEY_FILE_BYTES_MAX: u64 = 4_096;

/// Reads a key from the text of an environment variable.
pub fn from_environment(text: &str) -> Result<RootKey, Error> {
    let from = "KEYWAY_ROOT_KEY".to_owned();
    RootKey::parse(text).map_err(|error| Error::Content { from, error })
}

/// Reads the key file; makes it, readable by its owner only, if there is no database yet.
pub fn from_file(path: &Path, database_exists: bool) -> Result<RootKey, Error> {
    let named = || path.display().to_string();
    let failed = |error| Error::File { path: named(), error };
    match File::open(path) {
        Ok(file) => {
            let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
            if mode & 0o077 != 0 {
                return Err(Error::Open { path: named(), mode });
            }
            let mut text = Zeroizing::new(String::new());
            file.take(KEY_FILE_BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
            RootKey::parse(&text).map_err(|error| Error::Content { from: named(), error })
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && database_exists => {
            Err(Error::Lost { path: named() })
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let key = RootKey::generate(&mut OsEntropy);
            write_new(path, &key).map_err(failed)?;
            Ok(key)
        }
        Err(error) => Err(failed(error)),
    }
}

/// Writes the key so that it is there, whole and durable, before anything depends on it.
fn write_new(path: &Path, key: &RootKey) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(key.to_text().as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}
