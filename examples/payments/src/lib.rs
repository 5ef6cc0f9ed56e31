//! A small payments API behind a Keyway guard, in the shapes of five platforms.
//!
//! It keeps what it is given in one database, apart for every account and every environment, and knows who
//! is calling only from the [`keyway_guard::Identity`] that the guard puts into a request. It checks
//! no credential and no permission itself: that is the guard's work, and `ROUTES.md` is the agreement
//! between the two.

mod body;
mod caller;
mod collection;
mod dialect;
mod fields;
mod handlers;
mod objects;
mod page;
mod refusal;
mod schemes;
mod serve;
mod store;

pub use schemes::SCHEMES;
pub use serve::serve;
pub use store::{OpenError, Payments};

use axum::Router;
use keyway_guard::{GuardLayer, Verifier};

/// The payments API of one scheme, guarded as a whole: unknown paths also.
///
/// # Panics
///
/// If `scheme` is none of [`SCHEMES`].
pub fn router<V: Verifier>(payments: Payments, scheme: &str, guard: GuardLayer<V>) -> Router {
    let scheme = schemes::find(scheme).expect("a scheme of SCHEMES");
    handlers::router(scheme, payments).layer(guard)
}
