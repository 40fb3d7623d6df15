//! Against `rtc`'s SRTP in both directions, and hostile packets.

use proptest::prelude::*;
use rtc::srtp::context::Context;
use rtc::srtp::protection_profile::ProtectionProfile;

use super::*;
use crate::transport::provider::provider;

const PROFILES: [Profile; 2] = [Profile::AeadAes128Gcm, Profile::Aes128CmSha1];

fn master(profile: Profile) -> (Vec<u8>, Vec<u8>) {
    ((0..16).collect(), (0xa0..).take(profile.salt_len()).collect())
}

fn reference(profile: Profile) -> Context {
    let (key, salt) = master(profile);
    let profile = match profile {
        Profile::AeadAes128Gcm => ProtectionProfile::AeadAes128Gcm,
        Profile::Aes128CmSha1 => ProtectionProfile::Aes128CmHmacSha1_80,
    };
    Context::new(&key, &salt, profile, None, None, provider().crypto()).expect("a context")
}

fn sealer(profile: Profile) -> Sealer {
    let (key, salt) = master(profile);
    Sealer::new(profile, &key, &salt).expect("a sealer")
}

fn opener(profile: Profile) -> Opener {
    let (key, salt) = master(profile);
    Opener::new(profile, &key, &salt).expect("an opener")
}

/// An RTP packet with two contributing sources and a header extension.
fn packet(sequence: u16, ssrc: u32, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x92, 96];
    packet.extend_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(&[0, 0, 0, 9]);
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend_from_slice(&[1; 8]);
    packet.extend_from_slice(&[0xbe, 0xde, 0, 1, 0x10, 7, 0, 0]);
    packet.extend_from_slice(payload);
    packet
}

const REPORT: &[u8] = &[0x80, 201, 0, 1, 0xca, 0xfe, 0xba, 0xbe, 0x81, 206, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8];

#[test]
fn another_implementation_opens_what_we_seal_across_wraps() {
    for profile in PROFILES {
        let (mut ours, mut theirs) = (sealer(profile), reference(profile));
        let mut sequence = 65_000_u16;
        for _ in 0..70_000_u32 {
            let plain = packet(sequence, 7, b"payload");
            let mut out = b"before".to_vec();
            ours.rtp(&plain, &mut out).expect("sealed");
            assert_eq!(&out[..6], b"before");
            assert_eq!(theirs.decrypt_rtp(&out[6..]).expect("opened"), plain[..]);
            sequence = sequence.wrapping_add(1);
        }
        for _ in 0..3 {
            let mut out = Vec::new();
            ours.rtcp(REPORT, &mut out).expect("sealed");
            assert_eq!(theirs.decrypt_rtcp(&out).expect("opened"), REPORT);
        }
    }
}

#[test]
fn we_open_what_another_implementation_seals_once() {
    for profile in PROFILES {
        let (mut ours, mut theirs) = (opener(profile), reference(profile));
        for sequence in [65_534_u16, 65_535, 0, 1, 2] {
            let plain = packet(sequence, 7, b"payload");
            let sealed = theirs.encrypt_rtp(&plain).expect("sealed");
            assert_eq!(ours.rtp(&sealed).as_deref(), Some(&plain[..]));
            assert_eq!(ours.rtp(&sealed), None, "a replay");
        }
        for _ in 0..3 {
            let sealed = theirs.encrypt_rtcp(REPORT).expect("sealed");
            assert_eq!(ours.rtcp(&sealed).as_deref(), Some(REPORT));
            assert_eq!(ours.rtcp(&sealed), None, "a replay");
        }
    }
}

#[test]
fn late_packets_open_and_older_than_the_window_do_not() {
    for profile in PROFILES {
        let (mut ours, mut theirs) = (opener(profile), sealer(profile));
        let mut sealed = Vec::new();
        for sequence in 0..2_000_u16 {
            let mut out = Vec::new();
            theirs.rtp(&packet(sequence.wrapping_add(65_000), 7, b"x"), &mut out).expect("sealed");
            sealed.push(out);
        }
        assert!(ours.rtp(&sealed[0]).is_some());
        assert!(ours.rtp(&sealed[1_999]).is_some());
        assert!(ours.rtp(&sealed[1_000]).is_some(), "late across the wrap");
        assert!(ours.rtp(&sealed[1_000]).is_none());
        assert!(ours.rtp(&sealed[1]).is_none(), "too old to tell");
    }
}

#[test]
fn a_nonce_is_never_used_twice() {
    let mut sealer = sealer(Profile::AeadAes128Gcm);
    let mut out = Vec::new();
    sealer.rtp(&packet(5, 7, b"first"), &mut out).expect("sealed");
    let length = out.len();
    assert!(matches!(sealer.rtp(&packet(5, 7, b"other"), &mut out), Err(Error::Repeated)));
    assert_eq!(out.len(), length, "nothing is left behind");
    sealer.rtp(&packet(5, 8, b"other"), &mut out).expect("another source");
    sealer.rtp(&packet(4, 7, b"late"), &mut out).expect("an earlier one that was not sent yet");
}

#[test]
fn plain_srtcp_is_refused() {
    for profile in PROFILES {
        let mut sealed = REPORT.to_vec();
        sealed.extend_from_slice(&1_u32.to_be_bytes());
        sealed.extend_from_slice(&[0; 16]);
        assert_eq!(opener(profile).rtcp(&sealed), None);
    }
}

#[test]
fn sources_that_were_not_authentic_take_no_place() {
    let mut opener = opener(Profile::Aes128CmSha1);
    for ssrc in 0..1_000 {
        assert_eq!(opener.rtp(&packet(1, ssrc, &[0; 40])), None);
    }
    assert!(opener.sources.find(1).is_none());
}

proptest! {
    #[test]
    fn garbage_and_cut_packets_never_panic(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..120), gcm in any::<bool>(), rtp in any::<bool>(),
    ) {
        if let Some(first) = bytes.first_mut() {
            *first = 0x80 | (*first & 0x3f);
        }
        let profile = if gcm { Profile::AeadAes128Gcm } else { Profile::Aes128CmSha1 };
        let mut out = Vec::new();
        if rtp {
            prop_assert!(opener(profile).rtp(&bytes).is_none());
            let _ = sealer(profile).rtp(&bytes, &mut out);
        } else {
            prop_assert!(opener(profile).rtcp(&bytes).is_none());
            let _ = sealer(profile).rtcp(&bytes, &mut out);
        }
    }

    #[test]
    fn any_changed_byte_is_noticed(at in 0_usize..200, flip in 1..=255_u8, gcm in any::<bool>()) {
        let profile = if gcm { Profile::AeadAes128Gcm } else { Profile::Aes128CmSha1 };
        let mut sealed = Vec::new();
        sealer(profile).rtp(&packet(1, 2, b"some payload"), &mut sealed).expect("sealed");
        let at = at % sealed.len();
        sealed[at] ^= flip;
        prop_assert!(opener(profile).rtp(&sealed).is_none());
    }
}
