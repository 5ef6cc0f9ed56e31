//! What a run of a command has begun and not ended, so that the next run of the same command can.
//!
//! A process can be killed between the server's answer and the write that follows it: then a secret
//! is accepted that nobody holds. Before it asks for a secret, a run notes here under which key it
//! asks; the next run asks under the same key, and so learns whether there is such a secret. The
//! note holds no secret.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use keyway_domain::limits::IDEMPOTENCY_HOURS;
use keyway_domain::time::Time;
use keyway_secret::{Entropy as _, OsEntropy};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cli::Failure;
use crate::clock::{Clock as _, SystemClock};
use crate::commands::sessions::hex;

/// A note, held by this run only.
pub(super) struct Unfinished {
    path: PathBuf,
    file: File,
    asked: Option<Asked>,
}

/// What a run asked the server for.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Asked {
    /// The `Idempotency-Key`.
    pub(super) key: String,
    /// The body.
    pub(super) body: Value,
    /// Whether the previous secret is to end once the new one is written.
    pub(super) finishes: bool,
    at: Time,
}

/// Notes are shorter.
const NOTE_BYTES_MAX: u64 = 64 * 1024;
/// The server forgets keys; an hour before it does, a note is no longer to be relied on.
const RELIED_ON_MS: i64 = (IDEMPOTENCY_HOURS - 1) * 3_600_000;

impl Unfinished {
    /// The note of this command, which `what` tells from all others.
    pub(super) fn open(data: &Path, what: &[&str]) -> Result<Self, Failure> {
        let folder = data.join("unfinished");
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let name = hex(digest(&SHA256, what.join("\0").as_bytes()).as_ref());
        let path = folder.join(format!("{}.json", &name[..32]));
        let mut file = lock(&path)?;
        let mut text = String::new();
        (&mut file).take(NOTE_BYTES_MAX).read_to_string(&mut text)?;
        // A note that was cut off while it was written was not acted upon.
        let asked: Option<Asked> = serde_json::from_str(&text).ok();
        if let Some(asked) = &asked
            && SystemClock.now() > asked.at.plus_ms(RELIED_ON_MS)
        {
            return Err(Failure(format!(
                "a run of this command was cut off at {}, too long ago to say what it did: look at \
                 the credential (`keyway credentials list`, `show`); roll back or revoke what \
                 nobody holds, then remove {}",
                asked.at,
                path.display()
            )));
        }
        Ok(Self { path, file, asked })
    }

    /// What an earlier run asked for.
    pub(super) fn earlier(&self) -> Option<Asked> {
        self.asked.clone()
    }

    /// Notes what is asked for next, under a new key.
    pub(super) fn begin(&mut self, body: Value, finishes: bool) -> Result<Asked, Failure> {
        let key = format!("handover-{:032x}", OsEntropy.u128());
        let asked = Asked { key, body, finishes, at: SystemClock.now() };
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(serde_json::to_string(&asked)?.as_bytes())?;
        self.file.sync_all()?;
        if let Some(folder) = self.path.parent() {
            File::open(folder)?.sync_all()?;
        }
        self.asked = Some(asked.clone());
        Ok(asked)
    }

    /// Nothing is open any more.
    pub(super) fn end(self) -> Result<(), Failure> {
        Ok(std::fs::remove_file(&self.path)?)
    }
}

impl Drop for Unfinished {
    /// A note in which nothing stands says nothing.
    fn drop(&mut self) {
        if self.asked.is_none() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn lock(path: &Path) -> Result<File, Failure> {
    loop {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Failure("the same command runs at this moment".to_owned()));
            }
            Err(TryLockError::Error(why)) => return Err(why.into()),
        }
        // The run before may have removed it between our two calls.
        let about = file.metadata()?;
        if std::fs::metadata(path).is_ok_and(|named| named.ino() == about.ino()) {
            return Ok(file);
        }
    }
}
