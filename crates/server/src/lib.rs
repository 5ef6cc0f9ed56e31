//! Keyway as a library: the binary's parts, for the binary, its tests and its benchmarks.

pub mod app;

pub mod clock;
pub mod commands;


pub mod index;

pub mod schemes;
pub mod usage;
pub mod verify;

