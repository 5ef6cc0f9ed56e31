//! The server is killed in the middle of its work, again and again.

mod acknowledged;
mod process;
mod telling;
