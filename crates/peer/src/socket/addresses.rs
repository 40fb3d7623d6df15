//! Which addresses peers are told, out of what is bound, configured, discovered and on the machine.

use std::net::{IpAddr, SocketAddr};

use nix::{ifaddrs::getifaddrs, net::if_::InterfaceFlags};

use super::Candidate;
use crate::config::PublicAddress;

/// What there is to choose from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'a> {
    /// What the sockets are bound to, with the real port.
    pub(super) bound: SocketAddr,
    /// Whether the TCP port is open.
    pub(super) tcp: bool,
    /// `public_addresses`.
    pub(super) public: &'a [PublicAddress],
    /// Addresses of the machine's interfaces that are up.
    pub(super) machine: &'a [IpAddr],
    /// What STUN servers see.
    pub(super) discovered: &'a [SocketAddr],
}

/// The candidates of every answer.
pub(super) fn candidates(known: &Known<'_>) -> Vec<Candidate> {
    let Known { bound, public, discovered, .. } = *known;
    let port = bound.port();
    let own: Vec<SocketAddr> = if !public.is_empty() {
        public.iter().map(|address| SocketAddr::new(address.ip, address.port.unwrap_or(port))).collect()
    } else if bound.ip().is_unspecified() {
        of_the_machine(known).map(|ip| SocketAddr::new(ip, port)).collect()
    } else {
        vec![bound]
    };
    // What strangers reach comes first.
    let udp: Vec<SocketAddr> = discovered.iter().copied().chain(own.iter().copied()).collect();
    // A NAT that gave UDP another port says nothing of TCP.
    let tcp: Vec<SocketAddr> =
        discovered.iter().copied().filter(|address| address.port() == port).chain(own).filter(|_| known.tcp).collect();
    Candidate::all(&udp, &tcp)
}

/// Addresses that a wildcard stands for. A machine without network still serves its own browser: that is what loopback
/// is for, which browsers do not use while there is another address.
fn of_the_machine<'a>(known: &Known<'a>) -> impl Iterator<Item = IpAddr> + use<'a> {
    let both = known.bound.is_ipv6();
    let machine = known.machine;
    let usable = move |ip: &&IpAddr| (both || ip.is_ipv4()) && is_routable(ip);
    let alone = !machine.iter().any(|ip| usable(&ip));
    machine
        .iter()
        .filter(move |ip| if alone { ip.is_loopback() && (both || ip.is_ipv4()) } else { usable(ip) })
        .copied()
}

/// Whether a peer elsewhere might reach it. Link-local addresses need a zone, which a candidate cannot carry.
fn is_routable(ip: &IpAddr) -> bool {
    !ip.is_loopback()
        && !ip.is_unspecified()
        && !ip.is_multicast()
        && match ip {
            IpAddr::V4(v4) => !v4.is_link_local() && !v4.is_broadcast(),
            IpAddr::V6(v6) => !v6.is_unicast_link_local() && v6.to_ipv4_mapped().is_none(),
        }
}

/// Addresses of interfaces that are up.
///
/// # Errors
/// When the kernel does not tell.
pub(super) fn machine() -> std::io::Result<Vec<IpAddr>> {
    let mut found = Vec::new();
    for interface in getifaddrs()?.filter(|interface| interface.flags.contains(InterfaceFlags::IFF_UP)) {
        let Some(address) = interface.address else { continue };
        let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
        let ip = v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())));
        found.extend(ip.filter(|ip| !found.contains(ip)));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: &[&str] = &["127.0.0.1", "::1", "192.0.2.2", "fd00::2", "fe80::1", "169.254.1.1"];

    fn check(bound: &str, public: &[&str], machine: &[&str], discovered: &[&str], told: &[&str]) {
        let public: Vec<_> = public.iter().map(|text| text.parse().unwrap()).collect();
        let machine: Vec<_> = machine.iter().map(|text| text.parse().unwrap()).collect();
        let discovered: Vec<_> = discovered.iter().map(|text| text.parse().unwrap()).collect();
        let bound = bound.parse().unwrap();
        let known = Known { bound, tcp: false, public: &public, machine: &machine, discovered: &discovered };
        let made: Vec<_> = candidates(&known).iter().map(|candidate| candidate.address.to_string()).collect();
        assert_eq!(made, told);
    }

    #[test]
    fn a_wildcard_stands_for_what_others_can_reach() {
        check("[::]:8189", &[], MACHINE, &[], &["[fd00::2]:8189", "192.0.2.2:8189"]);
        check("0.0.0.0:8189", &[], MACHINE, &[], &["192.0.2.2:8189"]);
    }

    #[test]
    fn a_machine_without_network_offers_loopback() {
        check("[::]:8189", &[], &["127.0.0.1", "::1", "fe80::1"], &[], &["[::1]:8189", "127.0.0.1:8189"]);
        check("0.0.0.0:8189", &[], &["127.0.0.1", "::1", "fd00::2"], &[], &["127.0.0.1:8189"]);
    }

    #[test]
    fn a_specific_address_is_the_candidate() {
        check("127.0.0.1:8189", &[], MACHINE, &[], &["127.0.0.1:8189"]);
        check("[::1]:8189", &[], MACHINE, &[], &["[::1]:8189"]);
    }

    #[test]
    fn public_addresses_replace_the_machines() {
        check("[::]:8189", &["198.51.100.1"], MACHINE, &[], &["198.51.100.1:8189"]);
        check("192.0.2.2:8189", &["198.51.100.1:9000"], MACHINE, &[], &["198.51.100.1:9000"]);
    }

    #[test]
    fn a_discovered_address_comes_before_the_machines_own() {
        let told = ["[fd00::2]:8189", "198.51.100.1:9000", "192.0.2.2:8189"];
        check("[::]:8189", &[], MACHINE, &["198.51.100.1:9000"], &told);
        check("[::]:8189", &[], MACHINE, &["192.0.2.2:8189"], &["[fd00::2]:8189", "192.0.2.2:8189"]);
    }

    #[test]
    fn tcp_is_told_where_its_port_is_known() {
        let machine = ["192.0.2.2".parse().unwrap()];
        let told = |discovered: SocketAddr, tcp: bool| {
            let bound = "0.0.0.0:8189".parse().unwrap();
            candidates(&Known { bound, tcp, public: &[], machine: &machine, discovered: &[discovered] }).len()
        };
        assert_eq!(told("198.51.100.1:9000".parse().unwrap(), true), 3);
        assert_eq!(told("198.51.100.1:8189".parse().unwrap(), true), 4);
        assert_eq!(told("198.51.100.1:8189".parse().unwrap(), false), 2);
    }

    #[test]
    fn this_machine_has_loopback() {
        assert!(machine().unwrap().iter().any(IpAddr::is_loopback));
    }
}
