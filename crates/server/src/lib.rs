//! Keyway as a library: the binary's parts, for the binary, its tests and its benchmarks.

pub mod alerts;
pub mod app;
pub mod audit;
pub mod authenticator;

pub mod cli;
pub mod clock;
pub mod codes;
pub mod coherence;
pub mod commands;
pub mod contexts;
pub mod csv;
pub mod denied;
pub mod followers;
pub mod http;

pub mod index;
pub mod mail;
pub mod outbound;
pub mod passwords;
pub mod quotas;
pub mod request_log;
pub mod root_key;
pub mod roster;
pub mod schemes;
pub mod telling;
pub mod timekeeper;
pub mod turns;
pub mod usage;
pub mod verify;
pub mod webhooks;
pub mod worker;
