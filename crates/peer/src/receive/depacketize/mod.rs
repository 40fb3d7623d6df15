//! RTP payloads become access units.
//!
//! A [`Depacketizer`] gets the packets of one stream in order, and is told of every hole. What the codecs have in
//! common is here: where a unit ends (marker, or the next timestamp), how large it may grow, and that nothing of a unit
//! with a hole comes out. Each codec's payload format is a file of its own behind [`Format`].

mod av1;
mod h264;
mod hevc;
mod nal;
mod opus;
mod vp8;
mod vp9;

use bytes::Bytes;
use weir_media::TrackParams;

use crate::agreed::{Payload, RtpCodec};

/// Bytes of the largest access unit: a keyframe of 2160p at its worst is about 2 MiB.
pub const UNIT_BYTES_MAX: usize = 4 << 20;

/// Bytes kept for the next unit when a stream begins.
const UNIT_BYTES_FIRST: usize = 2_048;

/// A payload that its format does not allow, or that goes beyond a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPayload {
    /// It ends before what it announces.
    #[error("the payload is cut short")]
    Short,
    /// A fragment does not go on where the last one ended.
    #[error("a fragment does not fit the one before")]
    Fragment,
    /// A form of payload that was not agreed on.
    #[error("a payload of this kind was not agreed on")]
    Kind,
    /// A keyframe without the parameters that decoders need.
    #[error("there are no usable parameter sets")]
    Parameters,
    /// The access unit is larger than [`UNIT_BYTES_MAX`], or has too many parts.
    #[error("the access unit is too large")]
    Large,
}

/// A whole access unit in the layout of [`weir_media::Frame::data`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// RTP timestamp.
    pub timestamp: u32,
    /// Decodable without any earlier unit.
    pub keyframe: bool,
    /// The coded bytes.
    pub data: Bytes,
    /// Parameters that hold from this unit on, when they are not the ones before.
    pub params: Option<TrackParams>,
}

/// What of a packet matters here.
#[derive(Debug, Clone, Copy)]
pub struct Piece<'a> {
    /// RTP timestamp.
    pub timestamp: u32,
    /// RTP marker.
    pub marker: bool,
    /// RTP payload. Empty ones (probes for bandwidth) say nothing.
    pub payload: &'a [u8],
}

/// A codec's payload format.
trait Format: Send {
    /// Appends what a payload adds to the unit.
    fn add(&mut self, payload: &[u8], unit: &mut Vec<u8>) -> Result<(), BadPayload>;

    /// Whether a keyframe surely begins with this payload, whatever was lost before it.
    fn begins_keyframe(&self, payload: &[u8]) -> bool;

    /// The unit is whole: its last touches, and what it is. `None` if there is nothing to decode in it, as when parameter
    /// sets come alone.
    fn finish(&mut self, unit: &mut Vec<u8>) -> Result<Option<Finished>, BadPayload>;

    /// The unit is dropped, or begins: forget what was begun.
    fn reset(&mut self);
}

struct Finished {
    keyframe: bool,
    params: Option<TrackParams>,
}

/// Puts the units of one stream together.
pub struct Depacketizer {
    format: Box<dyn Format>,
    codec: RtpCodec,
    unit: Vec<u8>,
    /// What the next unit will need, learnt from those before.
    expected: usize,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing of a unit is here and nothing is missing.
    Between,
    /// A unit of this timestamp is being put together.
    Begun(u32),
    /// A unit of this timestamp has a hole or is damaged: the rest of it is dropped.
    Broken(u32),
    /// Packets are missing, and nobody knows of which units.
    Hole,
}

impl Depacketizer {
    /// A depacketizer for what was agreed on.
    #[must_use]
    pub fn new(payload: &Payload) -> Self {
        let format: Box<dyn Format> = match payload.codec {
            RtpCodec::H264 => Box::new(h264::H264::new(&payload.fmtp)),
            RtpCodec::Hevc => Box::new(hevc::Hevc::new(&payload.fmtp)),
            RtpCodec::Vp8 => Box::new(vp8::Vp8::new()),
            RtpCodec::Vp9 => Box::new(vp9::Vp9::new()),
            RtpCodec::Av1 => Box::new(av1::Av1::new()),
            RtpCodec::Opus => Box::new(opus::Opus::new(&payload.fmtp)),
        };
        Self { format, codec: payload.codec, unit: Vec::new(), expected: UNIT_BYTES_FIRST, state: State::Between }
    }

    /// What it was made for.
    #[must_use]
    pub fn codec(&self) -> RtpCodec {
        self.codec
    }

    /// Packets are missing before the next one.
    pub fn hole(&mut self) {
        self.drop_unit();
        self.state = State::Hole;
    }

    /// The next packet in order. Units that are whole are given to `out`: at most two, since a packet can end the unit
    /// before and be one itself.
    ///
    /// # Errors
    /// [`BadPayload`] when something was lost by it: the unit, or the one before, does not come out.
    pub fn push(&mut self, piece: Piece<'_>, out: &mut impl FnMut(Unit)) -> Result<(), BadPayload> {
        if piece.payload.is_empty() {
            return Ok(());
        }
        let mut before = Ok(());
        match self.state {
            // The unit before ended without a marker.
            State::Begun(timestamp) if timestamp != piece.timestamp => before = self.finish(timestamp, out),
            State::Broken(timestamp) if timestamp == piece.timestamp => return Ok(()),
            State::Hole if self.codec != RtpCodec::Opus && !self.format.begins_keyframe(piece.payload) => {
                self.state = State::Broken(piece.timestamp);
                return Ok(());
            }
            _ => {}
        }
        if self.state != State::Begun(piece.timestamp) {
            self.format.reset();
            self.unit.reserve(self.expected);
            self.state = State::Begun(piece.timestamp);
        }
        let mut added = self.format.add(piece.payload, &mut self.unit);
        if self.unit.len() > UNIT_BYTES_MAX {
            added = Err(BadPayload::Large);
        }
        if let Err(error) = added {
            self.drop_unit();
            self.state = State::Broken(piece.timestamp);
            return Err(error);
        }
        if piece.marker || self.codec == RtpCodec::Opus {
            self.finish(piece.timestamp, out)?;
        }
        before
    }

    fn finish(&mut self, timestamp: u32, out: &mut impl FnMut(Unit)) -> Result<(), BadPayload> {
        self.state = State::Between;
        let finished = self.format.finish(&mut self.unit);
        let Ok(Some(Finished { keyframe, params })) = finished else {
            self.drop_unit();
            return finished.map(|_| ());
        };
        let mut data = std::mem::take(&mut self.unit);
        if !keyframe {
            // Room for what is usual: keyframes may grow into theirs.
            self.expected = (self.expected * 7 + data.len() * 9 / 8) / 8;
        }
        data.shrink_to_fit();
        out(Unit { timestamp, keyframe, data: Bytes::from(data), params });
        Ok(())
    }

    fn drop_unit(&mut self) {
        self.unit = Vec::new();
        self.format.reset();
    }
}

#[cfg(test)]
mod tests;
