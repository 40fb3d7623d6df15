//! VP9 over RTP (RFC 9628), in flexible and non-flexible mode.
//!
//! The frames of a picture's spatial layers come out together, as a superframe (VP9 bitstream specification annex B).

use weir_media::{TrackParams, VideoCodec, VideoParams};

use super::{BadPayload, Finished, Format, vp8::keyframe_params};

/// Frames of a superframe (annex B).
const FRAMES_MAX: usize = 8;

pub(super) struct Vp9 {
    /// What was announced last.
    announced: Option<VideoParams>,
    /// Where the frames of the unit begin.
    frames: Vec<usize>,
    /// Whether the first frame does not depend on earlier pictures.
    independent: bool,
    /// The largest size that the scalability structure tells.
    largest: Option<(u32, u32)>,
    /// A frame was begun and has not ended.
    open: bool,
}

impl Vp9 {
    pub(super) fn new() -> Self {
        Self { announced: None, frames: Vec::new(), independent: false, largest: None, open: false }
    }
}

impl Format for Vp9 {
    fn add(&mut self, payload: &[u8], unit: &mut Vec<u8>) -> Result<(), BadPayload> {
        let descriptor = descriptor(payload).ok_or(BadPayload::Short)?;
        if descriptor.begins == self.open {
            return Err(BadPayload::Fragment);
        }
        if descriptor.begins {
            if self.frames.len() == FRAMES_MAX {
                return Err(BadPayload::Large);
            }
            if self.frames.is_empty() {
                self.independent = !descriptor.depends;
            }
            self.frames.push(unit.len());
        }
        self.open = !descriptor.ends;
        self.largest = descriptor.largest.or(self.largest);
        unit.extend_from_slice(descriptor.frame);
        Ok(())
    }

    fn begins_keyframe(&self, payload: &[u8]) -> bool {
        descriptor(payload).is_some_and(|found| found.begins && !found.depends && found.spatial == 0)
    }

    fn finish(&mut self, unit: &mut Vec<u8>) -> Result<Option<Finished>, BadPayload> {
        if self.open {
            return Err(BadPayload::Fragment);
        }
        if unit.is_empty() {
            return Ok(None);
        }
        let found = self.independent.then(|| keyframe_params(VideoCodec::Vp9, unit)).flatten();
        let keyframe = found.is_some();
        let mut params = None;
        if let Some(mut found) = found {
            if self.frames.len() > 1
                && let Some(largest) = self.largest
            {
                (found.width, found.height) = largest;
            }
            if self.announced.as_ref() != Some(&found) {
                params = Some(TrackParams::Video(self.announced.insert(found).clone()));
            }
        }
        put_index(&self.frames, unit);
        Ok(Some(Finished { keyframe, params }))
    }

    fn reset(&mut self) {
        self.frames.clear();
        self.open = false;
    }
}

/// Appends the index of a superframe, if there are several frames.
fn put_index(frames: &[usize], unit: &mut Vec<u8>) {
    /// Bytes of each size: a unit is shorter than 2^24.
    const SIZE_BYTES: usize = 3;
    if frames.len() < 2 {
        return;
    }
    let marker = 0xc0 | (SIZE_BYTES as u8 - 1) << 3 | (frames.len() as u8 - 1); // at most `FRAMES_MAX`
    let ends: Vec<_> = frames.iter().copied().skip(1).chain([unit.len()]).collect();
    unit.push(marker);
    for (start, end) in frames.iter().zip(ends) {
        unit.extend_from_slice(&((end - start) as u32).to_le_bytes()[..SIZE_BYTES]);
    }
    unit.push(marker);
}

/// What of the payload descriptor (§4.2) matters here.
struct Descriptor<'a> {
    begins: bool,
    ends: bool,
    /// Whether the picture depends on earlier ones.
    depends: bool,
    /// The spatial layer.
    spatial: u8,
    largest: Option<(u32, u32)>,
    frame: &'a [u8],
}

fn descriptor(payload: &[u8]) -> Option<Descriptor<'_>> {
    let (&flags, rest) = payload.split_first()?;
    let has = |bit: u8| flags & bit != 0;
    let (picture_id, depends, layers, flexible) = (has(0x80), has(0x40), has(0x20), has(0x10));
    let mut bytes = rest;
    if picture_id && take(&mut bytes)? & 0x80 != 0 {
        take(&mut bytes)?;
    }
    let mut spatial = 0;
    if layers {
        spatial = take(&mut bytes)? >> 1 & 7;
        if !flexible {
            take(&mut bytes)?; // TL0PICIDX
        }
    }
    if flexible && depends {
        /// References of one picture (§4.2, P_DIFF).
        const REFERENCES_MAX: usize = 3;
        let mut more = true;
        for _ in 0..REFERENCES_MAX {
            more = more && take(&mut bytes)? & 1 != 0;
        }
        if more {
            return None;
        }
    }
    let largest = if has(0x02) { structure(&mut bytes)? } else { None };
    Some(Descriptor { begins: has(0x08), ends: has(0x04), depends, spatial, largest, frame: bytes })
}

/// The scalability structure (§4.2.1): the largest size that it tells.
fn structure(bytes: &mut &[u8]) -> Option<Option<(u32, u32)>> {
    let head = take(bytes)?;
    let mut largest = None;
    if head & 0x10 != 0 {
        for _ in 0..=head >> 5 {
            let (&[w0, w1, h0, h1], rest) = bytes.split_first_chunk()?;
            *bytes = rest;
            let size = (u32::from(u16::from_be_bytes([w0, w1])), u32::from(u16::from_be_bytes([h0, h1])));
            largest = largest.max(Some(size).filter(|size| size.0 > 0 && size.1 > 0));
        }
    }
    if head & 0x08 != 0 {
        for _ in 0..take(bytes)? {
            let references = take(bytes)? >> 2 & 3;
            *bytes = bytes.get(usize::from(references)..)?;
        }
    }
    Some(largest)
}

fn take(bytes: &mut &[u8]) -> Option<u8> {
    let (&byte, rest) = bytes.split_first()?;
    *bytes = rest;
    Some(byte)
}
