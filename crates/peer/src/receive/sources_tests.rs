use super::{
    super::testing::{Publisher, RTX_PT, SOUND_PT, VIDEO_PT, section},
    *,
};
use crate::agreed::RtpCodec;

fn simulcast() -> Sources {
    let mut video = section(RtpCodec::H264);
    video.rids = vec!["h".into(), "l".into()];
    Sources::new(vec![section(RtpCodec::Opus), video])
}

/// A source's packet with extensions such as `mid=v rid=h`; what it is taken for.
fn check(sources: &mut Sources, ssrc: u32, pt: u8, extensions: &str, expected: Option<Role>) {
    let mut publisher = Publisher::new(ssrc);
    for (name, value) in extensions.split_whitespace().filter_map(|word| word.split_once('=')) {
        let id = match name {
            "mid" => 1,
            "rid" => 2,
            _ => 3,
        };
        publisher.extensions.push((id, value.as_bytes().to_vec()));
    }
    let packet = publisher.packet(pt, 0, false, b"x");
    let parsed = Header::parse(&packet).unwrap();
    let role = sources.role(ssrc).or_else(|| sources.learn(&parsed.header, parsed.extensions, |_| false));
    assert_eq!(role, expected, "{ssrc} with {extensions}");
}

#[test]
fn layers_are_told_by_their_restriction_ids() {
    let mut sources = simulcast();
    check(&mut sources, 1, VIDEO_PT, "mid=v rid=l", Some(Role::Media(2)));
    check(&mut sources, 2, RTX_PT, "mid=v repaired=l", Some(Role::Repair(2)));
    check(&mut sources, 3, VIDEO_PT, "mid=v rid=h", Some(Role::Media(1)));
    check(&mut sources, 1, VIDEO_PT, "", Some(Role::Media(2)));
}

#[test]
fn a_layer_without_its_id_is_unknown() {
    let mut sources = simulcast();
    check(&mut sources, 1, VIDEO_PT, "", None);
    check(&mut sources, 1, VIDEO_PT, "mid=v", None);
    check(&mut sources, 1, VIDEO_PT, "mid=v rid=x", None);
    check(&mut sources, 1, VIDEO_PT, "mid=x rid=l", None);
}

#[test]
fn a_payload_type_of_one_section_tells_enough() {
    let mut sources = Sources::new(vec![section(RtpCodec::Opus), section(RtpCodec::H264)]);
    check(&mut sources, 1, SOUND_PT, "", Some(Role::Media(0)));
    check(&mut sources, 2, VIDEO_PT, "", Some(Role::Media(1)));
    check(&mut sources, 3, RTX_PT, "", Some(Role::Repair(1)));
    check(&mut sources, 4, 50, "", None);
}

#[test]
fn sources_of_the_offer_are_known_from_the_start() {
    let mut video = section(RtpCodec::H264);
    video.ssrcs = vec![(10, Some(11)), (20, None)];
    let sources = Sources::new(vec![video]);
    assert_eq!(sources.layers().len(), 2);
    assert_eq!(
        [10, 11, 20, 21].map(|ssrc| sources.role(ssrc)),
        [Some(Role::Media(0)), Some(Role::Repair(0)), Some(Role::Media(1)), None]
    );
}

#[test]
fn a_layer_follows_its_source_and_memory_stays_small() {
    let mut sources = simulcast();
    for ssrc in 0..1_000 {
        check(&mut sources, ssrc, VIDEO_PT, "mid=v rid=l", Some(Role::Media(2)));
    }
    assert_eq!(sources.known.len(), 1);
    assert_eq!(sources.role(5), None);
}
