//! Where a credential's requests may come from.

use std::net::IpAddr;

use ipnet::IpNet;
use keyway_domain::credential::{AddressMode, Credential, is_in};

/// A list of addresses, and what becomes of requests from elsewhere. Credentials share few.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct AddressList {
    ranges: Box<[IpNet]>,
    mode: AddressMode,
}

/// What a credential's address list says of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FromWhere {
    /// There is no list, or the address is in it.
    Allowed,
    /// The address is not in the list, which does no more than report that.
    Reported,
    /// The address is not in the list.
    Refused,
}

impl AddressList {
    /// The list of a credential that has one.
    pub(super) fn of(credential: &Credential) -> Self {
        let ranges = credential.addresses.as_slice().into();
        Self { ranges, mode: credential.address_mode }
    }

    /// Where requests may come from.
    pub(super) fn ranges(&self) -> &[IpNet] {
        &self.ranges
    }

    /// Judges an address; none that nobody told is in a list.
    pub(super) fn judge(&self, address: Option<IpAddr>) -> FromWhere {
        match self.mode {
            _ if is_in(&self.ranges, address) => FromWhere::Allowed,
            AddressMode::Report => FromWhere::Reported,
            AddressMode::Enforce => FromWhere::Refused,
        }
    }
}
