//! Real servers for tests and measurements. Nothing of the product is here, and nothing of the
//! product uses it but tests.

mod databases;
mod editor;
mod port;
mod postgres;
mod programs;
mod proxy;
#[cfg(test)]
mod proxy_tests;

pub use databases::{Database, is_on_server};
pub use editor::Editor;
pub use port::free_port;
pub use postgres::{Options, Postgres};
pub use proxy::{Flow, Proxy};
