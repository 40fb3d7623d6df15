//! As much of STUN (RFC 8489) as it takes to know whose datagram one is, and to ask a server for our public address.
//! Nothing here is proof of anything: that is each session's own affair.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Length of a message's header (§5).
const HEADER_BYTES: usize = 20;
/// What tells STUN from its predecessor (§5).
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];
/// A binding request's type (§5, §18.2).
const BINDING_REQUEST: [u8; 2] = [0x00, 0x01];
/// A binding success response's type.
const BINDING_RESPONSE: [u8; 2] = [0x01, 0x01];
/// `USERNAME` (§14.3).
const USERNAME: [u8; 2] = [0x00, 0x06];
/// `XOR-MAPPED-ADDRESS` (§14.2).
const XOR_MAPPED_ADDRESS: [u8; 2] = [0x00, 0x20];

/// Tells one request from another (§5).
pub(super) type TransactionId = [u8; 12];

/// Whether it is a binding request.
pub(super) fn is_binding_request(datagram: &[u8]) -> bool {
    is(datagram, BINDING_REQUEST)
}

/// Whether it is a binding success response.
pub(super) fn is_binding_response(datagram: &[u8]) -> bool {
    is(datagram, BINDING_RESPONSE)
}

fn is(datagram: &[u8], kind: [u8; 2]) -> bool {
    datagram.len() >= HEADER_BYTES && datagram.starts_with(&kind) && datagram.get(4..8) == Some(&MAGIC_COOKIE)
}

/// The user fragment of ours that a binding request names: what stands before the colon of its `USERNAME` (RFC 8445
/// §7.2.2). Looks at each attribute once, copies nothing.
pub(super) fn local_ufrag(request: &[u8]) -> Option<&[u8]> {
    let username = attribute(request, USERNAME)?;
    let colon = username.iter().position(|byte| *byte == b':')?;
    username.get(..colon).filter(|ufrag| !ufrag.is_empty())
}

/// The transaction of a message.
pub(super) fn transaction(message: &[u8]) -> Option<TransactionId> {
    message.get(8..HEADER_BYTES)?.first_chunk().copied()
}

/// The address from which a server saw our request come.
pub(super) fn mapped_address(response: &[u8]) -> Option<SocketAddr> {
    let value = attribute(response, XOR_MAPPED_ADDRESS)?;
    let (head, address) = value.split_first_chunk::<4>()?;
    let port = u16::from_be_bytes([head[2] ^ MAGIC_COOKIE[0], head[3] ^ MAGIC_COOKIE[1]]);
    // The cookie and the transaction after it are the mask.
    let mask = response.get(4..HEADER_BYTES)?.first_chunk::<16>()?;
    let ip = match head[1] {
        1 => {
            let masked: [u8; 4] = address.try_into().ok()?;
            IpAddr::V4(Ipv4Addr::from(std::array::from_fn(|at| masked[at] ^ mask[at])))
        }
        2 => {
            let masked: [u8; 16] = address.try_into().ok()?;
            IpAddr::V6(Ipv6Addr::from(std::array::from_fn(|at| masked[at] ^ mask[at])))
        }
        _ => return None,
    };
    (port != 0).then(|| SocketAddr::new(ip, port))
}

/// A transaction that nobody can guess; none where the machine has no random numbers.
pub(super) fn random_id() -> Option<TransactionId> {
    let mut id = TransactionId::default();
    getrandom::fill(&mut id).ok()?;
    Some(id)
}

/// A request for our public address.
pub(super) fn binding_request(id: TransactionId) -> [u8; HEADER_BYTES] {
    let mut request = [0; HEADER_BYTES];
    request[..2].copy_from_slice(&BINDING_REQUEST);
    request[4..8].copy_from_slice(&MAGIC_COOKIE);
    request[8..].copy_from_slice(&id);
    request
}

fn attribute(message: &[u8], kind: [u8; 2]) -> Option<&[u8]> {
    let mut rest = message.get(HEADER_BYTES..)?;
    loop {
        let (head, tail) = rest.split_first_chunk::<4>()?;
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        if head.starts_with(&kind) {
            return tail.get(..length);
        }
        rest = tail.get(length.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A binding request with these attributes.
    pub(in crate::socket) fn request(attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = Vec::new();
        for (kind, value) in attributes {
            body.extend_from_slice(&kind.to_be_bytes());
            body.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
            body.extend_from_slice(value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        let mut message = BINDING_REQUEST.to_vec();
        message.extend_from_slice(&u16::try_from(body.len()).unwrap().to_be_bytes());
        message.extend_from_slice(&MAGIC_COOKIE);
        message.extend_from_slice(&[7; 12]);
        message.extend_from_slice(&body);
        message
    }

    /// What a server answers to a request that came from `mapped`.
    pub(in crate::socket) fn response(request: &[u8], mapped: SocketAddr) -> Vec<u8> {
        let mask: [u8; 16] = *request[4..20].first_chunk().unwrap();
        let [high, low] = mapped.port().to_be_bytes();
        let (family, octets) = match mapped.ip() {
            IpAddr::V4(v4) => (1, v4.octets().to_vec()),
            IpAddr::V6(v6) => (2, v6.octets().to_vec()),
        };
        let mut value = vec![0, family, high ^ mask[0], low ^ mask[1]];
        value.extend(octets.iter().zip(mask).map(|(octet, mask)| octet ^ mask));
        let mut response = super::tests::request(&[(0x8022, b"a server"), (0x20, &value)]);
        response[..2].copy_from_slice(&BINDING_RESPONSE);
        response[8..20].copy_from_slice(&request[8..20]);
        response
    }

    fn check(attributes: &[(u16, &[u8])], ufrag: Option<&[u8]>) {
        let request = request(attributes);
        assert!(is_binding_request(&request));
        assert_eq!(local_ufrag(&request), ufrag);
    }

    #[test]
    fn a_request_names_our_fragment_before_the_colon() {
        check(&[(6, b"ours:theirs")], Some(b"ours"));
        check(&[(0x24, &[0; 4]), (0x8022, b"odd"), (6, b"ours:")], Some(b"ours"));
    }

    #[test]
    fn a_request_without_a_usable_name_is_nobodys() {
        check(&[], None);
        check(&[(6, b"no colon")], None);
        check(&[(6, b":theirs")], None);
        let mut cut = request(&[(6, b"ours:theirs")]);
        cut.truncate(cut.len() - 5);
        assert_eq!(local_ufrag(&cut), None);
    }

    #[test]
    fn what_is_no_binding_request_is_not_taken_for_one() {
        let mut response = request(&[]);
        response[0] = 1;
        assert!(!is_binding_request(&response));
        assert!(!is_binding_request(&request(&[])[..19]));
        assert!(!is_binding_request(&[0; 20]));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = (is_binding_request(&bytes), local_ufrag(&bytes), transaction(&bytes), mapped_address(&bytes));
        }

        #[test]
        fn no_attributes_make_it_panic(kind in prop_oneof![Just(6), Just(0x20)], value in prop::collection::vec(any::<u8>(), 0..40)) {
            let message = request(&[(kind, &value)]);
            let _ = (local_ufrag(&message), mapped_address(&message));
        }
    }
}
