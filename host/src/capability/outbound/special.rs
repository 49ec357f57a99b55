//! Networks of special purpose: this machine, its neighbourhood, and what leads there in disguise.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(a: u16, b: u16, c: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), prefix)
}

pub(super) const LOOPBACK: [IpNet; 2] =
    [IpNet::V4(v4(127, 0, 0, 0, 8)), IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128))];

/// IPv4 addresses in IPv6 form.
pub(super) const MAPPED: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96);

/// What a gateway to the IPv4 world translates.
const NAT64: Ipv6Net = v6(0x64, 0xff9b, 0, 96);

/// IPv4 in the second and third group.
const SIX_TO_FOUR: Ipv6Net = v6(0x2002, 0, 0, 16);

const SPECIAL_V4: [Ipv4Net; 11] = [
    v4(0, 0, 0, 0, 8),      // this host; 0.0.0.0 connects to loopback
    v4(10, 0, 0, 0, 8),     // private
    v4(100, 64, 0, 0, 10),  // carrier-grade NAT
    v4(127, 0, 0, 0, 8),    // loopback
    v4(169, 254, 0, 0, 16), // link-local, metadata services
    v4(172, 16, 0, 0, 12),  // private
    v4(192, 0, 0, 0, 24),   // protocol assignments, a metadata service
    v4(192, 168, 0, 0, 16), // private
    v4(198, 18, 0, 0, 15),  // benchmarks
    v4(224, 0, 0, 0, 4),    // multicast
    v4(240, 0, 0, 0, 4),    // reserved, broadcast
];

const SPECIAL_V6: [Ipv6Net; 8] = [
    v6(0, 0, 0, 96),         // unspecified, loopback, IPv4-compatible
    v6(0x64, 0xff9b, 1, 48), // local translation
    v6(0x100, 0, 0, 64),     // discard
    v6(0x2001, 0, 0, 32),    // Teredo, which hides an IPv4 address
    v6(0xfc00, 0, 0, 7),     // unique local
    v6(0xfe80, 0, 0, 10),    // link-local
    v6(0xfec0, 0, 0, 10),    // site-local
    v6(0xff00, 0, 0, 8),     // multicast
];

/// Whether an address belongs to this machine, its neighbourhood or nobody, however it is dressed up.
pub(super) fn is_special(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => SPECIAL_V4.iter().any(|network| network.contains(&ip)),
        IpAddr::V6(ip) => {
            SPECIAL_V6.iter().any(|network| network.contains(&ip))
                || embedded(ip).is_some_and(|v4| is_special(v4.into()))
        }
    }
}

/// The IPv4 address that a translator would reach for `ip`.
fn embedded(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let bits = u128::from(ip);
    match ip {
        ip if NAT64.contains(&ip) => Some(Ipv4Addr::from_bits(bits as u32)),
        ip if SIX_TO_FOUR.contains(&ip) => Some(Ipv4Addr::from_bits((bits >> 80) as u32)),
        _ => None,
    }
}
