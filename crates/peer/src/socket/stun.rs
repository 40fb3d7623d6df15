//! As much of STUN (RFC 8489) as it takes to know whose datagram one is. Nothing here is proof of anything.

/// Length of a message's header (§5).
const HEADER_BYTES: usize = 20;
/// What tells STUN from its predecessor (§5).
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];
/// A binding request's type (§5, §18.2).
const BINDING_REQUEST: [u8; 2] = [0x00, 0x01];
/// `USERNAME` (§14.3).
const USERNAME: [u8; 2] = [0x00, 0x06];

/// Whether it is a binding request.
pub(super) fn is_binding_request(datagram: &[u8]) -> bool {
    datagram.len() >= HEADER_BYTES
        && datagram.starts_with(&BINDING_REQUEST)
        && datagram.get(4..8) == Some(&MAGIC_COOKIE)
}

/// The user fragment of ours that a binding request names: what stands before the colon of its `USERNAME` (RFC 8445
/// §7.2.2). Looks at each attribute once, copies nothing.
pub(super) fn local_ufrag(request: &[u8]) -> Option<&[u8]> {
    let mut rest = request.get(HEADER_BYTES..)?;
    loop {
        let (head, tail) = rest.split_first_chunk::<4>()?;
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let value = tail.get(..length)?;
        if head.starts_with(&USERNAME) {
            let colon = value.iter().position(|byte| *byte == b':')?;
            return value.get(..colon).filter(|ufrag| !ufrag.is_empty());
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
            let _ = (is_binding_request(&bytes), local_ufrag(&bytes));
        }
    }
}
