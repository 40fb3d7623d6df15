//! Audio and video messages, which are FLV tag bodies, to frames.
//!
//! [`video`] and [`audio`] read one body each, legacy or Enhanced RTMP; this file remembers what the bodies leave to
//! memory: codec configuration and time. Nothing is decoded, and NAL units pass through untouched.

mod audio;
mod clock;
mod metadata;
mod video;

use std::time::Instant;

use bytes::Bytes;
use weir_media::{
    AudioCodec, Frame, Timestamp, Track, TrackId, TrackParams, VideoCodec, VideoParams,
    codec::{self, BadConfig},
};

use self::clock::Clock;
pub(crate) use self::metadata::Metadata;

/// Longest codec configuration, in bytes. An `hvcC` with all parameter sets has a few hundred.
const CONFIG_BYTES_MAX: usize = 16 << 10;

/// What an audio or video message turned out to hold. Often only a frame.
#[derive(Debug, Default)]
pub(crate) struct Media {
    /// The track as it is from here on.
    pub(crate) track: Option<Track>,
    /// After the track.
    pub(crate) frame: Option<Frame>,
}

/// Media that cannot be carried; the text tells the streamer what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unsupported(pub(crate) String);

/// What one body says.
#[derive(Debug, PartialEq, Eq)]
struct Tag<C> {
    codec: C,
    content: Content,
    /// Added to the message's time, in nanoseconds (Enhanced RTMP v2, ModEx).
    offset_nanos: u32,
}

#[derive(Debug, PartialEq, Eq)]
enum Content {
    /// Codec configuration for what follows.
    Config(Bytes),
    Frame {
        keyframe: bool,
        /// Presentation after decoding, in milliseconds.
        composition_millis: i32,
        data: Bytes,
    },
}

/// One publisher's audio and video.
#[derive(Debug, Default)]
pub(crate) struct Demuxer {
    clock: Clock,
    metadata: Metadata,
    video: Option<VideoParams>,
    audio: Option<(AudioCodec, Bytes)>,
    /// Whether a line was logged about frames that came before their configuration.
    complained: bool,
}

impl Demuxer {
    /// Notes what the publisher says about itself.
    pub(crate) fn describe(&mut self, metadata: Metadata) {
        self.metadata = metadata;
    }

    /// Takes the body of a video message.
    pub(crate) fn video(&mut self, timestamp: u32, body: &Bytes, arrived: Instant) -> Result<Media, Unsupported> {
        let millis = self.clock.unwrap(timestamp);
        let Some(tag) = video::parse(body)? else { return Ok(Media::default()) };
        let dts = Timestamp::from_millis(millis).offset(tag.offset_nanos.into());
        match tag.content {
            Content::Config(config) => {
                let track = self.video_config(tag.codec, config)?;
                Ok(Media { track, frame: None })
            }
            Content::Frame { keyframe, composition_millis, data } => {
                let track = if keyframe { self.video_size(&data) } else { None };
                if !self.video.as_ref().is_some_and(|known| known.codec == tag.codec && known.width > 0) {
                    self.complain();
                    return Ok(Media::default());
                }
                let pts = dts.offset(i64::from(composition_millis) * 1_000_000);
                Ok(Media { track, frame: Some(Frame { track: TrackId::VIDEO, pts, dts, keyframe, arrived, data }) })
            }
        }
    }

    /// Takes the body of an audio message.
    pub(crate) fn audio(&mut self, timestamp: u32, body: &Bytes, arrived: Instant) -> Result<Media, Unsupported> {
        let millis = self.clock.unwrap(timestamp);
        let Some(tag) = audio::parse(body)? else { return Ok(Media::default()) };
        let pts = Timestamp::from_millis(millis).offset(tag.offset_nanos.into());
        match tag.content {
            Content::Config(config) => {
                let track = self.audio_config(tag.codec, config)?;
                Ok(Media { track, frame: None })
            }
            Content::Frame { data, .. } => {
                if self.audio.as_ref().is_none_or(|(known, _)| *known != tag.codec) {
                    self.complain();
                    return Ok(Media::default());
                }
                let frame = Frame { track: TrackId::AUDIO, pts, dts: pts, keyframe: true, arrived, data };
                Ok(Media { track: None, frame: Some(frame) })
            }
        }
    }

    fn video_config(&mut self, codec: VideoCodec, config: Bytes) -> Result<Option<Track>, Unsupported> {
        if self.video.as_ref().is_some_and(|known| known.codec == codec && known.config == config) {
            return Ok(None);
        }
        let config = own(config, codec)?;
        let mut params = codec::video(codec, config).map_err(|error| unusable(&codec, error))?;
        params.frame_rate = params.frame_rate.or(self.metadata.frame_rate);
        let track = (params.width > 0).then(|| video_track(&params));
        self.video = Some(params);
        Ok(track)
    }

    /// The track, if this keyframe tells a size that the configuration does not.
    fn video_size(&mut self, keyframe: &[u8]) -> Option<Track> {
        let known = self.video.as_mut()?;
        let size = match known.codec {
            VideoCodec::Vp9 => codec::vp9_dimensions(keyframe),
            VideoCodec::Av1 if known.width == 0 => codec::av1_dimensions(keyframe),
            _ => None,
        };
        let (width, height) = size.filter(|size| *size != (known.width, known.height))?;
        (known.width, known.height) = (width, height);
        Some(video_track(known))
    }

    fn audio_config(&mut self, codec: AudioCodec, config: Bytes) -> Result<Option<Track>, Unsupported> {
        if self.audio.as_ref().is_some_and(|(known, same)| *known == codec && *same == config) {
            return Ok(None);
        }
        let config = own(config, codec)?;
        let params = codec::audio(codec, config.clone()).map_err(|error| unusable(&codec, error))?;
        self.audio = Some((codec, config));
        Ok(Some(Track { id: TrackId::AUDIO, params: TrackParams::Audio(params) }))
    }

    fn complain(&mut self) {
        if !self.complained {
            self.complained = true;
            tracing::warn!("frames came before their codec's configuration and are dropped");
        }
    }
}

fn video_track(params: &VideoParams) -> Track {
    Track { id: TrackId::VIDEO, params: TrackParams::Video(params.clone()) }
}

/// A copy that lives as long as the track, without the message around it.
fn own(config: Bytes, codec: impl std::fmt::Display) -> Result<Bytes, Unsupported> {
    if config.len() > CONFIG_BYTES_MAX {
        let length = config.len();
        return Err(Unsupported(format!("The encoder's {codec} configuration is absurdly long: {length} bytes.")));
    }
    Ok(Bytes::copy_from_slice(&config))
}

fn unusable(codec: &dyn std::fmt::Display, error: BadConfig) -> Unsupported {
    Unsupported(format!("The encoder's {codec} configuration cannot be used: {error}."))
}

/// Takes Enhanced RTMP v2's modifiers, if any, from the front of a body: gives the packet type behind them and the sum
/// of their offsets in nanoseconds. `None` when the body ends inside one.
fn modifiers(mut packet: u8, bytes: &mut Bytes) -> Option<(u8, u32)> {
    /// `PacketType` that says: a modifier and another packet type follow.
    const MOD_EX: u8 = 7;
    /// `timestampOffsetNano`, 24 bits.
    const OFFSET_NANOS: u8 = 0;
    /// An offset reaches less than one millisecond.
    const OFFSET_NANOS_MAX: u32 = 999_999;

    let mut offset_nanos = 0;
    while packet == MOD_EX {
        let mut length = usize::from(*take(bytes, 1)?.first()?) + 1;
        if length == 256 {
            length = usize::from(u16::from_be_bytes(*take(bytes, 2)?.first_chunk()?)) + 1;
        }
        let data = take(bytes, length)?;
        let next = *take(bytes, 1)?.first()?;
        if let (OFFSET_NANOS, [a, b, c, ..]) = (next >> 4, &data[..]) {
            offset_nanos = u32::from_be_bytes([0, *a, *b, *c]).min(OFFSET_NANOS_MAX);
        }
        packet = next & 15;
    }
    Some((packet, offset_nanos))
}

fn take(bytes: &mut Bytes, count: usize) -> Option<Bytes> {
    (bytes.len() >= count).then(|| bytes.split_to(count))
}

#[cfg(test)]
mod tests;
