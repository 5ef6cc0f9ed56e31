//! Real servers for tests and measurements. Nothing of the product is here, and nothing of the
//! product uses it but tests.

mod databases;
mod editor;
mod port;
mod postgres;
mod programs;

pub use databases::Database;
pub use editor::Editor;
pub use port::free_port;
pub use postgres::{Options, Postgres};
