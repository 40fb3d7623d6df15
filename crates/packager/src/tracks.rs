//! The tracks of a publish, and which rendition each of them is.

use std::{collections::BTreeMap, sync::Arc};

use weir_hls::{RenditionId, cut::Lane as Side};
use weir_media::{Frame, Track, TrackId, TrackParams, VideoCodec, VideoParams, bus::TRACKS_MAX, codec};

/// The sound of a publish with Opus, made to AAC: no publisher's track has this number.
pub(crate) const AAC_SOUND: TrackId = TrackId(200);

/// The tracks known so far, by number.
#[derive(Debug, Default)]
pub(crate) struct Tracks(BTreeMap<TrackId, Arc<Track>>);

impl Tracks {
    pub(crate) fn get(&self, id: TrackId) -> Option<&Arc<Track>> {
        self.0.get(&id)
    }

    /// Sets a track's parameters. `false` if they are the same to a muxer as before.
    pub(crate) fn set(&mut self, track: Arc<Track>) -> bool {
        if self.get(track.id).is_some_and(|known| same(known, &track)) {
            return false;
        }
        self.0.insert(track.id, track);
        true
    }

    /// The layers of the pictures, best first.
    pub(crate) fn pictures(&self) -> impl Iterator<Item = &Arc<Track>> {
        self.0.values().filter(|track| track.params.is_video())
    }

    /// The publisher's sound.
    pub(crate) fn sound(&self) -> Option<&Arc<Track>> {
        self.get(TrackId::AUDIO)
    }

    /// Where the configuration record has no picture size, a keyframe tells it.
    pub(crate) fn size_of_picture(&mut self, frame: &Frame) {
        let Some(track) = self.0.get_mut(&frame.track) else { return };
        let TrackParams::Video(params) = &track.params else { return };
        if params.width != 0 {
            return;
        }
        let size = match params.codec {
            VideoCodec::Vp8 => codec::vp8_dimensions(&frame.data),
            VideoCodec::Vp9 => codec::vp9_dimensions(&frame.data),
            VideoCodec::Av1 => codec::av1_dimensions(&frame.data),
            VideoCodec::H264 | VideoCodec::Hevc => None,
        };
        if let Some((width, height)) = size {
            let params = VideoParams { width, height, ..params.clone() };
            *track = Arc::new(Track { id: track.id, params: TrackParams::Video(params) });
        }
    }
}

/// Whether two versions of a track are the same to a muxer. Where the configuration has no size, frames tell it, and
/// the one with a size is kept.
fn same(known: &Track, new: &Track) -> bool {
    match (&known.params, &new.params) {
        (TrackParams::Video(known), TrackParams::Video(new)) if new.width == 0 => {
            known.codec == new.codec && known.config == new.config
        }
        (known, new) => known == new,
    }
}

/// Which lane a track is.
pub(crate) fn side(track: TrackId) -> Side {
    match track {
        TrackId::VIDEO => Side::Video,
        TrackId::AUDIO => Side::Audio,
        AAC_SOUND => Side::Sound(0),
        TrackId(layer) => Side::Layer(layer),
    }
}

/// The rendition that a track is: `video`, `video_2`, `audio`, `audio_aac`.
pub(crate) fn rendition(track: TrackId) -> RenditionId {
    match track {
        TrackId::VIDEO => RenditionId::video(),
        TrackId::AUDIO => RenditionId::audio(),
        AAC_SOUND => RenditionId::new("audio_aac").expect("of the right alphabet"),
        TrackId(layer) => RenditionId::new(&format!("video_{layer}")).expect("of the right alphabet"),
    }
}

/// The track that a rendition is of.
pub(crate) fn track_of(id: &RenditionId) -> Option<TrackId> {
    let publishers = (0..TRACKS_MAX as u8).map(TrackId);
    publishers.chain([AAC_SOUND]).find(|track| rendition(*track) == *id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_track_has_a_rendition_of_its_own() {
        for track in [TrackId::VIDEO, TrackId::AUDIO, TrackId(2), TrackId(7), AAC_SOUND] {
            assert_eq!(track_of(&rendition(track)), Some(track));
        }
        assert_eq!(rendition(TrackId(3)).as_str(), "video_3");
    }
}
