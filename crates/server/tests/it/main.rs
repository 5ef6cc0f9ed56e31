//! The running server over HTTP, with time in the test's hand. One module per scheme holds its
//! requirements by id; the others hold what is true of every scheme.

mod airwallex;
mod api;
mod bad_input;
mod canary;
mod enterprise;
mod harness;
mod rapyd;
mod tokens;
mod trouble;
mod xendit;
mod xtopay;
