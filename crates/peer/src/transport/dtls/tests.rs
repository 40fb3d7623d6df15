//! Associations without ICE around them.

use super::*;

const GCM: SrtpProtectionProfile = SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm;
const CM: SrtpProtectionProfile = SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80;

/// A server and a client that know each other.
fn pair() -> (Dtls, Dtls) {
    let [ours, theirs] = [(); 2].map(|()| Certificate::generate().expect("a certificate"));
    let server = Dtls::new(Side::Server, &ours, vec![theirs.fingerprint()]).expect("a server");
    let client = Dtls::new(Side::Client, &theirs, vec![ours.fingerprint()]).expect("a client");
    (server, client)
}

/// The keys of both sides once all is said, if they agreed.
fn shake(server: &mut Dtls, client: &mut Dtls, offered: &[SrtpProtectionProfile]) -> (Option<Keys>, Option<Keys>) {
    let now = Instant::now();
    client.begun = true;
    let config = client.config(offered).expect("a configuration");
    client.endpoint.connect(now, PEER, config, None).expect("begun");
    let mut keys = (None, None);
    for _ in 0..8 {
        while let Some(datagram) = client.poll_transmit() {
            if let Step::Done(done) = server.receive(now, &datagram) {
                keys.0 = Some(*done);
            }
        }
        while let Some(datagram) = server.poll_transmit() {
            assert!(datagram.len() <= MTU + 100, "{}", datagram.len());
            if let Step::Done(done) = client.receive(now, &datagram) {
                keys.1 = Some(*done);
            }
        }
    }
    keys
}

#[test]
fn the_servers_preference_decides_what_protects_media() {
    #[track_caller]
    fn check(offered: &[SrtpProtectionProfile], overhead: usize) {
        const PACKET: &[u8] = &[0x80, 96, 0, 1, 0, 0, 0, 9, 1, 2, 3, 4, 5, 6, 7];
        let (mut server, mut client) = pair();
        let (ours, theirs) = shake(&mut server, &mut client, offered);
        let mut out = Vec::new();
        ours.expect("the server's keys").sealer.rtp(PACKET, &mut out).expect("sealed");
        assert_eq!(out.len(), PACKET.len() + overhead);
        assert_eq!(theirs.expect("the client's keys").opener.rtp(&out).as_deref(), Some(PACKET));
    }
    check(&[CM, GCM], 16);
    check(&[GCM, CM], 16);
    check(&[GCM], 16);
    check(&[CM], 10);
}

#[test]
fn a_panic_behind_the_fence_fails_this_association_only_and_for_good() {
    let (mut server, mut client) = pair();
    assert!(matches!(server.fenced(|_| panic!("as a bug would")), Step::Failed(_)));
    let (ours, _) = shake(&mut server, &mut client, &PROFILES);
    assert!(ours.is_none());
    assert_eq!(server.poll_timeout(), None);
}

#[test]
fn a_hello_that_is_cut_or_changed_is_read_without_harm() {
    let (_, mut client) = pair();
    let config = client.config(&PROFILES).expect("a configuration");
    client.endpoint.connect(Instant::now(), PEER, config, None).expect("begun");
    let hello = client.poll_transmit().expect("a hello");
    assert!(offers_gcm(&hello));
    for end in 0..hello.len() {
        let _ = offers_gcm(&hello[..end]);
        let mut changed = hello.to_vec();
        changed[end] ^= 0xff;
        let _ = offers_gcm(&changed);
    }
}
