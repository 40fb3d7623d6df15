//! VP8 over RTP (RFC 7741).

use weir_media::{TrackParams, VideoCodec, VideoParams, codec};

use super::{BadPayload, Finished, Format};

pub(super) struct Vp8 {
    /// What was announced last.
    announced: Option<VideoParams>,
}

impl Vp8 {
    pub(super) fn new() -> Self {
        Self { announced: None }
    }
}

impl Format for Vp8 {
    fn add(&mut self, payload: &[u8], unit: &mut Vec<u8>) -> Result<(), BadPayload> {
        let (starts, frame) = descriptor(payload).ok_or(BadPayload::Short)?;
        if starts != unit.is_empty() {
            return Err(BadPayload::Fragment);
        }
        unit.extend_from_slice(frame);
        Ok(())
    }

    fn begins_keyframe(&self, payload: &[u8]) -> bool {
        descriptor(payload).is_some_and(|(starts, frame)| starts && frame.first().is_some_and(|byte| byte & 1 == 0))
    }

    fn finish(&mut self, unit: &mut Vec<u8>) -> Result<Option<Finished>, BadPayload> {
        let keyframe = unit.first().is_some_and(|byte| byte & 1 == 0);
        if !keyframe {
            return Ok((!unit.is_empty()).then_some(Finished { keyframe, params: None }));
        }
        let params = keyframe_params(VideoCodec::Vp8, unit).ok_or(BadPayload::Parameters)?;
        let changed = self.announced.as_ref() != Some(&params);
        let params = changed.then(|| TrackParams::Video(self.announced.insert(params).clone()));
        Ok(Some(Finished { keyframe, params }))
    }

    fn reset(&mut self) {}
}

/// Parameters as the keyframe says them.
pub(super) fn keyframe_params(codec: VideoCodec, frame: &[u8]) -> Option<VideoParams> {
    let (config, size) = match codec {
        VideoCodec::Vp8 => (codec::vp8_config(frame)?, codec::vp8_dimensions(frame)?),
        _ => (codec::vp9_config(frame)?, codec::vp9_dimensions(frame)?),
    };
    let params = codec::video(codec, config).ok()?;
    Some(VideoParams { width: size.0, height: size.1, ..params })
}

/// Whether a frame begins here, and what of it is here (§4.2).
fn descriptor(payload: &[u8]) -> Option<(bool, &[u8])> {
    let (&first, mut rest) = payload.split_first()?;
    if first & 0x80 != 0 {
        let (&extension, after) = rest.split_first()?;
        let picture_id = match (extension & 0x80 != 0, after.first()?) {
            (false, _) => 0,
            (true, byte) if byte & 0x80 != 0 => 2,
            _ => 1,
        };
        let level_index = usize::from(extension & 0x40 != 0);
        let layer_or_key = usize::from(extension & 0x30 != 0);
        rest = after.get(picture_id + level_index + layer_or_key..)?;
    }
    // The first packet of the first partition.
    Some((first & 0x10 != 0 && first & 7 == 0, rest))
}
