//! Our server's side against another implementation of the client's: `rtc`'s whole peer connection.

use bytes::BytesMut;
use rtc::ice::mdns::MulticastDnsMode;
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::media_engine::MediaEngine;
use rtc::peer_connection::configuration::setting_engine::SettingEngineBuilder;
use rtc::peer_connection::sdp::RTCSessionDescription;
use rtc::peer_connection::transport::{CandidateConfig, CandidateHostConfig, RTCIceCandidate};
use rtc::peer_connection::{RTCPeerConnection, RTCPeerConnectionBuilder};
use rtc::rtp_transceiver::RTCRtpSenderId;
use rtc::rtp_transceiver::rtp_sender::{RTCRtpCodec, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind};
use rtc::sansio::Protocol;
use rtc::shared::{TaggedBytesMut, TransportContext, TransportProtocol};

use super::*;

const SSRC: u32 = 0x0102_0304;

/// A browser-like client that offers one video track.
fn client(now: Instant) -> (RTCPeerConnection, RTCRtpSenderId) {
    let mut engine = MediaEngine::default();
    engine.register_default_codecs().expect("codecs");
    let settings = SettingEngineBuilder::new().with_multicast_dns_mode(MulticastDnsMode::Disabled).build();
    let mut client = RTCPeerConnectionBuilder::new()
        .with_media_engine(engine)
        .with_setting_engine(settings)
        .build(now)
        .expect("a peer connection");
    let codec = RTCRtpCodec { mime_type: "video/VP8".to_owned(), clock_rate: 90_000, ..RTCRtpCodec::default() };
    let coding = RTCRtpCodingParameters { ssrc: Some(SSRC), ..RTCRtpCodingParameters::default() };
    let encoding =
        RTCRtpEncodingParameters { rtp_coding_parameters: coding, codec, ..RTCRtpEncodingParameters::default() };
    let track = MediaStreamTrack::new("s".into(), "t".into(), "l".into(), RtpCodecKind::Video, vec![encoding]);
    let sender = client.add_track(track).expect("a track");
    (client, sender)
}

/// The value of the first `a=name:` line.
fn value<'a>(sdp: &'a str, name: &str) -> &'a str {
    let line = format!("a={name}:");
    sdp.lines().find_map(|text| text.strip_prefix(&line)).expect("the line is there").trim()
}

#[test]
fn a_whole_peer_connection_connects_and_sends() {
    let mut now = Instant::now();
    let (mut client, sender) = client(now);
    let at = path();
    let base = CandidateConfig {
        network: "udp".to_owned(),
        address: at.remote.ip().to_string(),
        port: at.remote.port(),
        component: 1,
        ..CandidateConfig::default()
    };
    let candidate = CandidateHostConfig { base_config: base, ..CandidateHostConfig::default() };
    let candidate = RTCIceCandidate::from(&candidate.new_candidate_host().expect("a candidate"));
    let offer = client.create_offer(None).expect("an offer");
    client.set_local_description(now, offer).expect("set");
    client.add_local_candidate(candidate.to_json().expect("a candidate")).expect("added");
    let offer = client.local_description().expect("a description").sdp;

    let (algorithm, print) = value(&offer, "fingerprint").split_once(' ').expect("two words");
    let fingerprint = Fingerprint { algorithm: algorithm.to_owned(), value: print.to_owned() };
    let remote = Credentials { ufrag: value(&offer, "ice-ufrag").into(), pwd: value(&offer, "ice-pwd").into() };
    let (certificate, local) = (Certificate::generate().expect("a certificate"), Credentials::random());
    let mut server =
        Transport::new(now, Side::Server, &certificate, local.clone(), remote, vec![fingerprint]).expect("a transport");

    let vp8 = offer.lines().find_map(|line| line.strip_suffix(" VP8/90000")?.strip_prefix("a=rtpmap:"));
    let vp8 = vp8.expect("VP8 is offered");
    let answer = format!(
        "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=ice-lite\r\na=group:BUNDLE {mid}\r\n\
         m=video 9 UDP/TLS/RTP/SAVPF {vp8}\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\na=recvonly\r\na=rtcp-mux\r\n\
         a=rtpmap:{vp8} VP8/90000\r\na=setup:passive\r\na=fingerprint:sha-256 {print}\r\na=ice-ufrag:{ufrag}\r\n\
         a=ice-pwd:{pwd}\r\na=candidate:1 1 udp 2130706431 {ip} {port} typ host\r\na=end-of-candidates\r\n",
        mid = value(&offer, "mid"),
        print = certificate.fingerprint().value,
        ufrag = local.ufrag,
        pwd = local.pwd,
        ip = at.local.ip(),
        port = at.local.port(),
    );
    let answer = RTCSessionDescription::answer(answer).expect("an answer");
    client.set_remote_description(now, answer).expect("set");

    let mut received = None;
    for sequence in 0..2_000_u16 {
        while let Some(sent) = client.poll_write() {
            if let Packet::Rtp(packet) = server.receive(now, path(), &sent.message).packet {
                received = Some(packet);
            }
        }
        while let Some(transmit) = server.poll_transmit() {
            let transport = TransportContext {
                local_addr: at.remote,
                peer_addr: at.local,
                ecn: None,
                transport_protocol: TransportProtocol::UDP,
            };
            let message = BytesMut::from(&transmit.data[..]);
            client.handle_read(TaggedBytesMut { now, transport, message }).expect("read");
        }
        while client.poll_event().is_some() {}
        while client.poll_read().is_some() {}
        if received.is_some() {
            break;
        }
        now += Duration::from_millis(20);
        client.handle_timeout(now).expect("a timeout");
        server.handle_timeout(now);
        if server.is_connected() {
            let header = rtc::rtp::Header {
                version: 2,
                ssrc: SSRC,
                sequence_number: sequence,
                payload_type: vp8.parse().expect("a number"),
                ..rtc::rtp::Header::default()
            };
            let packet = rtc::rtp::Packet { header, payload: Bytes::from_static(b"a picture") };
            let _ = client.rtp_sender(sender).expect("the sender").write_rtp(now, packet);
        }
    }
    let received = received.expect("a packet of the client");
    assert!(received.ends_with(b"a picture"), "{received:?}");
    assert_eq!(server.path(), Some(path()));

    client.close().expect("closed");
    while let Some(sent) = client.poll_write() {
        server.receive(now, path(), &sent.message);
    }
    let events: Vec<_> = std::iter::from_fn(|| server.poll_event()).collect();
    assert_eq!(events, [Event::PathChanged(path()), Event::Connected, Event::Closed(Reason::Peer)]);
}
