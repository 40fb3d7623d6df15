use weir_identity::WatchId;

use super::*;

const EPOCH: Duration = Duration::from_secs(1_795_244_400);

fn spec(id: &str) -> RenditionSpec {
    let id = RenditionId::new(id).unwrap();
    if id == RenditionId::audio() {
        let kind = RenditionKind::Audio { channels: 2, sample_rate: 48_000 };
        return RenditionSpec { id, codecs: "mp4a.40.2".into(), kind };
    }
    let kind = RenditionKind::Video { width: 1280, height: 720, frame_rate: 30.0 };
    RenditionSpec { id, codecs: "avc1.64001f".into(), kind }
}

fn segment(msn: u64) -> Segment {
    Segment {
        msn,
        extent: Extent { at: 1_000 + 500 * msn, bytes: 500 },
        duration: Duration::from_secs(2),
        program_date_time: SystemTime::UNIX_EPOCH + EPOCH + Duration::from_secs(2 * msn),
        discontinuity: false,
        independent: true,
        gap: false,
        init: Some(0),
    }
}

fn of(id: &str, segment: Segment) -> Line {
    Line::Segment { rendition: RenditionId::new(id).unwrap(), segment }
}

fn init(id: &str, number: u32) -> Line {
    let extent = Extent { at: 0, bytes: 1_000 };
    Line::Init { rendition: RenditionId::new(id).unwrap(), number, extent }
}

/// Two segments of pictures and sound.
fn lines() -> Vec<Line> {
    let mut lines = vec![Line::Begin { target: 2 }];
    for id in ["video", "audio"] {
        lines.extend([Line::Rendition(spec(id)), init(id, 0), of(id, segment(0)), of(id, segment(1))]);
    }
    lines
}

fn text(lines: &[Line]) -> String {
    lines.iter().map(Line::write).collect()
}

fn index(lines: &[Line]) -> Index {
    let mut index = Index::default();
    index.read(text(lines).as_bytes());
    index
}

fn plain(rendered: Option<Rendered>) -> String {
    String::from_utf8(rendered.expect("it is there").plain().to_vec()).unwrap()
}

#[test]
fn a_recording_that_ended_is_a_whole_playlist() {
    let mut lines = lines();
    lines.push(of("video", Segment { discontinuity: true, init: Some(1), ..segment(2) }));
    lines.push(Line::End);
    let index = index(&lines);
    assert_eq!((index.duration(), index.ended()), (Duration::from_secs(6), true));
    assert_eq!(
        plain(index.playlist("video")),
        "#EXTM3U\n#EXT-X-VERSION:8\n#EXT-X-TARGETDURATION:2\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-INDEPENDENT-SEGMENTS\n\
         #EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-MAP:URI=\"init-0.mp4\"\n#EXT-X-PROGRAM-DATE-TIME:2026-11-21T07:00:00.000Z\n\
         #EXTINF:2.00000,\nseg-0.m4s\n#EXTINF:2.00000,\nseg-1.m4s\n#EXT-X-DISCONTINUITY\n\
         #EXT-X-MAP:URI=\"init-1.mp4\"\n#EXT-X-PROGRAM-DATE-TIME:2026-11-21T07:00:04.000Z\n#EXTINF:2.00000,\nseg-2.m4s\n\
         #EXT-X-ENDLIST\n"
    );
    let watch = WatchId::random();
    let multivariant = plain(index.multivariant(watch));
    for part in
        ["CODECS=\"avc1.64001f,mp4a.40.2\"", "RESOLUTION=1280x720", &format!("\n{watch}/video/index.m3u8\n"), "=4000,"]
    {
        assert!(multivariant.contains(part), "{part} in {multivariant}");
    }
}

#[test]
fn what_is_still_recorded_is_an_event() {
    let mut index = index(&lines());
    let playlist = plain(index.playlist("audio"));
    assert!(playlist.contains("TYPE:EVENT") && !playlist.contains("ENDLIST"), "{playlist}");
    assert!(index.multivariant(WatchId::random()).is_some());
    let mut more = lines();
    more.extend([of("audio", segment(2)), Line::End]);
    index.read(text(&more).as_bytes());
    assert!(plain(index.playlist("audio")).contains("seg-2.m4s\n#EXT-X-ENDLIST"));
}

#[test]
fn a_line_that_was_not_written_to_its_end_is_left_out() {
    let (whole, mut torn) = (text(&lines()), text(&lines()));
    torn.push_str(&of("video", segment(2)).write()[..20]);
    let mut index = Index::default();
    index.read(torn.as_bytes());
    assert_eq!((index.bytes_read(), index.duration()), (whole.len(), Duration::from_secs(4)));
}

#[test]
fn a_rendition_that_came_late_begins_where_the_others_do() {
    let mut lines = lines();
    lines.extend([Line::Rendition(spec("video_low")), init("video_low", 0), of("video_low", segment(1))]);
    let playlist = plain(index(&lines).playlist("video_low"));
    let entries = "2026-11-21T07:00:00.000Z\n#EXT-X-GAP\n#EXTINF:2.00000,\nseg-0.m4s\n#EXT-X-MAP:URI=\"init-0.mp4\"\n\
                   #EXTINF:2.00000,\nseg-1.m4s\n";
    assert!(playlist.ends_with(entries), "{playlist}");
}

#[test]
fn a_clock_that_went_elsewhere_is_said() {
    let mut lines = lines();
    let late = SystemTime::UNIX_EPOCH + EPOCH + Duration::from_secs(9);
    lines.push(of("video", Segment { program_date_time: late, ..segment(2) }));
    assert!(plain(index(&lines).playlist("video")).contains("TIME:2026-11-21T07:00:09.000Z\n#EXTINF:2.00000,\nseg-2"));
}

#[test]
fn files_are_where_the_index_says_and_no_others_are_there() {
    let mut lines = lines();
    lines.push(of("video", Segment { gap: true, extent: Extent { at: 2_000, bytes: 0 }, ..segment(2) }));
    let index = index(&lines);
    let at = |id: &str, resource| index.resource(id, resource).map(|(_, extent, _)| extent);
    assert_eq!(at("video", Resource::Segment(1)), Some(Extent { at: 1_500, bytes: 500 }));
    assert_eq!(at("audio", Resource::Init(0)), Some(Extent { at: 0, bytes: 1_000 }));
    for (id, resource) in [
        ("video", Resource::Segment(2)),
        ("video", Resource::Segment(3)),
        ("video", Resource::Part(0)),
        ("video", Resource::Init(1)),
        ("other", Resource::Segment(0)),
        ("../video", Resource::Segment(0)),
    ] {
        assert_eq!(at(id, resource), None, "{id} {resource:?}");
    }
    assert_eq!(index.media_bytes(), 4_000);
}

#[test]
fn nonsense_is_left_out() {
    for lines in [
        vec![Line::Begin { target: 2 }, Line::Begin { target: 3 }],
        vec![of("video", segment(0))],
        vec![Line::Rendition(spec("video")), Line::Rendition(spec("video"))],
        vec![Line::Rendition(spec("video")), of("video", segment(1)), of("video", segment(1))],
        vec![Line::Rendition(spec("video")), init("video", 1), init("video", 0)],
    ] {
        let whole = text(&lines[..lines.len() - 1]).len();
        assert_eq!(index(&lines).bytes_read(), whole, "{lines:?}");
    }
    assert!(Index::default().multivariant(WatchId::random()).is_none());
}
