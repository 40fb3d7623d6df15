//! Which addresses a hook may name: those that anybody may reach. Whoever can make a hook could otherwise have us call
//! our own machine, our network, or the cloud's metadata.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Networks of IPv4 that are not anybody's (IANA's registry of special-purpose addresses), with their prefix lengths.
const CLOSED_V4: &[([u8; 4], u32)] = &[
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    // With 169.254.169.254: metadata of most clouds.
    ([169, 254, 0, 0], 16),
    // What Azure's machines ask about themselves.
    ([168, 63, 129, 16], 32),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    // Multicast, reserved, broadcast.
    ([224, 0, 0, 0], 3),
];

/// The same of IPv6, within 2000::/3: only that is given to anybody.
const CLOSED_V6: &[([u16; 3], u32)] = &[
    // Teredo, benchmarks, ORCHID and other assignments for protocols.
    ([0x2001, 0, 0], 23),
    ([0x2001, 0x0db8, 0], 32),
    ([0x3fff, 0, 0], 20),
];

/// Whether anybody may reach it.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !CLOSED_V4.iter().any(|(network, length)| {
        let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
        address.to_bits() & mask == u32::from_be_bytes(*network)
    })
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    // An IPv4 address inside is where the packet goes in the end.
    if let Some(inside) = translated(segments) {
        return is_public_v4(inside);
    }
    // ISATAP (RFC 5214 §6.1).
    if let [.., 0 | 0x200, 0x5efe, high, low] = segments
        && !is_public_v4(v4(high, low))
    {
        return false;
    }
    let closed = CLOSED_V6.iter().any(|([a, b, c], length)| {
        let network = Ipv6Addr::new(*a, *b, *c, 0, 0, 0, 0, 0).to_bits();
        address.to_bits() & (u128::MAX << (128 - length)) == network
    });
    segments[0] & 0xe000 == 0x2000 && !closed
}

/// The IPv4 address that one of IPv6 stands for.
fn translated(segments: [u16; 8]) -> Option<Ipv4Addr> {
    match segments {
        // IPv4-mapped (RFC 4291 §2.5.5.2), translated (RFC 2765), NAT64 (RFC 6052).
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        // 6to4 (RFC 3056).
        | [0x2002, high, low, ..] => Some(v4(high, low)),
        _ => None,
    }
}

fn v4(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(public: bool, addresses: &[&str]) {
        for address in addresses {
            assert_eq!(is_public(address.parse().unwrap()), public, "{address}");
        }
    }

    #[test]
    fn what_anybody_may_reach_is_public() {
        check(true, &["8.8.8.8", "1.1.1.1", "100.63.255.255", "100.128.0.0", "172.15.0.1", "172.32.0.1", "11.0.0.1"]);
        check(true, &["169.253.0.1", "192.0.1.1", "192.167.0.1", "198.20.0.1", "223.255.255.255"]);
        check(true, &["2606:4700:4700::1111", "2a00:1450::1", "2400:cb00::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]);
        check(true, &["2002:808:808::1"]);
    }

    #[test]
    fn our_own_machine_and_network_are_not() {
        check(false, &["127.0.0.1", "127.255.0.1", "0.0.0.0", "0.1.2.3", "::1", "::"]);
        check(false, &["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "100.127.255.255"]);
        check(false, &["fc00::1", "fd12:3456::1", "fe80::1", "febf::1", "fec0::1"]);
        check(false, &["169.254.169.254", "169.254.170.2", "fd00:ec2::254", "100.100.100.200", "168.63.129.16"]);
        check(false, &["224.0.0.1", "239.1.1.1", "255.255.255.255", "240.0.0.1", "ff02::1", "ff0e::1"]);
        check(false, &["192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "192.0.0.8", "192.88.99.1"]);
        check(false, &["2001:db8::1", "3fff::1", "2001::1", "2001:10::1", "100::1", "5f00::1", "4000::1"]);
    }

    #[test]
    fn nor_are_they_when_written_otherwise() {
        check(false, &["::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:10.0.0.1", "::127.0.0.1"]);
        check(false, &["64:ff9b::10.0.0.1", "64:ff9b::169.254.169.254", "64:ff9b:1::8.8.8.8", "::ffff:0:127.0.0.1"]);
        check(false, &["2002:7f00:1::", "2002:a9fe:a9fe::1", "2002:0a00:0001::1"]);
        check(false, &["2606:4700::5efe:127.0.0.1", "2606:4700::200:5efe:10.0.0.1", "fe80::5efe:8.8.8.8"]);
    }
}
