//! Opus over RTP (RFC 7587): every payload is one Opus packet.

use bytes::Bytes;
use weir_media::{AudioCodec, TrackParams, codec};

use super::{BadPayload, Finished, Format};

/// The stereo bit of an Opus packet's first byte (RFC 6716 §3.1).
const STEREO: u8 = 4;

pub(super) struct Opus {
    /// What was announced last.
    announced: Option<u8>,
    channels: u8,
}

impl Opus {
    pub(super) fn new(fmtp: &str) -> Self {
        // Either parameter means that stereo may come (RFC 7587 §6.1); packets tell the rest.
        let stereo = fmtp
            .split(';')
            .filter_map(|parameter| parameter.split_once('='))
            .any(|(name, value)| ["stereo", "sprop-stereo"].contains(&name.trim()) && value.trim() == "1");
        Self { announced: None, channels: if stereo { 2 } else { 1 } }
    }
}

impl Format for Opus {
    fn add(&mut self, payload: &[u8], unit: &mut Vec<u8>) -> Result<(), BadPayload> {
        // Encoders change between mono and stereo as they like, decoders follow: once stereo, it stays announced.
        if payload.first().is_some_and(|toc| toc & STEREO != 0) {
            self.channels = 2;
        }
        unit.extend_from_slice(payload);
        Ok(())
    }

    fn begins_keyframe(&self, _: &[u8]) -> bool {
        true
    }

    fn finish(&mut self, _: &mut Vec<u8>) -> Result<Option<Finished>, BadPayload> {
        let mut params = None;
        if self.announced != Some(self.channels) {
            self.announced = Some(self.channels);
            params = codec::audio(AudioCodec::Opus, head(self.channels)).ok().map(TrackParams::Audio);
        }
        Ok(Some(Finished { keyframe: true, params }))
    }

    fn reset(&mut self) {}
}

/// `OpusHead` (RFC 7845 §5.1). Pre-skip is 0: whoever listens joins in the middle, where there is no encoder's start to
/// cut off, and a player would shift the sound by it. The rate before encoding is not known: 48 000 Hz says so.
fn head(channels: u8) -> Bytes {
    let mut head = b"OpusHead".to_vec();
    head.extend([1, channels, 0, 0]);
    head.extend(48_000_u32.to_le_bytes());
    head.extend([0, 0, 0]); // output gain, mapping family
    head.into()
}
