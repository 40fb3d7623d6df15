//! Reads just what a viewer needs of playlists.

/// What a multivariant playlist offers: the first variant, and the sound that belongs to it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) video: String,
    pub(crate) audio: Option<String>,
}

/// A media playlist as seen by a viewer who has everything before some part or segment.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Media<'a> {
    /// Seconds.
    pub(crate) target_duration: f64,
    /// Seconds; 0 when there are no parts.
    pub(crate) part_target: f64,
    pub(crate) can_block: bool,
    pub(crate) can_skip: bool,
    pub(crate) ended: bool,
    pub(crate) map: Option<&'a str>,
    /// Media sequence number and index of the part that comes next.
    pub(crate) next: (u64, u64),
    /// Listed parts, from the wanted one on.
    pub(crate) parts: Vec<&'a str>,
    /// Listed segments, from the wanted one's on.
    pub(crate) segments: Vec<&'a str>,
    /// The part to come.
    pub(crate) hint: Option<&'a str>,
    /// Parts were wanted that are listed no more.
    pub(crate) lost: bool,
}

/// `None` when it is a media playlist.
pub(crate) fn offer(text: &str) -> Option<Offer> {
    let mut audio = None;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("#EXT-X-MEDIA:") && line.contains("TYPE=AUDIO") {
            audio = audio.or(attribute(line, "URI=").map(str::to_owned));
        } else if line.starts_with("#EXT-X-STREAM-INF:") {
            let video = lines.find(|line| !line.starts_with('#') && !line.trim().is_empty())?;
            // Sound may be listed after the variants.
            audio = audio.or_else(|| {
                let line =
                    text.lines().find(|line| line.starts_with("#EXT-X-MEDIA:") && line.contains("TYPE=AUDIO"))?;
                attribute(line, "URI=").map(str::to_owned)
            });
            return Some(Offer { video: video.trim().to_owned(), audio });
        }
    }
    None
}

/// Reads a media playlist. `from` is the first part that the viewer wants, as media sequence number and index.
pub(crate) fn media(text: &str, from: (u64, u64)) -> Media<'_> {
    let mut media = Media::default();
    let (mut sequence, mut part) = (0, 0);
    let mut first_part = None;
    let mut at = 0;
    let bytes = text.as_bytes();
    while at < bytes.len() {
        let end = memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |length| at + length);
        let line = text[at..end].trim_end_matches('\r');
        at = end + 1;
        let Some(tag) = line.strip_prefix("#EXT") else {
            if !line.is_empty() && !line.starts_with('#') {
                if sequence >= from.0 {
                    media.segments.push(line);
                }
                sequence += 1;
                part = 0;
            }
            continue;
        };
        let Some(tag) = tag.strip_prefix("-X-") else { continue };
        if tag.starts_with("PART:") {
            first_part.get_or_insert((sequence, part));
            if (sequence, part) >= from {
                media.parts.extend(attribute(tag, "URI="));
            }
            part += 1;
        } else if let Some(number) = tag.strip_prefix("MEDIA-SEQUENCE:") {
            sequence = number.parse().unwrap_or(0);
        } else if tag.starts_with("SKIP:") {
            sequence += attribute(tag, "SKIPPED-SEGMENTS=").and_then(|count| count.parse().ok()).unwrap_or(0);
        } else if tag.starts_with("PRELOAD-HINT:") && tag.contains("TYPE=PART") {
            media.hint = attribute(tag, "URI=");
        } else if let Some(seconds) = tag.strip_prefix("TARGETDURATION:") {
            media.target_duration = seconds.parse().unwrap_or(0.0);
        } else if tag.starts_with("PART-INF:") {
            media.part_target = attribute(tag, "PART-TARGET=").and_then(|value| value.parse().ok()).unwrap_or(0.0);
        } else if tag.starts_with("SERVER-CONTROL:") {
            media.can_block = tag.contains("CAN-BLOCK-RELOAD=YES");
            media.can_skip = tag.contains("CAN-SKIP-UNTIL=");
        } else if tag.starts_with("MAP:") {
            media.map = attribute(tag, "URI=");
        } else if tag == "ENDLIST" {
            media.ended = true;
        }
    }
    media.next = (sequence, part);
    media.lost = first_part.is_some_and(|first| from.0 > 0 && from < first && from.0 < first.0);
    media
}

/// The value of the attribute `name`, which ends in `=`; without quotes.
fn attribute<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let mut from = 0;
    loop {
        let at = from + line[from..].find(name)?;
        if at == 0 || matches!(line.as_bytes()[at - 1], b',' | b':') {
            let value = &line[at + name.len()..];
            return match value.strip_prefix('"') {
                Some(quoted) => quoted.split('"').next(),
                None => value.split(',').next(),
            };
        }
        from = at + name.len();
    }
}

/// `reference` as a path on the server, seen from the playlist at `base`, whose query is left out.
pub(crate) fn resolve(base: &str, reference: &str) -> String {
    if let Some((_, rest)) = reference.split_once("://") {
        return rest.find('/').map_or_else(|| "/".to_owned(), |at| rest[at..].to_owned());
    }
    if reference.starts_with('/') {
        return reference.to_owned();
    }
    let path = base.split('?').next().unwrap_or_default();
    let folder = path.rfind('/').map_or("/", |at| &path[..=at]);
    format!("{folder}{reference}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOW_LATENCY: &str = "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:2\n#EXT-X-PART-INF:PART-TARGET=0.22\n\
        #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=0.66,CAN-SKIP-UNTIL=12\n#EXT-X-MEDIA-SEQUENCE:7\n\
        #EXT-X-MAP:URI=\"init.mp4\"\n#EXTINF:2.0,\ns7.m4s\n#EXT-X-PART:DURATION=0.2,URI=\"p0.m4s\",INDEPENDENT=YES\n\
        #EXT-X-PART:DURATION=0.2,URI=\"p1.m4s\"\n#EXTINF:0.4,\ns8.m4s\n#EXT-X-PART:DURATION=0.2,URI=\"p2.m4s?a=1\"\n\
        #EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"p3.m4s?a=1\"\n";

    #[test]
    fn parts_count_from_the_wanted_one_on() {
        let all = media(LOW_LATENCY, (0, 0));
        assert_eq!((all.next, all.parts.len(), all.segments.len()), ((9, 1), 3, 2));
        assert_eq!(
            (all.hint, all.map, all.can_block, all.can_skip),
            (Some("p3.m4s?a=1"), Some("init.mp4"), true, true)
        );
        assert_eq!((all.target_duration, all.part_target), (2.0, 0.22));
        assert_eq!(media(LOW_LATENCY, (8, 1)).parts, ["p1.m4s", "p2.m4s?a=1"]);
        assert_eq!(media(LOW_LATENCY, (8, 9)).parts, ["p2.m4s?a=1"]);
        assert!(media(LOW_LATENCY, (9, 1)).parts.is_empty());
    }

    #[test]
    fn skipped_segments_count() {
        let delta = LOW_LATENCY.replace("#EXTINF:2.0,\ns7.m4s\n", "#EXT-X-SKIP:SKIPPED-SEGMENTS=1\n");
        assert_eq!(media(&delta, (0, 0)).next, (9, 1));
    }

    #[test]
    fn the_first_variant_and_its_sound_are_taken() {
        let text = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"a\"\nvideo.m3u8?x=1\n\
            #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"URI=no\",URI=\"audio.m3u8\"\n";
        let expected = Offer { video: "video.m3u8?x=1".into(), audio: Some("audio.m3u8".into()) };
        assert_eq!(offer(text), Some(expected));
        assert_eq!(offer(LOW_LATENCY), None);
    }

    #[test]
    fn references_are_relative_to_the_playlist() {
        for (reference, expected) in [
            ("v.m3u8", "/live/anna/v.m3u8"),
            ("s/v.m3u8?a=b", "/live/anna/s/v.m3u8?a=b"),
            ("/v.m3u8", "/v.m3u8"),
            ("http://host:1/v.m3u8", "/v.m3u8"),
        ] {
            assert_eq!(resolve("/live/anna/index.m3u8?token=/x", reference), expected);
        }
    }
}
