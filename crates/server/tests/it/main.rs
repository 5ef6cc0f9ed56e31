//! The running server over HTTP, with time in the test's hand. One module per scheme holds its
//! requirements by id; the others hold what is true of every scheme.

mod acts;
mod airwallex;
mod alerts;
mod api;
mod audit;
mod bad_input;
mod browser;
mod canary;
mod clocks;
mod clockwork;
mod denied;
mod doors;
mod enterprise;
mod gateways;
mod guessing;
mod harness;
mod letters;
mod nodes;
mod page_canary;
mod page_input;
mod page_table;
mod people;
mod rapyd;
mod receiver;
mod revoke_all;
mod roles;
mod signing_up;
mod step_up;
mod tokens;
mod trouble;
mod webhook_places;
mod webhook_replay;
mod webhooks;
mod xendit;
mod xtopay;
