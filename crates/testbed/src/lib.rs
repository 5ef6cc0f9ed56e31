//! Real servers for tests and measurements. Nothing of the product is here, and nothing of the
//! product uses it but tests.

mod port;
mod postgres;
mod programs;

pub use port::free_port;
pub use postgres::{Options, Postgres};
