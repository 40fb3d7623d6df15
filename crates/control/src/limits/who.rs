//! Who a request is counted for.

use std::net::{IpAddr, Ipv6Addr};

use weir_identity::{AccountId, KeySecret};

use crate::seal::derive;

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Who {
    /// Somebody who is logged in.
    Account(AccountId),
    /// An address.
    Address(IpAddr),
}

/// Somebody, as a ledger knows them: addresses are not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hashed {
    /// An account.
    Account([u8; 16]),
    /// A network.
    Address([u8; 16]),
}

impl Who {
    /// Half of an HMAC: nobody can choose to be counted with somebody else.
    pub(super) fn hash(self, secret: &KeySecret) -> Hashed {
        match self {
            Self::Account(id) => Hashed::Account(*id.as_bytes()),
            Self::Address(address) => Hashed::Address(half(secret, &octets(network(address)))),
        }
    }
}

/// The first half of an HMAC of `data`.
pub(super) fn half(secret: &KeySecret, data: &[u8]) -> [u8; 16] {
    let whole = derive(secret, "limits", data);
    let mut half = [0; 16];
    half.copy_from_slice(&whole[..16]);
    half
}

/// Who counts as one: an IPv4 address, or the /64 that a network of IPv6 has at least.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(one: &str, other: &str, same: bool) {
        let secret = KeySecret::from_bytes([7; 32]);
        let hash = |address: &str| Who::Address(address.parse().unwrap()).hash(&secret);
        assert_eq!(hash(one) == hash(other), same, "{one} {other}");
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        check("192.0.2.1", "192.0.2.1", true);
        check("192.0.2.1", "::ffff:192.0.2.1", true);
        check("192.0.2.1", "192.0.2.2", false);
        check("2001:db8::1", "2001:db8::ffff:2", true);
        check("2001:db8::1", "2001:db8:0:1::1", false);
    }
}
