//! Who may do what beside credentials.

use crate::actor::Role;

/// Which members may do what beside credentials.
#[derive(Debug, Clone)]
pub struct People {
    /// Invite people, change their roles, remove them.
    pub manage: Vec<Role>,
    /// Read the audit log.
    pub audit: Vec<Role>,
    /// Change the account's settings.
    pub settings: Vec<Role>,
}
