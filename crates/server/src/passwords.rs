//! Passwords: which are good enough, and hashing them on a bounded pool.
//!
//! A hash costs about 30 ms of a core and 19 MiB. Verification shares the machine, so at most
//! [`HASHES_AT_ONCE`] and one new one run, a few wait, and the rest are told to come back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use argon2::password_hash::phc::{ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Params, Version};
use keyway_domain::limits::{PASSWORD_ALONE_CHARS_MIN, PASSWORD_BYTES_MAX, PASSWORD_CHARS_MIN};
use keyway_secret::{Entropy as _, OsEntropy, SecretText, signature_matches};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zeroize::Zeroizing;

/// Hashes that run at the same moment.
const HASHES_AT_ONCE: usize = 2;
/// Checks that wait for their turn: two seconds of work.
const CHECKS_WAITING_MAX: usize = 64;
/// New hashes that wait for theirs.
const MAKES_WAITING_MAX: usize = 16;
/// Argon2id with 19 MiB, two passes, one lane (OWASP; ASVS 5.0 appendix C).
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;
/// Of a longer password only so much is looked at for being common.
const JUDGED_CHARS_MAX: usize = 100;

/// Too many hashes wait already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many people sign in at this moment; try again in a few seconds")]
pub struct Busy;

/// Hashes passwords and recovery codes.
#[derive(Clone)]
pub struct Passwords {
    key: Zeroizing<[u8; 32]>,
    /// Looking at what somebody typed. Apart from making hashes, so that nobody who makes many
    /// keeps others from signing in.
    checks: Line,
    makes: Line,
    /// What is checked in place of the hash of somebody who is not there: as much work, no match.
    nobody: Arc<str>,
}

/// So many at once, so many waiting.
#[derive(Clone)]
struct Line {
    running: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    waiting_max: usize,
}

/// A place on a core for one hash. Taken before a try is counted: who is told to come back has not
/// used one up. It is given back when the hash is done, whether or not anybody still waits for it.
pub struct Slot {
    passwords: Passwords,
    held: Held,
}

struct Held {
    _permit: OwnedSemaphorePermit,
    _place: Place,
}

impl Line {
    fn new(running: usize, waiting_max: usize) -> Self {
        Self { running: Arc::new(Semaphore::new(running)), waiting: Arc::default(), waiting_max }
    }

    async fn take(&self) -> Result<Held, Busy> {
        let place = Place(Arc::clone(&self.waiting));
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= self.waiting_max {
            return Err(Busy);
        }
        let permit = Arc::clone(&self.running).acquire_owned().await.map_err(|_| Busy)?;
        Ok(Held { _permit: permit, _place: place })
    }
}

impl Held {
    /// Runs the work on a thread of its own, which holds the place until it is done.
    async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let run = move || {
            let done = work();
            drop(self);
            done
        };
        tokio::task::spawn_blocking(run).await.map_err(|_| Busy)
    }
}

impl Passwords {
    /// A pool that hashes under a key.
    pub fn new(key: &Zeroizing<[u8; 32]>) -> Self {
        Self {
            key: key.clone(),
            checks: Line::new(HASHES_AT_ONCE, CHECKS_WAITING_MAX),
            makes: Line::new(1, MAKES_WAITING_MAX),
            nobody: print(&[0; SALT_BYTES], &[0; HASH_BYTES]).into(),
        }
    }

    /// Waits for a place to look at a password.
    pub async fn slot(&self) -> Result<Slot, Busy> {
        Ok(Slot { held: self.checks.take().await?, passwords: self.clone() })
    }

    /// The hash of a password, with a salt of its own (PHC string format).
    pub async fn hash(&self, password: SecretText) -> Result<String, Busy> {
        let mut hashes = self.hash_all(vec![password]).await?;
        Ok(hashes.pop().expect("one password has one hash"))
    }

    /// The hashes of several codes of one person, under one salt: trying a code costs one hash.
    pub async fn hash_all(&self, passwords: Vec<SecretText>) -> Result<Vec<String>, Busy> {
        let mut salt = [0; SALT_BYTES];
        OsEntropy.fill(&mut salt);
        let key = self.key.clone();
        let held = self.makes.take().await?;
        held.run(move || {
            let hash = |password: &SecretText| print(&salt, &*compute(&key, password, &salt));
            passwords.iter().map(hash).collect()
        })
        .await
    }
}

impl Slot {
    /// Whether the password has this hash. Without one, as much work for a no.
    pub async fn holds(self, password: SecretText, hash: Option<String>) -> Result<bool, Busy> {
        let hash = hash.unwrap_or_else(|| self.passwords.nobody.as_ref().to_owned());
        Ok(self.find(password, vec![hash]).await?.is_some())
    }

    /// Which of the hashes, which share one salt, the password has. As much work if there are none.
    pub async fn find(
        self,
        password: SecretText,
        hashes: Vec<String>,
    ) -> Result<Option<String>, Busy> {
        let Passwords { key, nobody, .. } = self.passwords;
        self.held
            .run(move || {
                let salt = salt_of(hashes.first().map_or(&*nobody, String::as_str));
                let computed = print(&salt, &*compute(&key, &password, &salt));
                let same = |hash: &String| signature_matches(hash.as_bytes(), computed.as_bytes());
                // The stand-in for nobody is nobody's hash.
                hashes.into_iter().filter(|hash| **hash != *nobody).find(same)
            })
            .await
    }
}

/// A place in a line, given back when dropped.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn params() -> Params {
    Params::new(MEMORY_KIB, PASSES, 1, Some(HASH_BYTES)).expect("the parameters are in range")
}

fn compute(key: &[u8; 32], password: &SecretText, salt: &[u8]) -> Zeroizing<[u8; HASH_BYTES]> {
    let argon = Argon2::new_with_secret(key, Algorithm::Argon2id, Version::V0x13, params())
        .expect("a key of 32 bytes is in range");
    let mut hash = Zeroizing::new([0; HASH_BYTES]);
    argon
        .hash_password_into(password.reveal().as_bytes(), salt, &mut *hash)
        .expect("password, salt and output are in range");
    hash
}

fn print(salt: &[u8], hash: &[u8]) -> String {
    let salt = Salt::new(salt).expect("a salt of 16 bytes is in range");
    let output = argon2::password_hash::phc::Output::new(hash).expect("32 bytes are in range");
    PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(&params()).expect("the parameters can be written"),
        salt: Some(salt),
        hash: Some(output),
    }
    .to_string()
}

/// The salt of a stored hash; of one that can't be read, a salt that fits nothing.
fn salt_of(hash: &str) -> Vec<u8> {
    let parsed = PasswordHash::new(hash).ok();
    let salt = parsed.and_then(|hash| hash.salt.map(|salt| salt.as_ref().to_vec()));
    salt.unwrap_or_else(|| vec![0; SALT_BYTES])
}

/// Why a password is not taken, as a sentence; `None` if it is.
///
/// There are no rules on which characters it is made of (NIST SP 800-63B-4 §3.1.1.2): length, and
/// that nobody would guess it.
pub fn objection(password: &str, has_factor: bool, about_them: &[&str]) -> Option<String> {
    let min = if has_factor { PASSWORD_CHARS_MIN } else { PASSWORD_ALONE_CHARS_MIN };
    let chars = password.chars().count();
    if chars < min {
        let hint = if has_factor { "" } else { "; with an authenticator app, 8 are enough" };
        return Some(format!(
            "A password has at least {min} characters{hint}. This one has {chars}."
        ));
    }
    if password.len() > PASSWORD_BYTES_MAX {
        return Some(format!("A password has at most {PASSWORD_BYTES_MAX} bytes."));
    }
    let judged: String = password.chars().take(JUDGED_CHARS_MAX).collect();
    // A space between does not make a repetition better.
    let joined: String = judged.chars().filter(|c| !c.is_whitespace()).collect();
    let is_weak = |text: &str| zxcvbn::zxcvbn(text, about_them).score() < zxcvbn::Score::Three;
    (is_weak(&judged) || is_weak(&joined))
        .then(|| "This password is one of those that are guessed first: it is common, repeats itself, or is made from your name.".to_owned())
}
