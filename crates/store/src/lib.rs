//! Where Keyway keeps what it knows. The only place with SQL.
//!
//! One SQL text serves both engines: `$N` parameters, four value types, no engine functions. A
//! transaction is a plain synchronous closure ([`Db::write`], [`Db::read`]), so that no mail, no
//! HTTP call and no await can happen inside one. Every file beside `db` is one aggregate.

pub mod account_search;
pub mod account_settings;
pub mod accounts;
pub mod alerts;
pub mod approvals;
pub mod audit;
pub mod changes;
pub mod credentials;
pub mod deliveries;
pub mod due;
pub mod endpoints;
pub mod events;
pub mod idempotency;
pub mod leases;
pub mod links;
pub mod members;
pub mod messages;
pub mod operators;
pub mod owners;
pub mod proofs;
pub mod quotas;
pub mod repeats;
pub mod replacements;
pub mod requests;
pub mod reveals;
pub mod sessions;
pub mod settings;
pub mod tokens;
pub mod transfer;
pub mod tries;
pub mod turns;
pub mod usage;

mod connection;
mod db;
mod migrate;
mod postgres;
mod sealed;
mod sqlite;
mod value;

pub use changes::{Change, Follower};
pub use credentials::Rules;
pub use db::{Db, Options, Tx};
pub use keyway_coherence::Position;
pub use migrate::{Migrated, SCHEMA_VERSION, migrate};
pub use postgres::{LOG_CHANNEL, Line, Target, TargetError};
pub use value::DbError;
