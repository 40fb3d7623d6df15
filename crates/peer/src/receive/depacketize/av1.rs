//! AV1 over RTP (AOM, "RTP Payload Format For AV1" 1.0).
//!
//! Temporal units come out as MP4 has them (AV1 in ISOBMFF §2.4): every OBU with its size, no temporal delimiter.

use weir_media::{TrackParams, VideoCodec, VideoParams, codec};

use super::{BadPayload, Finished, Format};

const SEQUENCE_HEADER: u8 = 1;
const TEMPORAL_DELIMITER: u8 = 2;
const FRAME_HEADER: u8 = 3;
const FRAME: u8 = 6;
const TILE_LIST: u8 = 8;
const PADDING: u8 = 15;
/// OBUs of one temporal unit: the highest levels have 128 tile groups, times layers.
const OBUS_MAX: usize = 1_024;

pub(super) struct Av1 {
    /// What was announced last.
    announced: Option<VideoParams>,
    /// The sequence header in force: its payload.
    sequence: Vec<u8>,
    /// The unit has a sequence header.
    has_sequence: bool,
    /// Whether the unit's first frame is a keyframe, once there was a frame.
    keyframe: Option<bool>,
    count: usize,
    /// Where the OBU begins that goes on in the next packet.
    open: Option<usize>,
}

impl Av1 {
    pub(super) fn new() -> Self {
        Self { announced: None, sequence: Vec::new(), has_sequence: false, keyframe: None, count: 0, open: None }
    }

    /// An OBU is whole: gives it its size, or takes it out.
    fn end_obu(&mut self, start: usize, unit: &mut Vec<u8>) -> Result<(), BadPayload> {
        self.count += 1;
        if self.count > OBUS_MAX {
            return Err(BadPayload::Large);
        }
        let obu = unit.get(start..).unwrap_or_default();
        let &head = obu.first().ok_or(BadPayload::Short)?;
        let (kind, extended, sized) = (head >> 3 & 15, head & 4 != 0, head & 2 != 0);
        let header = 1 + usize::from(extended);
        let mut payload = obu.get(header..).ok_or(BadPayload::Short)?;
        // A size is superfluous here; it is read all the same.
        let mut prefix = header;
        if sized {
            let before = payload.len();
            let length = leb128(&mut payload)?;
            prefix += before - payload.len();
            payload = payload.get(..length).ok_or(BadPayload::Short)?;
        }
        if [TEMPORAL_DELIMITER, TILE_LIST, PADDING].contains(&kind) {
            unit.truncate(start);
            return Ok(());
        }
        match kind {
            SEQUENCE_HEADER => {
                self.has_sequence = true;
                if self.sequence != payload {
                    self.sequence = payload.to_vec();
                }
            }
            FRAME_HEADER | FRAME if self.keyframe.is_none() => self.keyframe = Some(self.begins_anew(payload)),
            _ => {}
        }
        let length = payload.len();
        unit.truncate(start + prefix + length);
        let mut size = [0; 8];
        let used = put_leb128(length, &mut size);
        unit.splice(start + header..start + prefix, size.into_iter().take(used));
        if let Some(head) = unit.get_mut(start) {
            *head |= 2;
        }
        Ok(())
    }

    /// Whether a frame header is that of a shown keyframe (AV1 §5.9.2).
    fn begins_anew(&self, header: &[u8]) -> bool {
        // reduced_still_picture_header: after seq_profile (3 bits) and still_picture.
        let reduced = self.sequence.first().is_some_and(|byte| byte & 0x08 != 0);
        // show_existing_frame, frame_type, show_frame
        reduced || header.first().is_some_and(|byte| byte & 0xe0 == 0 && byte & 0x10 != 0)
    }

    fn params(&self) -> Option<VideoParams> {
        let config = codec::av1_config(&self.sequence).ok()?;
        codec::video(VideoCodec::Av1, config).ok()
    }
}

impl Format for Av1 {
    fn add(&mut self, payload: &[u8], unit: &mut Vec<u8>) -> Result<(), BadPayload> {
        let (&head, mut rest) = payload.split_first().ok_or(BadPayload::Short)?;
        let (continues, continued, count) = (head & 0x80 != 0, head & 0x40 != 0, usize::from(head >> 4 & 3));
        if continues != self.open.is_some() {
            return Err(BadPayload::Fragment);
        }
        let mut at = 0;
        while !rest.is_empty() {
            at += 1;
            // The last of a counted row has no length.
            let length = if count > 0 && at == count { rest.len() } else { leb128(&mut rest)? };
            let (element, after) = rest.split_at_checked(length).ok_or(BadPayload::Short)?;
            rest = after;
            let start = self.open.take().unwrap_or(unit.len());
            unit.extend_from_slice(element);
            if rest.is_empty() && continued {
                self.open = Some(start);
            } else if unit.len() > start {
                self.end_obu(start, unit)?;
            }
        }
        if count > 0 && at != count { Err(BadPayload::Short) } else { Ok(()) }
    }

    fn begins_keyframe(&self, payload: &[u8]) -> bool {
        // A new coded video sequence begins, and not in the middle of an OBU.
        payload.first().is_some_and(|head| head & 0x88 == 0x08)
    }

    fn finish(&mut self, unit: &mut Vec<u8>) -> Result<Option<Finished>, BadPayload> {
        if self.open.is_some() {
            return Err(BadPayload::Fragment);
        }
        let Some(keyframe) = self.keyframe.filter(|_| !unit.is_empty()) else { return Ok(None) };
        // Whoever joins needs the sequence header in it (AV1 in ISOBMFF §2.4, sync samples).
        let keyframe = keyframe && self.has_sequence;
        let mut params = None;
        if keyframe {
            let found = self.params().ok_or(BadPayload::Parameters)?;
            if self.announced.as_ref() != Some(&found) {
                params = Some(TrackParams::Video(self.announced.insert(found).clone()));
            }
        }
        Ok(Some(Finished { keyframe, params }))
    }

    fn reset(&mut self) {
        (self.has_sequence, self.keyframe, self.count, self.open) = (false, None, 0, None);
    }
}

/// A number of up to 8 bytes with 7 bits each, the lowest first (AV1 §4.10.5).
fn leb128(bytes: &mut &[u8]) -> Result<usize, BadPayload> {
    let mut value = 0_u64;
    for shift in (0..56).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or(BadPayload::Short)?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return usize::try_from(value).map_err(|_| BadPayload::Large);
        }
    }
    Err(BadPayload::Large)
}

/// Writes a length, and says how many bytes that took.
fn put_leb128(mut value: usize, out: &mut [u8; 8]) -> usize {
    for (at, byte) in out.iter_mut().enumerate() {
        let more = value > 0x7f;
        *byte = value as u8 & 0x7f | u8::from(more) << 7;
        value >>= 7;
        if !more {
            return at + 1;
        }
    }
    out.len()
}
