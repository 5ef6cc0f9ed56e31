//! The five platforms.

mod airwallex;
mod enterprise;
mod rapyd;
mod xendit;
mod xtopay;

use axum::Router;

use crate::collection::Collection;
use crate::dialect::Dialect;
use crate::handlers::App;

/// The names that [`crate::router`] knows.
pub const SCHEMES: [&str; 5] = ["xendit", "xtopay", "enterprise", "rapyd", "airwallex"];

/// One platform's API.
#[derive(Debug)]
pub(crate) struct Scheme {
    pub(crate) dialect: &'static Dialect,
    pub(crate) collections: &'static [Collection],
    /// Adds the routes that are no collection's.
    pub(crate) more: fn(Router<App>) -> Router<App>,
}

/// The API of the platform with this name.
pub(crate) fn find(name: &str) -> Option<&'static Scheme> {
    match name {
        "xendit" => Some(&xendit::SCHEME),
        "xtopay" => Some(&xtopay::SCHEME),
        "enterprise" => Some(&enterprise::SCHEME),
        "rapyd" => Some(&rapyd::SCHEME),
        "airwallex" => Some(&airwallex::SCHEME),
        _ => None,
    }
}
