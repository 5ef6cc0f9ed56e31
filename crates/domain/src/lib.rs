//! What may happen to a credential. Pure: no I/O, no clock, no randomness of its own.
//!
//! Read in this order: [`scheme`] declares the rules, [`credential`] is the thing they govern,
//! [`lifecycle`] is how it changes, [`verdict`] is how a request is judged, [`member`] and [`totp`]
//! are the people who act, [`event`] is what is
//! remembered, [`due`] what the clock does, and [`endpoint`] who hears of it.

pub mod actor;
pub mod alert;
pub mod approval;
pub mod canonical;
pub mod credential;
pub mod due;
pub mod endpoint;
pub mod event;
pub mod grant;
pub mod id;
pub mod lifecycle;
pub mod limits;
pub mod member;
pub mod quota;
pub mod rate;
pub mod rules;
pub mod scheme;
pub mod time;
pub mod totp;
pub mod verdict;

pub use keyway_secret::Environment;
