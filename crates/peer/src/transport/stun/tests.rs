//! Against RFC 5769's samples, ourselves, and garbage.

use proptest::prelude::*;

use super::*;

/// RFC 5769 §2.1: a request, padded with spaces, which the integrity covers.
const SAMPLE_REQUEST: &[u8] = b"\x00\x01\x00\x58\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae\
    \x80\x22\x00\x10STUN test client\x00\x24\x00\x04\x6e\x00\x01\xff\x80\x29\x00\x08\x93\x2f\xf9\xb1\x51\x26\x3b\x36\
    \x00\x06\x00\x09\x65\x76\x74\x6a\x3a\x68\x36\x76\x59\x20\x20\x20\x00\x08\x00\x14\x9a\xea\xa7\x0c\xbf\xd8\xcb\x56\
    \x78\x1e\xf2\xb5\xb2\xd3\xf2\x49\xc1\xb5\x71\xa2\x80\x28\x00\x04\xe5\x7a\x3b\xcf";

/// RFC 5769 §2.2: its answer over IPv4.
const SAMPLE_RESPONSE: &[u8] = b"\x01\x01\x00\x3c\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae\
    \x80\x22\x00\x0btest vector \x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6\x43\x00\x08\x00\x14\x2b\x91\xf5\x99\
    \xfd\x9e\x90\xc3\x8c\x74\x89\xf9\x2a\xf9\xba\x53\xf0\x6b\xe7\xd7\x80\x28\x00\x04\xc0\x7d\x4c\x96";

const SAMPLE_PASSWORD: &str = "VOkJxbRl1RmTxUk/WvJxBt";

#[test]
fn the_sample_request_of_the_rfc_is_read_and_authentic() {
    let message = Message::parse(SAMPLE_REQUEST).expect("well formed");
    assert_eq!(message.class, Class::Request);
    assert_eq!(message.username, Some("evtj:h6vY"));
    assert_eq!(message.priority, Some(0x6e00_01ff));
    assert_eq!(message.controlled, Some(0x932f_f9b1_5126_3b36));
    assert!(message.is_authentic(&mut Key::new(SAMPLE_PASSWORD).expect("a key")));
    assert!(!message.is_authentic(&mut Key::new("another").expect("a key")));
    assert_eq!(username(SAMPLE_REQUEST), Some("evtj"));
}

#[test]
fn the_sample_response_of_the_rfc_is_read_and_authentic() {
    let message = Message::parse(SAMPLE_RESPONSE).expect("well formed");
    assert_eq!(message.mapped, Some("192.0.2.1:32853".parse().expect("an address")));
    assert!(message.is_authentic(&mut Key::new(SAMPLE_PASSWORD).expect("a key")));
    assert_eq!(username(SAMPLE_RESPONSE), None, "only requests are routed by name");
}

#[test]
fn what_is_written_reads_back() {
    let mut key = Key::new("a password of some length").expect("a key");
    let transaction = *b"transaction!";
    for address in ["203.0.113.9:50000", "[2001:db8::7]:9"] {
        let address = address.parse().expect("an address");
        let bytes = Writer::new(Class::Success, transaction).mapped(address, transaction).integrity(&mut key).finish();
        let message = Message::parse(&bytes).expect("well formed");
        assert_eq!(message.mapped, Some(address));
        assert!(message.is_authentic(&mut key));
    }
    let bytes = Writer::new(Class::Request, transaction)
        .username("ab:cde")
        .priority(7)
        .controlling(9)
        .use_candidate()
        .integrity(&mut key)
        .finish();
    let message = Message::parse(&bytes).expect("well formed");
    assert_eq!((message.priority, message.controlling, message.use_candidate), (Some(7), Some(9), true));
    assert_eq!(username(&bytes), Some("ab"));
}

#[test]
fn a_type_that_must_be_known_is_named() {
    let mut bytes = Writer::new(Class::Request, [1; 12]);
    bytes = bytes.attribute(0x7777, b"abc").attribute(0x8777, b"fine");
    let bytes = bytes.finish();
    assert_eq!(Message::parse(&bytes).expect("well formed").unknown(), [0x7777]);
}

proptest! {
    #[test]
    fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = username(&bytes);
    }

    #[test]
    fn a_changed_byte_is_noticed(at in 0..SAMPLE_REQUEST.len() - 8, flip in 1..=255_u8, fix in any::<bool>()) {
        let mut bytes = SAMPLE_REQUEST.to_vec();
        bytes[at] ^= flip;
        if fix {
            let covered = bytes.len() - 8;
            let crc = crc32(&bytes[..covered]) ^ FINGERPRINT_XOR;
            bytes[covered + 4..].copy_from_slice(&crc.to_be_bytes());
        }
        let mut key = Key::new(SAMPLE_PASSWORD).expect("a key");
        let authentic = Message::parse(&bytes).is_some_and(|message| message.is_authentic(&mut key));
        prop_assert!(!authentic || bytes == SAMPLE_REQUEST);
    }

    #[test]
    fn a_cut_message_is_none(cut in 0..SAMPLE_REQUEST.len()) {
        prop_assert!(Message::parse(&SAMPLE_REQUEST[..cut]).is_none());
    }
}
