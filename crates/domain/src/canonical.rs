//! The bytes that a row seal covers.

/// Bytes in which nothing can be taken for its neighbour: every piece has a fixed or stated length.
#[derive(Debug, Default)]
pub struct Canonical(Vec<u8>);

impl Canonical {
    /// Nothing yet, with room for so many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// Nothing yet but the name of what is sealed, so that no seal fits a row of another table.
    pub fn of(table: &str) -> Self {
        let mut bytes = Self::with_capacity(256);
        bytes.text(table);
        bytes
    }

    /// The bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Adds a number.
    pub fn number(&mut self, number: i64) {
        self.0.extend_from_slice(&number.to_be_bytes());
    }

    /// Adds a 128-bit number.
    pub fn big(&mut self, number: u128) {
        self.0.extend_from_slice(&number.to_be_bytes());
    }

    /// Adds bytes, with their length.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        self.0.extend_from_slice(bytes);
    }

    /// Adds a text, with its length.
    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }
}
