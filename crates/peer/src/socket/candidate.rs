//! The ways in that an answer names.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

/// What carries datagrams to a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// UDP.
    Udp,
    /// TCP, opened by the peer (`tcptype passive`, RFC 6544 §4.5).
    TcpPassive,
}

/// An address at which this server answers connectivity checks, as `a=candidate` tells it (RFC 8839 §5.1). Always of
/// type host and component 1: everything is bundled and multiplexed.
///
/// `Display` writes the attribute's text, `candidate:…`, without `a=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Equal only for candidates of one address and protocol (RFC 8445 §5.1.1.3).
    pub foundation: u16,
    /// What carries datagrams.
    pub protocol: Protocol,
    /// The higher, the sooner a peer should use it (RFC 8445 §5.1.2.1).
    pub priority: u32,
    /// Where.
    pub address: SocketAddr,
}

/// Most addresses that an answer names, of each protocol: peers check every pair of candidates, and Chromium 100 pairs
/// at most.
pub(super) const ADDRESSES_MAX: usize = 16;

/// Type preference of host candidates over UDP (RFC 8445 §5.1.2.2).
const HOST_UDP: u32 = 126;

/// Type preference of host candidates over TCP: below everything that UDP has, as RFC 6544 §4.2 asks.
const HOST_TCP: u32 = 90;

/// Direction preference of passive host candidates (RFC 6544 §4.2).
const TCP_PASSIVE: u32 = 4;

impl Candidate {
    /// Candidates for addresses given by preference, UDP ones first. IPv6 and IPv4 take turns (RFC 8421 §4), so that a
    /// broken family costs one check before the other is tried. Duplicates and what is beyond 16 addresses are left out.
    pub(super) fn all(udp: &[SocketAddr], tcp: &[SocketAddr]) -> Vec<Self> {
        let mut candidates = Vec::new();
        for (protocol, addresses) in [(Protocol::Udp, udp), (Protocol::TcpPassive, tcp)] {
            for (index, address) in (0_u16..).zip(in_turns(addresses)) {
                let priority = priority(protocol, index);
                let foundation = u16::try_from(candidates.len()).unwrap_or(u16::MAX) + 1;
                candidates.push(Self { foundation, protocol, priority, address });
            }
        }
        candidates
    }
}

fn in_turns(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let of_family = |v6: bool| addresses.iter().copied().filter(move |address| address.is_ipv6() == v6);
    let (mut v6, mut v4) = (of_family(true), of_family(false));
    let mut ordered = Vec::new();
    loop {
        let pair = [v6.next(), v4.next()];
        if pair == [None, None] {
            return ordered;
        }
        for address in pair.into_iter().flatten() {
            if !ordered.contains(&address) && ordered.len() < ADDRESSES_MAX {
                ordered.push(address);
            }
        }
    }
}

fn priority(protocol: Protocol, index: u16) -> u32 {
    let (kind, local) = match protocol {
        Protocol::Udp => (HOST_UDP, u32::from(u16::MAX - index)),
        Protocol::TcpPassive => (HOST_TCP, (TCP_PASSIVE << 13) + 8191_u32.saturating_sub(index.into())),
    };
    // The last summand is 256 less the component, which is always 1.
    (kind << 24) + (local << 8) + 255
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { foundation, protocol, priority, address } = self;
        let (name, suffix) = match protocol {
            Protocol::Udp => ("udp", ""),
            Protocol::TcpPassive => ("tcp", " tcptype passive"),
        };
        // An address in a candidate has no brackets and no zone.
        let ip: IpAddr = address.ip();
        write!(f, "candidate:{foundation} 1 {name} {priority} {ip} {} typ host{suffix}", address.port())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn check(udp: &[&str], tcp: &[&str], lines: &[&str]) {
        let candidates = Candidate::all(&addresses(udp), &addresses(tcp));
        let written: Vec<_> = candidates.iter().map(ToString::to_string).collect();
        assert_eq!(written, lines);
        assert!(candidates.windows(2).all(|pair| pair[0].priority > pair[1].priority), "falling priorities");
    }

    #[test]
    fn udp_comes_before_tcp_and_families_take_turns() {
        check(
            &["192.0.2.1:8189", "192.0.2.2:8189", "[2001:db8::1]:8189"],
            &["192.0.2.1:8189"],
            &[
                "candidate:1 1 udp 2130706431 2001:db8::1 8189 typ host",
                "candidate:2 1 udp 2130706175 192.0.2.1 8189 typ host",
                "candidate:3 1 udp 2130705919 192.0.2.2 8189 typ host",
                "candidate:4 1 tcp 1520435199 192.0.2.1 8189 typ host tcptype passive",
            ],
        );
    }

    #[test]
    fn an_address_is_named_once() {
        check(&["192.0.2.1:1", "192.0.2.1:1"], &[], &["candidate:1 1 udp 2130706431 192.0.2.1 1 typ host"]);
    }

    #[test]
    fn a_machine_with_many_addresses_names_some() {
        let many: Vec<SocketAddr> = (0..200_u8).map(|last| ([10, 0, 0, last], 8189).into()).collect();
        assert_eq!(Candidate::all(&many, &many).len(), 2 * ADDRESSES_MAX);
    }
}
