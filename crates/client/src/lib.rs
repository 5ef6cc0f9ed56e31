//! Keyway for the platform's own services.
//!
//! - [`Follower`] verifies requests in this process: it follows a Keyway node, so that a credential is
//!   asked about once and not at every request, and so that one that is revoked is refused here when
//!   the call that revoked it returns. Put it behind a [`GuardLayer`].
//! - [`Management`] makes, reads, rotates and revokes credentials over the management API.

mod follow;
pub mod management;

pub use follow::{FollowError, Follower, Following};
pub use keyway_guard::{ClientAddress, GuardLayer, Identity, Node, NodeError};
pub use management::Management;
