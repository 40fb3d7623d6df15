//! Frames become RTP payloads: one file a payload format.

mod av1;
mod h264;
mod hevc;
mod nal;
pub(super) mod vpx;

use std::sync::Arc;

use bytes::Bytes;
use weir_media::{AudioCodec, Frame, Track, TrackParams, VideoCodec};

use super::packets::{Packets, Writer};
use crate::agreed::RtpCodec;

/// Most channels of Opus as RTP has it (RFC 7587); more would be another format.
const OPUS_CHANNELS_MAX: u8 = 2;

/// Makes RTP payloads of one track's frames. One for all viewers of the track.
#[derive(Debug)]
pub struct Packetizer {
    format: Format,
}

#[derive(Debug)]
enum Format {
    H264(nal::Config),
    Hevc(nal::Config),
    Vp8,
    Vp9,
    /// With the OBUs of the configuration record.
    Av1(Bytes),
    Opus,
}

impl Packetizer {
    /// A packetizer for the track; `None` where RTP does not carry it: AAC, and Opus with more than two channels.
    #[must_use]
    pub fn new(track: &Track) -> Option<Self> {
        let format = match &track.params {
            TrackParams::Video(video) => match video.codec {
                VideoCodec::H264 => Format::H264(h264::config(&video.config)),
                VideoCodec::Hevc => Format::Hevc(hevc::config(&video.config)),
                VideoCodec::Av1 => Format::Av1(av1::config(&video.config)),
                VideoCodec::Vp8 => Format::Vp8,
                VideoCodec::Vp9 => Format::Vp9,
            },
            TrackParams::Audio(audio) => match audio.codec {
                AudioCodec::Opus if audio.channels <= OPUS_CHANNELS_MAX => Format::Opus,
                AudioCodec::Opus | AudioCodec::Aac => return None,
            },
        };
        Some(Self { format })
    }

    /// What it makes payloads of.
    #[must_use]
    pub fn codec(&self) -> RtpCodec {
        match self.format {
            Format::H264(_) => RtpCodec::H264,
            Format::Hevc(_) => RtpCodec::Hevc,
            Format::Vp8 => RtpCodec::Vp8,
            Format::Vp9 => RtpCodec::Vp9,
            Format::Av1(_) => RtpCodec::Av1,
            Format::Opus => RtpCodec::Opus,
        }
    }

    /// The publisher sent new parameters, maybe with another codec. `false` when RTP does not carry them; nothing has
    /// changed then.
    pub fn set_track(&mut self, track: &Track) -> bool {
        let new = Self::new(track);
        let carried = new.is_some();
        if let Some(new) = new {
            *self = new;
        }
        carried
    }

    /// Makes the payloads of a frame. A frame that is damaged gives what could be read of it, maybe nothing
    /// ([`Packets::is_empty`]).
    #[must_use]
    pub fn packetize(&mut self, frame: &Frame) -> Arc<Packets> {
        let mut writer = Writer::new(frame.data.clone());
        match &self.format {
            Format::H264(config) => nal::write::<h264::H264>(config, frame, &mut writer),
            Format::Hevc(config) => nal::write::<hevc::Hevc>(config, frame, &mut writer),
            Format::Vp8 => vpx::vp8(frame, &mut writer),
            Format::Vp9 => vpx::vp9(frame, &mut writer),
            Format::Av1(config) => av1::write(config, frame, &mut writer),
            // Longer than a packet only above 450 kbit/s: the network fragments it then, RTP cannot.
            Format::Opus if !frame.data.is_empty() => writer.push(&[], 0, frame.data.len()),
            Format::Opus => {}
        }
        writer.finish(frame, self.codec())
    }
}

#[cfg(test)]
mod tests;
