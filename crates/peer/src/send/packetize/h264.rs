//! H.264 (RFC 6184, packetization mode 1): single units, STAP-A, FU-A.

use bytes::Bytes;

use super::nal::{Config, Format, Head, Role};

const STAP_A: u8 = 24;
const FU_A: u8 = 28;
const START: u8 = 0x80;
const END: u8 = 0x40;

pub(super) struct H264;

impl Format for H264 {
    const HEADER_BYTES: usize = 1;

    fn role(unit: &[u8]) -> Role {
        match unit.first().map(|first| first & 0x1f) {
            Some(7) => Role::ParameterSet(0),
            Some(8) => Role::ParameterSet(1),
            // Access unit delimiter, filler, and the types that only RTP has (RFC 6184 §5.4).
            Some(9 | 12 | 24..) | None => Role::Nothing,
            Some(_) => Role::Other,
        }
    }

    /// The most important reference of them, and damage if one is damaged (§5.7).
    fn gathered<'a>(units: impl Iterator<Item = &'a [u8]>) -> Head {
        let (damage, importance) = units
            .filter_map(|unit| unit.first())
            .fold((0, 0), |(damage, importance), first| (damage | first & 0x80, importance.max(first & 0x60)));
        Head::new([damage | importance | STAP_A])
    }

    fn fragment(unit: &[u8], first: bool, last: bool) -> Head {
        let header = unit.first().copied().unwrap_or_default();
        let edges = if first { START } else { 0 } | if last { END } else { 0 };
        Head::new([header & 0xe0 | FU_A, edges | header & 0x1f])
    }
}

/// Reads an `AVCDecoderConfigurationRecord` (ISO/IEC 14496-15 §5.3.3.1), as far as it is whole.
pub(super) fn config(record: &Bytes) -> Config {
    let mut config =
        Config { length_bytes: record.get(4).map_or(4, |lengths| usize::from(lengths & 3) + 1), sets: Vec::new() };
    let mut at = 5;
    for mask in [0x1f, 0xff] {
        let Some(count) = record.get(at) else { return config };
        at += 1;
        for _ in 0..count & mask {
            let Some(&[high, low]) = record.get(at..at + 2) else { return config };
            let end = at + 2 + usize::from(u16::from_be_bytes([high, low]));
            if end > record.len() {
                return config;
            }
            config.sets.push(record.slice(at + 2..end));
            at = end;
        }
    }
    config
}
