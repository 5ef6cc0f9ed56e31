//! Measures Keyway.
fn main() {}
