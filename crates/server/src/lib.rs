//! Keyway as a library: the binary's parts, for the binary, its tests and its benchmarks.

pub mod app;

pub mod cli;
pub mod clock;
pub mod commands;
pub mod http;

pub mod index;

pub mod root_key;
pub mod schemes;
pub mod usage;
pub mod verify;
pub mod worker;
