//! Which addresses are never called, whoever typed them, and the one place that connects.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use tokio::net::TcpStream;

/// An address that is not called, and what kind of address it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForbiddenAddress {
    /// The address, with an IPv4-mapped one written as IPv4.
    pub address: IpAddr,
    /// What it is, such as "a loopback address".
    pub kind: &'static str,
}

impl fmt::Display for ForbiddenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}", self.address, self.kind)
    }
}

/// An address that was judged and may be called.
///
/// Only [`judge`] makes one, and nothing else in this module connects: there is no second look-up,
/// and no other address, between the judgement and the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Callable(IpAddr);

impl Callable {
    pub(super) fn ip(self) -> IpAddr {
        self.0
    }

    pub(super) async fn connect(self, port: u16) -> io::Result<TcpStream> {
        TcpStream::connect(SocketAddr::new(self.0, port)).await
    }
}

/// Judges one address. What lies in `allowed` may be called whatever else it is.
pub(super) fn judge(address: IpAddr, allowed: &[IpNet]) -> Result<Callable, ForbiddenAddress> {
    // An IPv4-mapped address is connected to as IPv4, so that is what is judged and called.
    let address = address.to_canonical();
    if allowed.iter().any(|range| range.contains(&address)) {
        return Ok(Callable(address));
    }
    let kind = match address {
        IpAddr::V4(v4) => forbidden_v4(v4),
        IpAddr::V6(v6) => forbidden_v6(v6, allowed),
    };
    match kind {
        Some(kind) => Err(ForbiddenAddress { address, kind }),
        None => Ok(Callable(address)),
    }
}

const PRIVATE: &str = "a private address";
const LOOPBACK: &str = "a loopback address";
const LINK_LOCAL: &str = "a link-local address, where clouds keep their metadata";
const SHARED: &str = "a shared address behind carrier-grade NAT";
const UNSPECIFIED: &str = "an address of this network (\"unspecified\")";
const MULTICAST: &str = "a multicast address";
const DOCUMENTATION: &str = "an address for documentation only";
const BENCHMARKING: &str = "an address for benchmarks only";
const RESERVED: &str = "a reserved address";
const PROTOCOL: &str = "an address for protocol assignments";
const RELAY: &str = "an address of the former 6to4 relays";
const CLOUD_HOST: &str = "a cloud's host, which is public only in form";
const COMPATIBLE: &str = "an IPv4-compatible address, a retired form";
const SIX_TO_FOUR: &str = "a 6to4 address, a tunnel to the IPv4 address inside";
const TEREDO: &str = "a Teredo or other protocol address, a tunnel to the IPv4 address inside";
const NAT64_LOCAL: &str = "an address of a local NAT64";
const UNIQUE_LOCAL: &str = "a unique local address (private)";
const LINK_LOCAL_V6: &str = "a link-local address";
const SITE_LOCAL: &str = "a site-local address (private)";
const NOT_GLOBAL: &str = "outside of the global unicast addresses";

const fn v4(a: u8, b: u8, c: u8, d: u8, bits: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), bits)
}

const fn v6(a: u16, b: u16, c: u16, bits: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), bits)
}

/// From the IANA registry of special-purpose IPv4 addresses, and multicast.
const FORBIDDEN_V4: [(Ipv4Net, &str); 18] = [
    (v4(0, 0, 0, 0, 8), UNSPECIFIED),
    (v4(10, 0, 0, 0, 8), PRIVATE),
    (v4(100, 64, 0, 0, 10), SHARED),
    (v4(127, 0, 0, 0, 8), LOOPBACK),
    // The host agent of one cloud has a public address; only its own machines reach it there.
    (v4(168, 63, 129, 16, 32), CLOUD_HOST),
    (v4(169, 254, 0, 0, 16), LINK_LOCAL),
    (v4(172, 16, 0, 0, 12), PRIVATE),
    (v4(192, 0, 0, 0, 24), PROTOCOL),
    (v4(192, 0, 2, 0, 24), DOCUMENTATION),
    (v4(192, 88, 99, 0, 24), RELAY),
    (v4(192, 168, 0, 0, 16), PRIVATE),
    (v4(198, 18, 0, 0, 15), BENCHMARKING),
    (v4(198, 51, 100, 0, 24), DOCUMENTATION),
    (v4(203, 0, 113, 0, 24), DOCUMENTATION),
    (v4(233, 252, 0, 0, 24), DOCUMENTATION),
    (v4(224, 0, 0, 0, 4), MULTICAST),
    (v4(255, 255, 255, 255, 32), "the broadcast address"),
    (v4(240, 0, 0, 0, 4), RESERVED),
];

/// From the IANA registry of special-purpose IPv6 addresses: what lies inside 2000::/3, and names
/// for some of what lies outside, which is refused anyway.
const FORBIDDEN_V6: [(Ipv6Net, &str); 11] = [
    (Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 128), "the unspecified address"),
    (Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128), LOOPBACK),
    (v6(0, 0, 0, 96), COMPATIBLE),
    (v6(0x64, 0xff9b, 1, 48), NAT64_LOCAL),
    // Teredo, ORCHID, benchmarking and the rest of the protocol assignments: no endpoint is there.
    (v6(0x2001, 0, 0, 23), TEREDO),
    (v6(0x2001, 0xdb8, 0, 32), DOCUMENTATION),
    (v6(0x2002, 0, 0, 16), SIX_TO_FOUR),
    (v6(0x3fff, 0, 0, 20), DOCUMENTATION),
    (v6(0xfc00, 0, 0, 7), UNIQUE_LOCAL),
    (v6(0xfe80, 0, 0, 10), LINK_LOCAL_V6),
    (v6(0xfec0, 0, 0, 10), SITE_LOCAL),
];

const NAT64: Ipv6Net = v6(0x64, 0xff9b, 0, 96);
const MULTICAST_V6: Ipv6Net = v6(0xff00, 0, 0, 8);
const GLOBAL_UNICAST: Ipv6Net = v6(0x2000, 0, 0, 3);

fn forbidden_v4(address: Ipv4Addr) -> Option<&'static str> {
    FORBIDDEN_V4.iter().find(|(range, _)| range.contains(&address)).map(|(_, kind)| *kind)
}

fn forbidden_v6(address: Ipv6Addr, allowed: &[IpNet]) -> Option<&'static str> {
    if NAT64.contains(&address) {
        // A network without IPv4 reaches all of it in this form, so the inside decides. The other
        // forms with IPv4 inside are retired: nobody honest has them, and they are refused whole.
        let [.., a, b, c, d] = address.octets();
        return judge(Ipv4Addr::new(a, b, c, d).into(), allowed).err().map(|inside| inside.kind);
    }
    if let Some((_, kind)) = FORBIDDEN_V6.iter().find(|(range, _)| range.contains(&address)) {
        return Some(kind);
    }
    if MULTICAST_V6.contains(&address) {
        return Some(MULTICAST);
    }
    // IANA gives out 2000::/3 and nothing else; what it has not given out is nobody's endpoint.
    (!GLOBAL_UNICAST.contains(&address)).then_some(NOT_GLOBAL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refused(address: &str) -> Option<&'static str> {
        judge(address.parse().unwrap(), &[]).err().map(|forbidden| forbidden.kind)
    }

    #[test]
    fn both_ends_of_every_special_range_are_refused() {
        for (range, kind) in FORBIDDEN_V4 {
            for end in [range.network(), range.broadcast()] {
                assert!(judge(end.into(), &[]).is_err(), "{end}, {kind}");
                assert!(judge(end.to_ipv6_mapped().into(), &[]).is_err(), "mapped {end}, {kind}");
            }
        }
        for (range, kind) in FORBIDDEN_V6 {
            for end in [range.network(), range.broadcast()] {
                assert!(judge(end.into(), &[]).is_err(), "{end}, {kind}");
            }
        }
    }

    #[test]
    fn the_neighbours_of_special_ranges_are_called() {
        let neighbours = [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "168.63.129.15",
            "2001:200::1",
            "2001:db7::1",
            "2001:db9::1",
            "2003::1",
            "2600::1",
            "3ffe::1",
            "2a00:1450:4001::1",
            "64:ff9b::8.8.8.8",
            "::ffff:8.8.8.8",
        ];
        for address in neighbours {
            assert_eq!(refused(address), None, "{address}");
        }
    }

    #[test]
    fn addresses_of_cloud_metadata_are_refused() {
        for address in [
            "169.254.169.254",
            "169.254.170.2",
            "100.100.100.200",
            "192.0.0.192",
            "168.63.129.16",
            "fd00:ec2::254",
            "fd20:ce::254",
            "fe80::a9fe:a9fe",
            "64:ff9b::a9fe:a9fe",
        ] {
            assert!(refused(address).is_some(), "{address}");
        }
    }

    #[test]
    fn what_is_allowed_is_called_and_its_neighbour_is_not() {
        let allowed = ["10.1.0.0/16".parse().unwrap(), "fd00:1::/32".parse().unwrap()];
        let may = |address: &str| judge(address.parse().unwrap(), &allowed).is_ok();
        assert!(may("10.1.2.3") && may("::ffff:10.1.2.3") && may("64:ff9b::10.1.2.3"));
        assert!(may("fd00:1::5"));
        assert!(!may("10.2.0.0") && !may("::ffff:10.2.0.0") && !may("64:ff9b::10.2.0.0"));
        assert!(!may("2002:a01:203::") && !may("fd00:2::5"));
    }

    proptest! {
        #[test]
        fn no_embedding_makes_a_refused_ipv4_callable(
            range in prop::sample::select(FORBIDDEN_V4.to_vec()),
            (host, low) in any::<(u32, u16)>(),
        ) {
            let bits = range.0.network().to_bits() | (host & range.0.hostmask().to_bits());
            prop_assert!(judge(Ipv4Addr::from_bits(bits).into(), &[]).is_err());
            let [a, b] = [(bits >> 16) as u16, (bits & 0xffff) as u16];
            let embeddings = [
                Ipv6Addr::new(0, 0, 0, 0, 0, 0, a, b),
                Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, a, b),
                Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, a, b),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, a, b),
                Ipv6Addr::new(0x64, 0xff9b, 1, a, b >> 8, b << 8, 0, low),
                Ipv6Addr::new(0x64, 0xff9b, 1, low, low, low, a, b),
                Ipv6Addr::new(0x2002, a, b, low, low, low, low, low),
                Ipv6Addr::new(0x2001, 0, a, b, low, low, low, low),
                Ipv6Addr::new(0x2001, 0, low, low, low, low, !a, !b),
            ];
            for address in embeddings {
                prop_assert!(judge(address.into(), &[]).is_err(), "{}", address);
            }
        }

        #[test]
        fn only_2000_3_and_nat64_are_called(bits in any::<u128>()) {
            let address = Ipv6Addr::from_bits(bits);
            let outside = address.segments()[0] >> 13 != 1;
            prop_assume!(outside && address.to_ipv4_mapped().is_none() && !NAT64.contains(&address));
            prop_assert!(judge(address.into(), &[]).is_err());
        }
    }
}
