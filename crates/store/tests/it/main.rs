//! What the store promises, through its public door, on whichever engine the tests run on.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod contract;
mod division;
mod house;
mod pages;
mod people;
mod plans;
mod requests;
mod scopes;
mod tls;
mod transfer;
