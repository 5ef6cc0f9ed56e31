//! Calling URLs that merchants typed, over real sockets of this machine.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod answers;
mod harness;
mod hostile;
mod tls;
mod tricks;
