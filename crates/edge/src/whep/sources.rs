//! What a channel has to offer to a viewer, as far as it is known.

use std::sync::Arc;

use weir_media::{AudioCodec, Track, TrackParams, registry::Announced};
use weir_peer::{agreed::RtpCodec, sdp::Source};

/// What may be offered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Offered {
    /// Codecs of pictures and sound, best first.
    pub(super) sources: Vec<Source>,
    /// Everything that the publisher promised is known.
    pub(super) complete: bool,
}

/// What can be offered of a publish with these tracks. `opus`: its sound becomes Opus, if it is not.
pub(super) fn offered(tracks: &[Arc<Track>], announced: Announced, opus: bool) -> Offered {
    let mut sources: Vec<Source> = Vec::new();
    let (mut video, mut audio) = (false, false);
    for track in tracks {
        video |= track.params.is_video();
        audio |= !track.params.is_video();
        let source = match &track.params {
            TrackParams::Audio(params) if params.codec == AudioCodec::Aac && opus => Some(Source::OPUS),
            params => Source::of(params),
        };
        // Layers differ in size; one payload type carries them all.
        let known = |codec: RtpCodec| sources.iter().any(|source| source.codec == codec);
        if let Some(source) = source.filter(|source| !known(source.codec)) {
            sources.push(source);
        }
    }
    let promised = Announced { video: announced.video && !video, audio: announced.audio && !audio };
    Offered { complete: promised == Announced::default() && (video || audio), sources }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use weir_media::{AudioParams, TrackId, VideoCodec, VideoParams};

    use super::*;

    fn track(word: &str) -> Arc<Track> {
        let (config, codec) = (Bytes::new(), if word == "aac" { AudioCodec::Aac } else { AudioCodec::Opus });
        let params = match word {
            "h264" => TrackParams::Video(VideoParams {
                codec: VideoCodec::H264,
                config,
                width: 2,
                height: 2,
                frame_rate: None,
                rfc6381: "avc1.64001f".into(),
            }),
            _ => TrackParams::Audio(AudioParams {
                codec,
                config,
                sample_rate: 48_000,
                channels: 2,
                rfc6381: String::new(),
            }),
        };
        Arc::new(Track { id: TrackId(u8::from(!params.is_video())), params })
    }

    fn check(tracks: &str, announced: (bool, bool), opus: bool, codecs: &[RtpCodec], complete: bool) {
        let tracks: Vec<_> = tracks.split_whitespace().map(track).collect();
        let offered = offered(&tracks, Announced { video: announced.0, audio: announced.1 }, opus);
        let found: Vec<_> = offered.sources.iter().map(|source| source.codec).collect();
        assert_eq!((found.as_slice(), offered.complete), (codecs, complete), "{tracks:?}");
    }

    #[test]
    fn sound_is_offered_if_it_is_opus_or_becomes_it() {
        use RtpCodec::{H264, Opus};
        check("h264 aac", (true, true), true, &[H264, Opus], true);
        check("h264 aac", (true, true), false, &[H264], true);
        check("h264 opus", (true, true), false, &[H264, Opus], true);
        check("aac", (false, true), true, &[Opus], true);
    }

    #[test]
    fn what_was_promised_is_waited_for() {
        use RtpCodec::H264;
        check("h264", (true, true), true, &[H264], false);
        check("h264", (false, false), true, &[H264], true);
        check("", (false, false), true, &[], false);
        check("h264 h264", (true, false), true, &[H264], true);
    }
}
