//! Row F2: the multivariant playlist.

use super::*;

fn multivariant(show: &Show) -> Poll<Result<String, Error>> {
    once(show.stream().multivariant()).map_ok(|reply| String::from_utf8(reply.playlist.plain().to_vec()).unwrap())
}

fn part_of(bytes: usize, millis: u64) -> Part {
    Part { data: Bytes::from(vec![0; bytes]), duration: Duration::from_millis(millis), ..part(0, true) }
}

fn segment(show: &Show, id: &RenditionId, bytes: usize) {
    show.writer.part(id, part_of(bytes, 2_000));
    show.writer.end_segment(id);
}

#[test]
fn f2_bit_rates_are_measured() {
    let show = Show::new();
    let id = show.stream().session();
    segment(&show, &show.video, 250_000);
    segment(&show, &show.audio, 32_000);
    let expected = |peak, average| {
        format!(
            "#EXTM3U\n#EXT-X-VERSION:9\n\
             #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"audio\",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\",URI=\"{id}/audio/index.m3u8\"\n\
             #EXT-X-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={average},CODECS=\"avc1.64001f,mp4a.40.2\",RESOLUTION=1280x720,FRAME-RATE=30.000,AUDIO=\"audio\"\n\
             {id}/video/index.m3u8\n"
        )
    };
    assert_eq!(multivariant(&show), Poll::Ready(Ok(expected(1_128_000, 1_128_000))));
    segment(&show, &show.video, 750_000);
    assert_eq!(multivariant(&show), Poll::Ready(Ok(expected(3_128_000, 2_128_000))));
}

#[test]
fn f2_it_waits_for_every_rendition() {
    let show = Show::undescribed(Limits::default());
    segment(&show, &show.video, 250_000);
    assert_eq!(multivariant(&show), Poll::Pending, "not described");
    show.writer.describe(TIMING, specs());
    assert_eq!(multivariant(&show), Poll::Pending, "no sound yet");
    segment(&show, &show.audio, 32_000);
    assert!(matches!(multivariant(&show), Poll::Ready(Ok(_))));
}

#[test]
fn f2_sound_alone_and_pictures_alone_are_streams_too() {
    for (at, id) in [(0, RenditionId::video()), (1, RenditionId::audio())] {
        let show = Show { parts: Cell::new(0), ..Show::undescribed(Limits::default()) };
        show.writer.describe(TIMING, vec![specs()[at].clone()]);
        segment(&show, &id, 1_000);
        let Poll::Ready(Ok(text)) = multivariant(&show) else { panic!("no playlist for {id}") };
        assert!(!text.contains("#EXT-X-MEDIA"), "{text}");
        assert_eq!(tags(&text, "#EXT-X-STREAM-INF").len(), 1, "{text}");
        assert_eq!(attribute(tags(&text, "#EXT-X-STREAM-INF")[0], "CODECS"), Some(&*specs()[at].codecs));
        assert!(text.ends_with(&format!("/{id}/index.m3u8\n")), "{text}");
        assert_eq!(attribute(tags(&text, "#EXT-X-STREAM-INF")[0], "AUDIO"), None);
    }
}

#[test]
fn f2_a_rendition_that_begins_with_a_gap_is_not_waited_for() {
    let show = Show::new();
    segment(&show, &show.video, 250_000);
    show.writer.part(&show.audio, Part { gap: true, data: Bytes::new(), ..part(0, false) });
    show.writer.end_segment(&show.audio);
    let Poll::Ready(Ok(text)) = multivariant(&show) else { panic!("still waits") };
    assert!(text.contains("BANDWIDTH=1000000,"), "{text}");
}

#[test]
fn f2_a_rendition_that_is_not_described_is_never_shown() {
    let show = Show::new();
    let other = RenditionId::new("other").unwrap();
    segment(&show, &show.video, 1_000);
    segment(&show, &show.audio, 1_000);
    segment(&show, &other, 1_000);
    let Poll::Ready(Ok(text)) = multivariant(&show) else { panic!("waits for the other") };
    assert!(!text.contains("other") && !show.playlist("").contains("other"));
    assert_eq!(show.ask("other", ""), Poll::Ready(Err(Error::NotFound)));
    assert!(matches!(once(show.stream().resource("other", Resource::Part(0))), Poll::Ready(Err(Error::NotFound))));
}

#[test]
fn e6_a_private_channel_is_never_kept() {
    let store = Store::new(Limits::default());
    for (private, max_age) in [(true, None), (false, Some(1))] {
        let writer = store.open(name(), PublishId::random(), private).unwrap();
        writer.describe(TIMING, vec![specs()[0].clone()]);
        writer.part(&RenditionId::video(), part(0, true));
        writer.end_segment(&RenditionId::video());
        let Poll::Ready(Ok(reply)) = once(writer.stream().multivariant()) else { panic!() };
        assert_eq!(reply.max_age, max_age);
    }
}
