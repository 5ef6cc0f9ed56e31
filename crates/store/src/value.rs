//! The four value types, rows, and the one error.

use std::fmt;

/// A value on its way to the database.
#[derive(Clone, PartialEq)]
pub(crate) enum Value {
    /// Nothing.
    Null,
    /// A whole number; also times and booleans.
    Integer(i64),
    /// Text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

/// What it is, never what it says: the driver writes parameters into its own debug log.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "NULL",
            Self::Integer(_) => "a number",
            Self::Text(_) => "text",
            Self::Blob(_) => "bytes",
        })
    }
}

/// A text as a pattern of `LIKE` that matches itself only; `\` is to be its `ESCAPE`.
pub(crate) fn literally(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Integer(i64::from(truth))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Self::Blob(bytes.to_vec())
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A value as it comes out, borrowed from the engine.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ValueRef<'r> {
    /// Nothing.
    Null,
    /// A whole number.
    Integer(i64),
    /// Text.
    Text(&'r str),
    /// Bytes.
    Blob(&'r [u8]),
}

/// A row of an answer. Columns are taken by their place, from 0.
pub(crate) trait Columns {
    /// The value of a column.
    fn value(&self, column: usize) -> Result<ValueRef<'_>, DbError>;
}

macro_rules! getters {
    ($($(#[$doc:meta])* $name:ident, $maybe:ident: $variant:ident => $out:ty;)*) => {
        impl dyn Columns + '_ {
            $(
                $(#[$doc])*
                pub(crate) fn $name(&self, column: usize) -> Result<$out, DbError> {
                    match self.value(column)? {
                        ValueRef::$variant(value) => Ok(value),
                        other => Err(DbError::unexpected(column, other)),
                    }
                }

                $(#[$doc])*
                #[expect(clippy::allow_attributes, reason = "not every getter is unused")]
                #[allow(dead_code, reason = "the macro makes both getters of each type")]
                pub(crate) fn $maybe(&self, column: usize) -> Result<Option<$out>, DbError> {
                    match self.value(column)? {
                        ValueRef::Null => Ok(None),
                        ValueRef::$variant(value) => Ok(Some(value)),
                        other => Err(DbError::unexpected(column, other)),
                    }
                }
            )*
        }
    };
}

getters! {
    /// A whole number.
    integer, maybe_integer: Integer => i64;
    /// Text.
    text, maybe_text: Text => &str;
    /// Bytes.
    blob, maybe_blob: Blob => &[u8];
}

/// What kind of trouble the database has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    Duplicate,
    Busy,
    Full,
    ReadOnly,
    Corrupt,
    Tampered,
    /// Another transaction was in the way: it goes when it is done again.
    Again,
    /// The server can't be reached, or went away.
    Away,
    /// The server went away while it was asked to commit: nobody knows whether it did.
    Unknown,
    /// The database was not migrated, or not far enough.
    Schema,
    /// The role may not do this.
    Denied,
    /// The server's certificate does not fit, or it speaks no TLS.
    Untrusted,
    Other,
}

/// The database could not do it. Opaque: nobody but [`DbError::is_duplicate`] asks why.
#[derive(Debug, Clone)]
pub struct DbError {
    pub(crate) trouble: Trouble,
    message: String,
}

impl DbError {
    pub(crate) fn new(trouble: Trouble, message: impl Into<String>) -> Self {
        Self { trouble, message: message.into() }
    }

    /// A stored row says something that cannot be.
    pub fn broken(what: impl fmt::Display) -> Self {
        Self::new(Trouble::Corrupt, format!("a stored row is not readable: {what}"))
    }

    fn unexpected(column: usize, found: ValueRef<'_>) -> Self {
        let found = match found {
            ValueRef::Null => "NULL",
            ValueRef::Integer(_) => "a number",
            ValueRef::Text(_) => "text",
            ValueRef::Blob(_) => "bytes",
        };
        Self::broken(format_args!("column {column} holds {found}"))
    }

    /// Something that is not the database's own.
    pub fn other(message: impl Into<String>) -> Self {
        Self::new(Trouble::Other, message)
    }

    /// The server can't be reached, or went away.
    pub fn is_away(&self) -> bool {
        matches!(self.trouble, Trouble::Away | Trouble::Unknown)
    }

    /// It may be over by itself, or once somebody has seen to the server.
    pub fn may_pass(&self) -> bool {
        let passing = matches!(self.trouble, Trouble::Busy | Trouble::ReadOnly | Trouble::Again);
        passing || self.is_away()
    }

    /// What is stored can't be read or trusted: trying again changes nothing.
    pub fn is_about_a_row(&self) -> bool {
        matches!(self.trouble, Trouble::Corrupt | Trouble::Tampered)
    }

    /// A unique index was violated.
    pub fn is_duplicate(&self) -> bool {
        self.trouble == Trouble::Duplicate
    }

    /// What the operator can do about it.
    pub fn advice(&self) -> &'static str {
        match self.trouble {
            Trouble::Busy => "the database is locked or overloaded; another program may hold it",
            Trouble::Full => "the disk is full; free some space, nothing was lost",
            Trouble::ReadOnly => {
                "the database file or its folder is read-only; fix its permissions"
            }
            Trouble::Corrupt => "the database is damaged or was edited; restore a backup",
            Trouble::Again => "another change was in the way; try again",
            Trouble::Away => {
                "the database server does not answer; what is done again later goes through"
            }
            Trouble::Unknown => {
                "look whether it was done, or ask again under the same Idempotency-Key"
            }
            Trouble::Schema => "run `keyway migrate` as the owner of the database",
            Trouble::Untrusted => {
                "the server's certificate must be of its name, and of an authority in --database-ca"
            }
            Trouble::Denied => "the database role lacks a right; see docs/postgresql.md",
            Trouble::Tampered => "a row was changed outside Keyway; see the log, then revoke it",
            Trouble::Duplicate | Trouble::Other => "see the log",
        }
    }
}

impl fmt::Display for DbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.advice())
    }
}

impl std::error::Error for DbError {}
