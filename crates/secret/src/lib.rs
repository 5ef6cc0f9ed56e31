//! Credential strings: how they look, how they are made, read, digested and sealed.
//!
//! A secret looks like `sk_live_` followed by random characters. Its shape is declared by a
//! [`Template`]; it is drawn from an [`Entropy`] and held as a [`SecretText`], which cannot be printed.
//!
//! | part | what it is |
//! |---|---|
//! | `sk_` | literal text of the template, `[A-Za-z0-9_]` only |
//! | `{environment}` | the platform's word for test or live, such as `test` or `development` |
//! | `{random:N}` | N characters of `[0-9A-Za-z]`; the last six are a check over everything before |
//!
//! What is kept is a [`Digest`]: HMAC-SHA-256 under a [`Pepper`] that is not in the database. What
//! must be recoverable (signing secrets) is sealed by a [`Sealer`]. All keys derive from one
//! [`RootKey`]. This crate does no I/O and has no clock.

mod check;
mod digest;
mod entropy;
mod root;
mod seal;
mod template;
mod text;
mod webhook;

pub use check::{CHECK_CHARS, check_characters};
pub use digest::{
    Digest, DigestPrefix, Pepper, RowSeal, RowSealer, imported_hash, imported_sha256,
    imported_sha512,
};
pub use entropy::{Entropy, OsEntropy, SeededEntropy};
pub use root::{Keyring, RootKey, RootKeyError};
pub use seal::{Sealer, UnsealError};
pub use template::{Environment, ParseError, Template, TemplateError};
pub use text::{SecretText, hmac_sha256_hex, signature_matches};
pub use webhook::{new_webhook_secret, sign_webhook};
