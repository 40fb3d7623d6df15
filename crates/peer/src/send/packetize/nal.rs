//! What H.264 and HEVC share: a frame is NAL units behind lengths; small ones are gathered, long ones are cut.

use std::ops::Range;

use bytes::Bytes;
use weir_media::Frame;

use super::super::packets::{PAYLOAD_MAX, Writer};

/// Longest header that is written before a unit or a fragment: two bytes of HEVC's, one that tells the fragment.
const HEAD_MAX: usize = 3;
/// Units of a keyframe at most that are looked at. 8K in the smallest slices has fewer.
const UNITS_MAX: usize = 4096;

/// What tells the payload formats of the two codecs apart.
pub(super) trait Format {
    /// Bytes of a NAL unit's header.
    const HEADER_BYTES: usize;

    /// What a unit is for a receiver that begins here.
    fn role(unit: &[u8]) -> Role;

    /// The header of a packet that gathers units, made of the gathered units' first bytes.
    fn gathered<'a>(units: impl Iterator<Item = &'a [u8]>) -> Head;

    /// The header of a fragment of `unit`.
    fn fragment(unit: &[u8], first: bool, last: bool) -> Head;
}

/// What a NAL unit is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// One of the parameter sets, by its place among those that a keyframe needs (0 to 2).
    ParameterSet(u8),
    /// Carries nothing that a receiver needs: delimiters and filler.
    Nothing,
    /// Anything else.
    Other,
}

/// A payload header.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    bytes: [u8; HEAD_MAX],
    length: usize,
}

impl Head {
    pub(super) fn new<const N: usize>(head: [u8; N]) -> Self {
        let mut bytes = [0; HEAD_MAX];
        bytes[..N].copy_from_slice(&head);
        Self { bytes, length: N }
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// What a configuration record says.
#[derive(Debug, Default)]
pub(super) struct Config {
    /// Bytes of the length before each unit of a frame, 1 to 4.
    pub(super) length_bytes: usize,
    /// Parameter sets that precede a keyframe which has none itself.
    pub(super) sets: Vec<Bytes>,
}

/// Appends the payloads of a frame.
pub(super) fn write<F: Format>(config: &Config, frame: &Frame, writer: &mut Writer) {
    let units: Vec<Range<usize>> = Units { data: &frame.data, at: 0, length_bytes: config.length_bytes }
        .filter(|unit| frame.data.get(unit.clone()).is_some_and(|unit| F::role(unit) != Role::Nothing))
        .take(UNITS_MAX)
        .collect();
    let mut gather = Gather::<F>::new(&frame.data, writer);
    if frame.keyframe && units.iter().any(|_| true) && !has_sets::<F>(config, &frame.data, &units) {
        for set in &config.sets {
            gather.add(Unit::Set(set));
        }
    }
    for unit in units {
        gather.add(Unit::Frame(unit));
    }
    gather.flush();
}

/// Whether the frame itself has each kind of parameter set that the record has.
fn has_sets<F: Format>(config: &Config, data: &[u8], units: &[Range<usize>]) -> bool {
    let kinds = |unit: &[u8]| match F::role(unit) {
        Role::ParameterSet(kind) => 1_u8 << (kind & 7),
        _ => 0,
    };
    let wanted = config.sets.iter().fold(0, |all, set| all | kinds(set));
    let there = units.iter().filter_map(|unit| data.get(unit.clone())).fold(0, |all, unit| all | kinds(unit));
    wanted & !there == 0
}

/// The units of a frame, as far as their lengths are right.
struct Units<'a> {
    data: &'a [u8],
    at: usize,
    length_bytes: usize,
}

impl Iterator for Units<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        loop {
            let lengths = self.data.get(self.at..self.at.checked_add(self.length_bytes)?)?;
            let length = lengths.iter().fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
            let start = self.at + self.length_bytes;
            let end = start.checked_add(length).filter(|end| *end <= self.data.len())?;
            self.at = end;
            if length > 0 {
                return Some(start..end);
            }
        }
    }
}

/// A unit, of the frame or of the configuration.
enum Unit<'a> {
    Frame(Range<usize>),
    Set(&'a Bytes),
}

/// Collects units that fit one packet.
struct Gather<'a, F> {
    data: &'a [u8],
    writer: &'a mut Writer,
    waiting: Vec<Unit<'a>>,
    /// Payload bytes if what waits is gathered.
    bytes: usize,
    format: std::marker::PhantomData<F>,
}

impl<'a, F: Format> Gather<'a, F> {
    fn new(data: &'a [u8], writer: &'a mut Writer) -> Self {
        Self { data, writer, waiting: Vec::new(), bytes: F::HEADER_BYTES, format: std::marker::PhantomData }
    }

    fn bytes_of(&self, unit: &Unit<'a>) -> &'a [u8] {
        match unit {
            Unit::Frame(range) => self.data.get(range.clone()).unwrap_or_default(),
            Unit::Set(set) => set,
        }
    }

    fn add(&mut self, unit: Unit<'a>) {
        let length = self.bytes_of(&unit).len();
        if self.bytes + 2 + length > PAYLOAD_MAX {
            self.flush();
        }
        if F::HEADER_BYTES + 2 + length <= PAYLOAD_MAX {
            self.bytes += 2 + length;
            self.waiting.push(unit);
        } else if length <= PAYLOAD_MAX {
            self.single(&unit);
        } else {
            self.fragments(&unit);
        }
    }

    /// Sends what waits: alone as it is, several in an aggregation packet.
    fn flush(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        self.bytes = F::HEADER_BYTES;
        match waiting.as_slice() {
            [] => {}
            [one] => self.single(one),
            several => {
                let mut payload = Vec::with_capacity(PAYLOAD_MAX);
                payload.extend_from_slice(F::gathered(several.iter().map(|unit| self.bytes_of(unit))).bytes());
                for unit in several {
                    let unit = self.bytes_of(unit);
                    payload.extend_from_slice(&(unit.len() as u16).to_be_bytes()); // fits a packet
                    payload.extend_from_slice(unit);
                }
                self.writer.push(&payload, 0, 0);
            }
        }
    }

    fn single(&mut self, unit: &Unit<'a>) {
        match unit {
            Unit::Frame(range) => self.writer.push(&[], range.start, range.len()),
            Unit::Set(set) => self.writer.push(set, 0, 0),
        }
    }

    /// Cuts a unit into fragments of one size, the last maybe shorter: such packets leave in one call to the kernel.
    fn fragments(&mut self, unit: &Unit<'a>) {
        let bytes = self.bytes_of(unit);
        let Some(content) = bytes.get(F::HEADER_BYTES..) else { return };
        let room = PAYLOAD_MAX - HEAD_MAX;
        let size = content.len().div_ceil(content.len().div_ceil(room).max(1)).max(1);
        let mut at = 0;
        while at < content.len() {
            let end = (at + size).min(content.len());
            let head = F::fragment(bytes, at == 0, end == content.len());
            match unit {
                Unit::Frame(range) => self.writer.push(head.bytes(), range.start + F::HEADER_BYTES + at, end - at),
                Unit::Set(_) => {
                    let part = content.get(at..end).unwrap_or_default();
                    self.writer.push(&[head.bytes(), part].concat(), 0, 0);
                }
            }
            at = end;
        }
    }
}
