//! When does every node surely know of a change? Pure: no I/O, no clock, no randomness.
//!
//! A change gets the next [`Position`] in the log. Each node applies the log in order ([`chain`]),
//! and may verify only while it holds a lease ([`Holder`]). Whoever made a change waits until each
//! lease is of a node that has applied it, or is over ([`Observer`]). The reader never waits.
//!
//! Everything here takes instants and what was read, and says what to do. What drives it owes this:
//!
//! 1. The instant of [`Holder::begin`] is taken before the lease is sent.
//! 2. A lease is written only if its position is in the log of this very database, and is committed
//!    before the head is read. The head is read in a later snapshot.
//! 3. The index is changed, entry by entry, before [`Holder::applied`] is called, and that before the node
//!    acknowledges.
//! 4. No renewal is begun unless [`Holder::may_renew`].
//! 5. A verification compares its clock with [`Holder::valid_until`] first, and reads the index
//!    after that.
//! 6. The rows for [`Observer::judge`] were read after the change was committed, in one statement
//!    with a look that it is still in the log.

pub mod chain;
mod followers;
mod holder;
mod observer;
mod terms;
mod time;

#[cfg(test)]
mod chain_tests;
#[cfg(test)]
mod followers_tests;
#[cfg(test)]
mod holder_tests;
#[cfg(test)]
mod observer_tests;
#[cfg(test)]
mod terms_tests;

pub use chain::Position;
pub use followers::{FollowerId, Followers};
pub use holder::{Holder, Renewal};
pub use observer::{Judged, Lease, NodeId, Observer};
pub use terms::Terms;
pub use time::Boot;
