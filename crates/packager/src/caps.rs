//! A track's parameters as GStreamer caps.

use weir_media::{AudioCodec, AudioParams, TrackParams, VideoCodec, VideoParams};

use crate::error::Error;

/// Longest side that the sample entries of MP4 can say, in pixels.
const SIDE_MAX: u32 = u16::MAX as u32;

/// What the muxer must know of a track.
pub(crate) fn of(params: &TrackParams) -> Result<gst::Caps, Error> {
    match params {
        TrackParams::Video(video) => of_video(video),
        TrackParams::Audio(audio) => of_audio(audio),
    }
}

fn of_video(video: &VideoParams) -> Result<gst::Caps, Error> {
    if !(1..=SIDE_MAX).contains(&video.width) || !(1..=SIDE_MAX).contains(&video.height) {
        return Err(Error::Unsupported(format!("A picture of {}x{} cannot be packaged.", video.width, video.height)));
    }
    let caps = match video.codec {
        VideoCodec::H264 => gst::Caps::builder("video/x-h264").field("stream-format", "avc").field("alignment", "au"),
        VideoCodec::Hevc => gst::Caps::builder("video/x-h265").field("stream-format", "hvc1").field("alignment", "au"),
        VideoCodec::Av1 => {
            let depth = av1_depth(&video.config);
            gst::Caps::builder("video/x-av1")
                .field("stream-format", "obu-stream")
                .field("alignment", "tu")
                .field("profile", av1_profile(&video.config))
                .field("chroma-format", av1_chroma(&video.config))
                .field("bit-depth-luma", depth)
                .field("bit-depth-chroma", depth)
        }
        VideoCodec::Vp8 => {
            return Err(Error::Unsupported("VP8 cannot be packaged for LL-HLS: no player takes it.".into()));
        }
        VideoCodec::Vp9 => return of_vp9(video),
    };
    // The muxer takes the sequence header of AV1 from the first keyframe, so of its record it gets the fixed part only.
    let config = match video.codec {
        VideoCodec::Av1 => video.config.slice(..video.config.len().min(4)),
        _ => video.config.clone(),
    };
    let (width, height) = (video.width as i32, video.height as i32);
    Ok(caps.field("width", width).field("height", height).field("codec_data", gst::Buffer::from_slice(config)).build())
}

/// Of an `AV1CodecConfigurationRecord` (AV1 in ISOBMFF §2.3.3): `seq_profile`.
fn av1_profile(config: &[u8]) -> &'static str {
    match config.get(1).map_or(0, |byte| byte >> 5) {
        0 => "main",
        1 => "high",
        _ => "professional",
    }
}

fn av1_depth(config: &[u8]) -> u32 {
    match config.get(2).map_or(0, |byte| byte >> 5 & 3) {
        0b11 => 12,
        0b10 => 10,
        _ => 8,
    }
}

fn av1_chroma(config: &[u8]) -> &'static str {
    match config.get(2).map_or(0b011, |byte| byte >> 2 & 7) {
        0b100..=0b111 => "4:0:0",
        0b000 => "4:4:4",
        0b010 => "4:2:2",
        _ => "4:2:0",
    }
}

/// Of a `VPCodecConfigurationRecord`: profile, then level, then depth and subsampling, then three colour codes.
fn of_vp9(video: &VideoParams) -> Result<gst::Caps, Error> {
    let record = video.config.strip_prefix(&[1, 0, 0, 0]).unwrap_or(&video.config);
    let &[profile, _, format, primaries, transfer, matrix, ..] = record else {
        return Err(Error::Unsupported("The VP9 configuration record is cut short.".into()));
    };
    let depth = u32::from(format >> 4);
    let chroma = match format >> 1 & 7 {
        0 | 1 => "4:2:0",
        2 => "4:2:2",
        3 => "4:4:4",
        _ => return Err(Error::Unsupported("This chroma format of VP9 cannot be packaged.".into())),
    };
    // Written as range:matrix:transfer:primaries; 2 is "unspecified" in H.273, where HD's usual values are meant.
    let known = [primaries, transfer, matrix].iter().all(|code| *code == 1);
    let range = if format & 1 == 1 { 1 } else { 2 };
    let colorimetry = if known { format!("{range}:3:5:1") } else { format!("{range}:4:16:4") };
    Ok(gst::Caps::builder("video/x-vp9")
        .field("profile", profile.to_string())
        .field("chroma-format", chroma)
        .field("bit-depth-luma", depth)
        .field("bit-depth-chroma", depth)
        .field("colorimetry", colorimetry)
        .field("width", video.width as i32)
        .field("height", video.height as i32)
        .build())
}

fn of_audio(audio: &AudioParams) -> Result<gst::Caps, Error> {
    let (rate, channels) = (audio.sample_rate as i32, i32::from(audio.channels));
    Ok(match audio.codec {
        AudioCodec::Aac => gst::Caps::builder("audio/mpeg")
            .field("mpegversion", 4)
            .field("stream-format", "raw")
            .field("codec_data", gst::Buffer::from_slice(audio.config.clone()))
            .field("rate", rate)
            .field("channels", channels)
            .build(),
        AudioCodec::Opus => {
            if channels > 8 {
                return Err(Error::Unsupported(format!("Opus with {channels} channels cannot be packaged.")));
            }
            // RFC 7845 §5.1: the mapping family is byte 18 of OpusHead.
            let family = i32::from(audio.config.get(18).copied().unwrap_or(0));
            let header = gst::Buffer::from_slice(audio.config.clone());
            gst::Caps::builder("audio/x-opus")
                .field("channel-mapping-family", family)
                .field("rate", rate)
                .field("channels", channels)
                .field("streamheader", gst::Array::new([header]))
                .build()
        }
    })
}
