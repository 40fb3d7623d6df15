//! AV1 (AOM's "RTP Payload Format For AV1", §4): OBUs without their size fields, cut where packets end.

use std::ops::Range;

use bytes::Bytes;
use weir_media::Frame;

use super::super::packets::{PAYLOAD_MAX, Writer};

const SEQUENCE_HEADER: u8 = 1;
const TEMPORAL_DELIMITER: u8 = 2;
const TILE_LIST: u8 = 8;
const PADDING: u8 = 15;

/// `Z`: the first element goes on from the packet before.
const CONTINUES: u8 = 0x80;
/// `Y`: the last element goes on in the next packet.
const CONTINUED: u8 = 0x40;
/// `N`: a coded video sequence begins.
const NEW_SEQUENCE: u8 = 0x08;
/// Elements of one packet at most: so many can be counted (`W`), which saves the last one's length.
const ELEMENTS_MAX: usize = 3;
/// OBUs of a temporal unit at most that are looked at.
const OBUS_MAX: usize = 4096;

/// The OBUs of an `AV1CodecConfigurationRecord` (AV1 in ISOBMFF §2.3.3).
pub(super) fn config(record: &Bytes) -> Bytes {
    if record.len() > 4 { record.slice(4..) } else { Bytes::new() }
}

/// Appends the payloads of a temporal unit. `config` has the sequence header for keyframes that lack theirs.
pub(super) fn write(config: &Bytes, frame: &Frame, writer: &mut Writer) {
    let obus: Vec<Obu> = Obus { data: &frame.data, at: 0 }.take(OBUS_MAX).collect();
    let mut packer =
        Packer { data: &frame.data, writer, elements: Vec::new(), bytes: 0, fresh: frame.keyframe, continues: false };
    if frame.keyframe && !obus.is_empty() && obus.iter().all(|obu| obu.kind() != SEQUENCE_HEADER) {
        for obu in (Obus { data: config, at: 0 }).filter(|obu| obu.kind() == SEQUENCE_HEADER).take(1) {
            let payload = config.get(obu.payload.clone()).unwrap_or_default();
            packer.add_copied([obu.header(), payload].concat());
        }
    }
    for obu in obus {
        packer.add(&obu);
    }
    packer.flush(None, false);
}

/// One OBU of the low-overhead format (AV1 §5.2).
#[derive(Debug, Clone)]
struct Obu {
    header: [u8; 2],
    header_bytes: usize,
    payload: Range<usize>,
}

impl Obu {
    fn kind(&self) -> u8 {
        self.header[0] >> 3 & 15
    }

    /// Its header, which says that it has no size field.
    fn header(&self) -> &[u8] {
        &self.header[..self.header_bytes]
    }
}

/// The OBUs of a temporal unit that RTP carries, as far as their sizes are right.
struct Obus<'a> {
    data: &'a [u8],
    at: usize,
}

impl Iterator for Obus<'_> {
    type Item = Obu;

    fn next(&mut self) -> Option<Obu> {
        loop {
            let first = *self.data.get(self.at)?;
            let (extended, sized) = (first & 4 != 0, first & 2 != 0);
            let second = if extended { *self.data.get(self.at + 1)? } else { 0 };
            let mut start = self.at + 1 + usize::from(extended);
            let length = if sized { leb128(self.data, &mut start)? } else { self.data.len().checked_sub(start)? };
            let end = start.checked_add(length).filter(|end| *end <= self.data.len())?;
            self.at = end;
            let obu =
                Obu { header: [first & !2, second], header_bytes: 1 + usize::from(extended), payload: start..end };
            if ![TEMPORAL_DELIMITER, TILE_LIST, PADDING].contains(&obu.kind()) {
                return Some(obu);
            }
        }
    }
}

fn leb128(data: &[u8], at: &mut usize) -> Option<usize> {
    let mut value = 0_u64;
    for shift in (0..56).step_by(7) {
        let byte = *data.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return usize::try_from(value).ok();
        }
    }
    None
}

/// Bytes of a length of less than 16 384, which every element within a packet has.
fn length_bytes(length: usize) -> usize {
    if length < 0x80 { 1 } else { 2 }
}

/// Fills packets with elements.
struct Packer<'a> {
    data: &'a [u8],
    writer: &'a mut Writer,
    /// Whole small elements that wait for the rest of their packet.
    elements: Vec<Vec<u8>>,
    /// Their bytes with lengths.
    bytes: usize,
    /// Nothing of a new coded video sequence was sent yet.
    fresh: bool,
    /// The next packet begins in the middle of an OBU.
    continues: bool,
}

impl Packer<'_> {
    /// OBUs up to this are copied to stand together in a packet; longer ones are sent from where they lie.
    const COPIED_MAX: usize = 256;
    /// Room after the aggregation header.
    const ROOM: usize = PAYLOAD_MAX - 1;

    fn add(&mut self, obu: &Obu) {
        if obu.header_bytes + obu.payload.len() <= Self::COPIED_MAX {
            let payload = self.data.get(obu.payload.clone()).unwrap_or_default();
            self.add_copied([obu.header(), payload].concat());
        } else {
            self.add_long(obu);
        }
    }

    fn add_copied(&mut self, element: Vec<u8>) {
        if element.len() > Self::ROOM {
            return; // a sequence header has a few dozen bytes
        }
        let bytes = length_bytes(element.len()) + element.len();
        if self.elements.len() == ELEMENTS_MAX || self.bytes + bytes > Self::ROOM {
            self.flush(None, false);
        }
        self.bytes += bytes;
        self.elements.push(element);
    }

    /// Cuts an OBU so that all its packets have one size, the last maybe less.
    fn add_long(&mut self, obu: &Obu) {
        if self.elements.len() == ELEMENTS_MAX || self.bytes + obu.header_bytes + 1 > Self::ROOM / 2 {
            self.flush(None, false);
        }
        let total = self.bytes + obu.header_bytes + obu.payload.len();
        let size = total.div_ceil(total.div_ceil(Self::ROOM));
        let mut at = obu.payload.start;
        while at < obu.payload.end {
            let first = at == obu.payload.start;
            let before = if first { self.bytes + obu.header_bytes } else { 0 };
            let end = (at + size.saturating_sub(before).max(1)).min(obu.payload.end);
            let header = if first { obu.header() } else { &[] };
            self.flush(Some((header, at..end)), end < obu.payload.end);
            at = end;
        }
    }

    /// Writes a packet of the elements that wait and, after them, part of a long OBU.
    fn flush(&mut self, long: Option<(&[u8], Range<usize>)>, continued: bool) {
        let count = self.elements.len() + usize::from(long.is_some());
        if count == 0 {
            return;
        }
        let flags = if std::mem::replace(&mut self.continues, continued) { CONTINUES } else { 0 }
            | if continued { CONTINUED } else { 0 }
            | if std::mem::take(&mut self.fresh) { NEW_SEQUENCE } else { 0 };
        let mut head = Vec::with_capacity(1 + self.bytes + 2);
        head.push(flags | (count as u8) << 4); // at most ELEMENTS_MAX
        let last = self.elements.len().saturating_sub(1);
        for (index, element) in self.elements.iter().enumerate() {
            if long.is_some() || index < last {
                let length = element.len();
                if length_bytes(length) == 1 {
                    head.push(length as u8);
                } else {
                    head.extend_from_slice(&[length as u8 | 0x80, (length >> 7) as u8]);
                }
            }
            head.extend_from_slice(element);
        }
        let (header, body) = long.unwrap_or_default();
        head.extend_from_slice(header);
        self.writer.push(&head, body.start, body.len());
        self.elements.clear();
        self.bytes = 0;
    }
}
