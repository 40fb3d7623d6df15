//! Offers of real peers, and the answers they get.

use std::str::FromStr;

use super::*;
use crate::{
    agreed::RtpCodec,
    socket::{Candidate, Protocol},
    transport::{Credentials, Fingerprint},
};

const CHROMIUM_PUBLISH: &str = include_str!("testdata/chromium_publish.sdp");
const CHROMIUM_SIMULCAST: &str = include_str!("testdata/chromium_publish_simulcast.sdp");
const CHROMIUM_PLAY: &str = include_str!("testdata/chromium_play.sdp");
const CHROMIUM_PLAY_EXTRA: &str = include_str!("testdata/chromium_play_extra.sdp");
const OBS: &str = include_str!("testdata/obs_publish.sdp");
const AIORTC: &str = include_str!("testdata/aiortc_publish.sdp");
const GSTREAMER: &str = include_str!("testdata/gstreamer_publish.sdp");

const H264_HIGH: Source = Source { codec: RtpCodec::H264, profile: Profile::H264 { idc: 0x64, constraints: 0 } };

pub(super) fn local() -> Local {
    let candidate = |foundation, protocol, priority| {
        let address = "192.0.2.1:8189".parse().unwrap();
        Candidate { foundation, protocol, priority, address }
    };
    Local {
        credentials: Credentials { ufrag: "ours".into(), pwd: "0123456789012345678901".into() },
        fingerprint: Fingerprint { algorithm: "sha-256".into(), value: "AA:BB".into() },
        candidates: [candidate(1, Protocol::Udp, 2), candidate(2, Protocol::TcpPassive, 1)].into(),
    }
}

fn published(offer: &str) -> PublishAnswer {
    publish(&Offer::parse(offer).unwrap(), &local()).unwrap()
}

fn played(offer: &str, sources: &[Source]) -> PlayAnswer {
    play(&Offer::parse(offer).unwrap(), sources, &local()).unwrap()
}

/// What an answer says, a line a section: `mid kind direction PTs`, or `mid refused`.
fn sketch(sdp: &str) -> Vec<String> {
    let answer = Description::from_str(sdp).unwrap();
    let section = |section: &Section| {
        let mid = section.mid.clone().unwrap_or_default();
        if section.is_refused() {
            return format!("{mid} refused");
        }
        let pts: Vec<_> = section.codecs.iter().map(|codec| format!("{}={}", codec.pt, codec.name)).collect();
        format!("{mid} {} {:?} {}", section.kind, section.direction, pts.join(" "))
    };
    answer.sections.iter().map(section).collect()
}

#[test]
fn chromium_publishes_h264_and_opus() {
    let answer = published(CHROMIUM_PUBLISH);
    let h264 = "102=H264 108=H264 116=H264 104=H264 114=H264 39=H264 103=rtx 109=rtx 117=rtx 107=rtx 115=rtx 40=rtx";
    assert_eq!(
        sketch(&answer.sdp),
        ["0 audio RecvOnly 111=opus".to_owned(), format!("1 video RecvOnly {h264}")],
        "{}",
        answer.sdp
    );
    let [video, audio] = &answer.incoming[..] else { panic!("two sections") };
    assert_eq!((video.mid.as_str(), audio.mid.as_str()), ("1", "0"));
    assert_eq!(video.ssrcs.len(), 1);
    assert!(video.ssrcs[0].1.is_some());
    assert_eq!((video.payloads[0].pt, video.payloads[0].rtx), (102, Some(103)));
    assert_eq!((video.extensions.mid, video.extensions.transport_cc), (Some(4), Some(3)));
    assert!(video.feedback.nack && video.feedback.pli && video.feedback.fir && video.feedback.transport_cc);
    assert!(!audio.feedback.nack && audio.feedback.transport_cc);
}

#[test]
fn an_answer_has_one_bundle_one_transport_and_all_candidates() {
    let answer = published(CHROMIUM_PUBLISH).sdp;
    for line in [
        "a=group:BUNDLE 0 1",
        "a=ice-lite",
        "a=setup:passive",
        "a=ice-ufrag:ours",
        "a=fingerprint:sha-256 AA:BB",
        "a=candidate:1 1 udp 2 192.0.2.1 8189 typ host",
        "a=candidate:2 1 tcp 1 192.0.2.1 8189 typ host tcptype passive",
        "a=end-of-candidates",
        "a=extmap-allow-mixed",
        "a=rtcp-fb:102 nack pli",
        "a=fmtp:103 apt=102",
    ] {
        assert!(answer.split("\r\n").any(|found| found == line), "{line} in {answer}");
    }
    assert!(answer.ends_with("\r\n"));
    assert_eq!(answer.matches("a=candidate").count(), 2, "candidates stand in the first section only");
    assert!(!answer.contains("goog-remb"));
}

#[test]
fn chromium_is_told_to_begin_with_a_whole_picture_and_nobody_else() {
    let told = |offer| published(offer).sdp.contains("profile-level-id=42e01f;x-google-start-bitrate=2500");
    assert!(told(CHROMIUM_PUBLISH));
    assert!([OBS, AIORTC, GSTREAMER].iter().all(|offer| !published(offer).sdp.contains("x-google")));
}

#[test]
fn simulcast_layers_are_received() {
    let answer = published(CHROMIUM_SIMULCAST);
    let video = &answer.incoming[0];
    assert_eq!(video.rids, ["h", "m", "l"]);
    assert!(video.ssrcs.is_empty());
    for line in ["a=rid:h recv", "a=rid:l recv", "a=simulcast:recv h;m;l"] {
        assert!(answer.sdp.contains(line), "{line} in {}", answer.sdp);
    }
}

#[test]
fn obs_aiortc_and_gstreamer_publish() {
    let check = |offer, want: [&str; 2]| assert_eq!(sketch(&published(offer).sdp), want);
    check(OBS, ["0 audio RecvOnly 111=opus", "1 video RecvOnly 96=H264"]);
    check(AIORTC, ["0 audio RecvOnly 96=opus", "1 video RecvOnly 99=H264 101=H264 100=rtx 102=rtx"]);
    check(GSTREAMER, ["video0 video RecvOnly 96=H264 97=rtx", "audio1 audio RecvOnly 98=OPUS"]);
}

#[test]
fn chromium_plays_what_the_channel_has() {
    let answer = played(CHROMIUM_PLAY, &[H264_HIGH, Source::OPUS]);
    assert_eq!(sketch(&answer.sdp), ["0 video SendOnly 41=H264 42=rtx", "1 audio SendOnly 111=opus"]);
    assert!(answer.exact, "High 4:4:4 contains High");
    let [video, audio] = &answer.outgoing[..] else { panic!("two sections") };
    let fid = format!("a=ssrc-group:FID {} {}", video.ssrc, video.rtx_ssrc.unwrap());
    assert!(answer.sdp.contains(&fid), "{}", answer.sdp);
    assert!(audio.rtx_ssrc.is_none() && audio.ssrc != video.ssrc);
    assert!(answer.sdp.contains("a=msid:weir video") && answer.sdp.contains("a=msid:weir audio"));
}

#[test]
fn sections_that_get_nothing_are_refused() {
    let want = ["0 video SendOnly 96=VP8 97=rtx", "1 refused", "2 refused", "3 refused"];
    let source = Source { codec: RtpCodec::Vp8, profile: Profile::Any };
    let answer = played(CHROMIUM_PLAY_EXTRA, &[source]);
    assert_eq!(sketch(&answer.sdp), want);
    assert!(answer.sdp.contains("a=group:BUNDLE 0\r\n"), "{}", answer.sdp);
}

#[test]
fn high_is_sent_to_who_names_only_less_and_that_is_said() {
    let offer = CHROMIUM_PLAY.replace("f4001f", "42e01f");
    assert!(!played(&offer, &[H264_HIGH]).exact);
}

#[test]
fn what_is_missing_is_said() {
    let offer = Offer::parse(&OBS.replace("H264/90000", "H263/90000")).unwrap();
    let said = publish(&offer, &local()).unwrap_err().to_string();
    let want = "No video codec fits: the offer has H263; this server takes H.264, HEVC, AV1, VP9, VP8.";
    assert_eq!(said, want);
    let offer = Offer::parse(OBS).unwrap();
    assert!(matches!(play(&offer, &[H264_HIGH], &local()), Err(Unacceptable::Direction(_))));
    let offer = Offer::parse(CHROMIUM_PLAY).unwrap();
    let hevc = Source { codec: RtpCodec::Hevc, profile: Profile::Number(1) };
    let said = play(&offer, &[hevc], &local()).unwrap_err().to_string();
    assert_eq!(said, "No video codec fits: the offer has VP8, VP9, H264, AV1; this server has HEVC.");
}

#[test]
fn offers_that_need_another_side_are_refused() {
    let check = |offer: String, want: Unacceptable| {
        assert_eq!(publish(&Offer::parse(&offer).unwrap(), &local()).unwrap_err(), want);
    };
    check(OBS.replace("setup:actpass", "setup:passive"), Unacceptable::Setup("passive".into()));
    check(OBS.replace("a=group:BUNDLE 0 1\r\n", ""), Unacceptable::NoBundle);
    check(OBS.replace("a=rtcp-mux\r\n", ""), Unacceptable::NoRtcpMux);
    check(OBS.replace("sha-256", "sha-1"), Unacceptable::Fingerprint);
    check(OBS.replace("t=0 0", "t=0 0\r\na=ice-lite"), Unacceptable::IceLite);
}

#[test]
fn only_the_first_bundled_section_has_to_have_rtcp_mux() {
    // As RFC 8843 has sections that are offered bundle-only.
    let later = |offer: &str| {
        let (first, rest) = offer.split_once("a=rtcp-mux\r\n").unwrap();
        format!("{first}a=rtcp-mux\r\n{}", rest.replace("a=rtcp-mux\r\n", ""))
    };
    assert_eq!(published(&later(OBS)).incoming.len(), 2);
    assert_eq!(played(&later(CHROMIUM_PLAY), &[H264_HIGH, Source::OPUS]).outgoing.len(), 2);
    let without_first = |offer: &str| offer.replacen("a=rtcp-mux\r\n", "", 1);
    let offer = Offer::parse(&without_first(OBS)).unwrap();
    assert_eq!(publish(&offer, &local()).unwrap_err(), Unacceptable::NoRtcpMux);
    let offer = Offer::parse(&without_first(CHROMIUM_PLAY)).unwrap();
    assert_eq!(play(&offer, &[H264_HIGH], &local()).unwrap_err(), Unacceptable::NoRtcpMux);
}

#[test]
fn packets_are_sent_again_only_where_retransmissions_have_a_type_of_their_own() {
    let with = played(CHROMIUM_PLAY, &[H264_HIGH]);
    assert!(with.outgoing[0].feedback.nack && with.sdp.contains("a=rtcp-fb:41 nack\r\n"), "{}", with.sdp);
    let without = played(&CHROMIUM_PLAY.replace("apt=41", "apt=140"), &[H264_HIGH]);
    assert_eq!((without.outgoing[0].payloads[0].rtx, without.outgoing[0].rtx_ssrc), (None, None));
    assert!(!without.outgoing[0].feedback.nack && !without.sdp.contains("nack\r\n"), "{}", without.sdp);
    assert!(without.sdp.contains("a=rtcp-fb:41 nack pli\r\n"), "{}", without.sdp);
    let vp8 = Source { codec: RtpCodec::Vp8, profile: Profile::Any };
    let some = played(&CHROMIUM_PLAY.replace("apt=41", "apt=140"), &[H264_HIGH, vp8]);
    assert!(some.outgoing[0].feedback.nack, "{}", some.sdp);
    assert!(some.sdp.contains("a=rtcp-fb:96 nack\r\n") && !some.sdp.contains("a=rtcp-fb:41 nack\r\n"), "{}", some.sdp);
    // A sender repeats by itself what we ask for, under its first number.
    assert!(published(OBS).sdp.contains("nack\r\n"));
}
